"""The drift screen: what is asked for stands in the address, and every state is said in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from pages.components import drift_charts, drift_fleet
from pages.components.charts import LIGHT
from pages.components.drift_charts import Cell
from services.kernel.health import Health
from services.monitoring.fleet import DriftVerdict, FleetRow
from services.monitoring.profile import Uncompared, WhyNot
from tests.fakes import room_vendor
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def test_the_picture_is_the_one_of_the_address(visit: Visit) -> None:
    app = visit(
        FakeRoom(), "drift", model="claims_triage", statistic="w1", versus="previous", window="14", feature="distance",
        show="column", slice="provider=Single practices",
    )  # fmt: skip

    said = words(app)
    assert crashed(app) == []
    assert "W1/sd against the 14 days before" in said
    assert "Distance, before and now" in said
    assert app.selectbox(key="at-slice").value == "provider=Single practices"


def test_the_windows_are_those_of_the_monitor_and_the_address_may_ask_for_another(visit: Visit) -> None:
    room = FakeRoom()
    room.monitoring.windows = lambda _model: (28, 7)  # type: ignore[method-assign,assignment]

    usual = visit(room, "drift", model="claims_triage")
    other, strange = (visit(room, "drift", model="claims_triage", window=text) for text in ("3", "400"))

    assert usual.selectbox(key="at-window").options == ["28 days", "7 days"]
    assert "Drift, 28 days" in words(usual)
    assert other.selectbox(key="at-window").options == ["28 days", "7 days", "3 days"]
    assert "Drift, 3 days" in words(other)
    assert "Drift, 28 days" in words(strange)
    assert "which does not exist here" in words(strange)


def test_what_decides_the_verdict_is_said_as_the_monitor_has_it(visit: Visit) -> None:
    room = FakeRoom()
    usual = visit(room, "drift", model="claims_triage", feature="distance", show="column")
    view = room.monitoring.drift("claims_triage")
    [item] = [one for one in view.features if one.feature == "distance"]
    only = replace(item, readings=tuple(replace(one, judges=one.statistic == "ks") for one in item.readings))
    room.monitoring.drift = lambda *_, **__: replace(view, features=(only,))  # type: ignore[method-assign,assignment]
    own = visit(room, "drift", model="claims_triage", feature="distance", show="column")

    assert "PSI and the missing share decide the verdict; the others inform." in words(usual)
    assert "The Kolmogorov-Smirnov statistic decides the verdict; the others inform." in words(own)
    assert "PSI and the missing share decide" not in words(own)


def test_a_selector_writes_the_address(visit: Visit) -> None:
    app = visit(FakeRoom(), "drift", model="claims_triage")
    app.selectbox(key="at-statistic").set_value("ks").run()

    assert app.query_params["statistic"] in ("ks", ["ks"])
    assert "KS against reference" in words(app)


def test_a_version_is_chosen_in_the_address_and_goes_before_a_slice(visit: Visit) -> None:
    room = FakeRoom()
    every = visit(room, "drift", model="claims_triage")
    retired, both = (
        visit(room, "drift", model="claims_triage", version=version, slice="provider=Single practices")
        for version in ("6", "7")
    )

    picker = every.selectbox(key="at-version")
    assert [option.split(",")[0] for option in picker.options] == ["All versions", "v7", "v6"]
    assert picker.options[2].startswith("v6, to ")
    assert crashed(retired) == crashed(both) == []
    assert "Drift is unknown: the last prediction was recorded on" in words(retired)
    assert "at-slice" not in [box.key for box in both.selectbox]
    assert "at-slice" in [box.key for box in every.selectbox]
    assert "judged over everything" in words(both)


@pytest.mark.parametrize("part", ["", "column", "slices", "days"])
def test_each_part_of_the_screen_can_be_asked_of_one_version(visit: Visit, part: str) -> None:
    app = visit(FakeRoom(), "drift", model="claims_triage", version="7", show=part)

    assert crashed(app) == []
    assert ("those of all versions together" in words(app)) is (part == "slices")


def test_choosing_a_version_writes_the_address(visit: Visit) -> None:
    app = visit(FakeRoom(), "drift", model="claims_triage")
    app.selectbox(key="at-version").set_value("6").run()

    assert app.query_params["version"] in ("6", ["6"])


def test_predictions_that_name_no_version_say_so(visit: Visit) -> None:
    room = FakeRoom()
    room.monitoring.store.has_versions = False

    app = visit(room, "drift", model="claims_triage")

    assert "do not name the version that made them" in words(app)
    assert "at-version" not in [box.key for box in app.selectbox]
    assert "do not name the version" not in words(visit(FakeRoom(), "drift", model="claims_triage"))


def test_a_column_that_cannot_be_compared_is_told_in_every_part(visit: Visit) -> None:
    room = FakeRoom()
    room.monitoring.store.uncompared = (
        Uncompared(feature="booking", column="booking", why=WhyNot.SCATTERED, values=9_812),
    )

    seen, alone, slices = (
        visit(room, "drift", model="delay_claim_score", show=part, feature="booking")
        for part in ("", "column", "slices")
    )

    assert crashed(seen) == crashed(alone) == crashed(slices) == []
    assert "1 cannot be compared" in words(seen)
    assert "it has 9,812 different values" in words(seen)
    assert "Watch a coarser column in its place" in words(alone)
    assert "Every statistic of the last window" not in words(alone)
    assert "Left out in every slice" in words(slices)
    assert "Booking" in words(slices)


def test_a_statistic_that_does_not_apply_says_so(visit: Visit) -> None:
    app = visit(FakeRoom(), "drift", model="claims_triage", statistic="ks", feature="claim_type", show="column")

    assert crashed(app) == []
    assert "does not apply to categories" in words(app)


def test_mix_changes_and_unusual_days_are_told_with_from_and_to(visit: Visit) -> None:
    room = FakeRoom()
    said = {part: words(visit(room, "drift", model="claims_triage", show=part)) for part in ("", "slices", "days")}

    assert "Mix of provider" in said["slices"]
    assert "Drift inside each slice" in said["slices"]
    assert "What changed" in said[""]
    assert "medical" in said[""]
    assert "Code red" in said[""]
    assert "Unusual days" in said["days"]


def test_an_unknown_slice_or_statistic_gives_the_default_and_a_notice(visit: Visit) -> None:
    app = visit(FakeRoom(), "drift", model="claims_triage", statistic="gini", slice="provider=Nobody")

    assert crashed(app) == []
    assert "which does not exist here" in words(app)


def test_the_alert_rate_is_told_with_interval_both_counts_and_noise(visit: Visit) -> None:
    said = words(visit(FakeRoom(), "drift", model="claims_triage"))

    assert "Alert rate" in said
    assert "chance alone moves it by up to" in said
    assert "share of predictions at or above" in said


def test_all_models_stand_beside_each_other_without_one_being_read(visit: Visit) -> None:
    room = FakeRoom()
    room.monitoring.drift = None  # type: ignore[method-assign,assignment]

    app = visit(room, "drift", show="fleet")

    said = words(app)
    assert crashed(app) == []
    assert "Models over time" in said
    assert "Never judged, so nothing is known about their drift" in said
    assert "Open a model" in said


def test_a_cell_of_all_models_carries_its_model_and_the_window_it_shows() -> None:
    """What a click puts into the address; where cells stand together, the window of the worst one."""
    first = date(2030, 1, 1)
    days = [first + timedelta(days=number) for number in range(2 * drift_charts.MOST_COLUMNS)]
    states = [Health.BREACH, *[Health.HEALTHY] * (len(days) - 1)]
    cells = [Cell(day=day, state=state, value=0.0, words="w") for day, state in zip(days, states, strict=True)]

    figure = drift_charts.heat([("claims", cells)], LIGHT, clicked=True, marked=first)

    carried = [tuple(item) for item in figure.data[1].customdata]
    assert carried[0] == ("claims", "2030-01-01")
    assert carried[-1] == ("claims", days[-1].isoformat())
    assert len(carried) == drift_charts.MOST_COLUMNS
    assert [shape.x0 for shape in figure.layout.shapes] == [figure.data[0].x[0]]


@pytest.mark.parametrize(
    ("neighbours", "drawn"),
    [
        ((Health.HEALTHY, Health.UNKNOWN), 0),
        ((Health.UNKNOWN, Health.WATCH), 2),
        ((Health.BREACH, Health.UNKNOWN), 3),
        ((Health.HEALTHY, Health.HEALTHY), 1),
    ],
)
def test_of_neighbours_in_one_cell_a_healthy_one_hides_none_that_could_not_be_judged(
    neighbours: tuple[Health, Health], drawn: int
) -> None:
    first = date(2031, 3, 1)
    days = [first + timedelta(days=number) for number in range(2 * drift_charts.MOST_COLUMNS)]
    cells = [
        Cell(day=day, state=neighbours[number % 2], value=0.9 - 0.5 * (number % 2), words="")
        for number, day in enumerate(days)
    ]

    for found in (cells, [*reversed(cells)]):
        codes = drift_charts.heat([("claims", found)], LIGHT).data[0].z[0]
        assert set(codes) == {drawn}


def test_the_window_of_the_address_is_told_and_an_unknown_one_gives_a_notice(visit: Visit) -> None:
    room = FakeRoom()
    newest = room.monitoring.drift("delay_claim_score").last_day

    said = words(visit(room, "drift", model="delay_claim_score", day=newest.isoformat()))
    other = visit(room, "drift", model="delay_claim_score", day="1999-01-01")

    assert f"Window to {newest.day} " in said
    assert "columns moved, against reference" in said
    assert crashed(other) == []
    assert "which does not exist here" in words(other)


def test_the_platforms_own_figures_stand_apart_under_its_name(visit: Visit) -> None:
    room = FakeRoom()
    mapped, away = (words(visit(room, "drift", model=model)) for model in (room_vendor.MAPPED, room_vendor.AWAY))

    assert "Databricks' own monitoring" in mapped
    assert "main.claims.scored_flat" in mapped.replace("\\", "")
    assert "Read just now" in mapped or "Read " in mapped
    assert "it moves no verdict here" in mapped
    assert "The last attempt to read it failed: The SQL warehouse did not answer" in away
    assert "Nothing was read yet, so nothing is known. Unknown is not healthy." in away


def test_a_model_without_mapped_tables_is_told_how_only_where_a_platform_is_configured(visit: Visit) -> None:
    room = FakeRoom()
    silent = words(visit(room, "drift", model="claims_triage"))
    room.vendor = room_vendor.a_vendor(room.clock, offered=True)
    told = words(visit(room, "drift", model="claims_triage"))

    assert "Databricks" not in silent
    assert "COUNTERSIGN_DATABRICKS_TABLES" in told


def test_no_model_is_said_and_hostile_names_are_text(visit: Visit) -> None:
    assert "No model here yet" in words(visit(FakeRoom(mode="empty"), "drift", show="fleet"))
    assert crashed(visit(FakeRoom(hostile=True), "drift", show="fleet")) == []


def test_one_page_shows_one_state_and_the_next_page_asks_again(visit: Visit) -> None:
    """What is drawn together rests on the same sketches, however many parts of it ask; a click sees what is new."""
    room, asked = FakeRoom(), list[str]()
    mark = room.monitoring.mark
    room.monitoring.mark = lambda model: asked.append(model) or mark(model)  # type: ignore[func-returns-value]

    app = visit(room, "drift", model="claims_triage", show="column")
    first = asked.count("claims_triage")
    app.run()

    assert crashed(app) == []
    assert first >= 1
    assert asked.count("claims_triage") == first + 1


def taken(app: AppTest) -> set[str]:
    return {str(item.proto.id).split("-", 2)[-1] for item in app.get("download_button")}


def test_slices_changes_and_the_platforms_figures_say_how_they_are_made_and_can_be_taken_along(visit: Visit) -> None:
    room = FakeRoom()
    slices = visit(room, "drift", model="delay_claim_score", show="slices")
    assert "as bad as its worst column" in words(slices)
    assert "slices-delay_claim_score-csv" in taken(slices)
    assert any(name.startswith("mix-") for name in taken(slices))

    changes = visit(room, "drift", model="delay_claim_score")
    assert "median of the four windows before" in words(changes)
    assert "what-changed-delay_claim_score-json" in taken(changes)

    theirs = visit(room, "drift", model=room_vendor.MAPPED)
    assert "Data profiling of the platform" in words(theirs)
    assert f"platform-monitoring-{room_vendor.MAPPED}-csv" in taken(theirs)


def test_the_picture_of_all_models_is_exported_with_models_that_were_never_judged() -> None:
    verdict = DriftVerdict(
        model="claims", day=date(2031, 3, 1), state=Health.WATCH, moved=2, judged=9, n=400, feature="age", title="Age"
    )
    judged = FleetRow(model="claims", verdicts=(verdict,), judged_at=None, window_days=7, is_current=True)
    never = FleetRow(model="new", verdicts=(), judged_at=None, window_days=None, is_current=False)

    first, second = drift_fleet.exported([judged, never])

    assert (first["model"], first["window_to"], first["state"], first["columns_moved"]) == (
        "claims", "2031-03-01", "watch", 2,
    )  # fmt: skip
    assert (second["model"], second["window_to"], second["state"], second["predictions"]) == (
        "new",
        "",
        "unknown",
        None,
    )
