"""What a running release is judged by, counted from the inference log. Implements rollout.release_ports.Telemetry.

Parquet is what was compacted; the journal is what was written since. Lines of the journal are read first: a row that
is compacted meanwhile is then seen twice and counted once, never missed. Time here is when the answer was written
(`logged_at`), because only in that order the log is complete up to a moment.
"""

# ruff: noqa: S608 - names are quoted identifiers of the file, everything that anybody chooses is bound.

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import log
from pathlib import Path

import duckdb

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, columns_of, rows, table_of
from services.kernel.clock import Clock, require_utc
from services.kernel.errors import TelemetryUnavailableError
from services.reliability.latency import FASTEST_MS, GAMMA
from services.rollout.release_models import TelemetryBatch, TelemetryCell

BEAT = "complete-up-to"
"""File of the journal in which the gateway says every second up to when its log is complete."""
_JUDGED = "('live', 'mirror')"
_ATTEMPTS = 4
_EARLIER = timedelta(days=1)
"""Files are named by the moment of the request, which may lie on the day before its answer."""
_LINES = (
    "read_json($journal, format = 'newline_delimited', ignore_errors = true, maximum_object_size = 67108864,"
    " columns = {request: 'VARCHAR', deployment: 'VARCHAR', kind: 'VARCHAR', version: 'VARCHAR', role: 'VARCHAR',"
    " logged_at: 'TIMESTAMPTZ', status: 'INTEGER', ms: 'DOUBLE', injected: 'VARCHAR', entity: 'VARCHAR',"
    " ids: 'VARCHAR[]', scores: 'DOUBLE[]'})"
)
_JOURNAL = f"""
CREATE TEMP TABLE journal AS
SELECT request AS request_id, deployment, kind, version, role, epoch_us(logged_at) AS noted, status, ms,
       coalesce(injected, '') AS injected, coalesce(entity, '') AS entity, ids, scores
FROM {_LINES} WHERE request IS NOT NULL AND logged_at IS NOT NULL
"""
_NO_JOURNAL = """
CREATE TEMP TABLE journal (request_id VARCHAR, deployment VARCHAR, kind VARCHAR, version VARCHAR, role VARCHAR,
    noted BIGINT, status INTEGER, ms DOUBLE, injected VARCHAR, entity VARCHAR, ids VARCHAR[], scores DOUBLE[])
"""
_REQUESTS = """
CREATE TEMP TABLE found AS
SELECT * FROM (
    SELECT request_id, version, role, noted, status, ms, injected, entity, 0 AS place FROM journal
    WHERE deployment = $deployment AND (kind = 'realtime' OR role <> 'live')
    {parquet}
) WHERE noted >= $since AND noted <= $now
QUALIFY row_number() OVER (PARTITION BY request_id, version, role ORDER BY place) = 1
"""
_PARQUET = """
    UNION ALL SELECT request_id, CAST(version AS VARCHAR), role, epoch_us(logged_at), status,
        TRY_CAST(latency_ms AS DOUBLE), coalesce(injected, ''), {entity}, 1
    FROM {requests} WHERE logged_at IS NOT NULL
"""
_COUNTS = f"""
SELECT version, role, noted // $width * $width AS tick,
       CASE WHEN status <> 200 OR ms IS NULL OR NOT isfinite(ms) THEN NULL
            ELSE CAST(ceil(ln(CASE WHEN ms < {FASTEST_MS:e} THEN {FASTEST_MS:e} ELSE ms END) / {log(GAMMA):.17e})
                      AS INTEGER) END AS bucket,
       count(*), count(*) FILTER (status <> 200), count(*) FILTER (injected <> '')
FROM found WHERE role IN {_JUDGED} GROUP BY ALL
"""
# Where a caller has no key, each of its requests is a caller of its own.
_FAILING = f"""
SELECT DISTINCT version, role, noted // $width * $width, CASE WHEN entity = '' THEN request_id ELSE entity END AS who
FROM found WHERE status <> 200 AND role IN {_JUDGED} ORDER BY ALL
"""
_SCORES = f"""
WITH scored AS (
    SELECT request_id, version, role, unnest(ids) AS prediction_id, unnest(scores) AS score FROM journal
    WHERE deployment = $deployment
    {{parquet}}
), once AS (
    SELECT * FROM scored QUALIFY row_number() OVER (PARTITION BY prediction_id, request_id, version, role) = 1
)
SELECT version, role, noted // $width * $width AS tick,
       len(list_filter($edges, lambda edge: edge <= score)) AS bin, count(*)
FROM once JOIN found USING (request_id, version, role)
WHERE role IN {_JUDGED} AND score IS NOT NULL AND isfinite(score) GROUP BY ALL
"""
_SCORES_PARQUET = """
    UNION ALL SELECT request_id, CAST(version AS VARCHAR), role, prediction_id, TRY_CAST(score AS DOUBLE) FROM {rows}
"""

_Key = tuple[str, str, int]


