"""Incidents on screen: figures with what they rest on, steps by permission, a post-mortem that loses nothing typed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from pages.components import incident_list, incident_tables, tables
from pages.components.format import md, took
from services.incidents.models import (
    Assign,
    ChangeSeverity,
    CloseIncident,
    FinishFollowUp,
    LinkChange,
    OpenIncident,
    SavePostMortem,
    Spread,
    StateImpact,
    Step,
    TakeStep,
)
from services.kernel.errors import IllegalTransitionError
from tests.fakes.room import FakeRoom
from tests.fakes.room_incidents import ALL, LEARNED
from tests.fakes.room_sample import HOSTILE, NOW
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
SAM = "sam.sre"
WRITES = {"open-incident", "acknowledge", "pm-keep", "pm-close", *(f"step-{step.value}" for step in Step)}


def keys(app: AppTest) -> set[str]:
    return {str(button.key) for button in app.button}


def test_the_list_says_what_is_open_and_what_the_means_rest_on(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "incidents", SAM))

    assert "2 incidents not closed, 1 not mitigated, :gray" not in text
    assert "2 incidents not closed, 1 not mitigated," in text
    assert ":red[1 not acknowledged]" in text
    assert "Mean time to restore 4 h 2 min" in text
    assert "n \\= 2, 4 min 1 s to 8 h" in text
    assert "the 30 days before" in text


def test_filters_stand_in_the_address(visit: Visit) -> None:
    app = visit(FakeRoom(), "incidents", SAM, state="closed", severity="3", model="payout_forecast", q="weather")

    (frame,) = app.dataframe
    assert list(frame.value["incident"]) == ["inc-1"]
    assert app.multiselect(key="at-state").value == ["closed"]


def test_an_unknown_filter_is_told_calmly(visit: Visit) -> None:
    app = visit(FakeRoom(), "incidents", SAM, state="broken", severity="9")

    assert "which does not exist here" in words(app)
    assert crashed(app) == []


def test_nobody_on_call_is_red(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "incidents", SAM, incident="inc-2"))

    assert ":red[:material/phone_disabled: Nobody is on call" in text


def test_one_incident_shows_times_traffic_and_entries(visit: Visit) -> None:
    app = visit(FakeRoom(), "incidents", SAM, incident="inc-2")
    text = words(app)
    links = [link.proto.label for link in app.get("page_link")]

    assert "Time to restore 4 min 1 s" in text
    assert "Rollback to version 3 asked for" in text
    assert "50 probes answered by version 3" in text
    assert {"entry 33", "entry 34", "entry 35"} <= set(links)


def test_a_running_clock_says_so(visit: Visit) -> None:
    assert "Time to restore running, 12 min" in words(visit(FakeRoom(), "incidents", SAM, incident="inc-3"))


def test_one_click_acknowledges_and_two_are_one(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "incidents", SAM, incident="inc-3")
    app.button(key="acknowledge").click().run()
    app.button(key="acknowledge").click().run()

    (command,) = room.written
    assert isinstance(command, TakeStep)
    assert (command.step, command.incident_id) == (Step.ACKNOWLEDGED, "inc-3")
    assert "You took it up" in words(app)


def test_a_refused_click_says_why(visit: Visit) -> None:
    room = FakeRoom(refuse=IllegalTransitionError("It was closed meanwhile.", hint="Open a new one."))
    app = visit(room, "incidents", SAM, incident="inc-3")
    app.button(key="acknowledge").click().run()

    assert "It was closed meanwhile" in app.warning[0].value


def test_a_business_owner_opens_one_with_the_effect_stated_first(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "incidents", "ben.business")
    app.button(key="open-incident").click().run()
    assert "**Effect:** engineers are told at once" in words(app)
    app.selectbox(key="report-model").set_value("claims_triage")
    app.radio(key="report-severity").set_value(1)
    app.text_input(key="report-title").set_value("Claims are paid twice")
    app.text_area(key="report-text").set_value("The ledger of payouts shows pairs since this morning.")
    app.date_input(key="report-day").set_value(NOW.date())
    app.time_input(key="report-clock").set_value(time(9, 15))
    app.button(key="report-go").click().run()

    (command,) = room.written
    assert isinstance(command, OpenIncident)
    assert (command.model, command.severity) == ("claims_triage", 1)
    assert command.impact_start == datetime(2030, 11, 20, 9, 15, tzinfo=UTC)
    assert crashed(app) == []


def test_a_start_in_the_future_stands_in_the_dialog_and_nothing_is_written(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "incidents", "ben.business")
    app.button(key="open-incident").click().run()
    app.selectbox(key="report-model").set_value("claims_triage")
    app.text_input(key="report-title").set_value("Claims are paid twice")
    app.text_area(key="report-text").set_value("The ledger of payouts shows pairs since this morning.")
    app.date_input(key="report-day").set_value(NOW.date() + timedelta(days=1))
    app.button(key="report-go").click().run()

    assert room.written == []
    assert "cannot have begun after" in words(app)


@pytest.mark.parametrize(
    ("step", "fill", "expected"),
    [
        (Step.NOTE, {}, TakeStep),
        (Step.MITIGATED, {}, TakeStep),
        (Step.SEVERITY, {"radio": ("incident-severity", 4)}, ChangeSeverity),
        (Step.IMPACT, {}, StateImpact),
        (Step.ASSIGNED, {"selectbox": ("incident-person", SAM)}, Assign),
        (Step.LINKED, {"selectbox": ("incident-action", "act-7")}, LinkChange),
    ],
)
def test_each_step_is_one_command_after_its_effect_was_stated(
    visit: Visit, step: Step, fill: dict[str, tuple[str, object]], expected: type
) -> None:
    room = FakeRoom()
    app = visit(room, "incidents", SAM, incident="inc-3")
    app.button(key=f"step-{step.value}").click().run()
    assert "**Effect:**" in words(app)
    for kind, (key, value) in fill.items():
        getattr(app, kind)(key=key).set_value(value)
    for area in app.text_area:
        if area.key == "incident-text":
            area.set_value("Looked at with the claims team, twice.")
    app.button(key="incident-go").click().run()

    (command,) = room.written
    assert isinstance(command, expected)
    assert crashed(app) == []


def test_closing_names_what_is_missing_and_keeps_what_was_typed(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "incidents", SAM, incident="inc-2")
    app.text_area(key="pm-inc-2-cause").set_value(LEARNED.cause)
    app.text_input(key="pm-inc-2-passphrase").set_value("sam keeps it running")
    app.button(key="pm-close").click().run()

    assert room.written == []
    assert "- What went well" in words(app)
    assert "- The cause" not in words(app)
    assert app.text_area(key="pm-inc-2-cause").value == LEARNED.cause


def _fill(app: AppTest) -> None:
    for name in ("impact", "cause", "went_well", "went_wrong"):
        app.text_area(key=f"pm-inc-2-{name}").set_value(getattr(LEARNED, name))
    app.text_input(key="pm-inc-2-follow-0-text").set_value(LEARNED.follow_ups[0].text)
    app.selectbox(key="pm-inc-2-follow-0-owner").set_value("dana.datascience")
    app.date_input(key="pm-inc-2-follow-0-due").set_value(LEARNED.follow_ups[0].due)


def test_a_complete_post_mortem_is_signed_and_closes(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "incidents", SAM, incident="inc-2")
    _fill(app)
    passphrase = next(item.passphrase for item in room.people.demo_accounts() if item.subject == SAM)
    app.text_input(key="pm-inc-2-passphrase").set_value(passphrase)
    app.button(key="pm-close").click().run()

    (command,) = room.written
    assert isinstance(command, CloseIncident)
    assert command.post_mortem == LEARNED
    assert "signed and the incident is closed" in words(app)


def test_a_post_mortem_is_kept_without_passphrase(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "incidents", SAM, incident="inc-2")
    app.text_area(key="pm-inc-2-cause").set_value("The feed was empty for two days.")
    app.button(key="pm-keep").click().run()

    (command,) = room.written
    assert isinstance(command, SavePostMortem)
    assert command.post_mortem.follow_ups == ()


@pytest.mark.parametrize("incident", ["", "inc-1", "inc-2", "inc-3"])
def test_an_auditor_reads_everything_and_has_no_button_that_writes(visit: Visit, incident: str) -> None:
    app = visit(FakeRoom(), "incidents", "otto.auditor", **({"incident": incident} if incident else {}))

    assert not keys(app) & WRITES
    assert not app.text_area
    assert crashed(app) == []
    if incident == "inc-1":
        assert md(LEARNED.cause) in words(app)


def test_a_data_science_lead_may_open_and_note_and_nothing_else(visit: Visit) -> None:
    found = keys(visit(FakeRoom(), "incidents", "dana.datascience", incident="inc-3")) & WRITES

    assert found == {"step-note"}


@pytest.mark.parametrize("incident", ["", "inc-1", "inc-2", "inc-3"])
def test_hostile_text_is_shown_as_typed(visit: Visit, incident: str) -> None:
    app = visit(FakeRoom(hostile=True), "incidents", SAM, **({"incident": incident} if incident else {}))
    shown = words(app).replace(md(HOSTILE), "") + "".join(link.proto.label for link in app.get("page_link"))
    plain = {str(value) for frame in app.dataframe for value in frame.value.to_numpy().ravel()}

    assert crashed(app) == []
    assert md(HOSTILE) in words(app) or any(HOSTILE in cell for cell in plain)
    for dangerous in ("![x](http", ":red[x]", ":green-badge[PASSED]", "[go](http", "<img"):
        assert dangerous not in shown.replace("\\<", "&lt;")


@pytest.mark.parametrize("name", ["incident", "q", "state", "severity", "model", "page"])
def test_hostile_addresses_are_told_calmly(visit: Visit, name: str) -> None:
    for value in ("'; drop table log_entry; --", HOSTILE, "../../etc/passwd", "1" * 3000):
        assert crashed(visit(FakeRoom(), "incidents", SAM, **{name: value})) == []


def test_an_empty_control_room_says_what_that_means(visit: Visit) -> None:
    text = words(visit(FakeRoom(mode="empty"), "incidents", SAM))

    assert "No incident was ever recorded" in text
    assert "Mean time to restore not known" in text


def test_without_the_database_nothing_is_shown_as_known(visit: Visit) -> None:
    app = visit(FakeRoom(mode="unavailable"), "incidents", SAM)

    assert "nothing is shown as known" in " ".join(text.value for text in app.warning)
    assert "incidents-csv" not in {button.key for button in app.get("download_button")}


def test_each_model_page_names_who_is_on_call_and_how_long_it_took_to_restore(visit: Visit) -> None:
    app = visit(FakeRoom(), "model", SAM, name="delay_claim_score")
    text = words(app)

    assert "on call for delay" in text
    assert "2 incidents" in text
    assert "4 min 1 s" in text
    assert any(md("inc-3") in link.proto.label for link in app.get("page_link"))


def test_the_export_carries_the_figures_and_the_entries() -> None:
    text = tables.to_csv(incident_tables.export(ALL), note="filter: none", as_of=NOW)

    assert text.splitlines()[0] == "# filter: none"
    assert "inc-2,mitigated,2,delay_claim_score" in text
    assert ",240,241,34" in text


def test_what_was_left_out_of_a_mean_is_said() -> None:
    spread = Spread(n=1, mean=timedelta(minutes=2), low=timedelta(minutes=2), high=timedelta(minutes=2), no_start=3)

    assert incident_list.spread_words(spread) == "n = 1, 2 min to 2 min; left out: 3 without a stated start"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (45, "45 s"), (725, "12 min 5 s"), (3600, "1 h"), (11520, "3 h 12 min"), (187200, "2 days 4 h")],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: int, text: str) -> None:
    assert took(timedelta(seconds=seconds)) == text


def test_the_owner_calls_a_follow_up_done_with_a_link_that_shows_it(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "incidents", "dana.datascience", incident="inc-1")
    app.button(key="follow-up-done-1").click().run()
    assert "The signed post-mortem stays as it was signed" in words(app)
    app.text_input(key="incident-evidence").set_value("it is done")
    app.button(key="incident-go").click().run()
    assert "is not an address" in words(app)

    app.text_input(key="incident-evidence").set_value("https://git.example/changes/7")
    app.button(key="incident-go").click().run()

    (command,) = room.written
    assert isinstance(command, FinishFollowUp)
    assert (command.number, command.evidence) == (1, "https://git.example/changes/7")
    assert crashed(app) == []


def test_somebody_elses_follow_up_has_no_button(visit: Visit) -> None:
    app = visit(FakeRoom(), "incidents", "ben.business", incident="inc-1")

    assert "follow-up-done-1" not in keys(app)
