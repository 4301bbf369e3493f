"""Queue and request screens, home page and the worker's notices at 10,000 open requests, beside an empty page in the
same run.

The requests are copies of really signed ones under other names: everything a screen reads of an open request is in its
row. The entries in the ledger are not copied, since a list never opens them.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from services.adapters.sql.approvals import SqlRequests
from services.approvals.models import Decision, QueueQuery
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.rules import progress, waiting
from tests.benchmarks import big_registry
from tests.benchmarks.inventory_rerun import ROOT, Figure, room_over
from tests.builders import a_world

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

    from services.container import ControlRoom

ROUNDS = 9
MODELS, VERSIONS = 500, 20
FIRST_SEQ = 10_000_000
READER = "clara.compliance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """Medians, in seconds."""

    cpu: float
    wall: float


def measure(folder: Path, *, requests: int = MODELS * VERSIONS) -> Iterator[Figure]:
    uri = big_registry.build(folder / "mlflow.db", models=MODELS, versions=VERSIONS)
    room, _ = room_over(folder, uri, MODELS)
    _fill(room, _signed(folder / "world"), requests)
    yield from _screens(room, f"{requests:,} open requests")
    yield from _calls(room)
    room.database.dispose()


def _signed(folder: Path) -> tuple[tuple[PromotionRequest, tuple[DecisionRecord, ...]], ...]:
    """Three requests of a real world: two without a signature, one that the validator has signed."""
    folder.mkdir()
    world = a_world(folder)
    for version in ("1", "2", "3"):
        world.submit(version)
    world.sign_off(world.request_of("3").request_id, "vera.validator", Decision.APPROVE)
    with world.units.read() as unit:
        ids = [world.request_of(version).request_id for version in ("1", "2", "3")]
        found = [(unit.requests.get(id_), unit.requests.decisions(id_)) for id_ in ids]
    world.database.dispose()
    return tuple((request, decisions) for request, decisions in found if request is not None)


def _fill(
    room: ControlRoom, samples: tuple[tuple[PromotionRequest, tuple[DecisionRecord, ...]], ...], requests: int
) -> None:
    now = datetime.now(UTC)
    with room.database.write() as connection:
        store = SqlRequests(connection)
        for index in range(requests):
            sample, decisions = samples[index % len(samples)]
            made = now - timedelta(hours=index % 240)
            request = replace(
                sample,
                request_id=f"req-{index:05d}",
                model=f"model_{index // VERSIONS:05d}",
                title=f"Model {index // VERSIONS}",
                version=str(index % VERSIONS + 1),
                tier=index % 3 + 1,
                created_at=made,
                submitted_at=made,
                due_at=made + timedelta(days=5),
                expires_at=now + timedelta(days=30),
                escalate_at=made + timedelta(days=7),
                seq=FIRST_SEQ + index,
                leaf_hash=secrets.token_hex(32),
            )
            lines = progress(request.frozen.quorum, decisions)
            store.add(request, waiting=waiting(lines), needed=sum(line.rule.needed for line in lines))
            for decision in decisions:
                seq = FIRST_SEQ + requests + index
                store.add_decision(replace(decision, request_id=request.request_id, seq=seq, at=made))


def _screens(room: ControlRoom, note: str) -> Iterator[Figure]:
    """Rounds alternate, so all screens meet the same machine."""
    from streamlit.testing.v1 import AppTest

    empty = AppTest.from_file(str(ROOT / "tests" / "benchmarks" / "empty_page.py"), default_timeout=60)
    empty.run()
    screens = {
        "queue": _screen(room, "approvals"),
        "queue, waiting for me": _screen(room, "approvals", mine="1"),
        "one request": _screen(room, "approvals", request="req-00002"),
        "home": _screen(room, "overview"),
    }
    took = _medians({"": empty.run, **{name: _rerun(app) for name, app in screens.items()}})
    yield Figure("empty page rerun", took[""].cpu * 1000, "ms CPU", f"{took[''].wall * 1000:.0f} ms wall")
    for name in screens:
        cpu, wall = took[name].cpu, took[name].wall
        words = f"{note}; {cpu * 1000:.0f} ms CPU, {wall * 1000:.0f} ms wall, {wall / took[''].wall:.1f} x wall"
        yield Figure(f"{name} rerun / empty page (CPU)", cpu / took[""].cpu, "x", words)


def _screen(room: ControlRoom, name: str, **address: str) -> AppTest:
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    app.session_state["control_room"] = room
    app.session_state["token"] = room.people.open_session(room.people.sign_in_demo(READER))
    app.run()
    if name != "overview":
        app.switch_page(f"pages/screens/{name}.py")
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    problems = [*(item.value for item in app.exception), *(item.value for item in app.error)]
    assert not problems, f"{name} {address}: {problems}"
    return app


def _rerun(app: AppTest) -> Callable[[], object]:
    return app.run


def _calls(room: ControlRoom) -> Iterator[Figure]:
    """The services under these screens, without Streamlit; the worker's notices the first time and the next."""
    reader, approvals = room.people.sign_in_demo(READER), room.approvals
    calls: dict[str, Callable[[], object]] = {
        "queue, first page": lambda: approvals.queue(QueueQuery(), actor=reader),
        "queue, page 100": lambda: approvals.queue(QueueQuery(offset=4_950), actor=reader),
        "queue, waiting for me": lambda: approvals.queue(QueueQuery(mine_only=True), actor=reader),
        "queue, searched": lambda: approvals.queue(QueueQuery(text="model 49"), actor=reader),
        "counts": lambda: approvals.counts(reader),
        "one request": lambda: approvals.get("req-00002", actor=reader),
        "home": lambda: room.oversight.home(reader),
    }
    for name, took in _medians(calls).items():
        yield Figure(f"service call: {name}", took.cpu * 1000, "ms CPU", f"{took.wall * 1000:.0f} ms wall")
    for name in ("first time", "nothing new"):
        cpu, wall = time.process_time(), time.perf_counter()
        added = room.notices.refresh()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        yield Figure(f"working out notices, {name}", cpu, "s CPU", f"{wall:.1f} s wall, {added:,} new")


def _medians(calls: dict[str, Callable[[], object]]) -> dict[str, Took]:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            cpu, wall = time.process_time(), time.perf_counter()
            call()
            found[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: Took(cpu=statistics.median(cpu for cpu, _ in times), wall=statistics.median(wall for _, wall in times))
        for name, times in found.items()
    }
