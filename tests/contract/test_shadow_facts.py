"""The shadow comparison from real Parquet agrees with pandas on the same rows, and knows what it does not know."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.adapters.warehouse.shadow import DuckDbShadowFacts
from services.evaluation.measures.models import wilson
from services.rollout.release_models import ShadowComparison
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, at, requests, write

ROWS = 400


def answers(*, role: str, version: str, scores: np.ndarray, dated: pd.DatetimeIndex) -> pd.DataFrame:
    numbers = range(len(scores))
    return pd.DataFrame(
        {"prediction_id": [f"p{number}" for number in numbers], "request_id": [f"r{number}" for number in numbers],
         "version": version, "role": role, "event_at": dated, "entity": "e", "score": scores}
    )  # fmt: skip


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    """Live and copied answers to 400 requests; the copies of the first 50 were dropped."""
    rng = np.random.default_rng(11)
    live = answers(role="live", version="1", scores=rng.beta(2, 5, ROWS), dated=at(TODAY, ROWS))
    other = live.assign(role="mirror", version="2", score=np.clip(live["score"] + rng.normal(0.03, 0.1, ROWS), 0, 1))
    write(tmp_path, "predictions", "m", TODAY, pd.concat([live, other[50:]], ignore_index=True))
    pairs = live.merge(other[50:], on=["request_id", "prediction_id"], suffixes=("_live", "_other"))
    return tmp_path, pairs


def compare(folder: Path, *, threshold: float | None = None, tolerance: float | None = None) -> ShadowComparison:
    return DuckDbShadowFacts(folder).compare(
        "m",
        live="1",
        candidate="2",
        since=NOON - timedelta(hours=12),
        until=NOON,
        threshold=threshold,
        tolerance=tolerance,
    )


def test_nothing_to_compare_is_unknown_not_zero(tmp_path: Path) -> None:
    found = compare(tmp_path, threshold=0.5)

    assert (found.records, found.requests, found.days) == (0, 0, 0.0)
    assert (found.agreement, found.psi, found.mean_difference, found.candidate_p95_ms) == (None, None, None, None)


def test_agreement_is_the_share_of_pairs_on_the_same_side(both: tuple[Path, pd.DataFrame]) -> None:
    folder, pairs = both

    found = compare(folder, threshold=0.3)

    same = int(((pairs["score_live"] >= 0.3) == (pairs["score_other"] >= 0.3)).sum())
    assert found.records == len(pairs) == 350
    assert found.agreement == same / 350
    assert (found.agreement_low, found.agreement_high) == wilson(same, 350)


def test_numbers_agree_within_their_tolerance(both: tuple[Path, pd.DataFrame]) -> None:
    folder, pairs = both

    found = compare(folder, tolerance=0.05)

    assert found.agreement == ((pairs["score_live"] - pairs["score_other"]).abs() <= 0.05).mean()


def test_without_threshold_and_tolerance_agreement_is_not_invented(both: tuple[Path, pd.DataFrame]) -> None:
    found = compare(both[0])

    assert (found.agreement, found.agreement_low, found.agreement_high) == (None, None, None)
    assert found.records == 350


def test_difference_and_psi_agree_with_pandas(both: tuple[Path, pd.DataFrame]) -> None:
    folder, pairs = both

    found = compare(folder)

    edges = pairs["score_live"].quantile(np.arange(1, 10) / 10)
    before = np.bincount(np.searchsorted(edges, pairs["score_live"], side="right"), minlength=10) / 350
    after = np.bincount(np.searchsorted(edges, pairs["score_other"], side="right"), minlength=10) / 350
    assert found.mean_difference == pytest.approx((pairs["score_other"] - pairs["score_live"]).mean())
    assert found.psi == pytest.approx(float(((after - before) * np.log(after / before)).sum()))


def test_the_histogram_holds_every_pair_once_per_version(both: tuple[Path, pd.DataFrame]) -> None:
    found = compare(both[0])

    assert len(found.histogram) == 20
    assert sum(live for _, _, live, _ in found.histogram) == sum(other for *_, other in found.histogram) == 350
    assert all(low < high for low, high, _, _ in found.histogram)


def test_a_constant_score_is_one_bin(tmp_path: Path) -> None:
    live = answers(role="live", version="1", scores=np.full(30, 0.5), dated=at(TODAY, 30))
    write(tmp_path, "predictions", "m", TODAY, pd.concat([live, live.assign(role="mirror", version="2")]))

    found = compare(tmp_path, threshold=0.5)

    assert found.histogram == ((0.5, 0.5, 30, 30),)
    assert (found.agreement, found.psi) == (1.0, 0.0)


def test_pairs_need_both_answers_to_the_same_row_of_the_same_request(tmp_path: Path) -> None:
    live = answers(role="live", version="1", scores=np.full(10, 0.5), dated=at(TODAY, 10))
    other = live.assign(role="mirror", version="2", request_id=[f"r{number + 5}" for number in range(10)])
    write(tmp_path, "predictions", "m", TODAY, pd.concat([live, other]))

    assert compare(tmp_path).records == 0


def test_a_row_that_is_in_two_files_is_one_pair(both: tuple[Path, pd.DataFrame]) -> None:
    folder, _ = both
    (file,) = folder.glob("predictions/**/*.parquet")
    write(folder, "predictions", "m", TODAY, pd.read_parquet(file, partitioning=None), name="part-1")

    assert compare(folder).records == 350


def test_days_reach_to_the_newest_pair_not_to_now(both: tuple[Path, pd.DataFrame]) -> None:
    folder, pairs = both

    found = compare(folder)

    newest = pairs["event_at_live"].max()
    assert found.days == pytest.approx((newest - (NOON - timedelta(hours=12))) / timedelta(days=1))


def test_rows_outside_of_the_window_are_left_out(both: tuple[Path, pd.DataFrame]) -> None:
    folder, pairs = both
    middle = pairs["event_at_live"].sort_values().iloc[100].to_pydatetime()

    found = DuckDbShadowFacts(folder).compare(
        "m", live="1", candidate="2", since=middle, until=NOON, threshold=None, tolerance=None
    )

    assert found.records == 250


def test_latency_and_errors_are_over_the_copied_requests(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    live_ms, other_ms = rng.lognormal(3, 1, 200), rng.lognormal(4, 1, 150)
    live = requests(TODAY, live_ms)
    live.loc[[0, 180], "status"] = 502  # the second one was never copied
    other = requests(TODAY, other_ms, version="2", role="mirror")
    other.loc[[3, 4, 5], "status"] = 500
    write(tmp_path, "requests", "m", TODAY, pd.concat([live, other], ignore_index=True))

    found = compare(tmp_path)

    assert (found.requests, found.live_errors, found.candidate_errors) == (150, 1, 3)
    assert found.live_p95_ms == pytest.approx(np.quantile(np.delete(live_ms[:150], 0), 0.95))
    assert found.candidate_p95_ms == pytest.approx(np.quantile(np.delete(other_ms, [3, 4, 5]), 0.95))


def test_copies_that_were_cut_short_count_with_the_time_they_had(tmp_path: Path) -> None:
    live = requests(TODAY, np.full(100, 10.0))
    other = requests(TODAY, np.full(60, 20.0), version="2", role="mirror")
    cut = requests(TODAY, np.full(100, 2000.0), version="2", role="dropped", status=504)[60:90]
    unsent = requests(TODAY, np.full(100, 0.1), version="2", role="dropped", status=503)[90:]
    write(tmp_path, "requests", "m", TODAY, pd.concat([live, other, cut, unsent], ignore_index=True))

    found = compare(tmp_path)

    assert (found.requests, found.dropped) == (60, 40)
    assert found.candidate_p95_ms == 2000.0
