"""Configuration: works without any, and names every fault at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services import inference_tables
from services.container import warehouse_table
from services.kernel.errors import SettingsError
from services.settings import read_settings


def test_a_laptop_needs_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTERSIGN_HOME", raising=False)
    settings = read_settings()
    assert settings.home == Path(".countersign")
    assert settings.governance_url.startswith("sqlite:///")
    assert settings.endpoint_url == "http://127.0.0.1:8502"


def test_the_environment_wins_over_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(tmp_path))
    monkeypatch.setenv("COUNTERSIGN_SERVING_PORT", "9001")
    settings = read_settings()
    assert settings.governance_url == f"sqlite:///{tmp_path / 'governance.db'}"
    assert settings.endpoint_url.endswith(":9001")


def test_all_faults_are_listed_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_APP_PORT", "0")
    monkeypatch.setenv("COUNTERSIGN_PROFILE", "moon")
    monkeypatch.setenv("COUNTERSIGN_CURRENCY", "dollars")
    with pytest.raises(SettingsError) as refused:
        read_settings()
    for name in ("COUNTERSIGN_APP_PORT", "COUNTERSIGN_PROFILE", "COUNTERSIGN_CURRENCY"):
        assert name in refused.value.message


MAPPED = {
    "inference": {"table": "main.ml.scored", "time": "at", "prediction": "p", "reference_table": "main.ml.before"},
    "profiling": {"table": "main.ml.scored"},
}


def test_tables_of_the_platform_are_mapped_by_text_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"claims": MAPPED})
    file = tmp_path / "tables.json"
    file.write_text(text)
    monkeypatch.setenv("COUNTERSIGN_DATABRICKS_WAREHOUSE", "abc123")
    for given in (text, str(file)):
        monkeypatch.setenv("COUNTERSIGN_DATABRICKS_TABLES", given)
        found = read_settings().databricks_tables["claims"]
        assert found.inference is not None
        assert (found.inference.table, found.inference.prediction) == ("main.ml.scored", "p")
        assert found.profiling is not None
        assert found.profiling.drift is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{", "is not JSON"),
        ("/nowhere/tables.json", "neither a JSON object nor a file"),
        ('{"m": {"profiling": {"table": "scored"}}}', "COUNTERSIGN_DATABRICKS_TABLES at m.profiling.table"),
        (
            '{"m": {"inference": {"table": "a.b.c", "time": "t", "prediction": "p"}}}',
            "reference_table or reference_days",
        ),
        ('{"m": {"profilng": {}}}', "COUNTERSIGN_DATABRICKS_TABLES at m.profilng"),
        ('{"m": {"payload": {"table": "score_payload"}}}', "COUNTERSIGN_DATABRICKS_TABLES at m.payload.table"),
        ('{"m": {"payload": {"table": "a.b.c", "score": "risk"}}}', "COUNTERSIGN_DATABRICKS_TABLES at m.payload.score"),
        (
            '{"m": {"payload": {"table": "a.b.c", "late_minutes": 0}}}',
            "COUNTERSIGN_DATABRICKS_TABLES at m.payload.late_minutes",
        ),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_at_start_with_its_place(
    monkeypatch: pytest.MonkeyPatch, given: str, says: str
) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATABRICKS_WAREHOUSE", "abc123")
    monkeypatch.setenv("COUNTERSIGN_DATABRICKS_TABLES", given)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert says in refused.value.message


def test_the_log_of_an_endpoint_is_named_beside_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"table": "main.claims.score_payload", "score": "[0].risk", "late_minutes": 30, "failures_logged": True}
    monkeypatch.setenv("COUNTERSIGN_DATABRICKS_WAREHOUSE", "abc123")
    monkeypatch.setenv("COUNTERSIGN_DATABRICKS_TABLES", json.dumps({"claims": {"payload": given}, "other": MAPPED}))

    settings = read_settings()

    payload = settings.databricks_tables["claims"].payload
    assert payload is not None
    assert (payload.score, payload.late_minutes, payload.every_minutes) == ("[0].risk", 30, 10)
    [(model, table)] = inference_tables.tables(settings).items()
    assert (model, table.name, table.late_seconds) == ("claims", ("main", "claims", "score_payload"), 1800.0)


def test_how_often_a_mapped_table_is_asked_is_stated_in_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"claims": MAPPED, "seldom": {"inference": MAPPED["inference"] | {"every_minutes": 45}}}
    monkeypatch.setenv("COUNTERSIGN_DATABRICKS_WAREHOUSE", "abc123")
    monkeypatch.setenv("COUNTERSIGN_DATABRICKS_TABLES", json.dumps(named))
    found = read_settings().databricks_tables

    asked = {
        model: warehouse_table(model, mapped.inference).every_seconds
        for model, mapped in found.items()
        if mapped.inference
    }
    assert asked == {"claims": 600.0, "seldom": 2700.0}


def test_mapped_tables_need_a_warehouse_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATABRICKS_TABLES", json.dumps({"claims": MAPPED}))
    with pytest.raises(SettingsError, match="COUNTERSIGN_DATABRICKS_WAREHOUSE"):
        read_settings()


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({"DATABRICKS_APP_URL": "https://countersign-1.databricksapps.com/"}, "https://countersign-1.databricksapps.com"),
        ({"DATABRICKS_APP_URL": "countersign-1.databricksapps.com"}, "https://countersign-1.databricksapps.com"),
        ({"DATABRICKS_APP_URL": "https://a.example", "COUNTERSIGN_PASSKEY_ORIGIN": "https://b.example"}, "https://b.example"),
        ({"DATABRICKS_APP_URL": "https://a.example", "COUNTERSIGN_NOTIFY_BASE_URL": "https://c.example/x"}, "https://c.example"),
        ({"DATABRICKS_APP_URL": "https://a.example", "DATABRICKS_APP_PORT": ""}, "http://localhost:8501"),
        ({}, "http://localhost:8501"),
    ],
)  # fmt: skip
def test_in_an_app_of_databricks_browsers_reach_it_where_the_platform_says(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], origin: str
) -> None:
    for name, value in ({"DATABRICKS_APP_NAME": "countersign", "DATABRICKS_APP_PORT": "8000"} | given).items():
        monkeypatch.setenv(name, value)
    assert read_settings().origin == origin
