"""Evidence that may be looked at after every tick: mixture sequential probability ratio tests as e-processes. Pure.

The question is never "is the rate high" but "which arm did this event come from". With odds k = t * w / (1 - w), where
w is the canary's share of the requests and t the tolerated ratio of rates, an event comes from the canary with
probability p0 = k / (1 + k) at most while the canary is at most t times as bad. For a canary r times worse than that it
is p = rk / (1 + rk). Each pair of counts (c canary, o control) adds

    c * ln(p / p0) + o * ln((1 - p) / (1 - p0))  =  c * ln r - (c + o) * ln((1 + rk) / (1 + k))

to the sum of that r (likelihood ratio of Wald, Sequential Tests of Statistical Hypotheses, 1945). The e-value is the
mean of exp(sum) over a fixed list of r: a mixture SPRT (Robbins 1970; Johari, Koomen, Pekelis and Walsh, Always Valid
Inference, 2022). Its expectation never rises while nothing is wrong, so by Ville's inequality (1939) it ever reaches
1/alpha with probability alpha at most, however often anybody looks. The base rate does not occur in it.

A canary that was good for a day would have sums far below zero, and a fault that begins then would first have to make
up for them. So the mixture also runs over the tick from which on the canary is worse: `renewed` starts a share of the
evidence anew at every tick with events, by weights that add up to one. A mean of e-processes is one: the promise holds.

With w the realised share of a tick the counts are drawn without replacement; their exponential moments are then no
larger than with replacement (Hoeffding 1963, theorem 4), so the promise holds for frequent events too.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEVERITIES = (1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 50.0, 200.0)
"""How many times worse than tolerated: a canary may be a little worse, or fail every request."""
NEAR_SEVERITIES = (1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.7, 1.9)
"""For events half of the requests have anyway, such as being slower than the median: twice as many is all there is."""
SHARE_RATIOS = (1.2, 2.0, 4.0, 50.0)
BUSINESS_RATIOS = (1.1, 1.25, 1.5)
GO_RATIOS = (0.02, 0.1, 0.2, 0.35, 0.5, 0.7)
"""Shares of the promised rate a good canary may really have."""
SHIFTS = (0.25, 0.5, 1.0, 2.0)
"""Shifts of scores, in standard deviations."""
SPREADS = (-0.6, -0.3, 0.2, 0.35)
"""Scores that come together or apart: weight of the squared distance from the middle."""
_EDGE = 1e-9
_LARGEST = 700.0
"""exp() of more is infinite, and infinity is not JSON."""


def which_arm(
    canary: ArrayLike, control: ArrayLike, share: ArrayLike, *, tolerance: float, ratios: tuple[float, ...]
) -> Floats:
    """What a tick adds to the sums, one per ratio in the last dimension. Ratios below 1 ask for fewer events."""
    w = np.clip(np.asarray(share, dtype=np.float64), _EDGE, 1 - _EDGE)[..., None]
    c = np.asarray(canary, dtype=np.float64)[..., None]
    o = np.asarray(control, dtype=np.float64)[..., None]
    r, k = np.asarray(ratios), tolerance * w / (1 - w)
    return np.asarray(c * np.log(r) - (c + o) * (np.log1p(r * k) - np.log1p(k)))


def either_way(
    canary: ArrayLike, control: ArrayLike, share: ArrayLike, *, tolerance: float, ratios: tuple[float, ...]
) -> Floats:
    """More events than tolerated from the canary, or fewer: the two one-sided mixtures beside each other."""
    fewer = tuple(1 / ratio for ratio in ratios)
    return np.concatenate(
        [
            which_arm(canary, control, share, tolerance=tolerance, ratios=ratios),
            which_arm(canary, control, share, tolerance=1 / tolerance, ratios=fewer),
        ],
        axis=-1,
    )


def against_rate(events: ArrayLike, n: ArrayLike, rate: float, *, ratios: tuple[float, ...]) -> Floats:
    """One arm against a fixed rate: e * ln(q / rate) + (n - e) * ln((1 - q) / (1 - rate)) for q = ratio * rate.

    Ratios below 1 are evidence against "the rate is at least this", above 1 against "at most this".
    """
    s = min(max(rate, _EDGE), 0.5)
    q = np.minimum(np.asarray(ratios) * s, 0.95)
    e, total = np.asarray(events, dtype=np.float64)[..., None], np.asarray(n, dtype=np.float64)[..., None]
    return np.asarray(e * np.log(q / s) + (total - e) * (np.log1p(-q) - np.log1p(-s)))


def reserve(ticks: int | Ints) -> Floats:
    """Share of the evidence that has not begun after so many ticks with events: falls to zero, ever more slowly."""
    return np.asarray(log(2) / np.log(2.0 + np.asarray(ticks)))


def renewed(sums: ArrayLike | None, step: Floats, ticks: int) -> Floats:
    """The sums after a tick with events, the `ticks`-th: what began before, and what begins with it.

    S(t) = (S(t-1) + w(t)) * exp(step) with w(t) = reserve(t-1) - reserve(t), kept as logarithms.
    """
    begins = log(float(reserve(ticks - 1) - reserve(ticks)))
    before = np.full(step.shape, begins) if sums is None else np.logaddexp(np.asarray(sums), begins)
    return np.asarray(before + step)


def log_e(sums: ArrayLike, ticks: int | Ints) -> Floats:
    """Logarithm of the e-value of renewed sums: what has begun, and the reserve that stands at one."""
    return np.asarray(np.logaddexp(log_mean(sums), np.log(reserve(ticks))))


def restarted(sums: ArrayLike, step: ArrayLike) -> Floats:
    """One step of a CUSUM e-detector (Shin, Ramdas and Rinaldo 2024): forgets what spoke for health, so that a fault
    after a good year is found as fast as one after a good hour. Without a fault the mean time to a crossing of 1/alpha
    is at least 1/alpha steps; that is a rate of false alarms, not a bound for ever.
    """
    return np.asarray(np.maximum(np.asarray(sums, dtype=np.float64), 0.0) + np.asarray(step, dtype=np.float64))


def scores_moved(canary: ArrayLike, control: ArrayLike, share: ArrayLike) -> Floats:
    """Which arm a score came from, given its bin. The share has to be the one that was set, not the realised one.

    With q the ratio of densities of an alternative, a canary's score in bin b multiplies by q / (1 - w + wq) and a
    control's by 1 / (1 - w + wq): expectation one while the arm says nothing about the bin.
    """
    c, o = np.asarray(canary, dtype=np.float64), np.asarray(control, dtype=np.float64)
    logs = _density_ratios(c.shape[-1])
    w = np.clip(np.asarray(share, dtype=np.float64), _EDGE, 1 - _EDGE)
    mixed = np.log1p(w[..., None, None] * np.expm1(logs))
    return np.asarray(c @ logs.T - np.sum((c + o)[..., None, :] * mixed, axis=-1))


def log_mean(sums: ArrayLike) -> Floats:
    """Logarithm of the mean of exp(sums) over the last dimension, without overflow: that of the e-value."""
    array = np.asarray(sums, dtype=np.float64)
    return np.asarray(np.logaddexp.reduce(array, axis=-1) - log(array.shape[-1]))


def e_value(log_e: float) -> float:
    return exp(min(log_e, _LARGEST))


@lru_cache
def _density_ratios(bins: int) -> Floats:
    """Logarithm of canary over reference density per bin (of equal weight), one row per alternative."""
    middle = np.array([NormalDist().inv_cdf((index + 0.5) / bins) for index in range(bins)])
    alternatives = [sign * shift * middle for shift in SHIFTS for sign in (1, -1)]
    alternatives += [spread * middle**2 for spread in SPREADS]
    for index in range(bins):  # one bin that has three times its weight: a default value, a broken feature
        spike = np.zeros(bins)
        spike[index] = log(3)
        alternatives.append(spike)
    rows = np.stack(alternatives)
    ratios = np.asarray(rows - np.log(np.mean(np.exp(rows), axis=1, keepdims=True)))
    ratios.setflags(write=False)
    return ratios
