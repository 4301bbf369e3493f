"""The workspace of the contract tests with a real inside: models of a real store, versions that really score.

    python -m tests.journeys.databricks_workspace PORT HOME STORE PEOPLE

What the platform keeps (endpoints, jobs, catalog, whose token it is) is kept by `tests/contract/databricks_server`.
Behind it the local gateway runs the scoring processes: an update of an endpoint ends when its new version answers,
requests are split there by the routes of the active configuration, and a job's run scores with the version it is
pinned to. Aliases are written through to the MLflow store (STORE), where journeys read them.

Beside the platform's own addresses journeys find what they look for elsewhere at an endpoint of ours: `GET
/endpoints/MODEL` says what the platform has, and whatever changes something there goes to the gateway alone.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import httpx
from databricks.sdk.service.jobs import JobParameterDefinition, JobSettings
from databricks.sdk.service.serving import (
    EndpointCoreConfigOutput,
    Route,
    ServedEntityOutput,
    ServedModelState,
    TrafficConfig,
)

from services.adapters.databricks import marks
from services.adapters.local.processes import start_endpoint
from services.adapters.local.serving import LocalServing
from services.kernel.errors import ArtifactMissingError, ControlRoomError
from tests.contract.databricks_server.endpoints import READY, Endpoint, Endpoints, Refused
from tests.contract.databricks_server.jobs import Jobs
from tests.contract.databricks_server.models import Models
from tests.contract.databricks_server.server import Handler, Platform, a_workspace

FIRST_JOB = 1101
"""Number of the first batch job; the others follow in the order of their models' names."""
_PROBE = "countersign-probe-"
_ENTITY = {"workload_size": "Small", "workload_type": "CPU", "scale_to_zero_enabled": False}


def endpoint_of(model: str) -> str:
    return model.rpartition(".")[2].replace("_", "-")


@dataclass
class ScoringEndpoints(Endpoints):
    """An update is over when the gateway runs every version of it; then its shares are the gateway's routes."""

    gateway: LocalServing | None = None

    def _finish(self, found: Endpoint) -> None:
        gateway = self._at()
        for item in (found.pending.served_entities or []) if found.pending else []:
            model, version = self._key(item)
            try:
                if not gateway.ensure_ready(model, version, op=f"platform-{version}"):
                    return
            except ArtifactMissingError:
                self.failing.add((model, version))
        super()._finish(found)
        self.put_in_force(found)

    def put_in_force(self, found: Endpoint) -> None:
        """Callers are answered by the active configuration. What the gateway does already is not sent again."""
        gateway, shares = self._at(), self.shares(found)
        for model in {item.entity_name or "" for item in self._entities(found)}:
            seen = gateway.observe(model)
            if seen.routes != shares:
                op = f"platform-{found.active.config_version if found.active else 0}"
                gateway.set_routes(model, shares, expect_generation=seen.generation, op=op)

    def shares(self, found: Endpoint) -> tuple[tuple[str, int], ...]:
        versions = {item.name: item.entity_version or "" for item in self._entities(found)}
        routes = (found.active.traffic_config.routes or []) if found.active and found.active.traffic_config else []
        shared = {versions[route.served_model_name]: route.traffic_percentage for route in routes}
        return tuple((version, share) for version, share in sorted(shared.items()) if share)

    def of_model(self, model: str) -> Endpoint | None:
        served = (found for found in self.all.values() if any(e.entity_name == model for e in self._entities(found)))
        return next(served, None)

    def keep_warm(self) -> None:
        """A version at 0 % stays awake, as the platform keeps what may not scale to zero."""
        for found in self.all.values():
            for item in self._entities(found):
                with suppress(ControlRoomError):
                    self._at().ensure_ready(*self._key(item), op="platform-warm")

    def _at(self) -> LocalServing:
        assert self.gateway
        return self.gateway


@dataclass
class PinnedJobs(Jobs):
    models: dict[str, int] = field(default_factory=dict)

    def pinned(self, model: str) -> str:
        parameters = self.all[self.models[model]].parameters or []
        return next(item.default for item in parameters if item.name == "model_version")


