"""Streams: ordered, complete, the same on every call, with labels that arrive later."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from services.adapters.local.estate.placed import FEATURES
from services.adapters.local.estate.streams import stream_for
from services.kernel.errors import UnknownModelError

PREPARED = datetime(2030, 6, 15, 14, 0, tzinfo=UTC)
MODELS = sorted(FEATURES)


@pytest.mark.parametrize("model", MODELS)
def test_slots_come_in_order_inside_the_interval_with_unique_ids(model: str) -> None:
    start, end = PREPARED - timedelta(days=16), PREPARED - timedelta(days=13)
    slots = list(stream_for(model, PREPARED, share=0.2 if model == "delay_claim_score" else 1).slots(start, end))

    times = [slot.at for slot in slots]
    names = [name for slot in slots for name in slot.rows.index]
    assert slots or model == "plan_utilisation"
    assert times == sorted(set(times))
    assert all(start <= at < end for at in times)
    assert len(names) == len(set(names))
    assert all(tuple(slot.rows.columns) == FEATURES[model] for slot in slots)


def test_one_interval_and_its_two_halves_give_the_same_rows() -> None:
    stream = stream_for("claims_triage", PREPARED)
    start, middle, end = (PREPARED - timedelta(days=days) for days in (5, 4, 3))

    whole = pd.concat([slot.rows for slot in stream.slots(start, end)])
    halves = pd.concat([slot.rows for part in ((start, middle), (middle, end)) for slot in stream.slots(*part)])

    pd.testing.assert_frame_equal(whole, halves)


def test_a_share_keeps_the_same_part_of_the_rows_every_time() -> None:
    start, end = PREPARED - timedelta(days=2), PREPARED - timedelta(days=1)
    whole = {name for slot in stream_for("payout_forecast", PREPARED).slots(start, end) for name in slot.rows.index}

    drawn = [
        {
            name
            for slot in stream_for("payout_forecast", PREPARED, share=0.3).slots(start, end)
            for name in slot.rows.index
        }
        for _ in range(2)
    ]

    assert drawn[0] == drawn[1]
    assert drawn[0] < whole
    assert 0.15 < len(drawn[0]) / len(whole) < 0.45


def test_claims_run_every_two_hours_and_plans_once_a_week() -> None:
    end = PREPARED - timedelta(days=30)
    claims = [slot.at for slot in stream_for("claims_triage", PREPARED).slots(end - timedelta(days=2), end)]
    plans = [slot.at for slot in stream_for("plan_utilisation", PREPARED).slots(end - timedelta(days=21), end)]

    assert {later - earlier for earlier, later in itertools.pairwise(claims)} == {timedelta(hours=2)}
    assert {later - earlier for earlier, later in itertools.pairwise(plans)} == {timedelta(days=7)}


@pytest.mark.parametrize("model", ["delay_claim_score", "claims_triage", "payout_forecast", "plan_utilisation"])
def test_labels_arrive_after_their_prediction_and_belong_to_asked_rows(model: str) -> None:
    stream = stream_for(model, PREPARED, share=0.1)
    start, end = PREPARED - timedelta(days=8), PREPARED - timedelta(days=1)

    labels = stream.labels(start, end)

    assert len(labels)
    assert ((labels["arrived_at"] >= start) & (labels["arrived_at"] < end)).all()
    assert (labels["arrived_at"] > labels["event_at"]).all()
    assert labels["prediction_id"].is_unique
    first = labels["event_at"].min().to_pydatetime()
    asked = {name for slot in stream.slots(first, end) for name in slot.rows.index}
    assert set(labels["prediction_id"]) <= asked


def test_cancelled_flights_are_asked_but_never_labelled() -> None:
    stream = stream_for("delay_claim_score", PREPARED)
    start = PREPARED - timedelta(days=175)  # storms of February
    asked = {name for slot in stream.slots(start, start + timedelta(days=4)) for name in slot.rows.index}
    labelled = set(stream.labels(start, start + timedelta(days=8))["prediction_id"])
    assert 0.02 < 1 - len(asked & labelled) / len(asked) < 0.2


def test_the_live_replay_repeats_recorded_days_under_new_ids() -> None:
    stream = stream_for("payout_forecast", PREPARED)
    first, second = (
        list(stream.slots(PREPARED + timedelta(days=days), PREPARED + timedelta(days=days + 1))) for days in (1, 11)
    )
    assert list(second[0].rows.index) == [f"{name}-r2" for name in first[0].rows.index]
    assert first[0].rows.reset_index(drop=True).equals(second[0].rows.reset_index(drop=True))


def test_reviews_follow_triage_within_three_days_and_only_for_claims() -> None:
    start, end = PREPARED - timedelta(days=10), PREPARED - timedelta(days=5)
    reviews = stream_for("claims_triage", PREPARED).reviewable(start, end)
    waited = reviews["reviewed_at"] - reviews["event_at"]
    assert len(reviews) > 20
    assert waited.between(timedelta(days=1), timedelta(days=3)).all()
    assert set(reviews["decision"]) == {0.0, 1.0}
    assert stream_for("payout_forecast", PREPARED).reviewable(start, end).empty


def test_a_model_without_recorded_cases_is_refused() -> None:
    with pytest.raises(UnknownModelError, match="damage_photo_vendor"):
        stream_for("damage_photo_vendor", PREPARED)
