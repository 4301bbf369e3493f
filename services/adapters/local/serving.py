"""The local endpoint as rollout.ports.ServingPlatform: HTTP to the gateway process, every failure in our words.

LocalServing("http://127.0.0.1:8502", token_file=home / "keys" / "gateway.token").observe("delay_claim_score")
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import httpx

from services.kernel.errors import (
    ArtifactMissingError,
    ConflictError,
    InputError,
    ServingUnavailableError,
    UnknownVersionError,
)
from services.rollout.endpoint_models import EndpointReading, EndpointVersion
from services.rollout.endpoints import role_of
from services.rollout.models import Capabilities, Observed, Probe

_SHORT = httpx.Timeout(5.0, connect=2.0)
_READY_WAIT_SECONDS = 1.0
_CAPABILITIES = Capabilities(
    mirror="live",
    cas=True,
    sticky=True,
    can_cancel_update=False,
    max_versions=10,
    telemetry_lag_seconds=2.0,
    granularity=1,
)
_HINT = "Start it with `make run`; traffic stays as it was until then."


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringProcess:
    """One version's own process, as the gateway reports it. `cpu_seconds` is what it used since it was started."""

    deployment: str
    version: str
    state: str
    pid: int | None
    cpu_seconds: float
    model_bytes: int
    reason: str


