"""Every builder of a warehouse statement is asked of a real Spark and of DuckDB, over the same rows: equal answers.

`CASES` names each builder. One that is not named fails a test, so no statement comes to exist for one engine alone.
"""

from __future__ import annotations

import importlib
import inspect
import math
import os
import pkgutil
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Date, cast, select

from services.adapters.databricks.lakeflow import LakeflowRuns
from services.adapters.databricks.unity import UnityLineage
from services.adapters.warehouse import source_statements as imports
from services.adapters.warehouse import statements
from services.adapters.warehouse.cells import NUMBER, TEXT, reference_of
from services.adapters.warehouse.source_reader import EstateReader
from services.adapters.warehouse.statements import (
    catalog,
    counting,
    fitting,
    labels,
    latency,
    logged,
    payload,
    performance,
    reviews,
    tables,
    versions,
    zones,
)
from services.adapters.warehouse.statements.counting import DAY
from services.adapters.warehouse.statements.lattice import Lattice, lattice_of
from services.inventory.access import CLEAR, HIDDEN, Mask, MaskKind
from services.inventory.tables import QualityRule, RuleKind
from services.monitoring.monitor_rules import ColumnKind
from services.monitoring.monitors import ColumnMapping, Source, SourceKind
from tests.contract import payload_log
from tests.contract.payload_log import NOON
from tests.contract.spark_warehouse import a_spark
from tests.contract.two_engines import TwoEngines, alike, plain

ENGINES = ("DuckDB", "Spark")
N, START = 240, datetime(2031, 3, 29, 6, tzinfo=UTC)
DAYS = (date(2031, 3, 29), date(2031, 3, 30), date(2031, 3, 31))
HOSTILE = ["it's", 'say "hi"', "back\\slash", "100 %", "naïve 東京", ":name", "", "plain"]
MAPPING = ColumnMapping(timestamp="event_at", prediction="score", label="late", version="version")
KINDS = {
    "event_at": ColumnKind.TIME, "score": ColumnKind.NUMBER, "late": ColumnKind.BOOLEAN, "version": ColumnKind.TEXT,
    "origin": ColumnKind.TEXT, "amount": ColumnKind.NUMBER, "code": ColumnKind.NUMBER,
}  # fmt: skip


def scored() -> pd.DataFrame:
    """Predictions over three days, some written twice, with broken scores, hostile texts and missing values."""
    random = np.random.default_rng(11)
    at = [START + timedelta(minutes=14 * n) for n in range(N)]
    score = random.random(N)
    score[:4] = [math.nan, math.inf, 1.0, 0.0]
    amount = random.normal(5, 2, N)
    amount[::19] = math.nan
    frame = pd.DataFrame(
        {
            "prediction_id": [f"p{n}" for n in range(N)],
            "date": [moment.date().isoformat() for moment in at],
            DAY: [moment.date() for moment in at],
            "event_at": at,
            "version": [None if n % 40 == 0 else str(n % 2) for n in range(N)],
            "role": ["live" if n % 5 else "mirror" for n in range(N)],
            "score": score,
            "late": pd.array([None if n % 7 == 0 else bool(n % 3) for n in range(N)], dtype="boolean"),
            "origin": [HOSTILE[n % len(HOSTILE)] if n % 11 else None for n in range(N)],
            "amount": amount,
            "code": random.choice([1.0, 2.0, 3.0], N),
            "stamp": [f"{moment:%Y-%m-%dT%H:%M:%S}{'Z' if n % 2 else ''}" if n % 9 else "soon"
                      for n, moment in enumerate(at)],
        }
    )  # fmt: skip
    return pd.concat([frame, frame.head(20).assign(event_at=frame["event_at"].head(20) + timedelta(hours=1))])


def filed() -> pd.DataFrame:
    known = scored().head(150)
    frame = pd.DataFrame(
        {
            "prediction_id": known["prediction_id"],
            "date": known["date"],
            "event_at": known["event_at"],
            "arrived_at": known["event_at"] + timedelta(hours=2),
            "label": (known["code"] > 1).astype(float),
        }
    )
    again = frame.head(40).assign(label=1 - frame["label"].head(40), date="2031-03-31")
    again["arrived_at"] += timedelta(days=1)
    return pd.concat([frame, again, frame.head(3).assign(prediction_id="nobody's", label=[1.0, math.nan, None])])


