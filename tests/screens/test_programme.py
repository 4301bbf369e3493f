"""The programme screen: what is proven, what is missing and where to mend it, and who answers for what."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from tests.fakes.room import FakeRoom
from tests.screens.conftest import words

Visit = Callable[..., AppTest]


def test_tasks_stand_by_phase_with_query_state_and_the_way_to_what_is_missing(visit: Visit) -> None:
    app = visit(FakeRoom(), "programme", case="none")
    said = words(app)

    assert "closed by evidence" in said
    assert [item for item in ("Days 1 to 30", "Days 31 to 60", "Days 61 to 90") if item not in said] == []
    assert "table\\-rules\\-kept: rules of feature tables" in said
    assert "Open again" in said
    assert "not known" in said
    assert "Go there" in {link.proto.label for link in app.get("page_link")}


def test_a_use_case_of_the_address_is_shown_and_an_unknown_one_is_named(visit: Visit) -> None:
    assert "for 2 models" in words(visit(FakeRoom(), "programme", case="delay-cover"))
    assert "does not exist here" in words(visit(FakeRoom(), "programme", case="nothing"))


def test_the_matrix_names_people_and_says_where_nobody_is_accountable(visit: Visit) -> None:
    app = visit(FakeRoom(), "programme", show="ownership", model="plan_utilisation")

    shown = " ".join(str(item.value.to_numpy().tolist()) for item in app.table)
    assert "Nobody is accountable" in " ".join(item.value for item in app.warning)
    assert "Release and rollback" in shown
    assert "gone" in shown
