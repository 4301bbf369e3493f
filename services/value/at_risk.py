"""What crossing a watch threshold puts at risk per day, as a range with its weakest assumption. Pure.

    benefit per day  = sum of the lines of the value statement (units x worth of a unit) / days with predictions
    at risk per day  = benefit per day x share of the decisions that the crossing affects

Units and their worth have a low, base and high end each, as the statement and the 95 % intervals of its measures say.
The share follows from the statistic at its limit. With TV the share of rows that must have changed place (total
variation distance), and d a shift of a normal distribution in its standard deviations:

    PSI          TV <= sqrt(PSI) / 2, as PSI = KL(p|q) + KL(q|p) and KL >= 2 TV^2 (Pinsker); for a shift d, PSI = d^2
                 and TV is about d / sqrt(2 pi), so the base is sqrt(PSI) x 0.399; nothing bounds it from below
    JS           JS^2 <= TV <= 1.177 JS (Lin 1991; Pinsker); for a shift d, JS^2 ln 2 = d^2 / 8, so the base is 0.940 JS
    KS           TV >= KS, and TV = KS for a shift; TV <= 2 KS where the two densities cross at most twice
    W1 / sd      for a shift d, W1 = d, so the base is 0.399 W1; nothing bounds it
    missing      exactly the share of rows that miss a value now and did not before; the same for unseen values
    alert rate   at least the relative shift: decisions that changed both ways cancel out and are not seen

Moved rows may still be decided right, so "at risk" is what is exposed and not what is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import pi, sqrt

from services.inventory.models import DeploymentKind, ServiceLevel
from services.value.calculation import cents, decimal
from services.value.models import ModelValue
from services.value.returns import Span

_NORMAL = 1 / sqrt(2 * pi)
"""Rows that change place per standard deviation of a small shift: the height of the normal density."""
_JS_SHIFT, _JS_MOST = 0.940, 1.177
_ALL_WRONG = "that each of these rows is decided wrong"
WHERE = "Value, Baseline and months"
_SLOW_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Share of the decisions that a crossing affects, 0 to 1 each. `weakest`: what it rests on and nobody measured."""

    low: float
    base: float
    high: float
    how: str
    weakest: str


