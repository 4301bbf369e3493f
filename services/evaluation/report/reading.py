"""What a report says, line by line, for every place that shows it: the page that opens alone and the screen. Pure.

Rows are only arranged here; nothing is judged. A group with few rows is marked as such and must never look good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SHARE, POINTS, PLAIN, AMOUNT, COUNT, MILLISECONDS = "share", "points", "plain", "amount", "count", "ms"
# Without a policy's own minimum: under this many rows a comparison of groups says little.
FEWEST_ROWS = 100
_PREFIX = "holdout_"
_MINUS = "\u2212"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """`better` is `higher`, `lower`, or empty where neither direction is."""

    title: str
    kind: str = PLAIN
    better: str = ""


MEASURES: dict[str, Measure] = {
    "holdout_auc": Measure(title="Discrimination (AUC)", better="higher"),
    "holdout_pr_auc": Measure(title="Average precision", better="higher"),
    "holdout_brier": Measure(title="Brier score", better="lower"),
    "holdout_logloss": Measure(title="Log loss", better="lower"),
    "holdout_ece": Measure(title="Calibration error", better="lower"),
    "holdout_calibration_gap": Measure(title="Mean score minus observed rate"),
    "holdout_precision": Measure(title="Precision", kind=SHARE, better="higher"),
    "holdout_recall": Measure(title="Positives found (recall)", kind=SHARE, better="higher"),
    "holdout_f1": Measure(title="F1", better="higher"),
    "holdout_positive_rate": Measure(title="Positive rows", kind=SHARE),
    "holdout_selected_rate": Measure(title="Selected rows", kind=SHARE),
    "holdout_mae": Measure(title="Mean absolute error", kind=AMOUNT, better="lower"),
    "holdout_rmse": Measure(title="Root mean squared error", kind=AMOUNT, better="lower"),
    "holdout_r2": Measure(title="Explained variation", better="higher"),
    "holdout_bias": Measure(title="Mean error", kind=AMOUNT),
    "holdout_n": Measure(title="Rows", kind=COUNT),
    "served_p50_ms": Measure(title="Response time, median", kind=MILLISECONDS, better="lower"),
    "served_p95_ms": Measure(title="Response time, 95th percentile", kind=MILLISECONDS, better="lower"),
    "served_p99_ms": Measure(title="Response time, 99th percentile", kind=MILLISECONDS, better="lower"),
    "served_error_rate": Measure(title="Failed requests", kind=SHARE, better="lower"),
    "stability_spread": Measure(title="Worst minus best week"),
    "robust_missing_drop": Measure(title="Largest loss when a value is missing"),
    "robust_noise_drop": Measure(title="Largest loss from small noise"),
    "suspects_top_auc": Measure(title="Best single input (AUC)"),
    "late_features": Measure(title="Inputs known only after the decision", kind=COUNT),
    "baseline_auc": Measure(title="AUC of a simple rule"),
    "holdout_age_days": Measure(title="Days from the newest row to training", kind=COUNT),
    "artifact_mb": Measure(title="Size of the files (MB)"),
    "unsafe_files": Measure(title="Files that could run code", kind=COUNT),
    "unpinned_dependencies": Measure(title="Dependencies without a version", kind=COUNT),
    "signature_problems": Measure(title="Signature problems", kind=COUNT),
    "reproduced_difference": Measure(title="Difference when measured again"),
}
FAIRNESS: dict[str, str] = {
    "rate_ratio": "Selected, relative to the largest group",
    "tpr_gap": "Positives found, distance to the largest group",
    "fpr_gap": "False alarms, distance to the largest group",
    "error_gap": "Mean error, distance to the largest group",
}
STATUSES: dict[str, str] = {
    "done": "Measured",
    "skipped": "Left out",
    "inconclusive": "Inconclusive",
    "error": "Could not check",
}
MODES: dict[str, str] = {
    "model": "The version was loaded and scored the held-out rows.",
    "predictions": "The version could not be scored; the predictions logged with the run were measured.",
    "metrics": "Neither the version nor its predictions could be measured; only metrics of the run are known.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    """One measure of both versions; each interval, and the difference, stands where it was measured, None elsewhere."""

    name: str
    title: str
    kind: str
    champion: float | None
    value: float
    low: float | None
    high: float | None
    method: str
    delta: float | None
    delta_low: float | None
    delta_high: float | None
    better: bool | None
    """None when the difference could be chance, was not measured, or neither direction is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessLine:
    attribute: str
    measure: str
    title: str
    group: str
    reference: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    few: bool

    @property
    def neutral(self) -> float:
        """The value of two groups that are treated alike."""
        return 1.0 if self.measure == "rate_ratio" else 0.0


