"""A measured figure beside what was promised for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`at_most` is the promised figure, None where nothing is promised. A value that is no number never holds it."""

    value: float
    unit: str
    words: str
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        return self.at_most is None or self.value <= self.at_most

    def __str__(self) -> str:
        told = f"{self.value:12.5g} {self.unit:10} {self.words}" if self.unit else self.words
        if self.at_most is None:
            return told
        return f"{told}  [{'holds' if self.holds else 'MISSED'}: at most {self.at_most:g}]"
