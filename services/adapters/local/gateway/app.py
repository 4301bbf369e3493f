"""The gateway's HTTP face: invocations for everybody, the state for everybody, changes only with the admin token."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.adapters.local.gateway.asking import Fault
from services.adapters.local.gateway.pool import Pool, Scorer
from services.adapters.local.gateway.request import MAX_BODY_BYTES, read_envelope
from services.adapters.local.gateway.routing import Answer, Router
from services.adapters.local.gateway.state import described, process_state
from services.adapters.local.gateway.table import KINDS, Deployment, RefusedError

IDLE_SECONDS = 120.0
"""A version that nothing points at is unloaded after this time."""
_RETRY_FAILED_SECONDS = 60.0

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    router: Router
    pool: Pool
    token: str
    parent: int | None = None
    """The process whose end is ours too; None when nobody watches over us."""

    def __post_init__(self) -> None:
        if len(self.token) < 32:
            raise ValueError("the admin token is too short")


def build_app(gateway: Gateway) -> Starlette:
    endpoints = _Endpoints(gateway)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await gateway.pool.open()
        keeper = asyncio.create_task(endpoints.keep())
        yield
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await gateway.router.close()
        await gateway.pool.close()
        gateway.router.journal.rotate()

    admin = endpoints.admin
    return Starlette(
        lifespan=lifespan,
        exception_handlers={RefusedError: _refused},
        routes=[
            Route("/health", endpoints.health),
            Route("/endpoints", endpoints.listing),
            Route("/endpoints/{name}", endpoints.state),
            Route("/endpoints/{name}/invocations", endpoints.invoke, methods=["POST"]),
            Route("/admin/endpoints/{name}", admin(endpoints.register), methods=["PUT"]),
            Route("/admin/endpoints/{name}/ready", admin(endpoints.make_ready), methods=["POST"]),
            Route("/admin/endpoints/{name}/routes", admin(endpoints.set_routes), methods=["PUT"]),
            Route("/admin/endpoints/{name}/mirror", admin(endpoints.set_mirror), methods=["PUT"]),
            Route("/admin/endpoints/{name}/mode", admin(endpoints.set_mode), methods=["PUT"]),
            Route("/admin/endpoints/{name}/probe", admin(endpoints.probe), methods=["POST"]),
            Route("/admin/endpoints/{name}/faults/{version}", admin(endpoints.fault), methods=["PUT", "DELETE"]),
            Route("/admin/journal/rotate", admin(endpoints.rotate), methods=["POST"]),
            Route("/admin/processes", admin(endpoints.processes)),
        ],
    )


class _Endpoints:
    def __init__(self, gateway: Gateway) -> None:
        self._router = gateway.router
        self._pool = gateway.pool
        self._token = gateway.token.encode()
        self._parent = gateway.parent
        self._nonce = secrets.token_hex(8)
        self._started = time.monotonic()

    # Everybody ------------------------------------------------------------------------------------------------

    async def health(self, _request: Request) -> Response:
        mirrors = self._router.mirrors
        return JSONResponse(
            {
                "status": "ok",
                "service": "countersign-endpoint",
                "pid": os.getpid(),
                "nonce": self._nonce,
                "uptime_seconds": round(time.monotonic() - self._started, 1),
                "deployments": len(self._router.table.deployments),
                "mirrored": mirrors.copied.total(),
                "mirrors_dropped": mirrors.dropped.total(),
            }
        )

    async def listing(self, _request: Request) -> Response:
        return JSONResponse({"endpoints": [self._describe(item) for item in self._router.table.deployments.values()]})

    async def state(self, request: Request) -> Response:
        return JSONResponse(self._describe(self._named(request)))

    async def invoke(self, request: Request) -> Response:
        is_admin = self._is_admin(request)
        deployment = self._named(request)
        if deployment.kind == "batch" and not is_admin:
            raise RefusedError(403, f"{deployment.name} is a batch model: its job scores it, callers read its results.")
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            raise RefusedError(413, f"A request may have {MAX_BODY_BYTES // 2**20} MiB; send fewer rows at once.")
        envelope = read_envelope(request.headers, is_admin=is_admin, now=self._router.clock.now())
        answer = await self._router.answer(deployment.name, await request.body(), envelope)
        return Response(answer.body, answer.status, _headers(answer), "application/json")

    # With the token -------------------------------------------------------------------------------------------

    def admin(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            if not self._is_admin(request):
                raise RefusedError(403, "This call changes the endpoint and needs its admin token.")
            return await handler(request)

        return guarded

    async def register(self, request: Request) -> Response:
        wanted = await _document(request)
        name, kind = request.path_params["name"], wanted.get("kind")
        if kind not in KINDS:
            raise RefusedError(422, f"A deployment is {' or '.join(KINDS)}, not {kind!r}.")
        existing = self._router.table.deployments.get(name)
        if existing is not None and existing.kind != kind:
            raise RefusedError(422, f"{name} is already a {existing.kind} deployment.")
        return self._answer(self._router.table.put(existing or Deployment(name=name, kind=kind)))

    async def make_ready(self, request: Request) -> Response:
        deployment = self._named(request)
        version = _version((await _document(request)).get("version"))
        scorer = self._pool.ensure(deployment.name, version)
        scorer.used_at = time.monotonic()
        self._note_ready(scorer)
        return JSONResponse({"state": scorer.state, "reason": scorer.reason})

    async def set_routes(self, request: Request) -> Response:
        wanted = await _document(request)
        deployment = self._named(request)
        changed = deployment.with_routes(
            _routes(wanted.get("routes")),
            expect_generation=_whole(wanted.get("expect_generation"), "expect_generation"),
            op=_operation(wanted),
            ready=self._pool.ready(deployment.name),
        )
        return self._answer(self._router.table.put(changed))

    async def set_mirror(self, request: Request) -> Response:
        wanted = await _document(request)
        version = wanted.get("version")
        mirror = (_version(version), _whole(wanted.get("percent"), "percent")) if version else None
        changed = self._named(request).with_mirror(
            mirror,
            expect_generation=_whole(wanted.get("expect_generation"), "expect_generation"),
            op=_operation(wanted),
        )
        return self._answer(self._router.table.put(changed))

    async def set_mode(self, request: Request) -> Response:
        wanted = await _document(request)
        deployment = self._named(request)
        changed = deployment.with_mode(
            str(wanted.get("mode")),
            expect_generation=_whole(wanted.get("expect_generation"), "expect_generation"),
            op=_operation(wanted),
            ready=self._pool.ready(deployment.name),
        )
        return self._answer(self._router.table.put(changed))

    async def probe(self, request: Request) -> Response:
        """Asks one version its own example. Batch versions are loaded for it; others have to be there."""
        deployment = self._named(request)
        version = _version((await _document(request)).get("version"))
        return JSONResponse({"answered": await self._router.probe(deployment, version)})

    async def fault(self, request: Request) -> Response:
        deployment, version = self._named(request), request.path_params["version"]
        self._router.faults.pop((deployment.name, version), None)
        if request.method == "PUT":
            wanted = await _document(request)
            try:
                fault = Fault(
                    label=str(wanted["label"]),
                    latency_ms=float(wanted.get("latency_ms", 0)),
                    error_rate=float(wanted.get("error_rate", 0)),
                )
            except (KeyError, TypeError, ValueError) as strange:
                raise RefusedError(422, "A fault needs a label, and latency_ms or error_rate as numbers.") from strange
            if not fault.label or not 0 <= fault.error_rate <= 1 or not 0 <= fault.latency_ms <= 60_000:
                raise RefusedError(422, "A fault needs a label, error_rate 0 to 1 and latency_ms 0 to 60,000.")
            self._router.faults[deployment.name, version] = fault
        return self._answer(deployment)

    async def rotate(self, _request: Request) -> Response:
        return JSONResponse({"closed": [str(file) for file in self._router.journal.rotate()]})

    async def processes(self, _request: Request) -> Response:
        return JSONResponse({"processes": [process_state(scorer) for scorer in self._pool.all()]})

    # Upkeep ---------------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Every second: what should be loaded is loaded, what nothing points at any more is unloaded."""
        while True:
            if self._parent is not None and os.getppid() != self._parent:
                os.kill(os.getpid(), signal.SIGTERM)
            self._router.beat()
            for deployment in tuple(self._router.table.deployments.values()):
                for version in deployment.wanted:
                    self._keep_loaded(deployment, version)
                for scorer in self._pool.of(deployment.name):
                    self._note_ready(scorer)
                    scorer.measure()
                    if not scorer.socket.exists():
                        self._pool.lost(scorer)
                    idle = time.monotonic() - scorer.used_at > IDLE_SECONDS
                    if idle and not scorer.in_flight and scorer.version not in deployment.wanted:
                        self._pool.unload(deployment.name, scorer.version)
            await asyncio.sleep(1.0)

    def _keep_loaded(self, deployment: Deployment, version: str) -> None:
        scorer = self._pool.find(deployment.name, version)
        given_up = scorer is not None and scorer.state == "failed"
        if scorer is None or (given_up and time.monotonic() - scorer.used_at > _RETRY_FAILED_SECONDS):
            self._pool.ensure(deployment.name, version)

    def _note_ready(self, scorer: Scorer) -> None:
        deployment = self._router.table.deployments.get(scorer.deployment)
        if scorer.state == "ready" and deployment is not None:
            self._router.table.put(deployment.with_known(scorer.version))

    def _describe(self, deployment: Deployment) -> dict[str, Any]:
        return described(self._router, deployment)

    def _answer(self, deployment: Deployment) -> Response:
        return JSONResponse(self._describe(deployment))

    def _named(self, request: Request) -> Deployment:
        return self._router.table.get(request.path_params["name"])

    def _is_admin(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and hmac.compare_digest(given.encode(), self._token)


async def _refused(_request: Request, refused: Exception) -> Response:
    if not isinstance(refused, RefusedError):
        raise refused
    # Whatever cannot be answered now may be asked again; the caller's own faults may not.
    again = {"Retry-After": "60"} if refused.status == 503 else None
    return JSONResponse({"error": refused.sentence}, refused.status, again)


async def _document(request: Request) -> dict[str, Any]:
    try:
        document = await request.json()
    except ValueError as strange:
        raise RefusedError(422, "Send a JSON object.") from strange
    if not isinstance(document, dict):
        raise RefusedError(422, "Send a JSON object.")
    return document


def _routes(given: Any) -> tuple[tuple[str, int], ...]:
    try:
        return tuple((_version(version), _whole(share, "share")) for version, share in given)
    except (TypeError, ValueError) as strange:
        raise RefusedError(
            422, 'Routes are a list of [version, percent], for example [["3", 90], ["4", 10]].'
        ) from strange


def _version(given: Any) -> str:
    # Versions become part of addresses and file names; the registry numbers them.
    if not isinstance(given, str) or not given.isdigit() or len(given) > 9:
        raise RefusedError(422, f"A version is a number in text, not {given!r}.")
    return given


def _whole(given: Any, name: str) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        raise RefusedError(422, f"{name} must be a whole number, not {given!r}.")
    return given


def _operation(wanted: dict[str, Any]) -> str:
    op = wanted.get("op")
    if not isinstance(op, str) or not op:
        raise RefusedError(422, "A change of traffic must carry its operation id (op).")
    return op


def _headers(answer: Answer) -> dict[str, str]:
    return {
        "X-Countersign-Version": answer.version,
        "X-Countersign-Generation": str(answer.generation),
        "X-Countersign-Request": answer.request_id,
        **dict(answer.more),
    }
