"""People hear about things: the worker works out news, people read them, and channels carry them outside.

Everything is worked out again from the ledger and the state, under keys that say what it is about: a crash at any
point neither loses a notice nor makes a second one. Nothing here signs, approves or changes who may.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from services.attestation import envelope, statement
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import ForeignStatementError, InputError, UnavailableError
from services.kernel.identity import Actor, Permission
from services.kernel.page import Page
from services.ledger.ports import LedgerReader
from services.notices import delivery, entries, machinery, standing
from services.notices.facts import Situation
from services.notices.models import (
    Announcement,
    Audience,
    ChannelHealth,
    ChannelView,
    Notice,
    NoticeKind,
    NoticeQuery,
    Severity,
)
from services.notices.ports import Channels, Courier, EventRecorder, NeighbourFacts, NoticeStore, Outbox, StandingFacts
from services.notices.wording import target_of
from services.people.service import PeopleService

_AT_ONCE = 200
_ESCALATIONS = frozenset({NoticeKind.ESCALATED, NoticeKind.INCIDENT_UNATTENDED, NoticeKind.ALERT_UNATTENDED})
T = TypeVar("T")


class NoticeService:
    def __init__(
        self,
        *,
        people: PeopleService,
        ledger: EventRecorder,
        reader: LedgerReader,
        facts: StandingFacts,
        store: NoticeStore,
        outbox: Outbox,
        courier: Courier,
        channels: Channels,
        clock: Clock,
        others: NeighbourFacts,
    ) -> None:
        self._people = people
        self._ledger = ledger
        self._reader = reader
        self._facts = facts
        self._store = store
        self._channels = channels
        self._clock = clock
        self._others = others
        self._dispatcher = delivery.Dispatcher(outbox=outbox, courier=courier, channels=channels, clock=clock)

    # reading

    def mine(self, actor: Actor, query: NoticeQuery) -> Page[Notice]:
        """Notices for this person or for the role he acts in; unread first, then the most severe, then the newest."""
        self._people.require(actor, Permission.VIEW)
        return self._store.find(
            query, issuer=actor.issuer, subject=actor.subject, role=actor.role.value, now=self._clock.now()
        )

    def unread(self, actor: Actor) -> int:
        """For the bell of every page. Raises StorageUnavailableError."""
        return self._store.unread(issuer=actor.issuer, subject=actor.subject, role=actor.role.value)

    def kinds(self, actor: Actor) -> tuple[NoticeKind, ...]:
        return self._store.kinds(issuer=actor.issuer, subject=actor.subject, role=actor.role.value)

    def mark_read(self, ids: tuple[str, ...], *, actor: Actor) -> int:
        """How many of them were unread; others' notices are left alone. Doing it twice changes nothing."""
        return self._mark(ids, actor)

    def mark_all_read(self, actor: Actor) -> int:
        return self._mark(None, actor)

    def _mark(self, ids: tuple[str, ...] | None, actor: Actor) -> int:
        self._people.require(actor, Permission.VIEW)
        return self._store.mark_read(
            ids, issuer=actor.issuer, subject=actor.subject, role=actor.role.value, at=self._clock.now()
        )

    # channels

    def channels(self, actor: Actor) -> tuple[ChannelView, ...]:
        """Every way out with its health; never an address."""
        self._people.require(actor, Permission.VIEW)
        health = self._dispatcher.health()
        return tuple(
            ChannelView(
                name=channel.name,
                transport=self._channels.transport(channel.name),
                whom=(*channel.roles, *channel.people),
                health=health.get(channel.name, ChannelHealth(name=channel.name)),
                problem=self._channels.problem(channel.name),
            )
            for channel in self._channels.all()
        )

    def faults(self) -> tuple[str, ...]:
        return self._channels.faults()

    def send_test(self, channel: str, *, actor: Actor) -> None:
        """Queues a test message through one channel; the worker sends it. Raises InputError for an unknown channel."""
        self._people.require(actor, Permission.MANAGE_PEOPLE)
        if channel not in {item.name for item in self._channels.all()}:
            raise InputError(f"There is no channel named {channel}.", hint="Choose one from the list.")
        now = self._clock.now()
        self._store.record(
            (
                Announcement(
                    key=f"test/{channel}/{secrets.token_hex(6)}",
                    kind=NoticeKind.CHANNEL_TEST,
                    severity=Severity.INFO,
                    at=now,
                    audience=Audience(issuer=actor.issuer, subject=actor.subject),
                    title=f"Test message by {channel}",
                    why="You asked for it. The list of channels says whether it went out.",
                    target=target_of("notices", show="channels"),
                    folded=True,
                ),
            ),
            route=lambda _announcement: ((channel, now),),
            now=now,
        )

    # working out, by the worker

    def refresh(self) -> int:
        """How many new notices there are. What could not be found out closes nothing and is raised at the end."""
        cursor, since = self._store.begin(self._clock.now())
        # Entries first: the state read afterwards contains at least what they did, so nothing is folded too early.
        added, problems = self._news(cursor, since), list[UnavailableError]()
        situation = self._situation(since, problems)
        added += self._stand(situation)
        if problems:
            raise problems[0]
        return added

    def tell_worker_away(self, problems: tuple[str, ...], *, since: datetime | None) -> int:
        """What somebody beside the worker says when it does not run: a notice, and its messages at once.

        The same silence is told once, whoever notices it; the notice folds when a worker works out notices again.
        Returns how many messages went out.
        """
        now = self._clock.now()
        self._store.record(machinery.worker_away(problems, since=since, now=now), route=self._router(), now=now)
        return self._dispatcher.deliver()

    def deliver(self) -> int:
        """Worker: messages that went out."""
        return self._dispatcher.deliver()

    def _news(self, cursor: int, since: datetime) -> int:
        added, batch, place = 0, list[Announcement](), cursor
        for entry in self._reader.entries(start=cursor):
            try:
                said = statement.read(envelope.read(entry.envelope).payload)
            except ForeignStatementError:
                batch += entries.unreadable(entry.seq, at=self._clock.now())
            else:
                if said.at >= since:
                    batch += entries.news(said, seq=entry.seq, requests=self._facts)
            place = entry.seq + 1
            if place - cursor >= _AT_ONCE:
                added += self._record(tuple(batch), cursor=place)
                batch, cursor = [], place
        if place != cursor or batch:
            added += self._record(tuple(batch), cursor=place)
        return added

    def _stand(self, situation: Situation) -> int:
        found = standing.standing(situation)
        failing = delivery.failing_channels(self._dispatcher.health(), situation.now)
        escalated = [item for item in found if item.kind in _ESCALATIONS]
        self._record_escalations(escalated)
        tokens = standing.tokens(situation) | {item.stands_while for item in failing}
        recorded = self._store.record(
            (*found, *failing),
            route=self._router(),
            now=situation.now,
            tokens=tokens,
            unreadable=situation.unreadable,
        )
        return recorded.added

    def _record_escalations(self, escalated: list[Announcement]) -> None:
        """An escalation is a fact in the ledger before anybody hears of it; it changes nobody's rights."""
        fresh = self._store.unknown(tuple(item.key for item in escalated))
        for item in escalated:
            if item.key in fresh:
                event, about, words = _escalation(item)
                self._ledger.record_event(
                    event=event,
                    actor=None,
                    model=item.model,
                    detail={**about, "to": item.audience.role, "since": utc_text(item.at), "sentence": words},
                    idem=f"escalated:{item.stands_while}:{item.audience.role}",
                )

    def _record(self, batch: tuple[Announcement, ...], *, cursor: int) -> int:
        return self._store.record(batch, route=self._router(), now=self._clock.now(), cursor=cursor).added

    def _router(self) -> Callable[[Announcement], tuple[tuple[str, datetime], ...]]:
        if not self._channels.all():
            return lambda _announcement: ()
        people, now = self._people.people(), self._clock.now()
        return lambda item: delivery.route(item, channels=self._channels, people=people, now=now)

    def _situation(self, since: datetime, problems: list[UnavailableError]) -> Situation:
        now, unreadable = self._clock.now(), set[str]()

        def ask(family: str, call: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
            try:
                return call()
            except UnavailableError as problem:
                unreadable.add(family)
                problems.append(problem)
                return ()

        facts, others = self._facts, self._others
        return Situation(
            now=now,
            steps=facts.steps(),
            returned=facts.returned(),
            completed=facts.completed(since),
            fallen=facts.fallen(since),
            voided=facts.voided(since),
            approvals=facts.serving_approvals(now + max(standing.APPROVAL_WARNINGS) + timedelta(hours=1)),
            changes=facts.unsigned_changes(),
            locked=facts.locked_keys(now),
            reviews=ask("review", others.reviews),
            exceptions=ask("exception", others.exceptions),
            access=ask("access", others.access),
            incidents=ask("incident", others.incidents),
            alerts=ask("alert", others.alerts),
            jobs=ask("job", others.job_findings),
            unreadable=frozenset(unreadable),
        )


def _escalation(item: Announcement) -> tuple[str, dict[str, str], str]:
    """(event, what it is about, sentence)."""
    role = item.audience.role.replace("_", " ")
    if item.kind is NoticeKind.INCIDENT_UNATTENDED:
        incident_id = item.stands_while.split("/")[1]
        words = f"{incident_id} of {item.model} was not acknowledged in time; the {role} was told."
        return "incident-escalated", {"incident": incident_id}, words
    if item.kind is NoticeKind.ALERT_UNATTENDED:
        thread = item.stands_while.split("/")[1]
        words = f"{thread} of {item.model} was not acknowledged in time; the {role} was told."
        return "alert-escalated", {"alert": thread}, words
    words = (
        f"An overdue step of {item.request_id} ({item.model} version {item.version}) was "
        f"escalated to the {role}. Who may sign stays as it was."
    )
    return "request-escalated", {"request": item.request_id}, words
