"""One statement, two engines: how our SQLAlchemy Core statements become text for DuckDB and for Databricks SQL.

Everything is rendered as a literal. A Databricks statement takes at most 256 parameters, and a profile of forty
features has more edges than that; the dialect knows how its engine writes quotes and backslashes. Numbers get an
exponent: `0.5` is a DECIMAL in both engines, `5.0e-1` is a DOUBLE in both.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Dialect,
    Double,
    FromClause,
    String,
    cast,
    column,
    func,
    literal,
    literal_column,
    table,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.functions import FunctionElement


class Number(FunctionElement[float]):
    """The value as DOUBLE, NULL where it is not a number. The Databricks dialect has no `try_cast` of its own."""

    type = Double()
    name = "number"
    inherit_cache = False


class Moment(FunctionElement[Any]):
    """The value as a point in time, NULL where it is none; without a zone it is read in that of the session, UTC."""

    type = DateTime(timezone=True)
    name = "moment"
    inherit_cache = False


class Quantiles(FunctionElement[Any]):
    """Values at these ranks, as one array. Approximate edges cost nothing: reference and current share them."""

    name = "quantiles"
    inherit_cache = False

    def __init__(self, value: ColumnElement[Any], shares: tuple[float, ...]) -> None:
        super().__init__(value)
        self.shares = shares


class Microseconds(FunctionElement[int]):
    """Microseconds since 1970 of a point in time."""

    type = BigInteger()
    name = "microseconds"
    inherit_cache = False


class Together(FunctionElement[Any]):
    """Several values as one, so that different combinations can be counted, missing parts included."""

    name = "together"
    inherit_cache = False


class Found(FunctionElement[bool]):
    """Whether a regular expression is found anywhere in a text. It must not need a backslash."""

    type = Boolean()
    name = "found"
    inherit_cache = False

    def __init__(self, value: ColumnElement[str], pattern: str) -> None:
        super().__init__(value, literal(pattern))


class JsonText(FunctionElement[str]):
    """What lies at a path of a text that may be JSON, as text; NULL where there is nothing, or no JSON."""

    type = String()
    name = "json_text"
    inherit_cache = False

    def __init__(self, value: ColumnElement[Any], path: str) -> None:
        super().__init__(value, literal(path))


class JsonLength(FunctionElement[int]):
    """How many elements a text has that is a JSON array; NULL for anything else."""

    type = BigInteger()
    name = "json_length"
    inherit_cache = False


class EachOf(FunctionElement[str]):
    """A row for each element of a text that is a JSON array, as text; none for anything else. Only in a SELECT list."""

    type = String()
    name = "each_of"
    inherit_cache = False


@compiles(JsonText)
def _json_text(element: JsonText, compiler: Any, **how: Any) -> str:
    return f"get_json_object({compiler.process(element.clauses, **how)})"


@compiles(JsonText, "duckdb")
def _json_extract(element: JsonText, compiler: Any, **how: Any) -> str:
    return f"TRY(json_extract_string({compiler.process(element.clauses, **how)}))"


@compiles(JsonLength)
def _json_length(element: JsonLength, compiler: Any, **how: Any) -> str:
    return f"json_array_length({compiler.process(element.clauses, **how)})"


@compiles(JsonLength, "duckdb")
def _json_array_length(element: JsonLength, compiler: Any, **how: Any) -> str:
    # DuckDB says 0 for what is no array.
    given = compiler.process(element.clauses, **how)
    return f"CASE WHEN TRY(json_type({given})) = 'ARRAY' THEN TRY(json_array_length({given})) END"


@compiles(EachOf)
def _explode(element: EachOf, compiler: Any, **how: Any) -> str:
    return f"explode(from_json({compiler.process(element.clauses, **how)}, 'array<string>'))"


@compiles(EachOf, "duckdb")
def _unnest(element: EachOf, compiler: Any, **how: Any) -> str:
    return f"unnest(TRY(json_extract_string({compiler.process(element.clauses, **how)}, '$[*]')))"


@compiles(Number)
def _number(element: Number, compiler: Any, **how: Any) -> str:
    return f"TRY_CAST({compiler.process(element.clauses, **how)} AS DOUBLE)"


@compiles(Moment)
def _moment(element: Moment, compiler: Any, **how: Any) -> str:
    return f"TRY_CAST({compiler.process(element.clauses, **how)} AS TIMESTAMP)"


@compiles(Moment, "duckdb")
def _moment_with_zone(element: Moment, compiler: Any, **how: Any) -> str:
    return f"TRY_CAST({compiler.process(element.clauses, **how)} AS TIMESTAMPTZ)"


@compiles(Quantiles)
def _quantiles(element: Quantiles, compiler: Any, **how: Any) -> str:
    shares = ", ".join(f"{share:.17e}" for share in element.shares)
    return f"percentile_approx({compiler.process(element.clauses, **how)}, array({shares}), 10000)"


@compiles(Quantiles, "duckdb")
def _quantiles_exact(element: Quantiles, compiler: Any, **how: Any) -> str:
    shares = ", ".join(f"{share:.17e}" for share in element.shares)
    return f"quantile_disc({compiler.process(element.clauses, **how)}, [{shares}])"


@compiles(Microseconds)
def _microseconds(element: Microseconds, compiler: Any, **how: Any) -> str:
    return f"unix_micros(CAST({compiler.process(element.clauses, **how)} AS TIMESTAMP))"


@compiles(Microseconds, "duckdb")
def _epoch(element: Microseconds, compiler: Any, **how: Any) -> str:
    return f"epoch_us({compiler.process(element.clauses, **how)})"


@compiles(Together)
def _together(element: Together, compiler: Any, **how: Any) -> str:
    return f"struct({compiler.process(element.clauses, **how)})"


@compiles(Together, "duckdb")
def _row(element: Together, compiler: Any, **how: Any) -> str:
    return f"row({compiler.process(element.clauses, **how)})"


@compiles(Found)
def _found(element: Found, compiler: Any, **how: Any) -> str:
    return f"regexp_like({compiler.process(element.clauses, **how)})"


@compiles(Found, "duckdb")
def _regexp_matches(element: Found, compiler: Any, **how: Any) -> str:
    return f"regexp_matches({compiler.process(element.clauses, **how)})"


@compiles(Found, "postgresql")
def _tilde(element: Found, compiler: Any, **how: Any) -> str:
    # It has regexp_like since version 15 only.
    value, pattern = (compiler.process(clause, **how) for clause in element.clauses)
    return f"({value} ~ {pattern})"


@compiles(Found, "sqlite")
def _regexp(element: Found, compiler: Any, **how: Any) -> str:
    # SQLAlchemy gives each connection the function behind this operator.
    value, pattern = (compiler.process(clause, **how) for clause in element.clauses)
    return f"({value} REGEXP {pattern})"


@functools.cache
def duckdb_dialect() -> Dialect:
    from duckdb_sqlalchemy import Dialect as DuckDbDialect

    # With its own parameter style it doubles every percent sign, also inside literals.
    made: Dialect = DuckDbDialect(paramstyle="named")
    return made


@functools.cache
def databricks_dialect() -> Dialect:
    from databricks.sqlalchemy.base import DatabricksDialect

    made: Dialect = DatabricksDialect(paramstyle="named")
    return made


def compiled(statement: Any, dialect: Dialect) -> str:
    """The text of a statement, complete: there is nothing left to bind."""
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def relation(name: tuple[str, ...], columns: tuple[str, ...], dialect: Dialect) -> FromClause:
    """A table by its one to three names, every one quoted by the dialect."""
    *places, leaf = name
    quote = dialect.identifier_preparer.quote_identifier
    schema = quoted_name(".".join(quote(place) for place in places), quote=False) if places else None
    return table(quoted_name(leaf, quote=True), *(column(quoted_name(c, quote=True)) for c in columns), schema=schema)


def exact(number: float) -> ColumnElement[float]:
    return literal_column(digits(number), Double())


def digits(number: float) -> str:
    """The shortest text that reads back as the same number; with an exponent, and in brackets if below zero: `--2`."""
    text = repr(float(number))
    text = text if "e" in text else f"{text}e0"
    return f"({text})" if text.startswith("-") else text


def whole(number: int) -> ColumnElement[int]:
    return literal_column(str(int(number)))


def text_of(value: ColumnElement[Any]) -> ColumnElement[str]:
    return cast(value, String())


def days_listed(days: Iterable[date]) -> list[Any]:
    """Days as literals of their own type, in order."""
    return [literal_column(f"DATE '{day.isoformat()}'") for day in sorted(days)]


def is_finite(value: ColumnElement[float]) -> ColumnElement[bool]:
    """Not NaN (bigger than every number in both engines) and not infinite; NULL for NULL."""
    return func.abs(value) <= exact(sys.float_info.max)
