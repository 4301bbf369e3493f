"""What can be said about predictions from labels alone: numbers with 95 % intervals. Pure; numpy and scipy only."""
