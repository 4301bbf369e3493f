"""`make bench`: prints every promised figure; ratios are measured side by side in this run.

`python -m tests.benchmarks queue` runs one part, `python -m tests.benchmarks --help` names them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.benchmarks import (
    canary_simulation,
    catalog_copy,
    evaluation_figures,
    evaluation_run,
    gateway_load,
    interval_coverage,
    inventory_rerun,
    ledger_figures,
    long_queue,
    value_rerun,
)
from tests.benchmarks.inventory_rerun import Figure

SIZED = frozenset({"inventory", "value"})
PARTS: dict[str, Callable[..., Iterable[Figure]]] = {
    "append": ledger_figures.appending,
    "writers": ledger_figures.writing,
    "unlocking": lambda _folder: ledger_figures.unlocking(),
    "verification": ledger_figures.verification,
    "pack": ledger_figures.pack,
    "queue": long_queue.measure,
    "inventory": inventory_rerun.measure,
    "catalog": catalog_copy.measure,
    "value": value_rerun.measure,
    "evaluation": evaluation_figures.measure,
    "coverage": lambda _folder: interval_coverage.measure(),
    "harness": evaluation_run.measure,
    "endpoint": gateway_load.measure,
    "canary": lambda _folder: canary_simulation.measure(),
}


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Every promised figure.")
    reader.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all of them when none is named")
    reader.add_argument(
        "--models", type=int, help=f"another size than promised, for a first look: {', '.join(sorted(SIZED))}"
    )
    chosen = reader.parse_args()
    parts = chosen.parts
    unknown = set(parts) - set(PARTS)
    if unknown:
        reader.error(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    for name in parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            sized = {"models": chosen.models} if chosen.models and name in SIZED else {}
            for figure in PARTS[name](Path(folder), **sized):
                print(f"{figure.value:12.2f} {figure.unit:8} {figure.name}  {figure.note}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
