"""The candidate beside the live version: what changed, in words and numbers with units. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.policy.evidence import Evidence
from services.policy.wording import shown

_HIGHER = {"holdout_auc", "holdout_precision", "holdout_recall", "holdout_r2"}
_LOWER = {"holdout_brier", "holdout_ece", "holdout_mae", "holdout_rmse", "probe_p95_ms"}
_TITLES = {
    "holdout_auc": "Discrimination (AUC)",
    "holdout_brier": "Brier score",
    "holdout_ece": "Calibration error",
    "holdout_calibration_gap": "Mean score minus observed rate",
    "holdout_precision": "Precision",
    "holdout_recall": "Recall",
    "holdout_positive_rate": "Share predicted positive",
    "holdout_mae": "Mean absolute error",
    "holdout_rmse": "Root mean squared error",
    "holdout_r2": "Explained variation",
    "holdout_bias": "Mean error",
    "holdout_n": "Holdout rows",
    "probe_p95_ms": "Response time p95 (ms)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One measure of the candidate beside the live version. `better` is None when neither direction is better."""

    title: str
    champion: str
    candidate: str
    change: str
    better: bool | None


def compare(candidate: Evidence, base: Evidence | None) -> tuple[Difference, ...]:
    """Metrics first, then data, columns, sensitive inputs. Without a live version the left side is empty."""
    lines = [line for name in _TITLES if (line := _metric(candidate, name)) is not None]
    if base is None:
        return tuple(lines)
    lines += _data(candidate, base)
    lines.append(_columns(candidate, base))
    lines.append(_sensitive(candidate, base))
    return tuple(lines)


def _metric(candidate: Evidence, name: str) -> Difference | None:
    new, old = candidate.metric(name), candidate.base_metric(name)
    if new is None:
        return None
    title = _TITLES[name]
    if old is None:
        return Difference(title=title, champion="", candidate=shown(new), change="", better=None)
    delta = new - old
    better = None
    if delta and name in _HIGHER:
        better = delta > 0
    elif delta and name in _LOWER:
        better = delta < 0
    sign = "+" if delta > 0 else ""
    return Difference(
        title=title,
        champion=shown(old),
        candidate=shown(new),
        change=f"{sign}{shown(delta)}" if delta else "none",
        better=better,
    )


def _data(candidate: Evidence, base: Evidence) -> list[Difference]:
    lines = []
    for context in ("training", "holdout"):
        old = next((data for data in base.datasets if data.context == context), None)
        new = next((data for data in candidate.datasets if data.context == context), None)
        if old is None and new is None:
            continue
        same = old is not None and new is not None and old.digest == new.digest
        lines.append(
            Difference(
                title=f"Data: {context}",
                champion=f"{old.name} ({old.digest})" if old else "",
                candidate=f"{new.name} ({new.digest})" if new else "",
                change="none" if same else "other data",
                better=None,
            )
        )
    return lines


def _columns(candidate: Evidence, base: Evidence) -> Difference:
    added = [name for name in candidate.inputs if name not in base.inputs]
    gone = [name for name in base.inputs if name not in candidate.inputs]
    words = [f"added {', '.join(added)}"] if added else []
    words += [f"removed {', '.join(gone)}"] if gone else []
    return Difference(
        title="Input columns",
        champion=str(len(base.inputs)),
        candidate=str(len(candidate.inputs)),
        change="; ".join(words) or "none",
        better=None,
    )


def _sensitive(candidate: Evidence, base: Evidence) -> Difference:
    tagged = {item.name for item in candidate.sensitive if item.is_personal}
    old = [name for name in base.inputs if name in tagged]
    new = [name for name in candidate.inputs if name in tagged]
    delta = Decimal(len(new) - len(old))
    return Difference(
        title="Sensitive inputs",
        champion=str(len(old)),
        candidate=str(len(new)),
        change=f"{'+' if delta > 0 else ''}{delta}" if delta else "none",
        better=None,
    )
