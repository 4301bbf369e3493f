"""What an optional narrator is told, and how its text is marked. Pure.

It gets figures about all rows and the sentences of checks that name no group; never a row, never a value of a column
that is tagged. Group names and slices are left out altogether: they are values of columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.inventory.models import GovernedModel

MARK = "Written by a language model from the figures of this report. It decided nothing and may be wrong."
_LONGEST = 4_000
_NAMES_VALUES = frozenset({"fairness", "investigation", "leakage", "missing", "noise"})
"""Checks whose sentences may name groups, slices or columns."""


def findings_for(report: Mapping[str, Any], governed: GovernedModel) -> dict[str, Any]:
    personal = {item.name for item in governed.sensitive if item.category != "not personal"}
    return {
        "task": report["task"],
        "measured_with": report["mode"],
        "rows": report["holdout"]["n"],
        "metrics": dict(report["metrics"]),
        "intervals": {name: [item["low"], item["high"]] for name, item in report["intervals"].items()},
        "against_live_version": {
            name: [item["delta"], item["low"], item["high"]]
            for name, item in ((report["champion"] or {}).get("paired") or {}).items()
        },
        "groups": [
            {"measure": row["measure"], "value": row["value"], "low": row["low"], "high": row["high"], "rows": row["n"]}
            for row in report["fairness"]
        ],
        "weeks": [{"value": row["value"], "rows": row["n"]} for row in report["stability"]],
        "robustness": [
            {"check": row["check"], "feature": row["feature"], "drop": row["drop"]}
            for row in report["robustness"]
            if row["feature"] not in personal
        ],
        "checks": [
            {"check": row["title"], "status": row["status"]}
            | ({} if row["id"] in _NAMES_VALUES else {"says": row["sentence"]})
            for row in report["checks"]
        ],
    }


def marked(text: str) -> str:
    """Cut to a page, with the mark in front; empty when nothing was said."""
    words = " ".join(text.split())
    return f"{MARK} {words[:_LONGEST]}" if words else ""
