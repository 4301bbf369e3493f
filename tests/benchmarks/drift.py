"""`make bench-drift`: what monitoring promises, measured side by side. Ends with an error when a promise is missed.

    python -m tests.benchmarks.drift peers --rows 100000 1000000    # time and memory to Evidently and NannyML
    python -m tests.benchmarks.drift scan --rows 10000000 --days 30 # to count, min and max of the same columns
    python -m tests.benchmarks.drift day --rows 333000              # one new day
    python -m tests.benchmarks.drift exact --rows 100000            # values beside scipy on raw rows
    python -m tests.benchmarks.drift agree                          # values beside Evidently and NannyML
    python -m tests.benchmarks.drift estimate                       # estimated performance beside NannyML's CBPE
    python -m tests.benchmarks.drift alarms                         # verdicts where nothing changes
    python -m tests.benchmarks.drift rerun                          # the screen over 100 models x 50 columns x 365 days

Peers live in an environment of their own, made here when it is not there; they are no requirement of ours. A peer
that cannot be installed or fails is named with its reason, and its promises count as missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from tests.benchmarks import drift_alarms, drift_rerun, drift_speed, drift_values
from tests.benchmarks.promised import Line

PARTS: dict[str, tuple[Callable[[argparse.Namespace], Iterator[Line]], list[int]]] = {
    "peers": (drift_speed.peers, [100_000, drift_speed.LARGE]),
    "scan": (drift_speed.scan, [drift_speed.SCANNED]),
    "day": (drift_speed.day, [drift_speed.ONE_DAY]),
    "exact": (drift_values.exact, [100_000]),
    "agree": (drift_values.agree, []),
    "estimate": (drift_values.estimate, []),
    "alarms": (drift_alarms.alarms, []),
    "rerun": (drift_rerun.rerun, []),
}


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m tests.benchmarks.drift", description="Drift, side by side.")
    reader.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    reader.add_argument("--rows", type=int, nargs="+", default=None, help="current rows; each part has its own default")
    reader.add_argument("--days", type=int, default=drift_speed.DAYS, help="days of the scan")
    reader.add_argument("--lives", type=int, default=240, help="models without decay, each judged by three metrics")
    reader.add_argument("--peer-python", default="", help="an interpreter that has both peers, instead of making one")
    sizes = reader.parse_args()
    asked, missed = sizes.rows, []
    for name in sizes.parts or PARTS:
        part, usual = PARTS[name]
        sizes.rows = asked or usual
        for line in part(sizes):
            print(line, flush=True)
            missed += [] if line.holds else [line]
    if missed:
        print(f"\n{len(missed)} promised figure(s) missed:", *missed, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
