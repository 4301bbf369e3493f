"""From the gateway's JSON lines to Parquet, exactly once: `compact`; and the writers of late facts: `append_rows`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def compact(journal: Path, inference: Path) -> int:
    """Moves every closed segment of `journal` into requests/ and predictions/. Returns the rows written.

    Repeatable at any point of a crash: a segment already in a day's file is not written again.
    """
    raise NotImplementedError


def append_rows(inference: Path, kind: str, model: str, rows: pd.DataFrame, *, day_column: str, source: str) -> int:
    """Adds rows to kind/model=<model>/date=<day of day_column>/; a `source` already contained is not added twice."""
    raise NotImplementedError
