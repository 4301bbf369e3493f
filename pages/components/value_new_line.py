"""A further benefit line for the what-if: what is counted, what one of it is worth, and what it is counted from."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import streamlit as st

from pages.components import notices
from pages.components.format import md
from services.value import calculation
from services.value.models import Baseline, BaselineId, BenefitRule, Quantity, ValueConfig
from services.value.statements import LONGEST

_LINES = {
    Quantity.LABOUR_HOURS: ("Hours of work", "one hour of work"),
    Quantity.AVOIDED_REWORK: ("Corrections avoided", "one correction"),
    Quantity.CORRECT_REFERRALS: ("More correct referrals", "one correct referral"),
    Quantity.ERROR_REDUCTION: ("Less error of the forecast", "one unit of error"),
}
"""How a line is called unless somebody says otherwise, and what its worth is the worth of."""
_BEFORE = {
    BaselineId.MINUTES_PER_CASE: ("Minutes of work per case", "min", True),
    BaselineId.MINUTES_PER_REVIEW: ("Minutes of one review with the model", "min", True),
    BaselineId.OVERRIDE_RATE: ("Decisions that a person corrected", "share", True),
    BaselineId.REFERRAL_PRECISION: ("Right among the referred", "share", False),
    BaselineId.FORECAST_ERROR: ("Mean absolute error of the forecast", "unit of the forecast", True),
}
"""Title, unit, and whether less is better."""
_ENDS = (("unit_low", "Low"), ("unit_value", "Base"), ("unit_high", "High"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """What was typed so far. `missing` says what a line still needs; until then it has none."""

    rule: BenefitRule | None = None
    baselines: tuple[Baseline, ...] = ()
    missing: tuple[str, ...] = ()


def typed(config: ValueConfig, key: str) -> NewLine:
    """`key` begins the keys of all fields. Nothing is added until a kind of line was chosen."""
    # By the number of lines: what was typed for a line that is signed by now is not offered as one more.
    key = _key(config, key)
    quantity = st.selectbox(
        "Add a benefit line",
        list(_LINES),
        index=None,
        format_func=lambda found: _LINES[found][0],
        placeholder="no further line",
        key=key,
    )
    if quantity is None:
        return NewLine()
    title, one = _LINES[quantity]
    rule, missing = _rule(config, quantity, title, one, key)
    baselines = list[Baseline]()
    for name in needed(config, quantity):
        item, lacks = _baseline(name, key)
        baselines += [item] if item else []
        missing += lacks
    if missing or rule is None:
        return NewLine(missing=tuple(missing))
    return NewLine(rule=rule, baselines=tuple(baselines))


def reset(config: ValueConfig, key: str) -> None:
    """Written, not deleted: a browser keeps what was chosen until it is told otherwise."""
    if _key(config, key) in st.session_state:
        st.session_state[_key(config, key)] = None


def needed(config: ValueConfig, quantity: Quantity) -> tuple[BaselineId, ...]:
    """Figures the line is counted from that the statement does not have yet."""
    wanted = [calculation.NEEDED[quantity]]
    wanted += [BaselineId.MINUTES_PER_REVIEW] if quantity is Quantity.LABOUR_HOURS else []
    return tuple(name for name in wanted if config.baseline(name) is None)


def _key(config: ValueConfig, key: str) -> str:
    return f"{key}new-{len(config.benefits)}"


def _rule(
    config: ValueConfig, quantity: Quantity, title: str, one: str, key: str
) -> tuple[BenefitRule | None, list[str]]:
    name = st.text_input("What the line is called", value=title, max_chars=LONGEST, key=f"{key}-title")
    st.markdown(f"**Worth of {md(one)}**")
    worth = list[Decimal]()
    for column, (end, words) in zip(st.columns(3), _ENDS, strict=True):
        with column:
            amount = st.number_input(words, value=None, min_value=0.0, key=f"{key}-{end}", placeholder="not stated")
            worth += [] if amount is None else [Decimal(repr(amount))]
    assumed = st.text_input(
        "What nobody measured, and who stated it", max_chars=LONGEST, key=f"{key}-assumed",
        placeholder="empty when the worth was measured",
    )  # fmt: skip
    source = st.text_input("Source of the worth", max_chars=LONGEST, key=f"{key}-source")
    if len(worth) < len(_ENDS):
        return None, [
            f"State the low, base and high worth of {one}; zero where another line pays for the same already."
        ]
    taken = {rule.id for rule in config.benefits}
    ids = (quantity.value, *(f"{quantity.value}-{number}" for number in range(2, len(taken) + 3)))
    low, base, high = worth
    return BenefitRule(
        id=next(found for found in ids if found not in taken),
        title=name.strip() or title,
        quantity=quantity.value,
        unit_value=base,
        unit_low=low,
        unit_high=high,
        assumed=assumed.strip(),
        source=source.strip(),
    ), []


def _baseline(name: BaselineId, key: str) -> tuple[Baseline | None, list[str]]:
    title, unit, lower = _BEFORE[name]
    stated = name is BaselineId.MINUTES_PER_REVIEW
    left, right = st.columns([1, 2])
    with left:
        before = st.number_input(
            f"{title} ({unit})" if stated else f"Before the model: {title} ({unit})",
            value=None, min_value=0.0, max_value=1.0 if unit == "share" else None, key=f"{key}-{name}",
            placeholder="not stated",
        )  # fmt: skip
    with right:
        source = st.text_input("Where this figure comes from", max_chars=LONGEST, key=f"{key}-{name}-source")
        assumed = st.checkbox("An assumption: nobody measured it", value=True, key=f"{key}-{name}-assumed")
    if before is None:
        return None, [f"{title}: state the figure, or the line cannot be counted."]
    return Baseline(
        id=name.value, title=title, before=Decimal(repr(before)), unit=unit, lower_is_better=lower,
        source=source.strip(), assumed=assumed,
    ), []  # fmt: skip


def told(line: NewLine) -> None:
    for words in line.missing:
        notices.remark(md(words), "edit_note")
