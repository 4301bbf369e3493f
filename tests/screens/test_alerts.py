"""Alerts on screen: the gravest first, filters in the address, two clicks that are one, and honest emptiness."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from pages.components import alert_tables, tables
from pages.components.format import md
from services.alerts.models import Acknowledge, AlertState, CloseAlert, RaiseIncident, SnoozeAlert, WakeAlert
from services.kernel.errors import IllegalTransitionError
from tests.fakes.room import FakeRoom
from tests.fakes.room_alerts import ALL
from tests.fakes.room_sample import HOSTILE, NOW
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
SAM, DANA = "sam.sre", "dana.datascience"


def shown(app: AppTest) -> str:
    return words(app) + "\n".join(str(link.proto.label) for link in app.get("page_link"))


def alerts(app: AppTest) -> list[str]:
    """Titles of the cards, in order."""
    found = [str(link.proto.query_string) for link in app.get("page_link")]
    return [text.partition("alert=")[2] for text in found if "alert=" in text]


def test_what_stands_is_listed_the_gravest_first_with_owner_and_due_time(visit: Visit) -> None:
    app = visit(FakeRoom(), "alerts", SAM)
    text = shown(app)

    assert alerts(app) == ["alr-1", "alr-2", "alr-3", "alr-4"]
    assert ":red[2 open]" in text
    assert "last looked 40 seconds ago" in text
    assert "owner Dana Petrov" in text
    assert "was to be acknowledged 4 minutes ago" in text
    assert "not measured since" in text


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"mine": "1"}, ["alr-1"]),
        ({"kind": "drift"}, ["alr-2"]),
        ({"state": "closed"}, ["alr-5"]),
        ({"state": "snoozed,acknowledged"}, ["alr-3", "alr-4"]),
        ({"model": "payout_forecast"}, ["alr-3"]),
    ],
)
def test_filters_stand_in_the_address(visit: Visit, address: dict[str, str], expected: list[str]) -> None:
    assert alerts(visit(FakeRoom(), "alerts", SAM, **address)) == expected


def test_every_alert_leads_to_the_chart_that_shows_it(visit: Visit) -> None:
    app = visit(FakeRoom(), "alerts", SAM, kind="drift")

    (chart,) = [link for link in app.get("page_link") if link.proto.label == "Open the chart"]
    assert chart.proto.query_string == "model=claims_triage&feature=amount"


def test_one_click_acknowledges_and_two_are_one(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "alerts", SAM)
    app.button(key="acknowledge-alr-1").click().run()
    app.button(key="acknowledge-alr-1").click().run()

    (command,) = room.written
    assert isinstance(command, Acknowledge)
    assert command.alert_id == "alr-1"
    assert "You took it up" in words(app)


def test_a_refused_click_says_why(visit: Visit) -> None:
    room = FakeRoom(refuse=IllegalTransitionError("It is over meanwhile.", hint="Nothing is left to do."))
    app = visit(room, "alerts", SAM)
    app.button(key="acknowledge-alr-1").click().run()

    assert "It is over meanwhile" in app.warning[0].value


def test_a_snooze_states_its_effect_and_the_longest_end_and_needs_a_reason(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "alerts", SAM, alert="alr-2")
    app.button(key="step-snoozed").click().run()
    assert "**Effect:** nobody is told until the end you choose" in words(app)
    app.button(key="alert-go").click().run()
    assert "Why it may wait is not said yet" in words(app)
    assert room.written == []

    app.text_area(key="alert-reason").set_value("A storm week that everybody knows of.")
    app.button(key="alert-go").click().run()

    (command,) = room.written
    assert isinstance(command, SnoozeAlert)
    assert command.until == NOW + timedelta(hours=1)
    assert crashed(app) == []


def test_a_note_goes_with_an_acknowledgement(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "alerts", DANA, alert="alr-2")
    app.button(key="step-acknowledged").click().run()
    app.text_area(key="alert-note").set_value("Comparing carriers.")
    app.button(key="alert-go").click().run()

    (command,) = room.written
    assert isinstance(command, Acknowledge)
    assert command.note == "Comparing carriers."


def test_a_snooze_can_be_ended(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "alerts", SAM, alert="alr-4")
    app.button(key="step-unsnoozed").click().run()

    assert isinstance(room.written[0], WakeAlert)


def test_what_is_not_measured_any_more_is_closed_with_a_reason(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "alerts", SAM, alert="alr-4")
    assert "Not measured since" in words(app)
    app.button(key="step-closed").click().run()
    app.text_area(key="alert-reason").set_value("The job was retired last month.")
    app.button(key="alert-go").click().run()

    assert isinstance(room.written[0], CloseAlert)
    assert "step-closed" not in {button.key for button in visit(room, "alerts", SAM, alert="alr-2").button}


def test_one_click_opens_an_incident_and_leads_there(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "alerts", SAM, alert="alr-2")
    app.button(key="step-incident").click().run()

    assert isinstance(room.written[0], RaiseIncident)
    assert app.title[0].value.startswith("Errors of version 4")


@pytest.mark.parametrize("who", ["otto.auditor", "vera.validator"])
def test_who_may_not_act_sees_no_button_and_reads_why(visit: Visit, who: str) -> None:
    app = visit(FakeRoom(), "alerts", who, alert="alr-2")

    assert not [button for button in app.button if str(button.key).startswith("step-")]
    assert "People who run or own models do this" in words(app)
    listed = visit(FakeRoom(), "alerts", who)
    assert not [button for button in listed.button if str(button.key).startswith("acknowledge-")]


def test_nothing_stands_says_when_it_last_looked(visit: Visit) -> None:
    text = words(visit(FakeRoom(mode="empty"), "alerts", SAM))

    assert "**No alert stands**" in text
    assert "last looked 40 seconds ago" in text


@pytest.mark.parametrize("trouble", ["The inference log cannot be read.", ""])
def test_not_having_looked_is_not_nothing_found(visit: Visit, trouble: str) -> None:
    room = FakeRoom(mode="empty")
    room.alerts.trouble, room.alerts.never_looked = trouble, not trouble
    app = visit(room, "alerts", SAM)

    assert "Whether anything is wrong is not known" in words(app)
    assert "No alert stands**" not in words(app)
    if trouble:
        assert "Promises cannot be looked at" in app.warning[0].value


def test_without_the_database_nothing_is_shown_as_known(visit: Visit) -> None:
    app = visit(FakeRoom(mode="unavailable"), "alerts", SAM)

    assert "nothing is shown as known" in " ".join(text.value for text in app.warning)
    assert "alerts-csv" not in {button.key for button in app.get("download_button")}


@pytest.mark.parametrize("alert", ["", "alr-2", "alr-3"])
def test_hostile_text_is_shown_as_typed(visit: Visit, alert: str) -> None:
    app = visit(FakeRoom(hostile=True), "alerts", SAM, **({"alert": alert} if alert else {}))
    text = shown(app).replace(md(HOSTILE), "")

    assert crashed(app) == []
    assert md(HOSTILE) in shown(app)
    for dangerous in ("![x](http", ":red[x]", ":green-badge[PASSED]", "[go](http", "<img"):
        assert dangerous not in text.replace("\\<", "&lt;")


@pytest.mark.parametrize("name", ["alert", "state", "kind", "model", "mine", "page"])
def test_hostile_addresses_are_told_calmly(visit: Visit, name: str) -> None:
    for value in ("'; drop table alert; --", HOSTILE, "1" * 3000):
        assert crashed(visit(FakeRoom(), "alerts", SAM, **{name: value})) == []


def test_the_export_carries_state_owner_and_windows() -> None:
    text = tables.to_csv(alert_tables.export(ALL, NOW), note="filter: none", as_of=NOW)

    assert "alr-2,open,2,breach,claims_triage,drift,columns" in text
    assert [item.state(NOW) for item in ALL] == [
        AlertState.OPEN,
        AlertState.OPEN,
        AlertState.ACKNOWLEDGED,
        AlertState.SNOOZED,
        AlertState.CLOSED,
    ]
