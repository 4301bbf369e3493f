"""One measured step of ours: `python -m tests.benchmarks.drift_ours STEP FOLDER` prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.drift_data import days_of


def judged(folder: Path) -> dict[str, Any]:
    """Everything: cells from the reference, a profile of every day, all statistics of the whole window."""
    import numpy as np

    from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
    from services.monitoring import distances
    from services.monitoring.windows import bins_of

    facts = DuckDbMonitoringFacts(folder)
    reference = facts.fit_reference("m", "bench")
    if reference is None:
        raise SystemExit("there is no reference")
    found: dict[str, Any] = {}
    profiles = facts.profile(reference, days_of(folder))
    for feature in reference.features:
        own = [profile for profile in profiles if profile.feature == feature.feature]
        counts, sums = sum(one.counts for one in own), sum(one.sums for one in own)
        bins = bins_of(feature)
        before, after = bins.fill(feature.counts), bins.fill(np.asarray(counts))
        values = {"psi": float(distances.psi(before, after)), "js": float(distances.jensen_shannon(before, after))}
        if feature.numeric:
            values["psi_numbers"] = float(distances.psi(before[:-1], after[:-1]))
            values["ks"] = float(distances.ks(feature.counts[:-2], np.asarray(counts)[:-2]))
            values["w1"] = float(
                distances.wasserstein(
                    feature.counts[:-2], feature.sums[:-2], np.asarray(counts)[:-2], np.asarray(sums)[:-2],
                    edges=np.array(feature.edges), spread=feature.spread or 1.0,
                )
            )  # fmt: skip
        found[feature.feature] = values | {"deciles": feature.deciles}
    return found


def profiled(folder: Path) -> dict[str, Any]:
    """Only the profile of all days, in cells that were fitted before the clock starts."""
    from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts

    facts = DuckDbMonitoringFacts(folder)
    reference = facts.fit_reference("m", "bench")
    if reference is None:
        raise SystemExit("there is no reference")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here: fitting has one of its own
    began, used = time.perf_counter(), time.process_time()
    profiles = facts.profile(reference, days_of(folder))
    return {
        "profiles": len(profiles),
        "peak_mb": _peak_mb(),
        "inner_wall": time.perf_counter() - began,
        "inner_cpu": time.process_time() - used,
    }


def _peak_mb() -> float:
    """Of this process, which with all its libraries holds some 90 MB before it asks anything."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def scanned(folder: Path) -> dict[str, Any]:
    """The yardstick: count, min and max of the same columns per day, in one pass of the same engine."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
    files = str(folder / "predictions" / "model=m" / "*" / "*.parquet")
    columns = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM '{files}'").fetchall()]
    wanted = [name for name in columns if name not in {"role", "model", "date"}]
    asked = ", ".join(f'count("{name}"), min("{name}"), max("{name}")' for name in wanted)
    began, used = time.perf_counter(), time.process_time()
    connection.execute(f"SELECT date, {asked} FROM read_parquet('{files}', hive_partitioning = true) GROUP BY date")
    connection.fetchall()
    return {"inner_wall": time.perf_counter() - began, "inner_cpu": time.process_time() - used}


def main() -> None:
    step, folder = sys.argv[1], Path(sys.argv[2])
    began = time.perf_counter()
    found = {"judged": judged, "profiled": profiled, "scanned": scanned}[step](folder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cost = {
        "wall": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": _peak_mb(),  # of `getrusage` it could be the peak of who started this process
    }
    print(json.dumps({"cost": cost, "found": found}))


if __name__ == "__main__":
    main()
