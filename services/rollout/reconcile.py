"""Compares what was asked for with what is served and what the registry shows; words go on the screen.

Each distinct difference becomes one observation entry in the ledger. Nothing is repaired here: a change made
outside is shown to people, who decide.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from services.attestation import statement
from services.attestation.models import Kind, Subject
from services.attestation.ports import SigningDesk
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, ServingUnavailableError
from services.rollout import plan
from services.rollout.intents import ALIAS, routes_document
from services.rollout.models import Deployment, Observed
from services.rollout.ports import RolloutUnit, RolloutUnits, ServingPlatform

_COPY_LAG = timedelta(seconds=10)


class Reconciler:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        serving: ServingPlatform,
        inventory: InventoryService,
        desk: SigningDesk,
        clock: Clock,
    ) -> None:
        self._units = units
        self._serving = serving
        self._inventory = inventory
        self._desk = desk
        self._clock = clock

    def run(self) -> int:
        """Reads every deployment back; the number of differences standing."""
        with self._units.read() as unit:
            rows = unit.rollouts.deployments()
        return sum(self._one(row) for row in rows)

    def _one(self, row: Deployment) -> bool:
        problem, observed = "", row.observed
        try:
            observed = self._serving.observe(row.deployment)
        except ServingUnavailableError as away:
            problem = away.message
        alias, copied_at = self._alias(row.model)
        alias_known = copied_at is not None
        now = self._clock.now()
        with self._units.write() as unit:
            # Read again inside the transaction: an action may have finished since.
            current = unit.rollouts.deployment(row.model)
            if current is None:
                return False
            busy = bool(unit.rollouts.open_actions(row.model)) or current.epoch != row.epoch
            # The copy of the registry is seconds old: after our own move only a newer copy may accuse anybody.
            newest = next(iter(unit.rollouts.actions(row.model, 1)), None)
            moved = newest.finished_at if newest and newest.finished_at else None
            alias_known = alias_known and copied_at is not None and (moved is None or copied_at > moved + _COPY_LAG)
            seen = None if problem or current.observed_at != row.observed_at else observed
            found = plan.difference(
                current,
                observed=seen.routes if seen else None,
                alias=alias,
                alias_known=alias_known,
                busy=busy or current.champion != row.champion,
            )
            changed = replace(
                current,
                observed=observed,
                observed_at=current.observed_at if problem or observed is None else observed.at,
                problem=problem,
                alias_read_at=now if alias_known else current.alias_read_at,
            )
            if not busy:
                changed = self._noted(unit, changed, found, observed, alias)
            if changed != current:
                unit.rollouts.save_deployment(changed, at=now)
        return bool(found)

    def _alias(self, model: str) -> tuple[str | None, datetime | None]:
        """Where the registry copy says the alias points and since when we know; no time while the copy is failing."""
        try:
            sync = self._inventory.sync_state()
            if sync.error:
                return None, None
            versions = self._inventory.versions(model)
        except ControlRoomError:
            return None, None
        return next((item.version for item in versions if ALIAS in item.aliases), None), sync.last_success

    def _noted(
        self, unit: RolloutUnit, row: Deployment, found: str, observed: Observed | None, alias: str | None
    ) -> Deployment:
        digest = hashlib.sha256(found.encode()).hexdigest() if found else ""
        if not found:
            # Findings of failed actions carry no digest and stay until the next action; ours end by themselves.
            return replace(row, finding="", finding_digest="") if row.finding_digest else row
        if digest == row.finding_digest:
            return row
        payload = statement.build(
            Kind.OBSERVATION,
            subjects=(Subject(name=f"deployment:/{row.deployment}", sha256=digest),),
            predicate={
                "model": row.model,
                "aliases": {f"{row.model}@{ALIAS}": alias or ""},
                "routes": routes_document(observed.routes if observed else ()),
                "detail": {"desired": plan.words(row.desired)},
                "finding": found,
            },
            at=self._clock.now(),
            head=unit.ledger.head(),
        )
        receipt = unit.ledger.append(
            self._desk.sign_as_service(payload), idem=f"observation:{row.model}:{row.epoch}:{digest}"
        )
        return replace(row, finding=f"{found} (entry {receipt.seq})", finding_digest=digest)
