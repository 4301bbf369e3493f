"""The prepared workspace moved behind the contract server: catalog, endpoints and jobs, PostgreSQL, headers of people.

It is prepared under the names of Unity Catalog (`catalog_names`), so that everything signed is signed under them. The
registry's store, the endpoint's state and the ledger are taken over as they are; app and worker run as the shipped
accounts with the least rights, each a process of its own, and know the workspace by its address and a token alone.

Nothing of this profile reads what a model answered: an export of the inference tables writes it into the home folder,
as a job on the platform would (`inference_export`). People are whom the platform's proxy names, asked of the workspace
with their token.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from services.adapters.local.estate.declared import CATALOG_FILE
from services.adapters.local.processes import stop_group, wait_for
from services.people.accounts import DEMO_ACCOUNTS, DEMO_ISSUER
from tests.contract.databricks_server.server import TOKEN
from tests.contract.production import as_account
from tests.journeys import production_parts
from tests.journeys.catalog_names import PORT, SCHEMA, WORKSPACE
from tests.journeys.databricks_workspace import FIRST_JOB, endpoint_of
from tests.journeys.load import example_in
from tests.journeys.platform_proxy import COOKIE
from tests.journeys.production_parts import Kept
from tests.journeys.running import ROOT, Running, free_port

NOT_HERE = production_parts.NOT_HERE
_LONG = 300.0


class OnDatabricks(Running):
    """What differs is where somebody past Countersign finds the registry."""

    @property
    def tracking_server(self) -> str:
        return WORKSPACE

    def point_alias(self, model: str, version: str) -> None:
        answer = httpx.post(
            f"{WORKSPACE}/api/2.0/mlflow/unity-catalog/registered-models/alias",
            json={"name": model, "alias": "champion", "version": version},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=20,
            trust_env=False,
        )
        answer.raise_for_status()


@contextmanager
def started(prepared: Path, folder: Path, postgres: str, *, logs: Path) -> Iterator[Running]:
    """Workspace, callers, export, worker, app and proxy, each a process of its own; ended in the other order."""
    assert DEMO_ISSUER == WORKSPACE, "start it with make journeys-databricks: names and people are the catalog's there"
    moved = production_parts.move(prepared, folder, postgres, files_at="")
    store = f"sqlite:///{moved.registry / 'mlflow.db'}"
    people = folder / "people.json"
    people.write_text(json.dumps(_people()))
    app_port, door = free_port(), free_port()
    with ExitStack() as house:
        workspace = [str(PORT), str(moved.home), store, str(people)]
        _run(house, ["-m", "tests.journeys.databricks_workspace", *workspace], logs / "workspace.log", WORKSPACE)
        env = _environment(moved.home, app_port, models=_served(moved.registry / "kept")) | {
            "COUNTERSIGN_DATABASE_URL": as_account(moved.governance, "countersign_app")
        }
        kept = [str(moved.home), moved.prepared_at]
        house.callback(Kept(["-m", "tests.journeys.callers", WORKSPACE, *kept], env, logs / "callers.log").end)
        export = ["-m", "tests.journeys.inference_export", WORKSPACE, str(moved.home)]
        house.callback(Kept(export, env, logs / "export.log").end)
        as_worker = {**env, "COUNTERSIGN_DATABASE_URL": as_account(moved.governance, "countersign_worker")}
        house.callback(Kept(["-m", "services", "worker"], as_worker, logs / "worker.log").end)
        serve = ["-m", "pages.components.serve", "--server.port", str(app_port), "--server.address", "localhost"]
        app = Kept([*serve, "--server.headless", "true", "--server.fileWatcherType", "none"], env, logs / "app.log")
        house.callback(app.end)
        wait_for(f"http://localhost:{app_port}/_stcore/health", app.process, seconds=_LONG)
        proxy = ["-m", "tests.journeys.platform_proxy", str(door), str(app_port), str(people)]
        _run(house, proxy, logs / "proxy.log", f"http://localhost:{door}", "/_stcore/health")
        yield OnDatabricks(
            home=moved.home,
            app=f"http://localhost:{door}",
            endpoint=WORKSPACE,
            env=env,
            registry_file=moved.registry / "mlflow.db",
            artifacts=moved.registry / "kept",
            commands="tests.journeys.signed_in",
            governance=moved.governance,
        )


def _people() -> dict[str, object]:
    """What the platform knows about each person of the ledger, and the token its proxy forwards for them."""
    return {
        account.subject: {
            "token": f"forwarded-{secrets.token_hex(16)}",
            "person": {
                "id": account.subject,
                "userName": f"{account.subject}@acme.example",
                "displayName": account.name,
                "active": True,
                "emails": [{"value": f"{account.subject}@acme.example", "primary": True}],
            },
        }
        for account in DEMO_ACCOUNTS
    }


def _served(artifacts: Path) -> dict[str, object]:
    """Endpoint and jobs as an operator names them; the numbers are those of the workspace."""
    found = httpx.get(f"{WORKSPACE}/endpoints", timeout=20, trust_env=False).json()["endpoints"]
    kinds = sorted((item["deployment"], item["kind"]) for item in found)
    return {
        model: {"job": FIRST_JOB + number}
        if kind == "batch"
        else {"endpoint": endpoint_of(model), "probe": json.loads(example_in(artifacts, model))}
        for number, (model, kind) in enumerate(kinds)
    }


def _environment(home: Path, app_port: int, *, models: dict[str, object]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    return kept | {
        "COUNTERSIGN_HOME": str(home),
        "COUNTERSIGN_PROFILE": "databricks",
        "COUNTERSIGN_CATALOG_FILE": str(CATALOG_FILE),
        "COUNTERSIGN_APP_PORT": str(app_port),
        "COUNTERSIGN_DATABRICKS_SCHEMAS": SCHEMA,
        "COUNTERSIGN_DATABRICKS_SERVING": json.dumps(models),
        "COUNTERSIGN_DATABRICKS_IDENTITY": "headers",
        "DATABRICKS_HOST": WORKSPACE,
        "DATABRICKS_TOKEN": TOKEN,
        "DATABRICKS_APP_NAME": "countersign",
        "DATABRICKS_APP_PORT": str(app_port),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }


def _run(house: ExitStack, words: list[str], log: Path, url: str, path: str = "/health") -> None:
    written = house.enter_context(log.open("wb"))
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stdout=written, stderr=written, start_new_session=True
    )
    house.callback(stop_group, process)
    wait_for(f"{url}{path}", process, seconds=_LONG)


@contextmanager
def sessions(running: Running) -> Iterator[Callable[[str], tuple[str, str]]]:
    """The cookie by which the platform's proxy knows somebody: the browser gets no session of ours from here."""
    del running
    yield lambda subject: (COOKIE, subject)