def told() -> pd.DataFrame:
    known = scored().head(90)
    corrected = [n % 3 == 0 for n in range(90)]
    frame = pd.DataFrame(
        {
            "prediction_id": known["prediction_id"],
            "date": known["date"],
            "version": known["version"],
            "reviewed_at": known["event_at"] + timedelta(hours=5),
            "reviewer": [None if n % 8 == 0 else "ben" for n in range(90)],
            "decision": [float(n % 2) for n in range(90)],
            "predicted": known["score"],
            "corrected": corrected,
            "reason_code": [HOSTILE[n % 4] if n % 6 else None for n in range(90)],
            reviews.FILE: "/somewhere/reviews.parquet",
        }
    )
    again = frame.head(10).assign(corrected=True, decision=0.5)
    again["reviewed_at"] += timedelta(days=1)
    return pd.concat([frame, again])


def requested() -> pd.DataFrame:
    ms = np.random.default_rng(1).lognormal(3, 1, 200)
    ms[:6] = [0.0, -1.0, math.nan, 1e-9, 5e4, math.inf]
    at = [START + timedelta(minutes=9 * n) for n in range(200)]
    return pd.DataFrame(
        {
            "date": [moment.date().isoformat() for moment in at], "event_at": at,
            "version": [str(n % 2) for n in range(200)],
            "status": [0 if n % 50 == 0 else 503 if n % 20 == 7 else 404 if n % 20 == 3 else 200 for n in range(200)],
            "injected": ["yes" if n % 20 == 7 else None for n in range(200)], "latency_ms": ms,
        }
    )  # fmt: skip


def ran() -> pd.DataFrame:
    at = [START + timedelta(hours=n) for n in range(6)]
    return pd.DataFrame(
        {
            "date": "2031-03-29", "job": "nightly", "version": ["1"] * 5 + [None], "window_start": at,
            "started_at": at, "finished_at": [moment + timedelta(minutes=3) for moment in at], "rows": range(6),
            "ok": [True] * 5 + [False], "on_time": True, "error": ["", "it's late", None, "", "", "x"],
        }
    )  # fmt: skip


def used() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "date": ["2031-03-29", "2031-03-29", "2031-03-30"], "version": ["1", "1", None],
            "component": ["scoring", "scoring", "storage"], "cpu_seconds": [0.5, 0.25, None],
            "bytes": [10, 70, 5], "wall_seconds": [1.0, 2.0, 0.5],
        }
    )  # fmt: skip


def answered() -> pd.DataFrame:
    """An inference table, its hostile rows and some hundred plain ones."""
    rows = [
        *payload_log.hostile(),
        *(payload_log.row(100 + n, at=NOON - timedelta(seconds=17 * n), sampling_fraction=0.3) for n in range(200)),
    ]
    frame = pd.DataFrame(rows).drop(columns=["logging_error_codes"])
    frame["request_date"] = pd.to_datetime(frame["request_date"]).dt.date
    return frame.astype({"status_code": "Int32", "execution_duration_ms": "Int64"})


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoEngines]:
    if shutil.which("java") is None and not os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
        pytest.skip("Spark needs a Java runtime")
    with a_spark() as session:
        made = TwoEngines(session, tmp_path_factory.mktemp("engines"))
        for name, frame in (
            ("scored", scored()), ("filed", filed()), ("told", told()), ("requested", requested()), ("ran", ran()),
            ("used", used()), ("answered", answered()), ("entities", pd.DataFrame(payload_log.served())),
        ):  # fmt: skip
            made.add(name, frame.reset_index(drop=True))
        for engine in ENGINES:
            given, filed_labels = made.table("scored", engine), made.table("filed", engine)
            made.keep("said", engine, performance.told(filed_labels))
            made.keep("known", engine, performance.made(given, ["origin"]))
            changed = performance.changes(made.table("said", engine), made.table("known", engine), DAYS, 1)
            made.keep("changed", engine, changed)
            made.keep("stated", engine, labels.stated(filed_labels))
            made.keep("beside", engine, labels.beside(given, made.table("stated", engine)))
        yield made


Case = Callable[[TwoEngines, str], Any]
INSIDE = imports.between


def _reference(engines: TwoEngines) -> Any:
    """Cells as DuckDB fits them, for both engines: what is compared here is the counting."""
    source = engines.table("scored", "DuckDB")
    kinds = {"amount": NUMBER, "code": NUMBER, "origin": TEXT}
    return reference_of(lambda asked: engines.ask("DuckDB", asked), source, kinds, model="m", digest="d", slices=())


