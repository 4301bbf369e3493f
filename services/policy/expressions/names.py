"""The names an expression may use, with their types: what `docs/policies.md` lists, and what a value is built from.

A name that is not here is refused when the policy is read. What one version did not measure is simply absent from
its value, and an expression that needs it cannot be answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.policy.evidence import Evidence


@dataclass(frozen=True, slots=True)
class ListOf:
    item: Type

    def __str__(self) -> str:
        return f"a list of {self.item}"


@dataclass(frozen=True, slots=True)
class MapOf:
    """Keys are text and known only at run time."""

    value: Type

    def __str__(self) -> str:
        return "a map"


@dataclass(frozen=True, slots=True)
class Record:
    fields: Mapping[str, Type]

    def __str__(self) -> str:
        return "a record"


Type = str | ListOf | MapOf | Record
"""`bool`, `int` (counts), `double` (measured), `string`, or one of the structures."""

_INTERVAL = Record({"low": "double", "high": "double", "method": "string"})
_PAIRED = Record({"delta": "double", "low": "double", "high": "double"})
_SLICE = Record(
    {
        "attribute": "string",
        "group": "string",
        "n": "int",
        "rate": "double",
        "rate_low": "double",
        "rate_high": "double",
        "tpr": "double",
        "positives": "int",
        "error": "double",
    }
)
_FAIRNESS = Record(
    {
        "attribute": "string",
        "measure": "string",
        "group": "string",
        "reference": "string",
        "value": "double",
        "low": "double",
        "high": "double",
        "n": "int",
    }
)

_SUSPECT = Record({"feature": "string", "auc": "double"})
_AVAILABLE = Record({"feature": "string", "available": "bool", "note": "string"})
_DATASET = Record({"name": "string", "digest": "string", "context": "string"})
_SENSITIVE = Record({"name": "string", "category": "string"})
_OWNER = Record({"role": "string", "name": "string", "active": "bool"})

NAMES: Mapping[str, Type] = {
    "model": "string",
    "version": "string",
    "base": "string",
    "task": "string",
    "tier": "int",
    "measured": "string",
    "metrics": MapOf("double"),
    "base_metrics": MapOf("double"),
    "base_on_same_rows": "bool",
    "intervals": MapOf(_INTERVAL),
    "paired": MapOf(_PAIRED),
    "slices": ListOf(_SLICE),
    "fairness": ListOf(_FAIRNESS),
    "suspects": ListOf(_SUSPECT),
    "availability": ListOf(_AVAILABLE),
    "checks": MapOf(Record({"status": "string", "sentence": "string"})),
    "datasets": ListOf(_DATASET),
    "documentation": MapOf("string"),
    "sensitive": ListOf(_SENSITIVE),
    "inputs": ListOf("string"),
    "outputs": ListOf("string"),
    "masked": ListOf("string"),
    "readable": ListOf("string"),
    "owners": ListOf(_OWNER),
    "monitors": ListOf("string"),
}

_COUNTS = {"n", "positives"}


def values(evidence: Evidence, *, tier: int) -> dict[str, Any]:
    """The evidence under those names. Numbers are numbers; what was not measured is left out."""
    found: dict[str, Any] = {
        "model": evidence.model,
        "version": evidence.version,
        "base": evidence.base or "",
        "task": evidence.task,
        "tier": tier,
        "measured": evidence.measured,
        "metrics": _numbers(evidence.metrics),
        "base_metrics": _numbers(evidence.base_metrics),
        "base_on_same_rows": evidence.base_on_same_rows,
        "intervals": {fact.metric: _record(_INTERVAL, fact) for fact in evidence.intervals},
        "paired": {fact.metric: _record(_PAIRED, fact) for fact in evidence.paired},
        "slices": _records(_SLICE, evidence.slices),
        "fairness": _records(_FAIRNESS, evidence.fairness),
        "checks": {fact.id: {"status": fact.status, "sentence": fact.sentence} for fact in evidence.checks},
        "datasets": _records(_DATASET, evidence.datasets),
        "documentation": {name: text for name, text in evidence.documentation if text.strip()},
        "sensitive": _records(_SENSITIVE, evidence.sensitive),
        "inputs": list(evidence.inputs),
        "outputs": list(evidence.outputs),
        "masked": list(evidence.masked),
        "readable": list(evidence.readable),
        "owners": _records(_OWNER, evidence.owners),
    }
    # Not looked for is not the same as nothing found.
    if evidence.suspects is not None:
        found["suspects"] = _records(_SUSPECT, evidence.suspects)
    if evidence.availability is not None:
        found["availability"] = _records(_AVAILABLE, evidence.availability)
    if evidence.monitors is not None:
        found["monitors"] = list(evidence.monitors)
    return found


def _numbers(pairs: tuple[tuple[str, str], ...]) -> dict[str, float]:
    return {name: float(Decimal(text)) for name, text in pairs if text}


def _records(kind: Record, facts: Iterable[Any]) -> list[dict[str, Any]]:
    return [_record(kind, fact) for fact in facts]


def _record(kind: Record, fact: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in kind.fields.items():
        value = getattr(fact, name)
        if value is None or (part == "double" and value == ""):
            continue
        found[name] = float(Decimal(value)) if part == "double" else value
    return found
