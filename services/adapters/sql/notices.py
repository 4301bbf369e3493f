"""Notices and their deliveries. Implements notices.ports.NoticeStore and notices.ports.Outbox.

A write transaction is opened only when something is new: the worker asks every few seconds, and mostly nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, insert, or_, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.schema.notices import (
    notice,
    notice_channel,
    notice_cursor,
    notice_delivery,
    notice_read,
)
from services.kernel.page import Page
from services.notices.models import Announcement, ChannelHealth, Delivery, Notice, NoticeKind, NoticeQuery, Severity
from services.notices.ports import Recorded, Route
from services.notices.standing import family
from services.notices.wording import DONE_WHEN, notice_id_of

NEWS_BEFORE_FIRST_RUN = timedelta(days=7)
"""What is older when notices are worked out for the first time is history that nobody waits for."""
_CURSOR = "ledger"
_LONGEST = 200
_AT_ONCE = 400
_RANK = {Severity.RED: 0, Severity.AMBER: 1, Severity.INFO: 2}
_COUNTED_FOR = timedelta(days=7)


class SqlNotices:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, now: datetime) -> tuple[int, datetime]:
        wanted = select(notice_cursor.c.next_seq, notice_cursor.c.since).where(notice_cursor.c.name == _CURSOR)
        with self._database.read() as connection:
            found = connection.execute(wanted).first()
        if found is None:
            with self._database.write() as connection:
                found = connection.execute(wanted).first()
                if found is None:
                    since = now - NEWS_BEFORE_FIRST_RUN
                    connection.execute(insert(notice_cursor).values(name=_CURSOR, next_seq=0, since=since))
                    return 0, since
        return found.next_seq, found.since

    def unknown(self, keys: tuple[str, ...]) -> frozenset[str]:
        with self._database.read() as connection:
            known = _latest(connection, keys)
        return frozenset(key for key in keys if key not in known or known[key].done_at is not None)

    def record(
        self,
        announcements: tuple[Announcement, ...],
        *,
        route: Route,
        now: datetime,
        cursor: int | None = None,
        tokens: frozenset[str] | None = None,
        unreadable: frozenset[str] = frozenset(),
    ) -> Recorded:
        by_key = {item.key: item for item in announcements}
        anew = tokens is not None
        with self._database.read() as connection:
            fresh = _fresh(connection, by_key, anew=anew)
            over = [] if tokens is None else list(_over(connection, tokens, unreadable))
        if not fresh and not over and cursor is None:
            return Recorded(added=0, closed=0)
        added = 0
        # In portions, so that nobody waits long for his turn to write. Each stands for itself, and the cursor moves
        # with the last one: what a crash leaves out is worked out again.
        while len(fresh) > _AT_ONCE:
            added += self._add(fresh[:_AT_ONCE], route, now, anew=anew)
            fresh = fresh[_AT_ONCE:]
        added += self._add(fresh, route, now, anew=anew, over=over, cursor=cursor)
        return Recorded(added=added, closed=len(over))

    def _add(
        self,
        fresh: list[tuple[Announcement, int]],
        route: Route,
        now: datetime,
        *,
        anew: bool,
        over: Sequence[str] = (),
        cursor: int | None = None,
    ) -> int:
        with self._database.write() as connection:
            # Looked up again: another worker may have been here in between.
            rounds = _fresh(connection, {item.key: item for item, _ in fresh}, anew=anew)
            for item, number in rounds:
                _add(connection, item, number, route, now)
            for start in range(0, len(over), _AT_ONCE):
                _close(connection, over[start : start + _AT_ONCE], now)
            if cursor is not None:
                connection.execute(
                    update(notice_cursor)
                    .where(notice_cursor.c.name == _CURSOR, notice_cursor.c.next_seq < cursor)
                    .values(next_seq=cursor)
                )
        return len(rounds)

    def find(self, query: NoticeQuery, *, issuer: str, subject: str, role: str, now: datetime) -> Page[Notice]:  # noqa: ARG002
        joined, mine, current = _mine(issuer, subject, role)
        conditions = [mine, ~current if query.done else current]
        if query.unread_only:
            conditions.append(notice_read.c.at.is_(None))
        if query.kinds:
            conditions.append(notice.c.kind.in_([kind.value for kind in query.kinds]))
        limit = max(1, min(query.limit, _LONGEST))
        order = (
            [notice.c.at.desc()]
            if query.done
            else [case((notice_read.c.at.is_(None), 0), else_=1), notice.c.rank, notice.c.at.desc()]
        )
        lines = (
            select(notice, notice_read.c.at.label("read_at"))
            .select_from(joined)
            .where(*conditions)
            .order_by(*order, notice.c.key)
            .limit(limit)
            .offset(max(0, query.offset))
        )
        counted = select(func.count()).select_from(joined).where(*conditions)
        with self._database.read() as connection:
            total = connection.execute(counted).scalar_one()
            rows = fetched(connection, lines)
        return Page(items=tuple(map(_notice, rows)), total=total, offset=query.offset, limit=limit)

    def unread(self, *, issuer: str, subject: str, role: str) -> int:
        joined, mine, _ = _mine(issuer, subject, role)
        open_ones = and_(mine, notice.c.done_at.is_(None), notice_read.c.at.is_(None))
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(joined).where(open_ones)).scalar_one()

    def kinds(self, *, issuer: str, subject: str, role: str) -> tuple[NoticeKind, ...]:
        joined, mine, _ = _mine(issuer, subject, role)
        with self._database.read() as connection:
            found: set[str] = set(
                connection.execute(select(notice.c.kind).select_from(joined).where(mine).distinct()).scalars()
            )
        return tuple(kind for kind in NoticeKind if kind.value in found)

    def mark_read(self, ids: tuple[str, ...] | None, *, issuer: str, subject: str, role: str, at: datetime) -> int:
        joined, mine, current = _mine(issuer, subject, role)
        wanted = select(notice.c.key).select_from(joined).where(mine, notice_read.c.at.is_(None))
        wanted = wanted.where(current if ids is None else notice.c.notice_id.in_(ids[:_LONGEST]))
        with self._database.write() as connection:
            found: list[str] = list(connection.execute(wanted).scalars())
            if found:
                rows = [{"key": key, "issuer": issuer, "subject": subject, "at": at} for key in found]
                connection.execute(insert(notice_read), rows)
        return len(found)


class SqlNoticeOutbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, now: datetime, limit: int) -> tuple[Delivery, ...]:
        table = notice_delivery.c
        query = (
            select(
                notice_delivery,
                notice.c.notice_id,
                notice.c.kind,
                notice.c.severity,
                notice.c.target,
                notice.c.model,
                notice.c.version,
                notice.c.request_id,
                notice.c.tier,
            )
            .join(notice, notice.c.key == table.key)
            .where(table.state == "waiting", table.next_try_at <= now)
            .order_by(notice.c.rank, table.next_try_at, table.key, table.channel)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = fetched(connection, query)
        return tuple(
            Delivery(
                key=row.key,
                notice_id=row.notice_id,
                channel=row.channel,
                attempts=row.attempts,
                created_at=row.created_at,
                kind=NoticeKind(row.kind),
                severity=Severity(row.severity),
                target=row.target,
                model=row.model,
                version=row.version,
                request_id=row.request_id,
                tier=row.tier,
            )
            for row in rows
        )

    def claim(self, delivery: Delivery, *, until: datetime) -> bool:
        with self._database.write() as connection:
            taken = connection.execute(
                update(notice_delivery)
                .where(_is(delivery), notice_delivery.c.state == "waiting")
                .where(notice_delivery.c.attempts == delivery.attempts)
                .values(attempts=delivery.attempts + 1, next_try_at=until)
            )
        return taken.rowcount == 1

    def sent(self, delivery: Delivery, *, at: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(update(notice_delivery).where(_is(delivery)).values(state="sent", ended_at=at, error=""))
            _put_channel(connection, delivery.channel, last_success=at, failing_since=None, error="")

    def failed(self, delivery: Delivery, *, at: datetime, error: str, next_try_at: datetime | None) -> None:
        over = {"state": "given-up", "ended_at": at} if next_try_at is None else {"next_try_at": next_try_at}
        channel = notice_channel.c
        with self._database.write() as connection:
            connection.execute(update(notice_delivery).where(_is(delivery)).values(error=error, **over))
            since = connection.execute(select(channel.failing_since).where(channel.name == delivery.channel)).scalar()
            _put_channel(connection, delivery.channel, failing_since=since or at, error=error)

    def health(self, now: datetime) -> Mapping[str, ChannelHealth]:
        table = notice_delivery.c
        counted = (
            select(table.channel, table.state, func.count().label("number"))
            .where(table.state.in_(("waiting", "given-up")), table.created_at >= now - _COUNTED_FOR)
            .group_by(table.channel, table.state)
        )
        with self._database.read() as connection:
            rows = {row.name: row for row in fetched(connection, select(notice_channel))}
            numbers = {(row.channel, row.state): row.number for row in fetched(connection, counted)}
        names = {*rows, *(channel for channel, _ in numbers)}
        return {
            name: ChannelHealth(
                name=name,
                last_success=rows[name].last_success if name in rows else None,
                failing_since=rows[name].failing_since if name in rows else None,
                error=rows[name].error if name in rows else "",
                waiting=numbers.get((name, "waiting"), 0),
                given_up=numbers.get((name, "given-up"), 0),
            )
            for name in names
        }


def _mine(issuer: str, subject: str, role: str) -> tuple[Any, ColumnElement[bool], ColumnElement[bool]]:
    """The tables, what concerns this person in this role, and what of it is current."""
    joined = notice.outerjoin(
        notice_read,
        and_(notice_read.c.key == notice.c.key, notice_read.c.issuer == issuer, notice_read.c.subject == subject),
    )
    by_name = and_(notice.c.role == "", notice.c.issuer == issuer, notice.c.subject == subject)
    asked_himself = and_(notice.c.not_for_issuer == issuer, notice.c.not_for_subject == subject)
    mine = or_(by_name, and_(notice.c.role == role, ~asked_himself))
    # News that asks for nothing folds when it was read; what asks for something folds when it is done.
    current = and_(notice.c.done_at.is_(None), or_(notice.c.stands_while != "", notice_read.c.at.is_(None)))
    return joined, mine, current


def _latest(connection: Connection, keys: Iterable[str]) -> dict[str, Row[Any]]:
    """The newest round of each key."""
    wanted, found = sorted(set(keys)), dict[str, Row[Any]]()
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        query = (
            select(notice.c.base_key, notice.c.round, notice.c.done_at)
            .where(notice.c.base_key.in_(part))
            .order_by(notice.c.round)
        )
        found |= {row.base_key: row for row in connection.execute(query)}
    return found


def _fresh(connection: Connection, by_key: Mapping[str, Announcement], *, anew: bool) -> list[tuple[Announcement, int]]:
    """Announcements nobody has heard of, with their round; with `anew` also those that stand again."""
    known = _latest(connection, by_key)
    fresh = []
    for key, item in by_key.items():
        last = known.get(key)
        if last is None:
            fresh.append((item, 1))
        elif anew and item.stands_while and last.done_at is not None:
            fresh.append((item, last.round + 1))
    return fresh


def _over(connection: Connection, tokens: frozenset[str], unreadable: frozenset[str]) -> Iterator[str]:
    query = select(notice.c.key, notice.c.stands_while).where(notice.c.done_at.is_(None), notice.c.stands_while != "")
    for row in connection.execute(query):
        if row.stands_while not in tokens and family(row.stands_while) not in unreadable:
            yield row.key


def _add(connection: Connection, item: Announcement, number: int, route: Route, now: datetime) -> None:
    key = f"{item.key}#{number}"
    not_for = item.not_for or ("", "")
    connection.execute(
        insert(notice).values(
            key=key,
            notice_id=notice_id_of(key),
            base_key=item.key,
            round=number,
            kind=item.kind.value,
            severity=item.severity.value,
            rank=_RANK[item.severity],
            at=item.at,
            created_at=now,
            done_at=now if item.folded else None,
            role=item.audience.role,
            issuer=item.audience.issuer,
            subject=item.audience.subject,
            not_for_issuer=not_for[0],
            not_for_subject=not_for[1],
            title=item.title,
            why=item.why,
            target=item.target,
            model=item.model,
            version=item.version,
            request_id=item.request_id,
            tier=item.tier,
            stands_while=item.stands_while,
            seq=item.seq,
        )
    )
    for channel, start in route(item):
        connection.execute(
            insert(notice_delivery).values(
                key=key, channel=channel, state="waiting", attempts=0, created_at=now, next_try_at=start, error=""
            )
        )


def _close(connection: Connection, keys: Sequence[str], now: datetime) -> None:
    connection.execute(update(notice).where(notice.c.key.in_(keys), notice.c.done_at.is_(None)).values(done_at=now))
    # What was done before its message went out needs no message.
    connection.execute(
        update(notice_delivery)
        .where(notice_delivery.c.key.in_(keys), notice_delivery.c.state == "waiting")
        .values(state="needless", ended_at=now)
    )


def _put_channel(connection: Connection, name: str, **values: object) -> None:
    done = connection.execute(update(notice_channel).where(notice_channel.c.name == name).values(**values))
    if done.rowcount == 0:
        connection.execute(insert(notice_channel).values(name=name, **{"error": "", **values}))


def _is(delivery: Delivery) -> ColumnElement[bool]:
    return and_(notice_delivery.c.key == delivery.key, notice_delivery.c.channel == delivery.channel)


def _notice(row: Any) -> Notice:
    kind = NoticeKind(row.kind)
    return Notice(
        notice_id=row.notice_id,
        kind=kind,
        severity=Severity(row.severity),
        at=row.at,
        created_at=row.created_at,
        title=row.title,
        why=row.why,
        target=row.target,
        role=row.role,
        model=row.model,
        request_id=row.request_id,
        seq=row.seq,
        read_at=row.read_at,
        done_at=row.done_at,
        done_when=DONE_WHEN.get(kind, "") if row.stands_while else "",
    )
