"""What the doctor says about inference tables: rights, columns, silence, and entities nobody can name."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.adapters.warehouse.payload_tables import ServedVersions
from services.doctor.inference_tables import inference
from services.doctor.models import State
from services.kernel.clock import FrozenClock
from services.settings import Settings
from tests.contract.payload_log import ENTITIES, MODEL, NOON, PayloadLog, row


@dataclass
class Workspace:
    """A warehouse with the table of the settings, and the platform's table of served entities."""

    log: PayloadLog = field(default_factory=lambda: PayloadLog("DuckDB"))

    def __post_init__(self) -> None:
        duck = self.log.duck.connection
        duck.execute("ATTACH ':memory:' AS main_catalog; CREATE SCHEMA main_catalog.claims")

    def write(self, rows: list[dict[str, Any]], columns: str = "*") -> None:
        self.log.write(rows)
        self.log.duck.connection.execute(
            f"CREATE OR REPLACE TABLE main_catalog.claims.score_payload AS SELECT {columns} FROM payload"
        )

    def looked(self) -> list[tuple[State, str, str]]:
        named = {MODEL: {"payload": {"table": "main_catalog.claims.score_payload"}}}
        settings = Settings(databricks_warehouse="abc", databricks_tables=json.dumps(named))
        versions = ServedVersions(table=ENTITIES)
        found = inference(settings, FrozenClock(NOON), warehouse=self.log.warehouse, versions=versions)
        return [(item.state, item.found, item.fix) for item in found]


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


def test_a_table_that_answers_says_how_new_it_is(workspace: Workspace) -> None:
    workspace.write([row(1), row(2)])

    [(state, found, _)] = workspace.looked()

    assert (state, found) == (State.OK, "2 rows in 7 days, the newest 0 minutes old.")


def test_a_table_that_does_not_answer_names_the_rights(workspace: Workspace) -> None:
    workspace.log.duck.down = "PERMISSION_DENIED"

    [(state, found, fix)] = workspace.looked()

    assert state is State.FAULT
    assert "PERMISSION_DENIED" in found
    assert "SELECT" in fix


def test_a_table_of_another_shape_names_what_is_missing(workspace: Workspace) -> None:
    workspace.write([row(1)], "* EXCLUDE (sampling_fraction, served_entity_id)")

    [(state, found, fix)] = workspace.looked()

    assert state is State.FAULT
    assert "sampling_fraction, served_entity_id" in found
    assert "PREFIX_payload" in fix


def test_a_silent_table_is_not_healthy(workspace: Workspace) -> None:
    workspace.write([])

    [(state, _, fix)] = workspace.looked()

    assert state is State.WARNING
    assert "AI Gateway" in fix


def test_entities_without_a_name_are_counted(workspace: Workspace) -> None:
    workspace.write([row(1), row(2, served_entity_id="nobody's")])

    _, (state, found, fix) = workspace.looked()

    assert state is State.WARNING
    assert found == "No version is known for 1 served entities that answered: nobody's."
    assert "system.serving.served_entities" in fix


def test_nothing_named_is_nothing_used() -> None:
    [result] = inference(Settings(), FrozenClock(NOON))

    assert result.state is State.UNUSED
