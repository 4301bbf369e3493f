"""Is the data there, and is it what it was? Tables by rule and day, pipelines by run, and the models that are hurt."""

from __future__ import annotations

from datetime import date, timedelta

import streamlit as st

from pages.components import (
    address,
    badges,
    exporting,
    forms,
    health_charts,
    health_facts,
    health_forms,
    money_at_risk,
    notices,
    parts,
    places,
    reads,
    session,
)
from pages.components.format import day, md, plural
from services.data_health.models import HealthDay, Hurt, PipelineHealth, TableHealth
from services.kernel.health import Health

SPANS = {"14": 14, "30": 30, "60": 60}
_MOST_CHANGES = 20
STATES = {state.value: state for state in Health}

session.enter("data_health")
room = session.control_room()


def _filters(tables: tuple[TableHealth, ...]) -> tuple[str, str, int]:
    """Chosen table, state and span; all of them in the address."""
    titles = {item.name: item.title for item in tables}
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        chosen = address.one("table", {name: name for name in titles}, "")
        st.selectbox(
            "Table",
            list(titles),
            index=None,
            format_func=titles.__getitem__,
            placeholder="All tables",
            key=address.follow("table", chosen or None),
            on_change=address.writes("table", lambda value: value or ""),
            label_visibility="collapsed",
            width=240,
        )
        state = address.one("state", {name: name for name in STATES}, "")
        st.segmented_control(
            "State",
            list(STATES),
            format_func=lambda name: badges.word(STATES[name]),
            key=address.follow("state", state or None),
            on_change=address.writes("state", lambda value: value or ""),
            label_visibility="collapsed",
        )
        span = address.one("days", SPANS, 30)
        st.segmented_control(
            "Days",
            list(SPANS),
            format_func=lambda name: f"{name} days",
            required=True,
            key=address.follow("days", str(span)),
            on_change=address.writes("days"),
            label_visibility="collapsed",
        )
    return chosen, state, span


def _hurt(found: tuple[Hurt, ...]) -> None:
    with parts.card("Who is hurt", "along the lineage, since when"):
        if not found:
            notices.remark("No model rests on a broken table or a late pipeline, as far as is known.")
            return
        # Once for a model, however many causes hurt it: the way to ask again has one place on the page.
        at_risk = {name: money_at_risk.while_it_lasts(name) for name in dict.fromkeys(i.model for i in found[:20])}
        for number, item in enumerate(found[:20]):
            with st.container(key=f"hurt-{number}", gap=None):
                st.page_link(
                    places.path("model"),
                    label=f"**{md(item.model)}** since {day(item.since.date())}",
                    icon=badges.icon(item.state),
                    query_params={"name": item.model},
                    width="content",
                )
                st.markdown(f":gray[{item.kind.capitalize()}] {md(item.title)}: {md(item.sentence)}")
                st.caption(health_facts.way(item))
                if at_risk[item.model]:
                    st.markdown(f":gray[:material/payments: At risk:] {at_risk[item.model]}")
        if len(found) > 20:
            st.caption(f"{len(found) - 20} more; narrow the view by table.")


def _days_of(item: TableHealth, span: int) -> tuple[HealthDay, ...]:
    found = reads.attempt(
        f"the days of {item.title}",
        lambda: room.data_health.days(item.name, back=span),
        key=f"days-{item.name}-{span}",
    )
    return found or ()


def _heat(tables: list[TableHealth], by_table: dict[str, tuple[HealthDay, ...]], span: int) -> None:
    today = session.now().date()
    days = [today - timedelta(days=back) for back in range(span - 1, -1, -1)]
    with parts.card("Day by day", health_charts.legend()):
        rows = [health_charts.Row(title=item.title, cells=_cells(by_table[item.name])) for item in tables]
        if len(tables) == 1:
            rows = _rule_rows(by_table[tables[0].name])
        if not any(row.cells for row in rows):
            notices.remark("No day has been judged yet.", "help")
            return
        figure = health_charts.heat_map(rows, days, parts.ink())
        parts.wide_chart(figure, key="health-days", alt="State of each table or rule on each day")


def _cells(days: tuple[HealthDay, ...]) -> dict[date, tuple[Health, str]]:
    return {
        item.day: (item.state, "; ".join(r.sentence for r in item.results if r.state is item.state and r.settled)[:160])
        for item in days
    }


def _rule_rows(days: tuple[HealthDay, ...]) -> list[health_charts.Row]:
    return [
        health_charts.Row(
            title=title,
            cells={
                item.day: (result.state, result.sentence[:160])
                for item in days
                if (result := item.result(kind)) is not None
            },
        )
        for kind, title in health_facts.TITLES.items()
        if any(item.result(kind) for item in days)
    ]


