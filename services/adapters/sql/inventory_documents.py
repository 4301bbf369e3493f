"""Inventory values as JSON text and back: explicit, so that a stored document outlives a renamed field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any

from services.inventory.governance import (
    FactorLevel,
    ReviewCall,
    RiskStanding,
    TierOverride,
    UseCase,
    VendorDocument,
    VendorTerms,
)
from services.inventory.models import (
    DatasetRef,
    DeploymentKind,
    GovernedModel,
    ModelVersion,
    Owner,
    SensitiveColumn,
    ServiceLevel,
    Task,
    Tier,
)
from services.kernel.health import Health, Signal


def model_text(model: GovernedModel) -> str:
    stored = asdict(model)
    del stored["traced"]  # found out on reading
    return _text(stored)


def model_from(text: str) -> GovernedModel:
    given = json.loads(text)
    level = given["service_level"]
    return GovernedModel(
        **{
            **given,
            "tier": Tier(given["tier"]),
            "kind": DeploymentKind(given["kind"]),
            "task": Task(given["task"]),
            "owners": tuple(Owner(**owner) for owner in given["owners"]),
            "last_review": date.fromisoformat(given["last_review"]),
            "service_level": ServiceLevel(**level) if level else None,
            "sensitive": tuple(_column_from(column) for column in given["sensitive"]),
            "lineage": _pairs(given["lineage"]),
            "supplier": _supplier_from(given.get("supplier")),
            "risk": _risk_from(given.get("risk")),
            "review_calls": tuple(_call_from(call) for call in given.get("review_calls", ())),
        }
    )


def use_case_text(item: UseCase) -> str:
    return _text(asdict(item))


def use_case_from(text: str) -> UseCase:
    given = json.loads(text)
    return UseCase(**{**given, "owner": Owner(**given["owner"]) if given["owner"] else None})


def _supplier_from(given: dict[str, Any] | None) -> VendorTerms | None:
    if given is None:
        return None
    papers = (VendorDocument(**{**paper, "day": date.fromisoformat(paper["day"])}) for paper in given["documents"])
    until = given["until"]
    return VendorTerms(**{**given, "until": date.fromisoformat(until) if until else None, "documents": tuple(papers)})


def _risk_from(given: dict[str, Any] | None) -> RiskStanding | None:
    if given is None:
        return None
    override, at = given["override"], given["assessed_at"]
    return RiskStanding(
        **{
            **given,
            "levels": tuple(FactorLevel(**level) for level in given["levels"]),
            "assessed_at": datetime.fromisoformat(at) if at else None,
            "override": TierOverride(**{**override, "until": datetime.fromisoformat(override["until"])})
            if override
            else None,
        }
    )


def _call_from(given: dict[str, Any]) -> ReviewCall:
    return ReviewCall(**{**given, "at": datetime.fromisoformat(given["at"]), "due": date.fromisoformat(given["due"])})


def _column_from(given: dict[str, Any]) -> SensitiveColumn:
    tagged = given.get("tagged_at")
    # Whether people read it masked was once noted with the tag; the access rules say that now.
    kept = {name: value for name, value in given.items() if name != "masked"}
    return SensitiveColumn(**{**kept, "tagged_at": datetime.fromisoformat(tagged) if tagged else None})


_VERSION_FIELDS = tuple(field.name for field in fields(ModelVersion))


def aliases_in(text: str) -> tuple[str, ...]:
    """Of a kept version, without reading the rest of it."""
    return tuple(json.loads(text)["aliases"])


def version_text(version: ModelVersion, aliases: Sequence[str]) -> str:
    """The version with these aliases. A registry has a hundred thousand of them, so nothing is copied in depth."""
    document = {name: getattr(version, name) for name in _VERSION_FIELDS}
    document["datasets"] = [asdict(dataset) for dataset in version.datasets]
    document["aliases"] = sorted(aliases)
    return _text(document)


def version_from(text: str) -> ModelVersion:
    given = json.loads(text)
    return ModelVersion(
        **{
            **given,
            "created_at": datetime.fromisoformat(given["created_at"]),
            "metrics": _pairs(given["metrics"]),
            "params": _pairs(given["params"]),
            "tags": _pairs(given["tags"]),
            "aliases": tuple(given["aliases"]),
            "datasets": tuple(DatasetRef(**dataset) for dataset in given["datasets"]),
            "inputs": _pairs(given["inputs"]),
            "outputs": _pairs(given["outputs"]),
        }
    )


def signal_document(signal: Signal) -> dict[str, Any]:
    return {**asdict(signal), "as_of": signal.as_of.isoformat() if signal.as_of else None}


def signal_from(given: dict[str, Any]) -> Signal:
    as_of = given["as_of"]
    return Signal(
        **{
            **given,
            "state": Health(given["state"]),
            "as_of": datetime.fromisoformat(as_of) if as_of else None,
        }
    )


def _text(document: dict[str, Any]) -> str:
    return _ENCODER.encode(document)


def _plain(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    msg = f"{type(value).__name__} has no place in an inventory document."
    raise TypeError(msg)


def _pairs(given: list[list[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(item) for item in given)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain)
