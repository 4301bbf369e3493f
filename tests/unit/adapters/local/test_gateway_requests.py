"""What the gateway makes of headers, bodies and answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from services.adapters.local.gateway.request import read_envelope, read_scoring, scores_of
from services.adapters.local.gateway.table import RefusedError

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


def test_ids_and_entities_are_taken_out_before_the_model_sees_the_body() -> None:
    body = {"dataframe_split": {"columns": ["x"], "data": [[1], [2]]}, "prediction_ids": ["a", "b"], "entities": [7, 8]}

    scoring = read_scoring(json.dumps(body).encode(), "req-1")

    assert json.loads(scoring.body) == {"dataframe_split": {"columns": ["x"], "data": [[1], [2]]}}
    assert (scoring.ids, scoring.entities, scoring.rows) == (("a", "b"), ("7", "8"), 2)


def test_rows_without_ids_are_named_after_the_request() -> None:
    scoring = read_scoring(b'{"dataframe_records": [{"x": 1}, {"x": 2}]}', "req-1")

    assert scoring.ids == ("req-1-0", "req-1-1")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"{}", b'{"dataframe_split": 3}', b'{"inputs": [1]}'])
def test_a_body_that_is_not_understood_is_refused_with_the_way_to_write_it(body: bytes) -> None:
    with pytest.raises(RefusedError, match="dataframe_split") as refused:
        read_scoring(body, "req-1")
    assert refused.value.status == 400


def test_ids_that_do_not_fit_the_rows_are_refused() -> None:
    with pytest.raises(RefusedError, match="prediction_ids"):
        read_scoring(b'{"dataframe_records": [{"x": 1}], "prediction_ids": ["a", "b"]}', "req-1")


@pytest.mark.parametrize("header", ["x-countersign-probe", "x-countersign-event-at", "x-countersign-request"])
def test_a_header_that_changes_the_log_needs_the_token(header: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read_envelope({header: "2030-01-01T00:00:00+00:00"}, is_admin=False, now=NOW)
    assert refused.value.status == 403


def test_the_event_time_must_name_its_zone() -> None:
    with pytest.raises(RefusedError, match="time zone"):
        read_envelope({"x-countersign-event-at": "2030-01-01T00:00:00"}, is_admin=True, now=NOW)


def test_the_split_follows_the_entity_and_otherwise_the_request() -> None:
    named = read_envelope({"x-countersign-entity": "N14228"}, is_admin=False, now=NOW)
    unnamed = read_envelope({}, is_admin=False, now=NOW)

    assert named.key == "N14228"
    assert unnamed.key == unnamed.request_id
    assert unnamed.event_at == NOW


@pytest.mark.parametrize(
    ("predictions", "scores"),
    [
        ([0.2, 1], [0.2, 1.0]),
        ([[0.8, 0.2]], [0.2]),
        ([{"score": 0.4, "why": "x"}], [0.4]),
        ([{"p0": 1, "p1": 0}], [0.0]),
    ],
)
def test_the_positive_class_is_the_score(predictions: list[object], scores: list[float]) -> None:
    assert scores_of(json.dumps({"predictions": predictions}).encode()) == scores


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b'{"predictions": 3}', b'{"predictions": [[]]}', b'{"predictions": ["a"]}']
)
def test_an_answer_without_numbers_is_not_taken_for_one(answer: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the promise
        scores_of(answer)
