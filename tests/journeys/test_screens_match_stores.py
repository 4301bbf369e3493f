"""Screens against stores: counts and values read with plain SQL from MLflow, the ledger and Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import duckdb

from tests.journeys.conftest import Running
from tests.journeys.load import routes
from tests.journeys.steps import Desk

BATCH = "claims_triage"


def registry(running: Running, sql: str, *values: object) -> list[Any]:
    return running.registry(sql, *values)


def book(running: Running, sql: str, *values: object) -> list[Any]:
    return running.book(sql, *values)


def facts(running: Running, kind: str, sql: str) -> list[Any]:
    source = f"'{running.home}/inference/{kind}/model={BATCH}/*/*.parquet'"
    return duckdb.connect().execute(sql.replace("FACTS", source)).fetchall()


def test_inventory_lists_every_registered_model_with_live_version_and_owner(
    desk: Callable[[str], Desk], running: Running
) -> None:
    otto = desk("otto.auditor")
    otto.open("inventory?sort=name")
    shown = otto.table()

    names = [row[0] for row in registry(running, "SELECT name FROM registered_models ORDER BY name")]
    assert len(names) == 4
    assert all(name in shown for name in names)
    champions = dict(registry(running, "SELECT name, version FROM registered_model_aliases WHERE alias = 'champion'"))
    live = {name: str(champions[name]) for name in ("claims_triage", "plan_utilisation")}
    (live["payout_forecast"],) = routes(running, "payout_forecast")  # answers callers: what it serves is what is live
    for name, version in live.items():
        assert f"v{version} 100 %" in shown, name
    assert "damage_photo_vendor" in shown


def test_model_shows_versions_run_and_metrics_of_the_registry(desk: Callable[[str], Desk], running: Running) -> None:
    otto = desk("otto.auditor")
    otto.open(f"model?name={BATCH}&a=3&b=4")
    shown = otto.text()

    versions = registry(running, "SELECT version, run_id FROM model_versions WHERE name = ?", BATCH)
    assert f"{len(versions)} versions" in shown
    for number, run in versions:
        assert f"v{number}" in shown
        assert run[:10] in shown
    for number, run in versions:
        if number in {3, 4}:
            auc = registry(running, "SELECT value FROM latest_metrics WHERE run_uuid = ? AND key = 'holdout_auc'", run)
            assert f"{auc[0][0]:.3f}" in shown or f"{auc[0][0]:.4f}".rstrip("0") in shown, number


def test_audit_shows_every_ledger_entry(desk: Callable[[str], Desk], running: Running) -> None:
    otto = desk("otto.auditor")
    before = book(running, "SELECT count(*) FROM log_entry")[0][0]
    otto.open("audit")
    shown = otto.text()
    after = book(running, "SELECT count(*) FROM log_entry")[0][0]
    assert any(f"{entries:,} entries" in shown for entries in range(before, after + 1))

    seq, leaf = book(running, "SELECT seq, leaf_hash FROM log_entry WHERE seq = 20")[0]
    otto.open(f"audit?entry={seq}")
    leaf = leaf if isinstance(leaf, str) else bytes(leaf).hex()
    assert leaf[:12] in otto.text()


def test_approvals_show_every_decided_request(desk: Callable[[str], Desk], running: Running) -> None:
    otto = desk("otto.auditor")
    decided = book(running, "SELECT count(*) FROM promotion_request WHERE state IN ('rejected', 'withdrawn')")[0][0]
    otto.open("approvals?state=rejected,withdrawn")
    rows = otto.table()
    request, requester, manifest = book(
        running, "SELECT request_id, requester, manifest_sha256 FROM promotion_request WHERE state = 'rejected' LIMIT 1"
    )[0]
    assert rows.count(requester) == decided
    otto.open(f"approvals?request={request}")
    shown = otto.text()
    assert requester in shown
    assert manifest[:12] in shown


def test_drift_counts_the_predictions_of_the_window(desk: Callable[[str], Desk], running: Running) -> None:
    rows = facts(
        running,
        "predictions",
        "WITH days AS (SELECT CAST(event_at AT TIME ZONE 'UTC' AS DATE) AS day FROM FACTS WHERE role = 'live')"
        " SELECT count(*) FROM days WHERE day > (SELECT max(day) FROM days) - INTERVAL 7 DAY",
    )[0][0]
    otto = desk("otto.auditor")
    otto.open(f"drift?model={BATCH}")
    assert any(f"n = {rows + new:,}" in otto.text() for new in range(-12, 13)), rows


def test_value_counts_predictions_and_rollouts_read_the_endpoint_back(
    desk: Callable[[str], Desk], running: Running
) -> None:
    ben = desk("ben.business")
    ben.open(f"value?model={BATCH}")
    rows = facts(
        running,
        "predictions",
        "WITH days AS (SELECT CAST(event_at AT TIME ZONE 'UTC' AS DATE) AS day FROM FACTS WHERE role = 'live')"
        " SELECT count(*) FROM days WHERE day > (SELECT max(day) FROM days) - INTERVAL 90 DAY",
    )[0][0]
    assert any(f"{rows + new:,} predictions" in ben.text() for new in range(-70, 71)), rows

    sam = desk("sam.sre")
    sam.open(f"rollouts?model={BATCH}")
    state = json.loads((running.home / "serving" / "state.json").read_text())
    (version, share), *others = state["deployments"][BATCH]["routes"]
    assert others == []
    assert f"v{version} {share} %" in sam.text()


def test_reliability_counts_runs_of_the_job_log(desk: Callable[[str], Desk], running: Running) -> None:
    runs = facts(
        running,
        "jobs",
        "SELECT count(*), count(*) FILTER (WHERE NOT ok) FROM FACTS"
        " WHERE started_at >= (SELECT max(started_at) FROM FACTS) - INTERVAL 30 DAY",
    )[0]
    sam = desk("sam.sre")
    sam.open(f"reliability?model={BATCH}")
    shown = sam.text()
    assert runs[1] == 0
    assert any(f"0 of {runs[0] + new} runs" in shown for new in (-2, -1, 0, 1, 2)), runs