def _roles(table: Any) -> Any:
    return select(table.c.date.label("d"), table.c.role.label("v")).subquery()


def _rule(kind: RuleKind, *columns: str, low: float | None = None, high: float | None = None) -> QualityRule:
    return QualityRule(id=kind.value, kind=kind, columns=columns, low=low, high=high)


def _rules(engines: TwoEngines, engine: str) -> list[Any]:
    table = engines.table("scored", engine)
    rules = (
        _rule(RuleKind.FRESHNESS, "event_at"), _rule(RuleKind.NULLS, "amount"), _rule(RuleKind.NULLS, "origin"),
        _rule(RuleKind.UNIQUE, "prediction_id", "origin"), _rule(RuleKind.RANGE, "amount", low=4.0, high=6.0),
    )  # fmt: skip
    return [tables.rule_value(table, rule) for rule in rules]


def _day_facts(engines: TwoEngines, engine: str) -> list[Any]:
    columns = (
        tables.AskedColumn(name="amount", number=True, broken=True, low=2.0, high=8.0),
        tables.AskedColumn(name="origin", number=False),
    )
    latest = int((START + timedelta(days=1)).timestamp() * 1_000_000)
    asked = [
        tables.AskedTable(
            columns=columns, time=time, time_kind=kind, latest=latest, key=("prediction_id",), role="role"
        )
        for time, kind in (
            ("event_at", tables.TimeKind.TYPED), ("stamp", tables.TimeKind.TEXT), ("none", tables.TimeKind.NONE),
        )
    ]  # fmt: skip
    table, named = engines.table("scored", engine), ("amount", "origin", "prediction_id", "role", "event_at", "stamp")
    cut = [catalog.on_days(table, at, DAYS[:2], named) for at in CUT]
    cut.append(catalog.as_one_day(table, DAYS[0], named))
    return [
        *(tables.day_facts(table, item) for item in asked),
        *(tables.day_facts(rows, asked[0]) for rows in cut),
        tables.rule_value(catalog.between(table, CUT[0], DAYS[0], DAYS[1], named), _rule(RuleKind.NULLS, "amount")),
    ]


CUT = (catalog.DayColumn(name="event_at"), catalog.DayColumn(name="stamp", text=True))


def _imported(build: Callable[[Any, Any], Any]) -> Case:
    def case(engines: TwoEngines, engine: str) -> Any:
        table = engines.open("scored", engine, KINDS)
        return build(table, imports.on_days(table, MAPPING, DAYS[:2]))

    return case


def _finite(engines: TwoEngines, engine: str) -> Any:
    return fitting.finite_numbers(engines.table("scored", engine), "amount")


def _texts(engines: TwoEngines, engine: str) -> Any:
    return fitting.texts(engines.table("scored", engine), "origin")


def _once(engines: TwoEngines, engine: str) -> Any:
    return labels.once(engines.table("beside", engine))


def _cells(build: Callable[[Any, Any, Any], Any]) -> Case:
    def case(engines: TwoEngines, engine: str) -> Any:
        table = engines.open("scored", engine, KINDS)
        inside = imports.between(table, MAPPING, DAYS[0], DAYS[1])
        return [build(table, feature, inside) for feature in _reference(engines).features]

    return case


def _by_cell(engines: TwoEngines, engine: str) -> Any:
    changed = engines.table("changed", engine)
    return performance.by_cell(changed, performance.part_of(changed.c.s0, ["it's", "plain"]))


def _as_stated(engines: TwoEngines, engine: str) -> Any:
    given = engines.table("scored", engine)
    day = cast(given.c.date, Date())
    named = (given.c.code.label("label"), day.label("filed"), given.c.origin.label("__slice0"))
    rows = select(given.c.date, given.c.version, given.c.score, *named).subquery()
    return performance.as_stated(rows, DAYS[:2], 2)


ON = (NOON.date() - timedelta(days=1), NOON.date())
WHEN = (int((NOON - timedelta(days=1)).timestamp() * 1_000_000), int(NOON.timestamp() * 1_000_000))


