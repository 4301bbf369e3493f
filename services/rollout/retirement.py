"""The worker's part of a retirement: take traffic to zero, read it back, count, and close only on what was counted.

Level-triggered: each turn reads the platform and the log and does what is missing, whatever happened before a crash.
A platform that cannot be switched off from here is switched off by its engineers; what counts is what is read back.
Wiring: `RetirementService(units=units, serving=serving, traffic=…, desk=signing, clock=clock)`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, datetime
from typing import Protocol

from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import ControlRoomError, InputError, StorageUnavailableError, UnavailableError
from services.ledger import events
from services.rollout import release_effects
from services.rollout import retirement_rules as rules
from services.rollout.lifecycle import Move, allows
from services.rollout.models import Observed
from services.rollout.ports import RetirementUnit, ServingPlatform
from services.rollout.retirement_models import (
    RETENTION_CLASS,
    Retirement,
    RetirementState,
    TrafficFacts,
)

OFF, RETIRED = "retirement-traffic-off", "model-retired"
_log = logging.getLogger("countersign.retirement")


class RetirementUnits(Protocol):
    def write(self) -> AbstractContextManager[RetirementUnit]: ...

    def read(self) -> AbstractContextManager[RetirementUnit]: ...


class RetirementService:
    def __init__(
        self,
        *,
        units: RetirementUnits,
        serving: ServingPlatform,
        traffic: TrafficFacts,
        desk: SigningDesk,
        clock: Clock,
        kept: Callable[[datetime], date | None] = lambda _at: None,
    ) -> None:
        """`kept` gives the day until which the record of a model retired then is kept, by its retention class."""
        self._kept = kept
        self._units = units
        self._serving = serving
        self._traffic = traffic
        self._desk = desk
        self._clock = clock

    def of_model(self, model: str) -> Retirement | None:
        """The one that runs or is over; None for a model in service."""
        with self._units.read() as unit:
            return unit.retirements.of_model(model)

    def of_request(self, request_id: str) -> Retirement | None:
        with self._units.read() as unit:
            return unit.retirements.of_request(request_id)

    def kept_until(self, item: Retirement) -> date | None:
        """None before it is retired: its period has not begun."""
        return self._kept(item.retired_at) if item.retired_at is not None else None

    def all(self) -> tuple[Retirement, ...]:
        """Newest first, those that were stopped too."""
        with self._units.read() as unit:
            return unit.retirements.all()

    def work(self) -> int:
        """Worker: one look at each retirement that runs; how many were closed."""
        with self._units.read() as unit:
            waiting = unit.retirements.open()
        return sum(self._look(item) for item in waiting)

    def _look(self, item: Retirement) -> bool:
        now = self._clock.now()
        try:
            before = self._serving.observe(item.deployment)
            observed, why = (before, "") if rules.is_off(before) else self._off(item, before)
            if not rules.is_off(observed):
                return self._keep(item, rules.not_off(item, why or "The platform still answers.", at=now))
            fresh = item if rules.is_off(before) else replace(item, off_since=None)
            seen = rules.judged(fresh, self._traffic(item, fresh.off_since or now), at=now)
        except StorageUnavailableError:
            raise
        except ControlRoomError as away:
            _log.warning("retirement not looked at", extra={"retirement": item.retirement_id, "reason": str(away)})
            return self._keep(item, rules.unread(item, away.message, at=now))
        return self._keep(item, seen)

    def _off(self, item: Retirement, observed: Observed) -> tuple[Observed, str]:
        """What the platform serves after it was asked to serve nobody, and why it did not do so, if it did not."""
        try:
            if observed.mirror is not None:
                observed = self._serving.set_mirror(
                    item.deployment, None, 0, expect_generation=observed.generation,
                    op=f"{item.retirement_id}-mirror-{observed.generation}",
                )  # fmt: skip
            self._serving.set_mode(
                item.deployment, "off", expect_generation=observed.generation,
                op=f"{item.retirement_id}-{observed.generation}",
            )  # fmt: skip
        except (InputError, UnavailableError) as cannot:
            why = f"The platform was not switched off from here: {cannot.message} Its engineers take it away."
            return self._serving.observe(item.deployment), why
        return self._serving.observe(item.deployment), ""

    def _keep(self, before: Retirement, seen: Retirement) -> bool:
        with self._units.write() as unit:
            current = unit.retirements.of_request(before.request_id)
            if current is None or current.revision != before.revision or not current.state.is_open:
                return False
            if seen.state is RetirementState.QUIET and before.state is RetirementState.ORDERED:
                words = f"{seen.model} answers nobody any more, as read back from the platform."
                self._record(unit, OFF, seen, words, idem=f"{OFF}:{seen.retirement_id}:{seen.revision}")
            if seen.state is RetirementState.RETIRED:
                seen = self._close(unit, seen)
            unit.retirements.save(seen)
        return seen.state is RetirementState.RETIRED

    def _close(self, unit: RetirementUnit, seen: Retirement) -> Retirement:
        at = seen.retired_at or self._clock.now()
        words = f"{seen.model} is retired. {seen.detail} Its record is kept in class {RETENTION_CLASS}."
        seq = self._record(unit, RETIRED, seen, words, idem=f"{RETIRED}:{seen.retirement_id}")
        unit.rollouts.finish_request(seen.request_id, applied=True, sentence=words, seq=seq, at=at)
        for release in unit.releases.running_releases(seen.model):
            if allows(release, Move.RETIRE):
                release_effects.retired(unit, release, f"{seen.model} is retired.", seq=seq, at=at)
        return replace(seen, seq=seq)

    def _record(self, unit: RetirementUnit, event: str, item: Retirement, sentence: str, *, idem: str) -> int:
        detail = {
            "retirement": item.retirement_id,
            "request": item.request_id,
            "entry": str(item.ordered_seq),
            "version": item.version,
            "since": utc_text(item.off_since) if item.off_since else "",
            "until": utc_text(item.counted_until) if item.counted_until else "",
            "counted": "" if item.counted is None else str(item.counted),
            "class": RETENTION_CLASS,
            "sentence": sentence,
        }
        payload = events.payload(
            event, actor=None, model=item.model, detail=detail, at=self._clock.now(), head=unit.ledger.head()
        )
        return unit.ledger.append(self._desk.sign_as_service(payload), idem=idem).seq
