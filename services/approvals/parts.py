"""The evidence of a request as named parts with a digest each, and what it means when one differs later. Pure.

An empty digest says that the part could not be found out. It never counts as a change, and nobody can sign on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from services.approvals.models import RollbackTerms
from services.attestation.canonical import sha256_hex, to_bytes
from services.policy.evidence import Evidence

Parts = tuple[tuple[str, str], ...]

PART_TITLES: Mapping[str, str] = {
    "files": "The model's files",
    "run": "The training run",
    "metrics": "The metrics of the run",
    "evaluation": "The evaluation report",
    "data": "The training and holdout data",
    "inputs": "The input columns",
    "sensitive": "The tags of sensitive columns",
    "access": "Who reads the sensitive columns",
    "lineage": "The lineage of the inputs",
    "documentation": "The documentation",
    "risk": "The risk score and tier",
    "live": "The live version",
    "policy": "The policy",
    "cost": "Stated benefit and cost",
    "rollback": "The rollback plan",
    "exceptions": "The exceptions it rests on",
    "job": "The settings of the deployment job",
}
RETIREMENT_TITLES = {"retirement": "Its consumers and the window without traffic"}
LASTING = frozenset({"files", "run", "metrics", "evaluation", "data", "inputs", "sensitive", "documentation"})
"""Parts of the version itself: a complete approval falls with them. The others belong to the day of the decision."""

NO_REPORT = sha256_hex(to_bytes({"part": "evaluation", "is": None}))
"""The run was looked at and has no evaluation report: a fact, and one that changes as soon as there is a report."""

NO_LINEAGE = sha256_hex(to_bytes({"part": "lineage", "is": None}))
"""Nobody keeps lineage here. Where it is kept and not known yet, the evidence itself says that something is missing."""


def parts_of(
    evidence: Evidence,
    *,
    cost: str,
    rollback: RollbackTerms | None,
    exceptions: Sequence[Mapping[str, Any]] = (),
    job: str | None = None,
) -> Parts:
    """Every part in the order of PART_TITLES. Nothing is claimed about a version whose files could not be read.

    `job` is the digest of what a deployment job of the platform would do, None where approvals let none go on.
    """
    unread = bool(evidence.missing)
    documents: dict[str, Any] = {
        "run": [evidence.run_id, evidence.created_at, evidence.source],
        "metrics": [evidence.task, [list(pair) for pair in evidence.metrics]],
        "data": [asdict(item) for item in evidence.datasets],
        "inputs": [list(evidence.inputs), list(evidence.outputs), evidence.has_input_example],
        # Only tags of this version's inputs: tagging a column it does not use changes nothing for it.
        "sensitive": [asdict(item) for item in evidence.sensitive if item.name in evidence.inputs],
        "access": [list(evidence.masked), list(evidence.readable)],
        "documentation": [list(pair) for pair in evidence.documentation],
        "risk": asdict(evidence.risk) if evidence.risk else None,
        "live": [evidence.base or "", [list(pair) for pair in evidence.base_metrics], evidence.base_on_same_rows],
        "cost": cost,
        "rollback": asdict(rollback) if rollback else None,
        "exceptions": [dict(item) for item in exceptions],
    }
    digests = {name: sha256_hex(to_bytes({"part": name, "is": value})) for name, value in documents.items()}
    digests |= {
        "files": evidence.manifest_sha256,
        "evaluation": evidence.evaluation_sha256 or NO_REPORT,
        "lineage": evidence.lineage_sha256 or NO_LINEAGE,
        "policy": evidence.policy_sha256,
    }
    if job is not None:
        digests["job"] = job
    if unread:
        digests |= dict.fromkeys(("run", "metrics", "data", "inputs"), "")
        digests["evaluation"] = evidence.evaluation_sha256
    return tuple((name, digests[name]) for name in PART_TITLES if name in digests)


def digest(parts: Parts) -> str:
    """Digest of the evidence manifest: what a signature is bound to."""
    return sha256_hex(to_bytes({"parts": dict(parts)}))


def unknown(parts: Parts) -> tuple[str, ...]:
    """Titles of parts that could not be found out just now."""
    return tuple(_title(name) for name, sha256 in parts if not sha256)


def changed(frozen: Parts, now: Parts, *, complete: bool) -> tuple[str, ...]:
    """A sentence per part that differs, naming it with both digests. `complete`: only what a whole approval rests on.

    Requests of an earlier release carry no parts and are compared by their files elsewhere.
    """
    current = dict(now)
    found = []
    for name, before in frozen:
        after = current.get(name, "")
        if not before or not after or before == after or (complete and name not in LASTING):
            continue
        found.append(f"{_title(name)} changed: {before[:12]} → {after[:12]}.")
    return tuple(found)


def _title(name: str) -> str:
    return PART_TITLES.get(name) or RETIREMENT_TITLES.get(name, name)


def names_changed(before: Parts, now: Parts) -> tuple[str, ...]:
    """Titles of the parts that differ, for the banner of somebody who looked before."""
    known = dict(before)
    return tuple(_title(name) for name, sha256 in now if name in known and known[name] != sha256)
