"""Regulator-shaped exports: totals equal the inventory of the day, gaps are named, bytes are the same everywhere."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from services.audit import controls, exports
from services.audit.exports import ABSENT
from services.audit.rendering import render
from services.kernel.errors import InputError
from tests.unit.audit.room import MODEL, Room, a_room

FIRST = date(2030, 1, 31)
PROFILES = {profile.id: profile for profile in exports.load()}


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = a_room(tmp_path)
    room.register()
    room.world.release("1")
    room.later(days=3)
    room.world.release("2")
    room.roll_back("1")
    return room


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_fills_and_names_version_date_time_and_filter(room: Room, profile: str) -> None:
    export = room.reports.preview(profile)

    for kind in ("csv", "json", "html"):
        text = render(export, kind).decode()
        for fact in (PROFILES[profile].version, PROFILES[profile].date, "2030-02-03T12:00", "vendor models included"):
            assert fact in text, (kind, fact)
    for part in export.parts:
        assert all(len(row) == len(part.columns) for row in part.rows)
        assert all(cell.strip() for row in part.rows for cell in row)


def test_exhibit_a_equals_the_inventory_of_the_chosen_day_and_holds_the_vendor_model(room: Room) -> None:
    for day in (FIRST, FIRST + timedelta(days=3)):
        view = room.reports.as_of(day)
        export = room.reports.preview("naic-ai-systems-evaluation", day)
        totals = dict(zip(export.parts[0].columns, export.parts[0].rows[0], strict=True))
        listed = export.parts[1]

        assert totals["Models in the inventory"] == str(len(view.models)) == str(len(listed.rows))
        assert totals["In production"] == str(view.in_production)
        assert totals["Supplied by a vendor"] == "1"
        assert totals["Risk tier 1"] == "2"
        assert totals["Consumers affected"] == ABSENT
        assert any("damage_photo_vendor" in row for row in listed.rows)


def test_material_changes_are_explained_in_the_requesters_words(room: Room) -> None:
    part = room.reports.preview("colorado-10-1-1-inventory").parts[1]
    lines = [dict(zip(part.columns, row, strict=True)) for row in part.rows]

    released = [line for line in lines if line["Change"] == "release"]
    assert [line["To version"] for line in released] == ["2", "1"]
    assert released[0]["Explanation of the change"] == "Better."
    assert released[0]["Decided by"] == "Vera Lindholm; Ben Okafor; Clara Whitfield"
    assert any(line["Change"] == "rollback" and "ERRORS" in line["Explanation of the change"] for line in lines)
    assert any(line["Change"] == "registered" for line in lines)


def test_a_column_of_a_profile_always_names_a_fact_we_can_hold(room: Room) -> None:
    """A slip in a profile must not read as "not recorded"."""
    known = {
        "total": {"models", "in_production", "vendors", "tier_1", "tier_2", "tier_3", "tier_unknown",
                  "new_12_months", "updated_12_months", "rolled_back_12_months", "retired_12_months"},
        "control": {"id", "title", "count", "newest", "nist", "iso", "part11"},
        "change": {"at", "model", "what", "from_version", "to_version", "explanation", "requester", "signers", "seq"},
        "model": {"name", "title", "use_case", "purpose", "tier", "kind", "team", "owners", "vendor", "live",
                  "in_production", "live_since", "review_every_days", "next_review", "limits", "fallback", "label",
                  "sensitive", "sources", "consumers", "findings", "unknown", "changes", "signers", "validators",
                  "policy", "gates", "fairness_gates"},
    }  # fmt: skip
    known["high_risk_model"] = known["model"]
    for profile in PROFILES.values():
        for part in profile.parts:
            named = {column.field for column in part.columns} - {"absent"}
            assert named <= known[part.rows], (profile.id, part.id, named - known[part.rows])
    export = room.reports.preview("sr-26-2-inventory")
    row = next(line for line in export.parts[0].rows if MODEL in line)
    facts = dict(zip(export.parts[0].columns, row, strict=True))
    assert facts["Upstream data"] == "flights"
    assert facts["Downstream consumers"] == "claims-portal"
    assert facts["Validated by"] == "Vera Lindholm"


def test_csv_and_json_say_the_same(room: Room) -> None:
    export = room.reports.preview("sr-26-2-inventory")
    read = json.loads(render(export, "json"))
    lines = [line for line in render(export, "csv").decode().splitlines() if not line.startswith("#")]
    table = list(csv.reader(io.StringIO("\n".join(lines))))

    assert [row["Model"] for row in read["parts"][0]["rows"]] == [row[0] for row in table[1:]]


def test_taking_an_export_away_is_recorded_with_its_digest(room: Room) -> None:
    export = room.reports.preview("sr-26-2-inventory")

    room.reports.export(export, "html", actor=room.world.actor("otto.auditor"))

    assert room.world.entries("event:report-exported") == 1
    with pytest.raises(InputError, match="not a format"):
        room.reports.export(export, "xlsx", actor=room.world.actor("otto.auditor"))
    with pytest.raises(InputError, match="no export profile"):
        room.reports.preview("nothing")


def test_every_control_names_tags_that_exist_and_counts_what_happened(room: Room) -> None:
    lines = {line.control.id: line for line in room.reports.controls()}

    assert lines["AC-3"].count == 6
    assert lines["CH-3"].count == 1
    assert lines["IN-1"].count == 2
    assert lines["CH-6"].count == 0
    assert lines["CH-6"].newest is None
    assert {line.control.id for line in room.reports.controls(FIRST)} == set(lines)
    assert next(line for line in room.reports.controls(FIRST) if line.control.id == "CH-3").count == 0
    assert len({control.id for control in controls.load()}) == len(controls.load())
