"""People hear about what concerns them: once, until it is done, and never by a decision of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.adapters.sql.notice_facts import SqlNoticeFacts
from services.adapters.sql.notices import SqlNoticeOutbox, SqlNotices
from services.approvals.models import Decision, RequestState
from services.kernel.clock import FrozenClock
from services.kernel.errors import StorageUnavailableError, TelemetryUnavailableError
from services.notices.facts import (
    EndingAccess,
    OpenAlert,
    OpenIncident,
    OpenJobFinding,
    OpenReview,
    RunningException,
)
from services.notices.models import Channel, Message, Notice, NoticeKind, NoticeQuery, QuietHours
from services.notices.service import NoticeService
from tests.builders import MODEL, NOON, World, a_world

TODAY = NOON + timedelta(days=8)


class MemoryChannels:
    """Implements notices.ports.Channels and Courier; `outbox` is what arrived."""

    def __init__(self, *channels: Channel, hours: QuietHours | None = None) -> None:
        self.channels = channels
        self.hours = hours
        self.base_url = "https://countersign.example"
        self.outbox: list[tuple[str, Message]] = []
        self.broken: Exception | None = None

    def all(self) -> tuple[Channel, ...]:
        return self.channels

    def quiet(self, tier: int) -> QuietHours | None:
        return self.hours

    def transport(self, channel: str) -> str:
        return "memory"

    def problem(self, channel: str) -> str:
        return ""

    def faults(self) -> tuple[str, ...]:
        return ()

    def send(self, channel: str, message: Message) -> None:
        if self.broken is not None:
            raise self.broken
        self.outbox.append((channel, message))


class Others:
    """Implements notices.ports.NeighbourFacts."""

    def __init__(self, *reviews: OpenReview, away: bool = False) -> None:
        self._reviews = reviews
        self._away = away
        self.troubles: tuple[OpenIncident, ...] = ()
        self.alarms: tuple[OpenAlert, ...] = ()
        self.jobs: tuple[OpenJobFinding, ...] = ()

    def reviews(self) -> tuple[OpenReview, ...]:
        if self._away:
            raise TelemetryUnavailableError("The reviews cannot be read.")
        return self._reviews

    def exceptions(self) -> tuple[RunningException, ...]:
        return ()

    def access(self) -> tuple[EndingAccess, ...]:
        return ()

    def incidents(self) -> tuple[OpenIncident, ...]:
        return self.troubles

    def alerts(self) -> tuple[OpenAlert, ...]:
        return self.alarms

    def job_findings(self) -> tuple[OpenJobFinding, ...]:
        return self.jobs


def hearing(world: World, channels: MemoryChannels | None = None, others: Others | None = None) -> NoticeService:
    channels = channels or MemoryChannels()
    return NoticeService(
        people=world.people,
        ledger=world.ledger,
        reader=world.book,
        facts=SqlNoticeFacts(world.database),
        store=SqlNotices(world.database),
        outbox=SqlNoticeOutbox(world.database),
        courier=channels,
        channels=channels,
        clock=world.clock,
        others=others or Others(),
    )


def of(notices: NoticeService, world: World, subject: str, **query: object) -> list[Notice]:
    return list(notices.mine(world.actor(subject), NoticeQuery(**query)).items)  # type: ignore[arg-type]


def kinds(notices: NoticeService, world: World, subject: str, **query: object) -> list[NoticeKind]:
    return [item.kind for item in of(notices, world, subject, **query)]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON)


@pytest.fixture
def world(tmp_path: Path, clock: FrozenClock) -> Iterator[World]:
    built = a_world(tmp_path, clock=clock)
    # The founding with its keys and roles is history by now.
    clock.set(TODAY)
    yield built
    built.database.dispose()


def test_request_is_announced_to_the_role_of_the_open_step_with_a_link_to_it(world: World) -> None:
    notices = hearing(world)
    world.submit("1")

    notices.refresh()

    asked = of(notices, world, "vera.validator")
    request_id = world.request_of("1").request_id
    assert [item.kind for item in asked] == [NoticeKind.STEP_OPEN]
    assert asked[0].target == f"approvals?request={request_id}&step=validator"
    assert NoticeKind.STEP_OPEN not in kinds(notices, world, "dana.datascience")


def test_step_folds_when_the_role_has_signed_and_the_next_stage_hears(world: World) -> None:
    notices = hearing(world)
    world.submit("1")
    notices.refresh()
    request_id = world.request_of("1").request_id
    assert notices.unread(world.actor("clara.compliance")) == 0

    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    notices.refresh()

    assert kinds(notices, world, "vera.validator") == []
    assert NoticeKind.STEP_OPEN in kinds(notices, world, "vera.validator", done=True)
    assert kinds(notices, world, "clara.compliance") == [NoticeKind.STEP_OPEN]
    assert kinds(notices, world, "ben.business") == [NoticeKind.STEP_OPEN]


def test_requester_hears_of_requested_changes_until_he_submits_again(world: World) -> None:
    notices = hearing(world)
    world.submit("1")
    request_id = world.request_of("1").request_id
    world.sign_off(request_id, "vera.validator", Decision.REQUEST_CHANGES, reason="PHI-TAG", comment="Tag it.")

    notices.refresh()

    found = of(notices, world, "dana.datascience")
    assert [item.kind for item in found] == [NoticeKind.CHANGES_REQUESTED]
    assert "PHI-TAG" in found[0].why
    assert found[0].done_when
    world.submit("1")
    notices.refresh()
    assert kinds(notices, world, "dana.datascience") == []
    assert kinds(notices, world, "vera.validator") == [NoticeKind.STEP_OPEN]


def test_signer_and_requester_hear_that_a_signature_became_void_and_why(world: World) -> None:
    notices = hearing(world)
    world.submit("1")
    request_id = world.request_of("1").request_id
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    world.sign_off(request_id, "ben.business", Decision.REQUEST_CHANGES, reason="DOCS", comment="Say what it costs.")
    world.submit("1")

    notices.refresh()

    for who in ("vera.validator", "dana.datascience"):
        told = [item for item in of(notices, world, who) if item.kind is NoticeKind.SIGNATURE_VOID]
        assert len(told) == 1
        assert "submitted again" in told[0].why
        assert told[0].target == f"approvals?request={request_id}"
    assert NoticeKind.SIGNATURE_VOID not in kinds(notices, world, "clara.compliance")


def test_serving_version_whose_approval_ends_is_told_before_and_after(world: World, clock: FrozenClock) -> None:
    notices = hearing(world)
    request_id = world.release("1")
    notices.refresh()
    assert NoticeKind.APPROVAL_ENDING not in kinds(notices, world, "dana.datascience")
    with world.units.read() as unit:
        until = unit.requests.get(request_id).valid_until  # type: ignore[union-attr]
    assert until is not None

    clock.set(until - timedelta(days=10))
    notices.refresh()
    assert NoticeKind.APPROVAL_ENDING in kinds(notices, world, "dana.datascience")
    clock.set(until + timedelta(hours=1))
    notices.refresh()

    now = kinds(notices, world, "clara.compliance")
    assert NoticeKind.APPROVAL_ENDED in now
    assert NoticeKind.APPROVAL_ENDING not in now


def test_change_nobody_signed_is_told_until_it_is_gone(world: World) -> None:
    from sqlalchemy import update

    from services.adapters.sql.schema.rollout import deployment

    notices = hearing(world)
    world.release("1")
    with world.database.write() as connection:
        connection.execute(
            update(deployment).values(finding="Version 2 serves, nobody signed that.", finding_digest="ab" * 32)
        )
    notices.refresh()
    notices.refresh()
    told = [item for item in of(notices, world, "sam.sre") if item.kind is NoticeKind.UNSIGNED_CHANGE]
    assert len(told) == 1
    assert told[0].target == f"rollouts?model={MODEL}"

    with world.database.write() as connection:
        connection.execute(update(deployment).values(finding="", finding_digest=""))
    notices.refresh()

    assert NoticeKind.UNSIGNED_CHANGE not in kinds(notices, world, "sam.sre")


def test_entry_that_cannot_be_read_is_told_and_stops_nothing(world: World) -> None:
    world.submit("1")
    seq = world.book.head().size - 1

    class Spoilt:
        def __init__(self, inner: object) -> None:
            self._inner = inner

        def entries(self, *, start: int = 0) -> Iterator[object]:
            from dataclasses import replace

            for entry in self._inner.entries(start=start):  # type: ignore[attr-defined]
                yield replace(entry, envelope=b"{}") if entry.seq == seq else entry

    notices = hearing(world)
    notices._reader = Spoilt(world.book)  # type: ignore[assignment]
    notices.refresh()

    assert NoticeKind.LEDGER_UNREADABLE in kinds(notices, world, "clara.compliance")
    assert NoticeKind.STEP_OPEN in kinds(notices, world, "vera.validator")


def test_working_it_out_again_adds_nothing(world: World) -> None:
    notices = hearing(world)
    world.submit("1")
    assert notices.refresh() > 0

    assert [notices.refresh() for _ in range(3)] == [0, 0, 0]
    assert hearing(world).refresh() == 0


def test_crash_between_reading_and_keeping_loses_and_doubles_nothing(world: World) -> None:
    notices = hearing(world)
    world.approve("1")

    class Crashing(SqlNotices):
        calls = 0

        def record(self, *args: object, **given: object) -> object:  # type: ignore[override]
            type(self).calls += 1
            if type(self).calls == 2:
                raise StorageUnavailableError("The database went away.")
            return super().record(*args, **given)  # type: ignore[arg-type]

    notices._store = Crashing(world.database)
    with pytest.raises(StorageUnavailableError):
        notices.refresh()
    notices.refresh()
    notices.refresh()

    complete = [k for k in kinds(notices, world, "dana.datascience") if k is NoticeKind.COMPLETE]
    assert len(complete) == 1
    used = kinds(notices, world, "vera.validator", done=True, kinds=(NoticeKind.KEY_USED,))
    assert len(used) == 1


def test_requester_hears_of_approval_and_release(world: World) -> None:
    notices = hearing(world)
    world.approve("1")
    world.runner.run_pending()

    notices.refresh()

    assert {NoticeKind.COMPLETE, NoticeKind.RELEASED} <= set(kinds(notices, world, "dana.datascience"))


def test_every_use_of_a_key_is_told_to_its_owner_without_ringing(world: World) -> None:
    notices = hearing(world)
    world.submit("1")

    notices.refresh()

    dana = world.actor("dana.datascience")
    assert notices.unread(dana) == 0
    told = of(notices, world, "dana.datascience", done=True)
    assert [item.kind for item in told] == [NoticeKind.KEY_USED]
    assert of(notices, world, "clara.compliance", done=True) == []


def test_overdue_step_is_reminded_once_a_day_and_escalated_on_record(world: World, clock: FrozenClock) -> None:
    notices = hearing(world)
    world.submit("1")
    due = world.request_of("1").due_at
    reminded = []
    for hours in range(0, 80, 4):
        clock.set(due + timedelta(hours=hours))
        notices.refresh()
        reminded += [item.notice_id for item in of(notices, world, "vera.validator") if item.kind is NoticeKind.OVERDUE]

    assert len(set(reminded)) == 4
    assert [k for k in kinds(notices, world, "vera.validator") if k is NoticeKind.OVERDUE] == [NoticeKind.OVERDUE]
    assert world.entries("event:request-escalated") == 1
    assert NoticeKind.ESCALATED in kinds(notices, world, "clara.compliance")
    # It told somebody, and that is all it did.
    assert world.request_of("1").state is RequestState.OPEN
    assert world.request_of("1").signed == 0


def test_locked_key_is_told_to_its_owner_and_the_administrators(world: World, clock: FrozenClock) -> None:
    from services.kernel.errors import RefusalError
    from services.kernel.secret import Secret

    notices = hearing(world)
    world.submit("1")
    request_id = world.request_of("1").request_id
    for _ in range(6):
        with pytest.raises(RefusalError):
            world.sign_off(request_id, "vera.validator", Decision.APPROVE, passphrase=Secret("wrong, wrong, wrong"))

    notices.refresh()

    assert NoticeKind.KEY_LOCKED in kinds(notices, world, "vera.validator")
    assert NoticeKind.KEY_LOCKED in kinds(notices, world, "ada.admin")
    clock.set(clock.now() + timedelta(hours=1))
    notices.refresh()
    assert NoticeKind.KEY_LOCKED not in kinds(notices, world, "vera.validator")


def test_source_that_cannot_be_asked_closes_nothing(world: World) -> None:
    review = OpenReview(
        review_id="rev-1", model=MODEL, version="2", by="Sam Lindqvist", by_issuer="x", by_subject="sam.sre",
        at=TODAY, review_by=TODAY + timedelta(days=2), seq=None,
    )  # fmt: skip

    hearing(world, others=Others(review)).refresh()
    dark = hearing(world, others=Others(away=True))
    with pytest.raises(TelemetryUnavailableError):
        dark.refresh()

    assert NoticeKind.EMERGENCY in kinds(dark, world, "vera.validator")
    hearing(world, others=Others()).refresh()
    assert NoticeKind.EMERGENCY not in kinds(dark, world, "vera.validator")


def test_emergency_that_stands_anew_is_announced_anew(world: World) -> None:
    review = OpenReview(
        review_id="rev-1", model=MODEL, version="2", by="Sam Lindqvist", by_issuer="x", by_subject="sam.sre",
        at=TODAY, review_by=TODAY + timedelta(days=2), seq=None,
    )  # fmt: skip
    service = hearing(world, others=Others(review))
    service.refresh()
    service.mark_all_read(world.actor("vera.validator"))
    hearing(world, others=Others()).refresh()

    service.refresh()

    assert service.unread(world.actor("vera.validator")) == 1


def test_reading_is_everybodys_own(world: World) -> None:
    notices = hearing(world)
    world.submit("1")
    notices.refresh()
    vera = world.actor("vera.validator")
    keys = tuple(item.notice_id for item in of(notices, world, "vera.validator"))

    assert notices.mark_read(keys, actor=world.actor("clara.compliance")) == 0
    assert notices.unread(vera) == 1
    assert notices.mark_read(keys, actor=vera) == 1
    assert notices.mark_read(keys, actor=vera) == 0
    assert notices.unread(vera) == 0
    # Read is not done: the step still waits.
    assert kinds(notices, world, "vera.validator") == [NoticeKind.STEP_OPEN]


def test_history_from_before_the_first_run_rings_for_nobody(world: World, clock: FrozenClock) -> None:
    world.approve("1")
    world.runner.run_pending()
    clock.set(TODAY + timedelta(days=30))
    notices = hearing(world)

    notices.refresh()

    assert kinds(notices, world, "dana.datascience") == []
