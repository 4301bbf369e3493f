"""Figures the embedded workspace is prepared with: what nobody recorded is marked as an assumption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from services.adapters.local.estate.catalog import load_value
from services.value import statements
from services.value.measures import measure
from services.value.models import BaselineId, Quantity, Tally

START, END = date(2030, 1, 1), date(2030, 3, 31)


class Recorded:
    """A thousand claims, of which people looked at 350."""

    def predictions(self, model: str, start: date, end: date) -> Mapping[date, int]:
        return {START: 400, END: 600}

    def reviews(self, model: str, start: date, end: date) -> Tally:
        return Tally(n=350, hits=60)


def test_labour_of_claims_is_recorded_reviews_times_minutes_that_are_marked_as_stated() -> None:
    claims = next(config for config in load_value() if config.model == "claims_triage")
    before, review = (claims.baseline(name) for name in (BaselineId.MINUTES_PER_CASE, BaselineId.MINUTES_PER_REVIEW))
    assert before
    assert review
    assert before.assumed
    assert review.assumed

    store: Any = Recorded()
    row = measure(before, claims, store, start=START, end=END, window="w")

    assert row.before == "12 min"
    assert row.after == "4.2 min", "350 reviews x 12 minutes / 1,000 claims"
    assert "The figure before is an assumption." in row.explanation.note


def test_minutes_that_are_paid_as_rework_are_not_paid_again_as_hours() -> None:
    for config in load_value():
        paid = [rule.quantity for rule in config.benefits if rule.unit_high]
        assert not {Quantity.AVOIDED_REWORK, Quantity.LABOUR_HOURS} <= set(paid), config.model
        assert (statements.problems(config), statements.cautions(config)) == ((), ()), config.model


def test_hours_of_reviewers_are_counted_without_a_worth_because_another_line_pays_for_them() -> None:
    claims = next(config for config in load_value() if config.model == "claims_triage")
    (rule,) = (item for item in claims.benefits if item.quantity == Quantity.LABOUR_HOURS)

    assert (rule.unit_low, rule.unit_value, rule.unit_high) == (0, 0, 0)
    assert statements.cautions(
        replace(claims, benefits=tuple(replace(i, unit_high=Decimal(9)) for i in claims.benefits))
    )
