"""How the tasks of the first ninety days last stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import and_, delete, insert, or_, select

from services.adapters.sql.database import Database
from services.adapters.sql.schema.programme import programme_task
from services.programme.models import Standing


class SqlProgramme:
    """Implements programme.service.ProgrammeStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standings(self, use_case: str = "") -> Mapping[tuple[str, str], Standing]:
        query = select(programme_task)
        if use_case:
            query = query.where(programme_task.c.use_case == use_case)
        with self._database.read() as connection:
            found = [Standing(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - public name
        return {(item.use_case, item.task): item for item in found}

    def keep(self, items: Sequence[Standing]) -> None:
        if not items:
            return
        table = programme_task.c
        with self._database.write() as connection:
            for start in range(0, len(items), 100):
                part = items[start : start + 100]
                same = [and_(table.use_case == item.use_case, table.task == item.task) for item in part]
                connection.execute(delete(programme_task).where(or_(*same)))
                connection.execute(insert(programme_task), [asdict(item) for item in part])
