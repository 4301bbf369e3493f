"""A service level as an objective with an error budget, and how fast the budget burns. Pure.

Objective 99 % over 30 days means: one request in a hundred may fail, that is the budget. The burn rate is the error
rate over the allowed one; at rate 1 the budget lasts exactly the window. After the SRE workbook (Google, chapter 5,
"Alerting on SLOs", table 5-8): a fast burn has to show in a long window, so that a blip is not an alarm, and still in
a short one, a twelfth as long, so that an alarm ends when the fault does.

    14.4 x over 1 h and 5 min   2 % of the budget in an hour: somebody is called
     6   x over 6 h and 30 min  5 % in six hours: somebody is called
     1   x over 3 d and 6 h     10 % in three days: a ticket

It pages and freezes releases; it does not judge a canary, which is a small part of the requests and burns slowly.
Without requests in a window nothing is said about it: no data is neither kept nor broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.inventory.models import ServiceLevel
from services.kernel.health import Explanation, Health
from services.kernel.interval import Estimate, share_of

WINDOW = timedelta(days=30)
LEAST_REQUESTS = 20
"""Below this a single failure would be a burn rate of five times and more."""


class Urgency(StrEnum):
    PAGE = "page"
    """Somebody is called now."""
    TICKET = "ticket"
    """Somebody looks on the next working day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Share of requests that has to be answered well, over a window."""

    target: float
    """Between 0 and 1, both excluded: a promise without room for any failure has no budget to burn."""
    window: timedelta = WINDOW

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(f"An objective lies between 0 and 1, not at {self.target}.")

    @property
    def budget(self) -> float:
        """Share of requests that may fail."""
        return 1 - self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Requests that began in one slot of time, and how many of them failed."""

    start: datetime
    length: timedelta
    requests: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnPair:
    urgency: Urgency
    factor: float
    long: timedelta
    short: timedelta


