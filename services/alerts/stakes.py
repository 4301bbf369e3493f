"""What a breach of a model puts at risk per day: from the value statement, else as a monitor states it by hand.

Wiring: `Stakes(value=values.model, monitors=SqlMonitorsInForce(database), currency=settings.currency, clock=clock)`.
The range is that of `value.at_risk`, at the level from which on the monitor calls it a breach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from services.alerts.models import AlertKind, Stake
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError
from services.monitoring.definitions import DEFINITIONS, Statistic
from services.monitoring.monitors import MonitorVersion
from services.value.at_risk import EVERYTHING, LIFT_GONE, DayWorth, Share, at_risk, day_worth, share_affected
from services.value.models import ModelValue

FRESH = timedelta(minutes=10)
"""Benefit is recorded by the day; a round of every minute does not compute it anew."""


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

    def __call__(self) -> Callable[[str, AlertKind], Stake | None]:
        """Read once per round; only models that something stands about are computed."""
        in_force = {item.model: item for item in self._monitors()}

        def stake(model: str, kind: AlertKind) -> Stake | None:
            return self._of(model, kind, in_force.get(model))

        return stake

    def _of(self, model: str, kind: AlertKind, version: MonitorVersion | None) -> Stake:
        worth, stated = self._day(model), version.monitor.impact if version else None
        found = at_risk(worth, _share(kind, version))
        payer = stated.payer if stated else ""
        if found.span is not None:
            return Stake(
                per_day=found.span.base, low=found.span.low, high=found.span.high, currency=found.currency,
                payer=payer, source=f"{found.formula}; weakest assumption: {found.weakest}",
            )  # fmt: skip
        if stated is not None and version is not None and stated.breach_per_day is not None:
            source = f"monitor version {version.version}"
            return Stake(per_day=stated.breach_per_day, currency=stated.currency, payer=payer, source=source)
        return Stake(per_day=None, currency=worth.currency, payer=payer, source="", problem=found.problem)

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


def _share(kind: AlertKind, version: MonitorVersion | None) -> Share:
    if kind is AlertKind.PERFORMANCE:
        return LIFT_GONE
    if kind is not AlertKind.DRIFT:
        return EVERYTHING
    own = version.monitor.threshold(Statistic.PSI) if version else None
    usual = DEFINITIONS[Statistic.PSI].limits
    limit = own.breach if own else usual.breach if usual else 1.0
    return share_affected(Statistic.PSI, limit)
