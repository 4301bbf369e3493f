"""Unity Catalog as a source: tables of each version, columns over several tables, tags of what an input is made of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from databricks.sdk.service.sql import StatementState

from services.adapters.databricks import statements
from services.adapters.databricks.statements import Warehouse
from services.adapters.databricks.unity import UnityLineage
from services.inventory.lineage import build, diff
from services.kernel.errors import RegistryUnavailableError, TelemetryUnavailableError
from tests.builders import a_model, a_version
from tests.unit.adapters.databricks.workspace import FakeStatements, FakeVersions, FakeWorkspace

NAME = "main.claims.triage"
FEATURES, VISITS, RAW = "main.claims.features", "main.claims.visits", "lake.raw.members"
COLUMNS = [
    (VISITS, "n", FEATURES, "prior_visits"),
    (VISITS, "zip", FEATURES, "region"),
    (RAW, "zipcode", VISITS, "zip"),
    (RAW, "visit", VISITS, "n"),
    # A table that was rewritten from itself, over another one.
    (FEATURES, "region", RAW, "zipcode"),
]
TAGS = [
    (RAW, "zipcode", "data_classification", "quasi-identifier"),
    (VISITS, "zip", "pii", ""),
    (FEATURES, "prior_visits", "cost_center", "c7"),
    (FEATURES, "age", "class.age", ""),
    (VISITS, "n", "pii", "no"),
    ("other.schema.table", "region", "phi", "true"),
]


def a_workspace(**changes: object) -> FakeWorkspace:
    found = FakeVersions(tables={1: (VISITS,), 2: (FEATURES,), 3: ()})
    asked = FakeStatements(**{"columns": COLUMNS, "tags": TAGS, **changes})  # type: ignore[arg-type]
    return FakeWorkspace(model_versions=found, statement_execution=asked)


def unity(workspace: FakeWorkspace) -> UnityLineage:
    return UnityLineage(client=workspace, warehouse=Warehouse(client=workspace, warehouse_id="w1"))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    monkeypatch.setattr(statements, "_POLL_SECONDS", 0.0)
    return lambda seconds: monkeypatch.setattr(statements, "_LONGEST_SECONDS", seconds)


def test_each_version_has_the_tables_it_depends_on_and_no_others() -> None:
    model, declared = a_model(name=NAME, lineage=()), unity(a_workspace()).declared(a_model(name=NAME))
    inputs = (("region", "string"), ("prior_visits", "double"))
    second = build(model, a_version("2", model=NAME, inputs=inputs, datasets=()), declared)
    third = build(model, a_version("3", model=NAME, inputs=inputs, datasets=()), declared)

    assert second.table == FEATURES
    assert (FEATURES, f"{NAME} version 2") in second.edges
    assert second.unexplained == ()
    assert third.table == ""
    assert not [node for node in third.nodes if node.kind == "model" and node.id != f"{NAME} version 3"]
    assert ("-", "Way", f"{FEATURES} → the model") in {
        (item.sign, item.what, item.name) for item in diff(second, third)
    }


def test_an_input_leads_back_to_its_raw_column_over_every_table_between() -> None:
    declared = unity(a_workspace()).declared(a_model(name=NAME))
    graph = build(
        a_model(name=NAME, lineage=()), a_version("2", model=NAME, inputs=(("prior_visits", "double"),)), declared
    )

    (path,) = graph.paths("prior_visits")
    assert [(hop.source, hop.column) for hop in path] == [(RAW, "visit"), (VISITS, "n")]


def test_tables_are_asked_for_once_each_and_names_are_parameters() -> None:
    workspace = a_workspace()
    unity(workspace).declared(a_model(name=NAME))

    asked = [named["tables"].split(",") for _, named in workspace.statement_execution.asked]
    assert asked == [[FEATURES, VISITS], [RAW]]
    assert not any(VISITS in sql for sql, _ in workspace.statement_execution.asked)


def test_an_input_carries_the_strictest_tag_of_what_it_was_made_of_and_its_basis() -> None:
    found = {tag.name: tag for tag in unity(a_workspace()).tags(a_model(name=NAME))}

    assert found["region"].category == "PII"
    assert found["region"].basis == f"Tag pii of {VISITS}.zip in Unity Catalog"
    assert found["region"].tagged_by == "Unity Catalog"
    assert found["age"].category == "PII"
    # The table of version 1 is the model's own: there a tag may also say that a column is nobody's.
    assert found["n"].category == "not personal"


def test_a_tag_that_says_harmless_somewhere_upstream_frees_no_input() -> None:
    workspace = a_workspace(tags=[(VISITS, "zip", "pii", "false")])
    workspace.model_versions.tables = {2: (FEATURES,)}

    assert unity(workspace).tags(a_model(name=NAME)) == ()


@pytest.mark.parametrize(
    ("tag", "value", "category"),
    [
        ("phi", "true", "PHI"),
        ("PII", None, "PII"),
        ("pii", "direct", "PII"),
        ("sensitivity", "phi", "PHI"),
        ("data_classification", "quasi_identifier", "quasi-identifier"),
    ],
)
def test_tags_are_read_as_their_makers_write_them(tag: str, value: str | None, category: str) -> None:
    workspace = a_workspace(columns=[], tags=[(FEATURES, "region", tag, value)])

    assert [item.category for item in unity(workspace).tags(a_model(name=NAME))] == [category]


def test_a_tag_of_other_business_is_no_tag() -> None:
    workspace = a_workspace(columns=[], tags=[(FEATURES, "region", "sensitivity", "internal")])

    assert unity(workspace).tags(a_model(name=NAME)) == ()


def test_a_model_of_another_registry_is_an_empty_answer_and_asks_nothing() -> None:
    workspace = a_workspace()

    assert unity(workspace).declared(a_model(name="claims_triage")).edges == ()
    assert workspace.statement_execution.asked == []


def test_a_catalog_that_does_not_answer_is_said_to_be_away() -> None:
    workspace = a_workspace()
    workspace.model_versions.away = True

    with pytest.raises(RegistryUnavailableError, match="ConnectionError"):
        unity(workspace).declared(a_model(name=NAME))


def test_a_question_the_warehouse_refuses_is_told_with_what_to_grant() -> None:
    with pytest.raises(TelemetryUnavailableError, match="no permission") as told:
        unity(a_workspace(state=StatementState.FAILED)).declared(a_model(name=NAME))
    assert "Grant" in told.value.hint


def test_an_answer_that_takes_a_while_is_waited_for(patient: Callable[[float], None]) -> None:
    patient(60)
    assert unity(a_workspace(slow=3)).declared(a_model(name=NAME)).columns


def test_an_answer_that_never_comes_is_given_up_and_stopped(patient: Callable[[float], None]) -> None:
    patient(-1)
    workspace = a_workspace(slow=1_000)

    with pytest.raises(TelemetryUnavailableError, match="longer than"):
        unity(workspace).declared(a_model(name=NAME))
    assert workspace.statement_execution.cancelled == ["s1"]
