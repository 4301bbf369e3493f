"""All governed models: search, filters and paging happen in the database, the address carries them."""

from __future__ import annotations

from datetime import date

import streamlit as st

from pages.components import (
    address,
    asof,
    audit_asof,
    badges,
    charts,
    copy_age,
    exporting,
    filters,
    notices,
    parts,
    places,
    reads,
    session,
    tables,
    value_gate,
)
from pages.components.format import age, count, day, md, number, plural, routes, sentence
from services.inventory.models import InventoryCounts, InventoryQuery, InventoryRow, InventorySort, Tier
from services.kernel.health import Health

PAGE_SIZE = 50
EXPORT_BATCH = 1000
SORTS = {
    "health": ("Worst first", InventorySort.HEALTH, False),
    "name": ("Name", InventorySort.NAME, False),
    "tier": ("Most critical first", InventorySort.TIER, False),
    "owner": ("Owner", InventorySort.OWNER, False),
    "next_review": ("Next review", InventorySort.NEXT_REVIEW, False),
    "drift": ("Most drift first", InventorySort.DRIFT, True),
    "completeness": ("Least documented first", InventorySort.COMPLETENESS, False),
}
TIERS = {str(int(tier)): tier for tier in Tier}

session.enter("inventory")
room = session.control_room()
totals = reads.attempt("the totals", reads.counts) or InventoryCounts(models=0, in_production=0)


