"""From JSON lines to Parquet: nothing lost, nothing doubled, whatever happens in between."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from services.adapters.local import inference_log
from services.adapters.local.gateway.journal import Journal, closed_segments
from services.adapters.local.inference_log import append_rows, compact, day_file
from services.adapters.local.late_facts import Usage, write_evaluation, write_usage
from services.adapters.warehouse.value import DuckDbUsageFacts

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
TODAY = NOON.date()


def a_line(number: int, *, at: datetime = NOON, **given: Any) -> bytes:
    line = {
        "request": f"req-{number}",
        "deployment": "score",
        "kind": "realtime",
        "version": "3",
        "role": "live",
        "generation": 7,
        "event_at": at.isoformat(),
        "logged_at": NOON.isoformat(),
        "status": 200,
        "error": "",
        "ms": 4.5,
        "rows": 2,
        "injected": "",
        "ids": [f"p{number}-0", f"p{number}-1"],
        "entities": ["N1", "N2"],
        "scores": [0.25, 0.75],
        "body": {"dataframe_split": {"columns": ["distance", "origin"], "data": [[529, "EWR"], [None, "JFK"]]}},
    }
    return json.dumps({**line, **given}).encode() + b"\n"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def read(inference: Path, kind: str, day: date = TODAY) -> pd.DataFrame:
    return pq.read_table(day_file(inference, kind, "score", day), partitioning=None).to_pandas()


def test_requests_and_predictions_are_filed_by_their_own_day(journal: Journal, tmp_path: Path) -> None:
    journal.append(a_line(1) + a_line(2, at=NOON + timedelta(days=1)))
    journal.rotate()

    assert compact(tmp_path / "journal", tmp_path / "facts") == 6

    requests, predictions = read(tmp_path / "facts", "requests"), read(tmp_path / "facts", "predictions")
    assert requests["request_id"].tolist() == ["req-1"]
    assert requests[["status", "latency_ms", "rows", "generation"]].iloc[0].tolist() == [200, 4.5, 2, 7]
    assert predictions["prediction_id"].tolist() == ["p1-0", "p1-1"]
    assert predictions["score"].tolist() == [0.25, 0.75]
    assert predictions["origin"].tolist() == ["EWR", "JFK"]
    assert predictions["distance"].isna().tolist() == [False, True]
    assert str(predictions["event_at"].dtype) == "datetime64[us, UTC]"
    assert closed_segments(tmp_path / "journal") == ()


def test_the_segment_being_written_is_left_alone(journal: Journal, tmp_path: Path) -> None:
    journal.append(a_line(1))

    assert compact(tmp_path / "journal", tmp_path / "facts") == 0
    assert len(journal.rotate()) == 1


def test_segments_of_a_killed_gateway_are_closed_at_the_next_start(journal: Journal, tmp_path: Path) -> None:
    journal.append(a_line(1) + a_line(2)[:50])

    Journal(tmp_path / "journal")

    assert compact(tmp_path / "journal", tmp_path / "facts") == 3
    assert not (tmp_path / "journal" / "damaged.jsonl").exists()


def test_a_damaged_line_is_set_aside_and_the_others_are_kept(journal: Journal, tmp_path: Path) -> None:
    journal.append(a_line(1) + b'{"request": \n' + a_line(2))
    journal.rotate()

    assert compact(tmp_path / "journal", tmp_path / "facts") == 6
    assert (tmp_path / "journal" / "damaged.jsonl").read_bytes() == b'{"request": \n'


def test_a_crash_at_any_file_neither_loses_nor_doubles_a_row(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = 6
    for number in range(days):
        journal.append(a_line(number, at=NOON + timedelta(days=number)))
    journal.rotate()
    whole = inference_log._add
    for crash_at in range(2 * days):
        calls = 0

        def fails(part: Any, *, source: str, crash_at: int = crash_at) -> int:
            nonlocal calls
            calls += 1
            if calls > crash_at:
                raise OSError("the power went out")
            return whole(part, source=source)

        monkeypatch.setattr(inference_log, "_add", fails)
        with pytest.raises(OSError, match="power"):
            compact(tmp_path / "journal", tmp_path / "facts")
    monkeypatch.setattr(inference_log, "_add", whole)

    compact(tmp_path / "journal", tmp_path / "facts")
    compact(tmp_path / "journal", tmp_path / "facts")

    for number in range(days):
        day = (NOON + timedelta(days=number)).date()
        assert read(tmp_path / "facts", "requests", day)["request_id"].tolist() == [f"req-{number}"]
        assert len(read(tmp_path / "facts", "predictions", day)) == 2


def test_a_request_sent_again_with_the_same_id_is_one_request(journal: Journal, tmp_path: Path) -> None:
    for _ in range(2):
        journal.append(a_line(1))
        journal.rotate()
        compact(tmp_path / "journal", tmp_path / "facts")

    assert len(read(tmp_path / "facts", "requests")) == 1
    assert len(read(tmp_path / "facts", "predictions")) == 2


def test_live_and_mirrored_answers_of_one_request_are_both_kept(journal: Journal, tmp_path: Path) -> None:
    journal.append(a_line(1) + a_line(1, version="4", role="mirror"))
    journal.rotate()

    compact(tmp_path / "journal", tmp_path / "facts")

    assert sorted(read(tmp_path / "facts", "requests")["role"]) == ["live", "mirror"]


def test_batch_answers_are_predictions_but_no_requests(journal: Journal, tmp_path: Path) -> None:
    journal.append(a_line(1, kind="batch"))
    journal.rotate()

    assert compact(tmp_path / "journal", tmp_path / "facts") == 2
    assert not (tmp_path / "facts" / "requests").exists()


def test_failed_requests_have_no_predictions(journal: Journal, tmp_path: Path) -> None:
    failed = json.loads(a_line(1, status=503, error="Failed on purpose", injected="rehearsal"))
    for name in ("ids", "entities", "scores"):
        del failed[name]
    journal.append(json.dumps(failed).encode() + b"\n")
    journal.rotate()

    assert compact(tmp_path / "journal", tmp_path / "facts") == 1
    assert read(tmp_path / "facts", "requests")["injected"].tolist() == ["rehearsal"]


def test_columns_that_only_some_rows_have_are_empty_elsewhere(journal: Journal, tmp_path: Path) -> None:
    journal.append(a_line(1) + a_line(2, body={"dataframe_records": [{"distance": 1.5, "humid": 40}, {"humid": 50}]}))
    journal.rotate()

    compact(tmp_path / "journal", tmp_path / "facts")

    rows = read(tmp_path / "facts", "predictions")
    assert rows["humid"].isna().tolist() == [True, True, False, False]
    assert rows["origin"].isna().tolist() == [False, False, True, True]


def test_late_facts_are_added_once_per_source_and_key(tmp_path: Path) -> None:
    labels = pd.DataFrame(
        {"prediction_id": ["a", "b"], "arrived_at": [NOON, NOON + timedelta(days=1)], "label": [1.0, 0.0]}
    )

    def write(source: str) -> int:
        return append_rows(
            tmp_path, "labels", "score", labels, day_column="arrived_at", source=source, keys=("prediction_id",)
        )

    assert write("first") == 2
    assert write("first") == 0
    assert write("second") == 0
    assert read(tmp_path, "labels")["prediction_id"].tolist() == ["a"]


def test_an_evaluation_is_counted_once_however_much_is_written_beside_it(tmp_path: Path) -> None:
    day = date(2030, 1, 16)
    use = Usage(model="m", version="3", component="serving", day=day, cpu_seconds=1.0, bytes=0, wall_seconds=1.0)
    evaluation = replace(use, component="evaluation", cpu_seconds=5.0)

    write_usage(tmp_path, [use], source="before")
    assert write_evaluation(tmp_path, evaluation, attempt="eva-1:a") == 1
    for number in range(210):  # a day's file does not remember its oldest sources
        write_usage(tmp_path, [use], source=f"kept {number}")
    assert write_evaluation(tmp_path, evaluation, attempt="eva-1:a") == 0
    assert write_evaluation(tmp_path, evaluation, attempt="eva-1:b") == 1

    found = {row.component: row.cpu_seconds for row in DuckDbUsageFacts(tmp_path).usage("m", (day,))}
    assert found == {"serving": 211.0, "evaluation": 10.0}


def test_rows_without_a_day_are_a_mistake_not_a_guess(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="days or times"):
        append_rows(tmp_path, "usage", "score", pd.DataFrame({"day": ["monday"]}), day_column="day", source="x")
