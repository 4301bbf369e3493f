"""`make bench`: prints every promised figure; ratios are measured side by side in this run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.benchmarks import inventory_rerun


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for figure in inventory_rerun.measure(Path(folder)):
            print(f"{figure.value:12.2f} {figure.unit:8} {figure.name}  {figure.note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
