"""Facts read from version files, kept in the governance database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.schema import approvals as tables
from services.adapters.sql.schema import rollout as rollout_tables
from services.evaluation.ports import VersionFacts

_facts = tables.version_evidence
_WATCHED_STATES = ("open", "changes_requested", "approved")


class SqlFacts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def facts(self, model: str, version: str) -> VersionFacts | None:
        with self._database.read() as connection:
            row = connection.execute(select(_facts).where(_facts.c.model == model, _facts.c.version == version)).first()
        return VersionFacts(**row._mapping) if row else None  # noqa: SLF001 - public in SQLAlchemy

    def known(self, model: str) -> dict[str, datetime]:
        with self._database.read() as connection:
            rows = connection.execute(select(_facts.c.version, _facts.c.read_at).where(_facts.c.model == model)).all()
        return {row.version: row.read_at for row in rows}

    def save(self, facts: VersionFacts) -> None:
        values = {column.name: getattr(facts, column.name) for column in _facts.columns}
        mine = (_facts.c.model == facts.model) & (_facts.c.version == facts.version)
        with self._database.write() as connection:
            if connection.execute(update(_facts).where(mine).values(**values)).rowcount == 0:
                connection.execute(insert(_facts).values(**values))

    def champion(self, model: str) -> str | None:
        table = rollout_tables.deployment
        with self._database.read() as connection:
            found = connection.execute(select(table.c.champion).where(table.c.model == model)).scalar()
        return found or None

    def watched(self, model: str) -> tuple[str, ...]:
        requests, deployments = tables.promotion_request, rollout_tables.deployment
        with self._database.read() as connection:
            asked: set[str] = set(
                connection.execute(
                    select(requests.c.version).where(requests.c.model == model, requests.c.state.in_(_WATCHED_STATES))
                ).scalars()
            )
            found = set(asked)
            row = connection.execute(select(deployments).where(deployments.c.model == model)).first()
        if row is not None:
            found |= {row.champion, row.candidate or ""} - {""}
        return tuple(sorted(found))
