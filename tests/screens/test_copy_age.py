"""How old the copy of the registry is stands wherever models, requests, traffic and aliases are shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.copy_age import lines, words
from pages.components.format import md
from services.inventory.copying import CopyState, ModelCopy
from services.inventory.models import SyncState
from services.inventory.sweeping import Coverage
from tests.fakes.room import FakeRoom
from tests.fakes.room_sample import NOW, at
from tests.screens.conftest import crashed
from tests.screens.conftest import words as said

Visit = Callable[..., AppTest]
MODEL = "claims_triage"
GOOD = SyncState(source="registry", last_success=at(0.1), last_attempt=at(0.1))


def a_coverage(**changes: object) -> Coverage:
    facts: dict[str, object] = {"models": 10_000, "read": 10_000, "failing": 0, "oldest_reading": at(5)}
    return Coverage(**(facts | changes))  # type: ignore[arg-type]


def test_the_inventory_says_when_the_copy_was_complete_and_which_reading_is_oldest(visit: Visit) -> None:
    page = visit(FakeRoom(coverage=a_coverage()), "inventory")
    assert crashed(page) == []
    assert "The copy of the registry was complete 3 minutes ago" in said(page)
    assert "the model not read for longest was read 5 h ago" in said(page)


def test_the_inventory_says_how_many_models_wait_and_which_could_not_be_read(visit: Visit) -> None:
    waiting = a_coverage(read=1_877, failing=5, oldest_reading=None, named=("main.a", "main.b", "main.c"))
    page = said(visit(FakeRoom(coverage=waiting), "inventory"))
    assert "Waiting to be read for the first time: 8,123 of 10,000 models" in page
    assert f"Not readable at the last try: {md('main.a, main.b, main.c')} and 2 more" in page


def test_a_small_registry_that_is_read_at_once_has_an_age_too(visit: Visit) -> None:
    assert "The copy of the registry was complete" in said(visit(FakeRoom(), "inventory"))


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        (ModelCopy(state=CopyState.READ, read_at=at(0.05)), "registry read 3 minutes ago"),
        (ModelCopy(state=CopyState.NEVER), "never read from the registry"),
        (ModelCopy(state=CopyState.FAILED, read_at=at(7), error="403 FORBIDDEN"), "not readable at the last try"),
    ],
)
def test_model_request_and_traffic_say_how_old_their_registry_facts_are(
    visit: Visit, copy: ModelCopy, expected: str
) -> None:
    room = FakeRoom(copies={MODEL: copy})
    assert expected in said(visit(room, "model", name=MODEL))
    request = visit(room, "approvals", request="req-0001")
    assert expected in said(request)
    assert expected in said(visit(room, "rollouts", model=MODEL))


def test_the_list_of_deployments_says_how_old_the_copy_is(visit: Visit) -> None:
    page = visit(FakeRoom(coverage=a_coverage()), "rollouts")
    assert crashed(page) == []
    assert "The copy of the registry was complete 3 minutes ago" in said(page)


def test_only_what_was_read_in_time_is_grey_and_nothing_is_green() -> None:
    shown = {state: words(ModelCopy(state=state, read_at=at(1), error="away"), NOW) for state in CopyState}
    grey = {state for state, text in shown.items() if text.startswith(":gray[")}
    assert grey == {CopyState.READ, CopyState.SUPPLIED}
    assert all(text.startswith((":gray[", ":orange[")) for text in shown.values())


def test_a_registry_that_was_never_copied_completely_says_how_much_is_here() -> None:
    never = SyncState(source="registry", last_success=None, last_attempt=at(0.1))
    amber, _, text = lines(never, a_coverage(read=120, oldest_reading=None), NOW)[0]
    assert (amber, text) == (True, "The registry was never copied completely. 120 of 10,000 models are here.")


def test_a_failed_try_is_said_beside_the_age_of_what_is_known_and_names_models_once() -> None:
    failed = SyncState(source="registry", last_success=at(3), last_attempt=at(0.1), error="main.b: 403")
    found = lines(failed, a_coverage(failing=1, named=("main.b",), due=2), NOW)
    assert [amber for amber, _, _ in found] == [False, True, False]
    assert "complete 3 h ago" in found[0][2]
    assert md("main.b: 403") in found[1][2]
    assert "Due to be read again: 2 models" in found[2][2]


def test_a_message_of_the_platform_is_text_and_no_markup() -> None:
    shown = words(ModelCopy(state=CopyState.FAILED, read_at=at(1), error="**bold** [a](b)"), NOW)
    assert md("**bold** [a](b)") in shown
    assert "**bold**" not in shown
