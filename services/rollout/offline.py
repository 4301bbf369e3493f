"""Sending traffic back while the governance database is away: only to a version kept as a target, and journalled.

The one act of traffic without a signature of a person. It is therefore refused while the database answers, it never
goes forward, and what was done is entered in the ledger later (`offline_entry`), where it stands as unsigned.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.kernel.clock import Clock, utc_text
from services.kernel.errors import (
    ConflictError,
    ControlRoomError,
    InputError,
    MissingReasonError,
    RefusalError,
    RollbackTargetError,
    ServingUnavailableError,
    UnknownModelError,
)
from services.rollout import plan
from services.rollout.models import Observed
from services.rollout.offline_models import Line, LineState, OfflineTargets, TargetsFile
from services.rollout.ports import ServingPlatform

_PROBES = 10
_LOOKS = 6
_LOADING_SECONDS = 60.0


class TargetsShelf(Protocol):
    def read(self) -> TargetsFile:
        """Raises StorageUnavailableError when there is none, TrustError when it is not genuine."""
        ...


class JournalWriter(Protocol):
    def append(self, line: Callable[[str], Line]) -> str:
        """Writes the line made for the digest of the line before, durably; its own digest.

        Raises StorageUnavailableError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflinePlan:
    target: OfflineTargets
    version: str
    file: TargetsFile
    observed: Observed
    why_away: str

    @property
    def sentences(self) -> tuple[str, ...]:
        who = self.target.on_call or "nobody that is on record"
        found = (
            f"The governance database does not answer: {self.why_away}",
            f"Served now by {self.target.deployment}: {plan.words(self.observed.routes)}.",
            f"Traffic goes to version {self.version}, 100 %. It was approved and had served before.",
            f"Last known at {utc_text(self.file.written_at)}; nothing later is, not even a revoked approval.",
            f"On call then: {who}. No signature stands behind this; the ledger will say so.",
        )
        if self.observed.mode != "live":
            return (*found, f"The deployment is in mode {self.observed.mode}: routes change, callers see it later.")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who types. `account` is what the operating system says, `name` what was given."""

    account: str
    name: str


class OfflineRollback:
    def __init__(
        self,
        *,
        shelf: TargetsShelf,
        journal: JournalWriter,
        serving: ServingPlatform,
        why_away: Callable[[], str],
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`why_away`: why the database cannot be written to, in a sentence; empty when it can."""
        self._shelf = shelf
        self._journal = journal
        self._serving = serving
        self._why_away = why_away
        self._clock = clock
        self._sleep = sleep

    def plan(self, model: str, version: str) -> OfflinePlan:
        """Raises RefusalError while the database answers, RollbackTargetError for a version that is not kept."""
        why_away = self._why_away()
        if not why_away:
            raise RefusalError(
                "The governance database answers, so traffic goes back with a signature.",
                hint=f"Use: python -m services rollback {model} --to {version}",
            )
        file = self._shelf.read()
        target = _target(file, model, version)
        observed = self._serving.observe(target.deployment)
        if observed.routes == ((version, 100),):
            raise ConflictError(f"Version {version} of {model} answers everything already; nothing was changed.")
        return OfflinePlan(target=target, version=version, file=file, observed=observed, why_away=why_away)

    def carry_out(self, agreed: OfflinePlan, *, person: Person, reason: str) -> Line:
        """Loads, journals, switches, reads back, journals again. Raises with what is known when one of it fails."""
        if not reason.strip() or not person.name.strip():
            raise MissingReasonError("An offline rollback needs a reason and the name of whoever orders it.")
        self._load(agreed)
        op = f"offline-{secrets.token_hex(8)}"
        self._write(agreed, op, person, reason, LineState.BEGUN, agreed.observed, "")
        try:
            seen = self._serving.set_routes(
                agreed.target.deployment,
                ((agreed.version, 100),),
                expect_generation=agreed.observed.generation,
                op=op,
            )
        except ControlRoomError as broken:
            # An endpoint that stopped answering may have switched all the same: only a refusal is known to be none.
            unknown = isinstance(broken, ServingUnavailableError)
            state = LineState.UNVERIFIED if unknown else LineState.FAILED
            self._write(agreed, op, person, reason, state, agreed.observed, str(broken))
            raise
        try:
            seen, problem = self._read_back(agreed, seen)
        except ControlRoomError as away:
            problem = str(away)
        state = LineState.UNVERIFIED if problem else LineState.DONE
        return self._write(agreed, op, person, reason, state, seen, problem)

    def _load(self, agreed: OfflinePlan) -> None:
        deadline = time.monotonic() + _LOADING_SECONDS
        while not self._serving.ensure_ready(agreed.target.deployment, agreed.version, op="offline-load"):
            if time.monotonic() > deadline:
                raise ServingUnavailableError(
                    f"Version {agreed.version} is still loading after {_LOADING_SECONDS:.0f} seconds; traffic was "
                    "not changed.",
                    hint="Look at the endpoint's log, then send the command again.",
                )
            self._sleep(0.2)

    def _read_back(self, agreed: OfflinePlan, seen: Observed) -> tuple[Observed, str]:
        """What is served, and why that is not yet what was ordered; empty when it is."""
        problem = ""
        for look in range(_LOOKS):
            if look:
                self._sleep(0.5)
            seen = self._serving.observe(agreed.target.deployment)
            if seen.routes != ((agreed.version, 100),):
                problem = f"The platform reports {plan.words(seen.routes)}."
                continue
            if agreed.target.kind != "realtime" or seen.mode != "live":
                return seen, ""
            probe = self._serving.probe_routed(agreed.target.deployment, _PROBES)
            if dict(probe.answered) == {agreed.version: _PROBES}:
                return seen, ""
            by = ", ".join(f"version {version}: {count}" for version, count in probe.answered) or "nobody"
            problem = f"Of {_PROBES} probes {probe.failed} failed; answered by {by}."
        return seen, problem

    def _write(  # noqa: PLR0917 - three callers, just above
        self,
        agreed: OfflinePlan,
        op: str,
        person: Person,
        reason: str,
        state: LineState,
        seen: Observed,
        detail: str,
    ) -> Line:
        written: list[Line] = []

        def made(previous: str) -> Line:
            line = Line(
                previous=previous,
                state=state,
                op=op,
                model=agreed.target.model,
                version=agreed.version,
                at=self._clock.now(),
                account=person.account,
                name=person.name.strip(),
                reason=reason.strip(),
                before=agreed.observed.routes,
                after=seen.routes,
                generation=seen.generation,
                targets_written_at=agreed.file.written_at,
                why_away=agreed.why_away,
                detail=detail,
            )
            written.append(line)
            return line

        self._journal.append(made)
        return written[-1]


def require_confirmed(model: str, typed: str) -> None:
    if typed.strip() != model:
        raise InputError("The typed name is not the name of the model; nothing was changed.", hint=f"Type {model}.")


def _target(file: TargetsFile, model: str, version: str) -> OfflineTargets:
    target = file.of(model)
    if target is None:
        known = ", ".join(item.model for item in file.models) or "none"
        raise UnknownModelError(f"No target is kept for {model}.", hint=f"Models with targets: {known}.")
    if version not in target.versions:
        kept = ", ".join(target.versions) or "none"
        raise RollbackTargetError(
            f"Version {version} of {model} is not among the versions that were both approved and served.",
            hint=f"Versions kept: {kept}. Nothing was changed.",
        )
    return target