def _on_lattices() -> list[tuple[str, Lattice]]:
    """A lattice in reach of every value, one that is not, and one far from zero; all meet NaN, infinity or NULL.

    First by steps, then with an edge right below a multiple, which takes two roundings.
    """
    edges = {"score": (0.25, 0.5, 0.75), "amount": (1 / 512, 1 / 256), "code": (4098.0, 4099.5)}
    stepped = [(column, lattice_of(asked)) for column, asked in edges.items()]
    twice = [(column, lattice_of((math.nextafter(asked[0], -math.inf), *asked))) for column, asked in edges.items()]
    found = [(column, lattice) for column, lattice in (*stepped, *twice) if lattice]
    assert [lattice.stepped for _, lattice in found] == [True] * 3 + [False] * 3
    return found


CASES: dict[str, Case] = {
    "counting.profile_counts": lambda e, on: counting.profile_counts(
        e.table("scored", on), _reference(e).features, [("origin", ("it's", "plain"))], squares=True
    ),
    "counting.lattice_counts": lambda e, on: [
        counting.lattice_counts(e.table("scored", on), _on_lattices(), centres) for centres in ((), (0.5, 4.0, 2.0) * 2)
    ],
    "counting.known_counts": lambda e, on: counting.known_counts(
        e.table("scored", on), [("origin", ("it's", "plain")), ("origin", ("nobody says this",))]
    ),
    "versions.rows_by_version": lambda e, on: versions.rows_by_version(e.table("scored", on), "origin"),
    "versions.commonest_by_day": lambda e, on: versions.commonest_by_day(_roles(e.table("scored", on))),
    "fitting.extent": lambda e, on: fitting.extent(_finite(e, on), (0.1, 0.5, 0.9)),
    "fitting.heavy_values": lambda e, on: fitting.heavy_values(
        fitting.finite_numbers(e.table("scored", on), "code"), 5.0
    ),
    "fitting.commonest": lambda e, on: fitting.commonest(_texts(e, on), 5),
    "fitting.total": lambda e, on: fitting.total(e.table("scored", on)),
    "labels.stated": lambda e, on: labels.stated(e.table("filed", on)),
    "labels.beside": lambda e, on: labels.beside(e.table("scored", on), e.table("stated", on)),
    "labels.event_days": lambda e, on: labels.event_days(e.table("filed", on)),
    "labels.totals": lambda e, on: labels.totals(_once(e, on)),
    "labels.by_score": lambda e, on: labels.by_score(_once(e, on)),
    "latency.requests_by_bucket": lambda e, on: [
        latency.requests_by_bucket(e.table("requested", on), slot_minutes=minutes) for minutes in (5, 60, 120)
    ],
    "logged.job_runs": lambda e, on: logged.job_runs(e.table("ran", on)),
    "logged.used": lambda e, on: logged.used(e.table("used", on)),
    "logged.one_prediction": lambda e, on: logged.one_prediction(e.table("scored", on), "p3"),
    "payload.days": lambda e, on: payload.days(e.table("answered", on), ON[0]),
    "payload.requests_by_bucket": lambda e, on: payload.requests_by_bucket(e.table("answered", on), ON, slot_minutes=5),
    "payload.predicted": lambda e, on: payload.predicted(e.table("answered", on), ON),
    "payload.each": lambda e, on: [payload.each(e.table("answered", on), ON, path) for path in ("", ".risk", "[1]")],
    "payload.ticks": lambda e, on: payload.ticks(e.table("answered", on), *WHEN, tick_seconds=5),
    "payload.scores": lambda e, on: [
        payload.scores(e.table("answered", on), *WHEN, tick_seconds=60, edges=(0.2, 0.5), path=path)
        for path in ("", ".risk", "[1]")
    ],
    "payload.entities": lambda e, on: payload.entities(e.table("answered", on), ON[0]),
    "payload.newest": lambda e, on: payload.newest(e.table("answered", on), ON[0], WHEN[1]),
    "payload.served": lambda e, on: payload.served(e.table("entities", on), ["se1", "se3", "it's"]),
    "payload.made": lambda e, on: [
        payload.made(e.table("answered", on), ["r2", "r101", "r9", "claim's 10", "r7"], ON[0], path)
        for path in ("", ".risk")
    ],
    "payload.logged": lambda e, on: payload.logged(e.table("answered", on), *WHEN, "r1", 20),
    "performance.told": lambda e, on: performance.told(e.table("filed", on)),
    "performance.made": lambda e, on: performance.made(e.table("scored", on), ["origin", None]),
    "performance.changes": lambda e, on: performance.changes(e.table("said", on), e.table("known", on), DAYS, 1),
    "performance.as_stated": _as_stated,
    "performance.by_day": lambda e, on: performance.by_day(e.table("changed", on), None),
    "performance.by_cell": _by_cell,
    "performance.by_score": lambda e, on: performance.by_score(e.table("known", on), None, scores=True),
    "reviews.by_reason": lambda e, on: reviews.by_reason(e.table("told", on)),
    "reviews.corrections": lambda e, on: reviews.corrections(e.table("told", on)),
    "reviews.made": lambda e, on: reviews.made(e.table("scored", on), ["p1", "p2", "it's", "p5\\"]),
    "reviews.reviewed": lambda e, on: reviews.reviewed(e.table("told", on), ["p1", "p2", "nobody"]),
    "reviews.about": lambda e, on: reviews.about(e.table("told", on), DAYS[:1]),
    "reviews.labels": lambda e, on: reviews.labels(e.table("told", on)),
    "reviews.cohorts": lambda e, on: [
        reviews.cohorts(e.table("told", on), e.table("scored", on), DAYS),
        reviews.cohorts(e.table("told", on), e.table("scored", on), DAYS[:1], "origin", HOSTILE),
    ],
    "tables.rule_value": _rules,
    "tables.day_facts": _day_facts,
    "catalog.days_on_record": lambda e, on: [
        catalog.days_on_record(table := e.table("scored", on), at, DAYS[0], DAYS[1], table.c.event_at) for at in CUT
    ],
    "catalog.astray": lambda e, on: [catalog.astray(e.table("scored", on), at, DAYS[0]) for at in CUT],
    "catalog.counted": lambda e, on: catalog.counted(table := e.table("scored", on), table.c.event_at),
    "source_statements.marks": _imported(lambda t, _: imports.marks(t, MAPPING)),
    "source_statements.total": _imported(imports.total),
    "source_statements.size_and_mean": _imported(
        lambda t, inside: imports.size_and_mean(imports.finite_numbers(t, "amount", inside))
    ),
    "source_statements.squares": _imported(
        lambda t, inside: imports.squares(imports.finite_numbers(t, "amount", inside), 5.0)
    ),
    "source_statements.at_ranks": _imported(
        lambda t, inside: imports.at_ranks(imports.finite_numbers(t, "amount", inside), [1, 20, 77])
    ),
    "source_statements.heavy_values": _imported(
        lambda t, inside: imports.heavy_values(imports.finite_numbers(t, "code", inside), 3.0)
    ),
    "source_statements.different": _imported(
        lambda t, inside: imports.different(imports.values(t, "origin", inside, coded=False))
    ),
    "source_statements.commonest": _imported(
        lambda t, inside: imports.commonest(imports.values(t, "origin", inside, coded=False), 5, least=2.0)
    ),
    "source_statements.in_cells": _cells(lambda t, feature, inside: imports.in_cells(t, MAPPING, feature, inside)),
    "source_statements.rows_by_version": _imported(
        lambda t, inside: imports.rows_by_version(t, replace(MAPPING, version="origin"), inside)
    ),
    "source_statements.labelled": _imported(
        lambda t, inside: imports.labelled(t, MAPPING, inside, scores=True, part="origin")
    ),
    "source_statements.scored": _imported(
        lambda t, inside: imports.scored(t, MAPPING, inside, scores=True, part="origin")
    ),
}
FOR_DATABRICKS_ALONE = {
    *("vendor.drift_metrics", "vendor.profile_metrics"),
    *("system.usage", "system.prices", "system.served_entities", "system.endpoint_usage"),
    *("system.table_lineage", "system.column_lineage", "system.column_tags", "system.audit"),
}
"""Over tables that only Databricks keeps; asked of Spark in test_statements_on_spark and test_system_tables_on_spark,
which reads every source there is."""


