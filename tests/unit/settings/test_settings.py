"""Configuration: works without any, and names every fault at once."""

from __future__ import annotations

from pathlib import Path

import pytest

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
