"""Single answers of an inference table: what a correction is about, and what an auditor looks up."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.adapters.warehouse.corrections import ReviewParquet
from services.adapters.warehouse.payload_answers import IDS_AT_ONCE, LONGEST, PayloadAnswers, RoutedPredictionLog
from services.adapters.warehouse.payload_tables import UNKNOWN, ServedVersions
from services.adapters.warehouse.predictions import DuckDbPredictionLog
from services.feedback.corrections import Batch, Made, Reviewed, Via
from services.kernel.errors import TelemetryUnavailableError
from tests.contract.payload_log import ENTITIES, MODEL, NOON, TABLE, PayloadLog, hostile, row
from tests.contract.spark_warehouse import a_spark


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if shutil.which("java") is None and not os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
        pytest.skip("Spark needs a Java runtime")
    with a_spark() as session:
        yield session


@pytest.fixture(params=["DuckDB", "Spark"])
def log(request: pytest.FixtureRequest) -> PayloadLog:
    session = request.getfixturevalue("spark") if request.param == "Spark" else None
    return PayloadLog(request.param, session)


@pytest.fixture
def duck() -> PayloadLog:
    return PayloadLog("DuckDB")


def answers(log: PayloadLog) -> PayloadAnswers:
    return PayloadAnswers(log.warehouse, TABLE, versions=ServedVersions(table=ENTITIES), today=NOON.date)


def test_an_answer_is_found_by_the_id_of_the_caller_or_of_the_platform(log: PayloadLog) -> None:
    log.write([row(1, response='{"predictions": [0.25]}', client_request_id="claim's 7"), row(2)])

    found = answers(log).made(["claim's 7", "r2", "r3", ""])

    assert found == {
        "claim's 7": Made(version="3", score=0.25, at=NOON), "r2": Made(version="3", score=0.5, at=NOON),
    }  # fmt: skip


def test_what_is_no_single_answer_to_a_caller_is_not_found(log: PayloadLog) -> None:
    log.write(hostile())
    ids = [*(f"r{number}" for number in range(1, 15)), "countersign-probe-ab12", "c12"]

    found = answers(log).made(ids)

    # Not found: several predictions (1, 10, 11) or none (12), failed (4, 5, 6), ours (7, 8), on no day (14).
    assert set(found) == {"r2", "r3", "r9", "r13"}
    assert {ident: item.score for ident, item in found.items()} == dict.fromkeys(found)
    assert found["r9"].version == UNKNOWN


def test_of_two_answers_under_one_id_of_a_caller_the_newest_counts(duck: PayloadLog) -> None:
    later = NOON + timedelta(minutes=1)
    duck.write([row(1, client_request_id="c", at=later, served_entity_id="se2"), row(2, client_request_id="c")])

    assert answers(duck).made(["c"])["c"] == Made(version="4", score=0.5, at=later)


def test_many_ids_are_asked_for_in_parts_and_only_in_the_last_months(duck: PayloadLog) -> None:
    duck.write([row(1), row(2, at=NOON - LONGEST - timedelta(days=1))])

    found = answers(duck).made([f"r{number}" for number in range(2 * IDS_AT_ONCE + 1)])

    assert set(found) == {"r1"}
    assert len(duck.duck.asked) == 3


def test_a_table_that_does_not_answer_finds_nothing_out(duck: PayloadLog) -> None:
    duck.duck.down = "no answer"

    with pytest.raises(TelemetryUnavailableError, match="no answer"):
        answers(duck).made(["r1"])


def test_reviews_are_kept_here_and_counted_by_the_day_of_the_answer(duck: PayloadLog, tmp_path: Path) -> None:
    duck.write([row(1, at=NOON - timedelta(days=9)), row(2), row(3)])
    reviews = ReviewParquet(tmp_path, elsewhere={MODEL: answers(duck).made})
    batch = Batch(
        id="b1", model=MODEL, via=Via.FORM, name="", rows=3, corrected=1, sha256="0" * 64, at=NOON, by_issuer="local",
        by_subject="dana", by_name="Dana", seq=1, leaf_hash="0" * 64,
    )  # fmt: skip
    rows = [
        Reviewed(
            prediction_id=ident, version="3", predicted=0.5, predicted_at=NOON, value=1.0 if corrected else None,
            corrected=corrected, reason_code="WRONG-OUTCOME" if corrected else "CONFIRMED", reviewer="rev-1",
            reviewed_at=NOON,
        )
        for ident, corrected in (("r1", True), ("r2", False), ("nobody's", False))
    ]  # fmt: skip
    reviews.publish(batch, rows)

    found = reviews.cohorts(MODEL, (NOON.date(),), (("carrier", ("UA",)),))

    assert [(item.predicted_day, item.version, item.slice_key, item.reviewed, item.corrected) for item in found] == [
        (NOON.date() - timedelta(days=9), "3", "", 1, 1), (NOON.date(), "3", "", 1, 0),
    ]  # fmt: skip
    assert reviews.reviewed(MODEL, ["r1", "r3"]) == frozenset({"r1"})
    assert reviews.cohorts(MODEL, (date(2031, 1, 1),), ()) == ()


def test_one_prediction_is_looked_up_in_the_table_of_its_model(duck: PayloadLog, tmp_path: Path) -> None:
    duck.write([row(1, client_request_id="c")])
    found = RoutedPredictionLog(DuckDbPredictionLog(tmp_path), {MODEL: answers(duck)})

    [fact] = found.find("c")

    assert (fact.model, fact.version, fact.role, fact.event_at, fact.score) == (MODEL, "3", "live", NOON, 0.5)
    assert found.find("c", model="another") == ()
    assert found.days("predictions") == (0, None)