@dataclass
class KeptModels(Models):
    """Aliases are written through to the store that the models came from."""

    client: Any = None

    def set_alias(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = super().set_alias(body)
        self.client.set_registered_model_alias(body["name"], body["alias"], body["version"])
        return answer

    def delete_alias(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = super().delete_alias(body)
        self.client.delete_registered_model_alias(body["name"], body["alias"])
        return answer


@dataclass
class RealWorkspace(Platform):
    scoring: ScoringEndpoints = field(default_factory=ScoringEndpoints)
    batch: PinnedJobs = field(default_factory=PinnedJobs)
    gateway_url: str = ""
    gateway_token: str = ""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))

    def take_over(self, gateway: LocalServing, state: Path) -> None:
        """What the gateway served when it was moved here becomes endpoints and jobs, the way back included."""
        self.scoring.gateway = gateway
        self.endpoints, self.jobs = self.scoring, self.batch
        self.scoring.registered |= {
            (name, str(number)) for name, model in self.models.all.items() for number in model.versions
        }
        warm = json.loads(state.read_text())["deployments"]
        for number, (model, kind) in enumerate(sorted(gateway.kinds().items())):
            seen = gateway.observe(model)
            if kind == "batch":
                self.batch.models[model] = FIRST_JOB + number
                self.batch.all[FIRST_JOB + number] = _job(model, seen.routes[0][0])
            else:
                self._endpoint(model, dict(seen.routes), warm[model]["warm"], seen.generation)

    def _endpoint(self, model: str, shares: dict[str, int], warm: list[str], generation: int) -> None:
        versions = sorted({*shares, *warm}, key=int)
        served = [
            ServedEntityOutput.from_dict({"name": f"v{v}", "entity_name": model, "entity_version": v, **_ENTITY})
            for v in versions
        ]
        for item in served:
            item.state = ServedModelState(deployment=READY)
        routes = [Route(served_model_name=f"v{v}", traffic_percentage=shares.get(v, 0)) for v in versions]
        self.scoring.all[endpoint_of(model)] = Endpoint(
            name=endpoint_of(model),
            active=EndpointCoreConfigOutput(
                config_version=generation, served_entities=served, traffic_config=TrafficConfig(routes=routes)
            ),
        )

    def seen(self, model: str) -> dict[str, Any]:
        """What the platform has, in the words of an endpoint of ours."""
        if model in self.batch.models:
            return {"deployment": model, "kind": "batch", "routes": [[self.batch.pinned(model), 100]], "mirror": None}
        found = self.scoring.of_model(model)
        if found is None:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Nothing serves {model}.")
        mirror = marks.read(found.tags).mirror
        return {
            "deployment": model,
            "kind": "realtime",
            "routes": [list(route) for route in self.scoring.shares(found)],
            "mirror": list(mirror) if mirror else None,
        }

    def follow(self) -> None:
        """Runs of a job score with what it is pinned to; the platform's own hand, once a second."""
        gateway = self.scoring.gateway
        assert gateway
        while True:
            time.sleep(1)
            with suppress(ControlRoomError):
                for model in self.batch.models:
                    version, seen = self.batch.pinned(model), gateway.observe(model)
                    if seen.routes != ((version, 100),) and gateway.ensure_ready(model, version, op="platform-pin"):
                        gateway.set_routes(
                            model, ((version, 100),), expect_generation=seen.generation,
                            op=f"platform-{model}-{len(self.batch.updates)}-{time.time_ns()}",
                        )  # fmt: skip
            if int(time.monotonic()) % 30 == 0:
                self.scoring.keep_warm()


def _job(model: str, version: str) -> JobSettings:
    """Its first pin counts as ours: nobody changed it by hand."""
    pinned = {"countersign_accepted": "1", "countersign_wanted": version}
    parameters = [JobParameterDefinition(name="model_version", default=version)]
    return JobSettings(name=f"score {model}", parameters=parameters, tags=pinned, max_concurrent_runs=1)


