"""What `/endpoints/{name}` says: the route table, the versions behind it, and what they did in the last minutes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from services.adapters.local.gateway.counts import Recent
from services.adapters.local.gateway.pool import Scorer
from services.adapters.local.gateway.routing import Router
from services.adapters.local.gateway.table import Deployment

_ROLES = ("live", "mirror")


def described(router: Router, deployment: Deployment) -> dict[str, Any]:
    name = deployment.name
    stock = router.stored.stock(name)
    return {
        "deployment": name,
        "kind": deployment.kind,
        "mode": deployment.mode,
        "generation": deployment.generation,
        "routes": deployment.routes,
        "base": deployment.base,
        "ready": _ready(router, deployment),
        "op": deployment.op,
        "mirror": deployment.mirror,
        "warm": deployment.warm,
        "copies": {
            "sent": router.mirrors.copied[name],
            "dropped": {why: n for (owner, why), n in router.mirrors.dropped.items() if owner == name},
        },
        "stored_scores": {
            "entities": stock.entities,
            "newest": stock.newest.isoformat() if stock.newest else None,
            "written_at": stock.written_at.isoformat(),
        }
        if stock
        else None,
        "faults": {version: asdict(fault) for (owner, version), fault in router.faults.items() if owner == name},
        "versions": {item.version: _version(router, item) for item in router.pool.of(name)},
        "at": router.clock.now().isoformat(),
    }


def process_state(scorer: Scorer) -> dict[str, Any]:
    return {
        "deployment": scorer.deployment,
        "version": scorer.version,
        "state": scorer.state,
        "pid": scorer.pid,
        "cpu_seconds": scorer.cpu_seconds(),
        "model_bytes": scorer.model_bytes,
        "reason": scorer.reason,
    }


def _version(router: Router, scorer: Scorer) -> dict[str, Any]:
    """Counts are since the start of the gateway, `recent` is the last five minutes."""
    live = (scorer.deployment, scorer.version, "live")
    return {
        "state": scorer.state,
        "reason": scorer.reason,
        "pid": scorer.pid,
        "restarts": scorer.restarts,
        "requests": router.traffic.requests[live],
        "errors": router.traffic.errors[live],
        "memory_bytes": scorer.memory_bytes(),
        "cpu_percent": scorer.cpu_percent,
        "recent": {role: _recent(router.traffic.recent((scorer.deployment, scorer.version, role))) for role in _ROLES},
    }


def _recent(recent: Recent) -> dict[str, Any]:
    return {**asdict(recent), "per_minute": round(recent.requests / recent.seconds * 60, 2)}


def _ready(router: Router, deployment: Deployment) -> list[str]:
    """A batch version is loaded for its runs only; having answered a probe before counts as ready."""
    ready = router.pool.ready(deployment.name)
    return sorted(ready | set(deployment.known) if deployment.kind == "batch" else ready)
