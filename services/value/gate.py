"""The gate of a model's return: closed months against it, and the review that opens when too many are missed. Pure.

    net benefit of a month = benefit - cost of that calendar month
    benefit                = what finance attested, where it has; else as computed from the records
    under the gate         = net benefit < gate, gate = the greater of the policy's figure and the value statement's
    a review opens         = the last `missed_months` closed months are all under

A month that cannot be computed is not under the gate, and not above it either: it opens nothing, closes nothing, and
the row of missed months is not counted across it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from services.attestation.documents import DocumentKind
from services.kernel.errors import InputError, MissingReasonError
from services.kernel.personal_data import finding
from services.kernel.secret import Secret
from services.value import periods
from services.value.models import ModelValue
from services.value.periods import PeriodState

KEEP_REASONS = {
    "RAMP-UP": "It is still being taken up",
    "SEASON": "The months are not typical",
    "REQUIRED": "A law or contract asks for it",
    "RISK": "It avoids a risk that is not counted as benefit",
    "IMPROVING": "A new version or a cheaper way of serving is on its way",
    "OTHER": "Other, explained in the text",
}


class Standing(StrEnum):
    UNDER = "under"
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The figure of one model, and whose it is."""

    amount: Decimal
    currency: str
    missed_months: int
    review_days: int
    longest_keep_months: int
    source: str
    """`tier-1 version 6`, or that with the statement that asks for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One closed month as it was judged. Amounts are decimal text, empty where nothing could be computed."""

    period: str
    standing: Standing
    net: str
    low: str
    high: str
    benefit: str
    cost: str
    source: str
    """`attested by finance`, `computed from the records`, or why neither could be."""
    n: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Opened by the worker on figures that are kept as they were. `text` is their canonical document."""

    review_id: str
    model: str
    period: str
    """The last closed month it was opened on."""
    at: datetime
    due: date
    owner_subject: str
    owner_name: str
    """Empty: nobody is named as business owner."""
    text: str
    sha256: str
    seq: int
    leaf_hash: str

    @property
    def figures(self) -> Figures:
        return FIGURES.read(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a review was opened on."""

    model: str
    gate: str
    currency: str
    source: str
    months: tuple[Month, ...]
    """Newest first."""
    statement: int


class AnswerKind(StrEnum):
    KEEP = "keep"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One signed answer, immutable."""

    review_id: str
    number: int
    answer: AnswerKind
    reason_code: str
    reason: str
    salt: str
    next_period: str
    """Of keep: the first month that is judged again."""
    request_id: str
    """Of retire: the request in the queue."""
    at: datetime
    by_issuer: str
    by_subject: str
    by_name: str
    seq: int
    leaf_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepModel:
    """Command: it stays, for a reason, and is judged again from `next_period` on."""

    command_id: str
    review_id: str
    reason_code: str
    reason: str
    next_period: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireModel:
    """Command: it goes. `seen` is the digest of the draft of the retirement request that was shown."""

    command_id: str
    review_id: str
    reason_code: str
    reason: str
    seen: str
    passphrase: Secret


def month_of(
    value: ModelValue, period: str, state: PeriodState | None, gate: Decimal, *, whole: bool, problem: str = ""
) -> Month:
    """`whole`: the model was in use before the month began; a part of a month is not held against a month's figure."""
    attested = state.attested if state is not None and not state.problem else None
    problem = problem or (state.problem if state is not None else "")
    if not value.days:
        problem = problem or "no cost is recorded"
    if attested is None and value.benefit is None:
        problem = problem or f"no benefit could be computed. {value.sentence}"
    if not whole:
        problem = problem or "the model was not in use for the whole month"
    if problem:
        return _unknown(period, problem)
    if attested is not None:
        benefit = low = high = attested
        source = "attested by finance"
    else:
        benefit = value.benefit or Decimal(0)
        low, high = (sum((getattr(line, end) for line in value.benefits), Decimal(0)) for end in ("low", "high"))
        source = "computed from the records, not attested"
    net = benefit - value.cost
    return Month(
        period=period,
        standing=Standing.UNDER if net < gate else Standing.OVER,
        net=str(net),
        low=str(low - value.cost),
        high=str(high - value.cost),
        benefit=str(benefit),
        cost=str(value.cost),
        source=source,
        n=sum(line.n for line in value.benefits if line.pays),
    )


def _unknown(period: str, why: str) -> Month:
    words = f"cannot be computed: {why.rstrip('.')}. Neither under the gate nor above it."
    return Month(period=period, standing=Standing.UNKNOWN, net="", low="", high="", benefit="", cost="", source=words)


def is_missed(months: Sequence[Month], needed: int) -> bool:
    """`months` are the last closed ones, newest first."""
    return len(months) >= needed and all(month.standing is Standing.UNDER for month in months[:needed])


def sentence(months: Sequence[Month], gate: Gate) -> str:
    """How the model stands against its gate, in words."""
    if not months:
        return "No month is closed since it is in use, so nothing is held against the gate."
    unknown = [month.period for month in months if month.standing is Standing.UNKNOWN]
    under = [month.period for month in months if month.standing is Standing.UNDER]
    words = []
    if under:
        words.append(f"{_listed(under)} under the gate of {gate.amount:,.2f} {gate.currency} a month")
    if unknown:
        words.append(f"{_listed(unknown)} cannot be computed, which is neither under the gate nor above it")
    if not words:
        over = _listed([month.period for month in months])
        return f"At or above the gate of {gate.amount:,.2f} {gate.currency} a month in {over}."
    return f"{'; '.join(words)}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def after(period: str, months: int = 1) -> str:
    """`2030-12` and 2 give `2031-02`."""
    first, _ = periods.days_of(period)
    number = first.year * 12 + first.month - 1 + months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def _figures(found: dict[str, Any]) -> Figures:
    months = tuple(
        Month(**{**item, "standing": Standing(item["standing"]), "n": int(item["n"])}) for item in found["months"]
    )
    return Figures(**{**found, "statement": int(found["statement"]), "months": months})


FIGURES = DocumentKind(
    format="countersign.value-review/1", name="a set of figures of a review", hint="Restore the row.", build=_figures
)


def require_words(code: str, text: str, known: object) -> str:
    """The reason as it is kept. Raises MissingReasonError, InputError for personal data or a text too long."""
    reason = text.strip()
    if code not in (known if isinstance(known, dict) else {}):
        raise MissingReasonError("An answer needs a reason from the list.", hint="Choose one, and say it in words too.")
    reason = periods.require_reason(reason, "Why")
    found = finding(reason)
    if found:
        raise InputError(
            f"The reason seems to hold {found}.", hint="Say it without: the record is kept for years, and shown."
        )
    return reason


def require_next(period: str, *, today: date, longest: int) -> str:
    """The first month judged again: one that is not closed yet, and not too far ahead. Raises InputError."""
    periods.days_of(period)
    current = f"{today:%Y-%m}"
    last = after(current, longest)
    if not current <= period <= last:
        raise InputError(
            f"The next month that is judged lies between {current} and {last}.",
            hint="The policy of its tier says how long a model may be kept without another look.",
        )
    return period


def due(at: datetime, days: int) -> date:
    return at.date() + timedelta(days=days)
