"""Time and memory of drift: beside the peers, beside a plain scan of the same columns, and of one new day."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.drift_data import prepare
from tests.benchmarks.promised import Line

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".artifacts" / "drift-bench"
PEERS = {"evidently": ("evidently>=0.7.23,<0.8", "pandas<3"), "nannyml": ("nannyml>=0.13.1,<0.14", "statsmodels")}
LARGE, SCANNED, DAYS, ONE_DAY = 1_000_000, 10_000_000, 30, 333_000
"""Sizes that figures are promised for; other sizes are measured and promise nothing."""
TO_PEER = {("evidently", "wall"): 0.012, ("evidently", "peak_mb"): 0.05, ("nannyml", "wall"): 0.06}
TO_SCAN, SCAN_MB, DAY_SECONDS = 1.5, 300.0, 0.5


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


def warm(folder: Path) -> None:
    """Every byte once: whoever is measured first would else wait for the disk on behalf of the others."""
    for file in folder.rglob("*.parquet"):
        with file.open("rb") as held:
            while held.read(2**24):
                pass


def not_measured(peer: str, reason: str) -> Line:
    """A peer that cannot be asked keeps no promise of ours."""
    return Line(value=float("nan"), unit="", words=f"{peer} was not measured: {reason}", at_most=0.0)


def peers(sizes: argparse.Namespace) -> Iterator[Line]:
    for rows in sizes.rows:
        folder = PLACE / f"peers-{rows}"
        prepare(folder, reference_rows=rows, rows=rows, days=3)
        warm(folder)
        own = ours("judged", folder)["cost"]
        for unit in own:
            yield Line(value=own[unit], unit=unit, words=f"ours, 50 columns, {rows:,} and {rows:,} rows")
        for peer in PEERS:
            python, missing = interpreter(peer, sizes.peer_python)
            asked = [python, "tests/benchmarks/drift_reports.py", peer, str(folder)]
            answer = {"failed": missing} if missing else run(asked)
            if "failed" in answer:
                yield not_measured(peer, f"{answer['failed']}, at {rows:,} rows")
                continue
            name = f"{peer} {answer['version']} at {rows:,} rows"
            for unit, value in answer["cost"].items():
                promised = TO_PEER.get((peer, unit)) if rows == LARGE else None
                yield Line(value=value, unit=unit, words=name)
                yield Line(
                    value=own[unit] / value, unit="ratio", words=f"{unit} of ours to {name}", at_most=promised
                )  # fmt: skip


def scan(sizes: argparse.Namespace) -> Iterator[Line]:
    for rows in sizes.rows:
        folder = PLACE / f"scan-{rows}-{sizes.days}"
        prepare(folder, reference_rows=min(rows, 400_000), rows=rows, days=sizes.days)
        promised = (rows, sizes.days) == (SCANNED, DAYS)
        # Alternating, and the better of two: the first pass also warms the page cache.
        pairs = [(ours("scanned", folder), ours("profiled", folder)) for _ in range(2)]
        for unit in ("inner_wall", "inner_cpu"):
            least, most = (min(pair[side]["found"][unit] for pair in pairs) for side in (0, 1))
            yield Line(
                value=least, unit=unit, words=f"count, min, max of 50 columns, {rows:,} rows x {sizes.days} days"
            )
            yield Line(value=most, unit=unit, words="full profile of the same")
            yield Line(
                value=most / least, unit="ratio", words=f"{unit} of the profile to the scan",
                at_most=TO_SCAN if promised else None,
            )  # fmt: skip
        yield Line(
            value=min(pair[1]["found"]["peak_mb"] for pair in pairs), unit="MB",
            words="peak memory of the process while it profiles", at_most=SCAN_MB if promised else None,
        )  # fmt: skip
        yield Line(
            value=min(pair[1]["cost"]["peak_mb"] for pair in pairs), unit="MB",
            words="the same, with fitting the cells before it",
        )  # fmt: skip


def day(sizes: argparse.Namespace) -> Iterator[Line]:
    for rows in sizes.rows:
        folder = PLACE / f"day-{rows}"
        prepare(folder, reference_rows=min(rows, 400_000), rows=rows, days=1)
        answers = [ours("profiled", folder)["found"] for _ in range(3)]
        for unit, promised in (("inner_wall", DAY_SECONDS), ("inner_cpu", None)):
            yield Line(
                value=min(answer[unit] for answer in answers), unit=unit,
                words=f"one new day of {rows:,} rows x 50 columns", at_most=promised if rows == ONE_DAY else None,
            )  # fmt: skip
