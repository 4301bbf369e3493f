"""Notices are kept alike on SQLite and PostgreSQL: once, whoever works them out and however many at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from services.adapters.sql.database import Database
from services.adapters.sql.notice_facts import SqlNoticeFacts
from services.adapters.sql.notices import SqlNoticeOutbox, SqlNotices
from services.notices.models import Announcement, Audience, NoticeKind, NoticeQuery, Severity
from services.notices.ports import Route
from tests.builders import NOON, create_tables

ME: dict[str, str] = {"issuer": "idp", "subject": "vera", "role": "validator"}
HOSTILE = "'; DROP TABLE notice; -- <img onerror=x> ![x](http://evil.example) :red[x]"


def silent(_item: Announcement) -> tuple[()]:
    return ()


def by(*channels: str) -> Route:
    return lambda _item: tuple((channel, NOON) for channel in channels)


def an_item(key: str = "k", **changes: Any) -> Announcement:
    values: dict[str, Any] = {
        "key": key,
        "kind": NoticeKind.STEP_OPEN,
        "severity": Severity.AMBER,
        "at": NOON,
        "audience": Audience(role="validator"),
        "title": "Sign",
        "why": "Somebody asked.",
        "target": "approvals?request=r",
    }
    return Announcement(**(values | changes))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    create_tables(made)
    yield made
    made.dispose()


@pytest.fixture
def store(database: Database) -> SqlNotices:
    made = SqlNotices(database)
    made.begin(NOON)
    return made


def titles(store: SqlNotices, *, done: bool = False, **whom: str) -> list[str]:
    page = store.find(NoticeQuery(done=done), **{**ME, **whom}, now=NOON)
    return [item.title for item in page.items]


def test_same_key_is_kept_once_with_its_deliveries(store: SqlNotices, database: Database) -> None:
    assert store.record((an_item(), an_item()), route=by("mail"), now=NOON).added == 1
    assert store.record((an_item(),), route=by("mail"), now=NOON).added == 0

    assert len(SqlNoticeOutbox(database).due(NOON, 10)) == 1


def test_workers_at_the_same_moment_keep_one(store: SqlNotices) -> None:
    items = tuple(an_item(f"k{number}") for number in range(10))
    added: list[int] = []
    together = threading.Barrier(4)

    def work() -> None:
        together.wait()
        added.append(store.record(items, route=silent, now=NOON, cursor=5).added)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(added) == 10
    assert len(titles(store)) == 10
    assert store.begin(NOON)[0] == 5


def test_cursor_never_goes_back(store: SqlNotices) -> None:
    store.record((), route=silent, now=NOON, cursor=9)
    store.record((), route=silent, now=NOON, cursor=4)

    assert store.begin(NOON)[0] == 9


def test_many_are_kept_in_portions_and_the_cursor_moves_with_the_last(store: SqlNotices) -> None:
    items = tuple(an_item(f"k{number}") for number in range(900))
    left = [500]

    def crashing(_item: Announcement) -> tuple[()]:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError
        return ()

    with pytest.raises(RuntimeError):
        store.record(items, route=crashing, now=NOON, cursor=7)
    assert store.begin(NOON)[0] == 0

    again = store.record(items, route=silent, now=NOON, cursor=7)

    assert 0 < again.added < 900
    assert store.unread(**ME) == 900
    assert store.begin(NOON)[0] == 7


def test_what_cannot_be_kept_moves_no_cursor(store: SqlNotices) -> None:
    def broken(_item: Announcement) -> tuple[tuple[str, Any], ...]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.record((an_item(),), route=broken, now=NOON, cursor=7)

    assert store.begin(NOON)[0] == 0
    assert titles(store) == []


def test_notice_folds_when_its_token_is_gone_and_stands_anew_in_a_new_round(
    store: SqlNotices, database: Database
) -> None:
    item = an_item(stands_while="step/r/1/1/validator")
    here, gone = frozenset({"step/r/1/1/validator"}), frozenset[str]()
    store.record((item,), route=by("mail"), now=NOON, tokens=here)
    store.mark_read(None, **ME, at=NOON)

    assert store.record((), route=silent, now=NOON, tokens=gone, unreadable=frozenset({"step"})).closed == 0
    assert store.record((), route=silent, now=NOON, tokens=gone).closed == 1
    assert SqlNoticeOutbox(database).due(NOON, 10) == ()
    assert store.unknown((item.key,)) == {item.key}
    assert store.record((item,), route=silent, now=NOON, tokens=here).added == 1

    assert store.unread(**ME) == 1
    assert (len(titles(store)), len(titles(store, done=True))) == (1, 1)


def test_everybody_sees_what_is_his_and_nothing_else(store: SqlNotices) -> None:
    store.record(
        (
            an_item("a", title="role"),
            an_item("b", title="me", audience=Audience(issuer="idp", subject="vera")),
            an_item("c", title="other issuer", audience=Audience(issuer="evil", subject="vera")),
            an_item("d", title="other role", audience=Audience(role="sre")),
            an_item("e", title="not me", not_for=("idp", "vera")),
        ),
        route=silent,
        now=NOON,
    )

    assert sorted(titles(store)) == ["me", "role"]
    assert sorted(titles(store, subject="viktor")) == ["not me", "role"]
    assert store.unread(**ME) == 2


def test_hostile_text_is_stored_as_text(store: SqlNotices) -> None:
    store.record((an_item(HOSTILE, title=HOSTILE, why=HOSTILE, model=HOSTILE, target=HOSTILE),), route=silent, now=NOON)

    assert titles(store) == [HOSTILE]
    assert store.mark_read((HOSTILE,), **ME, at=NOON) == 0
    assert store.unread(issuer=HOSTILE, subject=HOSTILE, role=HOSTILE) == 0


def test_unread_come_first_then_the_most_severe_then_the_newest(store: SqlNotices) -> None:
    store.record(
        tuple(
            an_item(title, title=title, severity=severity, at=NOON + timedelta(hours=hours), stands_while=title)
            for title, severity, hours in (
                ("news", Severity.INFO, 9),
                ("old red", Severity.RED, 1),
                ("new red", Severity.RED, 2),
                ("to do", Severity.AMBER, 3),
            )
        ),
        route=silent,
        now=NOON,
        tokens=frozenset({"news", "old red", "new red", "to do"}),
    )
    page = store.find(NoticeQuery(), **ME, now=NOON)
    store.mark_read((page.items[0].notice_id,), **ME, at=NOON)

    assert titles(store) == ["old red", "to do", "news", "new red"]


def test_delivery_is_claimed_by_one(store: SqlNotices, database: Database) -> None:
    store.record((an_item(),), route=by("mail"), now=NOON)
    outbox = SqlNoticeOutbox(database)
    delivery = outbox.due(NOON, 1)[0]

    assert outbox.claim(delivery, until=NOON + timedelta(minutes=5))
    assert not outbox.claim(delivery, until=NOON + timedelta(minutes=5))
    assert outbox.due(NOON, 1) == ()


def test_facts_of_an_empty_control_room_are_empty(database: Database) -> None:
    facts = SqlNoticeFacts(database)

    assert facts.steps() == facts.returned() == facts.voided(NOON) == facts.fallen(NOON) == ()
    assert facts.completed(NOON) == facts.unsigned_changes() == facts.locked_keys(NOON) == ()
    assert facts.serving_approvals(NOON) == ()
    assert facts.request(HOSTILE) is None
    assert facts.request_of_action(HOSTILE) is None
