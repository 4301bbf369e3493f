"""The reliability screen says how much of the error budget is left, and how fast it burns."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from tests.fakes.room import FakeRoom
from tests.screens.conftest import words


def test_the_error_budget_and_a_fast_burn_are_said_in_words(visit: Callable[..., AppTest]) -> None:
    app = visit(FakeRoom(), "reliability", model="delay_claim_score")

    said = words(app)
    assert "Error budget left, 30 days" in said
    assert "of the budget is left" in said
    assert "The budget burns" in said