PAIRS = (
    BurnPair(urgency=Urgency.PAGE, factor=14.4, long=timedelta(hours=1), short=timedelta(minutes=5)),
    BurnPair(urgency=Urgency.PAGE, factor=6.0, long=timedelta(hours=6), short=timedelta(minutes=30)),
    BurnPair(urgency=Urgency.TICKET, factor=1.0, long=timedelta(days=3), short=timedelta(hours=6)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """One pair, measured. Rates are None where the window holds too few requests."""

    pair: BurnPair
    long_rate: float | None
    short_rate: float | None
    firing: bool
    sentence: str
    long_requests: int = 0
    short_requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    objective: Objective
    requests: int
    failed: int
    remaining: float | None
    """Share of the budget that is left: 1 untouched, 0 used up, below 0 overdrawn; None without requests."""
    state: Health
    urgency: Urgency | None
    """The gravest pair that fires."""
    burns: tuple[Burn, ...]
    sentence: str
    covers: timedelta = timedelta(0)
    """How far back anything is recorded, up to the window."""
    left: Estimate | None = None
    """`remaining` with its 95 % interval."""
    explanation: Explanation | None = None


def objective_of(level: ServiceLevel | None) -> Objective | None:
    """The promised error rate as an objective; None where nothing, or nothing that can be kept, was promised."""
    if level is None or not 0 < level.error_rate < 1:
        return None
    return Objective(target=1 - level.error_rate)


def budget(
    objective: Objective, served: Sequence[Served], now: datetime, *, recorded: str = "Recorded live requests"
) -> BudgetView:
    """What is left of the budget at `now`, and which pairs burn. Slots may have any length; later ones do not count.

    `recorded`: where the requests are from, in words.
    """
    known = [slot for slot in served if slot.requests > 0 and slot.start < now]
    requests, failed = _counted(known, now - objective.window, now)
    burns = tuple(_burn(pair, objective, known, now) for pair in PAIRS)
    urgency = next((burn.pair.urgency for burn in burns if burn.firing), None)
    oldest = min((slot.start for slot in known), default=now)
    remaining = 1 - failed / (requests * objective.budget) if requests else None
    return BudgetView(
        objective=objective,
        requests=requests,
        failed=failed,
        remaining=remaining,
        state=_state(remaining, requests, objective, urgency),
        urgency=urgency,
        burns=burns,
        sentence=_sentence(objective, requests, failed, remaining),
        covers=min(now - oldest, objective.window),
        left=_left(objective, requests, failed),
        explanation=_explanation(objective, known, requests, recorded),
    )


def _left(objective: Objective, requests: int, failed: int) -> Estimate | None:
    rate = share_of(failed, requests)
    if rate is None:
        return None
    value, low, high = (1 - share / objective.budget for share in (rate.value, rate.high, rate.low))
    return Estimate(value=value, low=low, high=high)


def _explanation(objective: Objective, known: Sequence[Served], requests: int, recorded: str) -> Explanation:
    newest = max(known, key=lambda slot: slot.start, default=None)
    days = objective.window.total_seconds() / 86_400
    return Explanation(
        formula=f"Left = 1 - failed / (requests x {objective.budget:.2%} allowed to fail). Burn rate = failed / "
        "requests / allowed share: at 1 the budget lasts exactly the window. A pair fires when both its windows are at "
        "or over its factor.",
        source=f"{recorded}; all versions together, slots of five minutes",
        window=f"Last {days:.0f} days; burn rates over "
        + ", ".join(f"{_span(pair.long)} and {_span(pair.short)} ({pair.factor:g}x)" for pair in PAIRS),
        as_of=None if newest is None else newest.start + newest.length,
        n=requests,
        note=f"SRE workbook, chapter 5, table 5-8. Fewer than {LEAST_REQUESTS} requests in a window say nothing about "
        "its rate. The 95 % interval is that of the failed share after Wilson; faults come together, so it is narrow.",
    )


def _state(remaining: float | None, requests: int, objective: Objective, urgency: Urgency | None) -> Health:
    """Firing pairs come first: a budget that is nearly whole can burn at any speed."""
    if urgency is Urgency.PAGE:
        return Health.BREACH
    if remaining is None or requests * objective.budget < 1:
        return Health.UNKNOWN
    if remaining <= 0:
        return Health.BREACH
    return Health.WATCH if urgency is Urgency.TICKET or remaining < 0.25 else Health.HEALTHY


def _sentence(objective: Objective, requests: int, failed: int, remaining: float | None) -> str:
    days = objective.window.total_seconds() / 86_400
    promised = f"{objective.target:.3%}".rstrip("0%").rstrip(".") + " %"
    if remaining is None:
        return f"No request is recorded in {days:.0f} days: whether {promised} were answered well is not known."
    allowed = requests * objective.budget
    counted = f"{failed:,} of {requests:,} requests failed in {days:.0f} days"
    if allowed < 1:
        return f"{counted}: too few requests to show that {promised} are answered well."
    if remaining < 0:
        return f"{counted}; {allowed:,.0f} were allowed for {promised}: the budget is overdrawn by {-remaining:.0%}."
    return f"{counted}; {allowed:,.0f} are allowed for {promised}: {remaining:.0%} of the budget is left."


def _burn(pair: BurnPair, objective: Objective, served: Sequence[Served], now: datetime) -> Burn:
    long_rate, long_requests = _rate(objective, served, now - pair.long, now)
    short_rate, short_requests = _rate(objective, served, now - pair.short, now)
    firing = long_rate is not None and short_rate is not None and long_rate >= pair.factor and short_rate >= pair.factor
    return Burn(
        pair=pair,
        long_rate=long_rate,
        short_rate=short_rate,
        firing=firing,
        sentence=_burn_sentence(pair, objective, long_rate, short_rate, firing=firing),
        long_requests=long_requests,
        short_requests=short_requests,
    )


def _burn_sentence(
    pair: BurnPair, objective: Objective, long_rate: float | None, short_rate: float | None, *, firing: bool
) -> str:
    long, short = _span(pair.long), _span(pair.short)
    if long_rate is None or short_rate is None:
        return f"Too few requests in {short if long_rate is not None else long} to say how fast the budget burns."
    measured = f"{long_rate:.1f} times as fast as allowed over {long}, {short_rate:.1f} times over {short}"
    if not firing:
        return f"The budget burns {measured}; {pair.factor:g} times in both would be too fast."
    lasts = objective.window.total_seconds() / 3_600 / long_rate
    left = f"{lasts:.0f} hours" if lasts < 48 else f"{lasts / 24:.0f} days"
    return f"The budget burns {measured}: a whole one would last {left}."


def _rate(objective: Objective, served: Iterable[Served], since: datetime, until: datetime) -> tuple[float | None, int]:
    requests, failed = _counted(served, since, until)
    return (failed / requests / objective.budget if requests >= LEAST_REQUESTS else None), requests


def _counted(served: Iterable[Served], since: datetime, until: datetime) -> tuple[int, int]:
    """Requests and failures of the slots that reach into the window. A slot counts whole: half a failure is none."""
    inside = [slot for slot in served if slot.start < until and slot.start + slot.length > since]
    return sum(slot.requests for slot in inside), sum(slot.failed for slot in inside)


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3_600
    if hours > 24:
        return f"{hours / 24:g} days"
    return f"{hours * 60:.0f} minutes" if hours < 1 else "an hour" if hours == 1 else f"{hours:g} hours"
