"""Every screen stands in every state: full, empty, unavailable, signed out, not permitted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.places import PLACES
from services.kernel.identity import Permission
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
SCREENS = tuple(PLACES)
OBJECTS = (
    ("model", {"name": "claims_triage"}),
    ("model", {"name": "claims_triage", "show": "gates"}),
    ("model", {"name": "claims_triage", "show": "lineage"}),
    ("model", {"name": "claims_triage", "show": "history"}),
    ("model", {"name": "claims_triage", "show": "metadata"}),
    ("model", {"name": "claims_triage", "show": "risk"}),
    ("model", {"name": "payout_forecast", "show": "risk"}),
    ("model", {"name": "damage_photo_vendor", "show": "metadata"}),
    ("model", {"name": "damage_photo_vendor"}),
    ("approvals", {"request": "req-0001"}),
    ("evaluation", {"model": "claims_triage", "version": "5", "show": "charts"}),
    ("evaluation", {"model": "claims_triage", "version": "2"}),
    ("rollouts", {"model": "delay_claim_score"}),
    ("rollouts", {"model": "claims_triage"}),
    ("rollouts", {"show": "endpoints"}),
    ("alerts", {"alert": "alr-1"}),
    ("alerts", {"alert": "alr-4"}),
    ("alerts", {"alert": "alr-99"}),
    ("alerts", {"state": "closed"}),
    ("incidents", {"incident": "inc-1"}),
    ("incidents", {"incident": "inc-2"}),
    ("incidents", {"incident": "inc-3"}),
    ("incidents", {"incident": "inc-9"}),
    ("monitors", {"model": "delay_claim_score"}),
    ("monitors", {"model": "delay_claim_score", "show": "edit"}),
    ("monitors", {"model": "delay_claim_score", "show": "history"}),
    ("monitors", {"model": "claims_triage"}),
    ("monitors", {"new": "1"}),
    ("drift", {"model": "plan_utilisation"}),
    ("performance", {"model": "claims_triage"}),
    ("performance", {"model": "payout_forecast"}),
    ("performance", {"model": "damage_photo_vendor"}),
    ("reliability", {"model": "delay_claim_score"}),
    ("reliability", {"model": "damage_photo_vendor"}),
    ("reliability", {"model": "claims_triage"}),
    ("data_health", {"table": "route_features", "days": "60"}),
    ("data_health", {"pipeline": "databricks:77:job:901"}),
    ("programme", {"case": "delay-cover", "show": "ownership"}),
    ("programme", {"show": "ownership", "model": "plan_utilisation"}),
    ("feedback", {"model": "claims_triage", "reason": "NO-ONGOING-TREATMENT"}),
    ("feedback", {"model": "claims_triage", "show": "retraining"}),
    ("feedback", {"model": "damage_photo_vendor", "days": "90"}),
    ("value", {"model": "delay_claim_score"}),
    ("value", {"model": "damage_photo_vendor"}),
    *(("value", {"model": "claims_triage", "show": name}) for name in ("cost", "running", "statement")),
    ("value", {"model": "damage_photo_vendor", "show": "statement"}),
    ("audit", {"entry": "38"}),
    *(
        ("audit", {"section": name})
        for name in (
            "asof",
            "segregation",
            "exceptions",
            "retention",
            "samples",
            "controls",
            "exports",
            "access",
        )
    ),
    ("audit", {"section": "lookup", "model": "delay_claim_score"}),
    ("audit", {"section": "lookup", "prediction": "p-1"}),
    ("audit", {"section": "samples", "sample": "11"}),
    ("audit", {"asof": "2030-10-01"}),
    ("inventory", {"asof": "2030-10-01"}),
    *(("policies", {"show": name}) for name in ("text", "versions", "propose")),
    ("policies", {"tier": "2", "show": "text"}),
    ("settings", {"show": "environment"}),
    ("settings", {"show": "delegation"}),
    ("settings", {"show": "access"}),
)
ALL = tuple((screen, {}) for screen in SCREENS) + OBJECTS


@pytest.mark.parametrize("mode", ["full", "empty", "unavailable"])
@pytest.mark.parametrize(("screen", "address"), ALL)
def test_screen_shows_a_title_and_no_trace(visit: Visit, screen: str, address: dict[str, str], mode: str) -> None:
    app = visit(FakeRoom(mode=mode), screen, **address)

    assert crashed(app) == []
    assert len(app.title) == 1


@pytest.mark.parametrize("screen", ["overview", "inventory", "approvals", "drift", "performance", "value", "audit"])
def test_unavailable_source_says_so_with_the_age_of_what_is_shown(visit: Visit, screen: str) -> None:
    app = visit(FakeRoom(mode="unavailable"), screen)

    assert "nothing is shown as known" in " ".join(text.value for text in app.warning)


def test_last_known_values_stay_on_screen_when_the_source_goes_away(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "overview")

    room.mode = "unavailable"
    app.run()

    assert "Models in breach" in words(app)
    assert "was read" in app.warning[0].value


@pytest.mark.parametrize("screen", SCREENS)
def test_signed_out_visitor_sees_only_the_sign_in_screen(visit: Visit, screen: str) -> None:
    app = visit(FakeRoom(), screen, who="")

    assert [title.value for title in app.title] == ["Sign in to Countersign"]
    assert not app.dataframe
    assert not app.table


@pytest.mark.parametrize(
    ("screen", "permission"),
    [("value", Permission.VIEW_VALUE), ("audit", Permission.VIEW_LEDGER), ("approvals", Permission.VIEW)],
)
def test_page_a_role_may_not_open_says_so_and_why(visit: Visit, screen: str, permission: Permission) -> None:
    app = visit(FakeRoom(forbidden=frozenset({permission})), screen)

    assert "you may not open this page" in app.warning[0].value
    assert not app.dataframe


@pytest.mark.parametrize(
    "who", ["ben.business", "sam.sre", "dana.datascience", "vera.validator", "otto.auditor", "ada.admin"]
)
@pytest.mark.parametrize("screen", ["overview", "model", "approvals", "rollouts"])
def test_every_role_can_read_what_it_may_see(visit: Visit, screen: str, who: str) -> None:
    address = {"model": {"name": "claims_triage", "show": "gates"}, "approvals": {"request": "req-0001"}}.get(
        screen, {}
    )

    assert crashed(visit(FakeRoom(), screen, who, **address)) == []


def test_missing_worker_is_told_with_the_command_to_start_it(visit: Visit) -> None:
    app = visit(FakeRoom(worker_alive=False), "overview")

    assert "The worker is not running" in app.warning[0].value
    assert "python -m services worker" in app.warning[0].value


def test_unexpected_failure_shows_an_incident_number_and_no_trace(visit: Visit) -> None:
    room = FakeRoom()
    room.portfolio.page = lambda _query: 1 / 0

    app = visit(room, "value")

    assert "Incident" in app.error[0].value
    assert "ZeroDivision" not in words(app)


def test_text_written_by_people_is_shown_as_typed(visit: Visit) -> None:
    for screen, address in (("inventory", {}), ("model", {"name": "claims_triage"})):
        shown = words(visit(FakeRoom(hostile=True), screen, **address))
        assert "![x](" not in shown
        assert ":red[x]" not in shown
        assert "<b>" not in shown.replace("\\<b", "")


def test_refusal_on_sign_in_is_told_on_the_sign_in_screen(visit: Visit) -> None:
    app = visit(FakeRoom(), "overview", who="")

    app.button(key="sign-in-clara.compliance").click().run()

    assert app.title[0].value == "Overview"


def test_sign_out_ends_the_session_for_every_tab(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "overview")

    app.button(key="sign-out").click().run()

    assert app.title[0].value == "Sign in to Countersign"
    assert room.sessions == {}
