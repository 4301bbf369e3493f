"""A text that must not leak: it prints as stars in logs, tracebacks and representations."""

from __future__ import annotations


class Secret:
    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; call only where it is used, never to log or store it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('********')"

    __str__ = __repr__
