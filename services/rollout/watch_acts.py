"""What the watcher writes down and whom it calls: a hold in the ledger, an incident, the memory of its looks.

A hold and its entry are one transaction. An incident that cannot be opened holds up nothing: whoever looks after
incidents finds the change of traffic and opens it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.kernel.errors import ControlRoomError
from services.kernel.identity import MACHINE_NAME, MACHINE_SUBJECT
from services.ledger import events
from services.rollout import lifecycle
from services.rollout.lifecycle import Move, allows
from services.rollout.ports import RolloutUnit, RolloutUnits
from services.rollout.release_models import Analysis, Hold, Release, ReleaseEvent
from services.rollout.release_ports import IncidentDesk
from services.rollout.release_steps import HELD
from services.rollout.watch_rules import Decision
from services.rollout.watch_rules import Move as Verb
from services.rollout.watch_state import WatchState, written

_TITLES = {
    "latched": "{model}: version {version} breaks its limits again",
    "outside-plan": "{model}: the machine may not roll back version {version}",
    "impaired": "{model}: serving is impaired, both versions break a limit",
    "evidence": "{model}: version {version} does worse on copies of live requests",
    "no-data": "{model}: no telemetry while version {version} is released",
    "difference": "{model}: what serves is not what was signed",
    "unjudged": "{model}: nobody can say how version {version} does",
    "monitor": "{model}: version {version} is released without a monitor",
}

_log = logging.getLogger(__name__)


class WatchActs:
    def __init__(self, *, units: RolloutUnits, desk: SigningDesk, incidents: IncidentDesk) -> None:
        self._units = units
        self._desk = desk
        self._incidents = incidents

    def keep(self, release: Release, state: WatchState, analysis: Analysis) -> None:
        """The newest look, and what is remembered until the next one."""
        with self._units.write() as unit:
            unit.releases.save_analysis(analysis)
            unit.releases.keep_watch(release.release_id, written(state))

    def hold(self, release: Release, decision: Decision, *, at: datetime) -> bool:
        """Pauses the release where it is; traffic stays. False when somebody paused, moved or ended it meanwhile."""
        hold = decision.hold or Hold.EVIDENCE
        with self._units.write() as unit:
            current = unit.releases.release(release.release_id)
            if current is None or current.revision != release.revision or not allows(current, Move.HOLD):
                return False
            seq = self._record(unit, current, replace(decision, hold=hold), at=at)
            held = lifecycle.held(current, hold, decision.sentence, at=at)
            unit.releases.save_release(held)
            said = f"Held: {decision.sentence}"
            event = ReleaseEvent(at=at, state=held.state, sentence=said, actor=MACHINE_NAME, seq=seq)
            unit.releases.add_release_event(release.release_id, event)
        return True

    def refused(self, release: Release, decision: Decision, *, at: datetime, impact_start: datetime | None) -> None:
        """The limit is broken and the machine may not act: the release goes no further, and people are called."""
        self.hold(release, decision, at=at)
        self.call(release, decision, at=at, impact_start=impact_start)

    def unjudged(self, release: Release, why: str, *, at: datetime) -> None:
        """Nobody can say how it does: it goes no further. Said once, because a held release is not held again."""
        doubt = Decision(move=Verb.HOLD, sentence=why, hold=Hold.MONITOR, severity=2, topic="unjudged")
        if self.hold(release, doubt, at=at):
            self.call(release, doubt, at=at)

    def call(self, release: Release, decision: Decision, *, at: datetime, impact_start: datetime | None = None) -> None:
        """Opens an incident, or joins the open one about the same."""
        title = _TITLES.get(decision.topic, "{model}: version {version} is held")
        breach = decision.breach
        try:
            self._incidents.open_by_rule(
                # Of the model, not of the release: telemetry that is gone is one matter for both versions.
                key=f"watch:{release.model}:{decision.topic}",
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

    def rolled_back(
        self, release: Release, decision: Decision, receipt: Receipt, *, at: datetime, impact_start: datetime
    ) -> None:
        """Opens the incident that names the action. A rollback of somebody else that was joined is theirs to tell."""
        with self._units.read() as unit:
            action = unit.rollouts.action_for(receipt.seq)
        if action is None or action.subject != MACHINE_SUBJECT:
            return
        breach = decision.breach
        try:
            self._incidents.open_by_rule(
                key=f"release:{release.release_id}:automatic",
                model=release.model,
                severity=decision.severity,
                title=f"{release.model}: version {release.candidate} was rolled back automatically",
                sentence=f"{decision.sentence} Back to version {action.to_version} under the signed plan.",
                version=release.candidate,
                rule=breach.rule.id if breach else "",
                measured=breach.measured.value if breach else "",
                action_id=action.action_id,
                impact_start=impact_start,
                detected_at=at,
            )
        except ControlRoomError as away:
            _log.warning("incident not opened", extra={"action": action.action_id, "reason": str(away)})

    def _record(self, unit: RolloutUnit, release: Release, decision: Decision, *, at: datetime) -> int:
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
