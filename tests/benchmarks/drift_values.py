"""Values of drift and of estimated performance beside those of scipy, Evidently and NannyML."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks import cbpe_against_nannyml, drift_peers
from tests.benchmarks.drift_data import days_of, prepare
from tests.benchmarks.drift_speed import PEERS, PLACE, interpreter, not_measured, ours, run
from tests.benchmarks.promised import Line

NEAR, EXACT, ESTIMATED = 0.002, 1e-9, 0.001
NAMES = {"ks": "Kolmogorov-Smirnov", "w1": "normalised Wasserstein", "psi_numbers": "PSI on deciles"}
PROMISED = {"ks": NEAR, "w1": NEAR, "psi_numbers": EXACT}
TO_PEERS = {"ks": NEAR, "w1": NEAR, "js": EXACT, "psi": EXACT, "chi2": 1e-6}
"""Distances of equal definition; chi-squared relative to its value."""


def exact(sizes: argparse.Namespace) -> Iterator[Line]:
    for rows in sizes.rows:
        folder = PLACE / f"peers-{rows}"
        prepare(folder, reference_rows=rows, rows=rows, days=3)
        worst: dict[str, float] = {}
        for name, values in ours("judged", folder)["found"].items():
            if "ks" in values:
                for statistic, value in _on_rows(folder, name, values["deciles"]).items():
                    worst[statistic] = max(worst.get(statistic, 0.0), abs(values[statistic] - value))
        for statistic, error in worst.items():
            yield Line(
                value=error, unit="error", at_most=PROMISED[statistic],
                words=f"largest, {NAMES[statistic]} against scipy on raw rows, 40 columns, {rows:,} rows",
            )  # fmt: skip


def _on_rows(folder: Path, name: str, deciles: list[float]) -> dict[str, float]:
    import numpy as np
    from scipy import stats

    before = _column([folder / "reference" / "m.parquet"], name)
    files = [folder / "predictions" / "model=m" / f"date={day}" / "part-0.parquet" for day in days_of(folder)]
    after = _column(files, name)
    edges = -np.array([-np.inf, *deciles, np.inf])[::-1]
    p, q = (np.histogram(-side, bins=edges)[0] for side in (before, after))
    used = (p > 0) | (q > 0)
    p, q = np.maximum(p[used], 0.5) / len(before), np.maximum(q[used], 0.5) / len(after)
    return {
        "ks": stats.ks_2samp(before, after).statistic,
        "w1": stats.wasserstein_distance(before, after) / before.std(),
        "psi_numbers": float(np.sum((q - p) * np.log(q / p))),
    }


def _column(files: list[Path], name: str) -> Any:
    import numpy as np
    import pyarrow.parquet as pq

    return np.concatenate(
        [pq.read_table(file, columns=[name], partitioning=None)[name].drop_null().to_numpy() for file in files]
    )


def agree(sizes: argparse.Namespace) -> Iterator[Line]:
    """Flights of January against July 2013: the same rows read by each peer in its own environment."""
    folder = PLACE / "agreement"
    drift_peers.rows(folder)
    for peer in PEERS:
        python, missing = interpreter(peer, sizes.peer_python)
        answer = {"failed": missing} if missing else run([python, "tests/benchmarks/drift_peers.py", peer, str(folder)])
        if "failed" in answer:
            yield not_measured(peer, answer["failed"])
            continue
        worst: dict[str, tuple[float, int]] = {}
        for _, statistic, own, value in drift_peers.compared_with(folder, peer):
            gap = abs(value - own) / (own if statistic == "chi2" else 1.0)
            most, columns = worst.get(statistic, (0.0, 0))
            worst[statistic] = (max(most, gap), columns + 1)
        for statistic, (gap, columns) in worst.items():
            yield Line(
                value=gap, unit="difference", at_most=TO_PEERS[statistic],
                words=f"largest, {statistic} of {columns} columns of flights to {peer} {answer['version']}"
                + (", relative" if statistic == "chi2" else ""),
            )  # fmt: skip
    for line in drift_peers.table(folder).splitlines():
        yield Line(value=float("nan"), unit="", words=line)


def estimate(sizes: argparse.Namespace) -> Iterator[Line]:
    """Performance estimated without labels, on the data that NannyML carries."""
    python, missing = interpreter("nannyml", sizes.peer_python)
    if missing:
        yield not_measured("nannyml", missing)
        return
    for row in cbpe_against_nannyml.figures(python):
        yield Line(
            value=row.difference, unit="difference", at_most=ESTIMATED,
            words=f"largest, estimated {row.metric} to NannyML's CBPE, {row.data}, {row.chunks} chunks "
            f"(mean distance from realised: ours {row.off:.4f}, NannyML {row.peer_off:.4f})",
        )  # fmt: skip
