"""The report as a document and as a page: one text for one set of findings, its schema, and nothing that runs."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import jsonschema
import numpy as np
import pytest

from services.evaluation import detail
from services.evaluation import document as evidence_document
from services.evaluation.report import document, reading
from services.evaluation.report.page import to_html
from services.kernel.errors import InputError
from tests.fakes.evaluation import a_regression_report, a_report

HOSTILE = "<script>alert(1)</script>{{ 7 * 7 }}\"'><img src=x onerror=alert(1)>"


@pytest.mark.parametrize("report", [a_report(), a_report(champion=""), a_regression_report()])
def test_a_report_is_built_checked_and_read_back(report: dict[str, object]) -> None:
    data = document.build(report)

    assert document.problems(data) == ()
    assert document.build(document.read(data)) == data


def test_the_published_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(document.schema())


def test_same_findings_are_the_same_bytes_in_any_order_and_number_type() -> None:
    report = a_report()
    turned = dict(reversed(list(report.items()))) | {"threshold": np.float64(0.5000000001)}

    assert document.build(turned) == document.build(report)


def test_numbers_carry_six_digits_and_no_minus_zero() -> None:
    report = a_report(metrics={"holdout_bias": -1e-9, "holdout_auc": 0.123456789})

    assert document.read(document.build(report))["metrics"] == {"holdout_auc": 0.123457, "holdout_bias": 0.0}
    assert b'"holdout_bias":0.0' in document.build(report)


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float64("nan")])
def test_a_number_that_is_not_finite_is_refused_with_its_place(value: float) -> None:
    with pytest.raises(InputError, match=r"report\.metrics\.holdout_auc is not a finite number"):
        document.build(a_report(metrics={"holdout_auc": value}))


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"surprise": 1}, "surprise"),
        ({"mode": "guess"}, "mode"),
        ({"checks": [{"id": "x", "status": "green"}]}, "checks.0"),
        ({"curves": {"roc": [[0.1, 1.4]]}}, "curves.roc.0.1"),
        ({"format": "countersign.evaluation/1"}, "format"),
    ],
)
def test_what_the_schema_does_not_know_is_refused(changed: dict[str, object], place: str) -> None:
    with pytest.raises(InputError, match=re.escape(place)):
        document.build(a_report(**changed))


@pytest.mark.parametrize("text", [b"", b"[", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"[" * 100_000])
def test_bytes_that_are_no_report_are_told_apart(text: bytes) -> None:
    with pytest.raises(InputError):
        document.read(text)


def test_the_readers_of_the_runs_own_report_read_this_one() -> None:
    text = document.build(a_report()).decode()

    found = evidence_document.parse(text)
    drawn = detail.parse(text, sha256="", read_at=None)

    assert found.problem == ""
    assert found.champion == "7"
    assert len(found.slices) == 6
    assert found.suspects is not None
    assert len(drawn.bins) == 10
    assert drawn.problem == ""


@pytest.mark.parametrize("report", [a_report(), a_report(champion=""), a_regression_report()])
def test_page_stands_alone(report: dict[str, object]) -> None:
    page = to_html(document.read(document.build(report)))

    assert "<script" not in page
    assert not re.search(r"(src|href)\s*=", page)
    assert "default-src 'none'" in page
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ET.fromstring(drawing)  # noqa: S314 - drawn by this program


def test_page_sets_both_versions_side_by_side_with_the_interval_of_the_difference() -> None:
    report = a_report()
    page = to_html(report)
    line = next(item for item in reading.metric_lines(report) if item.name == "holdout_auc")

    assert "Version 7, live" in page
    assert reading.shown(line.champion, line.kind) in page
    assert reading.between_differences(line.delta_low, line.delta_high, line.kind) in page
    assert line.better is True


def test_everything_people_or_data_named_is_escaped() -> None:
    page = to_html(
        a_report(
            HOSTILE,
            HOSTILE,
            champion=HOSTILE,
            narrative=HOSTILE,
            slices=[{"attribute": HOSTILE, "group": HOSTILE, "n": 5, "rate": 0.1}],
            fairness=[
                {
                    "attribute": HOSTILE,
                    "measure": "rate_ratio",
                    "group": HOSTILE,
                    "reference": HOSTILE,
                    "value": 1.0,
                    "low": 0.9,
                    "high": 1.1,
                    "n": 5,
                }
            ],
            suspects=[{"feature": HOSTILE, "auc": 0.9}],
            checks=[
                {"id": "x", "title": HOSTILE, "status": "done", "reason": HOSTILE, "sentence": HOSTILE, "seconds": 0}
            ],
        )
    )

    assert _tags(page).isdisjoint({"script", "img"})
    assert "{{ 7 * 7 }}" in page


def _tags(page: str) -> set[str]:
    found: set[str] = set()
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, _attrs: found.add(tag)  # type: ignore[method-assign]
    reader.feed(page)
    return found


def test_a_group_with_few_rows_is_grey_and_says_so() -> None:
    lines = reading.fairness_lines(a_report())
    small = [line for line in lines if line.group == "over 85"]

    assert small
    assert all(line.few for line in small)
    assert not any(line.few for line in lines if line.group == "female")
    page = to_html(a_report())
    assert "over 85, n = " in page
    assert "(too few)" in page
    assert 'class="dot few"' in page


def test_the_policy_may_find_larger_groups_too_few() -> None:
    lines = reading.fairness_lines(a_report(), few=[("sex", "female")])

    assert all(line.few for line in lines if line.group == "female")


def test_a_difference_that_may_be_chance_has_no_direction() -> None:
    report = a_report()
    report["champion"]["paired"]["holdout_auc"] |= {"low": -0.01, "high": 0.02}

    line = next(item for item in reading.metric_lines(report) if item.name == "holdout_auc")

    assert line.better is None


def test_lower_is_better_for_errors() -> None:
    report = a_report(champion="7")
    line = next(item for item in reading.metric_lines(report) if item.name == "holdout_brier")

    assert line.delta_high < 0
    assert line.better is True


def test_narrator_text_is_marked_as_not_deciding() -> None:
    assert "It decided nothing" in to_html(a_report(narrative="All looks well."))
    assert "language model" not in to_html(a_report())


def test_parts_that_were_not_measured_are_left_out_not_shown_as_fine() -> None:
    bare = a_report(
        champion="", fairness=[], stability=[], latency=None, artifact=None, reproducibility=None, suspects=None
    )

    page = to_html(bare)

    for title in ("Stability over time", "Response time", "Measured again", "Single inputs"):
        assert f"<h2>{title}</h2>" not in page
    assert "no live version to compare with" in page


def test_numbers_are_written_with_unit_and_sign() -> None:
    assert reading.shown(0.7123, reading.SHARE) == "71.2 %"
    assert reading.shown(1234.5, reading.AMOUNT, "USD") == "1,234.50 USD"
    assert reading.shown(None, reading.PLAIN) == "not measured"
    assert reading.signed(-0.02, reading.SHARE) == "\u22122.0 points"
    assert reading.signed(0.004, reading.PLAIN) == "+0.004"
    assert reading.between(None, 1.0, reading.PLAIN) == ""
    assert reading.between(-0.01, 0.02, reading.SHARE) == "\u22121.0 to 2.0 %"
    assert reading.between_differences(-0.01, 0.02, reading.SHARE) == "\u22121.0 to 2.0 points"
