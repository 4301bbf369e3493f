"""One thing of good evidence is changed at a time: the gate meant for it objects, and only passes are passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import InvalidPolicyError
from services.policy.evaluation import evaluate
from services.policy.evidence import (
    AvailabilityFact,
    CellFact,
    CheckFact,
    DatasetFact,
    Evidence,
    FairnessFact,
    IntervalFact,
    OwnerFact,
    PairedFact,
    SuspectFact,
    TableFact,
)
from services.policy.freeze import active_freeze, until_words, window_at
from services.policy.models import GateReport, PolicyRef, Verdict
from services.policy.schema import parse
from services.policy.sentences import freeze_words
from tests.builders import POLICIES
from tests.unit.policy.evidence import evidence
from tests.unit.policy.texts import one_gate

TIER_ONE = parse((POLICIES / "tier-1.yaml").read_text(), file="tier-1.yaml")
REF = PolicyRef(name="tier-1", version="5", sha256="0" * 64)
GOOD = evidence()


def failing(found: Evidence) -> set[str]:
    return {item.gate.split(":")[0] for item in evaluate(found, TIER_ONE, ref=REF).outcomes if item.verdict.blocks}


def measured(**changes: str) -> tuple[tuple[str, str], ...]:
    return tuple({**dict(GOOD.metrics), **changes}.items())


def check(name: str, status: str) -> tuple[CheckFact, ...]:
    return tuple(replace(fact, status=status) if fact.id == name else fact for fact in GOOD.checks)


MUTATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "a label leak": ("leakage", {"suspects": (SuspectFact(feature="paid", auc="0.99"),)}),
    "a feature known too late": (
        "availability",
        {"availability": (AvailabilityFact(feature="distance", available=False),)},
    ),
    "calibration broken": ("calibration-error", {"metrics": measured(holdout_ece="0.061")}),
    "one group degraded": (
        "selection",
        {
            "fairness": (
                FairnessFact(
                    attribute="sex",
                    measure="rate_ratio",
                    group="f",
                    reference="m",
                    value="0.4",
                    low="0.3",
                    high="0.5",
                    n=800,
                ),
            )
        },
    ),
    "latency doubled": ("latency", {"metrics": measured(served_p95_ms="301")}),
    "a sensitive column without tag": (
        "sensitive",
        {
            "inputs": ("distance", "member_age"),
            "availability": (
                AvailabilityFact(feature="distance", available=True),
                AvailabilityFact(feature="member_age", available=True),
            ),
        },
    ),
    "held-out rows too old": ("freshness", {"metrics": measured(holdout_age_days="61")}),
    "other files evaluated": ("evaluated", {"measured_manifest": "b" * 64}),
    "never evaluated": ("evaluated", {"measured": "", "measured_manifest": "", "checks": ()}),
    "only predictions evaluated": ("evaluated", {"measured": "predictions", "measured_manifest": ""}),
    "a check that broke": ("evaluated", {"checks": check("latency", "error")}),
    "a check left open": ("evaluated", {"checks": check("missing", "inconclusive")}),
    "a demanded check left out": ("evaluated", {"checks": check("leakage", "skipped")}),
    "a lucky holdout": (
        "discrimination-low",
        {"intervals": (IntervalFact(metric="holdout_auc", low="0.5", high="0.9"),)},
    ),
    "a pickle among the files": ("serialisation", {"metrics": measured(unsafe_files="1")}),
    "a dependency without version": ("dependencies", {"metrics": measured(unpinned_dependencies="1")}),
    "another answer the second time": ("reproduced", {"metrics": measured(reproduced_difference="0.01")}),
    "lost without one input": ("missing-values", {"metrics": measured(robust_missing_drop="0.31")}),
    "an owner who left": ("owners", {"owners": (*GOOD.owners[:1], OwnerFact(role="sre", name="Sam", active=False))}),
    "a field nobody wrote": ("metadata", {"metadata_percent": "95", "metadata_missing": ("Label definition",)}),
    "no holdout logged": ("datasets", {"datasets": (DatasetFact(name="d", digest="aa", context="training"),)}),
    "worse than a rule can be": ("learned", {"metrics": measured(holdout_auc="0.59"), "model": "delay_claim_score"}),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_mutation_is_caught_by_the_gate_meant_for_it(name: str) -> None:
    gate, changes = MUTATIONS[name]
    assert failing(GOOD) == set()
    assert gate in failing(evidence(**changes))


def test_a_limit_of_one_use_case_holds_for_that_one_alone() -> None:
    weak = measured(holdout_auc="0.62")
    assert "discrimination" in failing(evidence(metrics=weak))
    assert "discrimination" not in failing(evidence(metrics=weak, model="delay_claim_score"))


def one(line: str, **changes: Any) -> GateReport:
    return evaluate(evidence(**changes), parse(one_gate(line), file="p.yaml"), ref=REF)


@pytest.mark.parametrize(
    ("line", "good", "bad"),
    [
        (
            'kind: interval, id: diff, title: "Difference", metric: m, of: difference, end: low, at_least: -0.02',
            {
                "base_on_same_rows": True,
                "paired": (PairedFact(metric="m", delta="0.01", low="-0.01", high="0.03"),),
            },
            {
                "base_on_same_rows": True,
                "paired": (PairedFact(metric="m", delta="0", low="-0.03", high="0.03"),),
            },
        ),
        (
            'kind: monitors, id: watch, title: "Monitors", needed: [drift, latency]',
            {"monitors": ("drift", "latency")},
            {"monitors": ("drift",)},
        ),
        (
            'kind: tables, id: tables, title: "Feature tables"',
            {"tables": (TableFact(name="t", owner="Ada", documented=True),)},
            {"tables": (TableFact(name="t", owner="", documented=True),)},
        ),
        (
            'kind: join-guard, id: guard, title: "Small groups", k: 5',
            {"small_cells": (CellFact(columns=("age", "zip"), k=5, groups_below=0),)},
            {"small_cells": (CellFact(columns=("age", "zip"), k=5, groups_below=3),)},
        ),
        (
            'kind: fairness, id: fpr, title: "False alarms", measure: fpr_gap, at_most: 0.1, min_n: 50, too_few: block',
            {
                "fairness": (
                    FairnessFact(attribute="s", measure="fpr_gap", group="f", reference="m", value="-0.1", n=90),
                )
            },
            {
                "fairness": (
                    FairnessFact(attribute="s", measure="fpr_gap", group="f", reference="m", value="-0.2", n=90),
                )
            },
        ),
    ],
)
def test_a_gate_kind_passes_fails_and_never_passes_the_unknown(line: str, good: Any, bad: Any) -> None:
    assert one(line, **good).passed
    refused = one(line, **bad)
    assert {item.verdict for item in refused.outcomes} == {Verdict.FAILED}
    assert all(item.sentence.endswith(".") and len(item.sentence) > 20 for item in refused.outcomes)
    unknown = one(line, small_cells=None, tables=(), monitors=None, paired=(), fairness=())
    assert {item.verdict for item in unknown.outcomes} == {Verdict.ERROR}
    assert not unknown.passed


def test_a_difference_to_a_version_that_is_not_live_any_more_says_nothing() -> None:
    line = 'kind: interval, id: diff, title: "Difference", metric: m, of: difference, end: low, at_least: -1'
    stale = (PairedFact(metric="m", delta="0", low="0", high="0"),)
    assert one(line, paired=stale, base_on_same_rows=False).outcomes[0].verdict is Verdict.ERROR
    assert one(line, paired=stale, base=None).outcomes[0].verdict is Verdict.SKIPPED


def test_small_groups_counted_for_less_than_the_policy_asks_are_unknown() -> None:
    counted = (CellFact(columns=("age",), k=3, groups_below=0),)
    report = one('kind: join-guard, id: guard, title: "Small groups", k: 5', small_cells=counted)
    assert report.outcomes[0].verdict is Verdict.ERROR


@given(
    st.integers(0, 400),
    st.sampled_from(["", "0.2", "0.9", "1.3"]),
    st.sampled_from(["skip", "block"]),
)
def test_too_few_rows_are_never_a_pass(n: int, value: str, few: str) -> None:
    line = f'kind: fairness, id: sel, title: "Selected", measure: rate_ratio, at_least: 0.8, min_n: 100, too_few: {few}'
    fact = FairnessFact(attribute="s", measure="rate_ratio", group="f", reference="m", value=value, n=n)
    verdict = one(line, fairness=(fact,), slices=()).outcomes[0].verdict
    if n < 100:
        assert verdict is (Verdict.SKIPPED if few == "skip" else Verdict.INCONCLUSIVE)
    else:
        assert (verdict is Verdict.PASSED) == (value in {"0.9", "1.3"})


@given(st.lists(st.sampled_from(["done", "skipped", "inconclusive", "error", "odd"]), min_size=1, max_size=6))
def test_the_harness_gate_passes_only_when_everything_planned_is_done(statuses: list[str]) -> None:
    line = 'kind: harness, id: ours, title: "Evaluated", mode: model'
    checks = tuple(
        CheckFact(id=f"c{number}", status=status, sentence="Said.") for number, status in enumerate(statuses)
    )
    verdict = one(line, checks=checks).outcomes[0].verdict
    wrong = set(statuses) - {"done", "skipped"}
    assert (verdict is Verdict.PASSED) == (not wrong)
    if wrong == {"inconclusive"}:
        assert verdict is Verdict.INCONCLUSIVE


FREEZE = """freeze:
  - {name: "Year-end closing", from: 2030-12-20, to: 2031-01-02}
  - {name: "Audit of claims", from: 2030-12-30, to: 2031-01-10, models: [claims_triage], tags: [claims]}
