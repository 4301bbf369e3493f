"""Answers of two versions to the same requests, compared from the inference log. Implements ShadowFacts.

A pair is one row of one request: same request id, same row id, the live version's answer and the copy's. Latency and
errors are compared over exactly the requests that were copied, so a busy hour without copies favours nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, rows, table_of
from services.evaluation.measures.models import wilson
from services.kernel.clock import require_utc
from services.monitoring.statistics import psi
from services.rollout.release_models import ShadowComparison

BINS = 20
_EARLIER = timedelta(days=1)
_PAIRS = """
CREATE TEMP TABLE pairs AS
WITH answers AS (
    SELECT DISTINCT ON (request_id, prediction_id, role) request_id, prediction_id, role, epoch_us(event_at) AS noted,
           TRY_CAST(score AS DOUBLE) AS score
    FROM {rows}
    WHERE epoch_us(event_at) >= $since AND epoch_us(event_at) < $until
      AND ((role = 'live' AND CAST(version AS VARCHAR) = $live)
           OR (role = $copies AND CAST(version AS VARCHAR) = $candidate))
)
SELECT live.noted, live.score AS live, other.score AS candidate
FROM answers AS live JOIN answers AS other USING (request_id, prediction_id)
WHERE live.role = 'live' AND other.role = $copies AND isfinite(live.score) AND isfinite(other.score)
"""
_SUMMARY = """
SELECT count(*), max(noted), avg(candidate - live), min(least(live, candidate)), max(greatest(live, candidate)),
       count(*) FILTER ((live >= $threshold) = (candidate >= $threshold)),
       count(*) FILTER (abs(live - candidate) <= $tolerance),
       quantile_cont(live, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
FROM pairs
"""
_COUNTED = """
SELECT len(list_filter($edges, lambda edge: edge <= live)) AS bin, 0 AS arm, count(*) FROM pairs GROUP BY ALL UNION ALL
SELECT len(list_filter($edges, lambda edge: edge <= candidate)), 1, count(*) FROM pairs GROUP BY ALL
"""
# A copy that was cut short took at least as long as it was given: leaving it out would make a slow version look fast.
_REQUESTS = """
WITH asked AS (
    SELECT DISTINCT ON (request_id, CAST(version AS VARCHAR), role) request_id, CAST(version AS VARCHAR) AS version,
           role, status, TRY_CAST(latency_ms AS DOUBLE) AS ms
    FROM {requests} WHERE epoch_us(event_at) >= $since AND epoch_us(event_at) < $until
), copied AS (SELECT * FROM asked WHERE version = $candidate AND role = $copies),
cut AS (SELECT * FROM asked WHERE version = $candidate AND role = 'dropped'),
answered AS (
    SELECT * FROM asked WHERE version = $live AND role = 'live' AND request_id IN (SELECT request_id FROM copied)
)
SELECT (SELECT count(*) FROM copied), (SELECT count(*) FILTER (status <> 200) FROM copied),
       (SELECT count(*) FILTER (status <> 200) FROM answered), (SELECT count(*) FROM cut),
       (SELECT quantile_cont(ms, 0.95) FILTER (status = 200) FROM answered),
       (SELECT quantile_cont(ms, 0.95) FROM (
            SELECT ms FROM copied WHERE status = 200 UNION ALL SELECT ms FROM cut WHERE status = 504))
"""


class DuckDbShadowFacts:
    """`role` and `method` say how the copies came about: mirrored while callers were answered, or replayed later."""

    def __init__(self, folder: Path, *, role: str = "mirror", method: str = "mirrored live requests") -> None:
        self._parquet = ParquetFolder(folder)
        self._role = role
        self._method = method

    def compare(
        self,
        deployment: str,
        *,
        live: str,
        candidate: str,
        since: datetime,
        until: datetime,
        threshold: float | None,
        tolerance: float | None,
    ) -> ShadowComparison:
        """Pairs of [since, until). `would_breach` is left to rollout.shadow. Raises TelemetryUnavailableError."""
        since, until = require_utc(since), require_utc(until)
        days = [(since - _EARLIER).date() + timedelta(days=n) for n in range(max((until - since).days, 0) + 3)]
        given = {
            "since": _microseconds(since),
            "until": _microseconds(until),
            "live": live,
            "candidate": candidate,
            "copies": self._role,
            "threshold": threshold,
            "tolerance": tolerance,
            "rows": self._parquet.files("predictions", deployment, days),
            "requests": self._parquet.files("requests", deployment, days, "deployment"),
        }
        with asking(f"copies of requests to {deployment}") as connection:
            return ShadowComparison(
                since=since,
                until=until,
                would_breach=(),
                method=self._method,
                **_paired(connection, given, since),
                **_asked(connection, given),
            )


def _paired(connection: duckdb.DuckDBPyConnection, given: Mapping[str, Any], since: datetime) -> dict[str, Any]:
    if given["rows"]:
        rows(connection, _PAIRS.format(rows=table_of("rows")), given)
        n, newest, mean, low, high, same_side, close, deciles = rows(connection, _SUMMARY, given)[0]
    else:
        n = 0
    if not n:
        nothing = dict.fromkeys(("agreement", "agreement_low", "agreement_high", "mean_difference", "psi"))
        return {"records": 0, "days": 0.0, "histogram": (), **nothing}
    agreeing = same_side if given["threshold"] is not None else close if given["tolerance"] is not None else None
    least, most = wilson(agreeing, n) if agreeing is not None else (None, None)
    before, after = _counts(connection, sorted(set(deciles)))
    edges = [low + (high - low) * step / BINS for step in range(1, BINS)] if high > low else []
    return {
        "records": int(n),
        # Evidence covers the time up to its newest pair; waiting without copies proves nothing.
        "days": (at_microseconds(newest) - since) / timedelta(days=1),
        "agreement": None if agreeing is None else agreeing / n,
        "agreement_low": least,
        "agreement_high": most,
        "mean_difference": float(mean),
        "psi": psi(np.array(before), np.array(after)),
        "histogram": tuple(zip((low, *edges), (*edges, high), *_counts(connection, edges), strict=True)),
    }


def _counts(connection: duckdb.DuckDBPyConnection, edges: list[float]) -> tuple[list[int], list[int]]:
    """Rows per bin of both versions: n edges make n + 1 bins."""
    counted = ([0] * (len(edges) + 1), [0] * (len(edges) + 1))
    for place, arm, n in connection.execute(_COUNTED, {"edges": edges}).fetchall():
        counted[arm][place] = int(n)
    return counted


def _asked(connection: duckdb.DuckDBPyConnection, given: Mapping[str, Any]) -> dict[str, Any]:
    found = (0, 0, 0, 0, None, None)
    if given["requests"]:
        found = rows(connection, _REQUESTS.format(requests=table_of("requests")), given)[0]
    copied, candidate_errors, live_errors, dropped, live_p95, candidate_p95 = found
    return {
        "requests": int(copied or 0),
        "candidate_errors": int(candidate_errors or 0),
        "live_errors": int(live_errors or 0),
        "dropped": int(dropped or 0),
        "live_p95_ms": live_p95,
        "candidate_p95_ms": candidate_p95,
    }


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
