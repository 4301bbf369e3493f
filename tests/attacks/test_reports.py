"""Attacks on what an auditor reads: hostile text in every name and comment, and another locale and time zone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services.approvals.models import Decision
from services.audit.rendering import FORMATS, render
from services.inventory.models import Owner
from services.kernel.errors import InputError
from tests.builders import a_model
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, visit, words  # noqa: F401 - the fixture
from tests.unit.audit.room import Room, a_room
from tests.unit.audit.test_retention import a_hold

SQL = "'; drop table log_entry; --"
HTML = '<img src=x onerror="alert(1)"> ![x](http://evil.example/p.png) :green[PASSED] $a$ =HYPERLINK("x")'
SECTIONS = (
    ("asof", {}),
    ("lookup", {"model": "delay_claim_score"}),
    ("lookup", {"prediction": "p-1"}),
    ("segregation", {}),
    ("exceptions", {}),
    ("retention", {}),
    ("samples", {"sample": "11"}),
    ("controls", {}),
    ("exports", {"profile": "sr-26-2-inventory"}),
)
Visit = Callable[..., AppTest]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return a_room(tmp_path)


def poisoned(room: Room) -> Room:
    """Hostile text in every place where somebody can type or a source can name something."""
    room.register(
        a_model(
            title=HTML,
            team=SQL,
            purpose=HTML,
            limits_of_use=SQL,
            owners=(Owner(role="business_owner", subject="x", name=HTML),),
            lineage=((HTML, "delay_claim_score"),),
        )
    )
    room.world.submit("1", note=SQL + HTML)
    request_id = room.world.request_of("1").request_id
    room.world.sign_off(request_id, "vera.validator", Decision.APPROVE, comment=HTML)
    room.world.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE, comment=SQL)
    room.world.sign_off(request_id, "clara.compliance", Decision.APPROVE, comment=SQL)
    room.world.runner.run_pending()
    room.reports.retention.place_hold(a_hold(room, reason=f"{SQL} {HTML}"), actor=room.world.actor("clara.compliance"))
    return room


def test_row_54_sql_in_every_field_of_the_reports_is_stored_as_text(room: Room) -> None:
    before = room.world.ledger.head().size
    poisoned(room)

    (hold,) = room.reports.retention.holds()
    assert SQL in hold.reason
    assert room.world.ledger.head().size > before
    view = room.reports.as_of(room.reports.recorded()[1])
    assert view.models[0].team == SQL
    assert room.world.ledger.head().size == len(list(room.world.book.entries()))


def test_row_54_look_ups_take_hostile_ids_as_plain_text(room: Room) -> None:
    poisoned(room)

    for hostile in (SQL, HTML, "p-1' OR '1'='1", "%", "_"):
        with pytest.raises(InputError):
            room.reports.look_up_prediction(hostile)
        with pytest.raises(InputError):
            room.reports.look_up(hostile, room.clock.now())
    assert room.world.ledger.head().size == len(list(room.world.book.entries()))


def test_row_55_exports_show_hostile_text_literally_and_run_nothing(room: Room) -> None:
    poisoned(room)

    for profile in room.reports.profiles():
        export = room.reports.preview(profile.id)
        page = render(export, "html").decode()
        assert "<img" not in page
        assert "default-src 'none'" in page
        for line in render(export, "csv").decode().splitlines():
            for cell in line.split(","):
                assert cell[:1] not in {"=", "+", "@"}, cell


@pytest.mark.parametrize(("section", "address"), SECTIONS)
def test_row_55_screens_show_hostile_text_literally(
    visit: Visit,  # noqa: F811 - the fixture
    section: str,
    address: dict[str, str],
) -> None:
    app = visit(FakeRoom(hostile=True), "audit", "clara.compliance", section=section, **address)

    shown = words(app)
    assert crashed(app) == []
    assert "![x](" not in shown
    assert ":red[x]" not in shown
    assert "<b>" not in shown.replace("\\<b", "")


_ELSEWHERE = """
import json, sys
from pathlib import Path
from services.audit.rendering import render
from tests.builders import a_world
from tests.unit.audit.room import a_room
import hashlib
from services.kernel.clock import FrozenClock
from datetime import datetime
folder, at = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
room = a_room(folder, a_world(folder, clock=FrozenClock(at)))
print(json.dumps({
    f"{profile.id}.{kind}": hashlib.sha256(render(room.reports.preview(profile.id), kind)).hexdigest()
    for profile in room.reports.profiles() for kind in ("csv", "json", "html")
}))
"""


def test_row_65_the_same_report_bytes_under_another_locale_and_time_zone(room: Room, tmp_path: Path) -> None:
    poisoned(room)
    room.world.ledger.record_event(event="told", actor=None, detail={"sentence": "Überprüft 東京"})
    here = {
        f"{profile.id}.{kind}": hashlib.sha256(render(room.reports.preview(profile.id), kind)).hexdigest()
        for profile in room.reports.profiles()
        for kind in FORMATS
    }
    root = Path(__file__).resolve().parents[2]
    for zone, locale in (("Pacific/Auckland", "C"), ("America/St_Johns", "tr_TR.UTF-8")):
        done = subprocess.run(
            [sys.executable, "-c", _ELSEWHERE, str(tmp_path), room.clock.now().isoformat()],
            env={**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONPATH": str(root), "PYTHONHASHSEED": "7"},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout.splitlines()[-1]) == here
