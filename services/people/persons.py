"""Whether two accounts are one person, as far as this deployment can know. Pure.

Identity is issuer and subject. A second account of the same person is known by what an enrolment prints: the same
subject at another issuer, or the same name. An account with another subject under another name cannot be told from
another person here; that has to be settled by the administrators who enrol people, two of whom sign each enrolment.
Two different people who print the same name are refused as well, until one of them is enrolled under a fuller one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    issuer: str
    subject: str
    name: str


def same_person(one: Account, other: Account) -> bool:
    if (one.issuer, one.subject) == (other.issuer, other.subject) or one.subject == other.subject:
        return True
    return bool(_plain(one.name)) and _plain(one.name) == _plain(other.name)


def overlap(some: Iterable[Account], others: Iterable[Account]) -> bool:
    """Somebody is on both sides, with the same or with another account."""
    known = tuple(others)
    return any(same_person(one, other) for one in some for other in known)


def _plain(name: str) -> str:
    """Without case, accents and spacing: two enrolments rarely spell a name alike to the letter."""
    bare = unicodedata.normalize("NFKD", name)
    letters = "".join(char for char in bare if not unicodedata.combining(char))
    return " ".join(letters.casefold().split())
