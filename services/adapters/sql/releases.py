"""Releases in the governance database; works on the caller's connection. Satisfies rollout.release_ports.ReleaseStore.

Looks are thinned as they come: the newest one always, and of the earlier ones about two hundred per stage, with every
change of the verdict.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.adapters.sql.release_rows import analysis_from, analysis_text, event_from, release_from, release_values
from services.adapters.sql.schema import releases as tables
from services.kernel.errors import StaleRequestError
from services.rollout.release_models import Analysis, Release, ReleaseEvent, ReleaseState

_FINAL = tuple(state.value for state in ReleaseState if state.is_final)
_CLOSEST = timedelta(seconds=30)
_PER_STAGE = 200


class SqlReleases:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def release(self, release_id: str) -> Release | None:
        return self._first(tables.release.c.release_id == release_id)

    def release_of_request(self, request_id: str) -> Release | None:
        return self._first(tables.release.c.request_id == request_id)

    def running_release(self, model: str) -> Release | None:
        return self._first(tables.release.c.model == model, tables.release.c.state.not_in(_FINAL))

    def releases(self, model: str = "", *, limit: int = 50) -> tuple[Release, ...]:
        table = tables.release
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        if model:
            query = query.where(table.c.model == model)
        return tuple(release_from(row) for row in self._connection.execute(query))

    def running_releases(self, model: str = "") -> tuple[Release, ...]:
        """Everything that is not final, newest first: also the one before, until it is retired."""
        table = tables.release
        query = select(table).where(table.c.state.not_in(_FINAL)).order_by(table.c.id.desc())
        if model:
            query = query.where(table.c.model == model)
        return tuple(release_from(row) for row in self._connection.execute(query))

    def save_release(self, release: Release) -> None:
        table, values = tables.release, release_values(release)
        if release.revision == 0:
            try:
                with self._connection.begin_nested():
                    self._connection.execute(insert(table).values(**values))
            except IntegrityError as taken:
                raise StaleRequestError(
                    f"Another release of {release.model} is on its way already.", hint="Look again."
                ) from taken
            return
        values.pop("analysis")  # the watcher's own: see keep_watch
        before = (table.c.release_id == release.release_id, table.c.revision == release.revision - 1)
        if self._connection.execute(update(table).where(*before).values(**values)).rowcount != 1:
            raise StaleRequestError("Somebody acted on this release at the same moment.", hint="Look again.")

    def keep_watch(self, release_id: str, text: str) -> None:
        """Keeps the watcher's memory without a new revision: a look must not make an open form go stale."""
        table = tables.release
        self._connection.execute(update(table).where(table.c.release_id == release_id).values(analysis=text))

    def add_release_event(self, release_id: str, event: ReleaseEvent) -> None:
        self._connection.execute(
            insert(tables.release_event).values(
                release_id=release_id,
                at=event.at,
                state=event.state.value,
                sentence=event.sentence,
                actor=event.actor,
                seq=event.seq,
            )
        )

    def release_events(self, release_id: str) -> tuple[ReleaseEvent, ...]:
        table = tables.release_event
        query = select(table).where(table.c.release_id == release_id).order_by(table.c.id)
        return tuple(event_from(row) for row in self._connection.execute(query))

    # looks

    def save_analysis(self, analysis: Analysis) -> None:
        table = tables.release_look
        mine = table.c.release_id == analysis.release_id
        newest = self._connection.execute(select(table).where(mine).order_by(table.c.id.desc()).limit(1)).first()
        if newest is not None and not newest.kept:
            self._connection.execute(delete(table).where(table.c.id == newest.id))
        kept = self._connection.execute(
            select(table).where(mine, table.c.kept).order_by(table.c.id.desc()).limit(1)
        ).first()
        self._connection.execute(
            insert(table).values(
                release_id=analysis.release_id,
                at=analysis.at,
                stage_since=analysis.stage_since,
                verdict=analysis.verdict.value,
                kept=_is_worth_keeping(analysis, kept),
                document=analysis_text(analysis),
            )
        )

    def analysis(self, release_id: str) -> Analysis | None:
        found = self.looks(release_id, 1)
        return found[0] if found else None

    def looks(self, release_id: str, limit: int) -> tuple[Analysis, ...]:
        """The newest `limit` looks, oldest first."""
        table = tables.release_look
        query = select(table.c.document).where(table.c.release_id == release_id).order_by(table.c.id.desc())
        found = [analysis_from(row.document) for row in self._connection.execute(query.limit(limit))]
        return tuple(reversed(found))

    def _first(self, *where: object) -> Release | None:
        table = tables.release
        query = select(table).where(*where).order_by(table.c.id.desc())  # type: ignore[arg-type]
        row = self._connection.execute(query.limit(1)).first()
        return release_from(row) if row else None


def _is_worth_keeping(analysis: Analysis, before: Row[tuple[object, ...]] | None) -> bool:
    if before is None or before.verdict != analysis.verdict.value or before.stage_since != analysis.stage_since:
        return True
    gap = max(_CLOSEST, (analysis.at - analysis.stage_since) / _PER_STAGE)
    last: datetime = before.at
    return analysis.at - last >= gap
