"""Rules of feature tables: kept, broken, or not known; an answer is never made up."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.adapters.warehouse.table_checks import DuckDbTableFacts
from services.inventory.tables import CheckedTable, FeatureTable, Measured, QualityRule, RuleKind, judge, unchecked
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, write

RULES = (
    QualityRule(id="fresh", kind=RuleKind.FRESHNESS, columns=("event_at",), limit=24),
    QualityRule(id="known", kind=RuleKind.NULLS, columns=("age",), limit=0.25),
    QualityRule(id="range", kind=RuleKind.RANGE, columns=("age",), low=18, high=64),
    QualityRule(id="once", kind=RuleKind.UNIQUE, columns=("prediction_id", "version")),
)


def a_table(**changes: object) -> FeatureTable:
    facts: dict[str, object] = {
        "name": "claims_features",
        "title": "Claims features",
        "owner": "Dana Petrov",
        "documentation": "One row per claim.",
        "models": ("m",),
        "rules": RULES,
        "recorded": "m",
    }
    return FeatureTable(**{**facts, **changes})  # type: ignore[arg-type]


def recorded(folder: Path, ages: list[float | None], *, hours_old: float = 1) -> DuckDbTableFacts:
    frame = pd.DataFrame(
        {
            "prediction_id": [f"p{n}" for n in range(len(ages))],
            "version": "1",
            "age": np.array([np.nan if age is None else age for age in ages], dtype=float),
            "event_at": pd.Timestamp(NOON - timedelta(hours=hours_old)),
        }
    )
    write(folder, "predictions", "m", TODAY, frame)
    return DuckDbTableFacts(folder)


def states(table: FeatureTable, facts: DuckDbTableFacts, *, now: datetime = NOON) -> dict[str, Health]:
    return {item.rule: item.state for item in judge(table, facts.measure(table, now=now), now=now)}


def test_rows_that_keep_every_rule_are_healthy(tmp_path: Path) -> None:
    facts = recorded(tmp_path, [18, 40, 64, None])

    assert set(states(a_table(), facts).values()) == {Health.HEALTHY}


@pytest.mark.parametrize(
    ("ages", "hours", "broken"),
    [
        ([30, 40], 25, "fresh"),
        ([30, None], 1, "known"),
        ([30, 17.9], 1, "range"),
        ([30, 65], 1, "range"),
    ],
)
def test_each_rule_finds_its_own_fault(tmp_path: Path, ages: list[float | None], hours: float, broken: str) -> None:
    found = states(a_table(), recorded(tmp_path, ages, hours_old=hours))

    assert {rule for rule, state in found.items() if state is Health.BREACH} == {broken}


def test_a_repeated_key_is_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"prediction_id": ["a", "a", "b"], "version": "1", "age": 30.0, "event_at": pd.Timestamp(NOON)}
    )
    write(tmp_path, "predictions", "m", TODAY, frame)

    measured = DuckDbTableFacts(tmp_path).measure(a_table(), now=NOON)

    assert {item.rule: item.value for item in measured}["once"] == 1


def test_a_column_that_is_not_there_is_unknown_not_broken_and_not_fine(tmp_path: Path) -> None:
    table = a_table(rules=(QualityRule(id="x", kind=RuleKind.NULLS, columns=("gone",), limit=0.0),))

    (result,) = judge(table, recorded(tmp_path, [1]).measure(table, now=NOON), now=NOON)

    assert result.state is Health.UNKNOWN
    assert "no column gone" in result.sentence


def test_a_table_without_rows_breaks_its_freshness_and_says_nothing_about_ranges(tmp_path: Path) -> None:
    found = states(a_table(), DuckDbTableFacts(tmp_path))

    assert found == {
        "fresh": Health.BREACH,
        "known": Health.UNKNOWN,
        "range": Health.UNKNOWN,
        "once": Health.UNKNOWN,
    }


def test_a_damaged_file_is_unavailable_and_never_an_empty_table(tmp_path: Path) -> None:
    facts = recorded(tmp_path, [1])
    for file in tmp_path.rglob("*.parquet"):
        file.write_bytes(b"no parquet")

    with pytest.raises(TelemetryUnavailableError):
        facts.measure(a_table(), now=NOON)


def test_state_of_a_table_is_the_worst_rule_and_one_unknown_rule_is_never_green() -> None:
    table = a_table()
    healthy = judge(table, [Measured(rule=rule.id, rows=5, value=0, newest=NOON) for rule in RULES], now=NOON)

    assert CheckedTable(table=table, results=healthy).state is Health.HEALTHY
    assert CheckedTable(table=table, results=(*healthy[:3], *unchecked(table)[3:])).state is Health.UNKNOWN
    assert CheckedTable(table=table, results=unchecked(table)).problems == ("4 of 4 rules could not be checked.",)


def test_a_table_without_owner_documentation_or_rules_says_so() -> None:
    table = a_table(owner="", documentation="", rules=())

    checked = CheckedTable(table=table, results=())

    assert checked.state is Health.UNKNOWN
    assert len(checked.problems) == 3