def _builders() -> set[str]:
    """Public functions that return a statement, in all modules where statements are built."""
    modules = [
        importlib.import_module(f"{statements.__name__}.{found.name}")
        for found in pkgutil.iter_modules(statements.__path__)
    ]
    return {
        f"{module.__name__.rsplit('.', 1)[-1]}.{name}"
        for module in (*modules, imports)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and re.search(r"Select|Statement", str(function.__annotations__.get("return", "")))
    }


def test_every_builder_of_a_statement_is_asked_here() -> None:
    assert _builders() == set(CASES) | FOR_DATABRICKS_ALONE


@pytest.mark.parametrize("name", CASES)
def test_a_statement_has_the_same_answer_on_both_engines(engines: TwoEngines, name: str) -> None:
    found = []
    for engine in ENGINES:
        asked = CASES[name](engines, engine)
        found.append([plain(engines.ask(engine, one)) for one in (asked if isinstance(asked, list) else [asked])])

    for one, other in zip(*found, strict=True):
        assert one, "a statement about nothing shows nothing"
        assert len(one) == len(other)
        for row, same in zip(one, other, strict=True):
            assert alike(row, same), (row, same)


def test_a_look_at_an_import_is_the_same_on_both_engines(engines: TwoEngines) -> None:
    """Masked rows are a sample, so their order is the engine's own; everything else is equal."""
    band = Mask(kind=MaskKind.BAND, size="2")
    source = Source(kind=SourceKind.SQL, connection="estate", table="scored")
    looked = []
    for engine in ENGINES:
        reader = EstateReader(AnEstate(engines.open("scored", engine, KINDS)))  # type: ignore[arg-type]
        preview = reader.preview(source, MAPPING, {"amount": band, "origin": HIDDEN, "code": CLEAR})
        looked.append((preview.rows, preview.first, preview.last, preview.days, preview.columns, preview.faults,
                       len(preview.samples), reader.history(source, MAPPING)))  # fmt: skip
        assert all("it's" not in value for row in preview.samples for value in row)
    assert looked[0] == looked[1]
    assert looked[0][3] == 3


