"""What a condition of a model puts at risk per day: by its value statement, and as a monitor states it by hand.

Wiring: `Stakes(value=values.model, monitors=SqlMonitorsInForce(database), currency=settings.currency, clock=clock)`.
The range is that of `value.at_risk`, at the limit that was passed: of the statistic and level that judged, of the
promise that was missed. Where neither says how many decisions it touches, every decision of the day is exposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from services.alerts import grouping
from services.alerts.models import AlertKind, Condition, Stake
from services.inventory.models import GovernedModel
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError
from services.kernel.health import Health
from services.monitoring.definitions import DEFINITIONS, Statistic
from services.monitoring.monitors import MonitorVersion
from services.value.at_risk import (
    EVERYTHING,
    LIFT_GONE,
    DayWorth,
    Share,
    at_risk,
    day_worth,
    promised_shares,
    share_affected,
)
from services.value.models import ModelValue

FRESH = timedelta(minutes=10)
"""Benefit is recorded by the day; a round of every minute does not compute it anew."""

_MONITORED = frozenset({AlertKind.DRIFT, AlertKind.PERFORMANCE, AlertKind.DATA})
"""What the amount that a monitor states is about: the model being wrong."""


class Level(StrEnum):
    WATCH = "watch"
    BREACH = "breach"


class Stakes:
    def __init__(
        self,
        *,
        value: Callable[[str], ModelValue],
        monitors: Callable[[], Iterable[MonitorVersion]],
        currency: str,
        clock: Clock,
    ) -> None:
        self._value = value
        self._monitors = monitors
        self._currency = currency
        self._clock = clock
        self._worth: dict[str, tuple[datetime, DayWorth]] = {}

    def __call__(self) -> Callable[[GovernedModel, Condition], Stake]:
        """Read once per round; only models that something stands about are computed."""
        in_force = {item.model: item for item in self._monitors()}

        def stake(model: GovernedModel, seen: Condition) -> Stake:
            return self._of(model, seen, in_force.get(model.name))

        return stake

    def _of(self, model: GovernedModel, seen: Condition, version: MonitorVersion | None) -> Stake:
        state, measure = grouping.gravest(seen)
        level = Level.WATCH if state is Health.WATCH else Level.BREACH
        worth, stated = self._day(model.name), version.monitor.impact if version else None
        found = at_risk(worth, _share(model, seen.key.kind, measure, level, version))
        typed = None
        if stated is not None and seen.key.kind in _MONITORED:
            typed = stated.watch_per_day if level is Level.WATCH else stated.breach_per_day
        span = found.span
        return Stake(
            per_day=span.base if span else None,
            low=span.low if span else None,
            high=span.high if span else None,
            currency=found.currency or worth.currency,
            payer=stated.payer if stated else "",
            source=f"{found.formula}; weakest assumption: {found.weakest}" if span else "",
            level=level.value,
            problem="" if span else found.problem,
            stated=typed,
            stated_currency=stated.currency if stated else "",
            stated_by=f"monitor version {version.version}" if version and typed is not None else "",
        )

    def _day(self, model: str) -> DayWorth:
        now = self._clock.now()
        at, known = self._worth.get(model, (None, None))
        if known is not None and at is not None and timedelta(0) <= now - at < FRESH:
            return known
        try:
            found = day_worth(self._value(model))
        except ControlRoomError as away:
            found = DayWorth(model=model, currency=self._currency, span=None, problem=away.message)
        self._worth[model] = (now, found)
        return found


def _share(model: GovernedModel, kind: AlertKind, measure: str, level: Level, version: MonitorVersion | None) -> Share:
    if kind is AlertKind.PERFORMANCE:
        return LIFT_GONE
    if kind in {AlertKind.SERVICE_LEVEL, AlertKind.BURN_RATE}:
        return promised_shares(model.service_level, model.kind).get(measure, EVERYTHING)
    if kind is not AlertKind.DRIFT:
        return EVERYTHING
    statistic = Statistic(measure) if measure in set(Statistic) else Statistic.PSI
    own = version.monitor.threshold(statistic) if version else None
    usual = DEFINITIONS[statistic].limits
    limits = own or usual
    if limits is None:
        return EVERYTHING
    return share_affected(statistic, limits.watch if level is Level.WATCH else limits.breach)
