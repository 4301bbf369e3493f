"""Cost and benefit as recorded: Decimal money, intervals, assumptions by name, and no zero that pretends."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.adapters.sql.feedback import SqlFeedback
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.value import SqlValue
from services.adapters.warehouse.feedback import DuckDbReviewFacts
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.adapters.warehouse.value import DuckDbUsageFacts
from services.feedback.service import FeedbackService
from services.inventory.models import Task
from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.monitoring.service import MonitoringService
from services.value.models import Baseline, BenefitRule, Rates, ValueConfig
from services.value.service import ValueService
from tests.unit.monitoring.facts_on_disk import (
    NOON,
    TODAY,
    ACatalog,
    a_database,
    a_model,
    at,
    labels,
    predictions,
    write,
)

RATES = Rates(currency="USD", cpu_hour=Decimal("0.048"), gb_month=Decimal("0.03"))


def rule(quantity: str, unit: str = "40") -> BenefitRule:
    value = Decimal(unit)
    return BenefitRule(
        id="b", title="Benefit", quantity=quantity, unit_value=value, unit_low=value, unit_high=value,
        assumed="40 USD each, stated by Ben Okafor", source="Finance",
    )  # fmt: skip


def before(name: str, value: str, unit: str = "%") -> Baseline:
    return Baseline(id=name, title=name, before=Decimal(value), unit=unit, lower_is_better=True, source="2030 report")


class Room:
    def __init__(self, folder: Path, task: Task = Task.CLASSIFICATION) -> None:
        self.facts, database = folder / "inference", a_database(folder)
        clock, catalog = FrozenClock(NOON), ACatalog(a_model(task=task))
        self.monitoring = MonitoringService(
            facts=DuckDbMonitoringFacts(self.facts), store=SqlMonitoring(database), catalog=catalog, clock=clock
        )
        self.feedback = FeedbackService(facts=DuckDbReviewFacts(self.facts), store=SqlFeedback(database), clock=clock)
        self.service = ValueService(
            facts=DuckDbUsageFacts(self.facts), store=SqlValue(database), catalog=catalog, rates=RATES, clock=clock
        )

    def use(self, component: str, seconds: float, stored: int = 0) -> None:
        frame = pd.DataFrame(
            {"model": ["m"], "version": ["3"], "component": [component], "day": [TODAY], "cpu_seconds": [seconds],
             "bytes": [stored], "wall_seconds": [1.0]}
        )  # fmt: skip
        write(self.facts, "usage", "m", TODAY, frame, name=component)

    def predict(self, scores: object, truth: object) -> None:
        day = TODAY - timedelta(days=3)
        frame = predictions(day, pd.DataFrame({"x": np.zeros(len(np.asarray(scores)))}), scores)
        write(self.facts, "predictions", "m", day, frame)
        write(self.facts, "labels", "m", day + timedelta(days=1), labels(frame, truth))

    def review(self, corrected: list[bool]) -> None:
        n = len(corrected)
        frame = pd.DataFrame(
            {"prediction_id": [str(number) for number in range(n)], "version": "3", "reviewed_at": at(TODAY, n),
             "reviewer": "r", "decision": 1.0, "predicted": 0.0, "corrected": corrected, "reason_code": "X"}
        )  # fmt: skip
        write(self.facts, "reviews", "m", TODAY, frame)

    def refresh(self) -> None:
        for service in (self.monitoring, self.feedback, self.service):
            service.refresh()


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_nothing_recorded_is_said_and_is_not_zero(room: Room) -> None:
    room.refresh()

    value = room.service.model("m")

    assert (value.benefit, value.net, value.cost_per_thousand) == (None, None, None)
    assert value.state is Health.UNKNOWN
    assert "not zero, it is unknown" in value.cost_explanation.note
    assert room.service.counted() == ()


def test_cost_is_measured_use_times_the_rate_card(room: Room) -> None:
    room.use("serving", 3600.0)
    room.use("training", 7200.0, stored=10**9)
    room.predict(np.zeros(500), np.zeros(500))
    room.refresh()

    value = room.service.model("m")
    today = value.days[-1]

    assert (today.serving, today.compute, today.storage) == (Decimal("0.048"), Decimal("0.096"), Decimal("0.001"))
    assert value.predictions == 500
    assert value.cost == Decimal("0.14")
    assert value.cost_per_thousand == Decimal("0.145") * 1000 / 500


def test_avoided_rework_is_counted_against_the_rate_before(room: Room) -> None:
    room.service.register_value_config(
        (ValueConfig(model="m", benefits=(rule("avoided_rework"),), baselines=(before("override_rate", "15"),)),)
    )
    room.review([True] * 20 + [False] * 380)
    room.refresh()

    value = room.service.model("m")
    [line] = value.benefits

    assert line.amount == Decimal("1600.00")
    assert line.low < line.amount < line.high
    assert (line.n, line.assumed) == (400, "40 USD each, stated by Ben Okafor")
    assert value.state is Health.HEALTHY
    assert [(measure.before, measure.after, measure.change) for measure in value.measures] == [
        ("15.0%", "5.0%", "-10.0 points")
    ]


def test_correct_referrals_count_only_beyond_the_rule_before(room: Room) -> None:
    room.service.register_value_config(
        (
            ValueConfig(
                model="m", benefits=(rule("correct_referrals", "10"),), decision_threshold=0.7,
                baselines=(before("referral_precision", "0.3", unit="share"),),
            ),
        )
    )  # fmt: skip
    room.predict([0.7] * 100 + [0.699] * 100, [1.0] * 50 + [0.0] * 50 + [1.0] * 100)
    room.refresh()

    [line] = room.service.model("m").benefits

    assert line.n == 100
    assert line.amount == Decimal("200.00")


def test_less_error_than_before_is_a_benefit_of_forecasts(tmp_path: Path) -> None:
    room = Room(tmp_path, task=Task.REGRESSION)
    room.service.register_value_config(
        (
            ValueConfig(
                model="m", benefits=(rule("error_reduction", "2"),), baselines=(before("forecast_error", "5", "USD"),)
            ),
        )
    )
    room.predict(np.full(100, 10.0), np.where(np.arange(100) % 2, 12.0, 6.0))
    room.refresh()

    value = room.service.model("m")

    assert value.benefits[0].amount == Decimal("400.00")
    assert value.measures[0].after == "3 USD"


def test_a_benefit_without_facts_or_without_a_figure_before_is_named_and_not_counted(room: Room) -> None:
    room.service.register_value_config(
        (ValueConfig(model="m", benefits=(rule("avoided_rework"), rule("happiness")), baselines=()),)
    )
    room.refresh()

    value = room.service.model("m")

    assert value.benefits == ()
    assert value.benefit is None
    assert "no figure before (override_rate) is stated" in value.sentence
    assert "'happiness' is not recorded" in value.sentence


def test_a_measure_that_nobody_takes_says_so(room: Room) -> None:
    room.service.register_value_config(
        (ValueConfig(model="m", baselines=(before("batch_window_hours", "8", "h"), before("mood", "3", "points"))),)
    )
    room.refresh()

    assert [measure.after for measure in room.service.model("m").measures] == ["not measured", "not measured"]


def test_setup_is_repaid_at_the_pace_of_the_window(room: Room) -> None:
    room.service.register_value_config(
        (
            ValueConfig(
                model="m", benefits=(rule("avoided_rework"),), baselines=(before("override_rate", "15"),),
                setup_cost=Decimal(9000), monthly_cost_fixed=Decimal(300), cost_source="contract",
            ),
        )
    )  # fmt: skip
    room.use("serving", 0.0)
    room.review([False] * 100)
    room.refresh()

    value = room.service.model("m")

    assert value.cost == Decimal("10.00")
    assert value.net == Decimal("590.00")
    assert value.payback_months == Decimal("0.5")


def test_costs_above_benefit_are_a_breach(room: Room) -> None:
    room.service.register_value_config(
        (ValueConfig(model="m", benefits=(rule("avoided_rework"),), baselines=(before("override_rate", "15"),)),)
    )
    room.review([True] * 50 + [False] * 50)
    room.refresh()

    assert room.service.model("m").state is Health.BREACH
    assert room.service.counted() == ("m",)


def test_what_is_paid_by_the_month_is_paid_on_the_days_before_the_first_run_of_a_month_too(room: Room) -> None:
    """A batch model that runs on the fourth of a month was paid for on the first; before it was in use, it was not."""
    room.service.register_value_config(
        (ValueConfig(model="m", monthly_cost_fixed=Decimal(300), cost_source="contract"),)
    )
    room.predict(np.zeros(500), np.zeros(500))
    room.use("serving", 0.0)
    room.refresh()

    def cost(back: int) -> Decimal:
        return room.service.between("m", TODAY - timedelta(days=back), TODAY).cost

    assert cost(1) == Decimal("20.00"), "in use three days ago: both days are paid"
    assert cost(10) == Decimal("40.00"), "the day of the first prediction and the three after it"


def test_training_before_anybody_used_it_is_a_cost_and_starts_nothing_that_is_paid_by_the_month(room: Room) -> None:
    room.service.register_value_config(
        (ValueConfig(model="m", monthly_cost_fixed=Decimal(300), cost_source="contract"),)
    )
    trained = TODAY - timedelta(days=20)
    frame = pd.DataFrame(
        {"model": ["m"], "version": ["3"], "component": ["training"], "day": [trained], "cpu_seconds": [3600.0],
         "bytes": [0], "wall_seconds": [1.0]}
    )  # fmt: skip
    write(room.facts, "usage", "m", trained, frame, name="training")
    room.predict(np.zeros(500), np.zeros(500))
    room.refresh()

    value = room.service.between("m", trained, TODAY)

    assert value.days[0].day == trained
    assert value.days[0].training == value.days[0].compute > 0
    assert value.days[0].fixed == 0
    assert sum(day.fixed for day in value.days) == Decimal("40.00"), "from the first prediction on, three days ago"
    assert room.service.between("m", TODAY - timedelta(days=10), TODAY).cost == Decimal("40.00")
