"""What is drawn of an evaluation report: bins, groups with their verdict, one line per criterion."""

from __future__ import annotations

import json

from services.evaluation import detail
from services.policy.models import GateOutcome, GateReport, PolicyRef, Verdict
from tests.builders import MODEL, World

POLICY = PolicyRef(name="tier-1", version="3", sha256="0" * 64)
TEXT = json.dumps(
    {
        "slices": [
            {"attribute": "carrier", "group": "AA", "n": 1959, "rate": 0.18, "rate_low": 0.16, "rate_high": 0.2},
            {"attribute": "carrier", "group": "UA", "n": 3000, "rate": 0.2, "tpr": 0.6},
            {"attribute": "carrier", "group": "HA", "n": 41, "rate": None},
        ],
        "reliability": [
            {"n": 500, "mean_score": 0.1, "observed": 0.12, "observed_low": 0.09, "observed_high": 0.15},
            {"n": 500, "mean_score": 0.8, "observed": 0.74},
        ],
    }
)


def _outcome(gate: str, verdict: Verdict, *, n: int = 10) -> GateOutcome:
    return GateOutcome(
        gate=gate, title="Selection rate: carrier = x", group="fairness", value="0.9", rule="at least 0.5",
        verdict=verdict, sentence=f"{verdict.value} of {gate}", n=n,
    )  # fmt: skip


def _report(*outcomes: GateOutcome) -> GateReport:
    return GateReport(policy=POLICY, outcomes=outcomes, evidence_sha256="0" * 64)


def test_bins_carry_their_rows_and_the_interval_of_what_was_observed() -> None:
    found = detail.parse(TEXT, sha256="ab", read_at=None)

    assert [(item.n, item.mean_score, item.observed) for item in found.bins] == [(500, 0.1, 0.12), (500, 0.8, 0.74)]
    assert (found.bins[0].low, found.bins[0].high) == (0.09, 0.15)
    assert found.problem == ""


def test_the_largest_group_is_the_reference_and_a_measure_that_was_not_logged_is_absent() -> None:
    found = detail.parse(TEXT, sha256="ab", read_at=None)

    assert [(row.group, row.reference) for row in found.groups] == [("AA", False), ("UA", True), ("HA", False)]
    assert [measure.title for measure in found.groups[1].measures] == ["Selected", "Positives found"]
    assert found.groups[2].measures == ()


def test_the_worst_gate_about_a_group_is_its_verdict_and_a_group_nothing_judged_has_none() -> None:
    found = detail.parse(TEXT, sha256="ab", read_at=None)
    report = _report(
        _outcome("selection:carrier=AA", Verdict.PASSED),
        _outcome("found:carrier=AA", Verdict.FAILED),
        _outcome("selection:carrier=HA", Verdict.SKIPPED),
    )

    rows = {row.group: row for row in detail.judged(found, report)}

    assert rows["AA"].verdict is Verdict.FAILED
    assert rows["AA"].sentence == "failed of found:carrier=AA"
    assert rows["HA"].verdict is Verdict.SKIPPED
    assert rows["UA"].verdict is None


def test_groups_of_one_gate_are_one_line_and_one_that_fails_decides_it() -> None:
    lines = detail.criteria(
        _report(
            _outcome("auc", Verdict.PASSED),
            _outcome("selection:carrier=AA", Verdict.PASSED, n=1959),
            _outcome("selection:carrier=HA", Verdict.SKIPPED, n=41),
            _outcome("selection:sex=f", Verdict.PASSED),
            _outcome("selection:sex=m", Verdict.FAILED),
        )
    )

    assert [(line.title, line.verdict) for line in lines[1:]] == [
        ("Selection rate by carrier", Verdict.PASSED),
        ("Selection rate by sex", Verdict.FAILED),
    ]
    assert lines[1].value == "1 of 2 groups within the rule, 1 too few"
    assert lines[1].n == 2000


def test_groups_that_are_all_too_few_are_never_a_pass() -> None:
    [line] = detail.criteria(
        _report(_outcome("selection:a=b", Verdict.SKIPPED), _outcome("selection:a=c", Verdict.SKIPPED))
    )

    assert line.verdict is Verdict.SKIPPED


def test_a_report_that_cannot_be_read_is_a_problem_in_words() -> None:
    for text in ("", "{", '{"slices": [{}]}', '{"reliability": [{"n": 3}]}'):
        assert detail.parse(text, sha256="", read_at=None).problem


def test_the_service_gives_the_report_of_the_file_it_read_and_says_when_it_read_none(world: World) -> None:
    read = world.evaluation.detail(MODEL, "2")

    assert {row.group for row in read.groups} == {"UA", "AA", "HA"}
    assert read.sha256
    assert world.evaluation.detail(MODEL, "77").problem == "Its evaluation report was not read yet."
