"""Evidence is what was read, with its age and its gaps; the same facts give the same digest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluation import document
from services.evaluation.comparison import compare
from services.kernel.clock import FrozenClock
from services.kernel.errors import RegistryUnavailableError, UnknownVersionError
from services.policy.models import Verdict
from tests.builders import GOOD_METRICS, GOOD_REPORT, MODEL, World, a_version
from tests.fakes.evaluation import a_report


def test_evidence_is_the_same_until_a_fact_changes(world: World) -> None:
    first = world.evaluation.collect(MODEL, "2")
    assert world.evaluation.collect(MODEL, "2").sha256 == first.sha256
    world.inventory.put_version(a_version("2", metrics=(*GOOD_METRICS.items(), ("extra", 1.0))))
    assert world.evaluation.collect(MODEL, "2").sha256 != first.sha256


def test_the_live_version_becomes_the_base(world: World) -> None:
    assert world.evaluation.collect(MODEL, "2").base is None
    world.release("1")
    evidence = world.evaluation.collect(MODEL, "2")
    assert evidence.base == "1"
    assert evidence.base_metric("holdout_auc") is not None


def test_a_version_whose_files_are_gone_says_so_and_cannot_pass(world: World) -> None:
    world.inventory.put_version(a_version("9"))
    unread = world.evaluation.gates(MODEL, "9")
    assert not unread.passed
    world.evaluation.refresh()
    report = world.evaluation.gates(MODEL, "9")
    files = next(item for item in report.outcomes if item.gate == "files")
    assert files.verdict is Verdict.ERROR
    assert "gone" in files.sentence


def test_files_under_decision_are_read_again_every_minute(world: World) -> None:
    world.submit("3")
    before = world.evaluation.collect(MODEL, "3").manifest_sha256
    world.registry.swap_files(MODEL, "3", "other")
    assert world.evaluation.refresh() == 0
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(clock.now() + timedelta(seconds=61))
    assert world.evaluation.refresh() == 1
    assert world.evaluation.collect(MODEL, "3").manifest_sha256 != before


def test_while_the_registry_is_away_known_facts_stay(world: World) -> None:
    digest = world.evaluation.collect(MODEL, "3").sha256
    world.inventory.put_version(a_version("4"))
    world.registry.away = True
    with pytest.raises(RegistryUnavailableError):
        world.evaluation.refresh()
    assert world.evaluation.collect(MODEL, "3").sha256 == digest


@pytest.mark.parametrize("ours", [True, False])
def test_a_run_that_writes_a_report_of_the_harness_itself_is_not_heard(world: World, *, ours: bool) -> None:
    world.registry.add_version(MODEL, "2", report=a_report(MODEL, "2", format=document.FORMAT))
    world.evaluation._vouches = lambda _model, _version, _sha256: ours

    world.evaluation.read_again(MODEL, "2")

    evidence = world.evaluation.collect(MODEL, "2")
    assert evidence.measured == ("model" if ours else "")
    assert ("did not write" in evidence.missing) is not ours
    assert bool(evidence.slices) is ours


def test_an_unknown_version_is_an_input_fault(world: World) -> None:
    with pytest.raises(UnknownVersionError):
        world.evaluation.gates(MODEL, "99")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"slices": 3}', '{"slices": [{}]}', '{"suspects": [{"feature": "x"}]}']
)
def test_a_report_that_cannot_be_read_is_a_problem_in_words(text: str) -> None:
    assert document.parse(text).problem


def test_a_scan_that_was_not_run_differs_from_one_that_found_nothing() -> None:
    assert document.parse("{}").suspects is None
    assert document.parse('{"suspects": []}').suspects == ()


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_measured_numbers_become_plain_decimal_text(value: float) -> None:
    text = document.decimal_text(value)
    assert "e" not in text.lower()
    if text:
        assert float(text) == pytest.approx(value, abs=1e-6)


def test_the_live_version_measured_on_the_same_rows_is_what_counts(world: World) -> None:
    world.release("1")
    report = {**GOOD_REPORT, "champion": {"version": "1", "metrics": {"holdout_auc": 0.7}}}
    world.registry.add_version(MODEL, "4", report=report)
    world.inventory.put_version(a_version("4"))
    world.evaluation.refresh()
    evidence = world.evaluation.collect(MODEL, "4")
    assert evidence.base_on_same_rows
    assert str(evidence.base_metric("holdout_auc")) == "0.7"
    gate = next(item for item in world.evaluation.gates(MODEL, "4").outcomes if item.gate == "discrimination-vs-live")
    assert "on the same rows" in gate.sentence


def test_the_comparison_says_which_direction_is_better(world: World) -> None:
    world.release("1")
    world.inventory.put_version(
        replace(a_version("2"), metrics=tuple((GOOD_METRICS | {"holdout_auc": 0.8, "holdout_brier": 0.2}).items()))
    )
    lines = {
        line.title: line for line in compare(world.evaluation.collect(MODEL, "2"), world.evaluation.collect(MODEL, "1"))
    }
    assert lines["Discrimination (AUC)"].better is True
    assert lines["Discrimination (AUC)"].change == "+0.06"
    assert lines["Brier score"].better is False
    assert lines["Data: training"].change == "none"
