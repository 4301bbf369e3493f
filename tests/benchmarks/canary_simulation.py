"""How often the tests of a canary stop a good release, and how long a bad one runs: Monte Carlo, beside naive rules.

Set-up: canary 5 %, ticks of 15 s, one hour, live version 0.2 % errors against a promise of 1 %; answers log-normal
with median 40 ms and 95th percentile 107 ms against a promise of 150 ms. Traffic of 100 requests a minute, 10 a second,
100 a second. Minutes are counted from the end of the first one, which is left out as cold. The evidence is computed by
the functions the product runs; tests/unit/rollout/analysis holds the two together.

`python -m tests.benchmarks.canary_simulation 4000` runs it with that many runs per cell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from services.rollout.analysis import evidence
from services.rollout.analysis.power import detectable
from services.rollout.analysis.settings import Settings
from tests.benchmarks.inventory_rerun import Figure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RUNS = 300
"""Enough to notice that something broke; the published table is made of more."""
TRAFFIC = {"100/min": 25, "10/s": 150, "100/s": 1_500}
"""Requests per tick."""
TICKS, TICK_MINUTES, COLD = 240, 0.25, 4
SHARE, BASE, PROMISE = 0.05, 0.002, 0.01
SIGMA = log(107 / 40) / 1.6448536269514722
THRESHOLDS = (40.0, 107.0, 150.0)
RULES = Settings()


@dataclass(frozen=True)
class Arms:
    """Requests and errors per run and tick. Every error is another caller's unless said otherwise."""

    n_canary: Ints
    n_control: Ints
    canary: Ints
    control: Ints
    share: float = SHARE


@dataclass(frozen=True)
class Outcome:
    """Minutes until each run was stopped; infinite where it was not."""

    minutes: Floats

    @property
    def stopped(self) -> float:
        return float(np.mean(np.isfinite(self.minutes)))

    def quantile(self, share: float) -> float:
        found = self.minutes[np.isfinite(self.minutes)]
        return float(np.quantile(found, share)) if len(found) else float("inf")


def measure(*, runs: int = RUNS) -> Iterator[Figure]:
    for title, part in PARTS.items():
        for traffic, per_tick in TRAFFIC.items():
            yield from part(f"{title}, {traffic}", per_tick, runs)
    yield from _power(runs)


# Traffic


def arms(
    generator: np.random.Generator,
    per_tick: float | Floats,
    runs: int,
    *,
    canary_rate: float | Floats = BASE,
    control_rate: float | Floats = BASE,
    share: float = SHARE,
    ticks: int = TICKS,
) -> Arms:
    """Rates may be arrays over ticks."""
    n_canary = generator.poisson(np.broadcast_to(per_tick * share, (runs, ticks)))
    n_control = generator.poisson(np.broadcast_to(per_tick * (1 - share), (runs, ticks)))
    return Arms(
        n_canary=n_canary,
        n_control=n_control,
        canary=generator.binomial(n_canary, np.broadcast_to(canary_rate, (runs, ticks))),
        control=generator.binomial(n_control, np.broadcast_to(control_rate, (runs, ticks))),
        share=share,
    )


def outage() -> Floats:
    """Both versions fail 5 % more for three minutes."""
    rate = np.full(TICKS, BASE)
    rate[100:112] += 0.05
    return rate


# Rules


def mixture(seen: Arms, *, cold: int = COLD) -> Floats:
    """Logarithm of the e-value per run and tick, with callers that are counted once."""
    got = np.cumsum(seen.n_canary, axis=1) / np.maximum(1, np.cumsum(seen.n_canary + seen.n_control, axis=1))
    step = evidence.which_arm(
        seen.canary,
        seen.control,
        np.maximum(seen.share, got),
        tolerance=RULES.error_tolerance,
        ratios=evidence.SEVERITIES,
    )
    return renewed(step, (seen.canary + seen.control > 0) & (np.arange(step.shape[1]) >= cold))


