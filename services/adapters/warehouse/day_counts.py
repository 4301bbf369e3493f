"""Counts of columns over files of many days, in the cells of a reference, in as little time as the engine allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

import duckdb
from sqlalchemy import FromClause

from services.adapters.warehouse.cells import (
    FEATURES_AT_ONCE,
    gathered,
    put_into_categories,
    put_into_cells,
)
from services.adapters.warehouse.columns_beside import FACTS
from services.adapters.warehouse.duckdb import arrays, beside, quoted, rows, small, statements, view_of
from services.adapters.warehouse.statements.counting import DAY, known_counts, lattice_counts, profile_counts
from services.adapters.warehouse.statements.dialects import compiled, duckdb_dialect, relation
from services.adapters.warehouse.statements.lattice import Lattice, lattice_of
from services.adapters.warehouse.statements.versions import rows_by_version
from services.monitoring.profile import DayProfile, FeatureReference
from services.monitoring.versions import split_column

VERSION = "version"
"""Column of the recorded predictions."""
Files = dict[date, dict[str, int]]
"""Files of each day with how many rows they hold."""
_WORTH_ALONE = 100_000
"""Rows of a day that are counted sooner without grouping by the day, although every statement has to be planned."""
_DAYS_BESIDE = 2
"""While the statements of a day are planned and their answers sorted, those of another are counted."""
_T = TypeVar("_T")


class Counting:
    """Counts of some columns over files that have them. A day of many rows is asked alone, small days are together.

    `where` is the condition that rows have to meet. Where several `versions` made the predictions, they are split by
    the version besides, and each has a slice of its own.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        features: Sequence[FeatureReference],
        splits: Sequence[tuple[str, tuple[str, ...]]],
        where: str,
        versions: tuple[str, ...] = (),
    ) -> None:
        self._connection, self._features, self._where = connection, features, where
        self._asked, self._splits = [*splits], [*splits]
        if versions:
            self._asked.append((VERSION, versions))
            self._splits.append((split_column(), versions))
        split_by = (column for column, _ in self._asked)
        self._needed = tuple(dict.fromkeys([*(one.column for one in features), *split_by]))
        self._written: dict[tuple[str, ...], str] = {}
        # By slices, every row has to say its part, and nothing is quick.
        whole = () if self._asked else features
        self._numbers = [(one, lattice) for one in whole if (lattice := lattice_of(one.edges))]
        self._words = [one for one in whole if not one.numeric and not one.coded]

    def profiles(self, files: Files) -> Iterator[DayProfile]:
        held = [file for own in files.values() for file in own]
        if len(files) > 1 and sum(sum(own.values()) for own in files.values()) < _WORTH_ALONE * len(files):
            everything = _Opened(self._connection, held, f"CAST({quoted('date')} AS DATE)", self._where, self._needed)
            yield from self._complete(everything, self._features)
        elif len(files) == 1:
            [(day, own)] = files.items()
            yield from self._one_day(self._connection, day, list(own))
        else:
            with ThreadPoolExecutor(_DAYS_BESIDE) as pool:
                yield from chain.from_iterable(pool.map(self._beside, files, map(list, files.values())))

    def _beside(self, day: date, files: Sequence[str]) -> list[DayProfile]:
        with beside(self._connection) as own:
            return list(self._one_day(own, day, files))

    def _one_day(self, connection: duckdb.DuckDBPyConnection, day: date, files: Sequence[str]) -> Iterator[DayProfile]:
        """A day that is a literal is grouped by its cells alone."""
        opened = _Opened(connection, files, f"DATE '{day}'", self._where, self._needed)
        told = set()
        for profile in chain(self._quick_numbers(opened, day), self._quick_words(opened, day)):
            told.add(profile.feature)
            yield profile
        yield from self._complete(opened, [one for one in self._features if one.feature not in told])

    def _quick_numbers(self, opened: _Opened, day: date) -> Iterator[DayProfile]:
        """Of columns whose answer says enough: see `put_into_cells`."""
        for part in _some(self._numbers):
            asked = _numbers_text(tuple((one.column, lattice) for one, lattice in part))
            answer = arrays(opened.holding([one.column for one, _ in part]), asked)
            yield from (profile for profile in put_into_cells(answer, part, day) if profile is not None)

    def _quick_words(self, opened: _Opened, day: date) -> Iterator[DayProfile]:
        for part in _some(self._words):
            asked = _words_text(tuple((one.column, one.values) for one in part))
            yield from put_into_categories(rows(opened.holding([one.column for one in part]), asked, {}), part, day)

    def _complete(self, opened: _Opened, features: Sequence[FeatureReference]) -> Iterator[DayProfile]:
        for part in _some(features):
            yield from gathered(rows(opened.holding(self._needed), self._text(part), {}), part, self._splits)

    def _text(self, features: Sequence[FeatureReference]) -> str:
        """Written once for all days: the day is a column of the source."""
        key = tuple(one.feature for one in features)
        if key not in self._written:
            asked = profile_counts(_facts(self._needed), features, self._asked)
            self._written[key] = compiled(asked, duckdb_dialect())
        return self._written[key]


def version_rows(connection: duckdb.DuckDBPyConnection, files: Files, where: str) -> list[tuple[Any, ...]]:
    """(day, version, its rows, all rows of the day) over files that have the column."""
    held = [file for own in files.values() for file in own]
    chosen = f"CAST({quoted('date')} AS DATE) AS {quoted(DAY)}, {quoted(VERSION)}"
    view_of(connection, FACTS, held, chosen, where, copied=False)
    return statements(connection)(rows_by_version(_facts((VERSION,)), VERSION))


class _Opened:
    """Files of one statement after the other. Few bytes are copied once; else a view names what is asked alone.

    Every branch of a statement plans all columns of its view.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[str], day: str, where: str, needed: Sequence[str]
    ) -> None:
        self._connection, self._files, self._day, self._where = connection, files, day, where
        self._copied = small(files)
        self._columns: tuple[str, ...] = ()
        if self._copied:
            self._view(needed)

    def holding(self, columns: Sequence[str]) -> duckdb.DuckDBPyConnection:
        """The connection, on which relation `facts` has these columns."""
        if not self._copied and self._columns != tuple(columns):
            self._view(columns)
        return self._connection

    def _view(self, columns: Sequence[str]) -> None:
        chosen = ", ".join((f"{self._day} AS {quoted(DAY)}", *map(quoted, dict.fromkeys(columns))))
        view_of(self._connection, FACTS, self._files, chosen, self._where)
        self._columns = tuple(columns)


# The same for every day in the cells of a reference.
@lru_cache(maxsize=256)
def _numbers_text(columns: tuple[tuple[str, Lattice], ...]) -> str:
    return compiled(lattice_counts(_named(columns), columns), duckdb_dialect())


@lru_cache(maxsize=256)
def _words_text(columns: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    return compiled(known_counts(_named(columns), columns), duckdb_dialect())


def _named(columns: Sequence[tuple[str, Any]]) -> FromClause:
    return _facts([column for column, _ in columns])


def _facts(columns: Sequence[str]) -> FromClause:
    return relation((FACTS,), (DAY, *dict.fromkeys(columns)), duckdb_dialect())


def _some(features: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """As many as one statement asks about."""
    return (features[start : start + FEATURES_AT_ONCE] for start in range(0, len(features), FEATURES_AT_ONCE))
