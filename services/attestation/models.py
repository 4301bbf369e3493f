"""What is signed: a statement about exact subjects, as canonical bytes, in a DSSE envelope."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Predicate types, `urn:countersign:<kind>:v1`. Never renamed, never reused once shipped."""

    GENESIS = "genesis"
    KEYRING = "keyring"
    POLICY = "policy"
    REQUEST = "request"
    DECISION = "decision"
    ACTION = "action"
    OUTCOME = "outcome"
    OBSERVATION = "observation"
    EVENT = "event"
    """A fact without effect on what may go live: a refused attempt, a sign-in, a metadata change."""
    DELEGATION = "delegation"
    """Somebody lets another person sign in his role for a while, or takes that back."""
    EXCEPTION = "exception"
    """A gate that need not pass for a stated time, under a compensating control."""
    REVIEW = "review"
    """The later judgement on an emergency action, by somebody who had no part in it."""

    @property
    def predicate_type(self) -> str:
        return f"urn:countersign:{self.value}:v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a statement is about. `sha256` is the manifest digest for a model version."""

    name: str
    sha256: str
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """The state of the log a signer saw; every statement carries one, so later signatures pin earlier history."""

    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the actor keeps: the entry's place, its hash, and the signed checkpoint that contains it."""

    seq: int
    leaf_hash: str
    root: str
    size: int
    checkpoint: str
    key_id: str
    repeated: bool = False
    """True when the same command had already been recorded; nothing was written again."""
