"""The file of last good scores: written from the log by the warehouse, read by the endpoint, replaced as a whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.adapters.local.gateway.stored import StoredScores
from services.adapters.warehouse.last_scores import LastScores
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, at, write

NOW = datetime(2031, 4, 1, 6, tzinfo=UTC)


def scored(**columns: object) -> pd.DataFrame:
    n = len(columns["entity"])  # type: ignore[arg-type]
    facts = {
        "prediction_id": [f"p{number}" for number in range(n)],
        "request_id": [f"r{number}" for number in range(n)],
        "version": "1",
        "role": "live",
        "event_at": at(TODAY, n),
        "score": np.arange(n) / 10,
    }
    return pd.DataFrame(facts | columns)


@pytest.fixture
def shelf(tmp_path: Path) -> LastScores:
    return LastScores(tmp_path / "inference", tmp_path / "scores")


@pytest.fixture
def stored(tmp_path: Path) -> StoredScores:
    return StoredScores(tmp_path / "scores")


def log(tmp_path: Path, frame: pd.DataFrame, *, day: object = TODAY, name: str = "rows") -> None:
    write(tmp_path / "inference", "predictions", "m", day, frame, name=name)  # type: ignore[arg-type]


def test_each_entity_has_its_newest_score_with_version_and_time(
    tmp_path: Path, shelf: LastScores, stored: StoredScores
) -> None:
    log(tmp_path, scored(entity=["a", "b", "a"], version=["1", "1", "2"]))

    assert shelf.write("m", ("1", "2"), now=NOW) == 2

    newest, other, unknown = stored.find("m", ("a", "b", "nobody"))
    assert newest is not None
    assert other is not None
    assert (newest.score, newest.version, newest.scored_at) == (0.2, "2", at(TODAY, 3)[2])
    assert (other.score, other.version) == (0.1, "1")
    assert unknown is None


def test_only_answers_of_named_versions_to_callers_count(
    tmp_path: Path, shelf: LastScores, stored: StoredScores
) -> None:
    log(
        tmp_path,
        scored(
            entity=["a", "a", "a", "a", ""],
            version=["1", "2", "3", "1", "1"],
            role=["live", "mirror", "live", "stored", "live"],
        ),
    )

    assert shelf.write("m", ("1", "2"), now=NOW) == 1
    [found] = stored.find("m", ("a",))
    assert found is not None
    assert (found.score, found.version) == (0.0, "1")


def test_without_a_file_or_a_version_nothing_is_known(tmp_path: Path, shelf: LastScores, stored: StoredScores) -> None:
    assert stored.find("m", ("a",)) == [None]
    assert stored.stock("m") is None

    log(tmp_path, scored(entity=["a"]))

    assert shelf.write("m", (), now=NOW) == 0
    assert stored.find("m", ("a",)) == [None]


def test_a_reader_sees_the_new_file_without_being_told(tmp_path: Path, shelf: LastScores, stored: StoredScores) -> None:
    log(tmp_path, scored(entity=["a"]))
    shelf.write("m", ("1",), now=NOW)
    stored.find("m", ("a",))
    log(tmp_path, scored(entity=["a"], score=[0.9], event_at=[NOON]), name="more")

    shelf.write("m", ("1",), now=NOW + timedelta(minutes=5))

    [found] = stored.find("m", ("a",))
    stock = stored.stock("m")
    assert found is not None
    assert stock is not None
    assert found.score == 0.9
    assert (stock.entities, stock.newest, stock.written_at) == (1, NOON, NOW + timedelta(minutes=5))


def test_nothing_is_written_again_while_nothing_changed(
    tmp_path: Path, shelf: LastScores, stored: StoredScores
) -> None:
    log(tmp_path, scored(entity=["a", "b"]))
    shelf.write("m", ("1",), now=NOW)

    assert shelf.write("m", ("1",), now=NOW + timedelta(hours=1)) == 2

    stock = stored.stock("m")
    assert stock is not None
    assert stock.written_at == NOW


def test_a_version_that_was_taken_back_loses_its_scores(
    tmp_path: Path, shelf: LastScores, stored: StoredScores
) -> None:
    log(tmp_path, scored(entity=["a", "a"], version=["1", "2"]))
    shelf.write("m", ("1", "2"), now=NOW)

    shelf.write("m", ("1",), now=NOW)

    [found] = stored.find("m", ("a",))
    assert found is not None
    assert found.version == "1"


def test_a_damaged_file_is_an_error_for_the_reader_and_written_anew(
    tmp_path: Path, shelf: LastScores, stored: StoredScores
) -> None:
    log(tmp_path, scored(entity=["a"]))
    shelf.write("m", ("1",), now=NOW)
    (file,) = (tmp_path / "scores").glob("*.scores")
    file.write_bytes(b"no database, whatever its name says" * 100)

    assert stored.stock("m") is None
    with pytest.raises(OSError, match="cannot be read"):
        stored.find("m", ("a",))
    assert shelf.write("m", ("1",), now=NOW) == 1
    assert stored.find("m", ("a",))[0] is not None
