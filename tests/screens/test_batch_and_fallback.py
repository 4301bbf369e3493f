"""Batch runs and fallback cards on screen: what waits and why, decisions with their effect, drills, switches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from services.rollout.batch_models import DecideRun, Rerun
from services.rollout.fallback_models import EditCard, FallbackMode, FinishDrill, StartDrill, SwitchFallback, TickStep
from tests.fakes.room import FakeRoom
from tests.fakes.room_sample import HOSTILE
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
KEYS = {"decide-run-held", "decide-other", "drill-start", "fallback-switch", "fallback-edit"}


def _keys(app: AppTest) -> set[str]:
    return {str(button.key) for button in app.button}


def _open(visit: Visit, room: FakeRoom, who: str = "sam.sre") -> AppTest:
    return visit(room, "rollouts", who, model="claims_triage")


def test_what_consumers_read_and_why_an_output_waits_is_said(visit: Visit) -> None:
    text = words(_open(visit, FakeRoom()))

    assert "Consumers read the window of" in text
    assert "First output of this version, and not everything is clear." in text
    assert "too few to tell" in text
    assert "Shift 0.61 against the version before on the same rows" in text
    assert "1 held, 1 withheld" in text


def test_a_held_output_is_published_with_a_reason_and_a_signature(visit: Visit) -> None:
    room = FakeRoom()
    app = _open(visit, room)
    app.button(key="decide-run-held").click().run()
    app.radio(key="batch-what").set_value("publish")
    app.button(key="batch-go").click().run()
    assert "both are signed" in words(app)
    assert room.written == []

    app.radio(key="batch-what").set_value("publish")
    app.text_area(key="batch-reason").set_value("I compared all five rows with version 7.")
    app.text_input(key="batch-passphrase").set_value("sam rolls it back")
    app.button(key="batch-go").click().run()

    (command,) = room.written
    assert isinstance(command, DecideRun)
    assert (command.run_id, command.revision) == ("run-held", 1)
    assert room.batch.decided == ["publish"]
    assert crashed(app) == []


def test_a_withheld_window_is_scored_again_with_the_version_before(visit: Visit) -> None:
    room = FakeRoom()
    app = _open(visit, room)
    app.button(key="decide-run-bad").click().run()
    app.radio(key="batch-what").set_value("again")
    app.text_area(key="batch-reason").set_value("Version 8 shifts every score.")
    app.text_input(key="batch-passphrase").set_value("sam rolls it back")
    app.button(key="batch-go").click().run()

    (command,) = room.written
    assert isinstance(command, Rerun)
    assert (command.run_id, command.version) == ("run-bad", "7")


def test_a_published_output_is_chosen_from_the_list_and_withheld(visit: Visit) -> None:
    room = FakeRoom()
    app = _open(visit, room)
    app.selectbox(key="batch-other").set_value("run-1").run()
    app.button(key="decide-other").click().run()
    app.radio(key="batch-what").set_value("withhold")
    app.text_area(key="batch-reason").set_value("The upstream table was cut.")
    app.text_input(key="batch-passphrase").set_value("wrong")
    app.button(key="batch-go").click().run()
    assert "did not open your key" in words(app)

    app.text_input(key="batch-passphrase").set_value("sam rolls it back")
    app.button(key="batch-go").click().run()
    assert room.batch.decided == ["quarantine"]


def test_a_drill_runs_step_by_step_with_a_banner_on_the_model_page(visit: Visit) -> None:
    room = FakeRoom()
    app = _open(visit, room)
    app.button(key="drill-start").click().run()
    assert "nothing is switched" in words(app)
    app.button(key="drill-go").click().run()
    assert app.button(key="drill-finish").disabled

    banner = visit(room, "model", "clara.compliance", name="claims_triage").info[0].value
    assert "**Drill: batch-only**" in banner
    assert "2 of 2 steps left" in banner

    app.button(key="tick-0").click().run()
    app.button(key="tick-1").click().run()
    app.button(key="drill-finish").click().run()
    app.text_area(key="drill-note").set_value("Took four minutes.")
    app.button(key="finish-go").click().run()

    assert [type(command) for command in room.written] == [StartDrill, TickStep, TickStep, FinishDrill]
    assert "Last drill today." in words(app)
    assert crashed(app) == []


def test_a_switch_shows_its_effect_and_needs_name_reason_and_signature(visit: Visit) -> None:
    room = FakeRoom()
    app = _open(visit, room)
    app.button(key="fallback-switch").click().run()
    assert "does not answer a probe" in words(app)
    app.radio(key="switch-mode").set_value(FallbackMode.BATCH_ONLY)
    app.text_input(key="switch-reason").set_value("Scores are wrong since 14:00.")
    app.text_input(key="switch-model").set_value("claims")
    app.text_input(key="switch-passphrase").set_value("sam rolls it back")
    app.button(key="switch-go").click().run()
    assert "The typed name differs" in words(app)
    assert room.written == []

    app.text_input(key="switch-model").set_value("claims_triage")
    app.button(key="switch-go").click().run()

    (command,) = room.written
    assert isinstance(command, SwitchFallback)
    assert command.mode is FallbackMode.BATCH_ONLY
    page = visit(room, "model", "clara.compliance", name="claims_triage")
    assert any("Fallback in force: batch-only" in item.value for item in page.error)


def test_a_card_is_edited_line_by_line(visit: Visit) -> None:
    room = FakeRoom()
    app = _open(visit, room)
    app.button(key="fallback-edit").click().run()
    app.text_area(key="card-steps-rules").set_value("sre: Stop the job.\nbusiness_owner: Oldest first.")
    app.button(key="card-go").click().run()

    (command,) = room.written
    assert isinstance(command, EditCard)
    rules = next(mode for mode in command.modes if mode.mode is FallbackMode.RULES)
    assert [(step.owner, step.text) for step in rules.steps] == [
        ("sre", "Stop the job."),
        ("business_owner", "Oldest first."),
    ]
    assert command.revision == 2


@pytest.mark.parametrize("who", ["otto.auditor", "clara.compliance", "dana.datascience", "ben.business"])
def test_nobody_but_an_engineer_has_buttons(visit: Visit, who: str) -> None:
    room = FakeRoom()
    app = _open(visit, room, who)

    assert not KEYS & _keys(app)
    assert "Consumers read the window of" in words(app)
    assert _keys(_open(visit, FakeRoom())) >= KEYS


def test_text_of_other_people_stands_as_typed(visit: Visit) -> None:
    for screen, name in (("rollouts", "model"), ("model", "name")):
        app = visit(FakeRoom(hostile=True), screen, "sam.sre", **{name: "claims_triage"})
        assert crashed(app) == []
        assert HOSTILE not in words(app)


@pytest.mark.parametrize("mode", ["empty", "unavailable"])
def test_nothing_known_is_said_and_breaks_nothing(visit: Visit, mode: str) -> None:
    app = _open(visit, FakeRoom(mode=mode))

    assert crashed(app) == []


def test_a_real_time_model_has_a_card_and_no_batch_runs(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "rollouts", "sam.sre", model="delay_claim_score"))

    assert "Nobody has written down what to do without this model." in text
    assert "Consumers read" not in text