class DuckDbTelemetry:
    """`journal` is the folder of the gateway's segments; without it the lag is that of compaction."""

    def __init__(self, folder: Path, *, clock: Clock, journal: Path | None = None) -> None:
        self._parquet = ParquetFolder(folder)
        self._journal = journal
        self._clock = clock

    def since(
        self, deployment: str, since: datetime, *, tick_seconds: int, score_edges: tuple[float, ...] = ()
    ) -> TelemetryBatch:
        """Ticks start at multiples of `tick_seconds`; n edges make n + 1 bins. Rows later than now are left out.

        The last tick is complete only when it ends before the watermark.
        """
        now, since = self._clock.now(), require_utc(since)
        beat = self._beat()  # before the lines: all that it vouches for is then among them
        with asking(f"requests to {deployment}") as connection:
            self._read_journal(connection)
            given = {
                "deployment": deployment,
                "since": _microseconds(since),
                "now": _microseconds(now),
                "width": tick_seconds * 1_000_000,
                "edges": list(score_edges),
            }
            given |= self._collect(connection, deployment, since, now, given)
            cells = _cells(connection, given, bins=len(score_edges) + 1 if score_edges else 0)
            dropped = connection.execute("SELECT count(*) FROM found WHERE role = 'dropped'").fetchall()[0][0]
            watermark = self._watermark(connection, deployment, beat, now)
        return TelemetryBatch(cells=cells, watermark=watermark, dropped=int(dropped))

    def _read_journal(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Segments are renamed and taken away while we look; then we look again."""
        for attempt in range(_ATTEMPTS):
            files = [str(file) for file in sorted(self._journal.glob("*-*.jsonl"))] if self._journal else []
            if not files:
                connection.execute(_NO_JOURNAL)
                return
            try:
                connection.execute(_JOURNAL, {"journal": files})
            except duckdb.IOException:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def _collect(
        self,
        connection: duckdb.DuckDBPyConnection,
        deployment: str,
        since: datetime,
        now: datetime,
        given: dict[str, object],
    ) -> dict[str, object]:
        """Fills the table `found`; returns the files of predictions for the histogram."""
        days = [(since - _EARLIER).date() + timedelta(days=n) for n in range((now - since).days + 3)]
        files = self._parquet.files("requests", deployment, days, "deployment")
        parquet = ""
        if files:
            known = columns_of(connection, files)
            entity = "coalesce(entity, '')" if "entity" in known else "''"
            parquet = _PARQUET.format(requests=table_of("files"), entity=entity)
        rows(connection, _REQUESTS.format(parquet=parquet), given | {"files": files})
        return {"rows": self._parquet.files("predictions", deployment, days)}

    def _watermark(
        self, connection: duckdb.DuckDBPyConnection, deployment: str, beat: datetime | None, now: datetime
    ) -> datetime | None:
        """The newest moment up to which nothing is missing: a line of any deployment proves it, or the gateway's word.

        Never later than now: after a clock that was set back, older promises are about a time that has not come.
        """
        (newest,) = connection.execute(
            "SELECT max(noted) FROM (SELECT noted FROM journal UNION ALL SELECT noted FROM found) WHERE noted <= $now",
            {"now": _microseconds(now)},
        ).fetchall()[0]
        known = [beat] if beat is not None and beat <= now else []
        if newest is None:
            newest = self._last_compacted(connection, deployment, now)
        if newest is not None:
            known.append(at_microseconds(newest))
        return max(known, default=None)

    def _last_compacted(self, connection: duckdb.DuckDBPyConnection, deployment: str, now: datetime) -> int | None:
        """Of the newest day on record, however long ago: silence is measured from there."""
        days = [day for day in self._parquet.days("requests", deployment, "deployment") if day <= now.date()]
        files = self._parquet.files("requests", deployment, days[-1:], "deployment")
        if not files:
            return None
        sql = f"SELECT max(epoch_us(logged_at)) FROM {table_of('files')} WHERE epoch_us(logged_at) <= $now"
        newest: int | None = rows(connection, sql, {"files": files, "now": _microseconds(now)})[0][0]
        return newest

    def _beat(self) -> datetime | None:
        if self._journal is None:
            return None
        with _readable(self._journal):
            try:
                return datetime.fromisoformat((self._journal / BEAT).read_text(encoding="ascii").strip())
            except (FileNotFoundError, ValueError):
                return None


def _cells(connection: duckdb.DuckDBPyConnection, given: dict[str, object], *, bins: int) -> tuple[TelemetryCell, ...]:
    counts: dict[_Key, list[tuple[int | None, int, int, int]]] = defaultdict(list)
    for version, role, tick, *numbers in rows(connection, _COUNTS, given):
        counts[version, role, int(tick)].append((numbers[0], *map(int, numbers[1:])))
    failing: dict[_Key, list[str]] = defaultdict(list)
    for version, role, tick, who in rows(connection, _FAILING, given):
        failing[version, role, int(tick)].append(who)
    scores: dict[_Key, list[int]] = defaultdict(lambda: [0] * bins)
    if bins:
        parquet = _SCORES_PARQUET.format(rows=table_of("rows")) if given["rows"] else ""
        for version, role, tick, place, n in rows(connection, _SCORES.format(parquet=parquet), given):
            scores[version, role, int(tick)][int(place)] = int(n)
    return tuple(
        TelemetryCell(
            version=key[0],
            role=key[1],
            tick=at_microseconds(key[2]),
            requests=sum(n for _, n, _, _ in found),
            errors=sum(failed for _, _, failed, _ in found),
            failing_entities=tuple(failing.get(key, ())),
            latency=tuple(sorted((bucket, n) for bucket, n, _, _ in found if bucket is not None)),
            scores=tuple(scores[key]) if bins else (),
            injected=sum(injected for *_, injected in found),
        )
        for key, found in sorted(counts.items(), key=lambda item: (item[0][2], item[0][0], item[0][1]))
    )


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as broken:
        raise TelemetryUnavailableError(
            f"The journal of the endpoint ({folder}) cannot be read ({type(broken).__name__}).",
            hint="The last known figures stay. Check the permissions of the folder.",
        ) from broken
