"""One change of one model: the entry in the ledger and the row, in one unit of work, once per command."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory import registration
from services.inventory.models import GovernedModel
from services.inventory.ports import StewardshipUnit
from services.kernel.clock import Clock
from services.kernel.errors import InputError
from services.kernel.identity import Actor
from services.ledger import events

Change = Callable[[GovernedModel], tuple[GovernedModel, str]]
"""The model after the change, and the sentence that is recorded."""


def command_key(word: str, actor: Actor, command_id: str) -> str:
    return f"{word}:{digest(actor.issuer, actor.subject, command_id)[:40]}"


def digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def record_change(
    unit: StewardshipUnit,
    *,
    known: GovernedModel,
    change: Change,
    actor: Actor | None,
    idem: str,
    desk: SigningDesk,
    clock: Clock,
) -> Receipt:
    """Inside a unit of work. `known` stands for a model of the registry that nobody has written anything about yet.

    The entry holds the whole registration, so that any day's inventory can be rebuilt from the ledger alone.
    """
    earlier = unit.ledger.find(idem)
    if earlier is not None:
        return replace(earlier, repeated=True)
    before = unit.stewardship.governed(known.name) or known
    after, sentence = change(before)
    if after == before:
        raise InputError("This is what is on record already.", hint="Nothing was changed.")
    now = clock.now()
    recorded = unit.stewardship.recorded(known.name)
    text = registration.document(after, today=now.date())
    detail = registration.event_detail(after, text, earlier=recorded.document if recorded else "")
    payload = events.payload(
        registration.CHANGED if recorded else registration.REGISTERED,
        actor=actor,
        model=after.name,
        detail={**detail, "sentence": sentence},
        at=now,
        head=unit.ledger.head(),
    )
    receipt = unit.ledger.append(desk.sign_as_service(payload), idem=idem)
    unit.stewardship.save(after)
    return receipt
