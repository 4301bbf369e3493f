"""Rows of the feature tables from before the first model served: what the first versions learned from.

Written once at preparation as `features/model=<model>/date=<last day before>/rows.parquet`, with the columns of the
inference log, so that a table has rows to be checked and counted before anybody was asked anything.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from services.adapters.local.estate.calendar import ReplayCalendar
from services.adapters.local.estate.placed import FEATURES, cases_of, timed
from services.kernel.clock import require_utc


def write_feature_history(inference: Path, prepared_at: datetime) -> int:
    """The rows written over all models."""
    calendar, written = ReplayCalendar(prepared_at=require_utc(prepared_at)), 0
    day = calendar.first_day - timedelta(days=1)
    for model, inputs in FEATURES.items():
        cases = cases_of(model).rows
        rows = timed(cases.loc[cases["day"] < 0], calendar)
        kept = rows[["event_at", "entity", *inputs]].assign(
            prediction_id=rows["case"], version="", role="history", event_at=rows["event_at"].dt.tz_convert(None)
        )
        file = inference / "features" / f"model={model}" / f"date={day:%Y-%m-%d}" / "rows.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        kept.to_parquet(file, index=False, compression="zstd")
        written += len(kept)
    return written