"""
MANIFEST = 'kind: manifest, id: files, title: "Files hashed"'


@pytest.mark.parametrize(
    ("day", "model", "name"),
    [
        ("2030-12-19T23:59:59", "any", None),
        ("2030-12-20T00:00:00", "any", "Year-end closing"),
        ("2031-01-02T23:59:59", "any", "Year-end closing"),
        ("2031-01-03T00:00:00", "any", None),
        ("2031-01-01T12:00:00", "claims_triage", "Audit of claims"),
        ("2031-01-05T12:00:00", "claims_triage", "Audit of claims"),
    ],
)
def test_a_freeze_window_covers_its_days_and_models(day: str, model: str, name: str | None) -> None:
    policy = parse(one_gate(MANIFEST, more=FREEZE), file="p.yaml")
    found = active_freeze(policy, SimpleNamespace(name=model), datetime.fromisoformat(day).replace(tzinfo=UTC))
    assert (found.name if found else None) == name


def test_a_freeze_window_reaches_models_by_their_tags() -> None:
    policy = parse(one_gate(MANIFEST, more=FREEZE), file="p.yaml")
    at = datetime(2031, 1, 5, tzinfo=UTC) + timedelta(hours=3)
    assert active_freeze(policy, SimpleNamespace(name="x", tags=("claims",)), at) is not None
    assert active_freeze(policy, SimpleNamespace(name="x", tags=("other",)), at) is None


MONTH_END = """freeze:
  - {name: Month-end closing, month_end: {last_days: 2, first_days: 1}, zone: America/New_York}
