"""Two apps and two workers on one PostgreSQL behind a proxy, killed at random: no action twice, no decision lost.

Half a minute here; `COUNTERSIGN_REPLICA_SECONDS=600 pytest tests/contract/test_replicas.py` is the long run.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx
import psycopg
import pytest

from services.adapters.sql.ledger import SqlLedgerReader
from services.rollout.models import ActionState
from tests.builders import MODEL, World
from tests.contract import replicas
from tests.contract.production import free_port
from tests.contract.replicas import act, opened
from tests.unit.rollout.workers import FORKED, no_main

SECONDS = float(os.environ.get("COUNTERSIGN_REPLICA_SECONDS", "30"))
_FINAL = {ActionState.APPLIED, ActionState.SUPERSEDED, ActionState.FAILED, ActionState.CONFLICT}


class Proxy:
    """A TCP proxy that gives each connection to the next app that answers, as a load balancer does."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self.ports = ports
        self.turn = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        for _ in self.ports:
            self.turn += 1
            with suppress(OSError):
                upstream = socket.create_connection(("127.0.0.1", self.ports[self.turn % len(self.ports)]), timeout=2)
                upstream.settimeout(None)
                threading.Thread(target=_pump, args=(client, upstream), daemon=True).start()
                _pump(upstream, client)
                return
        client.close()

    def close(self) -> None:
        self.listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@dataclass
class Fleet:
    """Processes are forked from one that has imported everything: a new interpreter would spend seconds on imports."""

    url: str
    folder: Path
    ports: tuple[int, int]
    processes: dict[str, ForkServerProcess] = field(default_factory=dict)
    kills: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return ("app-0", "app-1", "worker-0", "worker-1")

    def start(self, name: str) -> None:
        kind, number = name.split("-")
        last = str(self.ports[int(number)]) if kind == "app" else f"{name}-{secrets.token_hex(3)}"
        work = replicas.app if kind == "app" else replicas.worker
        process = FORKED.Process(target=work, args=(self.url, str(self.folder), last))
        with no_main():
            process.start()
        self.processes[name] = process

    def kill(self, name: str, number: signal.Signals) -> None:
        process = self.processes[name]
        assert process.pid is not None
        os.kill(process.pid, number)
        process.join(timeout=60)
        assert not process.is_alive()
        self.kills += 1

    def end(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            process.join()


@dataclass
class Client:
    """Somebody who decides: a command is repeated under its id until there is an answer."""

    url: str
    stop: threading.Event = field(default_factory=threading.Event)
    receipts: dict[str, tuple[int, str]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    repeated: int = 0

    def run(self) -> None:
        while not self.stop.is_set():
            step = self._ask("GET", None)
            if not step or "error" in step:
                time.sleep(0.1)
                continue
            self._decide({**step, "command": secrets.token_hex(8)})

    def _decide(self, step: dict[str, str]) -> None:
        for attempt in range(10_000):
            answer = self._ask("POST", step)
            if answer is not None:
                if "seq" in answer:
                    self.receipts[step["command"]] = (int(answer["seq"]), str(answer["leaf"]))
                    self.repeated += attempt > 0
                else:
                    self.refused[f"{step['op']}: {answer['kind']}"] += 1
                return
            time.sleep(0.2)

    def _ask(self, method: str, body: dict[str, str] | None) -> dict[str, str] | None:
        """None when nobody answered, or when the answer was that something was unavailable."""
        try:
            found = httpx.request(method, self.url, json=body, timeout=60, trust_env=False)
        except httpx.HTTPError:
            return None
        return None if found.status_code == 503 else dict(found.json())


@pytest.fixture
def fleet(postgres: str, tmp_path: Path) -> Iterator[Fleet]:
    name = f"replicas_{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = postgres.replace("/postgres?", f"/{name}?")
    made = Fleet(url=url, folder=tmp_path, ports=(free_port(), free_port()))
    yield made
    made.end()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def stormed(fleet: Fleet, seconds: float) -> Client:
    """Decisions without a pause while replicas die and come back, at most one of each kind away at a time."""
    chance = random.Random(8)
    proxy = Proxy(fleet.ports)
    client = Client(url=proxy.url)
    for name in fleet.names:
        fleet.start(name)
    thread = threading.Thread(target=client.run, daemon=True)
    thread.start()
    _until(lambda: len(client.receipts) > 0, 240)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.5, 4.0))
        name = chance.choice(fleet.names)
        fleet.kill(name, chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
        time.sleep(chance.uniform(0.0, 2.0))
        fleet.start(name)
    client.stop.set()
    thread.join(timeout=240)
    assert not thread.is_alive(), "the last command was never answered"
    proxy.close()
    return client


def _until(condition: object, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.1)


def settled(world: World) -> None:
    """What a killed worker left behind is taken up again when its claim has run out."""

    def quiet() -> bool:
        act(world)
        return all(action.state in _FINAL for action in world.rollout.actions(MODEL, 5000))

    _until(quiet, 240)


@pytest.mark.slow
def test_two_apps_and_two_workers_under_random_kills_do_nothing_twice_and_lose_nothing(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    world = opened(fleet.url, fleet.folder)
    world.release("1")

    client = stormed(fleet, SECONDS)
    fleet.end()
    settled(world)

    # No decision lost: whoever holds a receipt finds exactly that entry, once.
    reader = SqlLedgerReader(world.database)
    for command, (seq, leaf) in client.receipts.items():
        entry = reader.entry(seq)
        assert entry is not None, command
        assert entry.leaf_hash == leaf, command
    numbers = [seq for seq, _ in client.receipts.values()]
    assert len(set(numbers)) == len(numbers), "two commands were given one entry"
    # No action twice: each change of traffic is one operation of the endpoint and one outcome in the ledger.
    actions = world.rollout.actions(MODEL, 5000)
    applied = [action for action in actions if action.state is ActionState.APPLIED]
    switches = Counter(world.platform.switches(MODEL))
    assert [op for op, times in switches.items() if times > 1] == []
    assert world.entries("outcome:applied") == len(applied)
    assert len({action.seq_outcome for action in applied}) == len(applied)
    live = world.rollout.deployment(MODEL)
    assert dict(world.platform.observe(MODEL).routes) == dict(live.desired)
    # It was a storm, and decisions went on through it.
    assert fleet.kills > 0
    assert len(client.receipts) > 3
    with capsys.disabled():
        figures = {
            "seconds": SECONDS, "kills": fleet.kills, "decisions": len(client.receipts),
            "repeated": client.repeated, "refused": dict(client.refused), "actions": len(actions),
            "applied": len(applied), "switches": sum(switches.values()),
        }  # fmt: skip
        print(f"\nreplicas: {json.dumps(figures)}")
    world.database.dispose()
