"""The way to a screen and to the exact step or chart on it, as one text: what lists, notices and alerts point with."""

from __future__ import annotations

from urllib.parse import quote


def target_of(screen: str, **values: str) -> str:
    """`approvals?request=req-1&step=validator`, each value quoted."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items() if value)
    return f"{screen}?{query}" if query else screen
