"""A monitor is proposed in one click, saved as a version with a reason, and signed when a release rests on it."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.schema.monitors import monitor_version
from services.kernel.errors import ConflictError, MissingReasonError, PassphraseError, RoleMissingError
from services.kernel.health import Health
from services.kernel.secret import Secret
from services.ledger.verify import verify_log
from services.monitoring.definitions import Limits, Statistic
from services.monitoring.models import MonitoringConfig
from services.monitoring.monitor_rules import (
    ColumnKind,
    MonitorInvalidError,
    SignatureNeededError,
    SourceFacts,
    problems,
)
from services.monitoring.monitors import (
    BusinessImpact,
    CodeRed,
    ColumnMapping,
    Feature,
    FeatureKind,
    Monitor,
    ReferenceKind,
    ReferenceWindow,
    Source,
    SourceKind,
    Threshold,
    config_of,
    diff,
    document,
    of_config,
    read,
)
from tests.builders import MODEL, World, a_version, a_world
from tests.contract.conftest import database_url, postgres
from tests.unit.monitoring.monitored import ADA, CLARA, GUARDED, Monitored, monitored

__all__ = ["database_url", "postgres"]

FACTS = SourceFacts(
    columns={
        "event_at": ColumnKind.TIME,
        "score": ColumnKind.NUMBER,
        "label": ColumnKind.NUMBER,
        "version": ColumnKind.TEXT,
        "entity": ColumnKind.TEXT,
        "carrier": ColumnKind.TEXT,
        "distance": ColumnKind.NUMBER,
        "route": ColumnKind.OTHER,
    },
    first=date(2030, 1, 1),
    last=date(2030, 1, 30),
)


def a_monitor(**changes: Any) -> Monitor:
    values: dict[str, Any] = {
        "model": MODEL,
        "features": (
            Feature(column="distance", title="Distance", kind=FeatureKind.NUMERIC),
            Feature(column="carrier", title="Carrier", kind=FeatureKind.CATEGORICAL),
        ),
        "thresholds": (
            Threshold(statistic="psi", watch=0.1, breach=0.25),
            Threshold(statistic="missing", watch=0.05, breach=0.1),
            Threshold(statistic="unseen", watch=0.01, breach=0.05),
        ),
        "impact": BusinessImpact(breach_per_day=Decimal(900), payer="Ben Okafor", basis="Agreed in March."),
    }
    return Monitor(**(values | changes))


@pytest.fixture
def room(tmp_path: Path) -> Monitored:
    return monitored(a_world(tmp_path), tmp_path)


def test_a_default_comes_from_the_signature_the_training_dataset_and_the_owner(room: Monitored) -> None:
    found = room.default()
    assert found.columns == ("dep_delay", "distance")
    assert found.windows == (7, 28)
    assert found.statistics == ("psi", "missing", "unseen", "alerts")
    assert "training dataset flights (aa11)" in found.reference.sentence
    assert (found.impact.breach_per_day, found.impact.payer) == (Decimal(1200), "Ben Okafor, business owner")
    assert room.service.check(found) == ()


def test_an_input_of_the_version_in_force_is_a_column_although_a_newer_version_lacks_it(
    room: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = a_version("3", aliases=("champion",))
    newer = a_version("4", inputs=(("distance", "double"),))
    monkeypatch.setattr(room.world.inventory, "versions", lambda _model: (newer, served))

    assert room.default().columns == ("dep_delay", "distance")
    assert room.service.check(room.default()) == ()
    gone = Feature(column="gone", title="Gone", kind=FeatureKind.NUMERIC)
    assert "not a column" in room.service.check(replace(room.default(), features=(gone,)))[0].sentence


def test_a_model_without_a_monitor_is_proposed_one_that_nobody_signed_and_nothing_obeys(room: Monitored) -> None:
    assert room.service.propose_missing() == 1
    assert room.service.propose_missing() == 0

    row = next(row for row in room.service.monitors() if row.model == MODEL)
    assert (row.version, row.state) == (None, Health.UNKNOWN)
    assert row.proposal is not None
    assert read(row.proposal.text) == room.default()
    assert "nobody signed it" in row.sentence
    assert SqlMonitoring(room.world.database).config(MODEL) is None
    assert room.world.entries("event:monitor-proposed") == 1

    room.save(read(row.proposal.text))

    assert room.service.propose_missing() == 0
    assert room.service.view(MODEL).row.proposal is None


def test_a_default_is_saved_in_one_step_and_judges_from_then_on(room: Monitored) -> None:
    receipt = room.save(room.default())
    config = SqlMonitoring(room.world.database).config(MODEL)
    view = room.service.view(MODEL)
    assert config is not None
    assert (config.monitor_version, config.current_days, config.watch) == (1, (7, 28), 0.1)
    assert config.limits_of(Statistic.MISSING) == Limits(watch=0.05, breach=0.1)
    assert (view.versions[0].item.seq, view.versions[0].problem) == (receipt.seq, "")
    assert view.row.state is Health.UNKNOWN, "nothing was sketched yet, which is not healthy"
    assert room.world.entries("event:monitor-saved") == 1


def test_every_version_stays_with_its_reason_and_what_changed(room: Monitored) -> None:
    room.save(room.default())
    stricter = (
        Threshold(statistic="psi", watch=0.05, breach=0.2),
        *(item for item in room.default().thresholds if item.statistic != "psi"),
    )
    room.save(replace(room.default(), thresholds=stricter), reason="Storms are over.")
    newest, first = room.service.view(MODEL).versions
    assert (newest.item.version, newest.item.reason, newest.item.by_name) == (2, "Storms are over.", "Dana Petrov")
    assert [(item.before, item.after) for item in newest.changes] == [
        ("watch 0.1, breach 0.25", "watch 0.05, breach 0.2")
    ]
    assert all(change.before == "" for change in first.changes)


def test_only_data_science_leads_and_administrators_save_and_attempts_are_recorded(room: Monitored) -> None:
    for subject in (CLARA, "sam.sre", "ben.business", "vera.validator", "otto.auditor"):
        with pytest.raises(RoleMissingError):
            room.save(room.default(), by=subject)
    assert room.world.entries("event:permission-refused") == 5
    assert room.service.view(MODEL).versions == ()
    room.save(room.default(), by=ADA)


def test_a_monitor_that_guards_a_release_changes_by_signature_only(room: Monitored) -> None:
    room.guarded[MODEL] = GUARDED
    with pytest.raises(SignatureNeededError, match="which is live under a policy"):
        room.save(room.default())
    with pytest.raises(PassphraseError):
        room.save(room.default(), passphrase=Secret("wrong"))
    assert room.world.entries("event:monitor-refused") == 2
    assert room.service.view(MODEL).versions == ()

    room.save(room.default(), sign=True)
    newest = room.service.view(MODEL).versions[0]
    assert (newest.item.signed, newest.item.guards, newest.problem) == (True, GUARDED, "")
    report = verify_log(room.world.book.entries(), checkpoints=room.world.book.checkpoints())
    assert [item for item in report.problems if item.severity != "note"] == []


def test_what_guards_a_release_names_the_money_at_risk_and_who_pays(room: Monitored) -> None:
    room.guarded[MODEL] = GUARDED
    with pytest.raises(MonitorInvalidError, match="money per day at risk"):
        room.save(replace(room.default(), impact=BusinessImpact()), sign=True)


def test_a_double_click_saves_once_and_a_stale_look_saves_nothing(room: Monitored) -> None:
    first = room.save(room.default(), command_id="c-1", based_on=0)
    again = room.save(room.default(), command_id="c-1", based_on=0)
    assert (again.seq, again.repeated) == (first.seq, True)
    with pytest.raises(ConflictError, match="you looked at version 0"):
        room.save(replace(room.default(), minimum_rows=500), based_on=0)
    with pytest.raises(ConflictError, match="in force already"):
        room.save(room.default())
    with pytest.raises(MissingReasonError):
        room.save(replace(room.default(), minimum_rows=500), reason=" ")
    assert len(room.service.view(MODEL).versions) == 1


def test_a_row_that_was_changed_is_red_and_a_release_does_not_rest_on_it(room: Monitored) -> None:
    room.save(room.default(), sign=True)
    assert room.service.in_force(MODEL).hindrance == ""
    loose = document(replace(room.default(), minimum_rows=1))
    with room.world.database.write() as connection:
        connection.execute(update(monitor_version).values(text=loose))
    found = room.service.in_force(MODEL)
    assert "is not what entry" in found.hindrance
    assert room.service.monitors()[0].state is Health.BREACH


def test_a_signature_cannot_be_claimed_by_changing_a_row(room: Monitored) -> None:
    room.save(room.default())
    with room.world.database.write() as connection:
        connection.execute(update(monitor_version).values(signed=True))
    assert room.service.view(MODEL).versions[0].problem != ""


def test_no_release_rests_on_a_monitor_that_nobody_signed_or_that_names_no_money(room: Monitored) -> None:
    """Loosened before the release, without a signature, it would guard it all the same."""
    loose = replace(
        room.default(), thresholds=(Threshold(statistic="psi", watch=5.0, breach=9.0),), statistics=("psi",)
    )
    room.save(replace(loose, impact=BusinessImpact()))
    unpaid = room.service.in_force(MODEL).hindrance
    room.save(loose)
    unsigned = room.service.view(MODEL)

    assert "does not say what a breach costs per day and who pays" in unpaid
    assert "Nobody signed version 2 of the monitor" in unsigned.hindrance
    assert "signs it on the page Monitors" in room.service.in_force(MODEL).hindrance

    room.save(loose, sign=True)
    assert (room.service.view(MODEL).versions[0].item.version, room.service.view(MODEL).hindrance) == (3, "")
    room.save(room.default())
    assert "Nobody signed version 4" in room.service.in_force(MODEL).hindrance


def test_an_unsigned_text_is_signed_as_it_is_and_a_signed_one_only_once(room: Monitored) -> None:
    room.save(room.default())
    with pytest.raises(ConflictError, match="in force already"):
        room.save(room.default())

    room.save(room.default(), sign=True)
    with pytest.raises(ConflictError, match="in force already"):
        room.save(room.default(), sign=True)

    newest, first = (found.item for found in room.service.view(MODEL).versions)
    assert (newest.sha256, newest.signed, first.signed) == (first.sha256, True, False)


def test_a_signature_is_put_only_under_what_states_the_money(room: Monitored) -> None:
    with pytest.raises(MonitorInvalidError, match="money per day at risk"):
        room.save(replace(room.default(), impact=BusinessImpact()), sign=True)


def test_what_a_deployment_began_with_is_no_ground_for_a_release(room: Monitored) -> None:
    room.service.found([room.default()])

    assert "Nobody signed version 1" in room.service.in_force(MODEL).hindrance


def test_a_release_needs_a_monitor_that_watches_the_prediction(room: Monitored) -> None:
    assert "Propose one on the page Monitors" in room.service.in_force(MODEL).hindrance


def test_what_a_deployment_began_with_is_signed_by_the_service_once(room: Monitored) -> None:
    config = MonitoringConfig(model=MODEL, features=(("distance", "Distance", "numeric"),), label_delay_hours=5.0)
    assert room.service.found([of_config(config)]) == 1
    assert room.service.found([of_config(config)]) == 0
    [version] = room.service.view(MODEL).versions
    assert (version.item.version, version.item.by_name, version.problem) == (1, "", "")
    assert config_of(version.item.monitor).label_delay_hours == 5.0


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"mapping": ColumnMapping(timestamp="", prediction="score")}, "timestamp", "No time column"),
        ({"mapping": ColumnMapping(timestamp="event_at", prediction="")}, "prediction", "guards nothing"),
        ({"mapping": ColumnMapping(timestamp="when", prediction="score")}, "timestamp", "not a column of the source"),
        ({"mapping": ColumnMapping(timestamp="label", prediction="score")}, "timestamp", "holds numbers"),
        ({"mapping": ColumnMapping(timestamp="event_at", prediction="entity")}, "prediction", "holds text"),
        ({"mapping": ColumnMapping(timestamp="event_at", prediction="score", label="score")}, "mapping", "two"),
        ({"features": ()}, "features", "No feature"),
        (
            {"features": (Feature(column="label", title="Late", kind=FeatureKind.NUMERIC),)},
            "features",
            "is the label",
        ),
        (
            {"features": (Feature(column="carrier", title="Carrier", kind=FeatureKind.NUMERIC),)},
            "features",
            "holds text",
        ),
        (
            {"features": (Feature(column="route", title="Route", kind=FeatureKind.CATEGORICAL),)},
            "features",
            "cannot be counted",
        ),
        (
            {"features": (Feature(column="gone", title="Gone", kind=FeatureKind.NUMERIC),)},
            "features",
            "not a column of the source",
        ),
        ({"windows": (60,)}, "windows", "longer than the history"),
        ({"windows": ()}, "windows", "0 current windows"),
        ({"windows": (0,)}, "windows", "cannot be judged"),
        ({"thresholds": (), "statistics": ("psi",)}, "thresholds", "has no thresholds"),
        (
            {"thresholds": (Threshold(statistic="psi", watch=0.3, breach=0.1),), "statistics": ("psi",)},
            "thresholds",
            "before its warning",
        ),
        (
            {"thresholds": (Threshold(statistic="ks", watch=0.3, breach=1.5),), "statistics": ("ks",)},
            "thresholds",
            "between 0 and 1",
        ),
        (
            {"thresholds": (Threshold(statistic="psi", watch=0.0, breach=1.5),), "statistics": ("psi",)},
            "thresholds",
            "every window would warn",
        ),
        ({"statistics": ("hellinger",)}, "statistics", "not a statistic"),
        ({"slices": ("terminal",)}, "slices", "not a column of the source"),
        ({"code_red": CodeRed(columns=("gone",))}, "code_red", "is no feature"),
        ({"code_red": CodeRed(watch=0.3, breach=0.2)}, "thresholds", "before its warning"),
        ({"code_red": CodeRed(windows=0)}, "code_red", "after 0 windows"),
        ({"minimum_rows": 0}, "minimum", "switched off"),
        ({"label_delay_hours": -2.0}, "label_delay", "no delay"),
        ({"impact": BusinessImpact(breach_per_day=Decimal(-1), payer="Ben")}, "impact", "below 0"),
        ({"impact": BusinessImpact(breach_per_day=Decimal(10))}, "impact", "nobody is named who pays"),
        (
            {"source": Source(kind=SourceKind.SQL, connection="dwh", table="t")},
            "reference",
            "no hold-out",
        ),
        (
            {
                "source": Source(kind=SourceKind.SQL, connection="dwh", table="t"),
                "reference": ReferenceWindow(kind=ReferenceKind.DATES, start=date(2029, 1, 1), end=date(2029, 2, 1)),
            },
            "reference",
            "Nothing is recorded",
        ),
    ],
)
def test_each_fault_is_said_with_its_reason_and_the_way_out(changes: dict[str, Any], field: str, says: str) -> None:
    found = problems(a_monitor(**changes), FACTS)
    assert [item.field for item in found] == [field]
    assert says in found[0].sentence
    assert found[0].why
    assert found[0].next


def test_a_monitor_without_faults_has_none() -> None:
    assert problems(a_monitor(), FACTS) == ()


def test_a_document_is_read_as_it_was_written() -> None:
    monitor = a_monitor(
        windows=(7, 28),
        label_delay_hours=5.5,
        slices=("carrier",),
        code_red=CodeRed(columns=("distance",), watch=0.2, breach=0.5, windows=3),
        reference=ReferenceWindow(kind=ReferenceKind.DATES, start=date(2030, 1, 1), end=date(2030, 1, 14)),
        source=Source(kind=SourceKind.PARQUET, folder="flights"),
    )
    assert read(document(monitor)) == monitor
    assert diff(monitor, read(document(monitor))) == ()


def test_no_field_of_a_monitor_is_left_out_of_the_difference_people_see() -> None:
    before, seen = a_monitor(), set[str]()
    other: dict[str, Any] = {
        "features": before.features[:1],
        "source": Source(kind=SourceKind.SQL, connection="dwh", table="t"),
        "mapping": ColumnMapping(timestamp="event_at", prediction="distance"),
        "reference": ReferenceWindow(words="Another window"),
        "windows": (14,),
        "statistics": ("psi",),
        "thresholds": before.thresholds[:1],
        "slices": ("carrier",),
        "code_red": CodeRed(breach=0.5),
        "minimum_rows": 5,
        "minimum_labels": 5,
        "minimum_coverage": 0.1,
        "label_delay_hours": 3.0,
        "score_title": "Risk",
        "metric_title": "AUC",
        "baseline_name": "Guess",
        "impact": BusinessImpact(payer="Nobody"),
    }
    for name in (item.name for item in dataclasses.fields(Monitor) if item.name != "model"):
        assert diff(before, replace(before, **{name: other[name]})), name
        seen.add(name)
    assert seen == set(other)


def test_versions_are_kept_alike_on_both_databases(tmp_path: Path, database_url: str) -> None:
    world: World = a_world(tmp_path, url=database_url)
    found = monitored(world, tmp_path)
    found.save(found.default())
    found.save(replace(found.default(), minimum_rows=250), sign=True)
    newest, first = found.service.view(MODEL).versions
    assert (newest.item.version, newest.item.monitor.minimum_rows, newest.problem) == (2, 250, "")
    assert (first.item.version, first.problem) == (1, "")
    config = SqlMonitoring(world.database).config(MODEL)
    assert config is not None
    assert (config.minimum_rows, config.monitor_version) == (250, 2)
    world.database.dispose()
