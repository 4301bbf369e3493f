"""What a model is measured against: the signed versions, and a what-if that changes nothing until it is signed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pandas as pd
import streamlit as st

from pages.components import badges, forms, notices, parts, reads, session, value_new_line
from pages.components.format import md, money, utc
from pages.components.value_new_line import NewLine
from services.kernel.health import Health
from services.kernel.identity import Actor, Permission
from services.oversight.board_models import ModelBoard
from services.value import statements
from services.value.models import Baseline, BenefitRule, ModelValue, ValueConfig

_KEY = "whatif"


def section(board: ModelBoard, me: Actor) -> None:
    left, right = st.columns([3, 2])
    with left:
        _what_if(board, me)
    with right:
        _history(board)
        _months(board, me)


# trying other figures


def _what_if(board: ModelBoard, me: Actor) -> None:
    with parts.card("What if", "tries other figures on the same records; nothing is saved", key="what-if"):
        config = board.statement.config
        tried, line = _inputs(config, board.value.currency)
        changed = statements.differences(config, tried)
        faults = statements.problems(tried) if changed else ()
        if not changed and not line.missing:
            st.caption("These are the figures in force. Change one to see what it does.")
        value_new_line.told(line)
        for fault in faults:
            notices.remark(md(fault), "error")
        for caution in statements.cautions(tried) if changed else ():
            notices.remark(md(caution), "warning")
        value = board.value
        if changed and not faults:
            room = session.control_room()
            found = reads.attempt("the what-if", lambda: room.value.what_if(tried), key=f"what-if-{tried.model}")
            value = found or value
        _outcome(board.value, value, changed=bool(changed and not faults))
        with st.container(horizontal=True):
            st.button(
                "Reset", icon=":material/restart_alt:", key="whatif-reset", on_click=_reset, args=(config,),
                disabled=not (changed or line.missing),
            )  # fmt: skip
            whole = not faults and not line.missing
            _sign_button(board, tried, me, ready=bool(whole and (changed or not board.statement.versions)))


def _sign_button(board: ModelBoard, tried: ValueConfig, me: Actor, *, ready: bool) -> None:
    newest = board.statement.newest
    number = (newest.version if newest else 0) + 1
    allowed = session.control_room().people.may(me, Permission.STATE_VALUE)
    st.button(
        f"Sign as version {number}",
        type="primary",
        icon=":material/signature:",
        key="value-sign-open",
        disabled=not (ready and allowed),
        help="" if allowed else "The business owner signs what a model is measured against.",
        on_click=forms.open_dialog,
        args=("value-sign", "value"),
        kwargs={"config": tried, "based_on": number - 1},
    )


def _inputs(config: ValueConfig, currency: str) -> tuple[ValueConfig, NewLine]:
    """Keyed by model, so that another model never shows what was typed for this one."""
    first, second, third = st.columns(3)
    with first:
        setup = _number(config, f"One-time setup, {currency}", "setup", config.setup_cost)
    with second:
        fixed = _number(config, f"Fixed cost a month, {currency}", "fixed", config.monthly_cost_fixed)
    with third:
        budget = st.number_input(
            f"Budget a month, {currency}",
            value=None if config.monthly_budget is None else float(config.monthly_budget),
            min_value=0.0, key=f"{_KEY}-{config.model}-budget", placeholder="none",
        )  # fmt: skip
    benefits = tuple(_benefit(config, rule) for rule in config.benefits)
    baselines = tuple(_baseline(config, item) for item in config.baselines)
    line = value_new_line.typed(config, f"{_KEY}-{config.model}-")
    return replace(
        config,
        setup_cost=setup,
        monthly_cost_fixed=fixed,
        monthly_budget=None if budget is None else _kept(config.monthly_budget, budget),
        benefits=(*benefits, *((line.rule,) if line.rule else ())),
        baselines=(*baselines, *line.baselines),
    ), line


def _benefit(config: ValueConfig, rule: BenefitRule) -> BenefitRule:
    st.markdown(f"**{md(rule.title)}**, worth of one :gray[{md(rule.assumed or rule.source)}]")
    columns = st.columns(3)
    ends = (("unit_low", "Low"), ("unit_value", "Base"), ("unit_high", "High"))
    found = []
    for column, (name, title) in zip(columns, ends, strict=True):
        with column:
            found.append(_number(config, title, f"{rule.id}-{name}", getattr(rule, name)))
    low, base, high = found
    return replace(rule, unit_low=low, unit_value=base, unit_high=high)


def _baseline(config: ValueConfig, item: Baseline) -> Baseline:
    title = f"Before the model: {item.title} ({item.unit})"
    return replace(item, before=_number(config, md(title), f"before-{item.id}", item.before))


def _number(config: ValueConfig, title: str, name: str, amount: Decimal) -> Decimal:
    typed = st.number_input(
        title, value=float(amount), min_value=0.0, key=f"{_KEY}-{config.model}-{name}",
        format="%.2f" if amount == round(amount, 2) else "%.4f",
    )  # fmt: skip
    return _kept(amount, typed)


def _kept(before: Decimal | None, typed: float) -> Decimal:
    """The figure as it was written, unless another one was typed."""
    return before if before is not None and float(before) == typed else Decimal(repr(typed))


def _reset(config: ValueConfig) -> None:
    """Written, not deleted: a browser keeps what was typed into a field until it is told another value."""
    prefix = f"{_KEY}-{config.model}-"
    for key, amount in _in_force(config).items():
        if prefix + key in st.session_state:
            st.session_state[prefix + key] = None if amount is None else float(amount)
    value_new_line.reset(config, prefix)


def _in_force(config: ValueConfig) -> dict[str, Decimal | None]:
    """Figure of every field of the what-if, by the end of its key."""
    found: dict[str, Decimal | None] = {
        "setup": config.setup_cost, "fixed": config.monthly_cost_fixed, "budget": config.monthly_budget,
    }  # fmt: skip
    for rule in config.benefits:
        found |= {f"{rule.id}-{name}": getattr(rule, name) for name in ("unit_low", "unit_value", "unit_high")}
    return found | {f"before-{item.id}": item.before for item in config.baselines}


def _outcome(now: ModelValue, tried: ModelValue, *, changed: bool) -> None:
    label = ":orange-badge[:material/experiment: What-if, not saved]" if changed else ":gray-badge[As in force]"
    st.markdown(label)
    rows = [
        (title, money(before, now.currency), f"**{money(after, now.currency)}**")
        for title, before, after in (
            ("Gross benefit", now.benefit, tried.benefit),
            ("Cost", now.cost, tried.cost),
            ("Net benefit", now.net, tried.net),
        )
    ]
    for title, name in (("Return multiple", "multiple_answer"), ("Payback", "payback_answer")):
        rows.append((title, md(_answer(now, name)), f"**{md(_answer(tried, name))}**"))
    parts.table(pd.DataFrame(rows, columns=["Figure", "In force", "What-if"]), alt="What the change does")


def _answer(value: ModelValue, name: str) -> str:
    return str(getattr(value.returns, name)) if value.returns else "not known"


# what was signed


def _history(board: ModelBoard) -> None:
    with parts.card("Signed versions", md(board.statement.sentence)):
        if not board.statement.versions:
            notices.remark("Nobody has signed these figures. Sign them before the model goes live.", "help")
        for checked in board.statement.versions:
            item = checked.item
            live = f"while version {item.live} was live" if item.live else "before go-live"
            st.markdown(
                f"**Version {item.version}** {badges.badge(Health.BREACH) if checked.problem else ''} "
                f"{md(item.by_name)}, {utc(item.at)}, {md(live)}"
            )
            st.markdown(f":gray[{md(item.reason)} Entry {item.seq}.]")
            if checked.problem:
                notices.remark(md(checked.problem), "error")
            elif item.version > 1:
                for change in checked.changes:
                    st.markdown(f"- {md(change.what)}: {md(change.before or 'nothing')} → {md(change.after or 'gone')}")


def _months(board: ModelBoard, me: Actor) -> None:
    room, currency = session.control_room(), board.value.currency
    with parts.card("Months", "the owner proposes, finance attests or cuts", key="value-months"):
        for state in board.months[:12]:
            if state.problem:
                notices.remark(md(state.problem), "error")
                continue
            amounts = [f"attested {money(state.attested, currency)}"] if state.attested is not None else []
            amounts += [f"claimed {money(state.claimed, currency)}"] if state.waits else []
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{md(state.period)}** {md(', '.join(amounts))}", width="stretch")
                if state.waits and state.proposal is not None:
                    st.button(
                        "Attest",
                        key=f"attest-{state.period}",
                        icon=":material/fact_check:",
                        disabled=not room.people.may(me, Permission.ATTEST_VALUE),
                        help="Finance attests what the owner proposed.",
                        on_click=forms.open_dialog,
                        args=("value-attest", "value"),
                        kwargs={"model": board.value.model, "record": state.proposal, "currency": currency},
                    )
        if not board.months:
            st.caption("No month was proposed yet.")
        st.button(
            "Propose a month",
            key="value-propose-open",
            icon=":material/upload:",
            disabled=not (
                board.proposable and board.statement.versions and room.people.may(me, Permission.STATE_VALUE)
            ),
            help="The business owner proposes a month that is over, once a statement is signed.",
            on_click=forms.open_dialog,
            args=("value-propose", "value"),
            kwargs={"model": board.value.model, "months": board.proposable},
        )