"""


@pytest.mark.parametrize(
    ("moment", "frozen_until"),
    [
        ("2030-02-27T04:59:59", None),  # still the 26th in New York
        ("2030-02-27T05:00:00", "2030-03-02T05:00:00"),
        ("2030-03-02T04:59:59", "2030-03-02T05:00:00"),
        ("2030-03-02T05:00:00", None),
        ("2028-02-28T05:00:00", "2028-03-02T05:00:00"),  # a leap year
        ("2030-10-31T12:00:00", "2030-11-02T04:00:00"),
        ("2030-03-30T04:00:00", "2030-04-02T04:00:00"),  # summer time: midnight is an hour earlier in UTC
        ("2030-12-31T23:00:00", "2031-01-02T05:00:00"),
    ],
)
def test_month_end_is_judged_in_its_own_zone(moment: str, frozen_until: str | None) -> None:
    policy = parse(one_gate(MANIFEST, more=MONTH_END), file="p.yaml")
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    line = active_freeze(policy, SimpleNamespace(name="any"), at)
    window = window_at(line, at) if line else None
    assert (window[1].strftime("%Y-%m-%dT%H:%M:%S") if window else None) == frozen_until


def test_a_freeze_window_says_when_it_ends_and_in_which_zone() -> None:
    policy = parse(one_gate(MANIFEST, more=MONTH_END), file="p.yaml")
    at = datetime(2030, 2, 28, 12, tzinfo=UTC)
    assert until_words(policy.freeze[0], at) == "Month-end closing, until 02 Mar 2030 00:00 (America/New_York)"
    assert freeze_words(policy.freeze[0]) == (
        "Month-end closing: nothing new is released on the last 2 days of every month and the first of the next "
        "(America/New_York); every model of the tier"
    )


@pytest.mark.parametrize(
    "line",
    [
        "{name: Both, from: 2030-01-01, to: 2030-01-02, month_end: {last_days: 1}}",
        "{name: Neither}",
        "{name: Half, from: 2030-01-01}",
        "{name: Nowhere, month_end: {last_days: 1}, zone: Mars/Olympus}",
        "{name: Long, month_end: {last_days: 16}}",
    ],
)
def test_a_freeze_window_without_one_clear_time_is_refused(line: str) -> None:
    with pytest.raises(InvalidPolicyError):
        parse(one_gate(MANIFEST, more=f"freeze:\n  - {line}\n"), file="p.yaml")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('freeze:\n  - {name: "Odd", from: 2031-01-02, to: 2030-01-01}\n', "lies before"),
        ("use_cases:\n  - {models: [m], gate: nothing, at_least: 0.5}\n", "no gate nothing"),
        ("use_cases:\n  - {models: [m], gate: files, at_least: 0.5}\n", "no gate files has a limit"),
        ("use_cases:\n  - {models: [m], gate: files}\n", "exactly one of"),
    ],
)
def test_a_section_that_would_change_nothing_is_refused(more: str, words: str) -> None:
    with pytest.raises(InvalidPolicyError, match=words):
        parse(one_gate(MANIFEST, more=more), file="p.yaml")
