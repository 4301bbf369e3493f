"""The reliability screen says how much of the error budget is left, and how fast it burns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from pages.components import service_level
from tests.fakes import room_sample
from tests.fakes.room import FakeRoom
from tests.screens.conftest import words


def test_the_error_budget_and_a_fast_burn_are_said_in_words(visit: Callable[..., AppTest]) -> None:
    app = visit(FakeRoom(), "reliability", model="delay_claim_score")

    said = words(app)
    assert "Error budget left, 30 days" in said
    assert "of the budget is left" in said
    assert "The budget burns" in said
    assert "a day, at the limit of each promise" in said
    assert "Response time p95" in said


def test_what_the_figures_are_is_said_above_them_where_a_platform_records_them(visit: Callable[..., AppTest]) -> None:
    room = FakeRoom()
    ours = words(visit(room, "reliability", model="delay_claim_score"))
    asked, notice = room.reliability.sla, "From the inference table main.claims.score_payload, the time of the model."
    room.reliability.sla = lambda model, *, days=7: replace(asked(model, days=days), notice=notice)

    theirs = words(visit(room, "reliability", model="delay_claim_score"))

    assert "inference table" not in ours
    assert "From the inference table main.claims.score" in theirs


def keys(app: AppTest) -> set[str]:
    """Keys of everything that can be pressed, the buttons of downloads among them."""
    return {str(item.proto.id).split("-", 2)[-1] for item in app.get("download_button")}


def test_every_number_of_a_service_says_what_it_rests_on(visit: Callable[..., AppTest]) -> None:
    said = words(visit(FakeRoom(), "reliability", model="delay_claim_score"))

    assert "95 % interval 82 ms to 86 ms" in said
    assert "n = 1,398,000 · 95 % interval" in said, "the error budget"
    assert "at 1 the budget lasts exactly the window" in said
    assert "SRE workbook, chapter 5" in said
    assert "n = 2,000 and 2,000" in said, "the requests behind both windows of a pair"
    assert "quantiles are never averaged" in said
    assert "without answer or with a 5xx" in said
    assert "what it stands for" in said
    assert "silent hours included" in said, "the table of endpoints"


def test_every_series_and_table_of_a_service_can_be_taken_along(visit: Callable[..., AppTest]) -> None:
    app = visit(FakeRoom(), "reliability", model="delay_claim_score")

    wanted = {"export-burns", "export-latency", "export-failures", "export-throughput", "export-months", "export-ends"}
    assert {f"{name}-{kind}" for name in wanted for kind in ("csv", "json")} <= keys(app)


def test_exported_series_are_the_slots_with_their_counts() -> None:
    view = room_sample.sla_view("delay_claim_score", days=1)
    slow, failed, busy = (
        rows(view.points, view.slot_minutes)
        for rows in (service_level.latency_rows, service_level.failure_rows, service_level.throughput_rows)
    )

    assert len(slow) == len(failed) == len(busy) == len(view.points)
    first, point = failed[1], view.points[1]
    assert (first["version"], first["requests"], first["failed"]) == (point.version, point.requests, point.errors)
    assert first["low"] <= first["share"] <= first["high"]  # type: ignore[operator]
    assert slow[0]["p95_ms"] == view.points[0].p95_ms
    assert busy[0]["a_minute"] == view.points[0].requests / view.slot_minutes


@pytest.mark.parametrize(("days", "runs", "late"), [("1", 12, 2), ("7", 24, 2)])
def test_batch_runs_are_those_of_the_chosen_range(
    visit: Callable[..., AppTest], days: str, runs: int, late: int
) -> None:
    app = visit(FakeRoom(), "reliability", model="claims_triage", days=days)
    said = words(app)

    assert f"{runs - late} of {runs}" in said
    assert f"n = {runs} · 95 %" in said
    assert "runs finished inside their window" in said
    [table] = [item.value for item in app.table if "Started" in item.value]
    assert len(table) == runs
    assert {"export-runs-csv", "export-months-json"} <= keys(app)
