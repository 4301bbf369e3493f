"""Lineage graphs, small cells and feature tables are kept the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from services.adapters.sql.database import Database
from services.adapters.sql.evidence import SqlEvidence
from services.adapters.sql.lineage import SqlLineage
from services.inventory.guard import CellCount, Cells
from services.inventory.lineage import Declared, build
from services.inventory.tables import CheckedTable, FeatureTable, QualityRule, RuleKind, judge, unchecked
from tests.builders import MODEL, a_model, a_version
from tests.unit.monitoring.facts_on_disk import with_tables

AT = datetime(2031, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[SqlLineage]:
    made = with_tables(Database(database_url))
    yield SqlLineage(made)
    made.dispose()


def a_table(name: str) -> FeatureTable:
    rules = (
        QualityRule(id="r", kind=RuleKind.RANGE, columns=("age",), low=18.5),
        QualityRule(id="u", kind=RuleKind.UNIQUE, columns=("a", "b")),
    )
    return FeatureTable(
        name=name, title="T", owner="Dana", documentation="Words: é", models=("m", "n"), rules=rules, recorded="m"
    )


def test_a_graph_replaces_the_one_before_it_and_comes_back_byte_for_byte(store: SqlLineage) -> None:
    for document in (b'{"a":1}', '{"b":"é"}'.encode()):
        store.save_lineage("m", "3", sha256="ab" * 32, document=document, at=AT)

    assert store.lineage("m", "3") == ("ab" * 32, '{"b":"é"}'.encode())
    assert store.digests("m") == {"3": "ab" * 32}
    assert store.lineage("m", "4") is None


def test_counts_come_back_as_they_were_with_their_time_and_basis(store: SqlLineage) -> None:
    cells = Cells(columns=("age", "sex"), groups=9, groups_below=2, people_below=3, smallest=1)
    count = CellCount(people=12, as_read=(cells,), as_served=(), counted_at=AT, basis="b" * 64, rows="r" * 64)

    store.save_cells("m", "3", CellCount(problem="No rows.", basis="x"), at=AT)
    store.save_cells("m", "3", count, at=AT)

    assert store.cells("m", "3") == count
    assert store.cells("m", "4") is None


def test_tables_keep_their_order_and_one_that_is_no_longer_declared_is_gone(store: SqlLineage) -> None:
    checked = CheckedTable(table=a_table("b"), results=judge(a_table("b"), (), now=AT))
    other = CheckedTable(table=a_table("a"), results=unchecked(a_table("a")))

    store.replace_tables((checked, other))
    both = store.tables()
    store.replace_tables((other,))

    assert both == (checked, other)
    assert store.tables() == (other,)


def test_a_model_is_traced_when_a_kept_graph_says_where_its_data_come_from(store: SqlLineage) -> None:
    for name, way in (("m", ((MODEL, "endpoint:x"),)), ("n", (("raw", MODEL), (MODEL, "endpoint:x")))):
        graph = build(a_model(lineage=way), a_version("1"), Declared())
        store.save_lineage(name, "1", sha256=graph.sha256, document=graph.document, at=AT)

    assert store.traced() == {"n"}
    assert (store.traced("n"), store.traced("m")) == ({"n"}, frozenset())


def test_the_graph_that_a_request_cites_is_found_by_its_digest_with_its_date(store: SqlLineage) -> None:
    graph = build(a_model(), a_version("1"), Declared())
    with store._database.write() as connection:
        kept = SqlEvidence(connection).keep(graph.document, model="m", media_type="application/json", title="t", at=AT)

    assert kept == graph.sha256
    assert store.frozen(kept) == (graph.document, AT)
    assert store.frozen("0" * 64) is None
