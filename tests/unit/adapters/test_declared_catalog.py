"""Where the catalog file says that the rows of a feature table are, and what the doctor makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapters.local.estate.declared import DeclaredCatalog
from services.doctor.feature_tables import feature_tables
from services.doctor.models import State
from services.kernel.clock import SystemClock
from services.kernel.errors import TelemetryUnavailableError
from services.settings import Settings


def written(folder: Path, rows: str) -> Path:
    file = folder / "catalog.yaml"
    file.write_text(
        f"feature_tables:\n  - name: claims\n    title: Claims\n    models: [m]\n    rows: {rows}\n", encoding="utf-8"
    )
    return file


def test_a_table_of_unity_catalog_is_named_by_its_three_names(tmp_path: Path) -> None:
    [table] = DeclaredCatalog(written(tmp_path, "{table: main.claims.features, time: at, written: loaded}")).tables()

    assert (table.table, table.time, table.written) == ("main.claims.features", "at", "loaded")
    assert table.is_dated


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("{table: claims.features}", "catalog.schema.table"),
        ("{table: main.claims.`features`}", "catalog.schema.table"),
        ("{table: main.claims.features, recorded: m}", "exactly one"),
        ("{}", "exactly one"),
    ],
)
def test_an_entry_that_names_no_rows_is_refused_with_what_is_wrong(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(TelemetryUnavailableError, match=said):
        DeclaredCatalog(written(tmp_path, rows)).tables()


def test_the_doctor_says_that_nobody_can_be_asked(tmp_path: Path) -> None:
    settings = Settings(catalog_file=written(tmp_path, "{table: main.claims.features, time: at}"))
    [found] = feature_tables(settings, SystemClock())

    assert found.state is State.FAULT
    assert "COUNTERSIGN_DATABRICKS_WAREHOUSE" in found.fix


def test_the_doctor_has_nothing_to_look_at_where_no_table_is_declared() -> None:
    [found] = feature_tables(Settings(), SystemClock())

    assert found.state is State.UNUSED
