"""All models by what they cost and return: totals of all lines, one page of lines, attested and claimed apart."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.components import (
    address,
    badges,
    exporting,
    filters,
    notices,
    parts,
    places,
    reads,
    session,
    value_gate,
    value_tables,
)
from pages.components.format import age, count, md, money, percent, plural
from services.kernel.health import Health
from services.kernel.identity import Permission
from services.oversight import board_export
from services.value.portfolio import Portfolio, PortfolioQuery, PortfolioRow, Sort
from services.value.review_service import ReturnReview

_UNOWNED = 20
PAGE_SIZE = 50
_LINKS = 12
"""The first lines of the page can be opened in one click, also without a table that a pointer selects in."""
SORTS = {
    "attention": ("Reds first", Sort.ATTENTION),
    "net": ("Highest net benefit", Sort.NET),
    "cost": ("Highest cost", Sort.COST),
    "multiple": ("Highest multiple", Sort.MULTIPLE),
    "payback": ("Shortest payback", Sort.PAYBACK),
    "name": ("Name", Sort.NAME),
}
_NOT_RED = (Health.WATCH, Health.UNKNOWN, Health.HEALTHY)
_NAMED = 3
WAITING = {"1": "Waits for finance"}


def asked() -> PortfolioQuery:
    """What the address asks for."""
    return PortfolioQuery(
        text=address.get("q"),
        states=address.many("state", filters.HEALTHS),
        waiting=bool(address.many("waiting", WAITING)),
        sort=address.one("sort", SORTS, SORTS["attention"])[1],
        offset=(address.number("page", 1, low=1, high=100_000) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def show(found: Portfolio, frame: pd.DataFrame, query: PortfolioQuery, reviews: Sequence[ReturnReview] = ()) -> None:
    """`frame` has the lines of the page. `reviews` wait for the answer of an owner: their models are red, whatever
    this window says.
    """
    totals, room = found.totals, session.control_room()
    with parts.header(
        "Value", f":gray[{plural(totals.models, 'model')}, {md(found.window)}. As recorded, not as promised.]"
    ):
        if totals.models and room.people.may(session.signed_in(), Permission.EXPORT):
            exporting.popover(
                "value",
                lambda: [board_export.portfolio_row(row) for row in room.portfolio.everything().rows],
                note=f"all models with value records, {found.window}; totals are the sums of these rows",
            )
    if not totals.models:
        _nothing(found)
        return
    for problem in totals.problems:
        notices.remark(md(problem), "error")
    _age(found)
    _totals(found, reviews)
    _bill(found)
    _signed(found)
    value_gate.red(reviews)
    _filters(query)
    _list(found, frame)


def _nothing(found: Portfolio) -> None:
    if found.totals.behind:
        notices.empty(
            "Not computed yet",
            f"The worker computes {plural(found.totals.behind, 'model')}, a few hundred a minute.",
            icon="hourglass_top",
            page="settings",
            link="Look at the worker",
        )
        return
    notices.empty(
        "Nothing recorded yet",
        "Cost appears after the first day of use.",
        icon="payments",
        page="inventory",
        link="Models",
    )


def _age(found: Portfolio) -> None:
    """How old the lines are, and how many have newer records than they show."""
    totals = found.totals
    told = f"Computed from the records; the oldest line {age(totals.oldest, session.now())}." if totals.oldest else ""
    if totals.behind:
        notices.remark(
            f"{plural(totals.behind, 'model')} {'has' if totals.behind == 1 else 'have'} newer records than this page "
            f"shows; the worker computes them next. {told}",
            "hourglass_top",
        )
    elif told:
        st.caption(told)


def _totals(found: Portfolio, reviews: Sequence[ReturnReview]) -> None:
    totals = found.totals
    columns = st.columns(4)
    with columns[0]:
        parts.tile(
            "Net benefit",
            money(totals.net, found.currency) if totals.known else "unknown",
            f"{count(totals.known)} of {plural(totals.models, 'model')}; the others are unknown, not zero",
        )
    with columns[1]:
        total = totals.cost + totals.unallocated
        share = percent(float(totals.unallocated / total), 1) if total else "0 %"
        parts.tile(
            "Cost",
            money(totals.cost, found.currency),
            f"and {money(totals.unallocated, found.currency)} ({share}) that belongs to no governed model",
        )
    with columns[2]:
        parts.tile("Payback of all setups", *_payback(found))
    with columns[3]:
        number, told, state = _red(found, reviews)
        parts.tile("Red", number, told, state=state)


def _red(found: Portfolio, reviews: Sequence[ReturnReview]) -> tuple[str, str, Health | None]:
    """Lines in breach, and models whose return is under review although their line is not in breach."""
    under = tuple(sorted({state.review.model for state in reviews}))
    names, red = list(found.totals.red_names), found.totals.red
    if under:
        room = session.control_room()
        query = PortfolioQuery(models=under, states=_NOT_RED, limit=_NAMED)
        rows, more = reads.kept("under review", str(query), room.portfolio.mark(), lambda: room.portfolio.search(query))
        names, red = [*names, *(row.model for row in rows)][:_NAMED], red + more
    others = f" and {count(red - len(names))} more" if red > len(names) else ""
    waiting = f"; {plural(len(under), 'model')} to keep or retire" if under else ""
    told = f"{', '.join(names) or 'none is red'}{others}{waiting}"
    return count(red), told, Health.BREACH if red else None


def _bill(found: Portfolio) -> None:
    """How far a platform's bill reaches, and what of the cost nobody owns. Measured use has no bill."""
    if found.age is not None:
        st.markdown(f"{badges.badge(found.age.state)} :gray[{md(found.age.sentence)}]")
    if not found.nobodys:
        return
    # A page that fits a screen: names nobody governs are a list to work off, not a figure to read each morning.
    rows = [(md(item.name), money(item.amount, found.currency), md(item.unpriced)) for item in found.nobodys]
    with st.expander(f"Laid on no model: {plural(len(rows), 'name')}", icon=":material/help_center:"):
        st.caption("The largest first. A tag, a job or an endpoint that names a model gives its cost an owner.")
        frame = pd.DataFrame(rows[:_UNOWNED], columns=["Use", "Cost", "Without a price"])
        parts.table(frame, alt="Cost that belongs to no governed model")
        if len(rows) > _UNOWNED:
            st.caption("More are in the sum and in the export of the command line.")


