"""Values of Evidently and NannyML beside ours, on the recorded flights: January against July 2013.

    python -m tests.benchmarks.drift agree                                          everything, with a verdict
    PYTHON tests/benchmarks/drift_peers.py evidently|nannyml FOLDER                 by the interpreter of that peer

The peers cannot share our environment (evidently 0.7.23 needs pandas below 3). Only definitions that are the same are
compared: Evidently's Wasserstein distance over the deviation of the reference, and its Jensen-Shannon (ours in natural
logarithms) and PSI of categories; NannyML's Kolmogorov-Smirnov, Wasserstein (ours times the deviation), Jensen-Shannon
and chi-squared of categories. Evidently's PSI puts a fixed share where a category is empty on one side and ours half
an observation: equal where none is. Both peers bin numbers differently for PSI and Jensen-Shannon: not comparable.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from math import log, sqrt
from pathlib import Path
from typing import Any

NUMBERS = ("dep_delay", "arr_delay", "distance", "scheduled_minutes", "departs_at")
CATEGORIES = ("carrier", "origin", "dest", "hour", "weekday")


def rows(folder: Path) -> None:
    """Two months of flights as Parquet, and our values for them through the product's own path."""
    from services.adapters.local.estate import data
    from services.monitoring import distances
    from services.monitoring.definitions import Statistic
    from tests.unit.monitoring.test_agreement import compared

    flights = data.flights()
    departs = flights["departs"].dt
    flights = flights.assign(
        departs_at=departs.hour * 60.0 + departs.minute, hour=departs.strftime("%Hh"), weekday=departs.day_name()
    )
    chosen = flights[[*NUMBERS, *CATEGORIES]].astype(dict.fromkeys(CATEGORIES, str))
    month = flights["departs"].dt.month
    before, after = chosen[month == 1].reset_index(drop=True), chosen[month == 7].reset_index(drop=True)
    folder.mkdir(parents=True, exist_ok=True)
    before.to_parquet(folder / "before.parquet")
    after.to_parquet(folder / "after.parquet")
    found = compared(folder / "facts", before, after)
    ours: dict[str, dict[str, float]] = {}
    for column in (*NUMBERS, *CATEGORIES):
        run = found.courses[column]
        ours[column] = {str(item): float(run.values[item][-1]) for item in Statistic if item in run.values}
    for column in NUMBERS:
        ours[column]["spread"] = float(before[column].std(ddof=0))
    for column in CATEGORIES:
        # The product puts values under 1 % together; the peers do not, so here every value stands alone.
        was, now = found.cells[column]
        ours[column] |= {
            "js": float(distances.jensen_shannon(was, now)),
            "chi2": float(distances.chi_squared(was, now)[0]),
        }
        listed, seen = set(before[column]), set(after[column])
        ours[column].pop("psi", None)
        if listed == seen:
            ours[column]["psi"] = float(distances.psi(was, now))
    (folder / "ours.json").write_text(json.dumps(ours, indent=1))


def asked(peer: str, folder: Path) -> str:
    """Writes the values of one peer; its version."""
    import pandas as pd

    before, after = pd.read_parquet(folder / "before.parquet"), pd.read_parquet(folder / "after.parquet")
    version, found = {"evidently": _evidently, "nannyml": _nannyml}[peer](before, after)
    (folder / f"{peer}.json").write_text(json.dumps(found, indent=1))
    return version


def _evidently(before: Any, after: Any) -> tuple[str, dict[str, dict[str, float]]]:
    import evidently
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    shape = DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=list(CATEGORIES))
    wanted = [(column, "wasserstein") for column in NUMBERS]
    wanted += [(column, method) for column in CATEGORIES for method in ("jensenshannon", "psi")]
    names = {"wasserstein": "w1", "jensenshannon": "js", "psi": "psi"}
    metrics = [ValueDrift(column=column, method=method) for column, method in wanted]
    report = Report(metrics)
    given = (Dataset.from_pandas(frame, data_definition=shape) for frame in (after, before))
    run = report.run(*given)
    found: dict[str, dict[str, float]] = {}
    for (column, method), metric in zip(wanted, run.dict()["metrics"], strict=True):
        found.setdefault(column, {})[names[method]] = float(metric["value"])
    return evidently.__version__, found


def _nannyml(before: Any, after: Any) -> tuple[str, dict[str, dict[str, float]]]:
    import nannyml

    calculator = nannyml.UnivariateDriftCalculator(
        column_names=[*NUMBERS, *CATEGORIES], treat_as_categorical=list(CATEGORIES), chunk_number=1,
        continuous_methods=["kolmogorov_smirnov", "wasserstein"], categorical_methods=["jensen_shannon", "chi2"],
    )  # fmt: skip
    frame = calculator.fit(before).calculate(after).to_df(multilevel=True)
    last = frame[frame["chunk", "chunk", "period"] == "analysis"].iloc[-1]
    names = {"kolmogorov_smirnov": "ks", "wasserstein": "w1", "jensen_shannon": "js", "chi2": "chi2"}
    found: dict[str, dict[str, float]] = {}
    for column in NUMBERS:
        found[column] = {names[m]: float(last[column, m, "value"]) for m in ("kolmogorov_smirnov", "wasserstein")}
    for column in CATEGORIES:
        found[column] = {names[m]: float(last[column, m, "value"]) for m in ("jensen_shannon", "chi2")}
    return nannyml.__version__, found


def compared_with(folder: Path, peer: str) -> Iterator[tuple[str, str, float, float]]:
    """(column, statistic, ours, the peer's in our definition) wherever the definition is the same."""
    ours, theirs = (json.loads((folder / f"{name}.json").read_text()) for name in ("ours", peer))
    for column, values in ours.items():
        for statistic in ("ks", "w1", "psi", "js", "chi2"):
            value = theirs.get(column, {}).get(statistic)
            if value is not None and statistic in values:
                yield column, statistic, values[statistic], _scaled(value, peer, statistic, values.get("spread", 1.0))


def table(folder: Path) -> str:
    """The table of docs/monitoring.md."""
    lines = ["| Column | Statistic | Ours | Evidently | NannyML | Largest difference |", "|---|---|---|---|---|---|"]
    found: dict[tuple[str, str], dict[str, float]] = {}
    for peer in ("evidently", "nannyml"):
        for column, statistic, own, value in compared_with(folder, peer):
            found.setdefault((column, statistic), {"ours": own})[peer] = value
    for (column, statistic), values in found.items():
        gap = max(abs(value - values["ours"]) for value in values.values())
        cells = [f"{values[name]:.5f}" if name in values else "none" for name in ("ours", "evidently", "nannyml")]
        lines.append(f"| {column} | {statistic} | {' | '.join(cells)} | {gap:.5f} |")
    return "\n".join(lines)


def _scaled(value: float, peer: str, statistic: str, spread: float) -> float:
    """The peer's value in our definition."""
    if peer == "evidently" and statistic == "js":
        return value / sqrt(log(2))
    return value / spread if peer == "nannyml" and statistic == "w1" else value


if __name__ == "__main__":
    print(json.dumps({"version": asked(sys.argv[1], Path(sys.argv[2]))}))