def renewed(step: Floats, events: NDArray[np.bool_]) -> Floats:
    """`evidence.renewed` over all runs and ticks at once: logarithm of the e-value after each tick."""
    ticks = np.cumsum(events, axis=1)
    sums = np.cumsum(np.where(events[..., None], step, 0.0), axis=1)
    before = np.concatenate([np.zeros_like(sums[:, :1]), sums[:, :-1]], axis=1)
    weight = evidence.reserve(np.maximum(0, ticks - 1)) - evidence.reserve(ticks)
    begins = np.where(events, np.log(np.where(events, weight, 1.0)), -1e300)[..., None]
    started = np.logaddexp.accumulate(begins - before, axis=1) + sums
    return np.logaddexp(evidence.log_mean(started), np.log(evidence.reserve(ticks)))


def by_evidence(seen: Arms, *, cold: int = COLD) -> Outcome:
    counted = np.where(np.arange(seen.canary.shape[1]) < cold, 0, seen.canary)
    enough = np.cumsum(counted, axis=1) >= RULES.least_events
    return first((mixture(seen, cold=cold) >= log(1 / RULES.error_alpha)) & enough, left_out=cold)


def last_minute_above_promise(seen: Arms) -> Outcome:
    window = 4
    errors, n = _moving(seen.canary, window), _moving(seen.n_canary, window)
    return first((errors > PROMISE * n) & (n > 0))


def exact_test(seen: Arms, *, level: float) -> Outcome:
    """The error counts of both arms in an exact conditional test, at every tick."""
    c, o = np.cumsum(seen.canary, axis=1), np.cumsum(seen.control, axis=1)
    got = np.cumsum(seen.n_canary, axis=1) / np.maximum(1, np.cumsum(seen.n_canary + seen.n_control, axis=1))
    return first((stats.binom.sf(c - 1, c + o, got) < level) & (c > 0))


def first(stopped: NDArray[np.bool_], *, minutes: float = TICK_MINUTES, left_out: int = 0) -> Outcome:
    hit = stopped.any(axis=1)
    return Outcome(np.where(hit, (np.argmax(stopped, axis=1) + 1 - left_out) * minutes, np.inf))


def _moving(counts: Ints, window: int) -> Ints:
    total = np.cumsum(counts, axis=1)
    total[:, window:] -= np.cumsum(counts, axis=1)[:, :-window]
    return total


# Parts