def _payback(found: Portfolio) -> tuple[str, str]:
    totals = found.totals
    if not totals.known or not totals.setup:
        return "unknown", "no setup, or no benefit, is on record"
    words = f"setup {money(totals.setup, found.currency)}, net {money(totals.monthly_net, found.currency)} a month"
    return (f"{totals.setup / totals.monthly_net:.1f} months", words) if totals.monthly_net > 0 else (
        "not at this pace", words,
    )  # fmt: skip


def _signed(found: Portfolio) -> None:
    """Two sums that are never added up."""
    totals = found.totals
    left, right = st.columns(2)
    with left:
        parts.tile(
            "Attested by finance",
            money(totals.attested, found.currency),
            f"{plural(totals.attested_months, 'month')} of all models, attested or cut",
        )
    with right:
        parts.tile(
            "Claimed, not decided",
            money(totals.claimed, found.currency),
            f"{plural(totals.waiting_months, 'month')} proposed by owners; finance decides",
            state=Health.WATCH if totals.waiting_months else None,
        )


def _filters(query: PortfolioQuery) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        filters.search(query.text, "Name of a model", width=200)
        filters.states("State", "state", query.states)
        st.pills(
            "Months",
            list(WAITING),
            selection_mode="multi",
            format_func=WAITING.__getitem__,
            key=address.follow("waiting", ["1"] if query.waiting else []),
            on_change=address.writes("waiting", ",".join),
            label_visibility="collapsed",
        )
        filters.order(
            {name: title for name, (title, _) in SORTS.items()},
            next(name for name, (_, sort) in SORTS.items() if sort is query.sort),
            width=190,
        )


def _list(found: Portfolio, frame: pd.DataFrame) -> None:
    if not found.rows:
        notices.empty("No model matches these filters", "Try fewer filters, or part of the name.")
        return
    config = value_tables.portfolio_columns(found.currency)
    chosen = parts.selectable(frame, config, key="value-models", alt="Value of all models")
    parts.paging(found.matching, PAGE_SIZE, key="value")
    if chosen is None:
        st.caption("Select a row to see what it rests on and to open its board.")
    else:
        _detail(found.rows, chosen)
    with st.container(horizontal=True, key="value-links"):
        for row in found.rows[:_LINKS]:
            st.page_link(
                places.path("value"),
                label=md(row.model),
                icon=":material/arrow_forward:",
                query_params={"model": row.model},
                width="content",
            )


def _detail(rows: Sequence[PortfolioRow], chosen: int) -> None:
    row = rows[chosen]
    with st.container(border=True, key="selected-value"):
        st.markdown(f"{badges.badge(row.state)} **{md(row.model)}** :gray[{md(row.title)}]")
        st.markdown(md(row.sentence))
        parts.facts(value_tables.facts(row), alt="Facts of the selected model")
        st.page_link(
            places.path("value"),
            label="Open its board",
            icon=":material/arrow_forward:",
            query_params={"model": row.model},
        )
