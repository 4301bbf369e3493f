"""Money behind a level is a range with its formula and weakest assumption; without a statement it is unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import erf, sqrt

import numpy as np
import pytest

from services.alerts.answering import Answering, Levels
from services.alerts.models import AlertKind, Condition, Impact, Key, Part, Stake
from services.alerts.stakes import FRESH, Stakes
from services.inventory.models import GovernedModel
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Explanation, Health
from services.monitoring import distances
from services.monitoring.monitors import BusinessImpact, Feature, FeatureKind, Monitor, MonitorVersion, Threshold
from services.monitoring.monitors import document as monitor_text
from services.oversight.impact import BREACH, PERFORMANCE, WATCH, impact
from services.value.at_risk import EVERYTHING, at_risk, day_worth, share_affected
from services.value.models import BenefitLine, CostDay, ModelValue
from services.value.returns import Span
from tests.builders import a_model

DAY = date(2030, 1, 3)
WHY = Explanation(formula="f", source="the log", window="w", as_of=None, n=10)
ASSUMED = "38 USD each, stated by Ben Okafor"


def a_line(low: int, base: int, high: int, *, assumed: str = ASSUMED) -> BenefitLine:
    return BenefitLine(
        title="t", quantity="q", unit_value="v", amount=Decimal(base), low=Decimal(low), high=Decimal(high), n=10,
        assumed=assumed, explanation=WHY,
    )  # fmt: skip


def a_value(
    *lines: BenefitLine, days: int = 2, statement: int = 3, sentence: str = "Nothing was reviewed."
) -> ModelValue:
    day = CostDay(day=DAY, compute=Decimal(0), storage=Decimal(0), serving=Decimal(0), predictions=500)
    return ModelValue(
        model="m", title="M", currency="USD", window="Dec", days=(day,) * days, cost=Decimal(0),
        predictions=500 * days, cost_per_thousand=None, benefits=lines, benefit=None, net=None, measures=(),
        state=Health.UNKNOWN, sentence=sentence, cost_explanation=WHY, statement=statement,
    )  # fmt: skip


def a_monitor(**changes: object) -> Monitor:
    feature = Feature(column="age", title="Age", kind=FeatureKind.NUMERIC)
    made = Monitor(model="m", features=(feature,), thresholds=(Threshold(statistic="psi", watch=0.04, breach=0.16),))
    return replace(made, **changes)  # type: ignore[arg-type]


def test_at_a_level_it_is_the_benefit_of_a_day_times_the_share_that_moved() -> None:
    worth = day_worth(a_value(a_line(200, 300, 400)))

    found = at_risk(worth, share_affected("psi", 0.25))

    assert worth.span == Span(low=Decimal(100), base=Decimal(150), high=Decimal(200))
    assert found.span == Span(low=Decimal(0), base=Decimal("29.92"), high=Decimal("50.00"))  # 0.1995 and 0.25
    assert "Benefit per day (150 USD) x share affected (PSI 0.25" in found.sentence
    assert "shifted as a whole" in found.weakest


def test_the_weakest_assumption_is_what_makes_the_range_widest() -> None:
    measured_share = share_affected("missing", 0.1)

    assert at_risk(day_worth(a_value(a_line(100, 300, 900))), measured_share).weakest == ASSUMED
    assert "each of these rows" in at_risk(day_worth(a_value(a_line(300, 300, 300))), measured_share).weakest
    unsigned = at_risk(day_worth(a_value(a_line(300, 300, 300), statement=0)), measured_share)
    assert "signed by nobody" in unsigned.weakest


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (a_value(statement=0), "nobody stated what a right decision of m is worth. State it under Value"),
        (a_value(), "no benefit of m could be computed. Nothing was reviewed."),
        (a_value(a_line(1, 2, 3), days=0), "no prediction of m is recorded"),
    ],
)
def test_without_a_statement_or_records_it_is_unknown_and_never_nothing(value: ModelValue, said: str) -> None:
    found = at_risk(day_worth(value), EVERYTHING)

    assert found.span is None
    assert said in found.words
    assert impact(a_model(name="m"), value).lines == ()
    assert said in impact(a_model(name="m"), value).problem


@pytest.mark.parametrize(("line", "high"), [(a_line(-300, -200, -100), 0), (a_line(-300, -200, 100), 50)])
def test_only_what_a_model_may_bring_is_at_risk(line: BenefitLine, high: int) -> None:
    assert at_risk(day_worth(a_value(line)), EVERYTHING).span == Span(
        low=Decimal(0), base=Decimal(0), high=Decimal(high)
    )


def _shifted(shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Two normal distributions over fine cells, as counts large enough to leave no noise."""
    edges = np.linspace(-6, 6, 2_001)
    below = np.array([0.5 * (1 + erf(edge / sqrt(2))) for edge in edges])
    above = np.array([0.5 * (1 + erf((edge - shift) / sqrt(2))) for edge in edges])
    return (np.round(np.diff(below) * 1e12).astype(np.int64), np.round(np.diff(above) * 1e12).astype(np.int64))


