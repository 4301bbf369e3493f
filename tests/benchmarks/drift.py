"""`make bench-drift`: drift side by side with the peers, against a plain scan, and against exact values on raw rows.

    python -m tests.benchmarks.drift peers --rows 100000 1000000    # ours against Evidently and NannyML
    python -m tests.benchmarks.drift scan --rows 10000000 --days 30 # against count, min and max of the same columns
    python -m tests.benchmarks.drift day --rows 333000              # one new day
    python -m tests.benchmarks.drift exact --rows 100000            # against scipy on raw rows

Peers live in an environment of their own, made here when it is not there; they are no requirement of ours. A peer
that cannot be installed or fails is named with its reason, and has no figure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.drift_data import days_of, prepare

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".artifacts" / "drift-bench"
PEERS = {"evidently": ("evidently>=0.7.23,<0.8", "pandas<3"), "nannyml": ("nannyml>=0.13.1,<0.14", "statsmodels")}
Line = tuple[float, str, str]


def run(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["killed, most likely for memory"])[-1]
        return {"failed": f"{said} (exit {done.returncode})"}
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def ours(step: str, folder: Path) -> dict[str, Any]:
    answer = run([sys.executable, "-m", "tests.benchmarks.drift_ours", step, str(folder)])
    if "failed" in answer:
        raise SystemExit(f"ours failed in {step}: {answer['failed']}")
    return answer


def interpreter(peer: str, given: str) -> tuple[str, str]:
    """(python of the peer, or why there is none)."""
    if given:
        return given, ""
    folder = PLACE / f"venv-{peer}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *PEERS[peer]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return (str(python), "") if not done.returncode else ("", done.stderr.strip().splitlines()[-1])


def peers(sizes: argparse.Namespace) -> Iterator[Line]:
    for rows in sizes.rows:
        folder = PLACE / f"peers-{rows}"
        prepare(folder, reference_rows=rows, rows=rows, days=3)
        own = ours("judged", folder)["cost"]
        yield from ((own[unit], unit, f"ours, 50 columns, {rows:,} and {rows:,} rows") for unit in own)
        for peer in PEERS:
            python, missing = interpreter(peer, sizes.peer_python)
            answer = (
                {"failed": missing}
                if missing
                else run([python, "tests/benchmarks/drift_reports.py", peer, str(folder)])
            )
            if "failed" in answer:
                print(f"{peer}: not measured at {rows:,} rows: {answer['failed']}", flush=True)
                continue
            name = f"{peer} {answer['version']} at {rows:,} rows"
            for unit, value in answer["cost"].items():
                yield value, unit, name
                yield own[unit] / value, "ratio", f"{unit} of ours to {name}"


def scan(sizes: argparse.Namespace) -> Iterator[Line]:
    for rows in sizes.rows:
        folder = PLACE / f"scan-{rows}-{sizes.days}"
        prepare(folder, reference_rows=min(rows, 400_000), rows=rows, days=sizes.days)
        # Alternating, and the better of two: the first pass also warms the page cache.
        pairs = [(ours("scanned", folder), ours("profiled", folder)) for _ in range(2)]
        for unit in ("inner_wall", "inner_cpu"):
            least, most = (min(pair[side]["found"][unit] for pair in pairs) for side in (0, 1))
            yield least, unit, f"count, min, max of 50 columns, {rows:,} rows x {sizes.days} days"
            yield most, unit, "full profile of the same"
            yield most / least, "ratio", f"{unit} of the profile to the scan"
        yield min(pair[1]["found"]["peak_mb"] for pair in pairs), "MB", "peak memory of the process while it profiles"
        yield min(pair[1]["cost"]["peak_mb"] for pair in pairs), "MB", "the same, with fitting the cells before it"


def day(sizes: argparse.Namespace) -> Iterator[Line]:
    for rows in sizes.rows:
        folder = PLACE / f"day-{rows}"
        prepare(folder, reference_rows=min(rows, 400_000), rows=rows, days=1)
        answers = [ours("profiled", folder)["found"] for _ in range(3)]
        for unit in ("inner_wall", "inner_cpu"):
            yield min(answer[unit] for answer in answers), unit, f"one new day of {rows:,} rows x 50 columns"


def exact(sizes: argparse.Namespace) -> Iterator[Line]:
    import numpy as np
    import pyarrow.parquet as pq
    from scipy import stats

    for rows in sizes.rows:
        folder = PLACE / f"peers-{rows}"
        prepare(folder, reference_rows=rows, rows=rows, days=3)
        found = ours("judged", folder)["found"]
        worst: dict[str, float] = {}
        for name, values in found.items():
            if "ks" not in values:
                continue
            before = _column(pq, [folder / "reference" / "m.parquet"], name)
            files = [folder / "predictions" / "model=m" / f"date={day}" / "part-0.parquet" for day in days_of(folder)]
            after = _column(pq, files, name)
            edges = -np.array([-np.inf, *values["deciles"], np.inf])[::-1]
            p, q = (np.histogram(-side, bins=edges)[0] for side in (before, after))
            used = (p > 0) | (q > 0)
            p, q = np.maximum(p[used], 0.5) / len(before), np.maximum(q[used], 0.5) / len(after)
            raw = {
                "ks": stats.ks_2samp(before, after).statistic,
                "w1": stats.wasserstein_distance(before, after) / before.std(),
                "psi_numbers": float(np.sum((q - p) * np.log(q / p))),
            }
            for statistic, value in raw.items():
                worst[statistic] = max(worst.get(statistic, 0.0), abs(values[statistic] - value))
        names = {"ks": "Kolmogorov-Smirnov", "w1": "normalised Wasserstein", "psi_numbers": "PSI on deciles"}
        for statistic, error in worst.items():
            yield error, "error", f"largest, {names[statistic]} against scipy on raw rows, 40 columns, {rows:,} rows"


def _column(pq: Any, files: list[Path], name: str) -> Any:
    import numpy as np

    return np.concatenate(
        [pq.read_table(file, columns=[name], partitioning=None)[name].drop_null().to_numpy() for file in files]
    )


PARTS: dict[str, tuple[Callable[[argparse.Namespace], Iterator[Line]], list[int]]] = {
    "peers": (peers, [100_000, 1_000_000]),
    "scan": (scan, [10_000_000]),
    "day": (day, [333_000]),
    "exact": (exact, [100_000]),
}


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m tests.benchmarks.drift", description="Drift, side by side.")
    reader.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    reader.add_argument("--rows", type=int, nargs="+", default=None, help="current rows; each part has its own default")
    reader.add_argument("--days", type=int, default=30, help="days of the scan")
    reader.add_argument("--peer-python", default="", help="an interpreter that has both peers, instead of making one")
    sizes = reader.parse_args()
    asked = sizes.rows
    for name in sizes.parts or PARTS:
        part, usual = PARTS[name]
        sizes.rows = asked or usual
        for value, unit, words in part(sizes):
            print(f"{value:12.5g} {unit:10} {words}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
