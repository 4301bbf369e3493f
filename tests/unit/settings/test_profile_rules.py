"""Each profile says what it lacks and what contradicts it; every fault at once, and never the value of a secret."""

from __future__ import annotations

import pytest

from services.kernel.errors import SettingsError
from services.profile_rules import Profile, Stated, contradictions
from services.settings import Settings, read_settings

ON_SERVER = Stated(
    profile=Profile.MLFLOW, database_url="postgresql://cs@db/countersign", mlflow_uri="https://mlflow.example.com"
)
ON_DATABRICKS = Stated(
    profile=Profile.DATABRICKS,
    database_url="postgresql://cs@db/countersign",
    databricks=frozenset({"DATABRICKS_HOST", "DATABRICKS_TOKEN"}),
)


def changed(stated: Stated, **changes: object) -> Stated:
    return Stated(**{**{name: getattr(stated, name) for name in Stated.__dataclass_fields__}, **changes})


def faults(stated: Stated) -> dict[str, str]:
    return dict(contradictions(stated))


@pytest.mark.parametrize("stated", [Stated(), ON_SERVER, ON_DATABRICKS], ids=lambda item: item.profile.value)
def test_a_complete_profile_has_no_fault(stated: Stated) -> None:
    assert contradictions(stated) == ()


@pytest.mark.parametrize(
    ("stated", "changes", "setting", "words"),
    [
        (ON_SERVER, {"mlflow_uri": ""}, "mlflow_uri", "is missing"),
        (ON_SERVER, {"mlflow_uri": "databricks"}, "mlflow_uri", "COUNTERSIGN_PROFILE=databricks"),
        (ON_SERVER, {"mlflow_uri": "sqlite:///x.db"}, "mlflow_uri", "must be http:// or https://"),
        (ON_SERVER, {"mlflow_uri": "https://u:p@mlflow.example.com"}, "mlflow_uri", "MLFLOW_TRACKING_PASSWORD"),
        (ON_SERVER, {"database_url": ""}, "database_url", "is missing"),
        (ON_SERVER, {"database_url": "sqlite:///x.db"}, "database_url", "must be postgresql://"),
        (ON_SERVER, {"warehouse": "abc"}, "databricks_warehouse", "belongs to the profile databricks"),
        (ON_SERVER, {"test_panel": True}, "test_panel", "embedded demonstration only"),
        (ON_SERVER, {"serving_url": "ftp://x"}, "serving_url", "http:// or https://"),
        (ON_SERVER, {"notify_base_url": "countersign"}, "notify_base_url", "http:// or https://"),
        (ON_SERVER, {"json_texts": (("notify_urls", "[1]"),)}, "notify_urls", "must be JSON"),
        (ON_SERVER, {"json_texts": (("monitor_connections", "{"),)}, "monitor_connections", "must be JSON"),
        (ON_DATABRICKS, {"mlflow_uri": "https://mlflow.example.com"}, "mlflow_uri", "another registry"),
        (ON_DATABRICKS, {"databricks": frozenset({"DATABRICKS_TOKEN"})}, "profile", "DATABRICKS_HOST"),
        (ON_DATABRICKS, {"databricks": frozenset({"DATABRICKS_HOST"})}, "profile", "credentials"),
        (
            ON_DATABRICKS,
            {"databricks": frozenset({"DATABRICKS_HOST", "DATABRICKS_CLIENT_ID"})},
            "profile",
            "credentials",
        ),
        (Stated(), {"serving_port": 8501}, "serving_port", "port of the app as well"),
    ],
)
def test_what_is_missing_or_contradicts_is_named_with_the_way_out(
    stated: Stated, changes: dict[str, object], setting: str, words: str
) -> None:
    found = faults(changed(stated, **changes))
    assert list(found) == [setting]
    assert words in found[setting]


def test_everything_wrong_is_told_at_once_one_line_each_without_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "COUNTERSIGN_PROFILE": "mlflow",
        "COUNTERSIGN_APP_PORT": "0",
        "COUNTERSIGN_MLFLOW_URI": "sqlite:///hunter2-store.db",
        "COUNTERSIGN_DATABASE_URL": "mysql://cs:hunter2@db/x",
        "COUNTERSIGN_NOTIFY_URLS": "hunter2",
        "COUNTERSIGN_TEST_PANEL": "1",
    }.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        read_settings()

    assert len(refused.value.faults) == 5
    for fault in refused.value.faults:
        assert f"- {fault}" in refused.value.message.splitlines()
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_value_that_cannot_be_read_does_not_hide_what_contradicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_CURRENCY", "dollars")
    monkeypatch.setenv("COUNTERSIGN_SERVING_URL", "ftp://x")
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert [fault.partition(":")[0] for fault in refused.value.faults] == [
        "COUNTERSIGN_CURRENCY",
        "COUNTERSIGN_SERVING_URL",
    ]


def test_the_store_of_a_server_is_read_from_the_mounted_folder_only() -> None:
    assert Settings(home="h").artifacts_folder == Settings(home="h").home / "artifacts"
    assert str(Settings(home="h", artifact_root="/mnt/models").artifacts_folder) == "/mnt/models"
