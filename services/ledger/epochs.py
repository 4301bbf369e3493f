"""A log that begins where another one was lost: what its first entry says about the one before.

A restored copy that is older than an anchor is never continued: receipts of the lost entries would contradict every
later one. A new log under its own name begins instead. Its genesis names the last anchored head of the old log, how
much of it is held, and which entries are therefore lost, signed by the administrators who state it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.attestation.keys import PublicKey, read_key
from services.kernel.errors import BrokenChainError, InputError, TrustError
from services.ledger import note

_NUMBERED = re.compile(r"(?P<deployment>.+)/countersign/log-(?P<number>[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    size: int
    root: str
    """Hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is known about a log that cannot be continued. Entries `held.size` to `anchored.size - 1` are lost."""

    origin: str
    genesis: str
    """Leaf hash of its first entry, as it was pinned."""
    log_key: PublicKey
    """Signed the checkpoint."""
    checkpoint: str
    """The last anchored one, as it was signed."""
    anchored: Span
    held: Span
    reason: str

    def __post_init__(self) -> None:
        if self.held.size >= self.anchored.size:
            raise InputError("Nothing is lost: the copy holds everything that was anchored.")
        if not self.reason.strip():
            raise InputError("A loss is stated with its reason.", hint="Say what happened, in a sentence.")


def document(loss: Loss, *, stated_by: list[dict[str, str]]) -> dict[str, Any]:
    """As it stands in a genesis under `previous`."""
    return {
        "origin": loss.origin,
        "genesis": loss.genesis,
        "logKey": loss.log_key.document(),
        "checkpoint": loss.checkpoint,
        "anchored": {"size": loss.anchored.size, "root": loss.anchored.root},
        "held": {"size": loss.held.size, "root": loss.held.root},
        "reason": loss.reason.strip(),
        "statedBy": stated_by,
    }


def require_vouched(previous: Mapping[str, Any]) -> None:
    """The checkpoint it names is of that log, signed by its key, and says what is claimed. Raises TrustError."""
    seen = note.verify(previous["checkpoint"], origin=previous["origin"], key=read_key(previous["logKey"]))
    if (seen.size, seen.root.hex()) != (previous["anchored"]["size"], previous["anchored"]["root"]):
        raise BrokenChainError("The checkpoint of the log before says something else than what is claimed of it.")


def sentence(previous: Mapping[str, Any]) -> str:
    """What a reader of the new log has to know, in one line."""
    first, last = previous["held"]["size"], previous["anchored"]["size"] - 1
    lost = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    who = " and ".join(item["name"] for item in previous["statedBy"])
    return (
        f"This log goes on from {previous['origin']}, of which {lost} lost: {previous['anchored']['size']} were "
        f"anchored (root {previous['anchored']['root'][:16]}), {previous['held']['size']} are held. "
        f"Stated by {who}: {previous['reason']}"
    )


def next_number(loss: Loss, deployment: str) -> int:
    """Of the new log of the same deployment. Raises InputError for another deployment."""
    found = _NUMBERED.fullmatch(loss.origin)
    if found is None or found["deployment"] != deployment:
        raise InputError(
            f"The loss is of the log {loss.origin}, not of the deployment {deployment}.",
            hint="Name the same deployment in the file of people, or found a new one without --after.",
        )
    return int(found["number"]) + 1


def size_before(previous: Mapping[str, Any] | None, tag: str) -> int | None:
    """How many entries of the log before a compact checkpoint vouches for; None when it is not of that log."""
    if previous is None:
        return None
    origin = previous["origin"]
    try:
        return note.verify(note.expanded(tag, origin=origin), origin=origin, key=read_key(previous["logKey"])).size
    except TrustError:
        return None
