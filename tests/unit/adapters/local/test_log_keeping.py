"""Where callers send the requests: what the endpoint answered becomes facts, once; its computing time is counted."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from services import container
from services.adapters.local import late_facts
from services.adapters.local.gateway.journal import Journal
from services.adapters.local.inference_log import day_file
from services.adapters.local.log_keeping import EVERY, USAGE_EVERY, LogKeeper
from services.adapters.local.serving import ScoringProcess
from services.kernel.clock import FrozenClock
from services.kernel.errors import ServingUnavailableError
from services.settings import Profile, Settings

NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)


class AnEndpoint:
    """Its journal is real; what its processes used is said by the test."""

    def __init__(self, journal: Path) -> None:
        self._journal = Journal(journal)
        self.used = {"score": 10.0, "nightly": 4.0}
        self.away = False

    def answer(self, number: int) -> None:
        line = {
            "request": f"r{number}", "deployment": "score", "kind": "realtime", "version": "1", "role": "live",
            "generation": 1, "event_at": NOON.isoformat(), "logged_at": NOON.isoformat(), "status": 200, "error": "",
            "ms": 10.0, "rows": 1, "injected": "", "ids": [f"p{number}"], "entities": ["e"], "scores": [0.5],
            "body": {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}},
        }  # fmt: skip
        self._journal.append(json.dumps(line).encode() + b"\n")

    def rotate_journal(self) -> tuple[Path, ...]:
        if self.away:
            raise ServingUnavailableError("The local endpoint is not reachable.")
        return self._journal.rotate()

    def processes(self) -> tuple[ScoringProcess, ...]:
        return tuple(
            ScoringProcess(
                deployment=name, version="1", state="ready", pid=number, cpu_seconds=used, model_bytes=1000, reason=""
            )
            for number, (name, used) in enumerate(self.used.items(), start=1)
        )

    def kinds(self) -> dict[str, str]:
        return {"score": "realtime", "nightly": "batch"}


@pytest.fixture
def endpoint(tmp_path: Path) -> AnEndpoint:
    return AnEndpoint(tmp_path / "serving" / "journal")


@pytest.fixture
def keeper(endpoint: AnEndpoint, tmp_path: Path) -> LogKeeper:
    return LogKeeper(endpoint, journal=tmp_path / "serving" / "journal", inference=tmp_path / "inference")


def facts(folder: Path, kind: str, model: str) -> pd.DataFrame:
    return pq.read_table(day_file(folder / "inference", kind, model, NOON.date()), partitioning=None).to_pandas()


def test_what_was_answered_is_a_fact_after_the_next_turn_and_only_once(
    endpoint: AnEndpoint, keeper: LogKeeper, tmp_path: Path
) -> None:
    endpoint.answer(1)
    assert keeper.tick(NOON) == 2, "one request and one prediction"

    endpoint.answer(2)
    assert keeper.tick(NOON + timedelta(seconds=1)) == 0, "not its turn yet"
    assert keeper.tick(NOON + EVERY) == 2
    assert facts(tmp_path, "requests", "score")["request_id"].tolist() == ["r1", "r2"]


def test_nothing_is_lost_while_the_endpoint_is_away(endpoint: AnEndpoint, keeper: LogKeeper) -> None:
    endpoint.answer(1)
    endpoint.away = True
    with pytest.raises(ServingUnavailableError):
        keeper.tick(NOON)

    endpoint.away = False
    assert keeper.tick(NOON) == 2


def test_computing_time_is_counted_from_the_first_look_on_for_each_kind(
    endpoint: AnEndpoint, keeper: LogKeeper, tmp_path: Path
) -> None:
    """What a process used before this worker came has been written by the one before."""
    keeper.tick(NOON)
    endpoint.used = {"score": 13.5, "nightly": 4.0}
    keeper.tick(NOON + USAGE_EVERY)

    score, lies = facts(tmp_path, "usage", "score").to_dict("records")
    assert (score["cpu_seconds"], score["component"], score["wall_seconds"]) == (3.5, "serving", 60.0)
    assert (lies["component"], lies["version"], lies["cpu_seconds"]) == ("storage", "", 0.0)
    nightly, _ = facts(tmp_path, "usage", "nightly").to_dict("records")
    assert (nightly["cpu_seconds"], nightly["component"]) == (0.0, "batch")


def test_stored_bytes_are_all_that_lies_there_and_not_the_log_of_one_day(tmp_path: Path) -> None:
    for day, kind, size in (
        ("2031-03-29", "requests", 40),
        ("2031-03-30", "reviews", 300),
        ("2031-04-01", "labels", 9),
    ):
        owner = "deployment" if kind == "requests" else "model"
        file = tmp_path / kind / f"{owner}=score" / f"date={day}" / "part.parquet"
        file.parent.mkdir(parents=True)
        file.write_bytes(bytes(size))

    found = late_facts.storage(tmp_path, "score", date(2031, 3, 31), models=1_000)

    assert (found.bytes, found.version, found.component) == (1_340, "", "storage")


def test_an_endpoint_of_another_machine_is_left_alone(endpoint: AnEndpoint, tmp_path: Path) -> None:
    endpoint.away = True
    assert LogKeeper(endpoint, journal=tmp_path / "nothing", inference=tmp_path / "inference").tick(NOON) == 0


@pytest.mark.parametrize(
    ("profile", "serving_url", "hears"),
    [
        (Profile.EMBEDDED, "", True),
        (Profile.MLFLOW, "http://127.0.0.1:9", True),
        (Profile.MLFLOW, "", False),
        (Profile.DATABRICKS, "http://127.0.0.1:9", False),
    ],
)
def test_a_release_hears_the_journal_wherever_the_endpoint_is_ours(
    tmp_path: Path, profile: Profile, serving_url: str, *, hears: bool
) -> None:
    """Else it would wait for files that are written seconds later, or take silence for health."""
    settings = Settings(home=tmp_path, profile=profile, serving_url=serving_url)
    Journal(tmp_path / "serving" / "journal").beat(NOON)

    found = container._telemetry(settings, FrozenClock(NOON)).since("score", NOON, tick_seconds=15)

    assert found.watermark == (NOON if hears else None)
