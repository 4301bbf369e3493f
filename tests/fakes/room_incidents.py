"""Incidents of the room made of memory: one of each state, worked out by the real rules, and writes that are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from services.attestation.models import Receipt
from services.incidents import rules, times, views, wording
from services.incidents.models import (
    FollowUp,
    Incident,
    IncidentEvent,
    IncidentQuery,
    IncidentView,
    OwedFollowUp,
    PostMortem,
    Step,
    Summary,
    Times,
)
from services.incidents.on_call import OnCall, on_call
from services.kernel.clock import utc_text
from services.kernel.errors import InputError, StorageUnavailableError
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission, Role
from services.kernel.page import Page
from services.people.models import Person
from services.people.persons import Account
from services.rollout.models import Action, ActionKind, ActionState
from tests.fakes.room_sample import HOSTILE, NOW, at

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

_SAM = Account(issuer="countersign:demo", subject="sam.sre", name="Sam Lindqvist")
_BEN = Account(issuer="countersign:demo", subject="ben.business", name="Ben Okafor")
LEARNED = PostMortem(
    impact="Forecasts of two days jumped; about 900 payouts were planned too high.",
    cause="The weather feed was empty for two days and nobody was told.",
    went_well="The rollback took one click and was verified in seconds.",
    went_wrong="The gap was seen by a customer before it was seen by us.",
    follow_ups=(
        FollowUp(
            text="Alert on missing days in the weather feed.",
            owner_subject="dana.datascience",
            owner_name="Dana Petrov",
            due=date(2030, 12, 1),
        ),
    ),
)
ROLLBACK = Action(
    action_id="act-7",
    model="delay_claim_score",
    deployment="delay_claim_score",
    kind=ActionKind.ROLLBACK,
    state=ActionState.APPLIED,
    from_version="4",
    to_version="3",
    routes=(("3", 100),),
    champion="3",
    plan=(),
    request_id=None,
    requested_by="Countersign machine",
    subject="machine",
    reason_code="error-rate",
    reason="",
    manifest_sha256="ab" * 32,
    decisions=(),
    created_at=at(3),
    seq_intent=33,
    leaf_intent="cd" * 32,
    next_try_at=at(3),
    finished_at=at(3) + timedelta(seconds=2),
    switched_at=at(3) + timedelta(seconds=1),
    seq_outcome=35,
)
OPEN = Incident(
    incident_id="inc-3",
    key="errors/rel-4",
    model="delay_claim_score",
    version="4",
    severity=1,
    title="Errors of version 4 above the signed limit",
    text="Version 4 failed 6.1 % of its requests in five minutes; 1 % is allowed.",
    rule="error-rate",
    measured="6.1 % of 1,204 requests",
    times=Times(impact_start=NOW - timedelta(minutes=12), detected=NOW - timedelta(minutes=9)),
    opened_seq=36,
    release_id="rel-4",
    earlier="inc-1",
)
MITIGATED = replace(
    OPEN,
    incident_id="inc-2",
    severity=2,
    title="delay_claim_score was rolled back to version 3",
    times=Times(
        impact_start=at(3) - timedelta(minutes=4),
        detected=at(3),
        acknowledged=at(3) + timedelta(minutes=6),
        mitigated=at(3) + timedelta(seconds=1),
    ),
    opened_seq=34,
    assignee=_SAM,
    actions=("act-7",),
    mitigated_seq=35,
    earlier="",
)
CLOSED = replace(
    OPEN,
    incident_id="inc-1",
    key="",
    model="payout_forecast",
    version="4",
    severity=3,
    title="Forecasts jumped after a gap in the weather feed",
    text="The weather feed of two days was missing; forecasts of those days are far too high.",
    rule="",
    measured="",
    release_id="",
    earlier="",
    times=Times(impact_start=at(980), detected=at(974), acknowledged=at(973), mitigated=at(972), closed=at(900)),
    opened_seq=20,
    assignee=_SAM,
    mitigated_seq=22,
    post_mortem=LEARNED,
)
ALL = (OPEN, MITIGATED, CLOSED)


class FakeIncidents:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def _all(self) -> tuple[Incident, ...]:
        if self._room.mode == "unavailable":
            raise StorageUnavailableError("The governance database cannot be reached.")
        if self._room.mode == "empty":
            return ()
        return tuple(self._shown(item) for item in ALL)

    def _shown(self, item: Incident) -> Incident:
        if not self._room.hostile:
            return item
        follow_ups = tuple(replace(line, text=HOSTILE, owner_name=HOSTILE) for line in item.post_mortem.follow_ups)
        written = replace(item.post_mortem, impact=HOSTILE, cause=HOSTILE, went_well=HOSTILE, follow_ups=follow_ups)
        who = replace(item.assignee, name=HOSTILE) if item.assignee else None
        return replace(
            item,
            title=HOSTILE,
            text=HOSTILE,
            rule=HOSTILE,
            measured=HOSTILE,
            assignee=who,
            post_mortem=written if item.times.closed else item.post_mortem,
        )

    def find(self, query: IncidentQuery) -> Page[Incident]:
        found = [
            item
            for item in self._all()
            if (not query.states or item.state in query.states)
            and (not query.severities or item.severity in query.severities)
            and (not query.model or item.model == query.model)
            and query.text.lower() in f"{item.incident_id} {item.title} {item.model}".lower()
        ]
        part = tuple(found[query.offset : query.offset + query.limit])
        return Page(items=part, total=len(found), offset=query.offset, limit=query.limit)

    def open(self, model: str = "") -> tuple[Incident, ...]:
        return tuple(item for item in self._all() if not item.times.closed and model in {"", item.model})

    def past(self, model: str) -> tuple[Incident, ...]:
        return tuple(item for item in self._all() if item.model == model)

    def summary(self, model: str = "") -> Summary:
        found = [item for item in self._all() if model in {"", item.model}]
        month = timedelta(days=30)
        return Summary(
            model=model,
            all=times.figures(found),
            recent=times.figures(found, since=NOW - month),
            before=times.figures(found, since=NOW - 2 * month, until=NOW - month),
        )

    def on_call(self, model: str) -> OnCall:
        people = self._room.people.people()
        return on_call(self._room.inventory.model(model), people=people, delegations=(), now=NOW)

    def assignees(self) -> tuple[Person, ...]:
        return tuple(person for person in self._room.people.people() if set(person.roles) & {Role.SRE, Role.ADMIN})

    def owners(self) -> tuple[Person, ...]:
        return tuple(self._room.people.people())

    def view(self, incident_id: str, *, actor: Actor) -> IncidentView:
        found = next((item for item in self._all() if item.incident_id == incident_id), None)
        if found is None:
            raise InputError(f"There is no incident {incident_id!r}.", hint="Choose one from the list.")
        named = [ROLLBACK] if found.actions else []
        return views.view(
            found,
            self._events(found),
            named=named,
            recent=[ROLLBACK] if found.model == ROLLBACK.model else [],
            steps={"act-7": (("traffic", "Traffic was switched."), ("verified", "50 probes answered by version 3."))},
            may=ROLE_PERMISSIONS[actor.role] & {Permission.OPEN_INCIDENT, Permission.MANAGE_INCIDENT},
            on_call=self.on_call(found.model).sentence,
            subject=actor.subject,
        )

    def _events(self, item: Incident) -> list[IncidentEvent]:
        note = HOSTILE if self._room.hostile else "The portal shows the old wording; claims are told."
        opened = self._event(
            Step.OPENED,
            item.times.detected,
            item.opened_seq,
            wording.opened_by_rule(item),
            detected=item.times.detected,
        )
        lines = [opened]
        if item.times.acknowledged:
            lines.append(
                self._event(Step.ACKNOWLEDGED, item.times.acknowledged, item.opened_seq + 1, "Sam took it.", by=_SAM)
            )
            lines.append(
                self._event(Step.NOTE, item.times.acknowledged, item.opened_seq + 2, "Ben added a note.", note, by=_BEN)
            )
        if item.times.closed:
            lines.append(self._event(Step.CLOSED, item.times.closed, 30, "Sam signed the post-mortem.", by=_SAM))
        return lines

    def _event(
        self, step: Step, when: Any, seq: int, sentence: str, text: str = "", *, by: Account | None = None, **facts: Any
    ) -> IncidentEvent:
        said = tuple((name, utc_text(value)) for name, value in facts.items())
        return IncidentEvent(step=step, at=when, by=by, sentence=sentence, facts=said, text=text, seq=seq)

    # writes, kept by the room

    def report(self, command: Any, *, actor: Actor) -> tuple[str, Receipt]:
        self._room.people.require(actor, Permission.OPEN_INCIDENT)
        rules.require_openable(command, now=NOW)
        return "inc-3", self._room.write(command)

    def take(self, command: Any, *, actor: Actor) -> Receipt:
        if command.step is not Step.ACKNOWLEDGED:
            rules.require_words(command.text, "The text")
        return self._write(command, actor)

    def assign(self, command: Any, *, actor: Actor) -> Receipt:
        return self._write(command, actor)

    def change_severity(self, command: Any, *, actor: Actor) -> Receipt:
        rules.require_words(command.reason, "Why")
        return self._write(command, actor)

    def state_impact(self, command: Any, *, actor: Actor) -> Receipt:
        return self._write(command, actor)

    def link(self, command: Any, *, actor: Actor) -> Receipt:
        return self._write(command, actor)

    def save_post_mortem(self, command: Any, *, actor: Actor) -> Receipt:
        return self._write(command, actor)

    def close(self, command: Any, *, actor: Actor) -> Receipt:
        found = next(item for item in self._all() if item.incident_id == command.incident_id)
        rules.require_closable(found, command.post_mortem)
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._write(command, actor)

    def owed(self, subject: str = "") -> tuple[OwedFollowUp, ...]:
        return ()

    def finish_follow_up(self, command: Any, *, actor: Actor) -> Receipt:
        found = next(item for item in self._all() if item.incident_id == command.incident_id)
        rules.require_follow_up(found, command.number, command.evidence, done=())
        return self._room.write(command)

    def _write(self, command: Any, actor: Actor) -> Receipt:
        self._room.people.require(actor, Permission.OPEN_INCIDENT)
        return self._room.write(command)
