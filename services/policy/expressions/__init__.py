"""Conditions in CEL, the Common Expression Language: checked against known names and types when a policy is read."""
