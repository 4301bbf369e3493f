"""One report of a peer, by its own interpreter: `PEER_PYTHON drift_reports.py evidently|nannyml FOLDER` prints JSON.

Imports nothing of ours, and nothing of a peer that was not asked for.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")


def load(folder: Path):
    import pandas as pd

    before = pd.read_parquet(folder / "reference" / "m.parquet")
    files = sorted((folder / "predictions" / "model=m").glob("*/*.parquet"))
    after = pd.concat([pd.read_parquet(file, partitioning=None) for file in files], ignore_index=True)
    columns = [name for name in before.columns if name != "role"]
    numbers = [name for name in columns if name.startswith("n")]
    texts = [name for name in columns if name.startswith("c")]
    frames = []
    for frame in (before, after):
        frames.append(frame[columns].astype(dict.fromkeys(texts, str)))
    return frames[0], frames[1], numbers, texts


def evidently(folder: Path):
    import evidently as peer
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    before, after, numbers, texts = load(folder)
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    report = Report([DataDriftPreset()])
    done = report.run(
        Dataset.from_pandas(after, data_definition=definition), Dataset.from_pandas(before, data_definition=definition)
    )
    values = {}
    for metric in done.dict()["metrics"]:
        name = metric.get("metric_name") or metric.get("metric_id") or ""
        if name.startswith("ValueDrift"):
            column = name.split("column=")[1].split(",")[0].rstrip(")")
            values[column] = metric["value"]
    return peer.__version__, values


def nannyml(folder: Path):
    import nannyml as peer

    before, after, numbers, texts = load(folder)
    calculator = peer.UnivariateDriftCalculator(
        column_names=[*numbers, *texts],
        treat_as_categorical=texts,
        continuous_methods=["jensen_shannon", "kolmogorov_smirnov", "wasserstein"],
        categorical_methods=["jensen_shannon", "chi2"],
        chunk_number=10,
    )
    calculator.fit(before)
    result = calculator.calculate(after)
    return peer.__version__, {"rows": len(result.to_df())}


def main() -> None:
    peer, folder = sys.argv[1], Path(sys.argv[2])
    began = time.perf_counter()
    version, values = {"evidently": evidently, "nannyml": nannyml}[peer](folder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cost = {
        "wall": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }
    print(json.dumps({"cost": cost, "found": values, "version": version}, default=float))


if __name__ == "__main__":
    main()
