"""Who hears of an alert, once for all that belong together, and who hears that nobody took it up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.alerts.models import AlertKind, Key
from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.notices import alarms, quiet
from services.notices.facts import OpenAlert
from services.notices.models import Announcement, Channel, NoticeKind, QuietHours, Severity
from services.notices.others import OtherFacts
from services.notices.wording import DONE_WHEN, HEADLINES, KIND_WORDS
from tests.builders import MODEL, NOON, a_world
from tests.unit.alerts.conditions import a_condition
from tests.unit.alerts.conftest import Watch, a_watch
from tests.unit.notices.test_news import MemoryChannels, Others, hearing, kinds

H, W, B, U = Health.HEALTHY, Health.WATCH, Health.BREACH, Health.UNKNOWN
DANA = "dana.datascience"


def an_alert(**changes: Any) -> OpenAlert:
    values: dict[str, Any] = {
        "thread": "alr-7",
        "model": MODEL,
        "tier": 1,
        "severity": 3,
        "wakes": False,
        "title": "Drift of Distance",
        "sentence": "PSI 0.31 over 4,000 predictions.",
        "target": "alerts?alert=alr-7",
        "since": NOON,
        "late_at": None,
        "owner": ("countersign:demo", DANA),
        "owner_role": "data_science_lead",
    }
    return OpenAlert(**(values | changes))


def told(**changes: Any) -> list[Announcement]:
    return list(alarms.announced(an_alert(**changes)))


def test_the_owner_hears_by_name_and_the_role_where_nobody_is_named() -> None:
    (by_name,) = told()
    (by_role,) = told(owner=None)

    assert (by_name.audience.subject, by_name.audience.role) == (DANA, "")
    assert (by_role.audience.subject, by_role.audience.role) == ("", "data_science_lead")
    assert by_name.target == "alerts?alert=alr-7"


def test_a_grave_one_also_concerns_the_engineers() -> None:
    assert [item.audience.role for item in told(severity=2)] == ["", "sre"]
    assert [item.audience.role for item in told(severity=2, owner=None, owner_role="sre")] == ["sre"]


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"wakes": True, "severity": 2}, Severity.RED),
        ({"severity": 3}, Severity.AMBER),
        ({"severity": 4}, Severity.INFO),
    ],
)
def test_only_what_cannot_wait_is_red(changes: dict[str, Any], severity: Severity) -> None:
    assert {item.severity for item in told(**changes)} == {severity}


def test_becoming_graver_is_told_anew_and_swinging_is_not() -> None:
    before, graver, same = ({item.key for item in told(**given)} for given in ({}, {"severity": 2}, {"title": "Other"}))

    assert not before & graver
    assert before == same


@pytest.mark.parametrize("kind", [NoticeKind.ALERT, NoticeKind.ALERT_UNATTENDED])
def test_the_words_exist_everywhere(kind: NoticeKind) -> None:
    assert HEADLINES[kind]
    assert KIND_WORDS[kind]
    assert DONE_WHEN[kind]


@pytest.mark.parametrize(
    ("night", "quiet_until"),
    [
        # 03:00 to 04:00 local does not exist on 31 March 2030 in Berlin, and 02:00 to 03:00 happens twice in October.
        (datetime(2030, 3, 31, 0, 30, tzinfo=UTC), datetime(2030, 3, 31, 5, 0, tzinfo=UTC)),
        (datetime(2030, 10, 27, 0, 30, tzinfo=UTC), datetime(2030, 10, 27, 6, 0, tzinfo=UTC)),
        (datetime(2030, 1, 31, 3, 30, tzinfo=UTC), datetime(2030, 1, 31, 6, 0, tzinfo=UTC)),
    ],
)
def test_quiet_hours_end_at_the_same_local_time_on_the_days_the_clock_changes(
    night: datetime, quiet_until: datetime
) -> None:
    hours = QuietHours(zone="Europe/Berlin", start_minute=20 * 60, end_minute=7 * 60)
    (amber,) = told()
    (red,) = told(wakes=True)

    assert quiet.earliest(night, amber.severity, hours) == quiet_until
    assert quiet.earliest(night, red.severity, hours) == night


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = a_watch(a_world(tmp_path, clock=FrozenClock(NOON)))
    yield made
    made.world.database.dispose()


class Desk:
    """Notices over the alerts of one watch, with one channel to the owner and one to the engineers."""

    def __init__(self, watch: Watch) -> None:
        world = watch.world
        self.watch = watch
        self.others = Others()
        self.channels = MemoryChannels(
            Channel(name="dana", people=(DANA,), least=Severity.AMBER),
            Channel(name="sre", roles=("sre",), least=Severity.AMBER),
        )
        self.notices = hearing(world, self.channels, self.others)
        self.notices.refresh()
        self.channels.outbox.clear()
        self.facts = OtherFacts(
            people=world.people,
            exceptions=world.exceptions,
            emergency=world.emergency,
            incidents=world.incidents,
            clock=world.clock,
            alerts=watch.alerts,
        )

    def hear(self, kind: NoticeKind = NoticeKind.ALERT) -> list[str]:
        """Works notices out and sends them: the channels by which this kind went out."""
        self.others.alarms = self.facts.alerts()
        self.notices.refresh()
        self.notices.deliver()
        sent = sorted(name for name, text in self.channels.outbox if f" {HEADLINES[kind]}" in text.title)
        self.channels.outbox.clear()
        return sent

    def of(self, subject: str) -> list[NoticeKind]:
        found = kinds(self.notices, self.watch.world, subject)
        return [kind for kind in found if kind.value.startswith("alert")]


def test_one_alert_is_delivered_once_however_often_anybody_looks(watch: Watch) -> None:
    desk = Desk(watch)
    watch.look(B)

    assert desk.hear() == ["dana", "sre"]
    assert desk.hear() == []
    watch.look(B, B)
    assert desk.hear() == []


def test_forty_features_are_one_message(watch: Watch) -> None:
    desk = Desk(watch)
    watch.source.conditions = tuple(
        a_condition(B, "1", key=Key(model=MODEL, kind=AlertKind.DRIFT, subject=f"f{number}")) for number in range(40)
    )
    watch.alerts.refresh()

    assert desk.hear() == ["dana", "sre"]
    assert "40 alerts" in desk.others.alarms[0].title
    assert desk.others.alarms[0].target == f"alerts?model={MODEL}&kind=drift"


def test_a_signal_that_flaps_for_days_is_told_once(watch: Watch) -> None:
    desk, sent = Desk(watch), list[str]()
    for state in (B, H, B, U, W, B, H, B, W, H, B):
        watch.look(state)
        sent += desk.hear()

    assert sent == ["dana", "sre"]
    assert len(watch.all()) == 1


def test_acknowledged_folds_the_notice_and_unattended_is_escalated_as_an_entry(watch: Watch) -> None:
    desk = Desk(watch)
    watch.source.conditions = (a_condition(B, "1"),)
    watch.alerts.refresh()
    desk.hear()
    assert desk.of("ada.admin") == []

    watch.later(hours=1)

    assert desk.hear(NoticeKind.ALERT_UNATTENDED) == ["sre"]
    assert desk.of("ada.admin") == [NoticeKind.ALERT_UNATTENDED]
    escalated = watch.entries("alert-escalated")
    assert {entry["detail"]["to"] for entry in escalated} == {"sre", "admin"}
    assert {entry["detail"]["alert"] for entry in escalated} == {"alr-1"}
    watch.acknowledge()
    assert desk.hear() == []
    assert desk.of(DANA) == desk.of("ada.admin") == []


def test_a_snooze_is_quiet_until_it_ends(watch: Watch) -> None:
    desk = Desk(watch)
    watch.source.conditions = (a_condition(B, "1"),)
    watch.alerts.refresh()
    watch.snooze(hours=2)
    assert desk.hear() == []

    watch.later(hours=2)

    assert desk.hear() == ["dana", "sre"]


def test_two_workers_at_the_same_moment_send_one_message(watch: Watch) -> None:
    desk = Desk(watch)
    watch.look(B)
    desk.others.alarms = desk.facts.alerts()
    second = hearing(watch.world, desk.channels, desk.others)

    desk.notices.refresh()
    second.refresh()
    second.deliver()
    desk.notices.deliver()

    sent = [name for name, text in desk.channels.outbox if HEADLINES[NoticeKind.ALERT] in text.title]
    assert sorted(sent) == ["dana", "sre"]


def test_alerts_that_cannot_be_read_fold_no_notice(watch: Watch) -> None:
    desk = Desk(watch)
    watch.look(B)
    desk.hear()

    class Away(Others):
        def alerts(self) -> tuple[OpenAlert, ...]:
            from services.kernel.errors import TelemetryUnavailableError

            raise TelemetryUnavailableError("Alerts cannot be read.")

    blind = hearing(watch.world, desk.channels, Away())
    with pytest.raises(Exception, match="cannot be read"):
        blind.refresh()

    assert desk.of(DANA) == [NoticeKind.ALERT]


def test_a_message_says_what_is_at_risk_and_who_pays() -> None:
    found = told(at_risk="0.00 to 40.00 USD a day in breach, 23.94 at the base, paid by Claims", late_at=NOON)

    assert all("Money at risk: 0.00 to 40.00 USD a day in breach, 23.94 at the base, paid by Claims." in one.why
               for one in found)  # fmt: skip
    assert {one.kind for one in found} == {NoticeKind.ALERT, NoticeKind.ALERT_UNATTENDED}
    assert not any("Money" in one.why for one in told(late_at=NOON))