def _detail(item: TableHealth) -> None:
    rules = reads.attempt("its rules", lambda: room.data_health.rules(item.name), key=f"rules-{item.name}")
    with parts.card(f"{md(item.title)} {badges.badge(item.state)}", f"rules revision {item.revision}"):
        if item.problem:
            notices.remark(md(item.problem), "help")
        if rules is None:
            notices.remark("No rules are in force yet; they are derived once enough days with rows are known.", "help")
            return
        parts.table(health_facts.rules(item, rules), alt=f"Rules of {item.name}")
        st.caption(md(rules.source))
        with st.expander(plural(len(rules.columns), "column"), icon=":material/view_column:"):
            parts.table(health_facts.columns(rules), alt=f"Columns of {item.name}")
        revisions = reads.attempt(
            "its revisions", lambda: room.data_health.revisions(item.name), key=f"revs-{item.name}"
        )
        if revisions:
            with st.expander(f"Who changed them, {plural(len(revisions), 'revision')}", icon=":material/history:"):
                parts.table(health_facts.revisions(revisions, session.zone()), alt=f"Revisions of {item.name}")
        health_forms.button(rules)


def _pipelines(found: tuple[PipelineHealth, ...] | None) -> None:
    if found is None:
        return
    with parts.card("Pipelines", "last 60 days; on time with its 95 % interval"):
        if not found:
            notices.remark("No run of a job or pipeline is recorded in the last 60 days.", "help")
            return
        chosen = address.one("pipeline", {item.pipeline: item for item in found}, found[0])
        if address.get("pipeline"):
            found = tuple(item for item in found if item is chosen)
        parts.table(health_facts.pipelines(found, session.zone()), alt="Pipelines")
        with st.container(horizontal=True, vertical_alignment="center"):
            parts.explain(found[0].explanation, key="explain-pipelines")
            exporting.popover(
                "pipelines", lambda: health_facts.exported_pipelines(found), note="Pipelines, last 60 days"
            )
        if address.get("pipeline"):
            st.page_link(places.path("data_health"), label="All pipelines", icon=":material/arrow_back:")


def _body(tables: tuple[TableHealth, ...], hurt: tuple[Hurt, ...]) -> None:
    chosen, state, span = _filters(tables)
    model = address.get("model")
    shown = [
        item
        for item in tables
        if (not chosen or item.name == chosen)
        and (not state or item.state is STATES[state])
        and (not model or model in item.models)
    ]
    if model:
        st.page_link(places.path("data_health"), label=f"Only {md(model)}. Show all", icon=":material/arrow_back:")
    _hurt(
        tuple(
            item
            for item in hurt
            if (not model or item.model == model) and (not chosen or item.subject == chosen or chosen in item.way)
        )
    )
    if not shown:
        notices.empty(
            "Nothing matches", "Change the table or the state.", icon="search_off", page="data_health", link="All"
        )
    else:
        with parts.card("Tables", "the newest settled day of each rule"):
            parts.table(health_facts.tables(shown), alt="Data health of tables")
            parts.explain(health_facts.explanation(shown), key="explain-health")
        by_table = {item.name: _days_of(item, span) for item in shown}
        _heat(shown, by_table, span)
        with actions:
            exporting.popover(
                "data-health",
                lambda: health_facts.export((name, item) for name, days in by_table.items() for item in days),
                note=f"Data health, last {span} days, {chosen or 'all tables'}{f', {state}' if state else ''}",
                key="export",
            )
        if len(shown) == 1:
            _detail(shown[0])


def _columns() -> None:
    """What models were asked with, beside what feature tables hold; quiet while nothing changed."""
    days, model = max(SPANS.values()), address.get("model")
    found = reads.attempt(
        "changes of columns", lambda: room.monitoring.all_schema_changes(days=days), key=f"columns-{days}"
    )
    if found is None:
        return
    shown = [item for item in found if not model or item[0] == model]
    with parts.card("Changes of columns", f"of predictions and imports, last {days} days"):
        if not shown:
            notices.remark("No column came, went or became another kind, as far as days were read.")
            return
        parts.table(health_facts.column_changes(shown[:_MOST_CHANGES]), alt="Changes of columns")
        if len(shown) > _MOST_CHANGES:
            st.caption(f"{len(shown) - _MOST_CHANGES} more in the export.")
        with st.container(horizontal=True, vertical_alignment="center"):
            parts.explain(health_facts.columns_explanation(shown, days=days), key="explain-columns")
            exporting.popover(
                "column-changes",
                lambda: health_facts.exported_columns(shown),
                note=f"Changes of columns, last {days} days, {model or 'all models'}",
            )


tables = reads.attempt("the health of the tables", room.data_health.tables, key="data-health")
hurt = (
    reads.attempt("who is hurt", lambda: room.data_health.hurt(tables=tables), key="hurt")
    if tables is not None
    else None
)
with parts.header(
    "Data health",
    health_facts.summary(tables, hurt or ()) if tables is not None else ":gray[Not known just now.]",
):
    actions = st.container()
asked_for_one = bool(address.get("pipeline"))
if tables is not None and asked_for_one:
    _pipelines(reads.attempt("the pipelines", room.data_health.pipelines, key="pipelines"))
if tables:
    _body(tables, hurt or ())
elif tables is not None:
    notices.empty(
        "No feature table yet",
        "Tables are declared in the catalog with owner and rules; the worker derives the rest from their first weeks.",
        icon="table_view",
        page="tables",
        link="Feature tables",
    )
if tables is not None and not asked_for_one:
    _pipelines(reads.attempt("the pipelines", room.data_health.pipelines, key="pipelines"))
if not address.get("table"):
    _columns()
forms.show_open_dialog({"rules": health_forms.dialog})
