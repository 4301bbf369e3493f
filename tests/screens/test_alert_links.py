"""Where alerts lead: each kind to the screen that shows it, and that screen reads every part of the address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from streamlit.testing.v1 import AppTest

from pages.components import badges
from pages.components.places import PLACES, parse_target
from services.alerts import sources
from services.alerts.models import AlertKind, Condition
from services.kernel.clock import FrozenClock
from services.monitoring.performance_models import PerformanceQuery
from services.rollout.models import ActionState
from tests.builders import a_model
from tests.fakes import room_sample as sample
from tests.fakes.room import FakeRoom
from tests.fakes.room_incidents import ROLLBACK
from tests.fakes.room_sample import NOW
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
WAITING = replace(ROLLBACK, state=ActionState.PENDING, created_at=NOW - timedelta(minutes=3), seq_outcome=None)
MOVED, LIVE, BATCH, ORPHANED = "claims_triage", "delay_claim_score", "claims_triage", "plan_utilisation"


def conditions(room: FakeRoom) -> Iterator[Condition]:
    """Of every source, from what the room has to say."""
    view = room.monitoring.drift(MOVED, window_days=14)
    yield from sources.drift(view)
    yield from sources.performance(room.performance.decay(PerformanceQuery(model=MOVED)))
    yield from sources.tables(room.data_health.tables())
    yield from sources.pipelines(room.data_health.pipelines())
    yield from sources.promise(sample.sla_view(LIVE), a_model(name=LIVE))
    budget = sample.error_budget(LIVE)
    assert budget is not None
    yield from sources.burn(budget, LIVE, now=NOW)
    yield from sources.Budgets(lambda: room.portfolio.page().rows, clock=FrozenClock(NOW)).report().conditions
    yield from sources.rollbacks([LIVE], [WAITING], now=NOW)
    models = [item for item in sample.MODELS if item.name == ORPHANED]
    yield from sources.ownership(models, room.stewardship.orphans(ORPHANED))


def links() -> list[tuple[str, str]]:
    """(kind, subject or part, target) of everything an alert points at, each once."""
    found = dict[str, str]()
    for item in conditions(FakeRoom()):
        found.setdefault(item.target, f"{item.key.kind.value}: {item.key.subject}")
        for part in item.parts:
            found.setdefault(part.target, f"{item.key.kind.value}: {item.key.subject}, {part.name}")
    return [(name, target) for target, name in found.items()]


LINKS = links()


def opened(visit: Visit, target: str) -> AppTest:
    stem, (_, address) = target.partition("?")[0], parse_target(target)
    assert stem in PLACES
    return visit(FakeRoom(), stem, "dana.datascience", **address)


def test_every_kind_of_alert_has_a_link_here() -> None:
    assert {name.partition(":")[0] for name, _ in LINKS} == {kind.value for kind in AlertKind}


@pytest.mark.parametrize(("name", "target"), LINKS, ids=[f"{name} at {target}" for name, target in LINKS])
def test_the_screen_understands_the_whole_address(visit: Visit, name: str, target: str) -> None:
    """An address that a screen does not know gives its default and a note: another picture than the alert means."""
    app = opened(visit, target)

    assert crashed(app) == []
    assert "does not exist here" not in words(app), f"{name} leads to {target}"
    assert parse_target(target)[1].items() <= {key: _one(value) for key, value in app.query_params.items()}.items()


def _one(value: object) -> str:
    return str(value[0]) if isinstance(value, list) else str(value)


@cache
def of(kind: AlertKind, subject: str = "") -> Condition:
    found = (item for item in conditions(FakeRoom()) if item.key.kind is kind)
    return next(item for item in found if not subject or item.key.subject == subject)


def test_a_column_that_drifts_opens_itself_in_the_window_that_was_judged(visit: Visit) -> None:
    part = next(part for part in of(AlertKind.DRIFT, "columns").parts if part.name == "distance")

    app = opened(visit, part.target)

    assert "Drift, 14 days" in words(app)
    assert app.selectbox(key="at-window").value == "14"
    assert part.title in words(app)
    assert part.sentence in words(app).replace("\\", "")


def test_code_red_opens_the_mixes(visit: Visit) -> None:
    said = words(opened(visit, of(AlertKind.DRIFT, sources.CODE_RED).target))

    assert "Mix of provider" in said
    assert "Code red: PSI 0.25 or more" in said


def test_performance_opens_the_metric_that_was_judged(visit: Visit) -> None:
    condition = of(AlertKind.PERFORMANCE)
    app = opened(visit, condition.target)

    assert condition.sentence in words(app).replace("\\", "")
    assert app.selectbox(key="at-metric").value == condition.key.subject


def test_a_feature_table_opens_with_its_rules_alone(visit: Visit) -> None:
    condition = of(AlertKind.DATA)
    said = words(opened(visit, condition.target)).replace("\\", "")

    assert f"{condition.title.rstrip(':')} " in said
    assert "rules revision" in said
    assert all(part.sentence in said for part in condition.parts)


def test_a_pipeline_opens_first_and_alone(visit: Visit) -> None:
    condition = of(AlertKind.PIPELINE)
    app = opened(visit, condition.target)
    first = app.table[0].value

    assert len(first) == 1
    assert condition.title.removeprefix("Runs of ") in str(first.to_dict()).replace("\\", "")


def test_a_promise_and_a_budget_of_errors_open_the_days_they_were_judged_over(visit: Visit) -> None:
    latency, burn = of(AlertKind.SERVICE_LEVEL), of(AlertKind.BURN_RATE)
    app, budget = opened(visit, latency.target), opened(visit, burn.target)

    assert app.session_state["at-days"] == "7"
    assert latency.sentence in words(app).replace("\\", "")
    assert "Error budget left, 30 days" in words(budget)
    assert "How fast it burns" in words(budget)


def test_a_budget_of_money_opens_what_the_model_costs(visit: Visit) -> None:
    condition = of(AlertKind.BUDGET)
    said = words(opened(visit, condition.target)).replace("\\", "")

    assert condition.sentence in said


def test_a_rollback_that_waits_opens_what_the_machine_does(visit: Visit) -> None:
    said = words(opened(visit, of(AlertKind.ROLLBACK).target))

    assert "What the machine did" in said
    assert badges.word(WAITING.kind) in said


def test_a_duty_without_a_person_opens_who_answers_for_what(visit: Visit) -> None:
    app = opened(visit, of(AlertKind.OWNERSHIP).target)

    assert "Who answers for what" in words(app)
    assert app.session_state["at-show"] == "ownership"
