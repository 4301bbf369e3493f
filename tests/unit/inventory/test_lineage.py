"""One graph per version: the same facts give the same bytes, and the difference to the live version is in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.local.estate.catalog import load_catalog
from services.adapters.local.estate.declared import DeclaredCatalog
from services.adapters.local.estate.placed import FEATURES
from services.inventory.lineage import ColumnEdge, Declared, LineageGraph, Previous, build, diff, previous, read
from services.inventory.lineage_sources import JoinedLineage, Way
from services.inventory.models import DatasetRef
from services.kernel.errors import TelemetryUnavailableError
from tests.builders import MODEL, a_model, a_version

WAY = (("raw", "files"), ("files", "features"), ("features", MODEL), (MODEL, "endpoint"))
COLUMNS = (
    ColumnEdge(source="raw", column="minutes", target="files", feature="minutes"),
    ColumnEdge(source="files", column="minutes", target="features", feature="dep_delay", how="Mean of 3 hours"),
    ColumnEdge(source="files", column="other", target="features", feature="not_an_input"),
)


def a_graph(number: str = "3", **changes: object) -> LineageGraph:
    return build(a_model(lineage=WAY), a_version(number, **changes), Declared(columns=COLUMNS))


def test_graph_runs_from_raw_data_through_the_data_sets_of_the_run_to_the_endpoint() -> None:
    graph = a_graph(datasets=(DatasetRef(name="train", digest="aa", context="training"),))

    kinds = {node.id: node.kind for node in graph.nodes}
    assert kinds == {
        "raw": "raw",
        "files": "table",
        "features": "table",
        "data set train aa": "data set",
        f"{MODEL} version 3": "model",
        "endpoint": "endpoint",
    }
    assert ("features", "data set train aa") in graph.edges
    assert ("data set train aa", f"{MODEL} version 3") in graph.edges


def test_path_leads_from_the_raw_column_to_the_input_and_an_unrecorded_input_is_named() -> None:
    graph = a_graph()

    (path,) = graph.paths("dep_delay")
    assert [(hop.source, hop.column, hop.feature) for hop in path] == [
        ("raw", "minutes", "minutes"),
        ("files", "minutes", "dep_delay"),
    ]
    assert graph.unexplained == ("distance",)
    assert graph.paths("distance") == ()
    assert "not_an_input" not in {item.feature for item in graph.columns}


def test_columns_made_of_each_other_end_instead_of_going_round() -> None:
    circle = (
        ColumnEdge(source="features", column="distance", target="features", feature="dep_delay"),
        ColumnEdge(source="features", column="dep_delay", target="features", feature="distance"),
    )
    graph = build(a_model(lineage=WAY), a_version(), Declared(columns=circle))

    assert all(len(path) <= 2 for path in graph.paths("distance"))


@given(st.permutations(COLUMNS), st.permutations(WAY))
def test_order_of_the_facts_does_not_change_the_digest(columns: list[ColumnEdge], way: list[tuple[str, str]]) -> None:
    graph = build(a_model(lineage=tuple(way)), a_version(), Declared(columns=tuple(columns)))

    assert graph.sha256 == a_graph().sha256
    assert read(graph.document) == graph


def test_a_changed_source_column_or_data_set_changes_the_digest() -> None:
    other = replace(COLUMNS[1], column="seconds")
    changed = build(a_model(lineage=WAY), a_version(), Declared(columns=(COLUMNS[0], other)))

    assert len({a_graph().sha256, changed.sha256, a_graph(datasets=()).sha256}) == 3


def test_difference_names_inputs_data_and_columns_but_not_the_version_number() -> None:
    before = a_graph("3")
    after = a_graph("4", inputs=(("dep_delay", "double"), ("income", "double")))

    lines = {(line.sign, line.what, line.name) for line in diff(before, after)}

    assert lines == {("+", "Input", "income"), ("-", "Input", "distance")}
    assert diff(before, a_graph("4")) == ()


def test_a_document_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="not a document of format"):
        read(b'{"format": "else"}')


def test_the_catalog_of_the_workspace_explains_every_input_of_every_model() -> None:
    catalog = DeclaredCatalog()
    for model in load_catalog():
        if model.name in FEATURES:
            version = a_version(model=model.name, inputs=tuple((name, "double") for name in FEATURES[model.name]))
            graph = build(model, version, catalog.declared(model))
            assert graph.unexplained == (), model.name
            raw = {node.id for node in graph.nodes if node.kind == "raw"}
            assert all(path[0].source in raw for name in graph.inputs for path in graph.paths(name)), model.name


def test_a_catalog_file_that_cannot_be_read_is_said_and_not_taken_for_empty(tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text("column_lineage: [{from: a}]")

    with pytest.raises(TelemetryUnavailableError, match="cannot be read"):
        DeclaredCatalog(file).tables()


def test_ways_of_a_model_whose_other_facts_are_kept_elsewhere_are_declared_in_the_catalog_file(tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text(
        "lineage:\n"
        f"  {MODEL}: [[raw, features], [features, {MODEL}]]\n"
        "column_lineage:\n"
        "  - {from: raw, to: features, columns: {dep_delay: [[minutes], Mean of 3 hours]}}\n"
        "  - {from: other, to: features, same: [distance]}\n"
    )
    source = JoinedLineage(DeclaredCatalog(file), answers=lambda _: (Way(place="endpoint:claims"),))
    model = a_model(lineage=())

    graph = build(model, a_version("3", datasets=()), source.declared(model))

    assert {node.id: node.kind for node in graph.nodes} == {
        "raw": "raw",
        "features": "table",
        f"{MODEL} version 3": "model",
        "endpoint:claims": "endpoint",
    }
    assert [(hop.column, hop.feature) for (hop,) in graph.paths("dep_delay")] == [("minutes", "dep_delay")]
    assert graph.unexplained == ("distance",)


def test_a_place_where_one_version_serves_beside_the_models_own_belongs_to_that_version() -> None:
    ways = (Way(place="endpoint:claims"), Way(place="endpoint:trial", version="2"))
    declared = JoinedLineage(answers=lambda _: ways).declared(a_model(lineage=()))

    ends = {
        number: {b for _, b in build(a_model(lineage=()), a_version(number, datasets=()), declared).edges}
        for number in ("1", "2")
    }

    assert ends == {"1": {"endpoint:claims"}, "2": {"endpoint:claims", "endpoint:trial"}}


def test_where_the_entry_of_a_model_states_its_place_the_one_that_is_set_is_not_added() -> None:
    """Else everything that was signed before would have another graph."""
    ways = (Way(place="job:7001"), Way(place="endpoint:trial", version="2"))
    stated = a_model(lineage=(("features", MODEL), (MODEL, "job:nightly")))
    declared = JoinedLineage(answers=lambda _: ways).declared(stated)

    graph = build(stated, a_version("1", datasets=()), declared)

    assert {b for a, b in graph.edges if a == f"{MODEL} version 1"} == {"job:nightly"}
    assert "endpoint:trial" in {b for _, b in build(stated, a_version("2", datasets=()), declared).edges}


def test_an_entry_of_the_catalogs_lineage_that_is_no_pair_is_named(tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text("lineage: {m: [[a, b, c]]}")

    with pytest.raises(TelemetryUnavailableError, match="lineage of m has the entry"):
        DeclaredCatalog(file).declared(a_model(name="m"))


@pytest.mark.parametrize(
    ("version", "approved", "expected"),
    [
        ("4", {"1", "4"}, Previous(version="1", approved=True)),
        ("4", {"2", "3"}, Previous(version="3", approved=True)),
        ("3", {"3", "4"}, Previous(version="2", approved=False)),
        ("1", {"4"}, None),
        ("9", {"4"}, None),
    ],
)
def test_a_version_is_compared_with_the_last_approved_before_it_or_with_the_one_before(
    version: str, approved: set[str], expected: Previous | None
) -> None:
    assert previous(version, ("4", "3", "2", "1"), approved) == expected
