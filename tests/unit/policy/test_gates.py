"""Each gate kind: what passes, what blocks, and that the unknown never passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.policy.evaluation import evaluate
from services.policy.evidence import AvailabilityFact, SliceFact, SuspectFact
from services.policy.models import GateOutcome, PolicyRef, Verdict
from services.policy.schema import parse
from services.policy.wording import report_lines
from tests.builders import POLICIES
from tests.unit.policy.evidence import evidence

POLICY = parse((POLICIES / "tier-1.yaml").read_text(), file="tier-1.yaml")
REF = PolicyRef(name="tier-1", version="3", sha256="0" * 64)


def judged(gate: str, **changes: Any) -> GateOutcome:
    report = evaluate(evidence(**changes), POLICY, ref=REF)
    return next(item for item in report.outcomes if item.gate.split(":")[0] == gate)


def test_good_evidence_passes_every_gate() -> None:
    report = evaluate(evidence(), POLICY, ref=REF)
    assert report.passed
    assert {item.verdict for item in report.outcomes} == {Verdict.PASSED}


def test_a_line_that_only_an_exception_lets_pass_is_counted_and_named() -> None:
    report = evaluate(evidence(metrics=(("holdout_ece", "0.061"),)), POLICY, ref=REF)
    red = [item for item in report.outcomes if item.verdict.blocks]
    granted = replace(red[0], exception="Excepted until 5 Jan 2027 by Clara Whitfield.")
    report = replace(report, outcomes=tuple(granted if item is red[0] else item for item in report.outcomes))

    head, *lines = report_lines(report)
    assert head == f"{len(red) - 1} of {len(report.outcomes)} lines fail, 1 more would without a granted exception."
    assert len(lines) == len(red)
    assert lines[-1].startswith(f"  excepted     {granted.gate}: ")
    assert lines[-1].endswith("Excepted until 5 Jan 2027 by Clara Whitfield.")
    assert report_lines(evaluate(evidence(), POLICY, ref=REF)) == (f"0 of {len(report.outcomes)} lines fail.",)


@pytest.mark.parametrize(
    ("gate", "changes"),
    [
        ("discrimination", {"metrics": (("holdout_auc", "0.5"),)}),
        ("discrimination-vs-live", {"base_metrics": (("holdout_auc", "0.8"),)}),
        ("better-than-rule", {"metrics": (("holdout_auc", "0.74"), ("baseline_auc", "0.75"))}),
        ("calibration-error", {"metrics": (("holdout_ece", "0.061"),)}),
        ("calibration-in-the-large", {"metrics": (("holdout_calibration_gap", "-0.06"),)}),
        ("leakage", {"suspects": (SuspectFact(feature="arr_delay", auc="0.99"),)}),
        ("availability", {"availability": (AvailabilityFact(feature="distance", available=False),)}),
        ("availability", {"inputs": ("distance", "surprise")}),
        ("sensitive", {"inputs": ("member_age",)}),
        ("documentation", {"documentation": (("purpose", "x"),)}),
        ("signature", {"has_input_example": False}),
        ("datasets", {"datasets": ()}),
        ("latency", {"metrics": (("served_p95_ms", "151"),)}),
        (
            "selection",
            {
                "slices": (
                    SliceFact(attribute="a", group="x", n=900, rate="0.4", tpr="0.6"),
                    SliceFact(attribute="a", group="y", n=500, rate="0.1", tpr="0.6"),
                )
            },
        ),
    ],
)
def test_a_broken_rule_fails_with_a_sentence_that_says_what_to_do(gate: str, changes: dict[str, Any]) -> None:
    outcome = judged(gate, **changes)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.value
    assert outcome.sentence.endswith(".")
    assert len(outcome.sentence) > 30


@pytest.mark.parametrize(
    ("gate", "changes"),
    [
        ("discrimination", {"metrics": ()}),
        ("calibration-error", {"metrics": ()}),
        ("leakage", {"suspects": None}),
        ("availability", {"availability": None}),
        ("selection", {"slices": ()}),
        ("files", {"manifest_sha256": ""}),
    ],
)
def test_what_was_not_measured_is_an_error_and_blocks(gate: str, changes: dict[str, Any]) -> None:
    outcome = judged(gate, **changes)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.verdict.blocks


def test_a_small_group_is_grey_with_its_size_and_does_not_block() -> None:
    small = SliceFact(attribute="carrier", group="HA", n=41, rate="0.01", tpr="0.1")
    report = evaluate(evidence(slices=(*evidence().slices, small)), POLICY, ref=REF)
    grey = [item for item in report.outcomes if "HA" in item.gate]
    assert {item.verdict for item in grey} == {Verdict.SKIPPED}
    assert all("Too few: 41" in item.sentence and item.n == 41 for item in grey)
    assert report.passed


def test_a_share_of_positives_needs_positives() -> None:
    rare = SliceFact(attribute="carrier", group="HA", n=400, rate="0.2", tpr="0", positives=3)
    outcomes = evaluate(evidence(slices=(*evidence().slices, rare)), POLICY, ref=REF).outcomes
    found = next(item for item in outcomes if item.gate == "found:carrier=HA")
    assert found.verdict is Verdict.SKIPPED
    assert "3 positive cases" in found.sentence


def test_a_policy_may_let_small_groups_block() -> None:
    text = (POLICIES / "tier-1.yaml").read_text().replace("too_few: skip", "too_few: block")
    small = SliceFact(attribute="carrier", group="HA", n=41, rate="0.01", tpr="0.1")
    strict = parse(text, file="tier-1.yaml")
    report = evaluate(evidence(slices=(*evidence().slices, small)), strict, ref=REF)
    assert not report.passed


def test_a_first_version_has_nothing_to_compare_with() -> None:
    assert judged("discrimination-vs-live", base=None, base_metrics=()).verdict is Verdict.SKIPPED


@given(st.decimals(0, 1, places=4), st.decimals(0, 1, places=4))
def test_the_delta_gate_holds_exactly_at_its_tolerance(value: Any, before: Any) -> None:
    outcome = judged(
        "discrimination-vs-live",
        metrics=(("holdout_auc", f"{value:f}"),),
        base_metrics=(("holdout_auc", f"{before:f}"),),
    )
    from decimal import Decimal

    assert (outcome.verdict is Verdict.PASSED) == (before - value <= Decimal("0.01"))


def test_the_same_facts_have_the_same_digest_and_any_change_another() -> None:
    assert evidence().sha256 == evidence().sha256
    assert evidence().sha256 != evidence(base=None).sha256
    assert evidence(suspects=None).sha256 != evidence(suspects=()).sha256
