"""The test panel on screen: absent by default, loud on every page while it is on, nothing without confirmation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from services.kernel.identity import Actor, Permission
from services.settings import Profile, Settings
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


@pytest.fixture
def room(tmp_path: Path) -> FakeRoom:
    made = FakeRoom()
    made.settings = Settings(home=tmp_path, test_panel=True, profile=Profile.EMBEDDED)
    said: list[str] = []

    def record_event(*, event: str, actor: Actor, model: str = "", detail: dict[str, str]) -> None:
        said.append(f"{actor.subject} {event} {detail['sentence']}")

    made.ledger = SimpleNamespace(head=lambda: SimpleNamespace(size=41), record_event=record_event, said=said)
    url = SimpleNamespace(database=str(tmp_path / "none.db"))
    made.database = SimpleNamespace(dialect="sqlite", url=url)  # type: ignore[attr-defined]
    people: Any = made.people
    people.require = lambda actor, permission: people.may(actor, Permission(permission))
    return made


def test_without_the_switch_there_is_neither_tab_nor_banner(visit: Visit) -> None:
    app = visit(FakeRoom(), "settings", show="panel")

    assert "test panel is on" not in words(app)
    assert "Ledger row" not in words(app)
    assert crashed(app) == []


@pytest.mark.parametrize("screen", ["overview", "approvals", "audit", "notices"])
def test_banner_stands_on_every_page_while_the_panel_is_on(visit: Visit, room: FakeRoom, screen: str) -> None:
    assert "The test panel is on" in words(visit(room, screen))


def test_clock_moves_only_after_the_confirmation(visit: Visit, room: FakeRoom) -> None:
    app = visit(room, "settings", "otto.auditor", show="panel")
    assert crashed(app) == []

    app.button(key="panel-clock").click().run()
    assert room.ledger.said == []
    app.button(key="panel-confirm").click().run()

    assert len(room.ledger.said) == 1
    assert "otto.auditor" in room.ledger.said[0]
    assert room.settings.clock_file.read_text() == "3600"
    assert "the clock is 60 minutes ahead" in words(app) or "1 h ahead" in words(app)


def test_cancel_leaves_everything_as_it_was(visit: Visit, room: FakeRoom) -> None:
    app = visit(room, "settings", "otto.auditor", show="panel")
    app.button(key="panel-tamper").click().run()

    app.button(key="panel-cancel").click().run()

    assert room.ledger.said == []
    assert not [button for button in app.button if button.key == "panel-confirm"]


def test_a_breach_is_recorded_before_it_is_tried_and_a_missing_endpoint_is_said(visit: Visit, room: FakeRoom) -> None:
    room.settings = room.settings.model_copy(update={"serving_url": "http://127.0.0.1:1"})
    app = visit(room, "settings", "otto.auditor", show="panel")
    assert crashed(app) == []

    app.button(key="panel-breach").click().run()
    assert "a second, and logged" in words(app)
    app.button(key="panel-confirm").click().run()

    assert len(room.ledger.said) == 1
    assert "ms later" in room.ledger.said[0]
    assert "gateway.token" in words(app)
    assert crashed(app) == []
