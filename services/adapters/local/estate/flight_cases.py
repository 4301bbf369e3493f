"""Cases of the two flight models: what is known when the decision is due, and the label that arrives later.

Nothing observed at or after the decision enters a feature: weather strictly before it, delays only of flights that
had already landed. All comparisons are made in UTC, so the two nights when New York changes its clocks are harmless.
"""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from services.adapters.local.estate import data
from services.adapters.local.estate.calendar import local_to_utc

LATE_MINUTES = 60
DECISION_LEAD = pd.Timedelta(minutes=60)
FORECAST_HOUR = pd.Timedelta(hours=2)
PAYOUT_CLOSES = pd.Timedelta(hours=36)
"""Payouts of a day are summed at 14:00 of the next one."""
TARIFF = ((60, 100.0), (120, 250.0), (240, 400.0))
"""Illustrative cover: minutes late on arrival, and what is paid from there on. Cancelled flights pay elsewhere."""
WEATHER = ("temp", "humid", "wind_speed", "precip", "pressure", "visib")
_WEATHER_MAY_BE = pd.Timedelta(hours=6)

Floats = npt.NDArray[np.float64]


@cache
def delay_cases() -> pd.DataFrame:
    """One row per flight, oldest decision first: features, label, known_utc, decided (wall clock) and tail number."""
    flown = _flights()
    decided_utc = flown["departs_utc"] - DECISION_LEAD
    decided = flown["departs"] - DECISION_LEAD
    minute = flown["departs"].dt.hour * 60 + flown["departs"].dt.minute
    aircraft = data.planes().reindex(flown["tailnum"])
    history = DelayHistory(flown)
    cases = pd.DataFrame(
        {
            "decided": decided,
            "decided_utc": decided_utc,
            "known_utc": flown["landed_utc"],
            "label": (flown["arr_delay"] >= LATE_MINUTES).astype("float64").where(flown["arr_delay"].notna()),
            "entity": flown["tailnum"].fillna("unknown"),
            "departure_minute": minute.astype("float64"),
            "weekday": flown["departs"].dt.day_of_week.astype("float64"),
            "carrier": flown["carrier"].astype(str),
            "origin": flown["origin"].astype(str),
            "dest": flown["dest"].astype(str),
            "distance": flown["distance"].astype("float64"),
            "scheduled_minutes": flown["scheduled_minutes"].astype("float64"),
            "plane_age": 2013.0 - aircraft["built"].to_numpy(dtype="float64"),
            "seats": aircraft["seats"].to_numpy(dtype="float64"),
            "airport_delay_3h": history.mean_delay("origin", decided_utc, hours=3),
            "carrier_delay_6h": history.mean_delay("carrier", decided_utc, hours=6),
            "route_late_28d": history.late_share("route", decided_utc, hours=28 * 24),
            "departure_delay": flown["dep_delay"].astype("float64"),
        }
    )
    return _with_weather(cases)


@cache
def payout_cases() -> pd.DataFrame:
    """One row per route and day, forecast at 02:00 of that day: features, label (payout in USD), known_utc."""
    flown = _flights()
    flown = flown.assign(
        day=flown["departs"].dt.normalize(),
        evening=(flown["departs"].dt.hour >= 17).astype("float64"),
        payout=payout(flown["arr_delay"].to_numpy(dtype="float64")),
        seats=data.planes()["seats"].reindex(flown["tailnum"]).to_numpy(dtype="float64"),
    )
    routes = flown.groupby(["day", "origin", "dest"], sort=True)
    table = routes.agg(
        flights=("payout", "size"),
        evening_share=("evening", "mean"),
        distance=("distance", "first"),
        seats=("seats", "mean"),
        label=("payout", "sum"),
        last_landed=("landed_utc", "max"),
    ).reset_index()
    decided = table["day"] + FORECAST_HOUR
    decided_utc = local_to_utc(decided)
    history = DelayHistory(flown)
    known = pd.concat([decided_utc + PAYOUT_CLOSES, table["last_landed"]], axis=1).max(axis=1)
    route = table["origin"].astype(str) + "-" + table["dest"].astype(str)
    keys = {"origin": table["origin"].astype(str), "route": route}
    cases = pd.DataFrame(
        {
            "decided": decided,
            "decided_utc": decided_utc,
            "known_utc": known,
            "label": table["label"],
            "entity": route,
            "origin": table["origin"].astype(str),
            "weekday": decided.dt.day_of_week.astype("float64"),
            "flights": table["flights"].astype("float64"),
            "evening_share": table["evening_share"],
            "distance": table["distance"].astype("float64"),
            "seats": table["seats"],
            "airport_late_24h": history.late_share("origin", decided_utc, hours=24, keys=keys["origin"]),
            "airport_late_7d": history.late_share("origin", decided_utc, hours=7 * 24, keys=keys["origin"]),
            "route_late_28d": history.late_share("route", decided_utc, hours=28 * 24, keys=route),
        }
    )
    return _with_weather(cases)


