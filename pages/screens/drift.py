"""Has the world moved away from what the model learned? Columns over time, movers, one column in depth, slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components import (
    address,
    drift_column,
    drift_controls,
    drift_fleet,
    drift_overview,
    drift_slices,
    drift_tables,
    drift_vendor,
    exporting,
    money_at_risk,
    notices,
    parts,
    places,
    reads,
    session,
)
from pages.components.drift_controls import Choice
from pages.components.format import md
from services.monitoring.models import DriftView, FeatureDrift

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

session.enter("drift")
room = session.control_room()


def _column(view: DriftView, item: FeatureDrift, choice: Choice) -> None:
    shape = reads.attempt(
        "the distribution",
        lambda: reads.figures(
            "distribution",
            view.model,
            f"{item.feature}-{choice.key}",
            lambda: room.monitoring.distribution(
                view.model,
                item.feature,
                window_days=choice.window_days,
                slice_key=choice.slice_key,
                version=choice.version,
            ),
        ),
        key=f"distribution-{view.model}-{item.feature}-{choice.key}",
    )
    left, right = st.columns(2)
    with left:
        drift_column.before_and_now(view, item, shape)
    with right:
        drift_column.readings(view, item)
    drift_column.missing(item)


def _slices(view: DriftView, choice: Choice) -> None:
    model = view.model
    mixes = reads.attempt(
        "the mix of slices",
        lambda: reads.figures(
            "mixes",
            model,
            choice.key,
            lambda: room.monitoring.mixes(model, window_days=choice.window_days, days=choice.days),
        ),
        key=f"mixes-{model}-{choice.key}",
    )
    found = reads.attempt(
        "drift inside slices",
        lambda: reads.figures(
            "slices",
            model,
            choice.key,
            lambda: room.monitoring.slices(model, window_days=choice.window_days, versus=choice.versus),
        ),
        key=f"slices-{model}-{choice.key}",
    )
    if mixes == ():
        with parts.card("Slices and mix"):
            notices.remark("No column splits the sketches of this model. A monitor can name some.", "help")
        return
    if choice.version:
        notices.remark("Slices and their mix are those of all versions together.", "info")
    if mixes:
        drift_slices.mixes(mixes, view)
    if found:
        silent = [item.title for item in view.uncompared]
        drift_slices.slices(found, model, choice, view.signal.as_of, uncompared=silent)


def _changes(view: DriftView, choice: Choice) -> None:
    found = reads.attempt(
        "what changed",
        lambda: reads.figures(
            "changes",
            view.model,
            choice.key,
            lambda: room.monitoring.changes(
                view.model,
                window_days=choice.window_days,
                versus=choice.versus,
                slice_key=choice.slice_key,
                version=choice.version,
                known=view,
            ),
        ),
        key=f"changes-{view.model}-{choice.key}",
    )
    if found is not None:
        drift_slices.changes(found, view.model, choice, view.signal.as_of)


def _events(view: DriftView, choice: Choice) -> None:
    found = reads.attempt(
        "unusual days",
        lambda: reads.figures(
            "events",
            view.model,
            choice.key,
            lambda: room.monitoring.events(
                view.model,
                days=choice.days,
                versus=choice.versus,
                slice_key=choice.slice_key,
                version=choice.version,
            ),
        ),
        key=f"events-{view.model}-{choice.key}",
    )
    if found is not None:
        drift_slices.events(found, view.model, choice, view.signal.as_of)


def _export(view: DriftView, choice: Choice) -> None:
    exporting.popover(
        f"drift-{view.model}",
        lambda: drift_tables.movers(view),
        note=f"Drift of {view.model}, {choice.window_days} days against {choice.against} {choice.part}".strip(),
        as_of=view.signal.as_of,
    )


def _overview(view: DriftView, chosen: FeatureDrift, choice: Choice) -> None:
    day = drift_controls.window_day(view.features)
    if day is not None:
        drift_overview.one_window(view, choice, day)
    drift_overview.heat_map(view, choice, day)
    drift_overview.alert_rate(view, choice)
    found = money_at_risk.read(view.model)
    money_at_risk.drift(view.model, found, statistic=choice.statistic.value, state=chosen.state)
    left, right = st.columns([2, 3])
    with left:
        drift_overview.movers(view, chosen, choice)
    with right:
        drift_column.course(view, chosen, choice)
    _changes(view, choice)
    drift_vendor.show(
        room.vendor,
        view.model,
        room.clock,
        lambda model: reads.attempt(drift_vendor.TITLE, lambda: room.vendor.view(model), key=f"vendor-{model}"),
    )


def _body(view: DriftView, choice: Choice) -> None:
    drift_overview.tiles(view)
    if not view.features:
        notices.empty(
            "Nothing to judge yet",
            f"{md(view.signal.sentence)} Unknown is not healthy.",
            icon="help",
            page="inventory",
            link="Models",
        )
        return
    chosen = address.one("feature", {item.feature: item for item in view.features}, view.features[0])
    section = drift_controls.section()
    if section == "column":
        drift_controls.column(view.features, chosen)
        drift_column.course(view, chosen, choice)
        if chosen.is_compared:
            _column(view, chosen, choice)
    elif section == "slices":
        _slices(view, choice)
    elif section == "days":
        _events(view, choice)
    else:
        _overview(view, chosen, choice)


def _fleet() -> None:
    drift_controls.section()
    found = reads.attempt(
        "the verdicts of all models",
        lambda: reads.kept("fleet", "", room.monitoring.fleet_mark(), room.monitoring.fleet),
        key="fleet",
    )
    if found is not None:
        drift_fleet.show(found)


def _model(actions: DeltaGenerator) -> None:
    row = parts.model_picker()
    if row is None:
        return
    name = row.name
    keys = (
        reads.attempt(
            "the slices",
            lambda: reads.figures("slice keys", name, "", lambda: room.monitoring.slice_keys(name)),
            key=f"slice-keys-{name}",
        )
        or ()
    )
    windows = reads.attempt(
        "the windows of the monitor",
        lambda: reads.figures("windows", name, "", lambda: room.monitoring.windows(name)),
        key=f"windows-{name}",
    )
    if windows is None:
        return
    versions = reads.attempt(
        "the versions",
        lambda: reads.figures("versions", name, "", lambda: room.monitoring.drift_versions(name)),
        key=f"versions-{name}",
    )
    if versions is None:
        return
    choice = drift_controls.chosen(keys, windows, versions)
    drift_controls.controls(choice, keys, windows, versions)
    drift = reads.attempt(
        "drift",
        lambda: reads.figures(
            "drift",
            name,
            choice.key,
            lambda: room.monitoring.drift(
                name,
                window_days=choice.window_days,
                days=choice.days,
                statistic=choice.statistic,
                versus=choice.versus,
                slice_key=choice.slice_key,
                version=choice.version,
            ),
        ),
        key=f"drift-{name}-{choice.key}",
    )
    if drift is None:
        return
    with actions:
        st.page_link(
            places.path("performance"), label="Performance", icon=":material/insights:", query_params={"model": name}
        )
        _export(drift, choice)
    if drift.last_day is not None and not versions:
        notices.remark(drift_controls.NO_VERSIONS, "info")
    _body(drift, choice)


with parts.header("Drift", ":gray[Whether inputs and predictions still look like what the model learned from.]"):
    actions = st.container(horizontal=True, width="content", key="drift-actions")
if address.get("show") == "fleet":
    _fleet()
else:
    _model(actions)
