"""A day of a site reliability engineer: a running canary, a breach that comes back by itself, a rollback, a freeze."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from services.adapters.local.serving import LocalServing
from tests.journeys.conftest import Running
from tests.journeys.load import Load, alias, routes, until
from tests.journeys.steps import PASSPHRASES, Desk

CANARY = "delay_claim_score"
BATCH = "payout_forecast"
CYCLE_SECONDS = 60
"""Time the watcher may need on a busy machine: telemetry is complete after seconds, a look is taken every few."""


@pytest.fixture(scope="module")
def sam(desk: Callable[[str], Desk]) -> Desk:
    return desk("sam.sre")


def book(running: Running, query: str, *given: object) -> list[tuple[object, ...]]:
    return running.book(query, *given)


def test_01_home_names_on_call_incidents_and_the_running_canary(sam: Desk) -> None:
    sam.open("overview")
    shown = sam.text()
    assert "On call" in shown
    # Its scores lie elsewhere than those of the live version: once the watcher has seen enough of them, it holds.
    canary, held = (
        "delay_claim_score: version 4 is in canary at 10 %",
        "delay_claim_score version 4: its release is held",
    )
    assert canary in shown or held in shown
    assert "watcher" in shown
    sam.shot("d3-1-home")


def test_02_the_release_shows_steps_split_dwell_stop_rules_and_who_signed(sam: Desk, running: Running) -> None:
    assert routes(running) == {"3": 90, "4": 10}
    sam.open(f"rollouts?model={CANARY}")
    sam.sees("v4")
    shown = sam.text()
    for words in ("5 %", "10 %", "20 %", "100 %", "Shadow", "Desired", "Stop rules", "signed by", "watcher"):
        assert words in shown, words
    assert re.search(r"Error rate above 5 % over 5 minutes", shown)
    assert "Read back from the platform" in shown
    sam.shot("d3-2-release")


def test_03_the_sla_chart_has_both_versions_the_limit_and_the_error_budget(sam: Desk) -> None:
    sam.open(f"reliability?model={CANARY}")
    sam.sees("Latency by version")
    shown = sam.text()
    assert "Error budget" in shown
    charts = sam.page.locator(".st-key-latency").inner_text()
    assert "v3 p95" in charts
    assert "v4 p95" in charts
    assert "Promise" in charts
    sam.shot("d3-3-sla")


def test_09_a_freeze_holds_the_release_by_name_and_leaves_the_way_back(
    sam: Desk, running: Running, tmp_path: Path
) -> None:
    """A policy with a window that is open now is put into force, then one without it; a person resumes."""
    source = Path("services/policy/documents/tier-1.yaml").read_text()
    number = int(re.search(r'^version: "(\d+)"', source, re.MULTILINE).group(1))  # type: ignore[union-attr]
    today = datetime.now(UTC).date()
    window = (
        "freeze:\n"
        f"  - {{name: Month-end closing, from: {today - timedelta(days=1)}, to: {today + timedelta(days=2)}}}\n"
    )
    publish(
        running, tmp_path, re.sub(r'^version: "\d+"', f'version: "{number + 1}"', source, flags=re.MULTILINE) + window
    )
    until(lambda: _held(running), seconds=60, what="the release is held by the freeze")
    sam.open(f"rollouts?model={CANARY}")
    sam.sees("Month-end closing")
    assert sam.button("roll-back").is_enabled()
    assert not sam.button("step-resume").is_enabled()
    sam.shot("d3-9-freeze")
    publish(running, tmp_path, re.sub(r'^version: "\d+"', f'version: "{number + 2}"', source, flags=re.MULTILINE))
    sam.open(f"rollouts?model={CANARY}")
    sam.press("step-resume")
    sam.fill("step-reason", "The closing is over.")
    sam.passphrase("step-passphrase")
    sam.press("step-go")
    until(lambda: not _held(running), seconds=30, what="the release goes on")


def _held(running: Running) -> bool:
    query = "SELECT state FROM release WHERE model = ? AND candidate = '4' ORDER BY created_at DESC LIMIT 1"
    return book(running, query, CANARY)[0][0] == "paused"


def test_04_a_breach_in_the_traffic_is_rolled_back_without_a_hand(sam: Desk, running: Running) -> None:
    serving = LocalServing(running.endpoint, token_file=running.home / "keys" / "gateway.token")
    serving.inject_fault(CANARY, "4", label="journey: failing canary", error_rate=0.9)
    load = Load(running, CANARY, per_second=40)
    load.start()
    try:
        took = until(lambda: routes(running) == {"3": 100}, seconds=CYCLE_SECONDS, what="version 3 answers everything")
    finally:
        load.stop()
        serving.clear_fault(CANARY, "4")
        serving.close()
    print(f"rolled back automatically {took:.1f} s after the first failing request could be sent")
    until(lambda: alias(running, CANARY) == "3", seconds=30, what="champion points at version 3")
    sam.open(f"rollouts?model={CANARY}")
    sam.sees("Rolled back")
    sam.sees("Countersign machine")
    sam.shot("d3-4-rolled-back")


def test_05_the_incident_has_its_times_and_the_change_of_traffic(sam: Desk, running: Running) -> None:
    sam.open(f"incidents?model={CANARY}")
    sam.shot("d3-5-incidents")
    incident = _automatic(running)
    sam.open(f"incidents?incident={incident}")
    sam.sees("was rolled back automatically", within=60)
    shown = sam.text()
    for words in ("Detected", "Mitigated", "version 4", "entry"):
        assert words in shown, words
    sam.press("acknowledge")
    sam.sees("Acknowledged")
    sam.shot("d3-5-incident")


def test_06_the_ledger_names_the_machine_and_the_plan_it_obeyed(sam: Desk, running: Running) -> None:
    (row,) = book(
        running,
        "SELECT seq_intent, requested_by FROM rollout_action WHERE model = ? AND kind = 'rollback' "
        "AND subject = 'machine' ORDER BY seq_intent DESC LIMIT 1",
        CANARY,
    )
    assert row[1] == "Countersign machine"
    sam.open(f"audit?entry={row[0]}")
    sam.sees("Countersign machine")
    shown = sam.text()
    assert "plan" in shown.lower()
    done = running.cli("verify", "--json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    sam.shot("d3-6-entry")


def test_07_the_target_list_offers_what_was_approved_and_served_only(sam: Desk, running: Running) -> None:
    assert routes(running, BATCH) == {"4": 100}
    sam.open(f"rollouts?model={BATCH}")
    sam.press("roll-back")
    dialog = sam.page.get_by_role("dialog")
    expect(dialog).to_contain_text("v5 · never approved")
    expect(dialog).to_contain_text("v2 · approved, and served before")
    expect(dialog).to_contain_text("What it touches")
    sam.shot("d3-7-targets")


def test_08_one_signed_click_pins_the_job_to_the_earlier_version(sam: Desk, running: Running) -> None:
    dialog = sam.page.get_by_role("dialog")
    sam.choose("rollback-code", "Input data is broken")
    sam.fill("rollback-reason", "The route table of tonight is incomplete.")
    sam.fill("rollback-model", BATCH)
    sam.passphrase("rollback-passphrase")
    sam.press("rollback-go")
    expect(dialog).to_contain_text("Read back", timeout=30_000)
    expect(dialog).to_contain_text("Before")
    expect(dialog).to_contain_text("Restored in")
    sam.shot("d3-8-rolled-back")
    sam.press("rollback-done")
    served = routes(running, BATCH)
    assert list(served.values()) == [100]
    assert "4" not in served
    until(lambda: alias(running, BATCH) in served, seconds=30, what="the alias follows")


def publish(running: Running, folder: Path, text: str) -> None:
    file = folder / "policy.yaml"
    file.write_text(text)
    person = "clara.compliance"
    done = running.cli(
        "policy", "publish", str(file), "--as", person, "--note", "month end", passphrase=PASSPHRASES[person]
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_10_a_fallback_drill_shows_a_banner_and_changes_the_date(sam: Desk) -> None:
    sam.open("rollouts?model=claims_triage")
    sam.sees("Fallback")
    sam.shot("d3-10-fallback")


def test_11_an_alias_moved_outside_is_a_red_finding_and_revert_puts_it_back(sam: Desk, running: Running) -> None:
    served = next(iter(routes(running, BATCH)))
    _move_alias_outside(sam, running)
    until(lambda: alias(running, BATCH) == "1", seconds=60, what="the alias was moved from outside")
    until(
        lambda: bool(book(running, "SELECT 1 FROM deployment WHERE model = ? AND finding_digest <> ''", BATCH)),
        seconds=60,
        what="the difference is a finding",
    )
    sam.open(f"rollouts?model={BATCH}")
    sam.sees("Changed without a signature")
    sam.shot("d3-11-finding")
    sam.press("revert")
    sam.fill("revert-reason", "Nobody here moved it.")
    sam.passphrase("revert-passphrase")
    sam.press("revert-go")
    until(lambda: alias(running, BATCH) == served, seconds=60, what="the alias is where it was signed")


def test_12_an_incident_closes_only_with_its_post_mortem(sam: Desk, running: Running) -> None:
    incident = _automatic(running)
    sam.open(f"incidents?incident={incident}")
    sam.shot("d3-12-incident")
    assert "Post-mortem" in sam.text()


def _move_alias_outside(sam: Desk, running: Running) -> None:
    """By the switch that testers have; where there is none, as anybody does who may write to the tracking server."""
    if running.tracking_server:
        running.point_alias(BATCH, "1")
        return
    sam.open("settings?show=panel")
    sam.choose("panel-alias-model", BATCH)
    sam.idle()
    sam.choose(f"panel-alias-version-{BATCH}", "1")
    sam.idle()
    sam.press("panel-alias")
    sam.press("panel-confirm")


def _automatic(running: Running) -> str:
    """Number of the incident that the automatic rollback opened."""
    query = (
        "SELECT incident_id FROM incident WHERE model = ? AND title LIKE '%rolled back automatically' "
        "ORDER BY detected_at DESC LIMIT 1"
    )
    found = running.book(query, CANARY)
    assert found, "the automatic rollback opened no incident"
    return str(found[0][0])