def payout(arrival_delay: Floats) -> Floats:
    """What the tariff pays for each arrival delay; nothing for a flight that never arrived."""
    paid = np.zeros(len(arrival_delay))
    for minutes, amount in TARIFF:
        paid[np.nan_to_num(arrival_delay, nan=-1.0) >= minutes] = amount
    return paid


class DelayHistory:
    """Answers "how late were the flights of this group that landed in the hours before?" from landings only."""

    def __init__(self, flown: pd.DataFrame) -> None:
        landed = flown.loc[flown["landed_utc"].notna()].sort_values("landed_utc", kind="stable")
        self._landed = landed.assign(route=landed["origin"] + "-" + landed["dest"])
        self._own = {
            "origin": flown["origin"],
            "carrier": flown["carrier"],
            "route": flown["origin"] + "-" + flown["dest"],
        }

    def mean_delay(self, group: str, decided_utc: pd.Series, *, hours: int, keys: pd.Series | None = None) -> Floats:
        """Mean arrival delay in minutes (-30 to 240), missing when nothing landed."""
        return self._mean(group, self._landed["arr_delay"].clip(-30, 240), decided_utc, hours, keys)

    def late_share(self, group: str, decided_utc: pd.Series, *, hours: int, keys: pd.Series | None = None) -> Floats:
        """Share of landings 60 minutes late or more, missing when nothing landed."""
        return self._mean(group, self._landed["arr_delay"] >= LATE_MINUTES, decided_utc, hours, keys)

    def _mean(
        self, group: str, values: pd.Series, decided_utc: pd.Series, hours: int, keys: pd.Series | None
    ) -> Floats:
        asked = (self._own[group] if keys is None else keys).to_numpy(dtype=str)
        landed_group = self._landed[group].to_numpy(dtype=str)
        moments = _seconds(self._landed["landed_utc"])
        amounts = values.to_numpy(dtype="float64")
        until, answers = _seconds(decided_utc), np.full(len(asked), np.nan)
        members = pd.Series(np.arange(len(landed_group))).groupby(landed_group).indices
        for name, rows in pd.Series(np.arange(len(asked))).groupby(asked).indices.items():
            own = members.get(name)
            if own is None:
                continue
            total = np.concatenate(([0.0], np.cumsum(amounts[own])))
            # side="left": a landing in the very second of the decision is not known yet.
            last = np.searchsorted(moments[own], until[rows], side="left")
            first = np.searchsorted(moments[own], until[rows] - hours * 3600, side="left")
            n = last - first
            answers[rows] = np.divide(total[last] - total[first], n, out=np.full(len(rows), np.nan), where=n > 0)
        return answers


def _flights() -> pd.DataFrame:
    flown = data.flights()
    departs_utc = local_to_utc(flown["departs"])
    minutes = flown["scheduled_minutes"].astype("float64") + flown["arr_delay"].astype("float64")
    return flown.assign(departs_utc=departs_utc, landed_utc=departs_utc + pd.to_timedelta(minutes, unit="min"))


def _with_weather(cases: pd.DataFrame) -> pd.DataFrame:
    seen = data.weather().assign(observed=lambda table: local_to_utc(table["observed"])).sort_values("observed")
    seen = seen.astype({"observed": cases["decided_utc"].dtype, **dict.fromkeys(WEATHER, "float64"), "origin": str})
    joined = pd.merge_asof(
        cases.sort_values("decided_utc", kind="stable"),
        seen,
        left_on="decided_utc",
        right_on="observed",
        by="origin",
        allow_exact_matches=False,
        tolerance=_WEATHER_MAY_BE,
    )
    return joined.drop(columns="observed")


def _seconds(moments: pd.Series) -> npt.NDArray[np.int64]:
    naive = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    return cast("npt.NDArray[np.int64]", naive.to_numpy(dtype="datetime64[s]").astype("int64"))
