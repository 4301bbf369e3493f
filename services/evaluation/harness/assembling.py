"""From finished steps to the report as a dictionary, and the steps as text to be gone on from. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.attestation.canonical import sha256_hex, to_bytes
from services.evaluation.harness.checks.files import newest_day
from services.evaluation.harness.material import Material
from services.evaluation.harness.models import CheckResult, FinishedStep, Incident, Mode, PlannedCheck, Status

FORMAT = "countersign.evaluation/2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is known about the version before it is measured."""

    model: str
    version: str
    run_id: str
    task: str
    kind: str
    tier: int
    created_day: str
    champion: str | None
    others: tuple[str, ...]
    """Earlier versions, newest first."""
    logged: Mapping[str, float]
    tagged: tuple[str, ...]
    p95_ms: float | None
    policy: Mapping[str, str]
    """Name, version and digest of the policy."""
    limited: frozenset[str]
    demanded: frozenset[str] = frozenset()
    incidents: tuple[Incident, ...] = ()
    earlier_refused: tuple[str, ...] = ()
    earlier_groups: frozenset[str] = frozenset()


def basis_of(subject: Subject, material: Material) -> str:
    """What finished steps may be used again for: the same files, rows, live version, policy and plan."""
    return sha256_hex(
        to_bytes(
            {
                "files": material.files.facts.manifest_sha256 if material.files else "",
                "rows": material.holdout.digest if material.holdout else "",
                "mode": material.mode.value,
                "champion": subject.champion or "",
                "policy": dict(subject.policy),
                "plan": [[check.id, check.reason] for check in material.plan.checks],
                "groups": sorted(material.groups),
                "created": subject.created_day,
            }
        )
    )


def report_of(subject: Subject, material: Material) -> dict[str, Any]:
    """Everything the finished steps found, in the order of the format."""
    steps = [material.finished[check.id] for check in material.plan.checks if check.id in material.finished]
    found = _merged(steps)
    artifact = found.pop("artifact", {"size_bytes": 0, "files": 0, "unsafe": [], "dependencies": []})
    held = material.holdout
    loaded = material.mode is Mode.MODEL and material.files is not None
    return {
        "format": FORMAT,
        "model": subject.model,
        "version": subject.version,
        "run_id": subject.run_id,
        "task": material.task,
        "unit": material.unit,
        "threshold": material.limit if held is not None else None,
        "mode": material.mode.value,
        "manifest_sha256": material.files.facts.manifest_sha256 if loaded and material.files else "",
        "policy": dict(subject.policy),
        "holdout": {
            "name": held.name if held else "",
            "digest": held.digest if held else "",
            "n": held.n if held else 0,
            "window": held.window if held else "",
            "until": newest_day(held.times) if held else "",
        },
        "metrics": {name: value for step in steps for name, value in step.result.metrics.items()},
        "intervals": {name: value for step in steps for name, value in step.result.intervals.items()},
        "champion": found.get("champion"),
        "reliability": found.get("reliability", []),
        "champion_reliability": found.get("champion_reliability", []),
        "curves": found.get("curves", {"roc": [], "pr": []}),
        "champion_curves": found.get("champion_curves", {"roc": [], "pr": []}),
        "slices": found.get("slices", []),
        "fairness": found.get("fairness", []),
        "stability": found.get("stability", []),
        **{name: found[name] for name in ("suspects", "availability") if name in found},
        "robustness": found.get("robustness", []),
        "latency": found.get("latency"),
        "artifact": artifact | {"signature_problems": found.get("signature_problems", [])},
        "reproducibility": found.get("reproducibility"),
        "checks": [
            {
                "id": step.check.id,
                "title": step.check.title,
                "status": step.result.status.value,
                "reason": step.check.reason,
                "sentence": step.result.sentence,
                "seconds": step.seconds,
            }
            for step in steps
        ],
        "investigation": found.get("investigation", []),
        "narrative": "",
    }


def to_document(step: FinishedStep) -> str:
    """A finished step as text, to be gone on from."""
    result = step.result
    return json.dumps(
        {
            "check": {"id": step.check.id, "title": step.check.title, "reason": step.check.reason,
                      "skipped": step.check.skipped},
            "status": result.status.value,
            "sentence": result.sentence,
            "sections": result.sections,
            "metrics": result.metrics,
            "intervals": result.intervals,
            "seconds": step.seconds,
        },
        sort_keys=True,
    )  # fmt: skip


def from_document(text: str) -> FinishedStep:
    data = json.loads(text)
    return FinishedStep(
        check=PlannedCheck(**data["check"]),
        result=CheckResult(
            status=Status(data["status"]),
            sentence=data["sentence"],
            sections=data["sections"],
            metrics=data["metrics"],
            intervals=data["intervals"],
        ),
        seconds=data["seconds"],
    )


def _merged(steps: list[FinishedStep]) -> dict[str, Any]:
    """Lists of several checks under one key follow each other; anything else has one writer."""
    found: dict[str, Any] = {}
    for step in steps:
        for name, value in step.result.sections.items():
            both = isinstance(value, list) and name in found
            found[name] = [*found[name], *value] if both else value
    return found
