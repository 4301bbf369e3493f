"""The recurring parts of a page: header, card, tile, facts, explanation, picker and paging."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from pages.components import address, badges, charts, notices, places, reads, session
from pages.components.format import NOTHING, count, day, md, when
from services.inventory.models import InventoryRow
from services.kernel.health import Explanation, Health, Signal
from services.oversight.models import Tile, TodoItem

_PICKER_LIMIT = 200
CHART_CONFIG: dict[str, Any] = {"displayModeBar": False, "responsive": True}


@contextmanager
def header(title: str, fact: str, *, back: tuple[str, str] | None = None) -> Iterator[None]:
    """Title, one sentence of fact (our Markdown), and page actions at the right: put them inside the `with`."""
    if back:
        st.page_link(places.path(back[0]), label=back[1], icon=":material/arrow_back:")
    with st.container(horizontal=True, vertical_alignment="bottom", key="page-header"):
        with st.container(gap="small", key="page-title"):
            st.title(md(title), anchor=False)
            st.markdown(fact)
        with st.container(horizontal=True, horizontal_alignment="right", width="content", key="page-actions"):
            yield
    address.hold_notes()


@contextmanager
def card(title: str, note: str = "", *, key: str | None = None, height: Any = "content") -> Iterator[None]:
    """A bordered card. `title` and `note` are our Markdown."""
    with st.container(border=True, key=key, height=height):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.header(title, anchor=False, width="content")
            if note:
                st.caption(note, width="content")
        yield


def facts(rows: Sequence[tuple[str, str]], *, alt: str = "Facts") -> None:
    """Names and values, printed as a table; values are Markdown and must be escaped by the caller."""
    frame = pd.DataFrame([(f":gray[{name}]", value) for name, value in rows], columns=["Fact", "Value"])
    st.table(frame, border="horizontal", hide_index=True, hide_header=True, alt=alt)


def table(frame: pd.DataFrame, *, alt: str) -> None:
    """A short table that prints; cells are Markdown and must be escaped by the caller."""
    with st.container(key=f"scroll-{alt.lower().replace(' ', '-')[:40]}"):
        st.table(frame, border="horizontal", hide_index=True, alt=alt)


def selectable(
    frame: pd.DataFrame, config: Mapping[str, Any], *, key: str, alt: str, row_height: int = 35
) -> int | None:
    """A long table in which one row can be chosen; the number of the chosen row."""
    height: Any = "auto" if len(frame) <= 10 else min(38 + row_height * len(frame), 640)
    settings: Any = config
    event = st.dataframe(
        frame,
        column_config=settings,
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        row_height=row_height,
        height=height,
        placeholder=NOTHING,
        alt=alt,
    )
    rows = event["selection"]["rows"]
    return rows[0] if rows and rows[0] < len(frame) else None


def chart(figure: Any, *, key: str, alt: str) -> None:
    st.plotly_chart(figure, key=key, alt=alt, config=CHART_CONFIG)


def wide_chart(figure: Any, *, key: str, alt: str) -> None:
    """A chart whose labels stand side by side: on a phone it scrolls instead of writing them over each other."""
    with st.container(key=f"wide-{key}"):
        chart(figure, key=key, alt=alt)


def ink() -> charts.Ink:
    return charts.DARK if session.is_dark() else charts.LIGHT


def tile(title: str, value: str, detail: str, *, state: Any = None, target: str = "", link: str = "Open") -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(md(title), value)
        lead = f"{badges.badge(state)} " if state is not None else ""
        st.markdown(f"{lead}:gray[{md(detail)}]")
        if target:
            file, query = places.parse_target(target)
            st.page_link(file, label=link, icon=":material/arrow_forward:", icon_position="right", query_params=query)


def tiles(items: Sequence[Tile]) -> None:
    wide = {5: 5, 6: 3}.get(len(items), 4)
    for start in range(0, len(items), wide):
        row = items[start : start + wide]
        for column, item in zip(st.columns(len(row)), row, strict=True):
            with column:
                tile(item.title, item.value, item.detail, state=item.state, target=item.target)


def todo(items: Sequence[TodoItem], *, key: str) -> None:
    """One entry per thing to do: what, why, until when, and the way there."""
    for number, item in enumerate(items):
        file, query = places.parse_target(item.target)
        with st.container(key=f"todo-{key}-{number}", gap=None):
            title = f"**{md(item.title)}**"
            label = f":red[{title}]" if item.state is Health.BREACH else title
            st.page_link(file, label=label, icon=badges.icon(item.state), query_params=query, width="content")
            st.markdown(f":gray[{md(item.why.rstrip('.'))}]{_until(item)}")


def _until(item: TodoItem) -> str:
    if item.due is None:
        return ""
    late = item.due < session.now()
    colour, word = ("red", "overdue since") if late else ("gray", "due")
    return f" :{colour}[· {word} {when(item.due, session.zone())}]"


def signal_tile(
    title: str, signal: Signal, value: str, *, interval: str = "", explanation: Explanation | None = None
) -> None:
    """A judged number with its state, sentence, number of observations, interval and age, and how it is computed."""
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(title, value)
        st.markdown(f"{badges.badge(signal.state)} :gray[{md(signal.sentence)}]")
        st.caption(seen(signal.n, interval, signal.as_of) or "no observation yet")
        if explanation is not None:
            explain(explanation, key=f"explain-{title.split(',', maxsplit=1)[0].lower().replace(' ', '-')}")


def seen(n: int | None, interval: str, as_of: datetime | None) -> str:
    """What a number rests on, in one line."""
    said = [f"n = {count(n)}"] if n is not None else []
    said += [f"95 % interval {interval}"] if interval else []
    said += [f"as of {when(as_of, session.zone())}"] if as_of is not None else []
    return " · ".join(said)


def explain(explanation: Explanation, *, label: str = "How is this computed?", key: str | None = None) -> None:
    """Formula, source, window, freshness and n behind a number.

    One element and no table: a screen of twenty figures builds it twenty times at every click, whoever opens it.
    """
    with st.popover(label, icon=":material/function:", type="tertiary", key=key):
        rows = [
            ("Source", md(explanation.source)),
            ("Window", md(explanation.window)),
            ("Fresh as of", when(explanation.as_of, session.zone()) if explanation.as_of else "unknown"),
            ("Observations", f"n = {count(explanation.n)}" if explanation.n is not None else "not counted"),
        ]
        if explanation.note:
            rows.append(("Note", md(explanation.note)))
        told = [f":gray[{name}]  \n{value}" for name, value in rows]
        st.markdown("\n\n".join([f"**{md(explanation.formula)}**", *told]))


def model_picker(*, parameter: str = "model", kinds: Mapping[str, str] | None = None) -> InventoryRow | None:
    """Chooses one model through the address. Long inventories are searched, never listed whole."""
    wanted = address.get(parameter)
    found = reads.attempt("the list of models", lambda: reads.find_models("", _PICKER_LIMIT))
    if found is None:
        return None
    rows, total = list(found[0]), found[1]
    if kinds:
        rows = [row for row in rows if row.kind in kinds]
    with st.container(horizontal=True, vertical_alignment="bottom", key="picker"):
        if total > _PICKER_LIMIT:
            text = st.text_input("Find a model", key="picker-text", type="search", placeholder="Name, owner or team")
            if text or wanted:
                more = reads.attempt("the list of models", lambda: reads.find_models(text or wanted, _PICKER_LIMIT))
                rows = list(more[0]) if more else rows
        if not rows:
            notices.empty(
                "No model here yet", "The registry has none, or the search finds none.", page="inventory", link="Models"
            )
            return None
        by_name = {row.name: row for row in rows}
        chosen = address.one(parameter, by_name, rows[0])
        st.selectbox(
            "Model",
            list(by_name),
            key=address.follow(parameter, chosen.name),
            on_change=address.writes(parameter),
            width=320,
        )
    return chosen


def paging(total: int, limit: int, *, key: str) -> None:
    """Page numbers under a long list; the address carries the page."""
    pages = max(1, -(-total // limit))
    current = address.number("page", 1, low=1, high=pages)
    if pages == 1:
        return
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key=f"paging-{key}"
    ):
        start = (current - 1) * limit
        st.caption(f"{start + 1:,} to {min(start + limit, total):,} of {total:,}", width="content")
        # The page is part of the key: a filter that leads back to the first page makes a fresh widget.
        name = f"page-{key}-{current}"
        st.pagination(pages, default=current, key=name, on_change=lambda: address.put(page=str(st.session_state[name])))


def owner_line(role: str, name: str) -> str:
    return f"{md(name)} :gray[{md(role)}]"


def review_text(next_review: Any, *, overdue: bool) -> str:
    return f"{badges.badge(badges.OVERDUE)} {day(next_review)}" if overdue else day(next_review)
