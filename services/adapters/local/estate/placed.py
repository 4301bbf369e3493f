"""Cases placed in the workspace's calendar: every row gets a day, a time of day and the time its label arrives.

Flights keep the time of day they were recorded with. The health data knows only years and their order: its cases are
spread evenly, claims over two-hourly batches and plans over weekly ones, and a label follows after a fixed time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from services.adapters.local.estate import flight_cases, health_cases
from services.adapters.local.estate.calendar import (
    FIRST_RECORDED,
    LIVE_DAYS,
    RECORDED_DAYS,
    REPLAYED_DAYS,
    ReplayCalendar,
    local_to_utc,
)
from services.kernel.errors import UnknownModelError

CLAIM_BATCHES = 12
CLAIM_LABEL = pd.Timedelta(days=21)
"""A claim is closed three weeks after triage: an assumption of the replay, the data says only "that year"."""
PLAN_LABEL = pd.Timedelta(days=28)
PLAN_RUN = pd.Timedelta(hours=3)
PLAN_LIVE_DAYS = 14

WEATHER = flight_cases.WEATHER
FEATURES: dict[str, tuple[str, ...]] = {
    "delay_claim_score": (
        "departure_minute",
        "weekday",
        "carrier",
        "origin",
        "dest",
        "distance",
        "scheduled_minutes",
        "plane_age",
        "seats",
        "airport_delay_3h",
        "carrier_delay_6h",
        "route_late_28d",
        *WEATHER,
    ),
    "claims_triage": (
        "age",
        "female",
        "married",
        "kids",
        "educ",
        "outwork",
        "self",
        "hhninc",
        "prior_known",
        "prior_docvis",
        "prior_hospvis",
    ),
    "payout_forecast": (
        "origin",
        "weekday",
        "flights",
        "evening_share",
        "distance",
        "seats",
        "airport_late_24h",
        "airport_late_7d",
        "route_late_28d",
        *WEATHER,
    ),
    "plan_utilisation": (
        "lc",
        "idp",
        "lpi",
        "fmde",
        "physlim",
        "ndisease",
        "linc",
        "lfam",
        "educdec",
        "age",
        "child",
        "health",
        "sex",
        "prior_visits",
    ),
}
"""Every input known when the decision is due. A version uses some of them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedCases:
    """`rows` has `case` (stable name), `day`, `clock` (time of day), `waits` (until the label), label, entity, inputs.

    Rows are ordered by day, then by recorded order. Days from 180 on are replayed again every `lap_days`.
    """

    model: str
    rows: pd.DataFrame
    lap_days: int

    def on_day(self, day: int, calendar: ReplayCalendar) -> pd.DataFrame:
        """The cases of one workspace day with prediction_id as index, `event_at` and `arrived_at` in UTC."""
        lap, asked = 0, day
        if day >= REPLAYED_DAYS:
            lap, beyond = divmod(day - REPLAYED_DAYS, self.lap_days)
            asked = REPLAYED_DAYS + beyond
        first, last = np.searchsorted(self.rows["day"], [asked, asked + 1])
        found = timed(self.rows.iloc[first:last].assign(day=day), calendar)
        names = found["case"] if lap == 0 else found["case"] + f"-r{lap + 1}"
        return found.set_index(pd.Index(names, name="prediction_id"))


def timed(rows: pd.DataFrame, calendar: ReplayCalendar) -> pd.DataFrame:
    """The rows with `event_at` and `arrived_at` (missing when the label never arrives)."""
    local = pd.Timestamp(calendar.first_day) + pd.to_timedelta(rows["day"], unit="D") + rows["clock"]
    event_at = local_to_utc(local)
    return rows.assign(event_at=event_at, arrived_at=event_at + rows["waits"])


@cache
def cases_of(model: str) -> PlacedCases:
    """Raises UnknownModelError for a model without recorded cases."""
    makers = {
        "delay_claim_score": _delay,
        "claims_triage": _claims,
        "payout_forecast": _payout,
        "plan_utilisation": _plan,
    }
    if model not in makers:
        raise UnknownModelError(
            f"No recorded cases for {model}.", hint=f"The embedded workspace knows {', '.join(sorted(makers))}."
        )
    return makers[model]()


def _delay() -> PlacedCases:
    return _flight_cases("delay_claim_score", "dcs", flight_cases.delay_cases())


def _payout() -> PlacedCases:
    return _flight_cases("payout_forecast", "pof", flight_cases.payout_cases())


def _flight_cases(model: str, prefix: str, cases: pd.DataFrame) -> PlacedCases:
    number = (cases["decided"].dt.normalize() - pd.Timestamp(FIRST_RECORDED)).dt.days
    day = (number * REPLAYED_DAYS // RECORDED_DAYS).where(
        number < RECORDED_DAYS, REPLAYED_DAYS + number - RECORDED_DAYS
    )
    rows = cases.drop(columns=["decided", "decided_utc", "known_utc"]).assign(
        case=_names(prefix, len(cases)),
        day=day,
        clock=cases["decided"] - cases["decided"].dt.normalize(),
        waits=cases["known_utc"] - cases["decided_utc"],
    )
    return PlacedCases(model=model, rows=rows, lap_days=LIVE_DAYS)


def _claims() -> PlacedCases:
    cases = health_cases.claim_cases()
    passed = int((cases["year"] == health_cases.FIRST_CLAIM_YEAR).sum())
    batch = _spread(len(cases), passed, (REPLAYED_DAYS + LIVE_DAYS) * CLAIM_BATCHES)
    rows = cases.assign(
        case=_names("clt", len(cases)),
        day=batch // CLAIM_BATCHES,
        clock=pd.to_timedelta(batch % CLAIM_BATCHES * 24 // CLAIM_BATCHES, unit="h"),
        waits=CLAIM_LABEL,
    )
    return PlacedCases(model="claims_triage", rows=rows, lap_days=LIVE_DAYS)


def _plan() -> PlacedCases:
    cases = health_cases.plan_cases()
    passed = int((cases["year"] == health_cases.FIRST_PLAN_YEAR).sum())
    # Runs on days 0, 7, .., 175 before preparation; 182 and 189 after it, again and again.
    week = _spread(len(cases), passed, 28)
    rows = cases.assign(case=_names("plu", len(cases)), day=week * 7, clock=PLAN_RUN, waits=PLAN_LABEL)
    return PlacedCases(model="plan_utilisation", rows=rows, lap_days=PLAN_LIVE_DAYS)


def _spread(total: int, passed: int, parts: int) -> pd.Series:
    """Part number of each row: rows after the first `passed` fill `parts` evenly, earlier ones the negative parts."""
    return (pd.Series(np.arange(total)) - passed) * parts // (total - passed)


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:06d}" for number in range(count)]
