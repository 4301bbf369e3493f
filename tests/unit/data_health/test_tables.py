"""Data rules per day: what is kept, broken or not known, on good data and on every kind of bad data."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import delete

from services.adapters.sql.schema.data_health import table_result
from services.data_health.models import RuleKind
from services.data_health.service import KEEP_DAYS, ChangeRules, DataHealthService
from services.data_health.volume import expectation, hours_of
from services.kernel.errors import (
    ConflictError,
    InputError,
    MissingReasonError,
    RoleMissingError,
    TelemetryUnavailableError,
)
from services.kernel.health import Health
from tests.unit.data_health.world import DANA, SAM, World, quiet_weeks, rows
from tests.unit.monitoring.facts_on_disk import NOON, TODAY

YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quiet_weeks(tmp_path_factory.mktemp("weeks"))


@pytest.fixture
def world(weeks: Path, tmp_path: Path) -> World:
    """Six quiet weeks that end yesterday; rules are derived from them, so a test changes yesterday afterwards."""
    shutil.copytree(weeks, tmp_path / "inference")
    made = World(tmp_path / "inference", tmp_path)
    made.service.refresh()
    return made


def test_a_quiet_table_keeps_every_rule(world: World) -> None:
    [table] = world.service.tables()

    assert {item.result.kind: item.result.state for item in table.standings} == dict.fromkeys(RuleKind, Health.HEALTHY)
    assert table.state is Health.HEALTHY
    assert table.last_day == YESTERDAY


def test_rules_are_derived_once_and_recorded(world: World) -> None:
    world.service.refresh()
    rules = world.service.rules(world.table.name)

    assert rules is not None
    assert rules.revision == 1
    assert (rules.column("age").low, rules.column("age").high, rules.key) == (18, 64, ("prediction_id",))  # type: ignore[union-attr]
    assert [entry["event"] for entry in world.ledger.entries] == ["data-rules-derived"]


def test_too_few_days_give_no_rules_and_no_verdict(tmp_path: Path) -> None:
    world = World(quiet_weeks(tmp_path / "few", days=10), tmp_path)

    world.service.refresh()

    [table] = world.service.tables()
    assert table.state is Health.UNKNOWN
    assert "fourteen days" in table.problem


def test_a_folder_that_never_was_is_unknown(tmp_path: Path) -> None:
    world = World(tmp_path / "nowhere", tmp_path)

    world.service.refresh()

    [table] = world.service.tables()
    assert (table.state, table.problem) == (Health.UNKNOWN, "No row of this table has been found yet.")
    assert world.service.signal("m").state is Health.UNKNOWN


def test_a_folder_that_went_away_is_unknown_and_not_healthy(world: World) -> None:
    shutil.rmtree(world.folder)

    world.service.refresh()

    [table] = world.service.tables()
    assert table.state is Health.UNKNOWN
    assert "not where they were" in table.problem


def test_a_file_that_cannot_be_read_is_unknown_and_told(world: World) -> None:
    folder = world.folder / "predictions" / "model=m" / f"date={YESTERDAY}"
    (folder / "part-1.parquet").write_bytes(b"not parquet")

    with pytest.raises(TelemetryUnavailableError):
        world.service.refresh()

    [table] = world.service.tables()
    assert table.state is Health.UNKNOWN
    assert "cannot be read" in table.problem


def test_a_check_that_is_hours_old_is_no_longer_relied_on(world: World) -> None:
    [table] = world.at(NOON + timedelta(hours=2)).tables()

    assert table.state is Health.UNKNOWN
    assert "too long ago" in table.problem


def test_a_table_that_gets_no_more_rows_grows_stale_and_names_since_when(world: World) -> None:
    world.at(NOON + timedelta(days=3)).refresh()

    [table] = world.service.tables()
    fresh = table.standing(RuleKind.FRESHNESS)
    assert fresh is not None
    assert fresh.result.state is Health.BREACH
    assert fresh.since == TODAY, "41 hours at its end"
    assert "36 hours are allowed" in fresh.result.sentence


def test_an_empty_day_breaks_the_volume_and_says_nothing_about_values(world: World) -> None:
    world.day(rows(YESTERDAY).iloc[:0])

    assert world.said(RuleKind.VOLUME).state is Health.BREACH
    for kind in (RuleKind.SCHEMA, RuleKind.NULLS, RuleKind.RANGE, RuleKind.UNIQUE):
        assert world.said(kind).state is Health.UNKNOWN


@pytest.mark.parametrize(
    ("n", "state"),
    [(60, Health.HEALTHY), (75, Health.HEALTHY), (100, Health.WATCH), (140, Health.BREACH), (20, Health.BREACH)],
)
def test_the_volume_is_held_against_the_same_weekday(world: World, n: int, state: Health) -> None:
    world.day(rows(YESTERDAY, n))

    assert world.said(RuleKind.VOLUME).state is state


def test_a_day_that_is_not_over_is_not_short_of_rows(world: World) -> None:
    world.day(rows(TODAY, 5), TODAY)

    found = world.said(RuleKind.VOLUME, TODAY)
    assert (found.state, found.settled) == (Health.UNKNOWN, False)
    assert world.service.tables()[0].standing(RuleKind.VOLUME).day == YESTERDAY  # type: ignore[union-attr]


def test_shadow_rows_do_not_double_a_table(world: World) -> None:
    copies = rows(YESTERDAY).assign(role="shadow")
    copies["prediction_id"] += "-shadow"
    world.day(pd.concat([rows(YESTERDAY), copies]))

    assert world.said(RuleKind.VOLUME).state is Health.HEALTHY


def test_a_renamed_column_is_recognised_as_a_guess(world: World) -> None:
    world.day(rows(YESTERDAY).rename(columns={"age": "years"}))

    found = world.said(RuleKind.SCHEMA)
    assert found.state is Health.BREACH
    assert found.sentence == "age is gone and years is new, of the same type: perhaps renamed."
    assert world.said(RuleKind.NULLS).state is not Health.UNKNOWN


def test_a_column_that_became_text_is_a_breach_and_an_integer_is_not(world: World) -> None:
    world.day(rows(YESTERDAY).assign(age=rows(YESTERDAY)["age"].astype(int)))
    assert world.said(RuleKind.SCHEMA).state is Health.HEALTHY

    world.day(rows(YESTERDAY).assign(age=rows(YESTERDAY)["age"].astype(str)))
    assert "age is text (VARCHAR) instead of number" in world.said(RuleKind.SCHEMA).sentence


def test_a_new_column_is_watched(world: World) -> None:
    world.day(rows(YESTERDAY).assign(extra=1.0))

    found = world.said(RuleKind.SCHEMA)
    assert (found.state, found.sentence) == (Health.WATCH, "extra is new.")


@pytest.mark.parametrize("empty", [None, np.nan])
def test_a_column_without_any_value_breaks_the_null_rule_and_not_the_schema(world: World, empty: float | None) -> None:
    world.day(rows(YESTERDAY).assign(age=empty))

    found = world.said(RuleKind.NULLS)
    assert (found.state, found.sentence) == (Health.BREACH, "age is missing in 60 of 60 rows (100.0%).")
    assert world.said(RuleKind.SCHEMA).state is Health.HEALTHY


def test_few_missing_values_may_be_chance_and_few_rows_are_no_share(world: World) -> None:
    world.day(rows(YESTERDAY).assign(age=[np.nan, *rows(YESTERDAY)["age"][1:]]))
    assert world.said(RuleKind.NULLS).state is Health.WATCH

    world.day(rows(YESTERDAY, 5))
    assert world.said(RuleKind.NULLS).state is Health.UNKNOWN


def test_infinite_and_outside_values_break_a_declared_range_and_nan_does_not(world: World) -> None:
    ages = rows(YESTERDAY)["age"].to_numpy()
    world.day(rows(YESTERDAY).assign(age=[np.inf, -np.inf, 17.0, np.nan, *ages[4:]]))

    found = world.said(RuleKind.RANGE)
    assert (found.state, found.sentence) == (Health.BREACH, "age is outside 18 to 64 in 3 of 60 rows (5.0%).")


def test_repeated_keys_are_counted(world: World) -> None:
    world.day(pd.concat([rows(YESTERDAY), rows(YESTERDAY).iloc[:3]]))

    found = world.said(RuleKind.UNIQUE)
    assert (found.state, found.sentence) == (Health.BREACH, "3 of 63 rows repeat a key.")


def test_a_duplicated_day_repeats_every_key_and_breaks_the_volume(world: World) -> None:
    world.day(rows(YESTERDAY), name="part-1")

    assert world.said(RuleKind.UNIQUE).state is Health.BREACH
    assert world.said(RuleKind.VOLUME).state is Health.BREACH


def test_a_missing_time_column_leaves_the_age_unknown_for_that_day(world: World) -> None:
    world.day(rows(YESTERDAY).drop(columns="event_at"))

    found = world.said(RuleKind.FRESHNESS)
    assert (found.state, found.sentence) == (
        Health.UNKNOWN,
        "No value of event_at can be read as a time.",
    )
    assert "event_at is gone" in world.said(RuleKind.SCHEMA).sentence


def test_future_times_do_not_make_a_table_fresh(world: World) -> None:
    ahead = pd.Timestamp(NOON + timedelta(days=400)).as_unit("us")
    world.day(rows(YESTERDAY).assign(event_at=ahead))

    found = world.said(RuleKind.FRESHNESS)
    assert found.state is Health.BREACH
    assert "60 rows carry a time in the future" in found.sentence
    assert found.value == pytest.approx(41.0, abs=0.1)


def test_times_with_and_without_a_zone_are_never_compared(world: World) -> None:
    silent = rows(YESTERDAY, 30)
    silent["event_at"] = silent["event_at"].dt.tz_localize(None)
    world.day(silent, name="part-1")

    assert world.said(RuleKind.FRESHNESS).state is Health.UNKNOWN
    assert "mixes times with and without a zone" in world.said(RuleKind.SCHEMA).sentence


@pytest.mark.parametrize(
    ("zoned", "silent"),
    [
        ("2031-03-30T08:00:00+02:00", "2031-03-30 08:00:00"),
        ("2031-03-30 08:00:00 UTC", "2031-03-30 08:00:00"),
        ("2031-03-30 08:00:00 Europe/Berlin", "2031-03-30"),
    ],
)
def test_texts_that_state_a_zone_in_some_rows_only_are_mixed(world: World, zoned: str, silent: str) -> None:
    times = [zoned, silent] * 30
    world.day(rows(YESTERDAY).assign(event_at=times))

    assert "state a zone and some do not" in world.said(RuleKind.FRESHNESS).sentence


def test_texts_with_offsets_are_read_as_the_moment_they_name(world: World) -> None:
    world.day(rows(YESTERDAY).assign(event_at="2031-03-30T08:00:00+02:00"))

    assert world.said(RuleKind.FRESHNESS).value == pytest.approx(18.0)


def test_a_day_of_twenty_three_hours_is_expected_to_hold_fewer_rows() -> None:
    spring, autumn = datetime(2031, 3, 30, tzinfo=UTC).date(), datetime(2031, 10, 26, tzinfo=UTC).date()
    weeks = {spring - timedelta(days=back): 2400 for back in range(1, 60)}

    usual = expectation(spring, weeks, "Europe/Berlin")

    assert (hours_of(spring, "Europe/Berlin"), hours_of(autumn, "Europe/Berlin")) == (23, 25)
    assert usual is not None
    assert usual.rows == pytest.approx(2300)
    assert expectation(spring, weeks, "UTC").rows == 2400  # type: ignore[union-attr]


def test_a_table_that_rests_on_sundays_is_not_broken_then() -> None:
    sunday = datetime(2031, 3, 30, tzinfo=UTC).date()
    days = [sunday - timedelta(days=back) for back in range(1, 60)]
    weeks = {day: 100 for day in days if day.weekday() != 6}

    usual = expectation(sunday, weeks, "UTC")

    assert usual is not None
    assert usual.band(4)[0] == 0


def test_half_the_rows_every_fifth_day_are_usual_for_this_table() -> None:
    today = datetime(2031, 3, 31, tzinfo=UTC).date()
    weeks = {today - timedelta(days=back): 500 if back % 5 == 0 else 1000 for back in range(1, 60)}

    usual = expectation(today, weeks, "UTC")

    assert usual is not None
    assert usual.band(4)[0] < 500 < usual.rows


# Changing rules ----------------------------------------------------------------------------------------------------


def wider(service: DataHealthService, name: str) -> ChangeRules:
    rules = service.rules(name)
    assert rules is not None
    columns = tuple(replace(item, high=80.0) if item.name == "age" else item for item in rules.columns)
    return ChangeRules(rules=replace(rules, columns=columns), reason="Older members are insured now.", command_id="c1")


def test_a_change_of_rules_is_a_revision_with_who_when_and_why_and_judges_again(world: World) -> None:
    world.day(rows(YESTERDAY).assign(age=70.0))
    assert world.said(RuleKind.RANGE).state is Health.BREACH

    world.service.change_rules(wider(world.service, world.table.name), actor=DANA)

    newest = world.service.revisions(world.table.name)[0]
    assert (newest.revision, newest.changed_by, newest.changed_at) == (2, "Dana Petrov", NOON)
    entry = world.ledger.entries[-1]
    assert (entry["event"], entry["actor"]) == ("data-rules-changed", DANA)
    assert "18 to 64" in entry["detail"]["sentence"]
    assert "Older members are insured now." in entry["detail"]["sentence"]
    assert world.said(RuleKind.RANGE).state is Health.HEALTHY


def test_the_list_of_tables_reads_the_last_word_and_no_history(world: World) -> None:
    before = world.service.tables()
    assert before[0].standings

    with world.database.write() as connection:
        connection.execute(delete(table_result))

    assert world.service.tables() == before


def test_a_look_that_fails_keeps_the_last_word_and_says_that_it_failed(world: World) -> None:
    (before,) = world.service.tables()

    world.store.record_check(world.table.name, at=NOON, problem="It cannot be read.")

    (after,) = world.service.tables()
    assert (after.standings, after.state, after.problem) == (before.standings, Health.UNKNOWN, "It cannot be read.")


def test_days_older_than_what_is_judged_are_deleted_and_say_nothing_about_now(world: World) -> None:
    assert world.store.days(world.table.name, date.min)

    world.at(NOON + timedelta(days=KEEP_DAYS + 20)).refresh()

    oldest = (NOON + timedelta(days=20)).date()
    days, results = world.store.days(world.table.name, date.min), world.store.results(world.table.name, date.min)
    assert [item.day for item in (*days, *results) if item.day < oldest] == []
    (table,) = world.service.tables()
    assert (table.standings, table.state) == ((), Health.UNKNOWN)


def test_only_who_may_edit_changes_rules(world: World) -> None:
    with pytest.raises(RoleMissingError):
        world.service.change_rules(wider(world.service, world.table.name), actor=SAM)

    assert len(world.service.revisions(world.table.name)) == 1


def test_a_change_of_an_older_revision_is_refused(world: World) -> None:
    stale = wider(world.service, world.table.name)
    world.service.change_rules(stale, actor=DANA)

    with pytest.raises(ConflictError, match="revision 2"):
        world.service.change_rules(replace(stale, command_id="c2"), actor=DANA)

    refused = world.ledger.entries[-1]
    assert (refused["event"], refused["actor"]) == ("data-rules-refused", DANA)
    assert refused["detail"] == {"target": f"change the data rules of {world.table.name}", "code": "conflict"}


def test_a_change_without_reason_sense_or_difference_is_refused(world: World) -> None:
    command = wider(world.service, world.table.name)
    same = world.service.rules(world.table.name)
    assert same is not None

    with pytest.raises(MissingReasonError):
        world.service.change_rules(replace(command, reason=" "), actor=DANA)
    with pytest.raises(InputError, match="time zone"):
        world.service.change_rules(replace(command, rules=replace(command.rules, zone="Mars/Base")), actor=DANA)
    with pytest.raises(InputError, match="in force already"):
        world.service.change_rules(replace(command, rules=same), actor=DANA)