class Answering(Handler):
    """Requests for scores pass without the lock that keeps the platform's state whole."""

    platform: RealWorkspace

    def serve(self) -> None:
        url = urlparse(self.path)
        match self.command, [unquote(part) for part in url.path.strip("/").split("/")]:
            case "GET", ["health"]:
                self.reply(200, {"status": "ok"})
            case "GET", ["endpoints", model]:
                self._seen(model)
            case _, ["endpoints" | "admin", *_]:
                self._forward(url.path, dict(self.headers.items()), self._body())
            case "POST", ["serving-endpoints", name, "invocations"]:
                self._invoke(name, "")
            case "POST", ["serving-endpoints", name, "served-models", entity, "invocations"]:
                self._invoke(name, entity)
            case _:
                super().serve()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815

    def _seen(self, model: str) -> None:
        try:
            with self.platform.lock:
                self.reply(200, self.platform.seen(model))
        except Refused as refused:
            self.reply(refused.status, refused.body)

    def _invoke(self, name: str, entity: str) -> None:
        """The platform's way to a version: along the routes of the endpoint, or straight to a served entity."""
        body = self._body()
        given: dict[str, Any] = json.loads(body)
        headers = {"Authorization": f"Bearer {self.platform.gateway_token}"}
        if str(given.pop("client_request_id", "")).startswith(_PROBE):
            headers["X-Countersign-Probe"] = "1"
        try:
            with self.platform.lock:
                self.platform.calls.append((self.command, self.path))
                self.platform.refuse(self.command, self.path, self.headers.get("Authorization", ""))
                found = self.platform.scoring.find(name)
                served = {item.name: item for item in (found.active.served_entities or []) if found.active}
        except Refused as refused:
            return self.reply(refused.status, refused.body, refused.headers)
        if entity and entity not in served:
            return self.reply(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"{entity} is not served."})
        if entity:
            headers["X-Countersign-Version"] = served[entity].entity_version or ""
        model = next(iter(served.values())).entity_name
        named = {item.entity_version: key for key, item in served.items()}
        self._forward(f"/endpoints/{model}/invocations", headers, json.dumps(given).encode(), named=named)
        return None

    def _forward(self, path: str, headers: dict[str, str], body: bytes, *, named: dict[Any, Any] | None = None) -> None:
        passed = {
            key: value
            for key, value in headers.items()
            if key.lower() in {"content-type", "authorization"} or key.lower().startswith("x-countersign-")
        }
        try:
            answer = self.platform.http.request(
                self.command, self.platform.gateway_url + path, content=body, headers=passed
            )
        except httpx.HTTPError as away:
            return self.reply(503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": str(away)})
        back = {
            key: value
            for key, value in answer.headers.items()
            if key.startswith("x-countersign-") or key == "content-type"
        }
        if named:
            back["served-model-name"] = named.get(answer.headers.get("x-countersign-version"), "")
        self.send(answer.status_code, answer.content, back)
        return None

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


def main(port: int, home: Path, store: str, people: Path) -> None:
    import mlflow

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    client = mlflow.MlflowClient(store, store)
    models = KeptModels(client=client, page=50)
    names = [model.name for model in client.search_registered_models()]
    models.load(client, {name: name for name in names})
    gateway = start_endpoint(home=home, tracking_uri=store, port=0, output=sys.stdout.fileno())
    try:
        platform = RealWorkspace(models=models, gateway_url=gateway.url)
        platform.gateway_token = gateway.token_file.read_text().strip()
        platform.take_over(LocalServing(gateway.url, token_file=gateway.token_file), home / "serving" / "state.json")
        platform.people = {who["token"]: who["person"] for who in json.loads(people.read_text()).values()}
        with a_workspace(platform, port=port, answering=Answering):
            threading.Thread(target=platform.follow, daemon=True).start()
            gateway.process.wait()
    finally:
        gateway.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