def _query() -> InventoryQuery:
    sort = address.one("sort", SORTS, SORTS["health"])
    return InventoryQuery(
        text=address.get("q"),
        tiers=tuple(int(tier) for tier in address.many("tier", TIERS)),
        owners=address.many("owner", {name: name for name in totals.owners}),
        teams=address.many("team", {name: name for name in totals.teams}),
        use_cases=address.many("usecase", {name: name for name in totals.use_cases}),
        health=address.many("health", filters.HEALTHS),
        sort=sort[1],
        descending=sort[2],
        offset=(address.number("page", 1, low=1, high=100_000) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def _filters(query: InventoryQuery) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        filters.search(query.text, "Name, owner or use case", width=160)
        filters.states("Health", "health", query.health)
        st.multiselect(
            "Risk tier",
            list(TIERS),
            format_func=lambda name: badges.word(TIERS[name]),
            placeholder="Any risk tier",
            key=address.follow("tier", [str(tier) for tier in query.tiers]),
            on_change=address.writes("tier", ",".join),
            label_visibility="collapsed",
            width=115,
        )
        st.multiselect(
            "Owner",
            list(totals.owners),
            placeholder="Any owner",
            key=address.follow("owner", list(query.owners)),
            on_change=address.writes("owner", ",".join),
            label_visibility="collapsed",
            width=110,
        )
        st.multiselect(
            "Team",
            list(totals.teams),
            placeholder="Any team",
            key=address.follow("team", list(query.teams)),
            on_change=address.writes("team", ",".join),
            label_visibility="collapsed",
            width=105,
        )
        st.multiselect(
            "Use case",
            list(totals.use_cases),
            placeholder="Any use case",
            key=address.follow("usecase", list(query.use_cases)),
            on_change=address.writes("usecase", ",".join),
            label_visibility="collapsed",
            width=122,
        )
        current = next(name for name, (_, sort, _) in SORTS.items() if sort is query.sort)
        filters.order({name: title for name, (title, _, _) in SORTS.items()}, current, width=130)


def _note(query: InventoryQuery) -> str:
    words = [f"text “{query.text}”"] if query.text else []
    words += [f"tier {', '.join(map(str, query.tiers))}"] if query.tiers else []
    words += [f"owner {', '.join(query.owners)}"] if query.owners else []
    words += [f"team {', '.join(query.teams)}"] if query.teams else []
    words += [f"use case {', '.join(query.use_cases)}"] if query.use_cases else []
    words += [f"health {', '.join(query.health)}"] if query.health else []
    return "filter: " + ("; ".join(words) or "none")


def _all_rows(query: InventoryQuery) -> list[dict[str, object]]:
    rows: list[InventoryRow] = []
    while True:
        page = room.inventory.search(
            InventoryQuery(
                text=query.text,
                tiers=query.tiers,
                owners=query.owners,
                teams=query.teams,
                use_cases=query.use_cases,
                health=query.health,
                sort=query.sort,
                descending=query.descending,
                offset=len(rows),
                limit=EXPORT_BATCH,
            )
        )
        rows += page.items
        if not page.items or len(rows) >= page.total:
            return tables.inventory_export(rows)


def _export(query: InventoryQuery) -> None:
    exporting.popover("models", lambda: _all_rows(query), note=_note(query), key="export")


def _tiles() -> None:
    health = totals.by_health
    for column, (title, value, detail, state, target) in zip(
        st.columns(4),
        (
            (
                "In breach",
                health.get(Health.BREACH, 0),
                f"of {plural(totals.models, 'model')}",
                Health.BREACH,
                "inventory?health=breach",
            ),
            (
                "On watch",
                health.get(Health.WATCH, 0),
                f"of {plural(totals.models, 'model')}",
                Health.WATCH,
                "inventory?health=watch",
            ),
            (
                "Unknown",
                health.get(Health.UNKNOWN, 0),
                "not measured, so not green",
                Health.UNKNOWN,
                "inventory?health=unknown",
            ),
            ("Reviews overdue", totals.reviews_overdue, "past their review date", None, "inventory?sort=next_review"),
        ),
        strict=True,
    ):
        with column:
            parts.tile(title, count(value), detail, state=state, target=target, link="Show")


def _detail(row: InventoryRow) -> None:
    with st.container(border=True, key="selected-model"):
        left, right = st.columns([2, 3], gap="large")
        with left:
            st.header(md(row.name), anchor=False)
            overdue = f" {badges.badge(badges.OVERDUE, 'review overdue')}" if row.review_overdue else ""
            st.markdown(f"{badges.badge(row.health)} {badges.badge(row.tier)} {badges.badge(row.kind)}{overdue}")
            st.markdown(f"{md(row.title)}. :gray[Owned by {md(row.owner)}, {md(row.team)}.]")
            live = (
                f"{routes(row.live)} :gray[read {age(row.live_as_of, session.now())}]" if row.live else "nothing live"
            )
            parts.facts(
                [
                    ("Traffic", live),
                    ("Drift", f"{md(sentence(row.drift.sentence))} n = {count(row.drift.n)}"),
                    ("Service level", md(sentence(row.sla.sentence))),
                    (
                        "Versions",
                        f"{row.versions}, newest v{md(row.newest_version)}" if row.versions else "none in our registry",
                    ),
                    ("Registry", copy_age.of_model(row.name)),
                    ("Use case", md(row.use_case) or "none assigned"),
                    ("Metadata", f"{row.completeness} % written down" if row.completeness is not None else "unknown"),
                    ("Open requests", count(row.open_requests)),
                    ("Next review", day(row.next_review)),
                ],
                alt="Facts of the selected model",
            )
            st.page_link(
                places.path("model"),
                label="Open the model",
                icon=":material/arrow_forward:",
                query_params={"name": row.name},
            )
        with right:
            _drift_of(row)


def _drift_of(row: InventoryRow) -> None:
    st.markdown("**Population stability index, last 30 days**")
    if not row.drift_trend:
        notices.remark(f"Not known: {md(row.drift.sentence)}.", "help")
        return
    last = row.drift.as_of or session.now()
    days = [last.date().fromordinal(last.date().toordinal() - back) for back in range(len(row.drift_trend) - 1, -1, -1)]
    figure = charts.trend(
        [charts.Line(name="PSI", x=days, y=row.drift_trend, label=number(row.drift_trend[-1], 2))],
        parts.ink(),
        limits=[
            charts.Limit(value=0.25, label="Breach, 0.25"),
            charts.Limit(value=0.10, label="Watch, 0.10", severity="watch"),
        ],
        from_zero=True,
        height=250,
    )
    parts.chart(figure, key="inventory-drift", alt=f"Drift of {row.name} over the last 30 days with its limits")


def _list(query: InventoryQuery, fact_rows: tuple[InventoryRow, ...], total: int) -> None:
    if not fact_rows:
        _nothing()
        return
    frame, config = tables.inventory(fact_rows)
    chosen = parts.selectable(frame, config, key="models", alt="Models that match the filters")
    parts.paging(total, query.limit, key="inventory")
    if chosen is not None:
        _detail(fact_rows[chosen])
    else:
        st.caption(
            "Select a row to see its drift and facts. With the keyboard: arrow keys move, Shift and Space select."
        )


def _nothing() -> None:
    if not address.get("q") and not any(address.get(name) for name in ("health", "tier", "owner", "team", "usecase")):
        notices.empty(
            "No model yet",
            "The registry has not been read, or it holds no model.",
            icon="inventory_2",
            page="settings",
            link="Look at the environment",
        )
        return
    notices.empty(
        "No model matches these filters", "Try fewer filters, or look for the owner instead of the model name."
    )
    with st.container(horizontal_alignment="center"):
        st.button("Clear filters", on_click=address.clear, key="clear-filters")


def _today() -> None:
    query = _query()
    page = reads.attempt("the inventory", lambda: room.inventory.search(query), key=f"inventory-{query}")
    with parts.header(
        "Models",
        f":gray[{plural(totals.models, 'model')}, {count(totals.in_production)} with live traffic; "
        f"tier 1: {totals.by_tier.get(1, 0)}.]",
    ):
        _export(query)
    copy_age.fleet()
    if totals.models:
        _tiles()
    _filters(query)
    if page is not None:
        _list(query, page.items, page.total)
    value_gate.retired_list()


def _historical(past: date) -> None:
    """The inventory of a past day, as the ledger recorded it."""
    asof.banner(past)
    with parts.header("Models", f":gray[The inventory of {day(past)}, rebuilt from the ledger.]"):
        pass
    view = reads.attempt("the inventory of that day", lambda: room.reports.as_of(past), key=f"inventory-{past}")
    if view is not None:
        audit_asof.inventory(view)


chosen_day = asof.chosen(room)
if chosen_day is None:
    _today()
else:
    _historical(chosen_day)
