"""What a request rests on beside its evidence: granted exceptions. They are signed with it, and it falls with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from services.attestation.canonical import sha256_hex, to_bytes
from services.exceptions.models import ActiveException
from services.kernel.clock import utc_text
from services.policy.exceptions import apply_exceptions
from services.policy.models import GateReport


class Exceptions(Protocol):
    def active(self, model: str) -> tuple[ActiveException, ...]:
        """What counts for this model now."""
        ...


def judged(report: GateReport, active: Sequence[ActiveException]) -> GateReport:
    """The report with exceptions beside its verdicts. Its digest covers those it rests on, so it changes with them."""
    excepted = apply_exceptions(report, active)
    resting = in_use(excepted, active)
    if not resting:
        return excepted
    together = {"evidence": report.evidence_sha256, "exceptions": documents(resting)}
    return replace(excepted, evidence_sha256=sha256_hex(to_bytes(together)))


def in_use(report: GateReport, active: Sequence[ActiveException]) -> tuple[ActiveException, ...]:
    """Those without which a gate would stand in the way."""
    gates = {outcome.gate for outcome in report.outcomes if outcome.exception}
    return tuple(item for item in active if item.gate in gates)


def documents(resting: Sequence[ActiveException]) -> list[dict[str, Any]]:
    """As they are signed in the request: each names the entry that granted it."""
    return [
        {
            "id": item.id,
            "gate": item.gate,
            "until": utc_text(item.until),
            "granted": {"entry": item.seq, "sha256": item.leaf_hash},
        }
        for item in sorted(resting, key=lambda item: item.id)
    ]


def sentences(report: GateReport) -> tuple[str, ...]:
    return tuple(f"{item.title}: {item.exception}" for item in report.outcomes if item.exception)


def fallen(asked: Mapping[str, Any], active: Sequence[ActiveException]) -> str:
    """Why an approval no longer stands: the signed request rests on an exception that ended. Empty when it stands."""
    standing = {(item.id, item.leaf_hash) for item in active}
    gone = [
        str(item["gate"])
        for item in asked.get("exceptions", ())
        if (item["id"], item["granted"]["sha256"]) not in standing
    ]
    if not gone:
        return ""
    return f"It rests on an ended exception ({', '.join(gone)}). Ask for it to be confirmed again."
