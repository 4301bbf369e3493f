"""Copying Unity Catalog beside listing it with MLflow's own client, and the inventory screen while a copy runs.

The workspace on localhost answers from a process of its own, and so does the worker that copies; times of a copy are
wall clock, since that is what somebody waits for, and requests are counted, since on a real workspace they cost more
than here. `COUNTERSIGN_BENCH_MODELS` (10,000) makes it smaller; each model has ten versions with a run each, and
one in ten is governed in the last two rounds.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

from services.adapters.databricks.client import Connection, Workspace
from services.adapters.mlflow.unity_catalog import Catalog
from services.adapters.mlflow.unity_files import CatalogFiles
from services.adapters.mlflow.unity_registry import UnityRegistry
from services.adapters.sql.database import Database
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.sweeping import SqlSweep
from services.inventory.sweeping import GOVERNED_EVERY, Sweep
from services.kernel.clock import Clock, FrozenClock, SystemClock
from services.kernel.secret import Secret
from services.settings import Settings
from tests.benchmarks.inventory_rerun import ROOT, Figure
from tests.contract.databricks_server.server import TOKEN, Platform, a_workspace
from tests.unit.monitoring.facts_on_disk import a_model

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from services.container import ControlRoom

SCHEMA, VERSIONS, CHANGED, GOVERNED, ROUNDS = "main.bench", 10, 0.01, 0.1, 15
COUNT, TOUCH = "/bench/count", "/bench/touch"
_LIMIT = timedelta(hours=6)
"""The bench waits until a copy is through; the product stops after ten minutes and goes on in the next round."""


@dataclass(frozen=True, slots=True)
class Took:
    seconds: float
    requests: int


def measure(folder: Path) -> Iterator[Figure]:
    models = int(os.environ.get("COUNTERSIGN_BENCH_MODELS", "10000"))
    size = f"{models:,} models x {VERSIONS} versions"
    with _a_server(models) as url:
        room, client = _a_room(folder, url), _mlflow(url)
        listing = _took(url, lambda: _listed(client))
        first = _took(url, lambda: _copied(folder, url))
        unchanged = _took(url, lambda: _copied(folder, url))
        _ask(url, f"{TOUCH}/{max(1, round(models * CHANGED))}")
        some = _took(url, lambda: _copied(folder, url))
        floor = f"{size}; listing took {listing.seconds:.1f} s and {listing.requests:,} requests"
        for name, took in (
            ("first copy", first),
            ("copy with nothing changed", unchanged),
            (f"copy with {CHANGED:.0%} of the models changed", some),
        ):
            note = f"{floor}, this {took.seconds:.1f} s and {took.requests:,}"
            yield Figure(f"{name} / listing with MLflow's client", took.seconds / listing.seconds, "x", note)
        room.oversight.refresh_summaries()
        yield from _screen(folder, url, room)
        yield from _governed(folder, url, models, listing, size)


def _governed(folder: Path, url: str, models: int, listing: Took, size: str) -> Iterator[Figure]:
    """Nothing changed: the round every ten minutes that reads governed models whole, and the ones in between."""
    count = max(1, round(models * GOVERNED))
    database = Database(f"sqlite:///{_home(folder) / 'governance.db'}")
    SqlInventory(database).put_catalog(tuple(a_model(_named(index)) for index in range(count)))
    database.dispose()
    later = FrozenClock(datetime.now(UTC) + GOVERNED_EVERY)
    for name in ("every ten minutes", "in between"):
        took = _took(url, lambda: _copied(folder, url, clock=later))
        note = f"{size}, {count:,} governed, nothing changed: {took.seconds:.1f} s and {took.requests:,} requests"
        yield Figure(f"copy with {GOVERNED:.0%} governed, {name} / listing", took.seconds / listing.seconds, "x", note)


def _screen(folder: Path, url: str, room: ControlRoom) -> Iterator[Figure]:
    """Rounds before, during and after: what the copy costs is not what the machine did meanwhile."""
    from streamlit.testing.v1 import AppTest

    screen = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    screen.session_state["control_room"] = room
    screen.session_state["token"] = room.people.open_session(room.people.sign_in_demo("clara.compliance"))
    screen.run()
    screen.switch_page("pages/screens/inventory.py")
    screen.run()
    assert not screen.exception
    before = _reruns(screen.run)
    with _copying(folder, url):
        during = _reruns(screen.run)
    quiet = before + _reruns(screen.run)
    for place, what in enumerate(("wall clock", "CPU of the app")):
        usual, busy = (statistics.median(pair[place] for pair in pairs) for pairs in (quiet, during))
        note = f"{usual * 1000:.0f} ms without, {busy * 1000:.0f} ms with; medians of {len(quiet)} and {len(during)}"
        yield Figure(f"inventory rerun during a running copy / without ({what})", busy / usual, "x", note)


def _reruns(work: Callable[[], object]) -> list[tuple[float, float]]:
    found = []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return found


# the two ways to know a registry


def _mlflow(url: str) -> MlflowClient:
    import mlflow

    os.environ |= {"DATABRICKS_HOST": url, "DATABRICKS_TOKEN": TOKEN}
    return mlflow.MlflowClient("databricks", "databricks-uc")


def _listed(client: MlflowClient) -> None:
    """Every model and every version, as far as MLflow's client lists them: without tags, aliases and files."""
    names, token = list[str](), None
    while True:
        page = client.search_registered_models(max_results=1000, page_token=token)
        names += [item.name for item in page]
        token = page.token
        if not token:
            break
    for name in names:
        token = None
        while True:
            found = client.search_model_versions(f"name='{name}'", max_results=1000, page_token=token)
            token = found.token
            if not token:
                break


