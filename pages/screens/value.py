"""What each model costs and returns, as recorded; assumptions are marked and every number explains itself.

`value?model=claims_triage&show=cost` opens one part of one model.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.components import (
    address,
    badges,
    exporting,
    parts,
    places,
    reads,
    session,
    value_forms,
    value_gate,
    value_model,
    value_portfolio,
    value_statement,
    value_tables,
)
from pages.components.format import md
from services.kernel.errors import InputError
from services.kernel.health import Health
from services.kernel.identity import Permission
from services.oversight import board_export
from services.oversight.board_models import ModelBoard
from services.value.portfolio import Portfolio, PortfolioQuery
from services.value.review_service import ReturnReview

TABS = {
    "returns": "Return",
    "cost": "Cost and budget",
    "running": "How it runs",
    "statement": "Baseline and months",
    "gate": "Keep or retire",
}

me = session.enter("value")
room = session.control_room()


def _nothing(words: str) -> None:
    with parts.header("Value", f":gray[{words}]"):
        pass


def _page(query: PortfolioQuery) -> tuple[Portfolio, pd.DataFrame]:
    """With its table, which is the same until a line changes."""
    found = room.portfolio.page(query)
    return found, value_tables.portfolio(found.rows)


def _reviews(model: str = "") -> Sequence[ReturnReview]:
    """Those that wait for an answer. Each is held against its entry of the ledger: once a minute, not each click."""
    return (
        reads.attempt(
            "reviews of returns",
            lambda: reads.kept("reviews of returns", model, room.portfolio.mark(), lambda: room.reviews.open(model)),
            key=f"returns-{model}",
        )
        or ()
    )


def _all() -> None:
    query = value_portfolio.asked()
    found = reads.attempt(
        "value",
        lambda: reads.kept("portfolio", str(query), room.portfolio.mark(), lambda: _page(query)),
        key=f"portfolio-{query}",
    )
    if found is None:
        _nothing("Cost and benefit cannot be read just now.")
    else:
        value_portfolio.show(*found, query, _reviews())


def _one(name: str) -> None:
    try:
        board = reads.attempt(
            "value",
            lambda: reads.kept("value", name, room.board.mark(name), lambda: room.board.model(name)),
            key=f"board-{name}",
        )
    except InputError:
        address.one("model", dict[str, str](), "")
        _all()
        return
    if board is None:
        _nothing("Cost and benefit cannot be read just now.")
        return
    _board(board)


def _board(board: ModelBoard) -> None:
    value, budget = board.value, board.budget
    over = f" {badges.badge(budget.state)} :gray[budget]" if budget.state in {Health.WATCH, Health.BREACH} else ""
    if _reviews(value.model):
        over += f" {badges.badge(Health.BREACH)} :gray[return gate: keep or retire]"
    with parts.header(
        value.model,
        f"{badges.badge(value.state)} :gray[{md(value.sentence.rstrip('.'))}. {md(value.window)}]{over}",
        back=("value", "All models"),
    ):
        if room.people.may(me, Permission.EXPORT):
            exporting.popover(
                f"value-{value.model}",
                lambda: [board_export.figure_row(item) for item in board.figures],
                note=f"every figure of {value.model}, {value.window}, in {value.currency}",
            )
        st.page_link(
            places.path("model"), label="The model", icon=":material/deployed_code:", query_params={"name": value.model}
        )
    if age := value_model.recorded(value):
        st.markdown(age)
    shown = address.one("show", {name: name for name in TABS}, "returns")
    st.segmented_control(
        "Show",
        list(TABS),
        format_func=TABS.__getitem__,
        key=address.follow("show", shown),
        on_change=address.writes("show", resets=()),
        required=True,
        label_visibility="collapsed",
    )
    if shown == "cost":
        value_model.cost_section(board)
    elif shown == "running":
        value_model.running_section(board)
    elif shown == "statement":
        value_statement.section(board, me)
    elif shown == "gate":
        value_gate.section(board, me)
    else:
        value_model.returns_section(board)


wanted = address.get("model")
if wanted:
    _one(wanted)
else:
    _all()
value_forms.show_open()
