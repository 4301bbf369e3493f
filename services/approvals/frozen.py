"""The judged document of a request as text and back: stored once, shown as it was for ever."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from services.approvals.models import ColumnFact, Comparison, DiffGroup, Purpose, RetirementTerms, RollbackTerms
from services.approvals.records import Frozen
from services.policy.models import (
    GateOutcome,
    GateReport,
    PolicyRef,
    QuorumRule,
    ReleaseTerms,
    RollbackRule,
    ShadowTerms,
    SigningTerms,
    StageTerms,
    Verdict,
)


def to_text(frozen: Frozen) -> str:
    return json.dumps(asdict(frozen), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_text(text: str) -> Frozen:
    """Fields that an earlier release did not write read as absent."""
    data: dict[str, Any] = json.loads(text)
    return Frozen(
        report=_report(data["report"]),
        changes=_comparisons(data["changes"]),
        quorum=tuple(QuorumRule(**item) for item in data["quorum"]),
        terms=_terms(data["terms"]),
        sensitive=tuple(data["sensitive"]),
        benefit=data["benefit"],
        limits=data["limits"],
        fallback=data["fallback"],
        kind=data["kind"],
        purpose=Purpose(data.get("purpose", Purpose.PROMOTION)),
        parts=tuple((name, digest) for name, digest in data.get("parts", ())),
        diff=tuple(DiffGroup(**{**item, "lines": _comparisons(item["lines"])}) for item in data.get("diff", ())),
        columns=tuple(ColumnFact(**item) for item in data.get("columns", ())),
        rollback=_rollback(data.get("rollback")),
        exceptions=tuple(data.get("exceptions", ())),
        risk=data.get("risk", ""),
        retirement=_retirement(data.get("retirement")),
    )


def _report(data: dict[str, Any]) -> GateReport:
    outcomes = (
        GateOutcome(**{**item, "verdict": Verdict(item["verdict"]), "holds": tuple(item.get("holds", ()))})
        for item in data["outcomes"]
    )
    return GateReport(
        policy=PolicyRef(**data["policy"]), outcomes=tuple(outcomes), evidence_sha256=data["evidence_sha256"]
    )


def _terms(data: dict[str, Any]) -> ReleaseTerms:
    return ReleaseTerms(
        **{
            **data,
            "shares": tuple(data["shares"]),
            "stages": tuple(StageTerms(**item) for item in data.get("stages", ())),
            "rollback": _rules(data.get("rollback", ())),
            "shadow": ShadowTerms(**data["shadow"]) if data.get("shadow") else None,
            "signing": SigningTerms(**data["signing"]) if data.get("signing") else None,
        }
    )


def _rollback(data: dict[str, Any] | None) -> RollbackTerms | None:
    return RollbackTerms(**{**data, "rules": _rules(data["rules"])}) if data else None


def _retirement(data: dict[str, Any] | None) -> RetirementTerms | None:
    return RetirementTerms(**{**data, "consumers": tuple(data["consumers"])}) if data else None


def _rules(items: Any) -> tuple[RollbackRule, ...]:
    return tuple(RollbackRule(**item) for item in items)


def _comparisons(items: Any) -> tuple[Comparison, ...]:
    return tuple(Comparison(**item) for item in items)
