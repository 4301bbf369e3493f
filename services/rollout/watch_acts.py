"""What the watcher writes down and whom it calls: a hold in the ledger, an incident, the memory of its looks.

A hold and its entry are one transaction. An incident that cannot be opened holds up nothing: it is tried again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.kernel.errors import ControlRoomError
from services.kernel.identity import MACHINE_NAME, MACHINE_SUBJECT
from services.ledger import events
from services.rollout.models import Action, ActionKind, ActionState
from services.rollout.release_models import Analysis, Hold, Release, ReleaseEvent, ReleaseState
from services.rollout.release_ports import IncidentDesk
from services.rollout.watch_ports import WatchUnit, WatchUnits
from services.rollout.watch_rules import Decision
from services.rollout.watch_state import WatchState, written

HELD = "release-held"
"""Event of the ledger: a running release goes no further until a person resumes it."""
_TOLD_FOR = timedelta(hours=1)
"""How long after its end a rollback is still told to the incidents, should the watcher have been away."""
_MISSED_FOR = timedelta(minutes=2)
"""How long after it an automatic rollback still gets its incident from a watcher that did not make it."""
_LATEST = 20
_TITLES = {
    "latched": "{model}: version {version} breaks its limits again",
    "outside-plan": "{model}: the machine may not roll back version {version}",
    "impaired": "{model}: serving is impaired, both versions break a limit",
    "evidence": "{model}: version {version} does worse on copies of live requests",
    "no-data": "{model}: no telemetry while version {version} is released",
    "difference": "{model}: what serves is not what was signed",
    "monitor": "{model}: version {version} is released without a monitor",
}

_log = logging.getLogger(__name__)


class WatchActs:
    def __init__(self, *, units: WatchUnits, desk: SigningDesk, incidents: IncidentDesk) -> None:
        self._units = units
        self._desk = desk
        self._incidents = incidents
        self._opened: set[str] = set()
        self._told: set[str] = set()

    def keep(self, release: Release, state: WatchState, analysis: Analysis) -> None:
        """The newest look and what is remembered; a release that ended meanwhile keeps its last look."""
        with self._units.write() as unit:
            unit.releases.save_analysis(analysis)
            unit.releases.keep_watch(release.release_id, written(state))

    def hold(self, release: Release, decision: Decision, *, at: datetime) -> None:
        """Pauses the release where it is; traffic stays. Nothing when somebody paused or ended it meanwhile."""
        with self._units.write() as unit:
            current = unit.releases.release(release.release_id)
            if current is None or current.state is not release.state or decision.hold is None:
                return
            seq = self._record(unit, current, decision, at=at)
            held = replace(
                current,
                state=ReleaseState.PAUSED,
                resumes_to=current.state,
                hold=decision.hold,
                hold_reason=decision.sentence,
                updated_at=at,
                revision=current.revision + 1,
            )
            unit.releases.save_release(held)
            event = ReleaseEvent(
                at=at, state=held.state, sentence=f"Held: {decision.sentence}", actor=MACHINE_NAME, seq=seq
            )
            unit.releases.add_release_event(release.release_id, event)

    def refused(self, release: Release, decision: Decision, *, at: datetime, impact_start: datetime | None) -> None:
        """The limit is broken and the machine may not act: the release goes no further, and people are called."""
        if release.state is not ReleaseState.PAUSED and release.state is not ReleaseState.FULL:
            self.hold(release, replace(decision, hold=Hold.EVIDENCE), at=at)
        self.call(release, decision, at=at, impact_start=impact_start)

    def call(self, release: Release, decision: Decision, *, at: datetime, impact_start: datetime | None = None) -> None:
        """Opens an incident, or joins the open one about the same."""
        title = _TITLES.get(decision.topic, "{model}: version {version} is held")
        breach = decision.breach
        try:
            self._incidents.open_by_rule(
                key=f"release:{release.release_id}:{decision.topic}",
                model=release.model,
                severity=decision.severity,
                title=title.format(model=release.model, version=release.candidate),
                sentence=decision.sentence,
                version=release.candidate,
                rule=breach.rule.id if breach else "",
                measured=breach.measured.value if breach else "",
                impact_start=impact_start,
                detected_at=at,
            )
        except ControlRoomError as away:
            _log.warning("incident not opened", extra={"release": release.release_id, "reason": str(away)})

    def rolled_back(self, release: Release, receipt: Receipt, *, at: datetime, impact_start: datetime) -> None:
        """Remembers that the machine acted in this release, and opens the incident that names the action."""
        with self._units.write() as unit:
            action = unit.rollouts.action_for(receipt.seq)
            current = unit.releases.release(release.release_id)
            if current is not None and not current.latched:
                unit.releases.save_release(replace(current, latched=True, revision=current.revision + 1))
        if action is not None and action.subject == MACHINE_SUBJECT:
            self._incident_of(action, impact_start=impact_start, detected_at=at)

    def settle(self, now: datetime) -> None:
        """Tells the incidents of automatic rollbacks and of those that are verified. Repeating it changes nothing."""
        with self._units.read() as unit:
            recent = unit.rollouts.actions("", _LATEST)
        for action in recent:
            if action.kind is not ActionKind.ROLLBACK:
                continue
            if action.subject == MACHINE_SUBJECT and abs(now - action.created_at) < _MISSED_FOR:
                self._incident_of(action, impact_start=None, detected_at=action.created_at)
            if _is_verified(action, now) and action.action_id not in self._told:
                self._mitigated(action)

    def _incident_of(self, action: Action, *, impact_start: datetime | None, detected_at: datetime) -> None:
        """Once per action: also after a crash between the rollback and its incident."""
        if action.action_id in self._opened:
            return
        try:
            self._incidents.open_by_rule(
                key=f"automatic:{action.action_id}",
                model=action.model,
                severity=2,
                title=f"{action.model}: version {action.from_version} was rolled back automatically",
                sentence=f"{action.reason}. Version {action.to_version} answers again.",
                version=action.from_version or "",
                rule=action.reason.partition(";")[0],
                measured=action.reason.partition("; measured ")[2],
                action_id=action.action_id,
                impact_start=impact_start,
                detected_at=detected_at,
            )
        except ControlRoomError as away:
            _log.warning("incident not opened", extra={"action": action.action_id, "reason": str(away)})
            return
        self._opened.add(action.action_id)

    def _mitigated(self, action: Action) -> None:
        at = action.switched_at or action.finished_at or action.created_at
        try:
            self._incidents.mitigated_by_action(
                action.action_id,
                at=at,
                seq=action.seq_outcome,
                sentence=f"Traffic is back on version {action.to_version}, read back and probed.",
            )
        except ControlRoomError as away:
            _log.warning("incident not told", extra={"action": action.action_id, "reason": str(away)})
            return
        self._told.add(action.action_id)

    def _record(self, unit: WatchUnit, release: Release, decision: Decision, *, at: datetime) -> int:
        detail = {
            "release": release.release_id,
            "version": release.candidate,
            "hold": decision.hold.value if decision.hold else "",
            "sentence": f"{release.model} version {release.candidate} is held at {release.share} %. "
            f"{decision.sentence}",
        }
        payload = events.payload(HELD, actor=None, model=release.model, detail=detail, at=at, head=unit.ledger.head())
        idem = f"held:{release.release_id}:{release.revision}"
        return unit.ledger.append(self._desk.sign_as_service(payload), idem=idem).seq


def _is_verified(action: Action, now: datetime) -> bool:
    done = action.kind is ActionKind.ROLLBACK and action.state is ActionState.APPLIED
    return done and action.finished_at is not None and abs(now - action.finished_at) < _TOLD_FOR
