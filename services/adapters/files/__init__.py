"""Folders of the workspace that hold finished documents."""
