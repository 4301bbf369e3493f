"""Use cases of alerts: look at everything that is measured, keep what stands, and let people take it up.

Every look decides by `rules` alone, and writes in one unit of work after deciding again inside it: two workers at the
same moment make one alert. What people do is an entry of the ledger in the same unit of work. Telling people is not
done here: notices ask for what stands. Wiring: `AlertService(units=units, people=people, ledger=ledger, desk=signing,
sources=sources, about=about, incidents=incidents, clock=clock)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from services.alerts import deciding, rules, views, wording
from services.alerts.models import (
    Acknowledge,
    Acknowledgement,
    Alert,
    AlertEvent,
    AlertKind,
    AlertQuery,
    AlertView,
    Change,
    CloseAlert,
    Condition,
    Counts,
    Happening,
    Look,
    RaiseIncident,
    Snooze,
    SnoozeAlert,
    WakeAlert,
)
from services.alerts.ports import AboutModel, AlertUnit, AlertUnits, IncidentDesk, Source
from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.incidents.models import OpenIncident
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import AlreadyDecidedError, InputError, RefusalError, UnavailableError
from services.kernel.identity import Actor, Permission
from services.kernel.page import Page
from services.ledger import events
from services.ledger.service import LedgerService
from services.people.persons import Account
from services.people.service import PeopleService

Quiet = Callable[[int, bool, datetime], datetime]
"""(tier, told also in quiet hours, since when) -> when a message about it may go out."""


class AlertService:
    def __init__(
        self,
        *,
        units: AlertUnits,
        people: PeopleService,
        ledger: LedgerService,
        desk: SigningDesk,
        sources: Sequence[Source],
        about: Callable[[], AboutModel],
        incidents: IncidentDesk,
        clock: Clock,
        quiet: Quiet | None = None,
    ) -> None:
        """`about` reads what it needs once per round; the answer is then asked for each condition.

        `quiet` says when a message about an alert of a tier goes out that is told now; without it, at once.
        """
        self._units = units
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._sources = tuple(sources)
        self._about = about
        self._incidents = incidents
        self._clock = clock
        self._quiet = quiet

    # looking

    def find(self, query: AlertQuery) -> Page[Alert]:
        """The gravest first, then by impact, then the oldest. Raises StorageUnavailableError."""
        with self._units.read() as unit:
            found = unit.alerts.find(query, self._clock.now())
        return replace(found, items=tuple(self._heard(alert) for alert in found.items))

    def standing(self, model: str = "") -> tuple[Alert, ...]:
        """Everything that is open, acknowledged or snoozed, in the order of `find`."""
        with self._units.read() as unit:
            return tuple(self._heard(alert) for alert in unit.alerts.standing(model))

    def counts(self) -> Counts:
        with self._units.read() as unit:
            return unit.alerts.counts(self._clock.now())

    def looks(self) -> tuple[Look, ...]:
        """When each source was last asked; empty when nobody ever looked, which is not the same as nothing found."""
        with self._units.read() as unit:
            return unit.alerts.looks()

    def view(self, alert_id: str, *, actor: Actor) -> AlertView:
        """Raises InputError when there is none."""
        now = self._clock.now()
        with self._units.read() as unit:
            alert = _known(unit, alert_id)
            history = unit.alerts.history(alert_id)
        may = frozenset(
            permission
            for permission in (Permission.HANDLE_ALERT, Permission.OPEN_INCIDENT)
            if self._people.may(actor, permission)
        )
        return views.view(self._heard(alert), history, may=may, now=now)

    def _heard(self, alert: Alert) -> Alert:
        """Nobody is late who could not have heard of it yet."""
        start = rules.asked_from(alert)
        if self._quiet is None or start is None or rules.late_at(alert, now=self._clock.now()) is None:
            return alert
        return replace(alert, heard_from=self._quiet(alert.tier, rules.wakes(alert), start))

    # the worker

    def refresh(self) -> int:
        """How many alerts changed. A source that cannot be read closes nothing; its error is raised at the end."""
        now, broken = self._clock.now(), list[UnavailableError]()
        heard = self._listen(now, broken)
        about = self._about()
        with self._units.read() as unit:
            decided = deciding.changes(unit.alerts.current(_since(now)), heard, about=about, now=now)
        written = self._apply(heard, about, now) if decided else 0
        if broken:
            raise broken[0]
        return written

    def _listen(self, now: datetime, broken: list[UnavailableError]) -> deciding.Heard:
        conditions, looks = list[Condition](), list[Look]()
        silent, failed = dict[AlertKind, str](), dict[tuple[AlertKind, str], str]()
        for source in self._sources:
            try:
                report = source.report()
            except UnavailableError as away:
                broken.append(away)
                silent |= dict.fromkeys(source.kinds, str(away))
                looks.append(Look(source=source.name, at=now, last_success=None, error=str(away)))
                continue
            conditions += report.conditions
            failed |= {(kind, model): why for model, why in report.failed.items() for kind in source.kinds}
            why = next(iter(report.failed.values()), "")
            looks.append(
                Look(source=source.name, at=now, last_success=None if why else report.asked_at or now, error=why)
            )
        with self._units.write() as unit:
            for look in looks:
                unit.alerts.looked(look)
        return deciding.Heard(
            conditions=tuple(conditions),
            silent=silent,
            failed=failed,
            reported=frozenset(kind for source in self._sources for kind in source.kinds),
        )

    def _apply(self, heard: deciding.Heard, about: AboutModel, now: datetime) -> int:
        incidents = {item.key: item.incident_id for item in self._incidents.open() if item.key}
        running = {item.incident_id for item in self._incidents.open()}
        with self._units.write() as unit:
            # Decided again inside the transaction: another worker may have been faster.
            decided = deciding.changes(unit.alerts.current(_since(now)), heard, about=about, now=now)
            for change in decided:
                self._keep(unit, _linked(change, incidents, running), now)
        return len(decided)

    def _keep(self, unit: AlertUnit, change: Change, now: datetime) -> None:
        alert = change.alert
        if alert.opened_at is None and alert.closed_at is not None:
            unit.alerts.drop(alert)
            return
        is_new = not alert.alert_id
        if is_new:
            alert = replace(alert, alert_id=unit.alerts.next_id())
        if change.happened in {Happening.OPENED, Happening.REOPENED}:
            alert = rules.follow(alert, _thread(unit, alert))
        alert = replace(alert, revision=alert.revision + 1)
        event = None
        if change.happened is not None:
            event = AlertEvent(
                alert_id=alert.alert_id,
                number=0,
                happening=change.happened,
                at=now,
                by=None,
                sentence=change.sentence,
                window=alert.window,
            )
        (unit.alerts.add if is_new else unit.alerts.save)(alert, event)

    # doing

    def acknowledge(self, command: Acknowledge, *, actor: Actor) -> Receipt:
        """Says that somebody looks at it. Raises RoleMissingError, AlreadyDecidedError, IllegalTransitionError."""
        rules.require_fits(command.note)

        def after(alert: Alert, now: datetime) -> tuple[Alert, str, dict[str, str]]:
            taken = replace(alert, acknowledged=Acknowledgement(at=now, by=_account(actor)))
            return taken, wording.acknowledged(alert, actor.name), {}

        return self._step(Happening.ACKNOWLEDGED, command.command_id, command.alert_id, command.note, after, actor)

    def snooze(self, command: SnoozeAlert, *, actor: Actor) -> Receipt:
        """Quiet until a moment that the tier allows. Raises MissingReasonError, InputError, RoleMissingError."""
        rules.require_reason(command.reason, "Why it may wait")

        def after(alert: Alert, now: datetime) -> tuple[Alert, str, dict[str, str]]:
            rules.require_snooze(alert, command.until, now=now)
            until = utc_text(command.until)
            quiet = replace(alert, snooze=Snooze(until=command.until, by=_account(actor)))
            return quiet, wording.snoozed(alert, actor.name, until), {"until": until}

        return self._step(Happening.SNOOZED, command.command_id, command.alert_id, command.reason, after, actor)

    def wake(self, command: WakeAlert, *, actor: Actor) -> Receipt:
        """Ends a snooze. Raises AlreadyDecidedError when there is none."""

        def after(alert: Alert, now: datetime) -> tuple[Alert, str, dict[str, str]]:
            return replace(alert, snooze=None, told_from=now), wording.unsnoozed(alert, actor.name), {}

        return self._step(Happening.UNSNOOZED, command.command_id, command.alert_id, "", after, actor)

    def close(self, command: CloseAlert, *, actor: Actor) -> Receipt:
        """Ends one that nobody measures any more; what is measured closes by itself. Raises IllegalTransitionError."""
        rules.require_reason(command.reason, "Why it is over although nobody measures it")

        def after(alert: Alert, now: datetime) -> tuple[Alert, str, dict[str, str]]:
            return replace(alert, closed_at=now, snooze=None), wording.closed(alert, actor.name), {}

        return self._step(Happening.CLOSED, command.command_id, command.alert_id, command.reason, after, actor)

    def raise_incident(self, command: RaiseIncident, *, actor: Actor) -> tuple[str, Receipt]:
        """Opens an incident with the words of the alert and links both; its id with the receipt of the link.

        The incident comes first: a crash in between leaves one that says where it came from, and the same click then
        links it instead of opening a second one. Two people at the same moment are given the same incident.
        """
        self._people.require(actor, Permission.OPEN_INCIDENT)
        with self._units.read() as unit:
            alert = _known(unit, command.alert_id)
        idem = _idem(Happening.INCIDENT, actor, command.command_id)
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
        if earlier is not None:
            return alert.incident_id, replace(earlier, repeated=True)
        with self._recording(actor, alert, Happening.INCIDENT):
            rules.require_possible(alert, Happening.INCIDENT, now=self._clock.now())
        incident_id, opened = self._incidents.report(
            OpenIncident(
                command_id=command.command_id,
                cause=_occurrence(alert),
                model=alert.key.model,
                severity=alert.severity,
                title=alert.title[:120],
                text=f"{alert.sentence} Opened from {alert.alert_id}, first seen at {utc_text(alert.first_seen)}.",
                impact_start=alert.told_from or alert.first_seen,
            ),
            actor=actor,
        )

        def after(current: Alert, _now: datetime) -> tuple[Alert, str, dict[str, str]]:
            words = wording.incident(current, actor.name, incident_id)
            return replace(current, incident_id=incident_id), words, {"incident": incident_id}

        try:
            receipt = self._step(Happening.INCIDENT, command.command_id, command.alert_id, "", after, actor)
        except AlreadyDecidedError:
            with self._units.read() as unit:
                linked = _known(unit, command.alert_id).incident_id
            if linked != incident_id:
                raise
            # Somebody pressed at the same moment and linked it first: one incident, and both are led to it.
            receipt = replace(opened, repeated=True)
        return incident_id, receipt

    def _step(  # noqa: PLR0917 - private, five callers above
        self,
        step: Happening,
        command_id: str,
        alert_id: str,
        text: str,
        after: Callable[[Alert, datetime], tuple[Alert, str, dict[str, str]]],
        actor: Actor,
    ) -> Receipt:
        self._people.require(actor, views.needed(step))
        self._ledger.require_trustworthy()
        idem, now = _idem(step, actor, command_id), self._clock.now().replace(microsecond=0)
        with self._units.read() as unit:
            earlier, alert = unit.ledger.find(idem), _known(unit, alert_id)
        if earlier is not None:
            return replace(earlier, repeated=True)
        with self._recording(actor, alert, step):
            rules.require_possible(alert, step, now=now)
        text = text.strip()
        salt, digest = salted(text) if text else ("", "")
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: somebody may have been faster.
            current = _known(unit, alert_id)
            rules.require_possible(current, step, now=now)
            made, sentence, facts = after(current, now)
            words = {"text": digest} if digest else {}
            about = {"alert": alert_id, "kind": alert.key.kind.value, "subject": alert.key.subject}
            payload = events.payload(
                step.event if step is not Happening.INCIDENT else "alert-incident",
                actor=actor,
                model=alert.key.model,
                detail={**about, **facts, **words, "sentence": sentence},
                at=now,
                head=unit.ledger.head(),
            )
            receipt = unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)
            event = AlertEvent(
                alert_id=alert_id,
                number=0,
                happening=step,
                at=now,
                by=_account(actor),
                sentence=sentence,
                text=text,
                salt=salt,
                seq=receipt.seq,
                window=current.window,
            )
            unit.alerts.save(replace(made, revision=current.revision + 1), event)
        return receipt

    @contextmanager
    def _recording(self, actor: Actor, alert: Alert, step: Happening) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            self._ledger.record_event(
                event="alert-refused",
                actor=actor,
                model=alert.key.model,
                detail={"target": f"{step.value} {alert.alert_id}", "code": refused.code},
            )
            raise


def _since(now: datetime) -> datetime:
    return now - rules.SAME_THREAD


def _thread(unit: AlertUnit, alert: Alert) -> str:
    """Of what stands for the same model and kind; its own number where nothing else does."""
    others = [
        item
        for item in unit.alerts.standing(alert.key.model)
        if item.key.kind is alert.key.kind and item.alert_id != alert.alert_id
    ]
    return others[0].thread if others else alert.alert_id


def _linked(change: Change, incidents: dict[str, str], running: set[str]) -> Change:
    """An alert that opens belongs to the incident a rule opened about the same thing; one that ended is let go."""
    alert = change.alert
    found = incidents.get(alert.incident_key, "") if alert.incident_key else ""
    if change.happened is Happening.REOPENED and alert.incident_id not in running:
        alert = replace(alert, incident_id="")
    if found and alert.stands and not alert.incident_id:
        sentence = f"{change.sentence} {wording.linked(found)}".strip()
        return replace(change, alert=replace(alert, incident_id=found), sentence=sentence)
    return replace(change, alert=alert)


def _known(unit: AlertUnit, alert_id: str) -> Alert:
    found = unit.alerts.get(alert_id)
    if found is None or found.opened_at is None:
        raise InputError(f"There is no alert {alert_id!r}.", hint="Choose one from the list.")
    return found


def _occurrence(alert: Alert) -> str:
    """The same until it ends and comes back: the cause of at most one incident."""
    return f"alert:{alert.alert_id}:{alert.reopened}"


def _account(actor: Actor) -> Account:
    return Account(issuer=actor.issuer, subject=actor.subject, name=actor.name)


def _idem(step: Happening, actor: Actor, command_id: str) -> str:
    parts = f"{actor.issuer}\x1f{actor.subject}\x1f{command_id}"
    return f"alert:{step.value}:{hashlib.sha256(parts.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
