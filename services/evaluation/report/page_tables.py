"""The tables of a report for its page: groups, robustness, response time, inputs, files, investigation. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.evaluation.report import reading
from services.evaluation.report.reading import between, shown, signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    cells: tuple[str, ...]
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""


def tables(report: Mapping[str, Any]) -> tuple[Table, ...]:
    """What the report has rows for, in reading order; a part that was not measured is left out."""
    parts = (
        _slices(report),
        _robustness(report),
        _latency(report),
        _suspects(report),
        _availability(report),
        _artifact(report),
        _reproduced(report),
        _investigation(report),
    )
    return tuple(part for part in parts if part is not None)


def _slices(report: Mapping[str, Any]) -> Table | None:
    unit = report.get("unit") or ""
    rows = []
    for item in report.get("slices") or ():
        if "rate" in item:
            measures = [_with_interval(item, name, reading.SHARE) for name in ("rate", "tpr", "fpr")]
        else:
            measures = [_with_interval(item, "error", reading.AMOUNT, unit), shown(item.get("mae"), "amount", unit)]
        few = item["n"] < reading.FEWEST_ROWS
        size = f"{item['n']:,}{' (too few)' if few else ''}"
        rows.append(Row(cells=(item["attribute"], item["group"], size, *measures), tone="few" if few else ""))
    if not rows:
        return None
    titles = ("Selected", "Positives found", "False alarms") if len(rows[0].cells) == 6 else ("Mean error", "MAE")
    return Table(title="Groups in numbers", columns=("Attribute", "Group", "n", *titles), rows=tuple(rows))


def _with_interval(item: Mapping[str, Any], name: str, kind: str, unit: str = "") -> str:
    ends = between(item.get(f"{name}_low"), item.get(f"{name}_high"), kind)
    return f"{shown(item.get(name), kind, unit)}{f' ({ends})' if ends else ''}"


def _robustness(report: Mapping[str, Any]) -> Table | None:
    words = {"missing": "its value missing", "noise": "small noise added"}
    rows = tuple(
        Row(
            cells=(
                item["feature"],
                words[item["check"]],
                item["metric"],
                shown(item["base"], ""),
                shown(item["value"], ""),
                signed(item["drop"], ""),
            )
        )
        for item in report.get("robustness") or ()
    )
    return _table("Robustness", ("Input", "Changed", "Measure", "Before", "After", "Loss"), rows)


def _latency(report: Mapping[str, Any]) -> Table | None:
    found = report.get("latency")
    if not found:
        return None
    cells = [shown(found[f"{name}_ms"], reading.MILLISECONDS) for name in ("p50", "p95", "p99")]
    row = Row(cells=(*cells, shown(found["error_rate"], reading.SHARE), f"{found['n']:,}"))
    columns = ("Median", "95th percentile", "99th percentile", "Failed", "Requests")
    return _table("Response time", columns, (row,), note=found["how"])


def _suspects(report: Mapping[str, Any]) -> Table | None:
    found = report.get("suspects") or ()
    rows = tuple(Row(cells=(item["feature"], f"{item['auc']:.3f}")) for item in found[:15])
    note = "How well each input alone tells the label; one that tells nearly all of it was probably written afterwards."
    return _table("Single inputs", ("Input", "AUC alone"), rows, note=note)


def _availability(report: Mapping[str, Any]) -> Table | None:
    late = [item for item in report.get("availability") or () if not item["available"]]
    rows = tuple(Row(cells=(item["feature"], item["note"]), tone="problem") for item in late)
    return _table("Inputs known only after the decision", ("Input", "Why"), rows)


def _artifact(report: Mapping[str, Any]) -> Table | None:
    found = report.get("artifact")
    if not found:
        return None
    rows = [Row(cells=("Size", f"{found['size_bytes'] / 1e6:,.1f} MB in {found['files']:,} files"))]
    rows += [Row(cells=(item["path"], item["why"]), tone="problem") for item in found["unsafe"]]
    rows += [
        Row(cells=(item["spec"] or item["name"], item["problem"]), tone="problem")
        for item in found["dependencies"]
        if item["problem"]
    ]
    rows += [Row(cells=("Signature", problem), tone="problem") for problem in found["signature_problems"]]
    return _table("Files of the version", ("What", "Found"), tuple(rows))


def _reproduced(report: Mapping[str, Any]) -> Table | None:
    found = report.get("reproducibility")
    if not found:
        return None
    words = "the same numbers" if found["same"] else f"numbers that differ by up to {found['max_difference']:g}"
    tone = "" if found["same"] else "problem"
    return _table("Measured again", ("Result", "Earlier report"), (Row(cells=(words, found["earlier"]), tone=tone),))


def _investigation(report: Mapping[str, Any]) -> Table | None:
    rows = tuple(
        Row(cells=(item["step"], item["because"], item["did"], item["found"]))
        for item in report.get("investigation") or ()
    )
    return _table("Investigation", ("Step", "Because", "Did", "Found"), rows)


def _table(title: str, columns: tuple[str, ...], rows: tuple[Row, ...], *, note: str = "") -> Table | None:
    return Table(title=title, columns=columns, rows=rows, note=note) if rows else None
