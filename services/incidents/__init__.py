"""What went wrong in production, who dealt with it and how long it took."""
