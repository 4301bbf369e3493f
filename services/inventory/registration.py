"""What the ledger keeps about a model: who owns it, how critical it is, how often it is reviewed. Pure.

Every registration and every change is one entry, so that any day's inventory can be rebuilt from the ledger alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from services.inventory.governance import RiskStanding, VendorTerms
from services.inventory.models import GovernedModel
from services.kernel.clock import utc_text
from services.kernel.identity import Role

REGISTERED = "model-registered"
CHANGED = "model-changed"

_WATCHED = {
    "tier": "risk tier",
    "owners": "owners",
    "reviewEveryDays": "review cadence",
    "lastReview": "last review",
    "kind": "way of running",
    "team": "team",
    "purpose": "purpose",
    "limitsOfUse": "limits of use",
    "fallback": "fallback",
    "sensitive": "sensitive columns",
    "lineage": "lineage",
    "serviceLevel": "service level",
    "vendor": "supplier",
    "useCaseId": "use case",
    "label": "label",
    "labelDefinition": "label definition",
    "windowHours": "hours for a run",
    "supplier": "terms of the supplier",
    "risk": "risk score sheet",
    "reviewCalls": "calls for a review",
}


def document(model: GovernedModel, *, today: date) -> str:
    """Canonical text of the facts that are recorded.

    A last review later than `today` is left out: an entry must not state what had not happened when it was made.
    """
    level = model.service_level
    facts: dict[str, Any] = {
        "name": model.name,
        "title": model.title,
        "useCase": model.use_case,
        "purpose": model.purpose,
        "tier": int(model.tier),
        "kind": model.kind.value,
        "task": model.task.value,
        "team": model.team,
        "owners": [{"role": owner.role, "sub": owner.subject, "name": owner.name} for owner in model.owners],
        "reviewEveryDays": model.review_every_days,
        "lastReview": model.last_review.isoformat() if model.last_review <= today else None,
        "serviceLevel": None if level is None else [str(level.p95_ms), str(level.error_rate), str(level.on_time_share)],
        "label": model.label,
        "limitsOfUse": model.limits_of_use,
        "fallback": model.fallback,
        "sensitive": [{"name": column.name, "category": column.category} for column in model.sensitive],
        "lineage": [list(edge) for edge in model.lineage],
        "vendor": model.vendor,
    }
    facts |= {name: value for name, value in _decided(model).items() if value}
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _decided(model: GovernedModel) -> dict[str, Any]:
    """Left out where nothing was decided, so that a registration of an earlier release reads the same."""
    level = model.service_level
    return {
        "useCaseId": model.use_case_id,
        "labelDefinition": model.label_definition,
        "windowHours": str(level.window_hours) if level is not None and level.window_hours is not None else "",
        "supplier": _supplier(model.supplier),
        "risk": _risk(model.risk),
        "reviewCalls": [
            {"kind": call.kind, "at": utc_text(call.at), "due": call.due.isoformat()} for call in model.review_calls
        ],
    }


def _supplier(terms: VendorTerms | None) -> dict[str, Any] | None:
    if terms is None:
        return None
    return {
        "contract": terms.contract,
        "until": terms.until.isoformat() if terms.until else None,
        "auditRight": terms.audit_right,
        "exitPlan": terms.exit_plan,
        "promise": terms.promise,
        "documents": [
            {"title": paper.title, "reference": paper.reference, "day": paper.day.isoformat(), "sha256": paper.sha256}
            for paper in terms.documents
        ],
    }


def _risk(standing: RiskStanding | None) -> dict[str, Any] | None:
    """Without the reason of an override: that is text of a person and stays erasable."""
    if standing is None:
        return None
    override = standing.override
    return {
        "sheet": standing.sheet,
        "levels": {item.factor: item.level for item in standing.levels},
        "evidence": {item.factor: item.evidence for item in standing.levels},
        "computed": standing.computed,
        "isModel": standing.is_model,
        "modelReason": standing.model_reason,
        "override": None
        if override is None
        else {
            "tier": override.tier,
            "until": utc_text(override.until),
            "proposedBy": override.proposed_by,
            "confirmedBy": override.confirmed_by,
            "entry": override.seq,
        },
    }


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def event_detail(model: GovernedModel, text: str, *, earlier: str) -> dict[str, str]:
    """What the entry says; `earlier` is the document recorded before, empty for the first one."""
    return {
        "document": text,
        "sha256": sha256(text),
        "earlierSha256": sha256(earlier) if earlier else "",
        "tier": str(int(model.tier)),
        "reviewEveryDays": str(model.review_every_days),
        "sentence": _changed(model, text, earlier) if earlier else _registered(model),
    }


def _registered(model: GovernedModel) -> str:
    owners = ", ".join(f"{owner.name} ({_role(owner.role)})" for owner in model.owners) or "nobody yet"
    return (
        f"{model.name} was registered: risk tier {int(model.tier)}, {model.kind.value}, owned by {owners}, "
        f"reviewed every {model.review_every_days} days."
    )


def _changed(model: GovernedModel, text: str, earlier: str) -> str:
    before, now = json.loads(earlier), json.loads(text)
    parts = [
        _words(words, before.get(name), now.get(name))
        for name, words in _WATCHED.items()
        if before.get(name) != now.get(name)
    ]
    return f"The registration of {model.name} changed: {'; '.join(parts) or 'wording'}."


def _words(what: str, before: Any, now: Any) -> str:
    if isinstance(before, int) and isinstance(now, int):
        return f"{what} {before} to {now}"
    if what == "owners":
        return f"{what} {_names(before)} to {_names(now)}"
    if what == "last review":
        return f"{what} {now or 'not recorded'}"
    return what


def _names(owners: Any) -> str:
    named = [str(owner.get("name", "")) for owner in owners or () if isinstance(owner, Mapping)]
    return ", ".join(named) or "nobody"


def _role(word: str) -> str:
    try:
        return Role(word).label.lower()
    except ValueError:
        return word
