"""Use cases of incidents: open, take up, tell, bring to an end, learn, and what counts at this moment.

Every step is an entry of the ledger; closing carries the signature of the person who stands for the post-mortem.
Rules come in by `RuleDesk`, whose three methods are offered here too. Wiring: `IncidentService(units=units,
people=people, ledger=ledger, catalog=inventory, desk=signing, clock=clock)`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.incidents import rules, times, views, wording
from services.incidents.desk import RuleDesk
from services.incidents.models import (
    Assign,
    ChangeSeverity,
    CloseIncident,
    FinishFollowUp,
    Incident,
    IncidentQuery,
    IncidentView,
    LinkChange,
    OpenIncident,
    OwedFollowUp,
    PostMortem,
    SavePostMortem,
    StateImpact,
    Step,
    Summary,
    TakeStep,
)
from services.incidents.on_call import OnCall, on_call
from services.incidents.ports import Catalog, IncidentUnit, IncidentUnits
from services.incidents.recording import NOT_YET, Draft, Recorder, account, command_key, open_key
from services.kernel.clock import Clock, require_utc, utc_text
from services.kernel.errors import InputError, RefusalError, RoleMissingError, StaleRequestError, UnknownModelError
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission, Role
from services.kernel.page import Page
from services.ledger.service import LedgerService
from services.people.models import Person
from services.people.service import PeopleService

WINDOW = timedelta(days=30)
_BY_WORD = frozenset({Step.ACKNOWLEDGED, Step.MITIGATED, Step.NOTE})
_CHANGES = 30


class IncidentService:
    def __init__(
        self,
        *,
        units: IncidentUnits,
        people: PeopleService,
        ledger: LedgerService,
        catalog: Catalog,
        desk: SigningDesk,
        clock: Clock,
        release_of: Callable[[str, str], str] = lambda _model, _version: "",
    ) -> None:
        self._units = units
        self._people = people
        self._ledger = ledger
        self._catalog = catalog
        self._clock = clock
        self._recorder = Recorder(desk=desk, clock=clock)
        self.rules = RuleDesk(units=units, recorder=self._recorder, clock=clock, release_of=release_of)
        self._release_of = release_of
        self.open_by_rule = self.rules.open_by_rule
        self.mitigated_by_action = self.rules.mitigated_by_action
        self.catch_up = self.rules.catch_up

    # looking

    def find(self, query: IncidentQuery) -> Page[Incident]:
        """Those that are not closed first, then the newest. Raises StorageUnavailableError."""
        with self._units.read() as unit:
            return unit.incidents.find(query)

    def open(self, model: str = "") -> tuple[Incident, ...]:
        """Everything that is not closed, the gravest and then the oldest first."""
        with self._units.read() as unit:
            return unit.incidents.open(model)

    def past(self, model: str) -> tuple[Incident, ...]:
        """Every incident of the model, newest first."""
        with self._units.read() as unit:
            return unit.incidents.all(model)[::-1]

    def view(self, incident_id: str, *, actor: Actor) -> IncidentView:
        """Raises InputError for an unknown one, RoleMissingError."""
        self._people.require(actor, Permission.VIEW)
        with self._units.read() as unit:
            incident = _known(unit, incident_id)
            events = unit.incidents.events(incident_id)
            recent = unit.rollouts.actions(incident.model, _CHANGES)
            named = [found for name in incident.actions if (found := unit.rollouts.action(name)) is not None]
            steps = {item.action_id: unit.rollouts.steps(item.action_id) for item in named}
        may = frozenset(
            permission
            for permission in (Permission.OPEN_INCIDENT, Permission.MANAGE_INCIDENT)
            if self._people.may(actor, permission)
        )
        return views.view(
            incident,
            events,
            named=named,
            recent=recent,
            steps=steps,
            may=may,
            on_call=self._on_call_words(incident),
            subject=actor.subject,
        )

    def summary(self, model: str = "") -> Summary:
        """Count, mean time to detect and to restore: all recorded, the last thirty days, and the thirty before."""
        now = self._clock.now()
        with self._units.read() as unit:
            found = unit.incidents.all(model)
        return Summary(
            model=model,
            all=times.figures(found),
            recent=times.figures(found, since=now - WINDOW),
            before=times.figures(found, since=now - 2 * WINDOW, until=now - WINDOW),
        )

    def on_call(self, model: str) -> OnCall:
        """Who is on call for a model now. Raises UnknownModelError."""
        now = self._clock.now()
        lent = self._people.active_delegations(now=now, role=Role.SRE.value)
        return on_call(self._catalog.model(model), people=self._people.people(), delegations=lent, now=now)

    def duties(self, models: Sequence[str]) -> tuple[OnCall, ...]:
        """As `on_call` for each, the people read once; models nobody knows any more are left out."""
        now, people = self._clock.now(), self._people.people()
        lent = self._people.active_delegations(now=now, role=Role.SRE.value)
        found = []
        for name in models:
            try:
                found.append(on_call(self._catalog.model(name), people=people, delegations=lent, now=now))
            except UnknownModelError:
                continue
        return tuple(found)

    def assignees(self) -> tuple[Person, ...]:
        """People who may handle incidents, by name."""
        return tuple(person for person in self._people.people() if person.active and _handles(person))

    def owners(self) -> tuple[Person, ...]:
        """People who may own a follow-up, by name."""
        return tuple(person for person in self._people.people() if person.active and person.roles)

    # doing

    def report(self, command: OpenIncident, *, actor: Actor) -> tuple[str, Receipt]:
        """Opens an incident; its id with the receipt. Of one cause there is one, whoever asks and however many do.

        Raises RoleMissingError, UnknownModelError, InputError, MissingReasonError.
        """
        self._people.require(actor, Permission.OPEN_INCIDENT)
        self._ledger.require_trustworthy()
        idem, now = open_key(actor, command.command_id, command.cause), self._clock.now()
        model = self._catalog.model(command.model)
        rules.require_openable(command, now=now)
        incident = Incident(
            incident_id="",
            key="",
            model=model.name,
            version=command.version,
            severity=command.severity,
            title=command.title.strip(),
            text=command.text.strip(),
            rule="",
            measured="",
            times=NOT_YET,
            opened_seq=0,
            release_id=self._release_of(model.name, command.version),
            cause=command.cause,
        )
        # Title and text are one text to the entry: both are the person's words, and both can be erased.
        draft = self._recorder.draft(
            Step.OPENED,
            wording.opened_by_person(incident, actor.name),
            actor=actor,
            text=f"{incident.title}\n\n{incident.text}",
            version=incident.version,
            severity=str(incident.severity),
            impactStart=utc_text(command.impact_start),
            detected=utc_text(now),
        )
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return unit.incidents.opened_in(earlier.seq), replace(earlier, repeated=True)
            opened, receipt = self._recorder.open(unit, incident, draft, actor=actor, idem=idem)
        return opened.incident_id, receipt

    def take(self, command: TakeStep, *, actor: Actor) -> Receipt:
        """Acknowledge (which takes it over, where nobody has it), state that it is mitigated, or add a note.

        Raises RoleMissingError, AlreadyDecidedError, IllegalTransitionError, MissingReasonError.
        """
        is_note = command.step is Step.NOTE
        permission = Permission.OPEN_INCIDENT if is_note else Permission.MANAGE_INCIDENT
        self._people.require(actor, permission)
        if command.step not in _BY_WORD:
            raise InputError(f"{command.step.value} is not a step of this kind.", hint="Reload the page.")

        def draft(incident: Incident) -> tuple[Draft, dict[str, Any]]:
            if command.step is not Step.ACKNOWLEDGED:
                rules.require_words(command.text, "The note" if is_note else "How it was verified")
            facts = {"mitigated": utc_text(self._clock.now())} if command.step is Step.MITIGATED else {}
            words = wording.by_person(command.step, incident, actor.name)
            takes = command.step is Step.ACKNOWLEDGED and incident.assignee is None
            return (
                self._recorder.draft(command.step, words, actor=actor, text=command.text, **facts),
                {"assignee": account(actor)} if takes else {},
            )

        return self._step(command.step, command.command_id, command.incident_id, permission, draft, actor=actor)

    def assign(self, command: Assign, *, actor: Actor) -> Receipt:
        """Gives it to somebody who may handle incidents; taking over is giving it to oneself. Raises InputError."""
        found = [person for person in self.assignees() if person.subject == command.subject]

        def draft(incident: Incident) -> tuple[Draft, dict[str, Any]]:
            if len(found) != 1:
                raise InputError(
                    f"{command.subject or 'Nobody'} is not an active person who handles incidents.",
                    hint="Name one person of the list.",
                )
            person = found[0]
            if incident.assignee is not None and incident.assignee.subject == person.subject:
                raise InputError(f"{person.name} has it already.", hint="Nothing was changed.")
            words = wording.assigned(incident, actor.name, person.name)
            to = account(replace(actor, issuer=person.issuer, subject=person.subject, name=person.name))
            return self._recorder.draft(Step.ASSIGNED, words, actor=actor, to=person.subject), {"assignee": to}

        return self._step(
            Step.ASSIGNED, command.command_id, command.incident_id, Permission.MANAGE_INCIDENT, draft, actor=actor
        )

    def change_severity(self, command: ChangeSeverity, *, actor: Actor) -> Receipt:
        """Raises InputError, MissingReasonError."""

        def draft(incident: Incident) -> tuple[Draft, dict[str, Any]]:
            rules.require_severity(command.severity)
            if command.severity == incident.severity:
                raise InputError(f"The severity is {incident.severity} already.", hint="Nothing was changed.")
            rules.require_words(command.reason, "Why the severity changes")
            words = wording.severity(incident, actor.name, command.severity)
            facts = {"from": str(incident.severity), "severity": str(command.severity)}
            made = self._recorder.draft(Step.SEVERITY, words, actor=actor, text=command.reason, **facts)
            return made, {"severity": command.severity}

        return self._step(
            Step.SEVERITY, command.command_id, command.incident_id, Permission.MANAGE_INCIDENT, draft, actor=actor
        )

    def state_impact(self, command: StateImpact, *, actor: Actor) -> Receipt:
        """States when the impact began; the durations follow. Raises InputError, MissingReasonError."""

        def draft(incident: Incident) -> tuple[Draft, dict[str, Any]]:
            rules.require_start(command.impact_start, until=incident.times.detected)
            rules.require_words(command.reason, "How the start was found out")
            at = utc_text(require_utc(command.impact_start))
            words = wording.impact(incident, actor.name, at)
            return self._recorder.draft(Step.IMPACT, words, actor=actor, text=command.reason, impactStart=at), {}

        return self._step(
            Step.IMPACT, command.command_id, command.incident_id, Permission.MANAGE_INCIDENT, draft, actor=actor
        )

    def link(self, command: LinkChange, *, actor: Actor) -> Receipt:
        """Links a change of traffic of the same model; a verified one that ends the impact mitigates. InputError."""
        self._people.require(actor, Permission.MANAGE_INCIDENT)
        self._ledger.require_trustworthy()
        idem = command_key("link", actor, command.command_id)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            incident, action = _known(unit, command.incident_id), unit.rollouts.action(command.action_id)
            rules.require_possible(incident, Step.LINKED)
            if action is None or action.model != incident.model:
                raise InputError(f"That is no change of traffic of {incident.model}.", hint="Choose one from the list.")
            if action.action_id in incident.actions:
                raise InputError("This change is linked already.", hint="Nothing was changed.")
            words = wording.linked(incident, actor.name, action)
            draft = self._recorder.draft(Step.LINKED, words, actor=actor, action=action.action_id)
            linked, receipt = self._recorder.add(
                unit, incident, draft, actor=actor, idem=idem, actions=(*incident.actions, action.action_id)
            )
            self.rules.settle(unit, linked)
        return receipt

    def save_post_mortem(self, command: SavePostMortem, *, actor: Actor) -> Receipt:
        """Keeps what is written so far; the incident stays as it is. Raises InputError."""

        def draft(incident: Incident) -> tuple[Draft, dict[str, Any]]:
            rules.require_fits(command.post_mortem)
            if command.post_mortem == incident.post_mortem:
                raise InputError("This is what is kept already.", hint="Nothing was changed.")
            words = wording.by_person(Step.POST_MORTEM, incident, actor.name)
            text = document(command.post_mortem)
            made = self._recorder.draft(Step.POST_MORTEM, words, actor=actor, text=text)
            return made, {"post_mortem": command.post_mortem}

        return self._step(
            Step.POST_MORTEM, command.command_id, command.incident_id, Permission.MANAGE_INCIDENT, draft, actor=actor
        )

    def close(self, command: CloseIncident, *, actor: Actor) -> Receipt:
        """Signs the post-mortem with the times it is about, and closes the incident.

        Raises RoleMissingError, IllegalTransitionError, PostMortemMissingError naming what is missing (recorded),
        PassphraseError (counted), KeyLockedError.
        """
        self._people.require(actor, Permission.MANAGE_INCIDENT)
        self._ledger.require_trustworthy()
        idem = command_key("close", actor, command.command_id)
        with self._units.read() as unit:
            earlier, head = unit.ledger.find(idem), unit.ledger.head()
            incident = _known(unit, command.incident_id)
        if earlier is not None:
            return replace(earlier, repeated=True)
        with self._recording(actor, incident, Step.CLOSED):
            rules.require_fits(command.post_mortem)
            rules.require_closable(incident, command.post_mortem)
            draft = self._recorder.draft(
                Step.CLOSED,
                wording.by_person(Step.CLOSED, incident, actor.name),
                actor=actor,
                text=document(command.post_mortem),
                severity=str(incident.severity),
                followUps=str(len(command.post_mortem.follow_ups)),
                impactStart=_text(incident.times.impact_start),
                detected=utc_text(incident.times.detected),
                acknowledged=_text(incident.times.acknowledged),
                mitigated=_text(incident.times.mitigated),
            )
            envelope = self._recorder.by_person(head, incident, draft, actor=actor, passphrase=command.passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: what was signed is what stands, or nothing is closed.
            current = _known(unit, command.incident_id)
            rules.require_closable(current, command.post_mortem)
            if current.times != incident.times or current.severity != incident.severity:
                raise StaleRequestError(
                    f"{incident.incident_id} changed while it was being signed; nothing was closed.",
                    hint="Look at it again, then sign.",
                )
            _, receipt = self._recorder.add(
                unit, current, draft, actor=actor, idem=idem, envelope=envelope, post_mortem=command.post_mortem
            )
        return receipt

    def finish_follow_up(self, command: FinishFollowUp, *, actor: Actor) -> Receipt:
        """States that a follow-up of a closed incident is done, and where that can be seen; the owner does it, or
        somebody who handles incidents. The signed post-mortem stays as it is.

        Raises IllegalTransitionError, InputError, AlreadyDecidedError, RoleMissingError.
        """
        manages = self._people.may(actor, Permission.MANAGE_INCIDENT)

        def draft(incident: Incident) -> tuple[Draft, dict[str, Any]]:
            with self._units.read() as unit:
                done = [item.number for item in views.finished(unit.incidents.events(incident.incident_id))]
            follow_up = rules.require_follow_up(incident, command.number, command.evidence, done=done)
            if not rules.may_finish(follow_up, subject=actor.subject, manages=manages):
                raise RoleMissingError(
                    f"{follow_up.owner_name} owns this follow-up.",
                    hint="Its owner calls it done, or somebody who handles incidents.",
                )
            words = wording.follow_up(incident, actor.name, command.number)
            facts = {"followUp": str(command.number)}
            return self._recorder.draft(Step.FOLLOW_UP, words, actor=actor, text=command.evidence, **facts), {}

        return self._step(Step.FOLLOW_UP, command.command_id, command.incident_id, Permission.VIEW, draft, actor=actor)

    def owed(self, subject: str = "") -> tuple[OwedFollowUp, ...]:
        """Follow-ups of closed incidents that are not done, those due first; of everybody when empty."""
        with self._units.read() as unit:
            return unit.incidents.owed(subject)

    def _step(
        self,
        step: Step,
        command_id: str,
        incident_id: str,
        permission: Permission,
        draft: Callable[[Incident], tuple[Draft, dict[str, Any]]],
        *,
        actor: Actor,
    ) -> Receipt:
        self._people.require(actor, permission)
        self._ledger.require_trustworthy()
        idem = command_key(step.value, actor, command_id)
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
            incident = _known(unit, incident_id)
        if earlier is not None:
            return replace(earlier, repeated=True)
        with self._recording(actor, incident, step):
            rules.require_possible(incident, step)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: somebody may have been faster.
            current = _known(unit, incident_id)
            rules.require_possible(current, step)
            made, changes = draft(current)
            _, receipt = self._recorder.add(unit, current, made, actor=actor, idem=idem, **changes)
        return receipt

    def _on_call_words(self, incident: Incident) -> str:
        try:
            return self.on_call(incident.model).sentence
        except UnknownModelError as unknown:
            return str(unknown)

    @contextmanager
    def _recording(self, actor: Actor, incident: Incident, step: Step) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            self._ledger.record_event(
                event="incident-refused",
                actor=actor,
                model=incident.model,
                detail={"target": f"{step.value} {incident.incident_id}", "code": refused.code},
            )
            raise


def document(post_mortem: PostMortem) -> str:
    """The post-mortem as one text, the same bytes for the same words: what its digest in the ledger is made of."""
    return json.dumps(asdict(post_mortem), default=str, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _known(unit: IncidentUnit, incident_id: str) -> Incident:
    found = unit.incidents.get(incident_id)
    if found is None:
        raise InputError(f"There is no incident {incident_id!r}.", hint="Choose one from the list.")
    return found


def _handles(person: Person) -> bool:
    return any(Permission.MANAGE_INCIDENT in ROLE_PERMISSIONS[role] for role in person.roles)


def _text(at: datetime | None) -> str:
    return utc_text(at) if at else ""
