"""Measures a version by itself: plans checks, investigates what looks wrong, writes the report. Rules decide later."""
