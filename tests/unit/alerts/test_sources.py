"""What slices measured, in the words of alerts: states stay what they are, and every condition leads to its chart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import pytest

from pages.components.places import PLACES, parse_target
from services.alerts import sources
from services.alerts.answering import Answering
from services.alerts.models import AlertKind, Condition, Impact, Key
from services.alerts.ports import Report
from services.data_health.models import RuleKind, RuleResult, Standing, TableHealth
from services.incidents.on_call import OnCall
from services.inventory.models import DeploymentKind
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError, UnknownModelError
from services.kernel.health import Health
from services.monitoring.models import DriftView
from services.rollout.models import ActionKind, ActionState
from tests.builders import a_model
from tests.fakes import room_sample as sample
from tests.fakes.room import FakeRoom
from tests.fakes.room_drift import FakeDrift
from tests.fakes.room_incidents import ROLLBACK
from tests.fakes.room_sample import NOW
from tests.unit.alerts.conditions import a_condition

WAITING = replace(ROLLBACK, state=ActionState.PENDING, created_at=NOW - timedelta(minutes=3), seq_outcome=None)


@cache
def moved() -> DriftView:
    """As judged by the real rules, on profiles kept in memory."""
    view: DriftView = FakeDrift(FakeRoom()).drift("claims_triage")
    return view


def by_subject(found: tuple[Condition, ...]) -> dict[str, Condition]:
    return {item.key.subject: item for item in found}


def test_all_columns_are_parts_of_one_condition_and_being_measured_at_all_is_another() -> None:
    view = moved()

    found = by_subject(sources.drift(view))

    assert set(found) - {"code-red"} == {"columns", "measurement"}
    assert ("code-red" in found) is (view.code_red is not None)
    assert found["measurement"].state is Health.HEALTHY
    assert [part.name for part in found["columns"].parts] == [item.feature for item in view.features]
    first = view.features[0]
    assert found["columns"].parts[0].target == f"drift?model=claims_triage&window=7&feature={first.feature}"
    assert found["columns"].window == max(item.latest.day for item in view.features if item.latest).isoformat()


@pytest.mark.parametrize(
    ("red", "column", "told"),
    [
        (Health.BREACH, Health.HEALTHY, Health.BREACH),
        (Health.BREACH, Health.BREACH, Health.HEALTHY),  # by the alert about columns
        (Health.WATCH, Health.HEALTHY, Health.HEALTHY),
        (Health.UNKNOWN, Health.HEALTHY, Health.UNKNOWN),
        (Health.HEALTHY, Health.HEALTHY, Health.HEALTHY),
    ],
)
def test_code_red_of_a_mix_is_told_where_no_red_column_says_so(red: Health, column: Health, told: Health) -> None:
    view = moved()
    feature = replace(view.features[0], state=column, sustained=column is Health.BREACH)
    said = replace(view.signal, state=red, sentence="Code red: the mix of regions.")

    found = by_subject(sources.drift(replace(view, features=(feature,), code_red=said)))

    assert found["code-red"].state is told
    assert found["code-red"].sentence == "Code red: the mix of regions."
    assert found["code-red"].target == "drift?model=claims_triage&window=7&show=slices"
    assert found["code-red"].window == found["columns"].window


def test_red_in_one_window_is_a_warning_and_in_two_of_three_a_breach() -> None:
    view = moved()
    red = replace(view.features[0], state=Health.BREACH, sustained=False)

    for feature, state in ((red, Health.WATCH), (replace(red, sustained=True), Health.BREACH)):
        found = by_subject(sources.drift(replace(view, features=(feature,))))
        assert found["columns"].parts[0].state is state


def test_every_chart_of_drift_is_the_one_of_the_window_that_was_judged() -> None:
    view = replace(moved(), window_days=28)

    found = sources.drift(replace(view, code_red=view.signal))

    targets = [*(item.target for item in found), *(part.target for item in found for part in item.parts)]
    assert len(targets) > 3
    assert {parse_target(target)[1]["window"] for target in targets} == {"28"}


def test_old_figures_are_no_verdict_about_now() -> None:
    view = moved()
    old = replace(view, signal=replace(view.signal, state=Health.UNKNOWN, n=None, sentence="9 days ago."))

    found = sources.drift(old)

    assert {item.state for item in found} == {Health.UNKNOWN}
    assert {part.state for part in found[0].parts} == {Health.UNKNOWN}
    assert [item.key.subject for item in found if item.alarms_unknown] == ["measurement"]


def test_a_model_that_was_never_recorded_is_no_alert() -> None:
    view = moved()

    assert sources.drift(replace(view, features=(), signal=replace(view.signal, as_of=None, n=None))) == ()


def test_promises_keep_their_state_and_nothing_promised_is_nothing_broken() -> None:
    view, model = sample.sla_view("delay_claim_score"), a_model()

    found = by_subject(sources.promise(view, model))

    assert (found["latency"].state, found["errors"].state) == (view.latency.state, view.errors.state)
    assert {item.key.kind for item in found.values()} == {AlertKind.SERVICE_LEVEL}
    assert "Late runs" in sources.promise(view, replace(model, kind=DeploymentKind.BATCH))[0].title
    assert sources.promise(replace(view, level=None), model) == ()


def test_a_burning_budget_names_the_incident_its_rule_opens() -> None:
    view = sample.error_budget("m")
    assert view is not None
    calm = replace(view, burns=tuple(replace(item, firing=False) for item in view.burns))
    blind = replace(view, burns=tuple(replace(item, firing=False, long_rate=None) for item in view.burns))

    ((fire,), (quiet,), (unknown,)) = (sources.burn(item, "m", now=NOW) for item in (view, calm, blind))

    assert (fire.state, fire.incident_key) == (Health.BREACH, "burn:m:page")
    assert (quiet.state, quiet.incident_key) == (Health.HEALTHY, "")
    assert unknown.state is Health.UNKNOWN


def test_a_rollback_that_is_not_carried_out_for_two_minutes_cannot_wait() -> None:
    found = by_subject(tuple(sources.rollbacks([WAITING.model], [WAITING], now=NOW)))["waiting"]

    assert (found.state, found.urgent, found.target) == (Health.BREACH, True, f"rollouts?model={WAITING.model}")
    assert "Traffic is not known to be back" in found.sentence


@pytest.mark.parametrize(
    "waiting",
    [
        [],
        [replace(WAITING, created_at=NOW - timedelta(minutes=2))],
        [replace(WAITING, kind=ActionKind.ADVANCE)],
    ],
)
def test_what_is_carried_out_or_brings_nothing_back_is_healthy(waiting: list[object]) -> None:
    (found,) = sources.rollbacks([WAITING.model], waiting, now=NOW)  # type: ignore[arg-type]

    assert found.state is Health.HEALTHY


def test_each_rule_of_a_table_concerns_every_model_that_rests_on_it() -> None:
    result = RuleResult(kind=RuleKind.FRESHNESS, state=Health.BREACH, sentence="Nothing since Monday.", n=0, value=80.0)
    table = TableHealth(
        name="weather",
        title="Weather",
        owner="dana",
        models=("a", "b"),
        revision=1,
        standings=(Standing(result=result, day=date(2030, 11, 20), since=date(2030, 11, 18)),),
        last_day=date(2030, 11, 18),
        checked_at=NOW,
    )

    late = replace(result, kind=RuleKind.VOLUME, state=Health.HEALTHY, sentence="As usual.")
    table = replace(table, standings=(*table.standings, Standing(result=late, day=date(2030, 11, 19), since=date.min)))

    found = sources.tables([table])

    assert [(item.key.model, item.key.subject, item.window) for item in found] == [
        ("a", "weather", "2030-11-20"),
        ("b", "weather", "2030-11-20"),
    ]
    assert [(part.name, part.state) for part in found[0].parts] == [
        ("freshness", Health.BREACH),
        ("volume", Health.HEALTHY),
    ]
    (broken, _) = sources.tables([replace(table, problem="It cannot be read.")])
    assert {part.state for part in broken.parts} == {Health.UNKNOWN}
    assert sources.tables([replace(table, standings=())]) == ()


def test_every_target_names_a_screen_that_exists() -> None:
    view = sample.error_budget("m")
    assert view is not None
    found = (
        *sources.drift(moved()),
        *sources.promise(sample.sla_view("delay_claim_score"), a_model()),
        *sources.burn(view, "m", now=NOW),
        *sources.rollbacks(["m"], [], now=NOW),
    )

    assert {item.target.partition("?")[0] for item in found} <= set(PLACES)
    assert all(parse_target(item.target)[1]["model"] for item in found)


def test_one_model_that_cannot_be_read_is_named_and_the_others_are_asked() -> None:
    models = (a_model(name="a"), a_model(name="b"), a_model(name="v", kind=DeploymentKind.VENDOR), a_model(name="gone"))

    def ask(model: object) -> tuple[Condition, ...]:
        name = model.name  # type: ignore[attr-defined]
        if name == "a":
            raise TelemetryUnavailableError("Its folder is broken.")
        if name == "gone":
            raise UnknownModelError("There is no such model.", hint="")
        return tuple(sources.rollbacks([name], [], now=NOW))

    report = sources.PerModel(name="x", kinds=frozenset({AlertKind.ROLLBACK}), models=lambda: models, ask=ask).report()

    assert [item.key.model for item in report.conditions] == ["b"]
    assert list(report.failed) == ["a"]


def test_the_model_is_answered_for_by_its_maker_and_serving_by_who_is_on_call() -> None:
    people = FakeRoom().people.people
    model = a_model(name="m")
    duty = OnCall(model="m", name="Ada", subject="ada.admin", sentence="Ada stands in.", issuer="countersign:demo")
    about = Answering(models=lambda: (model,), people=people, duties=lambda _names: (duty,))()

    drift, sla = (
        about(a_condition(key=Key(model="m", kind=kind, subject="x")))
        for kind in (AlertKind.DRIFT, AlertKind.SERVICE_LEVEL)
    )

    assert drift.owner is not None
    assert sla.owner is not None
    assert (drift.owner.subject, sla.owner.subject) == ("dana.datascience", "ada.admin")
    assert (drift.impact, drift.tier) == (Impact.HIGH, 1)
    with pytest.raises(UnknownModelError):
        about(a_condition(key=Key(model="nobody", kind=AlertKind.DRIFT, subject="x")))


def test_a_model_is_asked_again_only_when_its_figures_or_the_day_changed_or_it_could_not_be_read() -> None:
    clock, asked, marks, broken = FrozenClock(NOW), list[str](), {"a": "1", "b": "1"}, set[str]()

    def ask(model: object) -> tuple[Condition, ...]:
        name = model.name  # type: ignore[attr-defined]
        asked.append(name)
        if name in broken:
            raise TelemetryUnavailableError("Its folder is broken.")
        return tuple(sources.rollbacks([name], [], now=NOW))

    models = (a_model(name="a"), a_model(name="b"), a_model(name="never"))
    source = sources.WhenChanged(
        sources.PerModel(name="drift", kinds=frozenset({AlertKind.DRIFT}), models=lambda: models, ask=ask),
        marks=lambda: marks,
        clock=clock,
    )

    def passed() -> tuple[str, int]:
        asked.clear()
        said = len(source.report().conditions)
        return "".join(name[0] for name in asked), said

    assert passed() == ("abn", 3)
    assert passed() == ("n", 3)
    marks["b"] = "2"
    assert passed() == ("bn", 3)
    broken.add("a")
    marks["a"] = "2"
    assert passed() == ("an", 2)
    assert passed() == ("an", 2)
    broken.clear()
    assert passed() == ("an", 3)
    clock.set(NOW + timedelta(hours=1))
    assert passed() == ("abn", 3)
    clock.set(NOW)
    assert passed() == ("abn", 3)
    clock.set(NOW + timedelta(days=1) - timedelta(minutes=30))
    assert passed() == ("abn", 3)


def test_what_is_judged_by_the_day_is_not_asked_every_minute_and_a_gap_is_asked_again() -> None:
    clock, asked, failed = FrozenClock(NOW), list[int](), dict[str, str]()

    class Counted:
        name, kinds = "drift", frozenset({AlertKind.DRIFT})

        def report(self) -> Report:
            asked.append(1)
            return Report(conditions=(), failed=dict(failed))

    seldom = sources.Seldom(Counted(), every=timedelta(minutes=5), clock=clock)
    for minutes in (0, 1, 4, 5, 6):
        clock.set(NOW + timedelta(minutes=minutes))
        report = seldom.report()
    assert len(asked) == 2
    assert report.asked_at == NOW + timedelta(minutes=5)

    failed["m"] = "Its folder is broken."
    clock.set(NOW + timedelta(minutes=20))
    seldom.report()
    seldom.report()
    clock.set(NOW)
    seldom.report()

    assert len(asked) == 5


def test_budgets_are_those_of_the_kept_lines_and_an_old_line_says_nothing_about_today() -> None:
    line = FakeRoom().portfolio.page().rows[0]
    lines = (
        replace(line, model="over", budget_state=Health.BREACH, budget_sentence="Over by a third."),
        replace(line, model="free", budget=None),
        replace(line, model="old", computed_at=NOW - timedelta(days=3)),
    )

    report = sources.Budgets(lambda: lines, clock=FrozenClock(NOW)).report()

    (found,) = report.conditions
    assert (found.key.model, found.key.subject) == ("over", line.budget_month)
    assert (found.state, found.sentence, found.window) == (Health.BREACH, "Over by a third.", line.budget_day)
    assert line.budget_month == NOW.strftime("%Y-%m")
    assert found.value == pytest.approx(float(line.budget_share or 0))
    assert set(report.failed) == {"old"}
