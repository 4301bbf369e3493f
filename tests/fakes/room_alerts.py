"""Alerts of the room made of memory: one of each state, judged by the real rules, and writes that are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.alerts import rules, views
from services.alerts.models import (
    Acknowledgement,
    Alert,
    AlertEvent,
    AlertKind,
    AlertQuery,
    AlertState,
    AlertView,
    Counts,
    Happening,
    Impact,
    Key,
    Look,
    Part,
    Snooze,
)
from services.attestation.models import Receipt
from services.kernel.errors import InputError, StorageUnavailableError
from services.kernel.health import Health
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission
from services.kernel.page import Page
from services.kernel.targets import target_of
from services.people.persons import Account
from tests.fakes.room_sample import HOSTILE, NOW

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

SAM = Account(issuer="countersign:demo", subject="sam.sre", name="Sam Lindqvist")
DANA = Account(issuer="countersign:demo", subject="dana.datascience", name="Dana Petrov")
WAITS = Alert(
    alert_id="alr-1",
    key=Key(model="delay_claim_score", kind=AlertKind.ROLLBACK, subject="waiting"),
    thread="alr-1",
    tier=1,
    impact=Impact.HIGH,
    severity=1,
    urgent=True,
    state_seen=Health.BREACH,
    title="A rollback of delay_claim_score is not carried out",
    sentence="Sam Lindqvist asked at 10:20 for version 3; it is still pending. Traffic is not known to be back.",
    target=target_of("rollouts", model="delay_claim_score"),
    value=None,
    unit="",
    window="act-9",
    first_seen=NOW - timedelta(minutes=14),
    last_seen=NOW - timedelta(minutes=14),
    as_of=NOW,
    opened_at=NOW - timedelta(minutes=14),
    told_from=NOW - timedelta(minutes=14),
    owner=SAM,
    owner_role="sre",
    revision=1,
)
MOVED = replace(
    WAITS,
    alert_id="alr-2",
    key=Key(model="claims_triage", kind=AlertKind.DRIFT, subject="columns"),
    at_risk="12,500 USD a day in breach, paid by Claims operations (assumption, monitor version 1)",
    parts=(
        Part(
            name="amount",
            title="Claim amount",
            state=Health.BREACH,
            since=NOW - timedelta(days=3),
            value=0.31,
            sentence="PSI 0.310 over 4,120 predictions (noise floor 0.009) is at or over the limit 0.25.",
            target=target_of("drift", model="claims_triage", feature="amount"),
        ),
        Part(
            name="provider",
            title="Provider",
            state=Health.WATCH,
            since=NOW - timedelta(days=1),
            value=0.12,
            sentence="PSI 0.120 over 4,120 predictions (noise floor 0.011) is at or over the warning level 0.1.",
            target=target_of("drift", model="claims_triage", feature="provider"),
        ),
        Part(
            name="city",
            title="City",
            state=Health.UNKNOWN,
            since=NOW - timedelta(days=2),
            sentence="Too few: 31 predictions in 12 bins; at least 60 are needed.",
            target=target_of("drift", model="claims_triage", feature="city"),
        ),
    ),
    thread="alr-2",
    severity=2,
    urgent=False,
    title="Drift of Claim amount and 1 more column",
    sentence="2 of 9 columns: Claim amount, Provider. Claim amount: PSI 0.310 over 4,120 predictions (noise floor "
    "0.009) is at or over the limit 0.25.",
    target=target_of("drift", model="claims_triage", feature="amount"),
    value=0.31,
    unit="PSI",
    window="2030-11-19",
    first_seen=NOW - timedelta(days=3),
    last_seen=NOW - timedelta(hours=9),
    repeats=4,
    opened_at=NOW - timedelta(days=3),
    told_from=NOW - timedelta(minutes=30),
    owner=DANA,
    owner_role="data_science_lead",
    reopened=1,
)
TAKEN = replace(
    MOVED,
    alert_id="alr-3",
    key=Key(model="payout_forecast", kind=AlertKind.PERFORMANCE, subject="mae"),
    thread="alr-3",
    tier=2,
    impact=Impact.MEDIUM,
    severity=3,
    state_seen=Health.WATCH,
    title="Mean absolute error of payout_forecast",
    sentence="MAE 41.2 in the week from 4 Nov is above 36.0 on the hold-out rows.",
    target=target_of("drift", model="payout_forecast"),
    acknowledged=Acknowledgement(at=NOW - timedelta(days=1), by=DANA),
    reopened=0,
    healthy=1,
    parts=(),
    at_risk="",
)
BLIND = replace(
    MOVED,
    alert_id="alr-4",
    key=Key(model="plan_utilisation", kind=AlertKind.PIPELINE, subject="latency"),
    thread="alr-4",
    tier=3,
    impact=Impact.LOW,
    severity=4,
    state_seen=Health.UNKNOWN,
    unknown_since=NOW - timedelta(hours=30),
    title="Late runs of plan_utilisation",
    sentence="1 of 12 runs was late.",
    target=target_of("reliability", model="plan_utilisation"),
    snooze=Snooze(until=NOW + timedelta(hours=20), by=SAM),
    owner=None,
    owner_role="sre",
    reopened=0,
    parts=(),
    at_risk="",
)
OVER = replace(
    MOVED, alert_id="alr-5", key=Key(model="claims_triage", kind=AlertKind.DRIFT, subject="columns"), thread="alr-5",
    title="Drift of City", state_seen=Health.HEALTHY, closed_at=NOW - timedelta(days=2), incident_id="inc-1",
)  # fmt: skip
ALL = (WAITS, MOVED, TAKEN, BLIND, OVER)


class FakeAlerts:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.never_looked = False
        self.trouble = ""

    def _all(self) -> tuple[Alert, ...]:
        if self._room.mode == "unavailable":
            raise StorageUnavailableError("The governance database cannot be reached.")
        if self._room.mode == "empty":
            return ()
        if not self._room.hostile:
            return ALL
        return tuple(
            replace(
                item,
                title=HOSTILE,
                sentence=HOSTILE,
                parts=tuple(replace(part, title=HOSTILE, sentence=HOSTILE) for part in item.parts),
                owner=replace(item.owner, name=HOSTILE) if item.owner else None,
            )
            for item in ALL
        )

    def find(self, query: AlertQuery) -> Page[Alert]:
        found = [
            item
            for item in self._all()
            if (not query.states or item.state(NOW) in query.states)
            and (not query.kinds or item.key.kind in query.kinds)
            and query.model in {"", item.key.model}
            and (not query.mine or (item.owner is not None and item.owner.subject == query.mine))
        ]
        part = tuple(found[query.offset : query.offset + query.limit])
        return Page(items=part, total=len(found), offset=query.offset, limit=query.limit)

    def standing(self, model: str = "") -> tuple[Alert, ...]:
        return tuple(item for item in self._all() if item.stands and model in {"", item.key.model})

    def counts(self) -> Counts:
        states = [item.state(NOW) for item in self._all()]
        return Counts(
            open=states.count(AlertState.OPEN),
            acknowledged=states.count(AlertState.ACKNOWLEDGED),
            snoozed=states.count(AlertState.SNOOZED),
            unknown=sum(item.unknown_since is not None for item in self._all()),
        )

    def looks(self) -> tuple[Look, ...]:
        self._all()
        if self.never_looked:
            return ()
        at = NOW - timedelta(seconds=40)
        return (
            Look(source="drift", at=at, last_success=at),
            Look(
                source="promises",
                at=at,
                last_success=at - timedelta(hours=2) if self.trouble else at,
                error=self.trouble,
            ),
        )

    def view(self, alert_id: str, *, actor: Actor) -> AlertView:
        found = next((item for item in self._all() if item.alert_id == alert_id), None)
        if found is None:
            raise InputError(f"There is no alert {alert_id!r}.", hint="Choose one from the list.")
        may = ROLE_PERMISSIONS[actor.role] & {Permission.HANDLE_ALERT, Permission.OPEN_INCIDENT}
        return views.view(found, self._history(found), may=may, now=NOW)

    def _history(self, alert: Alert) -> tuple[AlertEvent, ...]:
        told = AlertEvent(
            alert_id=alert.alert_id,
            number=1,
            happening=Happening.OPENED,
            at=alert.first_seen,
            by=None,
            sentence=alert.sentence,
        )
        if alert.acknowledged is None:
            return (told,)
        return (
            AlertEvent(
                alert_id=alert.alert_id,
                number=2,
                happening=Happening.ACKNOWLEDGED,
                at=alert.acknowledged.at,
                by=alert.acknowledged.by,
                sentence=f"Dana Petrov acknowledged {alert.alert_id}.",
                text=HOSTILE
                if self._room.hostile
                else "Storm week; the figures of the weather feed are being checked.",
                seq=37,
            ),
            told,
        )

    # writes, kept by the room

    def acknowledge(self, command: Any, *, actor: Actor) -> Receipt:
        return self._write(command, actor)

    def wake(self, command: Any, *, actor: Actor) -> Receipt:
        return self._write(command, actor)

    def snooze(self, command: Any, *, actor: Actor) -> Receipt:
        rules.require_reason(command.reason, "Why it may wait")
        alert = next(item for item in self._all() if item.alert_id == command.alert_id)
        rules.require_snooze(alert, command.until, now=NOW)
        return self._write(command, actor)

    def close(self, command: Any, *, actor: Actor) -> Receipt:
        rules.require_reason(command.reason, "Why it is over")
        return self._write(command, actor)

    def raise_incident(self, command: Any, *, actor: Actor) -> tuple[str, Receipt]:
        self._room.people.require(actor, Permission.OPEN_INCIDENT)
        return "inc-3", self._room.write(command)

    def _write(self, command: Any, actor: Actor) -> Receipt:
        self._room.people.require(actor, Permission.HANDLE_ALERT)
        return self._room.write(command)
