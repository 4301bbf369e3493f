"""Server-side rerun of the inventory screen at 10,000 models x 10 versions, beside an empty page in the same run,
and beside listing the same registry through MLflow's own client."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from services.inventory.models import DeploymentKind, GovernedModel, Owner, ServiceLevel, Task, Tier
from services.settings import Settings
from tests.benchmarks import big_registry

if TYPE_CHECKING:
    from services.container import ControlRoom

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 15


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    unit: str
    note: str = ""


def measure(folder: Path, *, models: int = 10_000, versions: int = 10) -> list[Figure]:
    uri = big_registry.build(folder / "mlflow.db", models=models, versions=versions)
    listing = _listing_seconds(uri)
    room, sync_seconds = room_over(folder, uri, models)
    empty, inventory = _reruns(room)
    return [
        Figure(
            "inventory rerun / empty page (CPU)", inventory / empty, "x", f"{models:,} models x {versions} versions"
        ),
        Figure("empty page rerun", empty * 1000, "ms CPU"),
        Figure("inventory rerun", inventory * 1000, "ms CPU"),
        Figure("listing through MLflow's client / inventory rerun (CPU)", listing / inventory, "x"),
        Figure("first sync into the read model / listing through MLflow's client (CPU)", sync_seconds / listing, "x"),
    ]


def _listing_seconds(uri: str) -> float:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri, uri)
    begin = time.process_time()
    for search, size in ((client.search_registered_models, 1_000), (client.search_model_versions, 10_000)):
        token = None
        while True:
            page = search(max_results=size, page_token=token)
            token = page.token
            if not token:
                break
    return time.process_time() - begin


def room_over(folder: Path, uri: str, models: int, *, summaries: bool = True) -> tuple[ControlRoom, float]:
    """`summaries` are what inventory lists; who measures another screen has no use for 10,000 of them."""
    from services.container import open_control_room
    from services.workspace.founding import found

    settings = Settings(home=folder / "home", mlflow_uri=uri)
    settings.home.mkdir(parents=True)
    now = datetime.now(UTC)
    found(settings, at=now - timedelta(days=1), replay_from=None, replay_to=None)
    room = open_control_room(settings)
    room.inventory.register_catalog(tuple(_governed(index, now) for index in range(models)))
    begin = time.process_time()
    room.inventory.sync()
    seconds = time.process_time() - begin
    if summaries:
        room.oversight.refresh_summaries()
    return room, seconds


def _governed(index: int, now: datetime) -> GovernedModel:
    return GovernedModel(
        name=f"model_{index:05d}",
        title=f"Model {index}",
        use_case=f"Use case {index % 400}",
        purpose="Benchmark",
        tier=Tier(index % 3 + 1),
        kind=DeploymentKind.REALTIME if index % 2 else DeploymentKind.BATCH,
        task=Task.CLASSIFICATION,
        team=f"Team {index % 30}",
        owners=(Owner(role="business_owner", subject=f"owner{index % 200}", name=f"Owner {index % 200}"),),
        review_every_days=90,
        last_review=(now - timedelta(days=index % 120)).date(),
        service_level=ServiceLevel(p95_ms=100, error_rate=0.01),
        label="",
        limits_of_use="",
        fallback="",
    )


def _reruns(room: ControlRoom) -> tuple[float, float]:
    """CPU seconds of the median rerun: (empty page, inventory). Rounds alternate, so both meet the same machine."""
    from streamlit.testing.v1 import AppTest

    empty = AppTest.from_file(str(ROOT / "tests" / "benchmarks" / "empty_page.py"), default_timeout=60)
    empty.run()
    screen = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    screen.session_state["control_room"] = room
    screen.session_state["token"] = room.people.open_session(room.people.sign_in_demo("clara.compliance"))
    screen.run()
    screen.switch_page("pages/screens/inventory.py")
    screen.run()
    assert not screen.exception
    pairs = [(_cpu(empty.run), _cpu(screen.run)) for _ in range(ROUNDS)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def _cpu(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin
