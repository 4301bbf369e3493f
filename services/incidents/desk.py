"""Incidents on behalf of rules: opened once per key, joined while open, mitigated when traffic is verified to be back.

Nothing here depends on who calls first or how often: a rule that calls again after a crash, two watchers at once and
the worker that looks after both end with one incident. Call it outside of any unit of work.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from services.incidents import rules, wording
from services.incidents.models import Incident, Step
from services.incidents.ports import IncidentUnit, IncidentUnits
from services.incidents.recording import NOT_YET, Recorder, digest
from services.kernel.clock import Clock, utc_text
from services.kernel.identity import MACHINE_SUBJECT
from services.rollout.models import Action, ActionKind

_LOOK_BACK = timedelta(days=1)
"""Older changes of traffic are history: nobody is called about them now."""
_SETTLING = timedelta(minutes=1)
"""What the machine did is told by its watcher, which knows when the impact began; only later it was left out."""
_ACTIONS = 200
_DRILL = "DRILL"
_SEVERITY = {"HARM": 1, "SECURITY": 1, "OUTAGE": 2, "ERRORS": 2, "QUALITY": 2, "COMPLIANCE": 2, "LEGAL": 2}
_ELSE = 3


class RuleDesk:
    """Implements rollout.release_ports.IncidentDesk."""

    def __init__(
        self, *, units: IncidentUnits, recorder: Recorder, clock: Clock, release_of: Callable[[str, str], str]
    ) -> None:
        """`release_of`: the id of the release of a model's version, empty where there is none."""
        self._release_of = release_of
        self._units = units
        self._recorder = recorder
        self._clock = clock

    def open_by_rule(
        self,
        *,
        key: str,
        model: str,
        severity: int,
        title: str,
        sentence: str,
        version: str,
        rule: str = "",
        measured: str = "",
        action_id: str = "",
        impact_start: datetime | None = None,
        detected_at: datetime | None = None,
    ) -> str:
        """The id of the incident: an open one with this key, or of this action, is joined. Raises InputError.

        Joining changes nothing, except that an action is linked, and that a breach after the mitigation says so in an
        entry of its own: the clock then runs again. A closed incident is never opened again; the new one names it.
        """
        rules.require_severity(severity)
        detected = (detected_at or self._clock.now()).replace(microsecond=0)
        # A rule's window may end a moment after the look at it: the impact did not begin later than it was seen.
        start = min(impact_start.replace(microsecond=0), detected) if impact_start else None
        release = self._release_of(model, version)
        with self._units.write() as unit:
            found = _joinable(unit, key, action_id)
            if found is not None:
                self._join(unit, found, action_id=action_id, measured=measured, start=start, detected=detected)
                return found.incident_id
            earlier = unit.incidents.of_key(key)
            incident = Incident(
                incident_id="",
                key=key,
                model=model,
                version=version,
                severity=severity,
                title=title[: rules.LONGEST_TITLE],
                text=sentence,
                rule=rule,
                measured=measured,
                times=NOT_YET,
                opened_seq=0,
                actions=(action_id,) if action_id else (),
                release_id=release,
                earlier=earlier.incident_id if earlier else "",
            )
            draft = self._recorder.draft(
                Step.OPENED,
                wording.opened_by_rule(incident),
                actor=None,
                key=key,
                version=version,
                severity=str(severity),
                title=incident.title,
                rule=rule,
                measured=measured,
                action=action_id,
                earlier=incident.earlier,
                impactStart=utc_text(start) if start else "",
                detected=utc_text(detected),
            )
            idem = f"incident:rule:{digest(key, str(earlier.opened_seq) if earlier else '')[:40]}"
            opened, _ = self._recorder.open(unit, incident, draft, actor=None, idem=idem)
            self.settle(unit, opened)
        return opened.incident_id

    def mitigated_by_action(self, action_id: str, *, at: datetime, seq: int | None, sentence: str) -> None:
        """Traffic is back, verified: marks the incidents that name this action as mitigated. Twice changes nothing."""
        with self._units.write() as unit:
            for incident in unit.incidents.naming(action_id):
                if rules.refusal(incident, Step.MITIGATED):
                    continue
                if incident.recurred_seq is not None and seq is not None and seq <= incident.recurred_seq:
                    continue
                self._mitigate(unit, incident, action_id, at=at, seq=seq, sentence=sentence)

    def catch_up(self) -> int:
        """Worker: what a crash may have left out; the number of incidents that changed.

        A rollback or an emergency release has an incident, and a verified one ends the impact. Rehearsals have none.
        """
        now, changed = self._clock.now(), 0
        since = now - _LOOK_BACK
        with self._units.read() as unit:
            recent = [item for item in unit.rollouts.actions("", _ACTIONS) if item.created_at >= since]
            unnamed = [
                item for item in recent if _needs_incident(item, now=now) and not unit.incidents.naming(item.action_id)
            ]
            over = [item.incident_id for item in unit.incidents.open() if _mitigating(unit, item) is not None]
        for action in reversed(unnamed):
            self._for_action(action)
            changed += 1
        for incident_id in over:
            with self._units.write() as unit:
                current = unit.incidents.get(incident_id)
                changed += current is not None and self.settle(unit, current)
        return changed

    def link(self, unit: IncidentUnit, incident: Incident, action_id: str, *, by: str = "Countersign") -> Incident:
        """Inside the caller's unit of work."""
        draft = self._recorder.draft(
            Step.LINKED, f"{by} linked a change of traffic to {incident.incident_id}.", actor=None, action=action_id
        )
        linked, _ = self._recorder.add(
            unit,
            incident,
            draft,
            actor=None,
            idem=f"incident:{incident.incident_id}:link:{action_id}",
            actions=(*incident.actions, action_id),
        )
        return linked

    def settle(self, unit: IncidentUnit, incident: Incident) -> bool:
        """Mitigates it when one of its changes of traffic is verified; False when there is none."""
        action = _mitigating(unit, incident)
        if action is None:
            return False
        at = action.switched_at or action.finished_at or self._clock.now()
        words = wording.verified(action)
        self._mitigate(unit, incident, action.action_id, at=at, seq=action.seq_outcome, sentence=words)
        return True

    def _for_action(self, action: Action) -> None:
        """An incident that nobody has mitigated yet is what this change is about; else it opens one."""
        with self._units.write() as unit:
            if unit.incidents.naming(action.action_id):
                return
            waiting = [item for item in unit.incidents.open(action.model) if item.times.mitigated is None]
            if waiting:
                self.settle(unit, self.link(unit, waiting[0], action.action_id))
                return
        self.open_by_rule(
            key=f"action:{action.action_id}",
            model=action.model,
            severity=2 if action.subject == MACHINE_SUBJECT else _SEVERITY.get(action.reason_code, _ELSE),
            title=wording.of_action(action),
            sentence=wording.why_action(action),
            version=action.from_version or action.to_version,
            rule=action.reason_code,
            action_id=action.action_id,
            detected_at=action.created_at,
        )

    def _join(
        self,
        unit: IncidentUnit,
        incident: Incident,
        *,
        action_id: str,
        measured: str,
        start: datetime | None,
        detected: datetime,
    ) -> None:
        if incident.times.closed is not None:
            return
        if incident.times.impact_start is None and start is not None and start <= incident.times.detected:
            incident = self._start_known(unit, incident, start)
        if rules.recurs(incident, action_id=action_id, detected=detected):
            draft = self._recorder.draft(
                Step.RECURRED,
                wording.recurred(incident, measured),
                actor=None,
                measured=measured,
                detected=utc_text(detected),
            )
            idem = f"incident:{incident.incident_id}:recurred:{unit.ledger.head().size}"
            incident, _ = self._recorder.add(unit, incident, draft, actor=None, idem=idem)
        if action_id and action_id not in incident.actions:
            incident = self.link(unit, incident, action_id)
        self.settle(unit, incident)

    def _start_known(self, unit: IncidentUnit, incident: Incident, start: datetime) -> Incident:
        """Whoever opened it did not know when it began; the rule that watched does."""
        at = utc_text(start)
        draft = self._recorder.draft(Step.IMPACT, wording.impact(incident, "A rule", at), actor=None, impactStart=at)
        known, _ = self._recorder.add(unit, incident, draft, actor=None, idem=f"incident:{incident.incident_id}:start")
        return known

    def _mitigate(
        self, unit: IncidentUnit, incident: Incident, action_id: str, *, at: datetime, seq: int | None, sentence: str
    ) -> None:
        draft = self._recorder.draft(
            Step.MITIGATED,
            sentence,
            actor=None,
            action=action_id,
            entry="" if seq is None else str(seq),
            mitigated=utc_text(at),
        )
        self._recorder.add(
            unit,
            incident,
            draft,
            actor=None,
            idem=f"incident:{incident.incident_id}:mitigated:{action_id}:{incident.recurred_seq or 0}",
            mitigated_seq=seq,
        )


def _joinable(unit: IncidentUnit, key: str, action_id: str) -> Incident | None:
    """An open one of this key, or one of this action: also a closed one, since the same change is no new breach."""
    same = unit.incidents.of_key(key)
    if same is not None and same.times.closed is None:
        return same
    named = unit.incidents.naming(action_id) if action_id else ()
    return next((item for item in named if item.times.closed is None), named[-1] if named else None)


def _mitigating(unit: IncidentUnit, incident: Incident) -> Action | None:
    found = (unit.rollouts.action(action_id) for action_id in incident.actions)
    return next((item for item in found if item is not None and rules.mitigates(incident, item)), None)


def _needs_incident(action: Action, *, now: datetime) -> bool:
    if action.subject == MACHINE_SUBJECT and now - action.created_at < _SETTLING:
        return False
    return action.kind in {ActionKind.ROLLBACK, ActionKind.EMERGENCY} and action.reason_code != _DRILL
