"""A month in which nothing happens, day by day through files, sketches, verdicts and rules of alerts: nobody is told.

The rows are recorded flights of January 2013. Half of them are the reference; each day of the month is drawn from the
other half, so whatever is told about it is a false alarm. Seventeen recorded columns and shuffled copies of them make
fifty. In the control one of the fifty shifts in the second half of the month, and exactly that is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.alerts import sources
from services.alerts.answering import Answering
from services.alerts.models import Alert, AlertKind, AlertQuery, AlertState
from services.alerts.service import AlertService
from services.inventory.models import Task
from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.monitoring.models import MonitoringConfig
from services.monitoring.service import MonitoringService
from tests.builders import MODEL, World, a_world
from tests.unit.monitoring.facts_on_disk import ACatalog, a_model, predictions, write, write_reference
from tools import find_events

FIRST, DAYS, A_DAY, COLUMNS = date(2031, 3, 1), 28, 600, 50
SHIFTED, FROM = "distance", 14
NOTHING_YET: tuple[AlertState, ...] = ()


@cache
def january() -> pd.DataFrame:
    """Recorded flights with fifty columns, and a score that follows from them."""
    flights = next(find_events.recorded()).reference
    names = list(find_events.FEATURES["delay_claim_score"])
    random = np.random.default_rng(5)
    made = flights[names].reset_index(drop=True)
    for number in range(COLUMNS - len(names)):
        of = made[names[number % len(names)]]
        made[f"copy_{number}"] = of.to_numpy()[random.permutation(len(of))]
    score = 1 / (1 + np.exp(2.5 - made["airport_delay_3h"].fillna(0).to_numpy() / 20))
    return made.assign(score=np.clip(score + random.normal(0, 0.02, len(made)), 0, 1))


class Month:
    """One model whose days are written, sketched, judged and told about, each at its noon."""

    def __init__(self, folder: Path, *, config: MonitoringConfig) -> None:
        self.folder = folder
        self.facts = folder / "inference"
        self.clock = FrozenClock(datetime.combine(FIRST, time(12), UTC))
        self.world: World = a_world(folder, clock=self.clock)
        self.monitoring = MonitoringService(
            facts=DuckDbMonitoringFacts(self.facts),
            store=SqlMonitoring(self.world.database),
            catalog=ACatalog(a_model(MODEL, task=Task.CLASSIFICATION)),
            clock=self.clock,
        )
        self.monitoring.register_config((config,))
        source = sources.PerModel(
            name="drift",
            kinds=frozenset({AlertKind.DRIFT}),
            models=lambda: [self.world.inventory.model(MODEL)],
            ask=lambda model: sources.drift(self.monitoring.drift(model.name)),
        )
        self.alerts = AlertService(
            units=self.world.units, people=self.world.people, ledger=self.world.ledger, desk=self.world.desk,
            sources=(source,), incidents=self.world.incidents, clock=self.clock,
            about=Answering(
                models=self.world.inventory.models, people=self.world.people.people, duties=self.world.incidents.duties
            ),
        )  # fmt: skip

    def live(self, *, shifted: str = "") -> None:
        shuffled = january().sample(frac=1.0, random_state=7)
        half = len(shuffled) // 2
        write_reference(self.facts, MODEL, shuffled.iloc[:half].assign(label=0.0))
        random, others = np.random.default_rng(11), shuffled.iloc[half:]
        for number in range(DAYS):
            rows = others.iloc[random.integers(0, len(others), A_DAY)].reset_index(drop=True)
            if shifted and number >= FROM:
                rows[shifted] += january()[shifted].std()
            self._day(FIRST + timedelta(days=number), rows)

    def _day(self, day: date, rows: pd.DataFrame) -> None:
        frame = predictions(day, rows.drop(columns="score"), rows["score"])
        write(self.facts, "predictions", MODEL, day, frame)
        self.clock.set(datetime.combine(day, time(12), UTC))
        self.monitoring.refresh()
        self.alerts.refresh()

    def told(self) -> tuple[Alert, ...]:
        """Every alert that was ever opened, also those that are over."""
        found = self.alerts.find(AlertQuery(states=NOTHING_YET)).items
        return tuple(alert for alert in found if alert.opened_at is not None)


@pytest.fixture
def month(tmp_path: Path) -> Iterator[Month]:
    made = Month(tmp_path, config=MonitoringConfig(model=MODEL))
    yield made
    made.world.database.dispose()


def test_a_month_without_change_opens_no_alert(month: Month) -> None:
    month.live()

    view = month.monitoring.drift(MODEL)
    assert len(view.features) == COLUMNS + 1
    assert view.signal.n == 7 * A_DAY
    assert {item.state for item in view.features} == {Health.HEALTHY}, "a month of grey would prove nothing"
    assert month.told() == ()


def test_the_same_month_with_one_shifted_column_opens_exactly_one_alert_about_it(month: Month) -> None:
    month.live(shifted=SHIFTED)

    (alert,) = month.told()
    moved = [part for part in alert.parts if part.state in {Health.WATCH, Health.BREACH}]
    assert alert.key.subject == sources.COLUMNS
    assert [part.name for part in moved] == [SHIFTED]
    assert alert.state_seen is Health.BREACH
    assert alert.stands
    assert alert.opened_at is not None
    assert FIRST + timedelta(days=FROM) <= alert.opened_at.date() <= FIRST + timedelta(days=FROM + 7)


def test_the_tool_that_looks_for_events_finds_none_in_resampled_days(tmp_path: Path) -> None:
    still = find_events.unchanged(next(find_events.recorded()))
    config = next(item for item in find_events.load_monitoring() if item.model == still.model)

    reference, profiles, last = find_events.read(still, tmp_path)
    moved = list(find_events.moved(config, reference, profiles, last, versus=find_events.Versus.REFERENCE))
    found = list(find_events.told(config, reference, profiles, last, 7))

    assert len(moved) == 1, moved
    assert "0 breach" in moved[0]
    assert "0 watch" in moved[0]
    assert int(moved[0].split(":")[1].split()[0]) > 1_000
    assert found == ["### Unusual windows of 7 day(s) against reference: 0"]


def test_the_tool_that_looks_for_events_finds_the_day_that_was_made_unlike_the_others(tmp_path: Path) -> None:
    still = find_events.unchanged(next(find_events.recorded()))
    config = next(item for item in find_events.load_monitoring() if item.model == still.model)
    day = sorted(set(still.rows["day"]))[70]
    longer = np.where(still.rows["day"] == day, still.rows[SHIFTED] * 1.5, still.rows[SHIFTED])

    reference, profiles, last = find_events.read(replace(still, rows=still.rows.assign(**{SHIFTED: longer})), tmp_path)
    head, *found = find_events.told(config, reference, profiles, last, 1)

    assert head == "### Unusual windows of 1 day(s) against reference: 1"
    assert found[0].startswith(f"- {day:%d %b} to {day:%d %b}: Distance in miles")
