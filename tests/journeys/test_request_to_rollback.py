"""The whole path, once, in a browser: request, signatures, shadow, 5, 10, 20 and 100 percent, rollback, proof.

Days pass by the switch that testers have: the demonstration's clock moves forward, and real requests are sent between.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import ROOT, Running
from tests.journeys.load import Load, alias, happens, routes, until
from tests.journeys.steps import PASSPHRASES, Desk

MODEL = "delay_claim_score"
RAMP = bool(os.environ.get("COUNTERSIGN_JOURNEY_RAMP"))
"""Days of shadow and every share take a quarter of an hour and want a machine to themselves: walked when asked for."""
BEFORE = "3" if RAMP else "2"
"""Where a rollback leads: before version 6 when it was released, before version 3 when it waits."""
ramp = pytest.mark.skipif(not RAMP, reason="walked by make ramp, on a quiet machine")


def decide(person: Desk, request: str, verb: str) -> None:
    person.open(f"approvals?request={request}")
    person.press(f"decide-{verb}")
    person.passphrase("decision-passphrase")
    person.press("decision-go")
    person.page.locator(".st-key-receipt").wait_for()


def test_request_is_approved_only_with_every_signature_and_moves_nothing(
    desk: Callable[[str], Desk], running: Running
) -> None:
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
    clara = desk("clara.compliance")
    clara.open(f"approvals?request={request}")
    clara.shot("5-compliance")
    decide(clara, request, "approve")
    clara.open(f"approvals?request={request}")
    clara.sees("shadow")
    clara.shot("6-signed")
    time.sleep(5)
    assert routes(running) == {"3": 100}, "production is unchanged until a release is begun"
    done = running.cli("approved", MODEL, "6", "--json")
    assert done.returncode == 0, done.stderr
    assert running.cli("approved", MODEL, "5").returncode != 0


def pass_time(running: Running, *, hours: float, requests: int, rows_each: int = 1, times: int = 1) -> None:
    """Moves the demonstration's clock forward and sends real requests, as the switches of the test panel do."""
    script = (
        "from datetime import timedelta\n"
        "from services.container import open_control_room\n"
        "from services.settings import read_settings\n"
        "from services.workspace.test_panel import TestPanel\n"
        "room = open_control_room(read_settings())\n"
        "panel = TestPanel(room)\n"
        f"for _ in range({times}):\n"
        "    sam = room.people.sign_in_demo('sam.sre')\n"
        f"    panel.move_clock(timedelta(hours={hours}), actor=sam)\n"
        f"    sent = panel.send_traffic({MODEL!r}, requests={requests}, per_second=12, "
        f"rows_each={rows_each}, actor=sam)\n"
        "    assert sent.unanswered == 0, sent\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=running.env,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def step(sam: Desk, name: str) -> None:
    """As soon as it is offered: after the clock moved, the watcher has to look and the endpoint to say what it has."""
    until(lambda: _offers(sam, f"step-{name}"), seconds=120, what=f"{name} is offered")
    sam.press(f"step-{name}")
    sam.passphrase("step-passphrase")
    sam.press("step-go")


def lived_through(running: Running, desk: Callable[[str], Desk], *, rounds: int = 8) -> Desk:
    """Days with requests until the shadow run may be closed. A copy that is cut short is no record, so days follow
    until there are enough; where scores lie elsewhere than those of the live version, the watcher holds the release,
    and a person looks and signs, each time that the distance grows.
    """
    for _ in range(rounds):
        pass_time(running, hours=20, requests=270, rows_each=5)
        sam = desk("sam.sre")  # nobody stays signed in over so many hours
        happens(lambda sam=sam: _offers(sam, "step-resume") or _enabled(sam, "step-close-shadow"), seconds=45)  # type: ignore[misc]
        if _enabled(sam, "step-resume"):
            sam.sees("Population stability index")
            sam.shot("7-shadow-held")
            resume(sam, "Retrained on the autumn: it answers lower than a model of July.")
            happens(lambda sam=sam: _offers(sam, "step-close-shadow"), seconds=20)  # type: ignore[misc]
        if _enabled(sam, "step-close-shadow"):
            return sam
        sam.leave()
    pytest.fail(f"the shadow run could not be closed after {rounds} times 20 hours")


def mirror(running: Running) -> object:
    return httpx.get(f"{running.endpoint}/endpoints/{MODEL}", timeout=5).json().get("mirror")


def test_the_release_waits_for_its_shadow_run_and_says_so(desk: Callable[[str], Desk], running: Running) -> None:
    sam = desk("sam.sre")
    sam.open(f"rollouts?model={MODEL}")
    sam.sees("Shadow needs 3 days and 5,000 records; it has not started.")
    assert not sam.button("step-start-canary").is_enabled()
    assert routes(running) == {"3": 100}
    sam.shot("7-shadow-comes-first")


@ramp
def test_shadow_comes_first_and_needs_days_and_records(desk: Callable[[str], Desk], running: Running) -> None:
    """Days are lived through, not skipped: between two steps of the clock callers ask and copies are answered."""
    pass_time(running, hours=1, requests=20)  # no new release within half an hour after an automatic rollback
    sam = desk("sam.sre")  # nobody stays signed in over such an hour
    step(sam, "start-shadow")
    until(lambda: bool(mirror(running)), seconds=30, what="copies go to version 6")
    assert routes(running) == {"3": 100}, "callers are answered by the live version alone"
    sam.open(f"rollouts?model={MODEL}")
    assert not sam.button("step-close-shadow").is_enabled()
    sam.shot("7-shadow-begun")
    sam = lived_through(running, desk)
    sam.sees("Same decision")
    sam.shot("8-shadow")
    step(sam, "close-shadow")
    until(lambda: _offers(sam, "step-start-canary"), seconds=60, what="callers may be answered by version 6")
    assert sam.button("step-start-canary").inner_text().strip().endswith("5 %")
    step(sam, "start-canary")
    until(lambda: routes(running) == {"3": 95, "6": 5}, seconds=60, what="canary of version 6")
    until(lambda: not mirror(running), seconds=30, what="no more copies to a version that answers callers")


@ramp
def test_each_share_follows_the_one_before_and_everything_comes_last(
    desk: Callable[[str], Desk], running: Running
) -> None:
    sam = desk("sam.sre")
    sam.open(f"rollouts?model={MODEL}")
    assert not sam.button("advance").is_enabled(), "a share needs its time and its requests"
    sam.shot("9-too-early")
    for share in (10, 20, 100):
        for _ in range(3):  # the watcher may hold between the offer and the click
            sam = until_offered(running, desk, share)
            sam.shot(f"9-before-{share}")
            if taken(sam, running, share):
                break
        assert routes(running) == ({"6": 100} if share == 100 else {"3": 100 - share, "6": share})
    until(lambda: alias(running) == "6", seconds=30, what="champion points at version 6")


def until_offered(running: Running, desk: Callable[[str], Desk], share: int, *, rounds: int = 4) -> Desk:
    """Hours with requests until the next share is offered. A machine that does other work answers slowly at times; the
    watcher then holds the release, and a person goes on when the promise is kept again.
    """
    for _ in range(rounds):
        pass_time(running, hours=1.5, requests=400, times=2)
        sam = desk("sam.sre")
        happens(lambda sam=sam: _offers(sam, "advance") or _enabled(sam, "step-resume"), seconds=60)  # type: ignore[misc]
        if _enabled(sam, "advance"):
            return sam
        if _enabled(sam, "step-resume"):
            sam.shot(f"9-held-before-{share}")
            resume(sam, "The machine was busy with other work; both versions answer in time again.")
        sam.leave()
    pytest.fail(f"{share} % was not offered after {rounds} times three hours")


def taken(sam: Desk, running: Running, share: int) -> bool:
    """Signs the next share; whether the endpoint followed."""
    sam.press("advance")
    if sam.page.locator(".st-key-advance-reason").count():
        sam.fill("advance-reason", "A demonstration: so few requests cannot show more.")
    sam.passphrase("advance-passphrase")
    sam.press("advance-go")
    wanted = {"6": 100} if share == 100 else {"3": 100 - share, "6": share}
    followed = happens(lambda: routes(running) == wanted, seconds=30)
    sam.leave()
    return followed


def resume(sam: Desk, reason: str) -> None:
    sam.press("step-resume")
    sam.fill("step-reason", reason)
    sam.passphrase("step-passphrase")
    sam.press("step-go")


def _offers(sam: Desk, button: str) -> bool:
    time.sleep(2)  # drawing pages all the time would take the time of the endpoint that is judged
    sam.open(f"rollouts?model={MODEL}")
    return _enabled(sam, button)


def _enabled(sam: Desk, button: str) -> bool:
    return sam.button(button).count() == 1 and sam.button(button).is_enabled()


def test_rollback_moves_real_traffic_without_a_failed_request(desk: Callable[[str], Desk], running: Running) -> None:
    sam = desk("sam.sre")
    load = Load(running, MODEL, per_second=50)
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
        until(lambda: routes(running) == {BEFORE: 100}, seconds=10, what=f"version {BEFORE} serves again")
        switched = time.monotonic() - clicked
        sam.idle()
        sam.shot("8-rolled-back")
    finally:
        load.stop()
    assert load.failed == []
    assert load.answered > 100
    assert load.after(clicked + switched + 0.5) == {BEFORE}, "only the restored version answers"
    until(lambda: alias(running) == BEFORE, seconds=20, what=f"champion points at version {BEFORE}")


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


def test_traffic_goes_back_while_the_database_is_locked_and_the_screen_calls_it_unsigned(
    desk: Callable[[str], Desk], running: Running
) -> None:
    model = "payout_forecast"
    until(lambda: "6" not in kept(running, model) != [], seconds=90, what="targets are kept for version 6")
    (target, *_) = kept(running, model)
    words = ("rollback-offline", model, target, "--reason", "Forecasts doubled.", "--name", "Sam Lindqvist", "--yes")
    refused = running.cli(*words)
    assert refused.returncode == 3, refused.stdout + refused.stderr

    with running.locked():
        done = running.cli(*words)

    assert done.returncode == 0, done.stdout + done.stderr
    assert routes(running, model) == {target: 100}
    sam = desk("sam.sre")
    until(lambda: _shows(sam, f"rollouts?model={model}", "signature"), seconds=90, what="the finding is on screen")
    sam.shot("9-unsigned-rollback")
    until(lambda: entered(running) >= 2, seconds=90, what="begin and end are entered in the ledger")


def _shows(person: Desk, address: str, words: str) -> bool:
    person.open(address)
    return words in person.text()


def entered(running: Running) -> int:
    rows = running.book("SELECT envelope FROM log_entry ORDER BY seq DESC LIMIT 60")
    bodies = [base64.b64decode(json.loads(bytes(row[0]))["payload"]) for row in rows]
    return sum(b"offline-rollback" in body for body in bodies)


def kept(running: Running, model: str) -> list[str]:
    """Versions an offline rollback of the model may lead to."""
    document = json.loads((running.home / "run" / "rollback-targets.json").read_bytes())["document"]
    return [version for item in document["models"] if item["model"] == model for version in item["versions"]]


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
    query = "SELECT request_id FROM promotion_request WHERE model = ? AND version = ? AND state = 'open'"
    found = running.book(query, model, version)
    assert found, f"no open request for {model} {version}"
    return str(found[0][0])


def outcomes(running: Running, request: str) -> int:
    query = "SELECT seq_outcome FROM rollout_action WHERE request_id = ? AND seq_outcome IS NOT NULL"
    rows = running.book(query, request)
    acted = {row[0] for row in running.book("SELECT action_id FROM rollout_action WHERE request_id = ?", request)}
    entries = [bytes(row[0]) for row in running.book("SELECT envelope FROM log_entry ORDER BY seq DESC LIMIT 60")]
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
