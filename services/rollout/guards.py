"""What every signed change of traffic passes before it is recorded: the form it was made in, and who may.

A challenge is a single-use number bound to the person, the purpose and the state that was shown. Refused attempts
become ledger entries.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from services.attestation.canonical import to_bytes
from services.inventory.models import GovernedModel
from services.kernel.clock import Clock
from services.kernel.errors import InputError, RefusalError, ReviewOverdueError, StaleRequestError
from services.kernel.identity import Actor
from services.ledger.service import LedgerService
from services.rollout.models import Basis, Challenge, Deployment
from services.rollout.ports import RolloutStore, RolloutUnit, RolloutUnits

CHALLENGE_LIFETIME = timedelta(minutes=15)


class RetiredError(RefusalError):
    """Something of a model would be released that is being taken out of service, or was."""

    code = "retired"


class Guards:
    def __init__(self, *, units: RolloutUnits, ledger: LedgerService, clock: Clock) -> None:
        self._units = units
        self._ledger = ledger
        self._clock = clock

    @contextmanager
    def recording(self, event: str, actor: Actor, model: str, what: str) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            self._ledger.record_event(
                event=event, actor=actor, model=model, detail={"target": what, "code": refused.code}
            )
            raise

    def challenge(self, purpose: str, actor: Actor, row: Deployment, *, shown: str) -> str:
        challenge = Challenge(
            nonce=secrets.token_hex(16),
            purpose=purpose,
            subject=actor.subject,
            about=row.model,
            revision=row.epoch,
            shown_sha256=_digest(shown),
            expires_at=self._clock.now() + CHALLENGE_LIFETIME,
        )
        with self._units.write() as unit:
            unit.rollouts.add_challenge(challenge)
        return challenge.nonce

    def require_challenge(
        self, rollouts: RolloutStore, nonce: str, purpose: str, actor: Actor, row: Deployment, *, shown: str = ""
    ) -> None:
        """With `shown`, what is true now must also be what the form was opened with."""
        found = rollouts.challenge(nonce)
        now = self._clock.now()
        bound = (found.purpose, found.subject, found.about) if found else None
        if found is None or bound != (purpose, actor.subject, row.model):
            raise RefusalError("This form was not opened by you for this model.", hint="Open it again.")
        changed = bool(shown) and found.shown_sha256 != _digest(shown)
        if found.used or found.expires_at < now or found.revision != row.epoch or changed:
            raise StaleRequestError(
                "Traffic changed or too much time passed since you opened this form.", hint="Open it again."
            )

    def spend(self, unit: RolloutUnit, nonce: str, row: Deployment) -> None:
        current = unit.rollouts.deployment(row.model)
        if current is None or current.epoch != row.epoch or not unit.rollouts.use_challenge(nonce):
            raise StaleRequestError("Somebody acted on this model at the same moment.", hint="Look again.")


def _digest(shown: str) -> str:
    return hashlib.sha256(to_bytes({"shown": shown})).hexdigest()


def released(rollouts: RolloutStore, governed: GovernedModel) -> Deployment:
    row = rollouts.deployment(governed.name)
    if row is None or not row.desired:
        raise InputError(f"{governed.name} was never released.", hint="Approve a version first.")
    return row


def require_reviewed(rollouts: RolloutStore, model: str, *, now: datetime) -> None:
    """Raises ReviewOverdueError while a break-glass release of the model waits too long for its reviewers, and
    RetiredError for a model that is being taken out of service.
    """
    require_in_service(rollouts, model)
    overdue = rollouts.overdue_reviews(model, now=now)
    if overdue:
        raise ReviewOverdueError(
            f"Nothing new goes live before the review is done. {' '.join(overdue)}",
            hint="A rollback is possible all the same.",
        )


def require_in_service(rollouts: RolloutStore, model: str) -> None:
    """Raises RetiredError while the model is being retired, and for good once it is."""
    why = rollouts.retiring(model)
    if why:
        raise RetiredError(why, hint="Nothing was changed.")


def basis(rollouts: RolloutStore, request_id: str | None) -> Basis:
    found = rollouts.basis(request_id or "")
    if found is None:
        raise RefusalError("The approval behind this version cannot be found.", hint="Choose another version.")
    return found


def raise_epoch(rollouts: RolloutStore, model: str, *, at: datetime) -> None:
    row = rollouts.deployment(model)
    if row is not None:
        rollouts.save_deployment(replace(row, epoch=row.epoch + 1), at=at)
