"""What a release asks of a real gateway: copies, modes, stand-ins and figures, with processes that crash and stall."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from services.adapters.local.inference_log import append_rows
from services.adapters.warehouse.last_scores import LastScores
from tests.fakes.endpoint import BODY, TestEndpoint, an_endpoint, wait_until
from tests.fakes.tiny_models import register_versions

ONE = {"dataframe_split": {"columns": ["x", "city"], "data": [[1.0, "EWR"]]}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEndpoint]:
    folder = tmp_path_factory.mktemp("models")
    register_versions(folder, "score", (0.0, 100.0))
    store = register_versions(folder, "triage_batch", (0.0, 100.0))
    with an_endpoint(tmp_path_factory.mktemp("shared"), store, "score", "triage_batch") as running:
        running.load("score", "1", "2")
        running.load("triage_batch", "1", "2")
        running.route("triage_batch", ("1", 100))
        yield running


@pytest.fixture
def endpoint(shared: TestEndpoint) -> TestEndpoint:
    """Version 1 answers everything, version 2 is loaded, no copies, no fault, nothing logged."""
    for version in ("1", "2"):
        shared.serving.clear_fault("score", version)
    shared.load("score", "1", "2")
    for name in ("score", "triage_batch"):
        mirror(shared, name, None)
        mode(shared, name, "live")
        shared.route(name, ("1", 100))
    for segment in shared.serving.rotate_journal():
        segment.unlink()
    return shared


def mirror(endpoint: TestEndpoint, name: str, version: str | None) -> None:
    known = endpoint.serving.observe(name).generation
    endpoint.serving.set_mirror(name, version, 100 if version else 0, expect_generation=known, op=f"mirror-{known}")


def mode(endpoint: TestEndpoint, name: str, wanted: str) -> None:
    known = endpoint.serving.observe(name).generation
    endpoint.serving.set_mode(name, wanted, expect_generation=known, op=f"mode-{known}")


def lines(endpoint: TestEndpoint, role: str) -> list[dict[str, Any]]:
    return [line for line in endpoint.logged() if line["role"] == role]


def dropped(endpoint: TestEndpoint, why: str, name: str = "score") -> int:
    return int(endpoint.http.get(f"/endpoints/{name}").json()["copies"]["dropped"].get(why, 0))


def pid_of(endpoint: TestEndpoint, name: str, version: str) -> int:
    found = {(item.deployment, item.version): item.pid for item in endpoint.serving.processes()}
    pid = found[name, version]
    assert pid is not None
    return pid


# Copies


def test_a_copy_is_a_pair_of_the_answer_the_caller_got(endpoint: TestEndpoint) -> None:
    mirror(endpoint, "score", "2")

    answer = endpoint.ask("score", {**BODY, "prediction_ids": ["a", "b"]})

    wait_until(lambda: lines(endpoint, "mirror"))
    assert answer.json() == {"predictions": [1.0, 2.0]}
    [live], [copy] = lines(endpoint, "live"), lines(endpoint, "mirror")
    assert (live["request"], live["ids"]) == (copy["request"], copy["ids"])
    assert (live["version"], live["scores"], copy["version"], copy["scores"]) == ("1", [1, 2], "2", [101, 102])


def test_a_copied_version_that_stalls_delays_nobody_and_its_copies_are_given_up(endpoint: TestEndpoint) -> None:
    mirror(endpoint, "score", "2")
    endpoint.serving.inject_fault("score", "2", label="stall", latency_ms=60_000)
    before = dropped(endpoint, "late")

    answers = [endpoint.ask("score") for _ in range(5)]

    # None of the answers waited for a copy: they were all there before the first copy was given up.
    assert dropped(endpoint, "late") == before
    assert {answer.status_code for answer in answers} == {200}
    wait_until(lambda: dropped(endpoint, "late") == before + 5)
    assert {(line["version"], line["status"]) for line in lines(endpoint, "dropped")} == {("2", 504)}
    assert {line["request"] for line in lines(endpoint, "dropped")} == {
        line["request"] for line in lines(endpoint, "live")
    }


def test_more_copies_than_there_is_room_for_are_dropped_and_counted(endpoint: TestEndpoint) -> None:
    mirror(endpoint, "score", "2")
    endpoint.serving.inject_fault("score", "2", label="stall", latency_ms=60_000)
    before = dropped(endpoint, "busy")

    answers = [endpoint.ask("score", ONE) for _ in range(80)]

    assert {answer.status_code for answer in answers} == {200}
    wait_until(lambda: len(lines(endpoint, "dropped")) == 80)
    busy = [line for line in lines(endpoint, "dropped") if line["status"] == 503]
    assert len(busy) == dropped(endpoint, "busy") - before


def test_a_copied_version_that_is_killed_hurts_no_caller(endpoint: TestEndpoint) -> None:
    mirror(endpoint, "score", "2")
    os.kill(pid_of(endpoint, "score", "2"), signal.SIGKILL)

    answers = [endpoint.ask("score") for _ in range(20)]

    assert [answer.status_code for answer in answers] == [200] * 20
    assert {answer.headers["X-Countersign-Version"] for answer in answers} == {"1"}
    wait_until(lambda: len(lines(endpoint, "mirror") + lines(endpoint, "dropped")) == 20)
    failed = [line for line in lines(endpoint, "mirror") if line["status"] != 200]
    assert failed or lines(endpoint, "dropped")


def test_an_injected_fault_acts_on_copies_and_labels_them(endpoint: TestEndpoint) -> None:
    mirror(endpoint, "score", "2")
    endpoint.serving.inject_fault("score", "2", label="rehearsal", error_rate=1.0)

    assert endpoint.ask("score").status_code == 200

    wait_until(lambda: lines(endpoint, "mirror"))
    [copy], [live] = lines(endpoint, "mirror"), lines(endpoint, "live")
    assert (copy["status"], copy["injected"]) == (503, "rehearsal")
    assert (live["status"], live["injected"]) == (200, "")


def test_a_batch_run_is_copied_to_a_version_that_is_loaded_for_it(endpoint: TestEndpoint) -> None:
    mirror(endpoint, "triage_batch", "2")
    process = psutil.Process(pid_of(endpoint, "triage_batch", "2"))
    process.kill()
    # A request that is sent before the endpoint noticed is broken off and, as any that was sent, not asked twice.
    wait_until(lambda: all((item.pid, item.state) != (process.pid, "ready") for item in endpoint.serving.processes()))

    answer = endpoint.ask("triage_batch", {**BODY, "prediction_ids": ["a", "b"]}, **endpoint.admin)

    assert answer.json() == {"predictions": [1.0, 2.0]}
    wait_until(lambda: lines(endpoint, "mirror") + lines(endpoint, "dropped"))
    [copy] = lines(endpoint, "mirror")
    assert (copy["kind"], copy["version"], copy["ids"], copy["scores"]) == ("batch", "2", ["a", "b"], [101, 102])


# Stand-ins


def test_a_canary_never_answers_for_the_version_it_is_compared_with(endpoint: TestEndpoint) -> None:
    endpoint.route("score", ("1", 50), ("2", 50))
    keys = [f"N{number}" for number in range(20)]
    owner = {key: answered_by(endpoint, key) for key in keys}
    os.kill(pid_of(endpoint, "score", "1"), signal.SIGKILL)

    after = {key: endpoint.ask("score", **{"X-Countersign-Entity": key}) for key in keys}

    assert {after[key].headers["X-Countersign-Version"] for key in keys if owner[key] == "1"} == {"1"}
    assert {after[key].status_code for key in keys if owner[key] == "2"} == {200}
    wait_until(lambda: "1" in endpoint.serving.observe("score").ready)
    assert endpoint.ask("score", **{"X-Countersign-Entity": keys[0]}).status_code == 200


def answered_by(endpoint: TestEndpoint, key: str) -> str:
    return endpoint.ask("score", **{"X-Countersign-Entity": key}).headers["X-Countersign-Version"]


# Modes


@pytest.fixture
def stocked(endpoint: TestEndpoint, tmp_path: Path) -> TestEndpoint:
    """Entities N1 and N2 were scored an hour ago by version 7."""
    at = datetime.now(UTC) - timedelta(hours=1)
    rows = pd.DataFrame(
        {"prediction_id": ["p1", "p2"], "request_id": ["r1", "r2"], "version": "7", "role": "live",
         "event_at": [at, at], "entity": ["N1", "N2"], "score": [0.25, 0.75]}
    )  # fmt: skip
    append_rows(tmp_path, "predictions", "score", rows, day_column="event_at", source="test")
    LastScores(tmp_path, endpoint.home / "serving" / "scores").write("score", ("7",), now=datetime.now(UTC))
    return endpoint


def test_in_batch_only_known_entities_get_their_last_score_with_its_age(stocked: TestEndpoint) -> None:
    mode(stocked, "score", "batch_only")

    answer = stocked.ask("score", {**BODY, "entities": ["N2", "N1"]})

    assert answer.status_code == 200
    assert answer.json()["predictions"] == [0.75, 0.25]
    assert answer.json()["versions"] == ["7", "7"]
    assert answer.headers["X-Countersign-Version"] == "7"
    assert answer.headers["X-Countersign-Mode"] == "batch_only"
    assert 3600 <= int(answer.headers["X-Countersign-Age-Seconds"]) < 7200
    [line] = stocked.logged()
    assert (line["role"], line["version"], line["scores"]) == ("stored", "7", [0.75, 0.25])


def test_in_batch_only_a_single_row_is_found_by_the_header_of_its_entity(stocked: TestEndpoint) -> None:
    mode(stocked, "score", "batch_only")

    assert stocked.ask("score", ONE, **{"X-Countersign-Entity": "N1"}).json()["predictions"] == [0.25]


@pytest.mark.parametrize(
    ("entities", "words"),
    [(["N1", "nobody"], "no batch score for 1 of 2 entities"), (None, "Name the entity of each row")],
    ids=["unknown entity", "no entity"],
)
def test_in_batch_only_the_unknown_is_refused_with_a_hint_when_to_ask_again(
    stocked: TestEndpoint, entities: list[str] | None, words: str
) -> None:
    mode(stocked, "score", "batch_only")

    answer = stocked.ask("score", {**BODY, **({"entities": entities} if entities else {})})

    assert answer.status_code == 503
    assert words in answer.json()["error"]
    assert int(answer.headers["Retry-After"]) > 0
    assert [line["status"] for line in stocked.logged()] == [503]


def test_switched_off_answers_nobody_and_live_answers_at_once_again(endpoint: TestEndpoint) -> None:
    mode(endpoint, "score", "off")
    refused = endpoint.ask("score")
    mode(endpoint, "score", "live")

    assert refused.status_code == 503
    assert "switched off" in refused.json()["error"]
    assert "Retry-After" in refused.headers
    assert endpoint.ask("score").headers["X-Countersign-Version"] == "1"


def test_a_batch_job_is_refused_while_its_model_is_switched_off(endpoint: TestEndpoint) -> None:
    mode(endpoint, "triage_batch", "off")

    assert endpoint.ask("triage_batch", **endpoint.admin).status_code == 503


# What is said about it


def test_each_version_says_what_it_did_in_the_last_minutes(endpoint: TestEndpoint) -> None:
    mirror(endpoint, "score", "2")
    endpoint.serving.inject_fault("score", "2", label="rehearsal")
    endpoint.ask("score")
    wait_until(lambda: lines(endpoint, "mirror"))

    [reading] = [item for item in endpoint.serving.readings() if item.observed.deployment == "score"]

    versions = {item.version: item for item in reading.versions}
    live, copied = versions["1"], versions["2"]
    assert (live.role, live.share, live.state, copied.role, copied.share) == ("live", 100, "ready", "mirror", 0)
    assert live.pid == pid_of(endpoint, "score", "1")
    assert live.requests
    assert live.p95_ms is not None
    assert live.requests_per_minute
    assert live.memory_bytes
    assert live.memory_bytes > 2**20
    assert (live.fault, copied.fault) == ("", "rehearsal")
    assert reading.copies
