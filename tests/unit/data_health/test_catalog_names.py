"""A platform's lineage knows a feature table by its three names, the catalog file by one: both lead to its models."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from services.inventory.tables import ASKED_EVERY
from tests.unit.data_health.world import TABLE, World, quiet_weeks, rows
from tests.unit.monitoring.facts_on_disk import NOON, TODAY

NAME = "main.claims.features"


def test_models_that_rest_on_a_table_by_its_catalog_name_are_hurt_with_it(tmp_path: Path) -> None:
    world = World(quiet_weeks(tmp_path / "inference"), tmp_path, table=replace(TABLE, table=NAME, time="event_at"))
    world.edges, world.models = {(NAME, "routes"), ("routes", "other")}, {"m", "other"}
    world.service.refresh()
    assert [table.models for table in world.service.tables()] == [("m", "other")]
    assert world.service.hurt() == ()

    world.day(rows(TODAY - timedelta(days=1), age=99.0))
    world.at(NOON + ASKED_EVERY).refresh()
    assert {item.model: item.way for item in world.service.hurt()} == {
        "m": (TABLE.name, "m"),
        "other": (NAME, "routes", "other"),
    }
