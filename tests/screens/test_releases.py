"""The screen of a running release: where it stands, what the watcher sees, steps with their effect or why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from services.rollout.release_models import StepCommand
from tests.fakes import room_release
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
HOSTILE = "<script>x</script> [go](http://evil.example) :red[x] $x^2$"


def test_canary_shows_steps_split_verdict_stop_rules_and_heartbeat(visit: Visit) -> None:
    app = visit(FakeRoom(), "rollouts", "sam.sre", model="delay_claim_score")

    said = words(app)
    assert "**10 %**" in said
    assert "Next step in 35 minutes at the earliest" in said
    assert "Too early to say" in said
    assert "rolls back at 250" in said
    assert "back to version 3" in said
    assert "signed by Vera Lindholm, Clara Whitfield, Ben Okafor" in said
    assert "watcher" in said
    assert "On call: Sam Lindqvist" in said


def test_a_dead_watcher_is_red_on_the_release(visit: Visit) -> None:
    app = visit(FakeRoom(worker_alive=False), "rollouts", "sam.sre", model="delay_claim_score")

    assert ":red[:material/heart_broken: no watcher" in words(app)


def test_a_check_that_could_not_be_found_out_is_grey_and_counted_as_open(visit: Visit) -> None:
    app = visit(FakeRoom(), "rollouts", "sam.sre", model="delay_claim_score")

    said = words(app)
    assert ":gray[:material/help:] **Drift monitor**" in said
    assert "1 open" in said


def test_shadow_shows_how_far_it_is_and_why_it_cannot_close(visit: Visit) -> None:
    app = visit(FakeRoom(), "rollouts", "sam.sre", model="claims_triage")

    said = words(app)
    assert "96.2%" in said.replace(" ", "") or "96.2 %" in said
    assert "Shadow needs 3 days and 5,000 records: 1.2 days and 2,310 so far." in said
    assert app.button(key="step-close-shadow").disabled
    assert not app.button(key="step-abort").disabled


def test_hold_asks_for_a_reason_and_a_passphrase_and_then_shows_the_hold(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "rollouts", "sam.sre", model="delay_claim_score")

    app.button(key="step-hold").click().run()
    app.button(key="step-go").click().run()
    assert "Write what you see" in " ".join(text.value for text in [*app.error, *app.warning, *app.markdown])
    assert room.written == []

    app.text_input(key="step-reason").set_value(HOSTILE)
    app.text_input(key="step-passphrase").set_value("sam rolls it back")
    app.button(key="step-go").click().run()

    assert crashed(app) == []
    command = room.written[-1]
    assert isinstance(command, StepCommand)
    assert (command.step, command.reason) == ("hold", HOSTILE)
    warned = " ".join(text.value for text in app.warning)
    assert "Held." in warned
    assert "](http://evil.example)" not in warned


@pytest.mark.parametrize("who", ["otto.auditor", "clara.compliance", "ben.business"])
def test_others_read_the_steps_and_find_no_button(visit: Visit, who: str) -> None:
    app = visit(FakeRoom(), "rollouts", who, model="delay_claim_score")

    assert [button.key for button in app.button if str(button.key).startswith("step-")] == []
    assert "A site reliability engineer takes the steps of a release." in words(app)


def test_words_of_people_in_a_release_are_shown_as_words(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    check = replace(room_release.CHECKS[0], title=HOSTILE, sentence=HOSTILE)
    monkeypatch.setattr(room_release, "CHECKS", (check,))

    app = visit(FakeRoom(), "rollouts", "sam.sre", model="delay_claim_score")

    assert crashed(app) == []
    assert "](http://evil.example)" not in words(app)


def test_without_a_release_the_screen_says_when_the_next_one_starts(visit: Visit) -> None:
    app = visit(FakeRoom(), "rollouts", "sam.sre", model="payout_forecast")

    assert "No release is running" in words(app)


def test_endpoints_show_what_is_served_per_version_and_what_differs(visit: Visit) -> None:
    app = visit(FakeRoom(), "rollouts", "sam.sre", show="endpoints")

    said = words(app)
    assert "Serves v3 90 %" in said.replace("\u00a0", " ") or "90 %" in said
    assert "Differs" in said
    assert "1 of 375" in said
    assert "injected fault" in said
    assert "copies of live requests (2,310 sent, 4 dropped)" in said


def test_an_endpoint_that_cannot_be_read_says_so_and_shows_the_last_known_state_with_its_age(visit: Visit) -> None:
    app = visit(FakeRoom(mode="unavailable"), "rollouts", "sam.sre", show="endpoints")

    assert crashed(app) == []
    assert "Not read just now." in " ".join(text.value for text in app.warning)
    assert "Read back from the platform 1 minute ago" in words(app)
