"""The audit screen: its sections, the historical view that stays, and who sees which control."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def keys(app: AppTest) -> set[str]:
    return {button.key or "" for button in app.button}


def test_the_historical_view_is_announced_and_stays_while_browsing(visit: Visit) -> None:
    app = visit(FakeRoom(), "audit", "otto.auditor", section="asof", asof="2030-10-01")
    assert "Historical view: 1 Oct 2030" in words(app)

    app.switch_page("pages/screens/inventory.py")
    app.run()

    assert "Historical view: 1 Oct 2030" in words(app)
    assert "2030-10-01" in app.query_params["asof"]
    assert "damage_photo_vendor" in str(app.dataframe[0].value)


def test_a_section_that_does_not_follow_the_day_says_so(visit: Visit) -> None:
    for section, follows in (("segregation", True), ("controls", True), ("retention", False), ("samples", False)):
        app = visit(FakeRoom(), "audit", "otto.auditor", section=section, asof="2030-10-01")

        assert ("what is below is today" in words(app)) is not follows


def test_back_to_today_leaves_the_historical_view(visit: Visit) -> None:
    app = visit(FakeRoom(), "inventory", "otto.auditor", asof="2030-10-01")

    app.button(key="asof-leave").click().run()

    assert "Historical view" not in words(app)
    assert "asof" not in app.query_params


@pytest.mark.parametrize(
    ("day", "said"),
    [("2020-01-01", "the ledger begins on"), ("2040-01-01", "lies in the future"), ("yesterday", "is not a day")],
)
def test_a_day_the_ledger_cannot_speak_about_is_refused_in_words(visit: Visit, day: str, said: str) -> None:
    app = visit(FakeRoom(), "audit", "otto.auditor", section="asof", asof=day)

    assert crashed(app) == []
    assert said in words(app)
    assert "Historical view" not in words(app)


def test_an_auditor_reads_retention_and_finds_no_way_to_change_it(visit: Visit) -> None:
    app = visit(FakeRoom(), "audit", "otto.auditor", section="retention")

    assert "Legal holds" in words(app)
    assert "Matter 2030\\-17" in words(app)
    assert not {key for key in keys(app) if key.startswith(("hold-", "release-", "dispose"))}


def test_compliance_places_a_hold_with_the_passphrase(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "audit", "clara.compliance", section="retention")
    app.button(key="hold-open").click().run()
    app.text_area(key="hold-reason").input("Matter 2030-18, preservation notice.")
    app.text_input(key="hold-passphrase").input("wrong")
    app.button(key="hold-go").click().run()
    assert "did not open your key" in words(app)
    assert [item.event for item in room.written] == ["hold-refused"]

    app.text_input(key="hold-passphrase").input("clara signs with care")
    app.button(key="hold-go").click().run()

    written = room.written[-1]
    assert (written.event, written.detail["scopeKind"]) == ("hold-placed", "model")
    assert "The hold stands" in words(app)


def test_a_late_emergency_review_is_red_and_an_exception_names_its_control(visit: Visit) -> None:
    shown = words(visit(FakeRoom(), "audit", "otto.auditor", section="exceptions"))

    assert "review overdue" in shown
    assert "Manual review of every case" in shown


def test_a_recorded_sample_that_no_longer_matches_is_told_in_red(visit: Visit) -> None:
    app = visit(FakeRoom(), "audit", "otto.auditor", section="samples", sample="11")

    assert "population is not the one of the draw" in app.error[0].value
    assert "of 14" in words(app)


def test_the_refused_attempts_are_listed_beside_zero_breaches(visit: Visit) -> None:
    app = visit(FakeRoom(), "audit", "otto.auditor", section="segregation")

    assert "0 breaches" in words(app)
    assert "the person who asked may not decide" in str(app.dataframe[1].value)


def test_a_broken_ledger_names_the_entry_and_marks_later_ones(visit: Visit) -> None:
    app = visit(FakeRoom(mode="broken"), "audit", "otto.auditor")

    app.button(key="verify").click().run()

    assert "entry 12 was changed" in app.error[0].value
    assert "28 later entries are untrusted" in app.error[0].value
    assert "untrusted" in str(app.dataframe[0].value)
