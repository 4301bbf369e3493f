"""What a stage can find at all: said before the release, so that nobody takes a quiet hour for proof. Pure.

Over a stage the canary has c and the control o events, Poisson with means that follow from traffic, share and rates.
A fault is found when the sum of the ratio that suits it best passes ln(number of ratios / alpha) (the mixture is at
least that sum less the logarithm of their number; after Wald 1945, overshoot left out). With mean and variance of the
sum, found in nine of ten cases means: mean - 1.2816 standard deviations reaches that line, with the least number of
events reached as often.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, factorial, log, log1p, sqrt

from services.rollout.analysis.evidence import SEVERITIES
from services.rollout.analysis.settings import Settings

_Z_90 = 1.2815515655446004


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    error_rate: float | None
    """Smallest error rate of the candidate that is found in nine of ten stages; None when not even 100 % is."""
    requests: float
    """Requests the candidate gets in the stage."""
    sentence: str


def detectable(
    *, per_minute: float, share: float, minutes: float, base_rate: float, settings: Settings | None = None
) -> Power:
    """What errors a stage can find with this traffic. `share` and rates between 0 and 1; `base_rate` as served now."""
    chosen = settings or Settings()
    requests = per_minute * share * minutes
    within = _duration(minutes)
    if requests < 1:
        sentence = "With this traffic the candidate gets no request in this stage: nothing can be found."
        return Power(error_rate=None, requests=requests, sentence=sentence)
    setting = f"About {requests:,.0f} requests for the candidate {within} ({share:.0%} of {per_minute:,.0f} a minute)"
    arguments = {"total": per_minute * minutes, "share": share, "base": base_rate}
    if not _found(1.0, settings=chosen, **arguments):
        sentence = f"{setting}: too few to find even a candidate that fails every request. A longer stage is needed."
        return Power(error_rate=None, requests=requests, sentence=sentence)
    low, high = base_rate, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _found(middle, settings=chosen, **arguments) else (middle, high)
    sentence = (
        f"{setting}: an error rate of {high:.2%} or more is found in 9 of 10 cases (the live version: "
        f"{base_rate:.2%}). Less can pass unnoticed."
    )
    return Power(error_rate=high, requests=requests, sentence=sentence)


def _found(rate: float, *, total: float, share: float, base: float, settings: Settings) -> bool:
    canary, control = total * share * rate, total * (1 - share) * base
    if _fewer_than(settings.least_events, canary) > 0.1:
        return False
    line = log(len(SEVERITIES) / settings.error_alpha)
    odds = settings.error_tolerance * share / (1 - share) if share < 1 else float("inf")
    for ratio in SEVERITIES:
        per_control = -(log1p(ratio * odds) - log1p(odds)) if odds != float("inf") else -log(ratio)
        per_canary = log(ratio) + per_control
        mean = canary * per_canary + control * per_control
        if mean - _Z_90 * sqrt(canary * per_canary**2 + control * per_control**2) >= line:
            return True
    return False


def _fewer_than(least: int, mean: float) -> float:
    if mean > 700:
        return 0.0
    return sum(exp(-mean) * mean**count / factorial(count) for count in range(least))


def _duration(minutes: float) -> str:
    if minutes < 90:
        return f"in {minutes:,.0f} minutes"
    return f"in {minutes / 60:,.0f} hours" if minutes < 2880 else f"in {minutes / 1440:,.0f} days"
