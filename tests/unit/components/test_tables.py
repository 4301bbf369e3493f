"""Frames keep unknown empty, and exports say what they hold and cannot run in a spreadsheet."""

from __future__ import annotations

import json

from pages.components import queue_tables, tables
from tests.fakes import room_sample as sample
from tests.fakes.room import FakeRoom


def test_inventory_shows_unknown_drift_as_empty_and_not_as_zero() -> None:
    frame, _ = tables.inventory(sample.inventory_rows())

    unknown = frame[frame["model"] == "plan_utilisation"].iloc[0]
    assert unknown["psi"] is not None
    assert frame["psi"].isna().sum() == 2
    assert unknown["health"] == ["Unknown"]


def test_every_column_has_a_setting_and_a_title() -> None:
    for frame, config in (
        tables.inventory(sample.inventory_rows()),
        queue_tables.queue(tuple(FakeRoom().approvals._rows(None)), sample.NOW),
        tables.ledger(tuple(FakeRoom().audit._rows()), "Europe/Berlin"),
    ):
        assert list(frame.columns) == list(config)
        assert all(setting["label"] for setting in config.values())


def test_empty_lists_make_empty_frames() -> None:
    assert tables.inventory(())[0].empty
    assert queue_tables.queue((), sample.NOW)[0].empty
    assert tables.ledger((), "UTC")[0].empty


def test_export_opens_with_the_filter_and_the_time_of_the_data() -> None:
    rows = tables.inventory_export(sample.inventory_rows())
    lines = tables.to_csv(rows, note="filter: tier 1", as_of=sample.NOW).splitlines()

    assert lines[0] == "# filter: tier 1"
    assert lines[1] == "# as of 2030-11-20 15:30:00 UTC, 5 rows"
    assert lines[2].startswith("model,title,")
    assert len(lines) == 3 + 5
    assert json.loads(tables.to_json(rows, note="filter: none", as_of=sample.NOW))["count"] == 5


def test_cell_that_begins_like_a_formula_stays_text() -> None:
    text = tables.to_csv([{"owner": "=HYPERLINK(1)", "n": -3}], note="filter: none", as_of=sample.NOW)

    assert "'=HYPERLINK(1)" in text
    assert ",-3" in text