class LocalServing:
    """Safe to share between threads: the client keeps its own pool."""

    def __init__(self, url: str, *, token_file: Path) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._http = httpx.Client(base_url=self._url, timeout=_SHORT, trust_env=False)

    def close(self) -> None:
        self._http.close()

    # The port -------------------------------------------------------------------------------------------------

    def deployments(self) -> tuple[str, ...]:
        return tuple(item["deployment"] for item in self._get("/endpoints")["endpoints"])

    def capabilities(self, deployment: str) -> Capabilities:
        del deployment  # the same for all of them
        return _CAPABILITIES

    def observe(self, deployment: str) -> Observed:
        return _observed(self._get(f"/endpoints/{deployment}"))

    def ensure_ready(self, deployment: str, version: str, *, op: str) -> bool:
        """Waits up to a second for the version, so that a quick load needs one call only."""
        deadline = time.monotonic() + _READY_WAIT_SECONDS
        while True:
            answer = self._admin(
                "POST", f"/admin/endpoints/{deployment}/ready", json={"version": version, "op": op}, version=version
            )
            if answer["state"] == "failed":
                raise ArtifactMissingError(
                    f"Version {version} of {deployment} cannot be loaded: {answer['reason']}",
                    hint="Restore the model's files, or choose another version.",
                )
            if answer["state"] == "ready" or time.monotonic() > deadline:
                return bool(answer["state"] == "ready")
            time.sleep(0.05)

    def set_routes(
        self, deployment: str, routes: tuple[tuple[str, int], ...], *, expect_generation: int, op: str
    ) -> Observed:
        wanted = {"routes": [list(route) for route in routes], "expect_generation": expect_generation, "op": op}
        return _observed(self._admin("PUT", f"/admin/endpoints/{deployment}/routes", json=wanted))

    def set_mirror(
        self, deployment: str, version: str | None, percent: int, *, expect_generation: int, op: str
    ) -> Observed:
        wanted = {"version": version, "percent": percent, "expect_generation": expect_generation, "op": op}
        return _observed(self._admin("PUT", f"/admin/endpoints/{deployment}/mirror", json=wanted))

    def set_mode(self, deployment: str, mode: str, *, expect_generation: int, op: str) -> Observed:
        wanted = {"mode": mode, "expect_generation": expect_generation, "op": op}
        return _observed(self._admin("PUT", f"/admin/endpoints/{deployment}/mode", json=wanted))

    def probe_routed(self, deployment: str, n: int) -> Probe:
        answered: Counter[str] = Counter()
        failed = 0
        headers = {"X-Countersign-Probe": "1", "Authorization": f"Bearer {self._token()}"}
        for _ in range(n):
            try:
                answer = self._http.post(f"/endpoints/{deployment}/invocations", headers=headers)
            except httpx.HTTPError as away:
                raise self._unavailable(away) from away
            if answer.status_code == 404:
                self._refuse(answer)
            if answer.status_code == 200:
                answered[answer.headers.get("X-Countersign-Version", "")] += 1
            else:
                failed += 1
        return Probe(answered=tuple(sorted(answered.items())), failed=failed)

    def probe_version(self, deployment: str, version: str) -> Probe:
        answer = self._admin("POST", f"/admin/endpoints/{deployment}/probe", json={"version": version})
        return Probe(answered=((version, 1),), failed=0) if answer["answered"] else Probe(answered=(), failed=1)

    def readings(self) -> tuple[EndpointReading, ...]:
        """Implements rollout.endpoints.EndpointSight: everything at once, with figures per version."""
        return tuple(_reading(item) for item in self._get("/endpoints")["endpoints"])

    # Beyond the port: what the embedded workspace needs -------------------------------------------------------

    def register(self, deployment: str, kind: str) -> None:
        """Creates an empty deployment (`realtime` or `batch`); repeating it changes nothing."""
        self._admin("PUT", f"/admin/endpoints/{deployment}", json={"kind": kind})

    def inject_fault(
        self, deployment: str, version: str, *, label: str, latency_ms: float = 0.0, error_rate: float = 0.0
    ) -> None:
        """Slows down or fails requests of one version until `clear_fault`; each is labelled in the log."""
        fault = {"label": label, "latency_ms": latency_ms, "error_rate": error_rate}
        self._admin("PUT", f"/admin/endpoints/{deployment}/faults/{version}", json=fault, version=version)

    def clear_fault(self, deployment: str, version: str) -> None:
        self._admin("DELETE", f"/admin/endpoints/{deployment}/faults/{version}")

    def rotate_journal(self) -> tuple[Path, ...]:
        """Closes the current log segment, so that compaction may take it. Returns all closed segments."""
        return tuple(Path(name) for name in self._admin("POST", "/admin/journal/rotate")["closed"])

    def kinds(self) -> dict[str, str]:
        """Deployment to `realtime` or `batch`."""
        return {item["deployment"]: item["kind"] for item in self._get("/endpoints")["endpoints"]}

    def processes(self) -> tuple[ScoringProcess, ...]:
        return tuple(ScoringProcess(**item) for item in self._admin("GET", "/admin/processes")["processes"])

    # Translation ----------------------------------------------------------------------------------------------

    def _token(self) -> str:
        try:
            return self._token_file.read_text().strip()
        except OSError as missing:
            raise ServingUnavailableError(
                f"The key of the local endpoint ({self._token_file}) cannot be read.", hint=_HINT
            ) from missing

    def _get(self, path: str) -> dict[str, Any]:
        try:
            answer = self._http.get(path)
        except httpx.HTTPError as away:
            raise self._unavailable(away) from away
        return self._read(answer)

    def _admin(self, method: str, path: str, *, json: Any = None, version: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            answer = self._http.request(method, path, json=json, headers=headers)
        except httpx.HTTPError as away:
            raise self._unavailable(away) from away
        return self._read(answer, version=version)

    def _read(self, answer: httpx.Response, *, version: str = "") -> dict[str, Any]:
        if answer.status_code >= 400:
            self._refuse(answer, version=version)
        try:
            document = answer.json()
        except ValueError as garbled:
            raise ServingUnavailableError(
                f"Whatever answers at {self._url} is not the Countersign endpoint.", hint=_HINT
            ) from garbled
        if not isinstance(document, dict):
            raise ServingUnavailableError(
                f"Whatever answers at {self._url} is not the Countersign endpoint.", hint=_HINT
            )
        return document

    def _refuse(self, answer: httpx.Response, *, version: str = "") -> NoReturn:
        try:
            sentence = str(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            sentence = f"The endpoint at {self._url} answered {answer.status_code}."
        if answer.status_code == 409:
            raise ConflictError(sentence, hint="Read the current state and try again.")
        if answer.status_code == 404 and version:
            raise UnknownVersionError(sentence)
        if answer.status_code in {404, 422}:
            raise InputError(sentence)
        raise ServingUnavailableError(sentence, hint=_HINT)

    def _unavailable(self, away: httpx.HTTPError) -> ServingUnavailableError:
        slow = isinstance(away, httpx.TimeoutException)
        how = "did not answer in time" if slow else "is not reachable"
        return ServingUnavailableError(f"The local endpoint at {self._url} {how}.", hint=_HINT)


def _observed(document: dict[str, Any]) -> Observed:
    try:
        return Observed(
            deployment=document["deployment"],
            generation=int(document["generation"]),
            routes=tuple((str(version), int(share)) for version, share in document["routes"]),
            ready=tuple(document["ready"]),
            op=document["op"],
            at=datetime.fromisoformat(document["at"]),
            mirror=(str(document["mirror"][0]), int(document["mirror"][1])) if document["mirror"] else None,
            mode=document["mode"],
        )
    except (KeyError, TypeError, ValueError) as strange:
        raise ServingUnavailableError("The endpoint's answer was not understood.", hint=_HINT) from strange


def _reading(document: dict[str, Any]) -> EndpointReading:
    observed = _observed(document)
    try:
        stored = document["stored_scores"] or {}
        named = [*(version for version, _ in observed.routes), *([observed.mirror[0]] if observed.mirror else [])]
        loaded = document["versions"]
        return EndpointReading(
            observed=observed,
            versions=tuple(
                _version(observed, name, loaded.get(name), document["faults"].get(name))
                for name in dict.fromkeys([*named, *sorted(loaded, key=int)])
            ),
            copies=int(document["copies"]["sent"]),
            copies_dropped=sum(document["copies"]["dropped"].values()),
            stored_entities=stored.get("entities"),
            stored_newest=datetime.fromisoformat(stored["newest"]) if stored.get("newest") else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as strange:
        raise ServingUnavailableError("The endpoint's answer was not understood.", hint=_HINT) from strange


def _version(
    observed: Observed, name: str, loaded: dict[str, Any] | None, fault: dict[str, Any] | None
) -> EndpointVersion:
    role = role_of(observed, name)
    if loaded is None:
        # A batch version is loaded for its runs; a real-time one that is not there is missing.
        state = "ready" if name in observed.ready else "absent"
        return EndpointVersion(version=name, state=state, role=role, share=observed.share(name))
    recent = loaded["recent"]["mirror" if role == "mirror" else "live"]
    return EndpointVersion(
        version=name,
        state=loaded["state"],
        reason=loaded["reason"],
        role=role,
        share=observed.share(name),
        pid=loaded["pid"],
        restarts=loaded["restarts"],
        memory_bytes=loaded["memory_bytes"],
        cpu_percent=loaded["cpu_percent"],
        requests_per_minute=recent["per_minute"],
        requests=recent["requests"],
        errors=recent["errors"],
        p50_ms=recent["p50_ms"],
        p95_ms=recent["p95_ms"],
        window_seconds=recent["seconds"],
        fault=fault["label"] if fault else "",
    )
