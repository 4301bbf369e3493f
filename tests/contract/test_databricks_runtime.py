"""A job of the platform signs in with the token that its runtime gives, without any credentials in the environment."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from services.adapters.databricks.client import Connection, Workspace
from services.kernel.errors import SettingsError
from tests.contract.databricks_server.server import TOKEN, a_workspace

Headers = dict[str, str]


def test_a_job_is_whom_its_runtime_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_workspace() as platform:

        def given() -> tuple[str, Callable[[], Headers]]:
            return platform.url, lambda: {"Authorization": f"Bearer {TOKEN}"}

        for name in ("TOKEN", "CLIENT_ID", "CLIENT_SECRET"):
            monkeypatch.delenv(f"DATABRICKS_{name}", raising=False)
        monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.2.5")
        # The module that only the platform's runtime can fill; the SDK asks it for the token of the run.
        runtime = ModuleType("databricks.sdk.runtime")
        for name in ("native_unified", "legacy_auth", "repl_auth"):
            setattr(runtime, f"init_runtime_{name}", None)
        runtime.init_runtime_native_auth = given  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", runtime)
        client = Workspace(Connection(host=platform.url, in_runtime=True)).client
        assert [item.name for item in client.serving_endpoints.list()] == []
        assert client.config.auth_type == "runtime"


def test_outside_a_runtime_nobody_signs_in_without_credentials() -> None:
    with pytest.raises(SettingsError, match="no credentials"):
        Workspace(Connection(host="https://dbc-1234.cloud.databricks.com"))