def _errors(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    rng = np.random.default_rng(4)
    same = arms(rng, per_tick, runs)
    common = arms(rng, per_tick, runs, canary_rate=outage(), control_rate=outage())
    yield _false(f"{title}: identical versions", by_evidence(same), bar=0.4)
    yield _false(f"{title}: common outage", by_evidence(common), bar=0.4)
    for rate in (0.02, 0.05, 0.5):
        yield _found(f"{title}: {rate:.0%} errors", by_evidence(arms(rng, per_tick, runs, canary_rate=rate)))
    late = np.where(np.arange(2 * TICKS) < TICKS, BASE, 0.05)
    after = by_evidence(arms(rng, per_tick, runs, canary_rate=late, ticks=2 * TICKS))
    yield _found(f"{title}: 5 % errors after a healthy hour", Outcome(after.minutes - (TICKS - COLD) * TICK_MINUTES))
    bad = arms(rng, per_tick, runs, canary_rate=0.05)
    for name, rule in (
        ("last minute above the promise", last_minute_above_promise),
        ("exact test p < 0.05 at every tick", lambda seen: exact_test(seen, level=0.05)),
        ("exact test p < 0.01 at every tick", lambda seen: exact_test(seen, level=0.01)),
    ):
        yield _false(f"{title}: NAIVE {name}: identical versions", rule(same))
        yield _false(f"{title}: NAIVE {name}: common outage", rule(common))
        yield _found(f"{title}: NAIVE {name}: 5 % errors", rule(bad))


def _shadow(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    """Every live request is copied: both arms have the same requests."""
    rng = np.random.default_rng(5)
    for rate in (BASE, 0.02, 0.05):
        seen = arms(rng, 2 * per_tick, runs, share=0.5, canary_rate=rate)
        outcome = by_evidence(seen)
        if rate == BASE:
            yield _false(f"{title}: identical versions", outcome, bar=0.4)
        else:
            yield _found(f"{title}: {rate:.0%} errors", outcome)


def _client(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    """A caller with 3 % of the requests, half of them failing for ten minutes, lands in the canary one time in 20."""
    rng = np.random.default_rng(6)
    seen = arms(rng, 0.97 * per_tick, runs)
    mine = rng.poisson(0.03 * per_tick, seen.canary.shape)
    failing = rng.binomial(mine, np.where((np.arange(TICKS) >= 100) & (np.arange(TICKS) < 140), 0.5, BASE))
    canary = (rng.random(runs) < SHARE)[:, None]
    once = (np.cumsum(failing, axis=1) > 0) & (np.cumsum(failing, axis=1) == failing)  # the first tick with an error

    def with_client(counted: Ints) -> Arms:
        return Arms(
            n_canary=seen.n_canary + mine * canary,
            n_control=seen.n_control + mine * ~canary,
            canary=seen.canary + counted * canary,
            control=seen.control + counted * ~canary,
        )

    yield _false(f"{title}: one broken client, counted once", by_evidence(with_client(once.astype(np.int64))), bar=1)
    yield _false(f"{title}: one broken client, NAIVE counted per request", by_evidence(with_client(failing)))


def _latency(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    rng = np.random.default_rng(7)
    flat = np.ones(TICKS)
    wave = 1 + 0.3 * np.sin(np.arange(TICKS) / 20)
    cold = np.where(np.arange(TICKS) < 2, 6.0, 1.0)
    yield _false(f"{title}: identical versions", slow(rng, per_tick, runs, flat, flat), bar=0.4)
    yield _false(f"{title}: common load wave", slow(rng, per_tick, runs, wave, wave), bar=0.4)
    yield _false(f"{title}: cold canary, first minute left out", slow(rng, per_tick, runs, cold, flat), bar=1)
    yield _false(f"{title}: cold canary, NAIVE nothing left out", slow(rng, per_tick, runs, cold, flat, cold_ticks=0))
    for times in (1.5, 2.0):
        yield _found(f"{title}: {times:g} times slower", slow(rng, per_tick, runs, flat * times, flat))
    yield _found(f"{title}: 5 % of requests 5 times slower", slow(rng, per_tick, runs, flat, flat, tail=0.05))


def slow(
    rng: np.random.Generator,
    per_tick: float,
    runs: int,
    canary: Floats,
    control: Floats,
    *,
    tail: float = 0.0,
    cold_ticks: int = COLD,
) -> Outcome:
    """`canary` and `control`: factor on the latency per tick; `tail`: share of canary requests five times slower."""
    found = latency_evidence(rng, per_tick, runs, canary, control, tail=tail, cold_ticks=cold_ticks)
    return first(found >= log(1 / RULES.latency_alpha), left_out=cold_ticks)


def latency_evidence(
    rng: np.random.Generator,
    per_tick: float | Floats,
    runs: int,
    canary: Floats,
    control: Floats,
    *,
    tail: float = 0.0,
    cold_ticks: int = COLD,
    share: float | Floats = SHARE,
) -> Floats:
    ticks = len(canary)
    n_c = rng.poisson(np.broadcast_to(per_tick * share, (runs, ticks)))
    n_o = rng.poisson(np.broadcast_to(per_tick * (1 - share), (runs, ticks)))
    realised = n_c / np.maximum(1, n_c + n_o)
    slow_c, slow_o, parts = n_c, n_o, []
    before_c = before_o = np.ones(ticks)
    for threshold, tolerance in zip(THRESHOLDS, RULES.latency_tolerances, strict=True):
        p_c = (1 - tail) * _slower(threshold / canary) + tail * _slower(threshold / canary / 5)
        p_o = _slower(threshold / control)
        slow_c, slow_o = rng.binomial(slow_c, p_c / before_c), rng.binomial(slow_o, p_o / before_o)
        before_c, before_o = p_c, p_o
        ratios = evidence.NEAR_SEVERITIES if threshold == THRESHOLDS[0] else evidence.SEVERITIES
        step = evidence.which_arm(slow_c, slow_o, realised, tolerance=tolerance, ratios=ratios)
        parts.append(renewed(step, (slow_c + slow_o > 0) & (np.arange(ticks) >= cold_ticks)))
    return evidence.log_mean(np.stack(parts, axis=-1))


def _slower(milliseconds: Floats) -> Floats:
    return np.asarray(stats.norm.sf(np.log(milliseconds / 40) / SIGMA))


def _ramp(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    """5, 10 and 20 %, an hour each, load that drifts by 80 %; errors and latency together, evidence going on."""
    rng = np.random.default_rng(8)
    for times, name in ((1, "identical versions"), (5, "5 times the errors"), (10, "10 times the errors")):
        load = per_tick * (1 + 0.8 * np.sin(np.arange(TICKS) / 60 + rng.random((runs, 1)) * 6.28))
        stages = [arms(rng, load, runs, share=share, canary_rate=times * BASE) for share in (0.05, 0.1, 0.2)]
        errors = np.concatenate([_steps(seen) for seen in stages], axis=1)
        events = np.concatenate([seen.canary + seen.control > 0 for seen in stages], axis=1)
        events[:, :COLD] = False
        counted = np.cumsum(np.concatenate([seen.canary for seen in stages], axis=1), axis=1)
        stop = (renewed(errors, events) >= log(1 / RULES.error_alpha)) & (counted >= RULES.least_events)
        flat, share = np.ones(3 * TICKS), np.repeat([0.05, 0.1, 0.2], TICKS)
        slow_too = latency_evidence(rng, np.tile(load, (1, 3)), runs, flat, flat, share=share)
        stop |= slow_too >= log(1 / RULES.latency_alpha)
        outcome = first(stop, left_out=COLD)
        found = f"{title}: {name}"
        yield _false(found, outcome, bar=0.8) if times == 1 else _found(found, outcome)


def _steps(seen: Arms) -> Floats:
    got = np.cumsum(seen.n_canary, axis=1) / np.maximum(1, np.cumsum(seen.n_canary + seen.n_control, axis=1))
    return evidence.which_arm(
        seen.canary,
        seen.control,
        np.maximum(seen.share, got),
        tolerance=RULES.error_tolerance,
        ratios=evidence.SEVERITIES,
    )


def _share(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    rng = np.random.default_rng(9)
    for real, name in ((SHARE, "as set"), (0.1, "10 % instead of 5 %"), (0.0, "no canary request at all")):
        seen = arms(rng, per_tick, runs, share=real)
        step = evidence.either_way(
            seen.n_canary, seen.n_control, SHARE, tolerance=RULES.share_tolerance, ratios=evidence.SHARE_RATIOS
        )
        outcome = first(renewed(step, seen.n_canary + seen.n_control > 0) >= log(1 / RULES.share_alpha))
        yield _false(f"{title}: {name}", outcome, bar=0.1) if real == SHARE else _found(f"{title}: {name}", outcome)


def _scores(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    rng = np.random.default_rng(10)
    edges = stats.norm.ppf(np.linspace(0, 1, 11))
    for shift, name in ((0.0, "same scores"), (0.5, "half a standard deviation")):
        n_c, n_o = rng.poisson(per_tick * SHARE, (runs, TICKS)), rng.poisson(per_tick * (1 - SHARE), (runs, TICKS))
        c = rng.multinomial(n_c, np.diff(stats.norm.cdf(edges - shift)))
        o = rng.multinomial(n_o, np.full(10, 0.1))
        log_e = renewed(evidence.scores_moved(c, o, SHARE), n_c + n_o > 0)
        distance = _psi(np.cumsum(o, axis=1), np.cumsum(c, axis=1))
        outcome = first((log_e >= log(1 / RULES.score_alpha)) & (distance > RULES.score_psi))
        naive = first(distance > 0.2)
        yield _false(f"{title}: {name}", outcome, bar=0.2) if not shift else _found(f"{title}: {name}", outcome)
        if not shift:
            yield _false(f"{title}: NAIVE stability index above 0.2: {name}", naive)


def _psi(reference: Ints, current: Ints) -> Floats:
    n, m = np.maximum(1, current.sum(axis=-1, keepdims=True)), np.maximum(1, reference.sum(axis=-1, keepdims=True))
    after, before = np.maximum(current, 0.5) / n, np.maximum(reference, 0.5) / m
    return np.asarray(np.sum((after - before) * np.log(after / before), axis=-1))


def _business(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    """3 % of the requests are followed by what the business counts; ticks of six minutes over three days."""
    rng, minutes, ticks = np.random.default_rng(11), 6.0, 720
    for share, change in ((SHARE, 0.0), (SHARE, -0.2), (0.2, -0.2), (SHARE, -0.1)):
        seen = arms(
            rng, per_tick * 24, runs, share=share, canary_rate=0.03 * (1 + change), control_rate=0.03, ticks=ticks
        )
        step = evidence.either_way(
            seen.canary,
            seen.control,
            seen.n_canary / np.maximum(1, seen.n_canary + seen.n_control),
            tolerance=RULES.business_tolerance,
            ratios=evidence.BUSINESS_RATIOS,
        )
        stop = renewed(step, seen.canary + seen.control > 0) >= log(1 / RULES.business_alpha)
        outcome, name = first(stop, minutes=minutes), f"{title}: {change:+.0%} at {share:.0%}"
        yield _false(name, outcome, bar=1) if not change else _found(name, outcome)


def _go(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    """Evidence that a good canary keeps the promise; ticks of one minute, up to ten hours."""
    rng = np.random.default_rng(12)
    for share, rate in ((0.05, BASE), (0.2, BASE), (0.2, PROMISE)):
        seen = arms(rng, per_tick * 4, runs, share=share, canary_rate=rate, ticks=600)
        step = evidence.against_rate(seen.canary, seen.n_canary, PROMISE, ratios=evidence.GO_RATIOS)
        outcome = first(evidence.log_mean(np.cumsum(step, axis=1)) >= log(RULES.go_evidence), minutes=1)
        if rate == PROMISE:
            yield _false(f"{title}: let up at {share:.0%} although errors are at the promise", outcome, bar=5)
        else:
            yield _found(f"{title}: good canary at {share:.0%}", outcome)


def _detector(title: str, per_tick: int, runs: int) -> Iterator[Figure]:
    """After everything moved: nothing to compare with, held to half of the promised rate."""
    rng = np.random.default_rng(13)
    day = 5_760
    for rate, ticks, name in ((BASE, day, "a healthy day"), (0.05, TICKS, "5 % errors"), (0.02, TICKS, "2 % errors")):
        n = rng.poisson(per_tick, (runs, ticks))
        failed = rng.binomial(n, rate)
        sums, stop = np.zeros((runs, len(evidence.SEVERITIES))), np.zeros((runs, ticks), dtype=bool)
        for tick in range(ticks):
            step = evidence.against_rate(failed[:, tick], n[:, tick], PROMISE / 2, ratios=evidence.SEVERITIES)
            sums = evidence.restarted(sums, step)
            stop[:, tick] = evidence.log_mean(sums) >= log(RULES.detector_limit)
        outcome = first(stop)
        yield _false(f"{title}: {name}", outcome, bar=1) if rate == BASE else _found(f"{title}: {name}", outcome)


def _power(runs: int) -> Iterator[Figure]:
    """What the product says before a release: the rate it names is found in nine of ten stages."""
    rng = np.random.default_rng(14)
    for traffic, per_tick in TRAFFIC.items():
        said = detectable(per_minute=4 * per_tick, share=SHARE, minutes=60, base_rate=BASE)
        if said.error_rate is not None:
            outcome = by_evidence(arms(rng, per_tick, runs, canary_rate=said.error_rate))
            yield Figure(
                f"what a stage can find, {traffic}: {said.error_rate:.2%} errors found in the hour",
                100 * outcome.stopped,
                "%",
                "(said: 90 %)",
            )


PARTS: dict[str, Callable[[str, int, int], Iterator[Figure]]] = {
    "errors": _errors,
    "errors in shadow": _shadow,
    "broken client": _client,
    "latency": _latency,
    "whole ramp": _ramp,
    "share": _share,
    "scores": _scores,
    "business, 72 h": _business,
    "going up": _go,
    "after full": _detector,
}


def _false(name: str, outcome: Outcome, *, bar: float | None = None) -> Figure:
    note = f"{len(outcome.minutes):,} runs" + (f", promised at most {bar:g} %" if bar is not None else "")
    return Figure(f"stopped, {name}", 100 * outcome.stopped, "%", f"({note})")


def _found(name: str, outcome: Outcome) -> Figure:
    found = f"95 % within {outcome.quantile(0.95):.4g} min, found {outcome.stopped:.1%} of {len(outcome.minutes):,}"
    return Figure(f"median minutes, {name}", outcome.quantile(0.5), "min", f"({found})")


if __name__ == "__main__":
    for figure in measure(runs=int(sys.argv[1]) if len(sys.argv) > 1 else RUNS):
        print(f"{figure.value:12.2f} {figure.unit:8} {figure.name}  {figure.note}", flush=True)