def _sweep(folder: Path, url: str, *, full_every: timedelta, clock: Clock | None = None) -> Sweep:
    where = Workspace(Connection(host=url, token=Secret(TOKEN), patience_seconds=20.0))
    return Sweep(
        registry=UnityRegistry(Catalog(where, where), CatalogFiles(where), schemas=(SCHEMA,)),
        store=SqlSweep(Database(f"sqlite:///{_home(folder) / 'governance.db'}")),
        clock=clock or SystemClock(),
        full_every=full_every,
        limit=_LIMIT,
    )


def _copied(folder: Path, url: str, *, clock: Clock | None = None) -> None:
    done = _sweep(folder, url, full_every=timedelta(days=1), clock=clock).run()
    assert done.complete, done.error


def _home(folder: Path) -> Path:
    return folder / "home"


def _a_room(folder: Path, url: str) -> ControlRoom:
    """An embedded workspace, whose governance database holds the copy; its screens ask nothing of the platform."""
    from services.container import open_control_room
    from services.workspace.founding import found

    settings = Settings(home=_home(folder))
    settings.home.mkdir(parents=True)
    found(settings, at=datetime.now(UTC) - timedelta(days=1), replay_from=None, replay_to=None)
    where = Workspace(Connection(host=url, token=Secret(TOKEN)))
    return open_control_room(settings, registry=UnityRegistry(Catalog(where, where), CatalogFiles(where)))


def _took(url: str, work: Callable[[], object]) -> Took:
    asked, began = _ask(url, COUNT), time.perf_counter()
    work()
    return Took(time.perf_counter() - began, _ask(url, COUNT) - asked)


# processes beside this one


@contextmanager
def _a_server(models: int) -> Iterator[str]:
    with _process("serve", str(models)) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()


@contextmanager
def _copying(folder: Path, url: str) -> Iterator[None]:
    """A worker that reads everything again and again."""
    with _process("copy", str(folder), url) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        yield
        assert worker.poll() is None, "the copy ended before the screen was measured"


@contextmanager
def _process(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.benchmarks.catalog_copy", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _ask(url: str, path: str) -> int:
    with urlopen(f"{url}{path}") as answer:
        return int(answer.read())


def _serve(models: int) -> None:
    with a_workspace() as platform:
        _fill(platform, models)
        usual = platform.answer

        def answer(method: str, path: str, query: dict[str, str], body: dict[str, object]) -> object:
            if path == COUNT:
                return str(sum(not asked.startswith("/bench/") for _, asked in platform.calls)).encode(), {}
            if path.startswith(TOUCH):
                for name in list(platform.models.all)[: int(path.rpartition("/")[2])]:
                    platform.models.touch(name)
                return b"0", {}
            return usual(method, path, query, body)

        platform.answer = answer  # type: ignore[method-assign,assignment]
        platform.refuse = lambda *_: None  # type: ignore[method-assign,assignment]
        print(platform.url, flush=True)
        signal.pause()


def _named(index: int) -> str:
    return f"{SCHEMA}.model_{index:05d}"


def _fill(platform: Platform, models: int) -> None:
    """Pages as large as the platform gives them, in order and once: what is measured is not our patience."""
    shown = platform.models
    shown.page, shown.twice, shown.empty_pages = 10_000, False, False
    for index in range(models):
        name = _named(index)
        shown.add(name, *range(1, VERSIONS + 1), files={"MLmodel": b"flavors: {}\nmodel_size_bytes: 7\n"})
        shown.all[name].aliases["champion"] = str(VERSIONS - 1)
        for number, version in shown.all[name].versions.items():
            version.run_id = f"{index:05d}{number:027d}"
            info = {"run_id": version.run_id, "experiment_id": "1", "status": "FINISHED", "artifact_uri": "dbfs:/x"}
            shown.runs[version.run_id] = {"info": info, "data": {"metrics": [{"key": "auc", "value": 0.8}]}}


def _copy_for_ever(folder: Path, url: str) -> None:
    sweep = _sweep(folder, url, full_every=timedelta(0))
    print("copying", flush=True)
    while True:
        sweep.run()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if sys.argv[1] == "serve":
        _serve(int(sys.argv[2]))
    else:
        _copy_for_ever(Path(sys.argv[2]), sys.argv[3])