def test_both_engines_tell_alike_which_written_times_name_a_zone(engines: TwoEngines) -> None:
    day, clock = "2031-03-29", "2031-03-29 06:00:00"
    silent = [day, "2031-3-9 6:00", clock, f"{clock}.125", f" {day}T06:00:00 ", "20310329T060000", f"{clock} PM"]
    zoned = [
        f"{clock}{zone}" for zone in ("Z", "+01", "-0500", "+05:30", " UTC", " GMT+3", " Europe/Berlin", " PM -03")
    ]
    neither = ["soon", "now", "06:00", "17000", f"{clock} -", "", None]
    written = [*silent, *zoned, *neither]
    engines.add("stamps", pd.DataFrame({"place": range(len(written)), "at": pd.array(written, dtype="string")}))
    for engine in ENGINES:
        table = engines.table("stamps", engine)
        found = engines.ask(engine, select(table.c.place, zones.is_silent(table.c.at), zones.is_zoned(table.c.at)))
        by_place = {int(place): (bool(without), bool(within)) for place, without, within in found}
        told = [by_place[place] for place in range(len(written))]
        assert told == [(True, False)] * len(silent) + [(False, True)] * len(zoned) + [(False, False)] * len(neither)


class AnEstate:
    """Opens one table, whatever is asked for."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def open(self, _source: Source) -> AnEstate:
        return self

    def __enter__(self) -> Any:
        return self._table

    def __exit__(self, *_: object) -> None:
        return None


# Tables of the vendor, by hand-written SQL with parameters


class SystemTables:
    """Answers the questions about `system.*` from tables of the documented shape in Spark, cells as text."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark

    def rows(self, sql: str, **named: str) -> tuple[dict[str, str | None], ...]:
        asked = re.sub(r"\bsystem\.", "spark_catalog.", sql)
        found = self._spark.sql(asked, args=named).collect()
        return tuple(
            {key: None if value is None else str(value) for key, value in row.asDict().items()} for row in found
        )