def metric_lines(report: Mapping[str, Any]) -> tuple[MetricLine, ...]:
    """Known measures in their usual order, then those this list does not know, by name."""
    found: Mapping[str, float] = report.get("metrics") or {}
    known = [name for name in MEASURES if name in found]
    others = sorted(name for name in found if name not in MEASURES)
    return tuple(_metric_line(report, name) for name in (*known, *others))


def fairness_lines(
    report: Mapping[str, Any], *, few: Iterable[tuple[str, str]] = (), fewest: int = FEWEST_ROWS
) -> tuple[FairnessLine, ...]:
    """Every comparison of groups; `few` names groups that the policy found too small, whatever their size."""
    too_small = set(few)
    return tuple(
        FairnessLine(
            attribute=item["attribute"],
            measure=item["measure"],
            title=FAIRNESS.get(item["measure"], item["measure"]),
            group=item["group"],
            reference=item["reference"],
            value=item["value"],
            low=item["low"],
            high=item["high"],
            n=item["n"],
            few=item["n"] < fewest or (item["attribute"], item["group"]) in too_small,
        )
        for item in report.get("fairness") or ()
    )


def shown(value: float | None, kind: str, unit: str = "") -> str:
    """The number with its unit, for text: `71.2 %`, `0.718`, `12.40 min`, `100,000`."""
    if value is None:
        return "not measured"
    match kind:
        case "share":
            text = f"{value * 100:.1f} %"
        case "points":
            text = f"{value * 100:.1f} points"
        case "count":
            text = f"{value:,.0f}"
        case "ms":
            text = f"{value:,.1f} ms"
        case "amount":
            text = f"{value:,.2f} {unit}".strip()
        case _:
            text = f"{value:,.3f}" if abs(value) < 100 else f"{value:,.1f}"
    return text.replace("-", _MINUS, 1) if value < 0 else text


def between(low: float | None, high: float | None, kind: str) -> str:
    """`0.712 to 0.724`, or nothing when there is no interval. The unit of a share stands once."""
    if low is None or high is None:
        return ""
    return f"{shown(low, kind).removesuffix(' %').removesuffix(' points')} to {shown(high, kind)}"


def signed(value: float | None, kind: str, unit: str = "") -> str:
    """A difference: `+0.020`; of shares in points."""
    if value is None:
        return ""
    text = shown(abs(value), POINTS if kind == SHARE else kind, unit)
    return f"{'+' if value > 0 else _MINUS if value < 0 else '±'}{text}"


def between_differences(low: float | None, high: float | None, kind: str) -> str:
    return between(low, high, POINTS if kind == SHARE else kind)


def _metric_line(report: Mapping[str, Any], name: str) -> MetricLine:
    measure = MEASURES.get(name, Measure(title=name.removeprefix(_PREFIX).replace("_", " ").capitalize()))
    champion = report.get("champion") or {}
    single = (report.get("intervals") or {}).get(name) or {}
    pair = (champion.get("paired") or {}).get(name) or {}
    value, base = report["metrics"][name], (champion.get("metrics") or {}).get(name)
    delta = pair.get("delta")
    if delta is None and base is not None:
        delta = value - base
    return MetricLine(
        name=name,
        title=measure.title,
        kind=measure.kind,
        champion=base,
        value=value,
        low=single.get("low"),
        high=single.get("high"),
        method=single.get("method") or "",
        delta=delta,
        delta_low=pair.get("low"),
        delta_high=pair.get("high"),
        better=_better(measure, pair.get("low"), pair.get("high")),
    )


def _better(measure: Measure, low: float | None, high: float | None) -> bool | None:
    """Only a difference whose whole interval is on one side of zero has a direction."""
    if not measure.better or low is None or high is None or low <= 0 <= high:
        return None
    return (low > 0) == (measure.better == "higher")
