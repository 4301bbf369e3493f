"""The whole path, once, in a browser: request, gates, acknowledgement, signatures, traffic, rollback, proof."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
import time
from collections.abc import Callable

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import Running
from tests.journeys.steps import PASSPHRASES, Desk

MODEL = "delay_claim_score"


def routes(running: Running, model: str = MODEL) -> dict[str, int]:
    return dict(httpx.get(f"{running.endpoint}/endpoints/{model}", timeout=5).json()["routes"])


def until(check: Callable[[], bool], *, seconds: float, what: str) -> float:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if check():
            return time.monotonic() - began
        time.sleep(0.2)
    pytest.fail(f"not within {seconds} seconds: {what}")


def alias(running: Running, model: str = MODEL) -> str:
    with sqlite3.connect(running.home / "mlflow.db") as store:
        row = store.execute(
            "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = 'champion'", (model,)
        ).fetchone()
    return str(row[0])


def advance(sam: Desk, running: Running, version: str) -> None:
    sam.open(f"rollouts?model={MODEL}")
    sam.press("advance")
    sam.passphrase("advance-passphrase")
    sam.press("advance-go")
    until(lambda: routes(running) == {version: 100}, seconds=20, what=f"all traffic on version {version}")
    until(lambda: alias(running) == version, seconds=20, what=f"champion points at version {version}")


def decide(person: Desk, request: str, verb: str) -> None:
    person.open(f"approvals?request={request}")
    person.press(f"decide-{verb}")
    person.passphrase("decision-passphrase")
    person.press("decision-go")
    person.page.locator(".st-key-receipt").wait_for()


def test_canary_gets_everything_by_one_signature(desk: Callable[[str], Desk], running: Running) -> None:
    assert routes(running) == {"3": 90, "4": 10}
    advance(desk("sam.sre"), running, "4")


def test_request_reaches_production_only_with_every_signature(desk: Callable[[str], Desk], running: Running) -> None:
    dana = desk("dana.datascience")
    dana.open(f"model?name={MODEL}&show=gates&v=5")
    dana.sees("departure_delay")
    assert not dana.button("request-promotion").is_enabled(), "a version with a leak must not be submitted"
    dana.shot("1-gates-refuse-the-leaking-version")
    measured = running.cli("evaluate", MODEL, "6")
    assert measured.returncode == 0, measured.stderr
    dana.open(f"model?name={MODEL}&show=gates&v=6")
    dana.shot("2-draft")
    dana.press("request-promotion")
    dana.fill("submit-note", "Retrained on the autumn.")
    dana.passphrase("submit-passphrase", "not the passphrase")
    dana.press("submit-go")
    dana.sees("passphrase")
    dana.passphrase("submit-passphrase")
    dana.press("submit-go")
    dana.sees("signed and open")
    request = open_request(running, "6")

    dana.open(f"approvals?request={request}")
    dana.sees("may not")
    assert dana.page.locator(".st-key-decide-approve").count() == 0, "the requester has no way to approve"
    dana.shot("3-requester-may-not-approve")

    vera = desk("vera.validator")
    decide(vera, request, "approve")
    ben = desk("ben.business")
    ben.open(f"approvals?request={request}")
    assert ben.page.locator(".st-key-decide-approve").count() == 0, "the business owner acknowledges"
    ben.shot("4-business-owner")
    decide(ben, request, "acknowledge")
    assert routes(running) == {"4": 100}, "nothing moves before the quorum is complete"

    clara = desk("clara.compliance")
    clara.open(f"approvals?request={request}")
    clara.shot("5-compliance")
    decide(clara, request, "approve")
    until(lambda: routes(running) == {"4": 90, "6": 10}, seconds=30, what="canary of version 6")
    clara.open(f"approvals?request={request}")
    clara.shot("6-signed")
    advance(desk("sam.sre"), running, "6")
    done = running.cli("approved", MODEL, "6", "--json")
    assert done.returncode == 0, done.stderr
    assert running.cli("approved", MODEL, "5").returncode != 0


def test_rollback_moves_real_traffic_without_a_failed_request(desk: Callable[[str], Desk], running: Running) -> None:
    sam = desk("sam.sre")
    load = Load(running, per_second=50)
    load.start()
    try:
        sam.open(f"rollouts?model={MODEL}")
        sam.press("roll-back")
        sam.shot("7-rollback-plan")
        sam.choose("rollback-code", "Predictions are wrong or harmful")
        sam.fill("rollback-reason", "Scores jumped after the release.")
        sam.fill("rollback-model", MODEL)
        sam.passphrase("rollback-passphrase")
        clicked = time.monotonic()
        sam.button("rollback-go").click()
        until(lambda: routes(running) == {"4": 100}, seconds=10, what="version 4 serves again")
        switched = time.monotonic() - clicked
        sam.idle()
        sam.shot("8-rolled-back")
    finally:
        load.stop()
    assert load.failed == []
    assert load.answered > 100
    assert load.after(clicked + switched + 0.5) == {"4"}, "only the restored version answers"
    until(lambda: alias(running) == "4", seconds=20, what="champion points at version 4")


def test_killed_worker_completes_the_move_exactly_once(running: Running) -> None:
    """A request of payout_forecast gets its last signature; the worker is killed while it acts."""
    model = "payout_forecast"
    request = open_request(running, "6", model=model)  # asked for on the day of the data science lead
    for person in ("vera.validator", "clara.compliance"):
        signed = running.cli("sign", request, "approve", "--as", person, passphrase=PASSPHRASES[person])
        assert signed.returncode == 0, signed.stderr
    for _ in range(3):
        worker_process(running).kill()
        time.sleep(0.7)
    until(lambda: routes(running, model) == {"6": 100}, seconds=90, what="payout_forecast pinned to version 6")
    until(lambda: alias(running, model) == "6", seconds=60, what="champion of payout_forecast")
    until(lambda: outcomes(running, request) == 1, seconds=60, what="one outcome entry")
    time.sleep(3)
    assert outcomes(running, request) == 1


def test_auditor_verifies_every_step(desk: Callable[[str], Desk], running: Running) -> None:
    otto = desk("otto.auditor")
    otto.open("audit")
    otto.button("verify").click()
    otto.sees("intact", within=90)
    otto.shot("9-verified")
    done = running.cli("verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_address_survives_sign_in_and_reload(browser: Browser, running: Running) -> None:
    page = browser.new_context().new_page()
    address = f"{running.app}/model?name=payout_forecast"
    page.goto(address)
    page.locator(".st-key-sign-in-clara-compliance button").click()
    expect(page.get_by_role("heading", name="payout_forecast")).to_be_visible(timeout=30_000)
    page.reload()
    expect(page.get_by_role("heading", name="payout_forecast")).to_be_visible(timeout=30_000)
    other = page.context.new_page()
    other.goto(address)
    expect(other.get_by_role("heading", name="payout_forecast")).to_be_visible(timeout=30_000)


def open_request(running: Running, version: str, *, model: str = MODEL) -> str:
    with sqlite3.connect(f"file:{running.home / 'governance.db'}?mode=ro", uri=True) as book:
        row = book.execute(
            "SELECT request_id FROM promotion_request WHERE model = ? AND version = ? AND state = 'open'",
            (model, version),
        ).fetchone()
    assert row, f"no open request for {model} {version}"
    return str(row[0])


def outcomes(running: Running, request: str) -> int:
    with sqlite3.connect(f"file:{running.home / 'governance.db'}?mode=ro", uri=True) as book:
        rows = book.execute(
            "SELECT seq_outcome FROM rollout_action WHERE request_id = ? AND seq_outcome IS NOT NULL", (request,)
        ).fetchall()
        acted = {
            row[0] for row in book.execute("SELECT action_id FROM rollout_action WHERE request_id = ?", (request,))
        }
        entries = [bytes(row[0]) for row in book.execute("SELECT envelope FROM log_entry ORDER BY seq DESC LIMIT 60")]
    written = 0
    for entry in entries:
        statement = json.loads(base64.b64decode(json.loads(entry)["payload"]))
        if statement["predicateType"].endswith(":outcome:v1") and statement["predicate"]["action"] in acted:
            written += 1
    assert len(rows) <= 1
    return written


def worker_process(running: Running) -> psutil.Process:
    home = str(running.home.resolve())
    for _ in range(60):
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if words[-3:] == ["-m", "services", "worker"] and process.environ().get("COUNTERSIGN_HOME") == home:
                return process
        time.sleep(0.5)
    pytest.fail("no worker runs")


class Load:
    """Fixed-rate requests on kept-alive connections from a few threads; remembers which version answered when."""

    def __init__(self, running: Running, *, per_second: int, threads: int = 5) -> None:
        self._url = f"{running.endpoint}/endpoints/{MODEL}/invocations"
        self._body = example(running)
        self._pause = threads / per_second
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[tuple[float, str]] = []
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        time.sleep(2)
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=20)

    @property
    def answered(self) -> int:
        return len(self._answers)

    def after(self, moment: float) -> set[str]:
        return {version for sent, version in self._answers if sent > moment}

    def _run(self) -> None:
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not self._stop.is_set():
                sent = time.monotonic()
                try:
                    answer = client.post(self._url, content=self._body, headers={"Content-Type": "application/json"})
                except httpx.HTTPError as fault:
                    with self._lock:
                        self.failed.append(repr(fault))
                    continue
                with self._lock:
                    if answer.status_code == 200:
                        self._answers.append((sent, answer.headers["X-Countersign-Version"]))
                    else:
                        self.failed.append(f"{answer.status_code} {answer.text[:200]}")
                time.sleep(max(0.0, self._pause - (time.monotonic() - sent)))


def example(running: Running) -> bytes:
    """The input example logged with the versions that serve: the widest one without the leaking column."""
    files = (running.home / "artifacts" / MODEL).rglob("serving_input_example.json")
    bodies = [json.loads(file.read_text()) for file in files]
    fair = [body for body in bodies if "departure_delay" not in body["dataframe_split"]["columns"]]
    return json.dumps(max(fair, key=lambda body: len(body["dataframe_split"]["columns"]))).encode()
