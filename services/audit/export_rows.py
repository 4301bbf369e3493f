"""The facts of one row of a regulator-shaped export, by the names that profile files use. Pure.

An empty text means that nobody recorded the fact; the export says so in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from services.attestation.models import Kind
from services.audit.asof import AsOfView, ModelAsOf
from services.audit.controls import ControlLine
from services.audit.history import Fact, History, traffic
from services.audit.lookup import Approval, approval_of
from services.audit.retention import RETIRED
from services.inventory.registration import CHANGED, REGISTERED
from services.kernel.clock import utc_text

_YEAR = timedelta(days=365)
_CHANGES = {
    "start": "release",
    "adopt": "outside change adopted",
    "revert": "outside change reverted",
    "emergency": "emergency release",
}
_COPIES = {"shadow", "abort"}
"""Orders that begin or end copies of requests: nobody is answered differently, so nothing in service changed."""
_FAIR = ("fair", "select", "found", "parity", "disparate")

Row = Mapping[str, str]


def total_row(view: AsOfView, past: History) -> Row:
    since = view.at - _YEAR
    recent = [fact for fact in past.facts if fact.at > since and not fact.void]
    begun = [
        fact
        for fact in recent
        if fact.event == "outcome:applied"
        and (order := past.action_of(fact))
        and order.said.get("rollback") is None
        and order.text("kind") not in _COPIES
    ]
    back = [
        fact
        for fact in recent
        if fact.event == "outcome:applied"
        and (order := past.action_of(fact))
        and order.said.get("rollback") is not None
        and order.text("kind") not in _COPIES
    ]
    tiers = view.by_tier
    return {
        "models": str(len(view.models)),
        "in_production": str(view.in_production),
        "vendors": str(view.vendors),
        **{f"tier_{tier}": str(tiers.get(tier, 0)) for tier in (1, 2, 3)},
        "tier_unknown": str(tiers.get(None, 0)),
        "new_12_months": str(len({fact.model for fact in recent if fact.event == f"event:{REGISTERED}"})),
        "updated_12_months": str(len({fact.model for fact in begun})),
        "rolled_back_12_months": str(len({fact.model for fact in back})),
        "retired_12_months": str(len({fact.model for fact in recent if fact.event == f"event:{RETIRED}"})),
    }


def model_row(model: ModelAsOf, past: History) -> Row:
    facts = model.document
    approval = approval_of(past, model.name, model.champion) if model.champion else None
    changes = list(traffic(past, model.name))
    return {
        "name": model.name,
        "title": model.title,
        "use_case": str(facts.get("useCase", "")),
        "purpose": str(facts.get("purpose", "")),
        "tier": str(model.tier) if model.tier is not None else "",
        "kind": model.kind,
        "team": model.team,
        "owners": "; ".join(f"{owner.name} ({owner.role.replace('_', ' ')})" for owner in model.owners),
        "vendor": model.vendor or ("none: built in house" if model.seq_registered is not None else ""),
        "live": _live(model),
        "in_production": "yes" if model.live else "at the supplier" if model.is_vendor else "no",
        "live_since": utc_text(model.live_since) if model.live_since else "",
        "review_every_days": str(model.review_every_days) if model.review_every_days else "",
        "next_review": model.next_review.isoformat() if model.next_review else "",
        "limits": str(facts.get("limitsOfUse", "")),
        "fallback": str(facts.get("fallback", "")),
        "label": str(facts.get("label", "")),
        "sensitive": "; ".join(f"{item['name']} ({item['category']})" for item in facts.get("sensitive", ()))
        or ("none tagged" if facts else ""),
        "sources": "; ".join(_edges(facts, model.name, incoming=True)),
        "consumers": "; ".join(_edges(facts, model.name, incoming=False)),
        "findings": "; ".join(finding.sentence for finding in model.findings) or "none open in the ledger",
        "unknown": "; ".join(model.unknown) or "nothing",
        "changes": str(len(changes)) + " changes of traffic" if changes else "",
        **_approved(approval),
    }


def _approved(approval: Approval | None) -> Row:
    if approval is None:
        return {}
    fair = [gate for gate in approval.gates if any(word in gate.gate for word in _FAIR)]
    return {
        "signers": "; ".join(f"{item.name} ({item.role.replace('_', ' ')})" for item in approval.signers),
        "validators": "; ".join(item.name for item in approval.signers if item.role == "validator"),
        "policy": f"{approval.policy_name} version {approval.policy_version}, {approval.policy_sha256[:16]}",
        "gates": "; ".join(f"{gate.gate}: {gate.result}" for gate in approval.gates),
        "fairness_gates": "; ".join(f"{gate.gate}: {gate.observed or '-'} ({gate.result})" for gate in fair),
    }


def _live(model: ModelAsOf) -> str:
    if model.is_vendor:
        return "runs at the supplier"
    return "; ".join(f"version {version}: {share} %" for version, share in model.live)


def _edges(facts: Mapping[str, Any], name: str, *, incoming: bool) -> list[str]:
    edges = [tuple(edge) for edge in facts.get("lineage", ()) if len(edge) == 2]
    reached, found = {name}, list[str]()
    while True:
        fresh = [
            (source if incoming else target)
            for source, target in edges
            if (target if incoming else source) in reached and (source if incoming else target) not in reached
        ]
        if not fresh:
            return sorted(found)
        reached |= set(fresh)
        found += sorted(set(fresh))


def control_row(line: ControlLine) -> Row:
    return {
        "id": line.control.id,
        "title": line.control.title,
        "count": str(line.count),
        "newest": utc_text(line.newest) if line.newest else "no entry yet",
        "nist": line.control.nist,
        "iso": line.control.iso,
        "part11": line.control.part11,
    }


def change_rows(past: History, note_of: Callable[[str], str]) -> list[Row]:
    """Registrations changed, and every applied change of what serves, newest first."""
    rows = [_registration(fact) for fact in past.events(REGISTERED, CHANGED)]
    for state in traffic(past):
        action = state.action
        request = past.request_of(action) if action else None
        if action is None or action.text("kind") in {"advance", *_COPIES}:
            continue
        rolled = action.said.get("rollback") is not None
        rows.append(
            {
                "at": utc_text(state.at),
                "model": state.model,
                "what": "rollback" if rolled else _CHANGES.get(action.text("kind"), action.text("kind")) or "release",
                "from_version": str(action.document("from").get("version", "")) or "none: first release",
                "to_version": action.version,
                "explanation": _explanation(request, note_of, rolled=rolled, action=action),
                "requester": request.actor if request and not rolled else action.actor,
                "signers": "; ".join(fact.actor for fact in past.decisions_cited(action)),
                "seq": str(state.outcome.seq),
            }
        )
    return sorted(rows, key=lambda row: (-int(row["seq"]), row["model"]))


def _registration(fact: Fact) -> Row:
    return {
        "at": utc_text(fact.at),
        "model": fact.model,
        "what": "registered" if fact.name == REGISTERED else "registration changed",
        "from_version": "does not apply",
        "to_version": "does not apply",
        "explanation": fact.sentence,
        "requester": fact.actor,
        "signers": "does not apply",
        "seq": str(fact.seq),
    }


def _explanation(request: Fact | None, note_of: Callable[[str], str], *, rolled: bool, action: Fact) -> str:
    if rolled:
        code = str(action.document("rollback").get("reasonCode", ""))
        return f"rolled back, reason code {code}" if code else ""
    return note_of(request.text("id")) if request is not None and request.kind is Kind.REQUEST else ""
