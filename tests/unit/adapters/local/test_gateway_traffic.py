"""A real gateway with real scoring processes: logging, failover, mirrors, faults, restarts, switching under load."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from services.adapters.local.gateway.link import scoring_environment
from services.adapters.local.processes import ROOT, child_environment, gateway_command, listen_on, wait_for
from services.kernel.errors import ServingUnavailableError
from tests.fakes.endpoint import BODY, TestEndpoint, an_endpoint, wait_until
from tests.fakes.tiny_models import register_versions

SLOW = 3


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models")
    register_versions(folder, "score", (0.0, 100.0, 200.0), slow=(SLOW,))
    return register_versions(folder, "triage_batch", (0.0,))


@pytest.fixture(scope="module")
def shared(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEndpoint]:
    with an_endpoint(tmp_path_factory.mktemp("shared"), store, "score", "triage_batch") as running:
        running.load("score", "1", "2", "3")
        running.load("triage_batch", "1")
        running.route("triage_batch", ("1", 100))
        yield running


@pytest.fixture
def endpoint(shared: TestEndpoint) -> TestEndpoint:
    """The shared endpoint with version 1 at 100 percent and no mirror, fault or log left from before."""
    for version in ("1", "2", "3"):
        shared.serving.clear_fault("score", version)
    shared.load("score", "1", "2", "3")
    state = shared.serving.observe("score")
    shared.serving.set_mirror("score", None, 0, expect_generation=state.generation, op=f"reset-{state.generation}")
    shared.route("score", ("1", 100))
    for segment in shared.serving.rotate_journal():
        segment.unlink()
    return shared


def test_an_answer_says_who_gave_it_and_the_log_has_it_already(endpoint: TestEndpoint) -> None:
    body = {**BODY, "prediction_ids": ["a", "b"], "entities": ["N1", "N2"]}

    answer = endpoint.ask("score", body)

    assert answer.json() == {"predictions": [1.0, 2.0]}
    assert answer.headers["X-Countersign-Version"] == "1"
    [line] = endpoint.logged()
    assert (line["request"], line["version"], line["status"], line["role"]) == (
        answer.headers["X-Countersign-Request"],
        "1",
        200,
        "live",
    )
    assert (line["ids"], line["entities"], line["scores"]) == (["a", "b"], ["N1", "N2"], [1.0, 2.0])
    assert line["body"] == BODY
    assert str(line["generation"]) == answer.headers["X-Countersign-Generation"]


def test_an_error_inside_the_model_counts_and_leaves_no_data_in_the_log_text(endpoint: TestEndpoint) -> None:
    answer = endpoint.ask("score", {"dataframe_records": [{"x": -5000.0, "city": "secret town"}]})

    assert answer.status_code == 400
    assert "Traceback" not in answer.text
    [line] = endpoint.logged()
    assert (line["status"], line["error"]) == (400, "BAD_REQUEST")
    assert "secret" not in line["error"]


def test_a_malformed_request_is_counted_against_the_version_it_would_have_reached(endpoint: TestEndpoint) -> None:
    answer = endpoint.http.post("/endpoints/score/invocations", content=b"{")

    assert answer.status_code == 400
    assert [(line["version"], line["status"], line["rows"]) for line in endpoint.logged()] == [("1", 400, 0)]


def test_the_replay_calendar_needs_the_token(endpoint: TestEndpoint) -> None:
    when = {"X-Countersign-Event-At": "2030-01-05T07:00:00+00:00"}

    refused = endpoint.ask("score", **when)
    accepted = endpoint.ask("score", **when, **endpoint.admin)

    assert (refused.status_code, accepted.status_code) == (403, 200)
    assert [line["event_at"] for line in endpoint.logged()] == ["2030-01-05T07:00:00.000+00:00"]


def test_probes_are_answered_and_not_logged(endpoint: TestEndpoint) -> None:
    assert endpoint.serving.probe_routed("score", 5).answered == (("1", 5),)
    assert endpoint.logged() == []


def test_changes_need_the_token(endpoint: TestEndpoint) -> None:
    routes = {"routes": [["2", 100]], "expect_generation": 0, "op": "x"}

    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert endpoint.http.put("/admin/endpoints/score/routes", json=routes, headers=headers).status_code == 403
        assert endpoint.http.get("/admin/processes", headers=headers).status_code == 403
    assert endpoint.serving.observe("score").routes == (("1", 100),)
    assert oct(endpoint.endpoint.token_file.stat().st_mode)[-3:] == "600"


def test_the_same_entity_is_always_answered_by_the_same_version(endpoint: TestEndpoint) -> None:
    endpoint.route("score", ("1", 50), ("2", 50))

    seen = {
        entity: {
            endpoint.ask("score", **{"X-Countersign-Entity": entity}).headers["X-Countersign-Version"] for _ in "123"
        }
        for entity in ("N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8")
    }

    assert all(len(versions) == 1 for versions in seen.values())
    assert {version for versions in seen.values() for version in versions} == {"1", "2"}


def test_a_slow_mirror_is_logged_apart_and_delays_nobody(endpoint: TestEndpoint) -> None:
    state = endpoint.serving.observe("score")
    endpoint.serving.set_mirror("score", "3", 100, expect_generation=state.generation, op="mirror")

    before = _mirrors(endpoint)

    started = time.perf_counter()
    answers = [endpoint.ask("score") for _ in range(10)]
    took = time.perf_counter() - started

    assert took < 1.5  # the mirrored version alone takes that long for one request
    assert {answer.headers["X-Countersign-Version"] for answer in answers} == {"1"}
    wait_until(lambda: _mirrors(endpoint) >= before + 10)
    live = [line["request"] for line in endpoint.logged() if line["role"] == "live"]
    mirrored = [line["request"] for line in endpoint.logged() if line["role"] == "mirror"]
    assert len(live) == 10
    assert set(mirrored) <= set(live)


def _mirrors(endpoint: TestEndpoint) -> int:
    health = endpoint.http.get("/health").json()
    return int(health["mirrored"] + health["mirrors_dropped"])


def test_an_injected_fault_takes_the_same_path_and_carries_its_label(endpoint: TestEndpoint) -> None:
    endpoint.serving.inject_fault("score", "1", label="rehearsal", latency_ms=80, error_rate=1.0)
    failed = endpoint.ask("score")
    endpoint.serving.clear_fault("score", "1")
    fine = endpoint.ask("score")

    assert (failed.status_code, fine.status_code) == (503, 200)
    first, second = endpoint.logged()
    assert (first["injected"], second["injected"]) == ("rehearsal", "")
    assert first["ms"] >= 80


def test_a_dead_version_fails_over_is_counted_and_comes_back(endpoint: TestEndpoint) -> None:
    endpoint.route("score", ("1", 50), ("2", 50))
    victim = next(item for item in endpoint.serving.processes() if (item.deployment, item.version) == ("score", "2"))
    os.kill(victim.pid or 0, signal.SIGKILL)

    answers = [endpoint.ask("score", **{"X-Countersign-Entity": f"N{number}"}) for number in range(30)]

    # A request on its way at that moment may be lost: what was sent once is never sent again.
    assert [answer.status_code for answer in answers].count(200) >= 28
    failed = [line for line in endpoint.logged() if line["status"] != 200]
    assert {line["version"] for line in failed} <= {"2"}
    endpoint.load("score", "2")
    wait_until(lambda: "2" in endpoint.serving.observe("score").ready)


def test_versions_whose_sockets_were_cleaned_away_are_started_again(endpoint: TestEndpoint) -> None:
    before = {item.pid for item in endpoint.serving.processes()}

    shutil.rmtree((endpoint.home / "serving" / "sockets.txt").read_text())

    wait_until(lambda: not before & {item.pid for item in endpoint.serving.processes() if item.deployment == "score"})
    endpoint.load("score", "1", "2", "3")
    assert endpoint.ask("score").status_code == 200


def test_a_batch_model_answers_its_job_only(endpoint: TestEndpoint) -> None:
    assert endpoint.ask("triage_batch").status_code == 403
    assert endpoint.ask("triage_batch", **endpoint.admin).status_code == 200
    assert endpoint.logged()[-1]["kind"] == "batch"


def test_fifty_requests_a_second_lose_nothing_while_traffic_is_switched(endpoint: TestEndpoint) -> None:
    stop = threading.Event()
    answers: list[tuple[float, int, str]] = []

    def ask() -> None:
        with httpx.Client(base_url=endpoint.endpoint.url, trust_env=False, timeout=10) as client:
            while not stop.is_set():
                answer = client.post("/endpoints/score/invocations", json=BODY)
                answers.append((time.perf_counter(), answer.status_code, answer.headers["X-Countersign-Version"]))
                time.sleep(0.03)

    with ThreadPoolExecutor(2) as callers:
        for _ in range(2):
            callers.submit(ask)
        try:
            for number in range(20):
                version = "2" if number % 2 == 0 else "1"
                endpoint.route("score", (version, 100), op=f"switch-{number}")
                time.sleep(0.15)
            switched = time.perf_counter()
            time.sleep(0.3)
        finally:
            stop.set()

    assert len(answers) > 60
    assert {status for _, status, _ in answers} == {200}
    late = [version for at, _, version in answers if at > switched + 0.1]
    assert set(late) == {"1"}


def test_scoring_processes_see_no_credentials() -> None:
    os.environ["COUNTERSIGN_TEST_PASSWORD"] = "hidden"
    try:
        environment = scoring_environment()
    finally:
        del os.environ["COUNTERSIGN_TEST_PASSWORD"]

    assert "COUNTERSIGN_TEST_PASSWORD" not in environment
    assert environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_a_taken_port_is_reported_with_its_holder_and_the_way_out() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]

        with pytest.raises(ServingUnavailableError) as taken:
            listen_on(port)

    assert f"(process {os.getpid()})" in taken.value.message
    assert "COUNTERSIGN_SERVING_PORT=" in taken.value.hint


def test_killing_the_gateway_loses_no_answered_request_and_no_route(store: str, tmp_path: Path) -> None:
    listener = listen_on(0)
    listener.set_inheritable(True)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    started = []

    def start() -> subprocess.Popen[bytes]:
        command = gateway_command(home=tmp_path, tracking_uri=store, fd=listener.fileno())
        with (tmp_path / "out.log").open("ab") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=child_environment(), stdout=output, stderr=output, pass_fds=(listener.fileno(),)
            )
        started.append(process)
        wait_for(f"{url}/health", process, seconds=30)
        return process

    try:
        process = start()
        from services.adapters.local.serving import LocalServing

        serving = LocalServing(url, token_file=tmp_path / "keys" / "gateway.token")
        serving.register("score", "realtime")
        wait_until(lambda: serving.ensure_ready("score", "1", op="load"))
        serving.set_routes("score", (("1", 100),), expect_generation=0, op="first")
        scorer = serving.processes()[0].pid
        answered: list[str] = []
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            for number in range(60):
                if number == 40:
                    process.kill()
                    process.wait()
                    process = start()
                try:
                    answer = client.post("/endpoints/score/invocations", json=BODY)
                except httpx.TransportError:
                    continue  # only what was in flight at that moment
                if answer.status_code == 200:
                    answered.append(answer.headers["X-Countersign-Request"])

        assert len(answered) >= 58
        logged = [
            line
            for file in (tmp_path / "serving" / "journal").glob("*.jsonl")
            for line in file.read_text().splitlines()
        ]
        assert all(any(f'"{request}"' in line for line in logged) for request in answered)
        assert serving.observe("score").routes == (("1", 100),)
        assert serving.observe("score").generation == 1
        assert serving.processes()[0].pid == scorer
        process.terminate()
        wait_until(lambda: not psutil.pid_exists(scorer or 0))
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=20)
        listener.close()