def _two_values(moved: float) -> tuple[np.ndarray, np.ndarray]:
    return (np.array([500_000, 500_000]), np.array([int(1e6 * (0.5 - moved)), int(1e6 * (0.5 + moved))]))


STATISTICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "psi": lambda p, q: float(distances.psi(p, q)),
    "js": lambda p, q: float(distances.jensen_shannon(p, q)),
    "ks": lambda p, q: float(distances.ks(p, q)),
}


@pytest.mark.parametrize("name", list(STATISTICS))
@pytest.mark.parametrize("pair", [_shifted(0.2), _shifted(0.6), _two_values(0.05), _two_values(0.3)])
def test_the_range_holds_the_share_that_really_moved(name: str, pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Against total variation counted directly; the bounds are those of Pinsker and Lin."""
    before, after = pair
    moved = float(np.abs(before / before.sum() - after / after.sum()).sum() / 2)

    share = share_affected(name, STATISTICS[name](before, after))

    assert share.low - 1e-6 <= moved <= share.high + 1e-6


@pytest.mark.parametrize("name", ["psi", "js"])
def test_the_base_is_that_of_a_shifted_normal_distribution(name: str) -> None:
    before, after = _shifted(0.3)
    moved = float(np.abs(before / before.sum() - after / after.sum()).sum() / 2)

    assert share_affected(name, STATISTICS[name](before, after)).base == pytest.approx(moved, rel=0.02)


def test_every_level_of_the_monitor_carries_its_money_and_its_payer() -> None:
    monitor = a_monitor(impact=BusinessImpact(breach_per_day=Decimal(900), payer="Claims"))

    found = impact(a_model(name="m"), a_value(a_line(200, 300, 400)), monitor)

    watch, breach = found.of("psi", WATCH), found.of("psi", BREACH)
    assert watch is not None
    assert breach is not None
    assert (watch.limit, watch.high) == ("0.04", Decimal("20.00"))  # sqrt(0.04) / 2 of 200
    assert (breach.limit, breach.high) == ("0.16", Decimal("40.00"))
    assert found.of(PERFORMANCE, BREACH) is not None
    assert found.payer == "Claims"
    assert "900 USD a day in breach, paid by Claims (assumption" in found.stated
    assert {line.statistic for line in found.lines if line.judges and line.level} >= {"psi", "missing", "unseen"}
    assert "ks" not in {line.statistic for line in found.lines if line.judges}


# alerts


def a_version(monitor: Monitor) -> MonitorVersion:
    return MonitorVersion(
        model="m", version=4, sha256="", text=monitor_text(monitor), at=datetime(2030, 1, 1, tzinfo=UTC), reason="",
        salt="", signed=False, guards="", seq=1, leaf_hash="",
    )  # fmt: skip


def stakes(value: Callable[[str], ModelValue], *monitors: Monitor, clock: FrozenClock | None = None) -> Stakes:
    return Stakes(
        value=value,
        monitors=lambda: [a_version(item) for item in monitors],
        currency="USD",
        clock=clock or FrozenClock(datetime(2030, 1, 3, tzinfo=UTC)),
    )


def _ask(found: Stakes, kind: AlertKind, state: Health = Health.BREACH, measure: str = "psi") -> Stake:
    return found()(a_model(name="m"), a_condition(kind, state, measure))


def a_condition(kind: AlertKind, state: Health = Health.BREACH, measure: str = "psi") -> Condition:
    return Condition(
        key=Key(model="m", kind=kind, subject="x"), state=state, title="", sentence="", window="1", target="",
        measure=measure,
    )  # fmt: skip


def test_an_alert_says_the_range_of_the_level_that_is_breached() -> None:
    found = stakes(lambda _name: a_value(a_line(200, 300, 400)), a_monitor(impact=BusinessImpact(payer="Claims")))

    words = Levels().words(_ask(found, AlertKind.DRIFT))

    assert words.startswith("0.00 to 40.00 USD a day in breach, 23.94 at the base, paid by Claims (Benefit per day")
    assert "weakest assumption: that the column shifted as a whole" in words
    assert Levels().words(_ask(found, AlertKind.PERFORMANCE)).startswith("0.00 to 200.00 USD")


def test_without_a_statement_an_alert_falls_back_to_what_the_monitor_states_else_says_it_is_unknown() -> None:
    nothing = a_value(statement=0)
    typed = a_monitor(impact=BusinessImpact(breach_per_day=Decimal(12_500), payer="Claims"))

    assert (
        Levels().words(_ask(stakes(lambda _name: nothing, typed), AlertKind.DRIFT))
        == "12,500 USD a day in breach, paid by Claims (assumption, monitor version 4)"
    )
    unknown = _ask(stakes(lambda _name: nothing), AlertKind.DRIFT)
    assert Levels().words(unknown).startswith("not known: nobody stated what a right decision of m is worth")
    assert Levels().impact(unknown) is Impact.LOW


def test_money_is_that_of_the_statistic_and_level_that_were_passed() -> None:
    found = stakes(lambda _name: a_value(a_line(200, 300, 400)), a_monitor(impact=BusinessImpact(payer="Claims")))

    watch = Levels().words(_ask(found, AlertKind.DRIFT, Health.WATCH))
    missing = _ask(found, AlertKind.DRIFT, measure="missing")

    assert watch.startswith("0.00 to 20.00 USD a day in watch")
    assert (missing.low, missing.per_day, missing.high) == (Decimal("10.00"), Decimal("15.00"), Decimal("20.00"))
    parts = tuple(
        Part(name=name, title=name, state=state, sentence="", target="", measure=measure)
        for name, state, measure in (("a", Health.WATCH, "psi"), ("b", Health.BREACH, "missing"))
    )
    group = found()(a_model(name="m"), replace(a_condition(AlertKind.DRIFT, Health.UNKNOWN, ""), parts=parts))
    assert group == missing


def test_a_missed_promise_costs_the_results_that_are_lost_at_its_limit() -> None:
    found, model = stakes(lambda _name: a_value(a_line(200, 300, 400))), a_model(name="m")
    assert model.service_level is not None

    lost = {
        (kind, measure): found()(model, a_condition(kind, measure=measure)).per_day
        for kind, measure in ((AlertKind.SERVICE_LEVEL, "errors"), (AlertKind.SERVICE_LEVEL, "latency"),
                              (AlertKind.BURN_RATE, "errors"), (AlertKind.PIPELINE, ""))
    }  # fmt: skip

    errors = (Decimal(150) * Decimal(str(model.service_level.error_rate))).quantize(Decimal("0.01"))
    assert lost[AlertKind.SERVICE_LEVEL, "errors"] == lost[AlertKind.BURN_RATE, "errors"] == errors
    assert lost[AlertKind.SERVICE_LEVEL, "latency"] == Decimal("7.50")
    assert lost[AlertKind.PIPELINE, ""] == Decimal(150)


def test_what_a_person_stated_raises_the_impact_beside_what_was_computed() -> None:
    typed = a_monitor(
        impact=BusinessImpact(watch_per_day=Decimal(2_000), breach_per_day=Decimal(50_000), payer="Claims")
    )
    found = stakes(lambda _name: a_value(a_line(200, 300, 400)), typed)

    breach, watch = _ask(found, AlertKind.DRIFT), _ask(found, AlertKind.DRIFT, Health.WATCH)

    assert (Levels().impact(breach), Levels().impact(watch)) == (Impact.HIGH, Impact.MEDIUM)
    assert (
        Levels()
        .words(breach)
        .startswith(
            "0.00 to 40.00 USD a day in breach, 23.94 at the base; 50,000 USD a day in breach as monitor version 4 "
            "assumes, paid by Claims (Benefit per day"
        )
    )
    elsewhere = replace(breach, stated_currency="EUR")
    assert Levels().impact(elsewhere) is Impact.LOW
    assert "not compared with the levels, which are in USD" in Levels().words(elsewhere)


def test_where_the_monitor_names_no_payer_it_is_who_owns_the_cost() -> None:
    found = stakes(lambda _name: a_value(a_line(200, 300, 400)))
    model = a_model(name="m")
    owner = model.owner_of("cost_owner") or model.owner_of("business_owner")
    about = Answering(models=lambda: (model,), people=lambda: (), duties=lambda _names: (), stakes=found)()

    assert owner is not None
    assert f", paid by {owner.name} (" in about(a_condition(AlertKind.DRIFT)).at_risk


def test_value_that_cannot_be_read_is_said_and_is_asked_for_again_after_ten_minutes() -> None:
    clock, asked = FrozenClock(datetime(2030, 1, 3, tzinfo=UTC)), list[str]()

    def value(name: str) -> ModelValue:
        asked.append(name)
        if len(asked) == 1:
            raise TelemetryUnavailableError("The usage log is away.")
        return a_value(a_line(200, 300, 400))

    found = stakes(value, clock=clock)

    assert "The usage log is away." in Levels().words(_ask(found, AlertKind.DRIFT))
    assert _ask(found, AlertKind.DATA).per_day is None, "not asked again within ten minutes"
    clock.set(clock.now() + FRESH + timedelta(seconds=1))
    assert _ask(found, AlertKind.DATA).per_day == Decimal("150.00")
    assert asked == ["m", "m"]


def test_governed_models_without_an_owner_have_no_payer() -> None:
    nobody: GovernedModel = replace(a_model(name="m"), owners=())

    assert impact(nobody, a_value(a_line(1, 2, 3))).payer == ""
