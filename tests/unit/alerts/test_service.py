"""Alerts kept beside the ledger: one at a time per subject, people's acts as entries, silence never taken as health."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from services.adapters.sql.alerts import SqlAlerts
from services.alerts import rules
from services.alerts.models import AlertKind, AlertState, Counts, Happening, Key, Part, RaiseIncident
from services.alerts.threads import threads
from services.attestation.free_text import digest_of
from services.incidents.models import IncidentState
from services.kernel.errors import (
    AlreadyDecidedError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    RoleMissingError,
    StaleRequestError,
    StorageUnavailableError,
    TelemetryUnavailableError,
)
from services.kernel.health import Health
from tests.builders import MODEL, a_world
from tests.unit.alerts.conditions import KEY, a_condition
from tests.unit.alerts.conftest import DANA, OTTO, SAM, VERA, Watch, a_watch

H, W, B, U = Health.HEALTHY, Health.WATCH, Health.BREACH, Health.UNKNOWN
HOSTILE = "'; DROP TABLE alert; -- <img onerror=x> ![x](http://evil.example)"


# storage, on both databases


def test_an_alert_comes_back_from_the_database_as_it_was_kept(watch: Watch) -> None:
    watch.look(B, value=0.31, unit="PSI")
    watch.acknowledge(note="Looking at the carrier mix.")
    watch.snooze()

    with watch.world.units.read() as unit:
        kept = unit.alerts.get(watch.one.alert_id)

    assert kept == watch.one
    assert kept is not None
    assert (kept.value, kept.unit, kept.key) == (0.31, "PSI", KEY)
    assert kept.acknowledged is not None
    assert kept.snooze is not None
    assert [event.number for event in watch.view().history] == [3, 2, 1]


def test_filters_counts_and_order_are_those_of_the_states(watch: Watch) -> None:
    keys = [Key(model=MODEL, kind=AlertKind.DRIFT, subject=name) for name in ("a", "b", "c", HOSTILE)]
    states = (B, B, B, B)
    watch.source.conditions = tuple(
        a_condition(state, "1", key=key, title=key.subject) for key, state in zip(keys, states, strict=True)
    )
    watch.alerts.refresh()
    first, second = (item.alert_id for item in watch.all()[:2])
    with watch.world.units.write() as unit:
        for alert_id, change in ((first, "acknowledged"), (second, "snooze")):
            _change(unit.alerts, alert_id, change, watch)

    assert watch.alerts.counts() == Counts(open=2, acknowledged=1, snoozed=1, unknown=0)
    assert {item.alert_id for item in watch.all(states=(AlertState.ACKNOWLEDGED,))} == {first}
    assert {item.alert_id for item in watch.all(states=(AlertState.SNOOZED,))} == {second}
    assert [item.title for item in watch.all(states=(AlertState.OPEN,))] == ["c", HOSTILE]
    assert len(watch.all(mine=DANA)) == 4
    assert watch.all(mine=SAM) == ()
    assert watch.all(kinds=(AlertKind.PIPELINE,)) == ()
    assert watch.all(model="nobody") == ()


def _change(store: SqlAlerts, alert_id: str, what: str, watch: Watch) -> None:
    from dataclasses import replace

    from services.alerts.models import Acknowledgement, Snooze
    from tests.unit.alerts.conditions import SAM as ENGINEER

    alert = store.get(alert_id)
    assert alert is not None
    changed = (
        replace(alert, acknowledged=Acknowledgement(at=watch.now, by=ENGINEER))
        if what == "acknowledged"
        else replace(alert, snooze=Snooze(until=watch.now + timedelta(hours=1), by=ENGINEER))
    )
    store.save(replace(changed, revision=alert.revision + 1), None)


def test_two_workers_at_the_same_moment_make_one_alert(watch: Watch) -> None:
    others = [a_watch(watch.world) for _ in range(4)]
    gate, problems = threading.Barrier(len(others)), list[BaseException]()

    def work(own: Watch) -> None:
        own.source.conditions = (a_condition(B, "1"),)
        gate.wait()
        try:
            own.alerts.refresh()
        except BaseException as problem:  # noqa: BLE001 - looked at below
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(own,)) for own in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert watch.one.repeats == 1
    assert watch.happened() == ["opened"]


def test_two_people_at_the_same_moment_open_one_incident_and_both_are_led_to_it(watch: Watch) -> None:
    watch.look(B)
    alert_id, people = watch.one.alert_id, (SAM, "ada.admin", SAM, "ada.admin")
    gate, found, problems = threading.Barrier(len(people)), list[str](), list[BaseException]()

    def press(who: str, command: str) -> None:
        own = a_watch(watch.world)
        gate.wait()
        try:
            found.append(
                own.alerts.raise_incident(
                    RaiseIncident(command_id=command, alert_id=alert_id), actor=watch.world.actor(who)
                )[0]
            )
        except AlreadyDecidedError as late:  # whoever looked after it was linked is told so, and by which incident
            found.append(str(late).partition("belongs to ")[2].partition(" ")[0])
        except BaseException as problem:  # noqa: BLE001 - looked at below
            problems.append(problem)

    threads = [threading.Thread(target=press, args=(who, f"c-{place}")) for place, who in enumerate(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    (incident,) = watch.world.incidents.open(MODEL)
    assert set(found) == {incident.incident_id} == {watch.one.incident_id}
    assert len(watch.entries("alert-incident")) == 1
    assert len(watch.entries("incident-opened")) == 1


def test_the_database_itself_refuses_a_second_incident_of_one_cause(watch: Watch) -> None:
    from dataclasses import replace

    watch.look(B)
    watch.raise_incident()
    (kept,) = watch.world.incidents.open(MODEL)
    assert kept.cause == f"alert:{watch.one.alert_id}:0"

    with watch.world.units.read() as unit:
        (event,) = unit.incidents.events(kept.incident_id)

    with pytest.raises(StorageUnavailableError), watch.world.units.write() as unit:
        unit.incidents.add(replace(kept, incident_id="inc-99", opened_seq=99), event)


def test_the_database_itself_refuses_a_second_standing_alert_and_a_stale_change(watch: Watch) -> None:
    from dataclasses import replace

    watch.look(B)
    kept = watch.one

    with pytest.raises((IntegrityError, StorageUnavailableError)), watch.world.units.write() as unit:
        unit.alerts.add(replace(kept, alert_id="alr-99"), None)
    with pytest.raises(StaleRequestError), watch.world.units.write() as unit:
        unit.alerts.save(kept, None)
    assert watch.one == kept


# the worker


def test_what_happens_by_itself_is_told_in_the_history(quick_watch: Watch) -> None:
    quick_watch.look(W, W, B, U, H, H, B)

    assert quick_watch.happened() == ["opened", "worsened", "unknown", "closed", "reopened"]


def test_watched_ones_leave_nothing_behind(quick_watch: Watch) -> None:
    quick_watch.look(W, H)

    with quick_watch.world.units.read() as unit:
        assert unit.alerts.current(quick_watch.now - timedelta(days=9)) == {}


def test_a_round_without_news_writes_no_alert(quick_watch: Watch) -> None:
    quick_watch.look(B)
    before = quick_watch.one.revision

    assert quick_watch.alerts.refresh() == 0
    assert quick_watch.one.revision == before


def test_a_source_that_cannot_be_read_closes_nothing_and_is_named(quick_watch: Watch) -> None:
    quick_watch.look(B)
    quick_watch.source.away = "The inference log cannot be read."

    with pytest.raises(TelemetryUnavailableError):
        quick_watch.alerts.refresh()

    (look,) = quick_watch.alerts.looks()
    assert (look.source, look.error.startswith("The inference log")) == ("drift", True)
    assert look.last_success is not None
    assert quick_watch.one.stands
    assert quick_watch.one.unknown_since is not None
    assert "inference log" in quick_watch.view().history[0].sentence


def test_a_model_that_cannot_be_read_does_not_silence_the_others(quick_watch: Watch) -> None:
    quick_watch.look(B)
    quick_watch.source.conditions = ()
    quick_watch.source.failed = {MODEL: "Its folder is broken."}

    quick_watch.alerts.refresh()

    assert "Its folder is broken" in quick_watch.view().history[0].sentence
    assert quick_watch.alerts.looks()[0].error == "Its folder is broken."


def test_a_feature_nobody_reports_any_more_stays_open_until_somebody_closes_it(quick_watch: Watch) -> None:
    quick_watch.look(B)
    quick_watch.source.conditions = ()
    quick_watch.alerts.refresh()
    assert quick_watch.one.stands

    receipt = quick_watch.close()

    assert quick_watch.one.closed_at is not None
    (entry,) = quick_watch.entries("alert-closed")
    assert entry["seq"] == receipt.seq
    assert "which was not measured since" in entry["detail"]["sentence"]


def test_nobody_looked_yet_is_not_nothing_found(quick_watch: Watch) -> None:
    assert quick_watch.alerts.looks() == ()


def test_alerts_of_one_model_and_kind_belong_to_one_thread(quick_watch: Watch) -> None:
    quick_watch.look(B)
    more = tuple(
        a_condition(B, "9", key=Key(model=MODEL, kind=kind, subject="more"))
        for kind in (AlertKind.DRIFT, AlertKind.PERFORMANCE)
    )
    quick_watch.source.conditions = (*quick_watch.source.conditions, *more)
    quick_watch.alerts.refresh()

    threads = {(item.key.kind, item.key.subject): item.thread for item in quick_watch.all()}
    assert threads[AlertKind.DRIFT, "more"] == threads[AlertKind.DRIFT, "distance"]
    assert threads[AlertKind.PERFORMANCE, "more"] != threads[AlertKind.DRIFT, "more"]


def test_a_model_nobody_governs_raises_nothing(quick_watch: Watch) -> None:
    quick_watch.look(B, key=Key(model="unknown_model", kind=AlertKind.DRIFT, subject="x"))

    assert quick_watch.all() == ()


def test_an_incident_that_a_rule_opened_is_linked_and_not_told_twice(quick_watch: Watch) -> None:
    key = f"burn:{MODEL}:page"
    incident_id = quick_watch.world.incidents.open_by_rule(
        key=key, model=MODEL, severity=2, title="Budget burns", sentence="It burns.", version="2"
    )
    quick_watch.source.kinds = frozenset({AlertKind.BURN_RATE})
    quick_watch.look(B, key=Key(model=MODEL, kind=AlertKind.BURN_RATE, subject="errors"), incident_key=key)

    assert quick_watch.one.incident_id == incident_id
    assert rules.late_at(quick_watch.one, now=quick_watch.now) is None
    assert incident_id in quick_watch.view().history[0].sentence


def test_columns_come_and_go_inside_one_alert_that_keeps_who_has_it(watch: Watch) -> None:
    columns = Key(model=MODEL, kind=AlertKind.DRIFT, subject="columns")

    def look(window: str, **states: Health) -> None:
        watch.source.conditions = (
            a_condition(U, window, key=columns, title="Drift of", noun="column", parts=parts(**states)),
        )
        watch.alerts.refresh()
        watch.later(hours=6)

    look("1", a=B, b=H, c=W)
    assert watch.one.title == "Drift of A and 1 more column"
    assert watch.one.sentence.startswith("2 of 3 columns: A, C.")
    watch.acknowledge()
    look("2", a=H, b=B, c=W)
    look("3", a=H, b=B, c=B)
    assert [(part.name, part.state) for part in watch.one.parts] == [("b", B), ("c", B)]
    assert watch.one.acknowledged is not None
    look("4", a=H, b=U, c=H)
    assert (watch.one.state_seen, watch.one.stands) == (U, True)
    look("5", a=H, b=H, c=H)
    look("6", a=H, b=U, c=H)
    look("7", a=H, b=H, c=H)
    assert watch.one.stands
    look("8", a=H, b=H, c=H)

    assert watch.one.closed_at is not None
    assert watch.happened()[:3] == ["opened", "acknowledged", "changed"]
    assert "Joined: B. Back within the limits: A." in [event.sentence for event in watch.view().history]
    with watch.world.units.read() as unit:
        assert unit.alerts.get(watch.one.alert_id) == watch.one


def parts(**states: Health) -> tuple[Part, ...]:
    return tuple(
        Part(
            name=name,
            title=name.upper(),
            state=state,
            sentence=f"{name} is {state.value}.",
            target=f"drift?feature={name}",
        )
        for name, state in states.items()
    )


# people


def test_acknowledging_is_an_entry_that_keeps_the_note_out_of_the_ledger(quick_watch: Watch) -> None:
    quick_watch.look(B)

    receipt = quick_watch.acknowledge(note=HOSTILE)

    (entry,) = quick_watch.entries("alert-acknowledged")
    event = quick_watch.view().history[0]
    assert (entry["actor"]["sub"], entry["seq"]) == (SAM, receipt.seq)
    assert (event.text, event.seq, event.by and event.by.subject) == (HOSTILE, receipt.seq, SAM)
    assert entry["detail"]["text"] == digest_of(event.salt, HOSTILE)
    assert HOSTILE not in str(entry)
    assert quick_watch.view().state is AlertState.ACKNOWLEDGED


def test_the_same_command_twice_is_one_entry_and_a_second_person_is_told_who_was_first(quick_watch: Watch) -> None:
    quick_watch.look(B)
    first = quick_watch.acknowledge(command="c-1")

    again = quick_watch.acknowledge(command="c-1")

    assert (again.seq, again.repeated) == (first.seq, True)
    with pytest.raises(AlreadyDecidedError, match="Sam"):
        quick_watch.acknowledge(DANA)


@pytest.mark.parametrize("who", [OTTO, VERA])
def test_who_neither_runs_nor_owns_models_changes_nothing(quick_watch: Watch, who: str) -> None:
    quick_watch.look(B)

    with pytest.raises(RoleMissingError):
        quick_watch.acknowledge(who)
    with pytest.raises(RoleMissingError):
        quick_watch.snooze(who)
    with pytest.raises(RoleMissingError):
        quick_watch.raise_incident(who)
    assert quick_watch.view(who).refusal(Happening.ACKNOWLEDGED)
    assert quick_watch.one.acknowledged is None


def test_a_snooze_needs_a_reason_and_an_end_that_the_tier_allows(quick_watch: Watch) -> None:
    quick_watch.look(B)

    with pytest.raises(MissingReasonError):
        quick_watch.snooze(reason="later")
    with pytest.raises(InputError, match="tier 1"):
        quick_watch.snooze(hours=25)
    quick_watch.snooze(hours=24)

    assert quick_watch.view().state is AlertState.SNOOZED
    (entry,) = quick_watch.entries("alert-snoozed")
    assert entry["detail"]["until"]


def test_waking_ends_a_snooze_and_asks_for_an_acknowledgement_from_now(quick_watch: Watch) -> None:
    quick_watch.look(B)
    quick_watch.snooze()
    quick_watch.later(hours=2)

    quick_watch.wake()

    assert quick_watch.view().state is AlertState.OPEN
    assert quick_watch.view().late_at == quick_watch.now + timedelta(hours=1)
    assert len(quick_watch.entries("alert-unsnoozed")) == 1


def test_one_click_opens_one_incident_and_both_know_each_other(quick_watch: Watch) -> None:
    quick_watch.look(B)

    incident_id = quick_watch.raise_incident(command="c-1")

    assert quick_watch.raise_incident(command="c-1") == incident_id
    (incident,) = quick_watch.world.incidents.open(MODEL)
    assert (incident.incident_id, incident.state) == (quick_watch.one.incident_id, IncidentState.OPEN)
    assert quick_watch.one.alert_id in incident.text
    with pytest.raises(AlreadyDecidedError, match=incident_id):
        quick_watch.raise_incident()
    assert quick_watch.entries("alert-incident")[0]["detail"]["incident"] == incident_id


def test_what_is_over_cannot_be_acknowledged(quick_watch: Watch) -> None:
    quick_watch.look(B, H, H)

    with pytest.raises(IllegalTransitionError, match="is over"):
        quick_watch.acknowledge()
    assert quick_watch.entries("alert-refused")[0]["detail"]["target"] == "acknowledged alr-1"


def test_an_unknown_alert_is_told_calmly(quick_watch: Watch) -> None:
    with pytest.raises(InputError, match="There is no alert"):
        quick_watch.alerts.view(HOSTILE, actor=quick_watch.world.actor(SAM))


def test_nobody_is_late_for_what_quiet_hours_kept_from_them(tmp_path: Path) -> None:
    made = a_watch(a_world(tmp_path), quiet=lambda _tier, wakes, at: at if wakes else at + timedelta(hours=10))
    opened = made.now
    made.look(B)

    late = opened + timedelta(hours=11)
    assert made.view().late_at == late
    assert {rules.late_at(alert, now=made.now) for alert in (*made.alerts.standing(), made.one)} == {late}
    [thread] = threads(made.alerts.standing(), now=late - timedelta(minutes=1))
    assert thread.late_at is None
    [thread] = threads(made.alerts.standing(), now=late)
    assert thread.late_at == late
    made.world.database.dispose()
