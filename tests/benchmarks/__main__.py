"""`make bench`: prints every promised figure; ratios are measured side by side in this run."""

from __future__ import annotations

import sys
import tempfile
from itertools import chain
from pathlib import Path

from tests.benchmarks import inventory_rerun, ledger_figures


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for figure in chain(ledger_figures.measure(home), inventory_rerun.measure(home)):
            print(f"{figure.value:12.2f} {figure.unit:8} {figure.name}  {figure.note}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
