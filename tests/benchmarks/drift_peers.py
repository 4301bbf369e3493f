"""Values of Evidently and NannyML beside ours, on the recorded flights: January against July 2013.

    python -m tests.benchmarks.drift_peers rows FOLDER                 here: writes the rows and our values
    PEERS/bin/python tests/benchmarks/drift_peers.py peers FOLDER      in an environment with the peers installed
    python -m tests.benchmarks.drift_peers table FOLDER                here: the table of docs/monitoring.md

The peers cannot share our environment (evidently 0.7.23 needs pandas below 3). Install them elsewhere:
`uv pip install 'evidently==0.7.23' 'pandas<3' nannyml statsmodels`. Only definitions that are the same are compared:
Evidently's Wasserstein distance over the deviation of the reference; NannyML's Kolmogorov-Smirnov, Wasserstein (ours
times the deviation), Jensen-Shannon and chi-squared of categories. Evidently's Jensen-Shannon of categories is ours in
natural logarithms. Both peers bin numbers differently for PSI and Jensen-Shannon, so those are not comparable.
"""

from __future__ import annotations

import json
import sys
from math import log, sqrt
from pathlib import Path
from typing import Any

NUMBERS = ("dep_delay", "arr_delay", "distance", "scheduled_minutes", "departs_at")
CATEGORIES = ("carrier", "origin", "dest")


def rows(folder: Path) -> None:
    """Two months of flights as Parquet, and our values for them through the product's own path."""
    from services.adapters.local.estate import data
    from services.monitoring import distances
    from services.monitoring.definitions import Statistic
    from tests.unit.monitoring.test_agreement import compared

    flights = data.flights()
    flights = flights.assign(departs_at=flights["departs"].dt.hour * 60.0 + flights["departs"].dt.minute)
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
    (folder / "ours.json").write_text(json.dumps(ours, indent=1))


def peers(folder: Path) -> None:
    import pandas as pd

    before, after = pd.read_parquet(folder / "before.parquet"), pd.read_parquet(folder / "after.parquet")
    found = {"evidently": _evidently(before, after), "nannyml": _nannyml(before, after)}
    (folder / "peers.json").write_text(json.dumps(found, indent=1))


def _evidently(before: Any, after: Any) -> dict[str, dict[str, float]]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    shape = DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=list(CATEGORIES))
    wanted = [(column, "wasserstein") for column in NUMBERS] + [(column, "jensenshannon") for column in CATEGORIES]
    metrics = [ValueDrift(column=column, method=method) for column, method in wanted]
    report = Report(metrics)
    given = (Dataset.from_pandas(frame, data_definition=shape) for frame in (after, before))
    run = report.run(*given)
    found: dict[str, dict[str, float]] = {}
    for (column, method), metric in zip(wanted, run.dict()["metrics"], strict=True):
        found[column] = {"w1" if method == "wasserstein" else "js": float(metric["value"])}
    return found


def _nannyml(before: Any, after: Any) -> dict[str, dict[str, float]]:
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
    return found


def table(folder: Path) -> str:
    ours, theirs = json.loads((folder / "ours.json").read_text()), json.loads((folder / "peers.json").read_text())
    lines = [
        "| Column | Statistic | Ours | Evidently 0.7.23 | NannyML | Largest difference |",
        "|---|---|---|---|---|---|",
    ]
    for column, values in ours.items():
        for statistic in ("ks", "w1", "js", "chi2"):
            found = [_scaled(theirs, peer, column, statistic, values.get("spread", 1.0)) for peer in theirs]
            if any(value is not None for value in found) and statistic in values:
                gaps = [abs(value - values[statistic]) for value in found if value is not None]
                cells = [f"{value:.5f}" if value is not None else "none" for value in (values[statistic], *found)]
                lines.append(f"| {column} | {statistic} | {' | '.join(cells)} | {max(gaps):.5f} |")
    return "\n".join(lines)


def _scaled(theirs: Any, peer: str, column: str, statistic: str, spread: float) -> float | None:
    """The peer's value in our definition."""
    value = theirs[peer].get(column, {}).get(statistic)
    if value is None:
        return None
    if peer == "evidently" and statistic == "js":
        return float(value) / sqrt(log(2))
    return float(value) / spread if peer == "nannyml" and statistic == "w1" else float(value)


if __name__ == "__main__":
    action, place = sys.argv[1], Path(sys.argv[2])
    if action == "table":
        print(table(place))
    else:
        {"rows": rows, "peers": peers}[action](place)
