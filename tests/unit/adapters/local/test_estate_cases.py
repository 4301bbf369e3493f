"""No feature knows what happened at or after its decision."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from services.adapters.local.estate import data
from services.adapters.local.estate.calendar import local_to_utc
from services.adapters.local.estate.flight_cases import delay_cases, payout, payout_cases
from services.adapters.local.estate.health_cases import claim_cases, plan_cases
from services.adapters.local.estate.placed import FEATURES, cases_of


def landings() -> pd.DataFrame:
    flown = data.flights()
    minutes = flown["scheduled_minutes"].astype("float64") + flown["arr_delay"]
    landed = local_to_utc(flown["departs"]) + pd.to_timedelta(minutes, unit="min")
    return flown.assign(landed=landed).dropna(subset=["landed"])


@pytest.mark.parametrize("place", [60_000, 151_234, 290_017])
def test_recent_delays_are_the_mean_over_flights_that_had_already_landed(place: int) -> None:
    case = delay_cases().iloc[place]
    landed = landings()

    known = landed[
        (landed["origin"] == case["origin"])
        & (landed["landed"] < case["decided_utc"])
        & (landed["landed"] >= case["decided_utc"] - pd.Timedelta(hours=3))
    ]

    assert case["airport_delay_3h"] == pytest.approx(known["arr_delay"].clip(-30, 240).mean(), rel=1e-5)


@pytest.mark.parametrize("place", [60_000, 151_234, 290_017])
def test_weather_is_the_last_observation_strictly_before_the_decision(place: int) -> None:
    case = delay_cases().iloc[place]
    seen = data.weather().assign(observed=local_to_utc(data.weather()["observed"]))

    before = seen[(seen["origin"] == case["origin"]) & (seen["observed"] < case["decided_utc"])]

    assert case["temp"] == pytest.approx(before.iloc[-1]["temp"])


def test_a_flight_decides_an_hour_before_departure_and_its_label_comes_later() -> None:
    cases = delay_cases()
    waits = (cases["known_utc"] - cases["decided_utc"]).dropna()
    assert waits.min() > pd.Timedelta(0)
    assert cases.loc[cases["known_utc"].isna(), "label"].isna().all()
    assert cases["label"].notna().sum() == 327_346


def test_a_payout_forecast_knows_only_landings_before_two_in_the_morning() -> None:
    case = payout_cases().iloc[30_000]
    landed = landings()
    known = landed[
        (landed["origin"] == case["origin"])
        & (landed["landed"] < case["decided_utc"])
        & (landed["landed"] >= case["decided_utc"] - pd.Timedelta(hours=24))
    ]
    assert case["decided"].hour == 2
    assert case["airport_late_24h"] == pytest.approx((known["arr_delay"] >= 60).mean())


def test_the_tariff_pays_by_minutes_late_and_nothing_for_a_flight_that_never_arrived() -> None:
    assert list(payout(np.array([59.0, 60, 119, 120, 239, 240, np.nan]))) == [0, 100, 100, 250, 250, 400, 0]


def test_claims_know_the_visits_of_the_year_before_only() -> None:
    years = data.visits().set_index(["id", "year"])
    for _, case in claim_cases().sample(40, random_state=1).iterrows():
        person = int(case["entity"].removeprefix("member-"))
        before = (person, case["year"] - 1)
        assert case["prior_known"] == float(before in years.index)
        if before in years.index:
            assert case["prior_docvis"] == years.loc[before, "docvis"]
        assert case["label"] == float(years.loc[(person, case["year"]), "docvis"] >= 6)


def test_plan_cases_carry_the_visits_of_the_persons_year_before() -> None:
    years = data.contacts().set_index(["person", "year"])
    for _, case in plan_cases().sample(40, random_state=1).iterrows():
        person = int(case["entity"].removeprefix("enrollee-"))
        assert case["prior_visits"] == years.loc[(person, case["year"] - 1), "mdu"]


@pytest.mark.parametrize("model", sorted(FEATURES))
def test_inputs_hold_nothing_that_is_known_only_later(model: str) -> None:
    known_later = {"label", "departure_delay", "hospital_days_seen_later", "black", "waits", "entity"}
    assert set(FEATURES[model]) & known_later == set()
    assert set(FEATURES[model]) <= set(cases_of(model).rows.columns)
