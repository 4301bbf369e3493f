"""A defence that is taken out: which text of which file goes, and the test that then has to fail."""

from __future__ import annotations

from dataclasses import dataclass

# Where a check answers by raising, the removed check is replaced by one that is never true.
NEVER = "if False:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Text of a file that is replaced once; it has to be there, so that a cut cannot silently miss."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    attack: str
    rows: tuple[int, ...] = ()
    """Places in the list of attacks; empty for one that is not in it by itself."""
    defence: str
    cuts: tuple[Cut, ...]
    test: str


def cut(file: str, old: str, new: str = "") -> Cut:
    return Cut(file=f"services/{file}", old=old, new=new)