@pytest.fixture(scope="module")
def system(engines: TwoEngines) -> SystemTables:
    spark, at = engines.spark, "TIMESTAMP '2031-03-29 0{}:00:00'"
    for schema in ("lakeflow", "access", "information_schema"):
        spark.sql(f"CREATE DATABASE IF NOT EXISTS spark_catalog.{schema}")
    runs = ", ".join(
        f"('w', '{job}', '{run}', 'Nightly', {at.format(start)}, {at.format(start + 1)}, {result}, {code}, {kind})"
        for job, run, start, result, code, kind in (
            ("7", "r1", 1, "NULL", "NULL", "'JOB_RUN'"),
            ("7", "r1", 2, "'SUCCEEDED'", "'SUCCESS'", "'JOB_RUN'"),
            ("7", "r2", 4, "'FAILED'", "'RUN_EXECUTION_ERROR'", "'JOB_RUN'"),
            ("7", "r3", 5, "NULL", "NULL", "'JOB_RUN'"),
            ("8", "r4", 3, "'TIMED_OUT'", "'RUN_EXECUTION_ERROR'", "NULL"),
            ("8", "r4", 5, "'SUCCEEDED'", "'SUCCESS'", "NULL"),
            ("8", "r5", 6, "'FAILED'", "'RUN_EXECUTION_ERROR'", "'JOB_RUN'"),
            ("8", "r5", 7, "NULL", "NULL", "'JOB_RUN'"),
            ("9", "r6", 7, "'SUCCEEDED'", "'SUCCESS'", "'SUBMIT_RUN'"),
            ("9", "r7", 8, "'FAILED'", "NULL", "'WORKFLOW_RUN'"),
        )
    )  # fmt: skip
    held = {
        "lakeflow.job_run_timeline": f"SELECT * FROM VALUES {runs} AS t(workspace_id, job_id, run_id, run_name,"
        " period_start_time, period_end_time, result_state, termination_code, run_type)",
        "lakeflow.pipeline_update_timeline": f"SELECT 'w' AS workspace_id, 'p' AS pipeline_id, 'u' AS update_id,"
        f" {at.format(1)} AS period_start_time, {at.format(2)} AS period_end_time, 'COMPLETED' AS result_state",
        "lakeflow.pipelines": "SELECT 'w' AS workspace_id, 'p' AS pipeline_id, 'Members' AS name,"
        f" {at.format(1)} AS change_time",
        "access.table_lineage": "SELECT 'w' AS workspace_id, DATE '2031-03-29' AS event_date,"
        " 'main.claims.features' AS target_table_full_name, named_struct('job_info', named_struct('job_id', '7'),"
        " 'dlt_pipeline_info', named_struct('dlt_pipeline_id', CAST(NULL AS STRING))) AS entity_metadata",
        "access.column_lineage": "SELECT current_date() AS event_date, 'lake.raw.members' AS source_table_full_name,"
        " 'zip' AS source_column_name, 'main.claims.features' AS target_table_full_name,"
        " 'region' AS target_column_name",
        "information_schema.column_tags": "SELECT 'lake' AS catalog_name, 'raw' AS schema_name,"
        " 'members' AS table_name, 'zip' AS column_name, 'pii' AS tag_name, 'true' AS tag_value",
    }  # fmt: skip
    for name, sql in held.items():
        spark.sql(sql).write.mode("overwrite").saveAsTable(f"spark_catalog.{name}")
    return SystemTables(spark)


def test_runs_of_jobs_and_pipelines_are_read_by_spark_from_tables_of_the_documented_shape(system: SystemTables) -> None:
    found = LakeflowRuns(warehouse=system).runs(datetime(2031, 3, 1, tzinfo=UTC))  # type: ignore[arg-type]

    assert [(run.pipeline, run.title, run.run_id, run.ok, run.writes) for run in found] == [
        ("databricks:w:job:7", "Nightly", "r1", True, ("main.claims.features",)),
        ("databricks:w:pipeline:p", "Members", "u", True, ()),
        ("databricks:w:job:8", "Nightly", "r4", True, ()),
        ("databricks:w:job:7", "Nightly", "r2", False, ("main.claims.features",)),
        ("databricks:w:job:8", "Nightly", "r5", False, ()),
    ]
    assert {run.known_to for run in found if run.kind == "job"} == {datetime(2031, 3, 29, 8, tzinfo=UTC)}
    assert found[0].finished_at - found[0].started_at == timedelta(hours=2)


def test_lineage_and_tags_are_read_by_spark_from_tables_of_the_documented_shape(system: SystemTables) -> None:
    unity = UnityLineage(client=lambda: None, warehouse=system)  # type: ignore[arg-type]

    [edge] = unity._columns({"main.claims.features"})
    [tag] = unity._ask(_tags(), {"lake.raw.members"})

    assert (edge.source, edge.column, edge.feature) == ("lake.raw.members", "zip", "region")
    assert (tag["table_name"], tag["tag_name"]) == ("lake.raw.members", "pii")


def _tags() -> str:
    from services.adapters.databricks import unity

    return unity._TAGS
