"""Commands of exceptions and emergencies with sensible defaults, and moving the clock."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from services.adapters.sql.schema.people import person
from services.attestation.models import Receipt
from services.exceptions.models import DecideException, EndException, ProposeException
from services.kernel.clock import FrozenClock
from services.rollout.emergency_models import BreakGlass, Conclusion, SignReview
from tests.builders import MODEL, World

DANA, CLARA, CARL = "dana.datascience", "clara.compliance", "carl.compliance"
SAM, VERA, BEN = "sam.sre", "vera.validator", "ben.business"
GATE = "calibration-in-the-large"


def move(world: World, **delta: float) -> datetime:
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(clock.now() + timedelta(**delta))
    return clock.now()


def a_proposal(world: World, **changes: Any) -> ProposeException:
    values: dict[str, Any] = {
        "command_id": secrets.token_hex(4),
        "model": MODEL,
        "gate": GATE,
        "reason": "The holdout month had a strike; the next month is measured again.",
        "control": "A claims handler checks every tenth score by hand.",
        "owner_subject": BEN,
        "until": world.clock.now() + timedelta(days=30),
        "passphrase": world.secret(DANA),
    }
    return ProposeException(**(values | changes))


def propose(world: World, **changes: Any) -> str:
    """The id of a new proposal."""
    world.exceptions.propose(a_proposal(world, **changes), actor=world.actor(DANA))
    return world.exceptions.all()[0].id


def decide(
    world: World, exception_id: str, *, by: str = CLARA, grant: bool = True, reason: str = "", **given: Any
) -> Receipt:
    command = DecideException(
        command_id=secrets.token_hex(4),
        exception_id=exception_id,
        grant=grant,
        reason=reason,
        passphrase=given.get("passphrase", world.secret(by)),
    )
    return world.exceptions.decide(command, actor=world.actor(by))


def granted(world: World, **changes: Any) -> str:
    exception_id = propose(world, **changes)
    decide(world, exception_id)
    return exception_id


def end(
    world: World, exception_id: str, *, by: str = CLARA, reason: str = "The gate passes again since today."
) -> Receipt:
    command = EndException(
        command_id=secrets.token_hex(4), exception_id=exception_id, reason=reason, passphrase=world.secret(by)
    )
    return world.exceptions.end(command, actor=world.actor(by))


def disable(world: World, subject: str) -> None:
    """The person left: only what the people table says counts here."""
    with world.database.write() as connection:
        connection.execute(update(person).where(person.c.subject == subject).values(active=False))


def a_break_glass(world: World, version: str, **changes: Any) -> BreakGlass:
    values: dict[str, Any] = {
        "command_id": secrets.token_hex(4),
        "model": MODEL,
        "version": version,
        "reason_code": "HARM",
        "reason": "Version 1 rejects every claim since the schema change.",
        "model_confirmation": MODEL,
        "passphrase": world.secret(SAM),
    }
    if not {"challenge", "mode"} <= set(changes):
        plan = world.emergency.plan(MODEL, version, actor=world.actor(SAM))
        values |= {"challenge": plan.challenge, "mode": plan.mode}
    return BreakGlass(**(values | changes))


def break_glass(world: World, version: str, **changes: Any) -> str:
    """The id of the review that opened."""
    world.emergency.release(a_break_glass(world, version, **changes), actor=world.actor(SAM))
    return world.emergency.reviews(MODEL)[0].id


def a_review(world: World, review_id: str, *, by: str, **changes: Any) -> SignReview:
    values: dict[str, Any] = {
        "command_id": secrets.token_hex(4),
        "review_id": review_id,
        "conclusion": Conclusion.ACCEPTED,
        "comment": "Logs show the outage; the release ended it.",
        "passphrase": world.secret(by),
    }
    if "challenge" not in changes:
        values["challenge"] = world.emergency.open_review(review_id, actor=world.actor(by)).challenge
    return SignReview(**(values | changes))


def review(world: World, review_id: str, *, by: str, **changes: Any) -> Receipt:
    return world.emergency.review(a_review(world, review_id, by=by, **changes), actor=world.actor(by))
