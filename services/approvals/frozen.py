"""The judged document of a request as text and back: stored once, shown as it was for ever."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from services.approvals.models import Comparison, Frozen
from services.policy.models import GateOutcome, GateReport, PolicyRef, QuorumRule, ReleaseTerms, Verdict


def to_text(frozen: Frozen) -> str:
    return json.dumps(asdict(frozen), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_text(text: str) -> Frozen:
    data: dict[str, Any] = json.loads(text)
    report, terms = data["report"], data["terms"]
    return Frozen(
        report=GateReport(
            policy=PolicyRef(**report["policy"]),
            outcomes=tuple(GateOutcome(**{**item, "verdict": Verdict(item["verdict"])}) for item in report["outcomes"]),
            evidence_sha256=report["evidence_sha256"],
        ),
        changes=tuple(Comparison(**item) for item in data["changes"]),
        quorum=tuple(QuorumRule(**item) for item in data["quorum"]),
        terms=ReleaseTerms(**{**terms, "shares": tuple(terms["shares"])}),
        sensitive=tuple(data["sensitive"]),
        benefit=data["benefit"],
        limits=data["limits"],
        fallback=data["fallback"],
        kind=data["kind"],
    )
