"""Recorded facts asked through real DuckDB on real Parquet: counts agree with raw rows, failures speak our language."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from services.adapters.sql.database import Database
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.reliability import SqlReliability
from services.adapters.sql.value import SqlValue
from services.adapters.warehouse import duckdb as warehouse
from services.adapters.warehouse.feedback import DuckDbReviewFacts
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.adapters.warehouse.reliability import DuckDbRequestFacts
from services.adapters.warehouse.value import DuckDbUsageFacts
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health
from services.monitoring import statistics
from services.monitoring.profile import DayProfile, FeatureReference
from services.monitoring.service import MonitoringService
from services.monitoring.windows import bins_of
from services.reliability.latency import quantile
from services.reliability.service import ReliabilityService
from tests.unit.monitoring.facts_on_disk import (
    NOON,
    TODAY,
    ACatalog,
    a_model,
    at,
    labels,
    predictions,
    requests,
    with_tables,
    write,
    write_reference,
)


def profiled(folder: Path, before: pd.DataFrame, after: pd.DataFrame) -> tuple[FeatureReference, DayProfile]:
    """Cells of the column `x` in the reference and on one day."""
    write_reference(folder, "m", before.assign(score=0.5, label=0.0))
    write(folder, "predictions", "m", TODAY, predictions(TODAY, after, np.full(len(after), 0.5)))
    facts = DuckDbMonitoringFacts(folder)
    reference = facts.fit_reference("m", "digest")
    assert reference is not None
    feature = reference.feature("x")
    assert feature is not None
    return feature, next(p for p in facts.profile(reference, (TODAY,)) if p.feature == "x")


SHAPES = {
    "normal": lambda random, n, shift: random.normal(shift, 1, n),
    "lognormal": lambda random, n, shift: random.lognormal(shift, 1, n),
    "many zeros": lambda random, n, shift: random.poisson(0.4 + shift, n) * random.exponential(1, n),
    "money with ties": lambda random, n, shift: np.round(random.gamma(2 + shift, 20, n), 0),
    "constant then not": lambda random, n, shift: np.full(n, 7.0) if not shift else random.normal(7, 1, n),
    "one heavy value": lambda random, n, shift: np.where(random.random(n) < 0.6, 3.0, random.normal(shift, 2, n)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_decile_psi_and_ks_agree_with_raw_rows(tmp_path: Path, shape: str) -> None:
    random = np.random.default_rng(6)
    before, after = SHAPES[shape](random, 4000, 0.0), SHAPES[shape](random, 3000, 0.3)

    feature, day = profiled(tmp_path, pd.DataFrame({"x": before}), pd.DataFrame({"x": after}))

    assert feature.n == 4000
    assert int(day.counts.sum()) == 3000
    if not feature.numeric:
        return
    bins = bins_of(feature)
    edges = [-math.inf, *feature.deciles, math.inf]
    raw = [np.histogram(-values, bins=-np.array(edges)[::-1])[0][::-1] for values in (before, after)]
    assert bins.fill(feature.counts)[:-1].tolist() == raw[0].tolist()
    assert statistics.psi(bins.fill(feature.counts), bins.fill(day.counts)) == pytest.approx(
        statistics.psi(raw[0], raw[1]), abs=1e-9
    )
    gap = statistics.ks(feature.counts[:-2], day.counts[:-2])
    assert gap == pytest.approx(stats.ks_2samp(before, after).statistic, abs=0.01)
    assert day.sums.sum() == pytest.approx(after.sum())


def test_infinite_and_not_a_number_have_their_place_and_poison_no_sum(tmp_path: Path) -> None:
    before = pd.DataFrame({"x": np.linspace(0, 1, 100)})
    after = pd.DataFrame({"x": [0.5, np.inf, -np.inf, np.nan, None]})

    _, day = profiled(tmp_path, before, after)

    assert int(day.counts.sum()) == 5
    assert int(day.counts[-2:].sum()) == 2
    assert day.counts[0] == 1
    assert day.counts[-3] == 1
    assert day.sums.sum() == pytest.approx(0.5)


def test_codes_are_the_same_value_as_integer_and_as_decimal_number(tmp_path: Path) -> None:
    _, day = profiled(tmp_path, pd.DataFrame({"x": [1, 2, 3] * 50}), pd.DataFrame({"x": [1.0, 2.0, 2.0, 9.0]}))

    assert int(day.counts[:3].sum()) == 3
    assert day.counts[3] == 1


def test_values_with_quotes_and_percent_signs_stay_values(tmp_path: Path) -> None:
    odd = 'it\'s 5 % of "all"; --'
    feature, day = profiled(
        tmp_path, pd.DataFrame({"x": [odd, "b"] * 50}), pd.DataFrame({"x": [odd, odd, "never seen", None]})
    )

    assert day.counts[feature.values.index(odd)] == 2  # noqa: PD011 - our own tuple
    assert (day.counts[-2], day.counts[-1]) == (1, 1)


def test_an_input_that_a_version_does_not_have_is_not_a_missing_value(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    write(tmp_path, "predictions", "m", TODAY, predictions(TODAY, pd.DataFrame({"y": [1.0]}), [0.5]), name="old")
    feature, day = profiled(tmp_path, pd.DataFrame({"x": random.random(200)}), pd.DataFrame({"x": random.random(10)}))

    assert feature.n == 200
    assert int(day.counts.sum()) == 10
    assert int(day.counts[-2:].sum()) == 0


def test_mirrored_predictions_are_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.linspace(0, 1, 30)})
    write(tmp_path, "predictions", "m", TODAY, predictions(TODAY, frame, np.zeros(30), role="mirror"), name="mirror")
    _, day = profiled(tmp_path, frame, frame)

    assert int(day.counts.sum()) == 30


def test_identifiers_have_no_distribution(tmp_path: Path) -> None:
    write_reference(tmp_path, "m", pd.DataFrame({"x": [f"id-{n}" for n in range(1500)], "score": 0.1, "label": 0.0}))
    reference = DuckDbMonitoringFacts(tmp_path).fit_reference("m", "d")

    assert reference is not None
    assert reference.feature("x") is None


def test_an_empty_reference_is_no_reference(tmp_path: Path) -> None:
    write_reference(tmp_path, "m", pd.DataFrame({"x": pd.Series([], dtype=float), "score": pd.Series([], dtype=float)}))

    assert DuckDbMonitoringFacts(tmp_path).fit_reference("m", "d") is None


def test_labels_are_joined_to_the_day_of_the_prediction(tmp_path: Path) -> None:
    frame = predictions(TODAY, pd.DataFrame({"x": np.zeros(10)}), np.linspace(0.05, 0.95, 10))
    write(tmp_path, "predictions", "m", TODAY, frame)
    arrival = TODAY + timedelta(days=5)
    write(tmp_path, "labels", "m", arrival, labels(frame.head(6), [0, 0, 0, 1, 1, 1], delay_days=5))
    facts = DuckDbMonitoringFacts(tmp_path)

    assert facts.labelled_on("m", (arrival,)) == (TODAY,)
    [day] = facts.labelled_days("m", (TODAY,), scores=True)
    assert (day.predicted, day.labelled) == (10, 6)
    assert (int(day.positives.sum()), int(day.negatives.sum())) == (3, 3)
    assert day.sum_absolute == pytest.approx(
        sum(abs(s - y) for s, y in zip(frame["score"], [0, 0, 0, 1, 1, 1], strict=False))
    )


def test_a_repeated_run_counts_its_predictions_once(tmp_path: Path) -> None:
    frame = predictions(TODAY, pd.DataFrame({"x": np.zeros(10)}), np.linspace(0, 1, 10))
    write(tmp_path, "predictions", "m", TODAY, frame)
    write(tmp_path, "predictions", "m", TODAY, frame, name="again")

    [day] = DuckDbMonitoringFacts(tmp_path).labelled_days("m", (TODAY,), scores=False)

    assert day.predicted == 10


def test_latency_quantiles_from_buckets_are_within_two_percent_of_raw_rows(tmp_path: Path) -> None:
    raw = np.random.default_rng(1).lognormal(3, 1, 3000)
    write(tmp_path, "requests", "m", TODAY, requests(TODAY, raw))

    [(_, slot)] = DuckDbRequestFacts(tmp_path).slots("m", (TODAY,), slot_minutes=60)

    for share in (0.5, 0.95, 0.99):
        exact = float(np.quantile(raw, share, method="inverted_cdf"))
        assert quantile(slot.buckets, share) == pytest.approx(exact, rel=0.02)


def test_failed_requests_have_no_latency_and_a_callers_mistake_is_no_failure(tmp_path: Path) -> None:
    frame = requests(TODAY, [5.0, 5.0, 5.0, 0.0], status=[200, 503, 404, 0], injected=["", "slow", "", ""])
    write(tmp_path, "requests", "m", TODAY, frame)
    write(tmp_path, "requests", "m", TODAY, requests(TODAY, [1.0], role="mirror"), name="mirror")

    [(day, slot)] = DuckDbRequestFacts(tmp_path).slots("m", (TODAY,), slot_minutes=60)

    assert day == TODAY
    assert (slot.requests, slot.errors, slot.injected) == (4, 2, 1)
    assert sum(n for _, n in slot.buckets) == 2
    assert slot.start == datetime(2031, 3, 31, tzinfo=UTC)


def test_reviews_are_counted_by_reason_and_corrections_carry_codes_only(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"prediction_id": ["a", "b", "c"], "version": "3", "reviewed_at": at(TODAY, 3), "reviewer": "r-7",
         "decision": [1.0, 0.0, 1.0], "predicted": [0.25, 0.1, 0.9], "corrected": [True, False, True],
         "reason_code": ["CODING", None, None]}
    )  # fmt: skip
    write(tmp_path, "reviews", "m", TODAY, frame)

    days, corrections = DuckDbReviewFacts(tmp_path).reviews("m", (TODAY,))

    assert sum(day.reviewed for day in days) == 3
    assert {day.reason_code: day.corrected for day in days} == {"CODING": 1, "": 1}
    assert [(item.prediction_id, item.reviewer, item.reason_code) for _, item in corrections] == [
        ("a", "r-7", "CODING"),
        ("c", "r-7", ""),
    ]


def test_use_adds_up_over_files_while_bytes_are_what_lay_there_at_the_end(tmp_path: Path) -> None:
    for name, seconds, stored in (("one", 10.0, 100), ("two", 5.0, 150)):
        frame = pd.DataFrame(
            {"model": ["m"], "version": ["3"], "component": ["serving"], "day": [TODAY], "cpu_seconds": [seconds],
             "bytes": [stored], "wall_seconds": [1.0]}
        )  # fmt: skip
        write(tmp_path, "usage", "m", TODAY, frame, name=name)

    [day] = DuckDbUsageFacts(tmp_path).usage("m", (TODAY,))

    assert (day.cpu_seconds, day.bytes, day.wall_seconds) == (15.0, 150, 2.0)


def test_a_missing_folder_is_an_empty_answer(tmp_path: Path) -> None:
    nowhere = tmp_path / "never made"

    assert DuckDbMonitoringFacts(nowhere).partitions() == ()
    assert DuckDbMonitoringFacts(nowhere).labelled_on("m", (TODAY,)) == ()
    assert DuckDbMonitoringFacts(nowhere).job_runs("m", (TODAY,)) == ()
    assert DuckDbRequestFacts(nowhere).slots("m", (TODAY,), slot_minutes=60) == ()
    assert DuckDbReviewFacts(nowhere).reviews("m", (TODAY,)) == ((), ())
    assert DuckDbUsageFacts(nowhere).usage("m", (TODAY,)) == ()


def test_unfinished_files_and_strange_folders_are_not_read(tmp_path: Path) -> None:
    file = write(tmp_path, "requests", "m", TODAY, requests(TODAY, [1.0]))
    (file.parent / ".half.parquet").write_bytes(b"half")
    (file.parent / "part-1.parquet.tmp").write_bytes(b"half")
    (file.parent.parent / "date=yesterday").mkdir()

    [partition] = DuckDbRequestFacts(tmp_path).partitions()

    assert (partition.owner, partition.day) == ("m", TODAY)
    assert len(DuckDbRequestFacts(tmp_path).slots("m", (TODAY,), slot_minutes=60)) == 1


def test_a_changed_file_changes_the_fingerprint(tmp_path: Path) -> None:
    facts = DuckDbRequestFacts(tmp_path)
    write(tmp_path, "requests", "m", TODAY, requests(TODAY, [1.0]))
    [before] = facts.partitions()
    write(tmp_path, "requests", "m", TODAY, requests(TODAY, [1.0, 2.0]))
    [after] = facts.partitions()

    assert before.fingerprint != after.fingerprint


def test_a_broken_file_is_telemetry_unavailable(tmp_path: Path) -> None:
    write(tmp_path, "requests", "m", TODAY, requests(TODAY, [1.0])).write_bytes(b"not parquet at all")

    with pytest.raises(TelemetryUnavailableError, match="requests to m"):
        DuckDbRequestFacts(tmp_path).slots("m", (TODAY,), slot_minutes=60)


def _errors(kind: type[BaseException]) -> list[type[BaseException]]:
    return [kind, *(error for below in kind.__subclasses__() for error in _errors(below))]


@pytest.mark.parametrize("kind", _errors(duckdb.Error))
def test_every_error_of_the_engine_is_translated(kind: type[Exception]) -> None:
    with pytest.raises(TelemetryUnavailableError), warehouse.asking("anything"):
        raise kind("broken")


def test_recorded_facts_give_the_same_figures_on_every_governance_database(database_url: str, tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    write_reference(tmp_path, "m", pd.DataFrame({"x": random.normal(0, 1, 2000), "score": random.random(2000)}))
    day = date(2031, 3, 29)
    frame = predictions(day, pd.DataFrame({"x": random.normal(1, 1, 400)}), random.random(400))
    write(tmp_path, "predictions", "m", day, frame)
    write(tmp_path, "labels", "m", day, labels(frame, (frame["score"] > 0.5).astype(float)))
    write(tmp_path, "requests", "m", day, requests(day, np.full(400, 50.0)))
    database = with_tables(Database(database_url))
    catalog, clock = ACatalog(a_model()), FrozenClock(NOON)
    monitoring = MonitoringService(
        facts=DuckDbMonitoringFacts(tmp_path), store=SqlMonitoring(database), catalog=catalog, clock=clock
    )
    reliability = ReliabilityService(
        facts=DuckDbRequestFacts(tmp_path), store=SqlReliability(database), catalog=catalog, clock=clock
    )

    assert (monitoring.refresh(), reliability.refresh()) == (2, 1)
    assert (monitoring.refresh(), reliability.refresh()) == (0, 0)
    drift, level = monitoring.drift("m"), reliability.sla("m")

    assert (drift.signal.state, drift.signal.n) == (Health.WATCH, 400)
    assert drift.features[0].state is Health.BREACH
    assert (level.latency.state, level.latency.n) == (Health.HEALTHY, 400)
    assert monitoring.performance("m").points[-1].value == pytest.approx(1.0)
    assert SqlValue(database).predictions("m", day, day) == {day: 400}
    assert SqlValue(database).referrals("m", day, day, 0.5).hits == int((frame["score"] > 0.5).sum())
    database.dispose()


def test_days_are_read_in_any_order_of_request(tmp_path: Path) -> None:
    days = [date(2031, 3, day) for day in (1, 2, 3)]
    for day in days:
        write(tmp_path, "requests", "m", day, requests(day, [1.0]))

    found = DuckDbRequestFacts(tmp_path).slots("m", tuple(reversed(days)), slot_minutes=60)

    assert [day for day, _ in found] == days
