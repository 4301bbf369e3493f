"""The bell on every page, the list of notices, and the channels: what is shown and what a click does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.places import PLACES
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def links(app: AppTest) -> str:
    return "\n".join(str(item.proto.label) for item in app.get("page_link"))


@pytest.mark.parametrize("screen", ["overview", "approvals", "audit", "settings"])
def test_bell_with_the_number_of_unread_notices_stands_on_every_page(visit: Visit, screen: str) -> None:
    assert screen in PLACES
    assert "3 unread" in links(visit(FakeRoom(), screen))


def test_bell_that_cannot_be_read_does_not_say_nothing_is_unread(visit: Visit) -> None:
    shown = links(visit(FakeRoom(mode="unavailable"), "overview"))

    assert "cannot be read" in shown
    assert "Nothing unread" not in shown


def test_marking_one_read_lowers_the_number(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "notices")

    app.button(key=f"read-{1:016x}").click().run()

    assert room.notices.read == {f"{1:016x}"}
    assert "2 unread" in links(app)


def test_marking_all_read_folds_the_news_and_keeps_what_is_to_do(visit: Visit) -> None:
    app = visit(FakeRoom(), "notices")

    app.button(key="mark-all").click().run()

    assert "Unsigned change" in words(app) + links(app)
    assert "Released" not in links(app)


def test_arriving_by_a_notice_marks_it_read_and_cleans_the_address(visit: Visit) -> None:
    room = FakeRoom()

    app = visit(room, "approvals", request="req-0001", notice=f"{0:016x}")

    assert room.notices.read == {f"{0:016x}"}
    assert "notice" not in app.query_params
    assert app.query_params["request"] in ("req-0001", ["req-0001"])


@pytest.mark.parametrize("forged", ["' OR 1=1 --", "<img src=x>", "0" * 40])
def test_address_cannot_name_a_notice_that_is_none(visit: Visit, forged: str) -> None:
    room = FakeRoom()

    app = visit(room, "overview", notice=forged)

    assert crashed(app) == []
    assert room.notices.read == set()


def test_filters_live_in_the_address(visit: Visit) -> None:
    app = visit(FakeRoom(), "notices", kind="unsigned-change", unread="1")

    assert "Unsigned change" in links(app)
    assert "Sign as" not in links(app)


def test_no_notice_says_what_would_be_told_here(visit: Visit) -> None:
    assert "You hear here of" in words(visit(FakeRoom(mode="empty"), "notices"))


def test_names_written_by_others_show_as_typed(visit: Visit) -> None:
    shown = links(visit(FakeRoom(hostile=True), "notices"))

    assert "![x](" not in shown
    assert ":red[x]" not in shown


def test_nothing_is_sent_by_default_and_the_screen_says_how_to_connect(visit: Visit) -> None:
    app = visit(FakeRoom(mode="empty"), "notices", show="channels")

    assert "Nothing is sent outside" in words(app)
    assert "channels:" in app.code[0].value


def test_channel_that_fails_says_since_when_and_why(visit: Visit) -> None:
    shown = words(visit(FakeRoom(), "notices", show="channels"))

    assert "Could not be delivered since" in shown
    assert "status 404" in shown


def test_only_administrators_can_send_a_test_message(visit: Visit) -> None:
    room = FakeRoom()
    assert not [button for button in visit(room, "notices", show="channels").button if button.key == "test-operators"]

    visit(room, "notices", "ada.admin", show="channels").button(key="test-operators").click().run()

    assert room.notices.tested == ["operators"]
