"""Canary statistics: sequential tests that may be looked at every few seconds. Pure."""
