"""Processes of a deployment with replicas: two apps that take decisions over HTTP, two workers that carry them out.

The services are the product's own on one PostgreSQL; registry and endpoint are files that every process shares. An app
does what a screen does: it says what is to be decided next, and takes one command with the id that the caller made.
"""

from __future__ import annotations

import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from filelock import FileLock

from services.adapters.sql.ops import SqlOps
from services.approvals.models import Decision, SignOff, SubmitRequest
from services.kernel.clock import SystemClock
from services.kernel.errors import ControlRoomError, UnavailableError
from services.rollout.models import Observed
from services.worker import Lane, Task, Worker, install_signals
from tests.builders import MODEL, World, a_world
from tests.fakes.platform import FilePlatform

QUORUM = (
    ("vera.validator", Decision.APPROVE),
    ("ben.business", Decision.ACKNOWLEDGE),
    ("clara.compliance", Decision.APPROVE),
)


class SharedPlatform(FilePlatform):
    """One process after the other: a real endpoint serialises its changes as well."""

    def _change(self, deployment: str, expect_generation: int, op: str, **fields: Any) -> Observed:
        with FileLock(f"{self._file}.lock"):
            return super()._change(deployment, expect_generation, op, **fields)


def opened(url: str, folder: Path) -> World:
    return a_world(folder, url=url, clock=SystemClock(), serving=SharedPlatform(folder / "platform.json"))


def next_step(world: World) -> dict[str, str]:
    """What a person would be asked to decide now; empty while the workers have something to do."""
    if any(action.state.value in {"pending", "running"} for action in world.rollout.actions(MODEL, 20)):
        return {}
    view = world.rollout.deployment(MODEL)
    if view.candidate is not None:
        return {"op": "rollback"}
    waiting = [row for row in world.approvals.requests_of(MODEL) if row.state.value == "open"]
    if not waiting:
        # What was taken back comes again only with a new approval, so the two take turns.
        asked = [row.version for row in world.approvals.requests_of(MODEL)]
        version = "3" if asked and asked[0] == "2" else "2"
        return {"op": "submit", "version": version}
    request_id = waiting[0].request_id
    with world.units.read() as unit:
        signed = {decision.subject for decision in unit.requests.decisions(request_id)}
    left = [subject for subject, _ in QUORUM if subject not in signed]
    return {"op": "sign", "request": request_id, "by": left[0]} if left else {}


def carry_out(world: World, step: dict[str, str]) -> dict[str, Any]:
    """One command with the caller's id; the receipt."""
    command = step["command"]
    if step["op"] == "submit":
        dana = world.actor("dana.datascience")
        draft = world.approvals.draft(MODEL, step["version"], actor=dana)
        receipt = world.approvals.submit(
            SubmitRequest(
                command_id=command, model=MODEL, version=step["version"], note="Better.",
                seen_evidence=draft.evidence_sha256, passphrase=world.secret("dana.datascience"),
            ),
            actor=dana,
        )  # fmt: skip
    elif step["op"] == "sign":
        actor = world.actor(step["by"])
        review = world.approvals.open_review(step["request"], actor=actor)
        receipt = world.approvals.sign_off(
            SignOff(
                command_id=command, request_id=step["request"], decision=dict(QUORUM)[step["by"]], reason_code="",
                comment="", challenge=review.challenge, passphrase=world.secret(step["by"]),
            ),
            actor=actor,
        )  # fmt: skip
    else:
        receipt = world.rollout.roll_back(world.a_rollback("1", command_id=command), actor=world.actor("sam.sre"))
    return {"seq": receipt.seq, "leaf": receipt.leaf_hash}


def app(url: str, folder: str, port: str) -> None:
    world = opened(url, Path(folder))

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(lambda: next_step(world))

        def do_POST(self) -> None:
            step = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(lambda: carry_out(world, step))

        def _answer(self, work: Any) -> None:
            try:
                code, said = 200, work()
            except UnavailableError as away:
                code, said = 503, {"error": str(away)}
            except ControlRoomError as refused:
                code, said = 409, {"error": str(refused), "kind": type(refused).__name__}
            data = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    ThreadingHTTPServer(("127.0.0.1", int(port)), Answers).serve_forever()


def worker(url: str, folder: str, name: str) -> None:
    world = opened(url, Path(folder))
    loop = Worker(
        tasks=(Task(name="outbox", every=timedelta(milliseconds=200), run=lambda: act(world), lane=Lane.ACT),),
        ops=SqlOps(world.database),
        clock=world.clock,
        lease_lasting=timedelta(seconds=8),
        beat_every=timedelta(seconds=1),
        worker_id=name,
    )
    install_signals(loop)
    loop.run_forever()


def act(world: World) -> None:
    world.runner.run_pending()
    world.runner.settle_aliases()
