"""The embedded workspace: prepared once from real data, its history made through the real services."""
