"""Reads an evaluation report: groups, leakage scan, availability. Tolerant of more, never of less.

Two writers: the training run (`evaluation.json`) and the harness (`countersign/evaluation.json`, format /2), which
measured by itself and says with what, with intervals, comparisons and the state of every check besides.

    {"slices": [{"attribute": "sex", "group": "f", "n": 812, "rate": 0.31, "tpr": 0.7,
                 "rate_low": 0.28, "rate_high": 0.34, "error": null}],
     "suspects": [{"feature": "dep_delay", "auc": 0.81}],
     "availability": [{"feature": "dep_delay", "available": true, "note": "known at departure"}],
     "champion": {"version": "2", "metrics": {"holdout_auc": 0.72}}}

`champion` is the version live at that time, measured on the candidate's holdout rows.

Numbers become decimal text with six digits: that is what is digested, shown and signed.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from services.attestation.canonical import to_bytes
from services.kernel.errors import InputError
from services.policy.evidence import (
    AvailabilityFact,
    CheckFact,
    FairnessFact,
    IntervalFact,
    PairedFact,
    SliceFact,
    SuspectFact,
)

FORMAT = "countersign.evaluation/2"
_FAMILY = "countersign.evaluation/"
_KNOWN = {"", "countersign.evaluation/1", FORMAT}
_MODES = {"model", "predictions", "metrics"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationDocument:
    slices: tuple[SliceFact, ...] = ()
    suspects: tuple[SuspectFact, ...] | None = None
    availability: tuple[AvailabilityFact, ...] | None = None
    champion: str = ""
    champion_metrics: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    measured: str = ""
    manifest_sha256: str = ""
    metrics: tuple[tuple[str, str], ...] = ()
    intervals: tuple[IntervalFact, ...] = ()
    paired: tuple[PairedFact, ...] = ()
    fairness: tuple[FairnessFact, ...] = ()
    checks: tuple[CheckFact, ...] = ()


def parse(text: str) -> EvaluationDocument:
    """Never raises: a report that cannot be read is a problem in words, and its gates cannot pass."""
    if not text:
        return EvaluationDocument(problem="The run has no evaluation report.")
    try:
        data = json.loads(text, object_pairs_hook=_no_duplicates)
        kind = _known_format(data)
        champion = data.get("champion") or {}
        read = EvaluationDocument(
            slices=tuple(_slice(item) for item in data.get("slices") or ()),
            suspects=_optional(data, "suspects", _suspect),
            availability=_optional(data, "availability", _available),
            champion=str(champion.get("version") or ""),
            champion_metrics=_numbers(champion.get("metrics") or {}),
            **(_harness(data, champion) if kind == FORMAT else {}),
        )
        to_bytes(asdict(read))
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError, InputError) as broken:
        why = f"{type(broken).__name__}: {broken}"[:300].encode("utf-8", "replace").decode()
        return EvaluationDocument(problem=f"The evaluation report cannot be read ({why}).")
    return read


def claims_harness(text: str) -> bool:
    """True when a reader would take this text for a report of the harness, whoever wrote it and wherever it lies."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and str(data.get("format") or "").startswith(FORMAT)


def _known_format(data: dict[str, Any]) -> str:
    kind = str(data.get("format") or "")
    if kind.startswith(_FAMILY) and kind not in _KNOWN:
        raise ValueError(f"its format {kind[:60]} is newer than this release")
    return kind


def _harness(data: dict[str, Any], champion: dict[str, Any]) -> dict[str, Any]:
    """What only the harness writes. Raises ValueError for a mode nobody knows: nothing may count as measured by it."""
    if data["mode"] not in _MODES:
        raise ValueError(f"its mode {str(data['mode'])[:60]} is not known")
    return {
        "measured": data["mode"],
        "manifest_sha256": str(data.get("manifest_sha256") or ""),
        "metrics": _numbers(data["metrics"]),
        "intervals": tuple(
            IntervalFact(
                metric=str(name),
                low=decimal_text(found["low"]),
                high=decimal_text(found["high"]),
                method=str(found.get("method") or ""),
            )
            for name, found in sorted((data.get("intervals") or {}).items())
        ),
        "paired": tuple(
            PairedFact(
                metric=str(name),
                delta=decimal_text(found["delta"]),
                low=decimal_text(found.get("low")),
                high=decimal_text(found.get("high")),
            )
            for name, found in sorted((champion.get("paired") or {}).items())
        ),
        "fairness": tuple(_fairness(item) for item in data.get("fairness") or ()),
        "checks": tuple(
            CheckFact(id=str(item["id"]), status=str(item["status"]), sentence=str(item.get("sentence") or ""))
            for item in data["checks"]
        ),
    }


def _numbers(found: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), decimal_text(value)) for name, value in sorted(found.items()))


def _fairness(item: dict[str, Any]) -> FairnessFact:
    return FairnessFact(
        attribute=str(item["attribute"]),
        measure=str(item["measure"]),
        group=str(item["group"]),
        reference=str(item["reference"]),
        value=decimal_text(item["value"]),
        low=decimal_text(item.get("low")),
        high=decimal_text(item.get("high")),
        n=int(item["n"]),
    )


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers must not see two reports in one text."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def decimal_text(value: Any) -> str:
    """A measured number as decimal text, rounded to six digits after the point; empty when it was not measured."""
    if value is None or isinstance(value, bool):
        return ""
    number = float(value)
    if not math.isfinite(number):
        return ""
    text = f"{Decimal(repr(round(number, 6))):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _optional(data: dict[str, Any], key: str, read: Any) -> Any:
    items = data.get(key)
    return None if items is None else tuple(read(item) for item in items)


def _slice(item: dict[str, Any]) -> SliceFact:
    return SliceFact(
        attribute=str(item["attribute"]),
        group=str(item["group"]),
        n=int(item["n"]),
        rate=decimal_text(item.get("rate")),
        tpr=decimal_text(item.get("tpr")),
        rate_low=decimal_text(item.get("rate_low")),
        rate_high=decimal_text(item.get("rate_high")),
        positives=int(item["positives"]) if item.get("positives") is not None else None,
        error=decimal_text(item.get("error")),
    )


def _suspect(item: dict[str, Any]) -> SuspectFact:
    return SuspectFact(feature=str(item["feature"]), auc=decimal_text(item["auc"]) or "0")


def _available(item: dict[str, Any]) -> AvailabilityFact:
    return AvailabilityFact(
        feature=str(item["feature"]), available=item["available"] is True, note=str(item.get("note") or "")
    )