EVERYTHING = Share(
    low=0.0, base=1.0, high=1.0, how="every decision of the day",
    weakest="that every decision of the day is exposed; nothing says which ones are still right",
)  # fmt: skip
"""Where the measure does not say how many decisions it touches, such as a broken feature table."""
LIFT_GONE = Share(
    low=0.0, base=1.0, high=1.0, how="no better than what was there before: the whole benefit",
    weakest="that a breach means no better than the figure before; labels of a cohort say how far it really fell",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DayWorth:
    """What a day of the model brings. `span` is None where nobody can say; `problem` then says why and what next."""

    model: str
    currency: str
    span: Span | None
    days: int = 0
    decisions: int = 0
    """Mean per day with predictions."""
    window: str = ""
    assumed: str = ""
    statement: int = 0
    problem: str = ""

    @property
    def basis(self) -> str:
        signed = f"version {self.statement} of the value statement" if self.statement else "figures nobody signed"
        return f"{signed}, {self.window}, {self.days} days with predictions, {self.decisions:,} decisions a day"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRisk:
    """Money a day behind one threshold. Without a `span` it is unknown, which is not nothing."""

    model: str
    currency: str
    span: Span | None
    formula: str
    weakest: str
    basis: str = ""
    problem: str = ""

    @property
    def words(self) -> str:
        """`12 to 48 USD a day, 30 most likely`, or that nobody can say."""
        if self.span is None:
            return f"not known: {self.problem}"
        low, base, high = (_amount(end) for end in (self.span.low, self.span.base, self.span.high))
        return f"{low} to {high} {self.currency} a day, {base} at the base"

    @property
    def sentence(self) -> str:
        if self.span is None:
            return f"Money at risk is {self.words}"
        return f"{self.words[0].upper()}{self.words[1:]}. {self.formula}. Weakest assumption: {self.weakest}."


def day_worth(value: ModelValue) -> DayWorth:
    """The recorded benefit of the window per day with predictions; a benefit below zero puts nothing at risk."""
    days = sum(day.predictions > 0 for day in value.days)
    if not value.benefits or not days:
        return DayWorth(
            model=value.model, currency=value.currency, span=None, window=value.window, statement=value.statement,
            problem=_why(value, days),
        )  # fmt: skip
    low, base, high = (
        max(sum((getattr(line, end) for line in value.benefits), Decimal(0)) / days, Decimal(0))
        for end in ("low", "amount", "high")
    )
    return DayWorth(
        model=value.model,
        currency=value.currency,
        span=Span(low=min(low, base), base=base, high=max(base, high)),
        days=days,
        decisions=value.predictions // days,
        window=value.window,
        assumed="; ".join(dict.fromkeys(line.assumed for line in value.benefits if line.assumed and line.pays)),
        statement=value.statement,
    )


def _why(value: ModelValue, days: int) -> str:
    if not value.statement and not value.benefits:
        return f"nobody stated what a right decision of {value.model} is worth. State it under {WHERE}."
    if not days:
        return f"no prediction of {value.model} is recorded in {value.window}."
    return f"no benefit of {value.model} could be computed. {value.sentence}"


def share_affected(statistic: str, limit: float) -> Share:
    """What the module says for a statistic at one of its limits; a statistic it does not know touches everything."""
    root = sqrt(max(limit, 0.0))
    one_shift = "that the column shifted as a whole"
    known = {
        "psi": (
            (0.0, root * _NORMAL, root / 2), f"PSI {limit:g}: at most sqrt(PSI) / 2 of the rows moved",
            f"{one_shift}; the same PSI may hide in one rare value",
        ),
        "js": (
            (limit**2, limit * _JS_SHIFT, limit * _JS_MOST), f"JS {limit:g}: JS² to 1.18 JS of the rows moved",
            one_shift,
        ),
        "ks": (
            (limit, limit, 2 * limit), f"KS {limit:g}: at least KS of the rows moved",
            "that the two densities cross at most twice",
        ),
        "w1": (
            (0.0, limit * _NORMAL, 1.0), f"{limit:g} standard deviations: 0.4 of that as a shift",
            f"{one_shift}; a few far values give the same distance",
        ),
        "missing": ((limit,) * 3, f"{limit:.1%} of the rows lost a value", _ALL_WRONG),
        "unseen": ((limit,) * 3, f"{limit:.1%} of the rows have a value never seen", _ALL_WRONG),
        "alerts": (
            (limit, limit, 1.0), f"at least {limit:.0%} of the alerts changed",
            "that changes both ways do not cancel out; they are not seen",
        ),
    }  # fmt: skip
    found = known.get(statistic)
    if found is None:
        return EVERYTHING
    (low, base, high), how, weakest = found
    return _share(low, base, high, how, weakest)


def promised_shares(level: ServiceLevel | None, kind: DeploymentKind) -> dict[str, Share]:
    """Share of the results that is lost at each limit that is promised: `errors`, and `latency` of calls or of runs.

    A 95th percentile at its limit means that one request in twenty takes longer. Nothing where nothing is promised.
    """
    if level is None:
        return {}
    lost = {"errors": float(level.error_rate)}
    if kind is DeploymentKind.BATCH and level.on_time_share is not None:
        lost["latency"] = 1 - level.on_time_share
    elif level.p95_ms is not None:
        lost["latency"] = _SLOW_SHARE
    return {
        name: Share(
            low=share, base=share, high=share, how=f"{share:.2%} of the results",
            weakest="that a result that comes late or not at all is worth nothing",
        )
        for name, share in lost.items()
    }  # fmt: skip


def at_risk(worth: DayWorth, share: Share) -> AtRisk:
    """Ends are multiplied as if all were at the same end at once."""
    if worth.span is None:
        return AtRisk(
            model=worth.model, currency=worth.currency, span=None, formula="", weakest="", problem=worth.problem
        )
    low, base, high = (
        cents(end * decimal(part))
        for end, part in zip(
            (worth.span.low, worth.span.base, worth.span.high), (share.low, share.base, share.high), strict=True
        )
    )
    return AtRisk(
        model=worth.model,
        currency=worth.currency,
        span=Span(low=low, base=base, high=high),
        formula=f"Benefit per day ({_amount(worth.span.base)} {worth.currency}) x share affected ({share.how})",
        weakest=_weakest(worth, share),
        basis=worth.basis,
    )


def _weakest(worth: DayWorth, share: Share) -> str:
    """What makes the range widest, relative to its base: the share that moved, or the worth of a unit."""
    assert worth.span is not None  # noqa: S101 - asked only where there is one
    of_share = (share.high - share.low) / share.base if share.base else 0.0
    of_worth = float((worth.span.high - worth.span.low) / worth.span.base) if worth.span.base else 0.0
    if worth.assumed and of_worth > of_share:
        return worth.assumed
    unsigned = "" if worth.statement else "; and what a unit is worth was signed by nobody"
    return f"{share.weakest}{unsigned}"


def _share(low: float, base: float, high: float, how: str, weakest: str) -> Share:
    low, base, high = (min(end, 1.0) for end in (low, base, high))
    return Share(low=low, base=base, high=max(base, high), how=how, weakest=weakest)


def _amount(amount: Decimal) -> str:
    return f"{amount:,.0f}" if amount >= 100 or amount == 0 else f"{amount:,.2f}"
