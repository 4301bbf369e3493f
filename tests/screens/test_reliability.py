"""The reliability screen says how much of the error budget is left, and how fast it burns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from streamlit.testing.v1 import AppTest

from tests.fakes.room import FakeRoom
from tests.screens.conftest import words


def test_the_error_budget_and_a_fast_burn_are_said_in_words(visit: Callable[..., AppTest]) -> None:
    app = visit(FakeRoom(), "reliability", model="delay_claim_score")

    said = words(app)
    assert "Error budget left, 30 days" in said
    assert "of the budget is left" in said
    assert "The budget burns" in said


def test_what_the_figures_are_is_said_above_them_where_a_platform_records_them(visit: Callable[..., AppTest]) -> None:
    room = FakeRoom()
    ours = words(visit(room, "reliability", model="delay_claim_score"))
    asked, notice = room.reliability.sla, "From the inference table main.claims.score_payload, the time of the model."
    room.reliability.sla = lambda model, *, days=7: replace(asked(model, days=days), notice=notice)

    theirs = words(visit(room, "reliability", model="delay_claim_score"))

    assert "inference table" not in ours
    assert "From the inference table main.claims.score" in theirs
