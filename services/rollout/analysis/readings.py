"""Evidence put into readings: number, verdict and one sentence of fact per test. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np

from services.inventory.models import ServiceLevel
from services.monitoring.statistics import psi
from services.rollout.analysis import evidence as tests
from services.rollout.analysis.absorb import LATENCY_TESTS, reference_rate
from services.rollout.analysis.evidence import e_value, log_mean
from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import Evidence, Tally
from services.rollout.release_models import Reading, Verdict

ROLL_BACK, HOLD, ADVANCE = "roll-back", "hold", "advance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One test before it becomes a reading."""

    metric: str
    title: str
    action: str
    log_e: float | None
    limit: float
    tally: Tally
    fact: str
    crossing: bool
    """The e-value and whatever else has to hold."""
    value: float | None = None
    noise: float = 0.0
    """What `value` may have by chance alone at this number of observations."""
    accepted: bool = False
    """A person signed to go on with this difference; it crosses again only when it grows."""


GROWN = 1.25
"""A difference this many times as large as the one that was signed is another one."""


def known(judged: Judged, accepted: Mapping[str, float]) -> Judged:
    """The same test, at rest while what it finds is what a person signed to go on with."""
    signed = accepted.get(judged.metric)
    if signed is None or (judged.value is not None and judged.value - judged.noise > GROWN * signed):
        return judged
    fact = f"{judged.fact} A person signed to go on with this difference."
    return replace(judged, crossing=False, accepted=True, fact=fact)


def judge_tests(evidence: Evidence, *, kind: str, level: ServiceLevel | None, settings: Settings) -> tuple[Judged, ...]:
    """Every test that has something to say in this kind of exposure."""
    alone = kind == "full" and not evidence.tallies.get("errors", Tally()).control_n
    found = [_detector(evidence, level, settings) if alone else _errors(evidence, settings)]
    if not alone:
        found += [_latency(evidence, level, settings)]
    if kind == "canary":
        found.append(_share(evidence, settings))
    if evidence.scores_canary and not alone:
        found.append(_scores(evidence, settings))
    if "business" in evidence.tallies and not alone:
        found.append(_business(evidence, settings))
    return tuple(found)


def reading(judged: Judged, *, peak: float | None, silent: str) -> Reading:
    """`peak`: the e-value with which the test crossed, at this look or before. `silent`: why there is no data."""
    e = peak if peak is not None else None if judged.log_e is None else e_value(judged.log_e)
    share = judged.metric == "share"
    if peak is not None:
        verdict = Verdict.INVALID if share else Verdict.BREACH
        sentence = f"{judged.fact} Evidence {_number(peak)}, above {judged.limit:,.0f}: this is not chance."
    elif silent:
        verdict, sentence = Verdict.NO_DATA, silent
    else:
        verdict = Verdict.UNDECIDED
        strength = "" if e is None else f" Evidence {_number(e)} of {judged.limit:,.0f}."
        sentence = f"{judged.fact}{strength}"
    return Reading(
        metric=judged.metric,
        title=judged.title,
        verdict=verdict,
        action=judged.action,
        evidence=e,
        limit=judged.limit,
        canary_events=judged.tally.canary,
        canary_n=judged.tally.canary_n,
        control_events=judged.tally.control,
        control_n=judged.tally.control_n,
        sentence=sentence,
        value=judged.value,
    )


def _errors(evidence: Evidence, settings: Settings) -> Judged:
    tally, log_e = evidence.tallies.get("errors", Tally()), _log_e(evidence, "errors")
    sources = len(evidence.sources) + evidence.anonymous
    limit = 1 / settings.error_alpha
    enough = tally.canary >= settings.least_events and sources >= settings.least_events
    fact = f"{_arms(tally)} failed (each caller counted once per stage)."
    if log_e is not None and log_e >= log(limit) and not enough:
        fact += f" {settings.least_events} failures from as many callers are needed to act; this may be one client."
    return Judged(
        metric="errors",
        title="Failed requests",
        action=ROLL_BACK,
        log_e=log_e,
        limit=limit,
        tally=tally,
        fact=fact,
        crossing=enough and log_e is not None and log_e >= log(limit),
    )


def _detector(evidence: Evidence, level: ServiceLevel | None, settings: Settings) -> Judged:
    tally, sums = evidence.tallies.get("detector", Tally()), evidence.sums.get("detector")
    log_e = float(log_mean(sums)) if sums else None
    rate = reference_rate(level, settings)
    fact = f"{tally.canary:,} of {tally.canary_n:,} requests failed; nothing runs beside it to compare with."
    fact += " No error rate was promised, so it cannot be judged." if rate is None else f" Held to {rate:.2%}."
    return Judged(
        metric="errors",
        title="Failed requests",
        action=ROLL_BACK,
        log_e=log_e,
        limit=settings.detector_limit,
        tally=tally,
        fact=fact,
        crossing=log_e is not None and log_e >= log(settings.detector_limit),
    )


def _latency(evidence: Evidence, level: ServiceLevel | None, settings: Settings) -> Judged:
    found = [_log_e(evidence, name) for name in LATENCY_TESTS]
    parts = [value for value in found if value is not None]
    log_e = float(log_mean(parts)) if parts else None
    reference, limit = settings.reference_ms or evidence.reference_ms, 1 / settings.latency_alpha
    promised = level.p95_ms if level else None
    tally = evidence.tallies.get(LATENCY_TESTS[1] if promised is None else LATENCY_TESTS[2], Tally())
    if reference is None:
        fact = "Too few answers of the live version yet to know how fast it is."
    else:
        threshold = reference[1] if promised is None else promised
        usual = "" if promised is not None else ", the live version's 95th percentile"
        fact = f"{_arms(tally)} took longer than {threshold:,.0f} ms{usual}."
    return Judged(
        metric="latency",
        title="Slow answers",
        action=ROLL_BACK,
        log_e=log_e,
        limit=limit,
        tally=tally,
        fact=fact,
        crossing=log_e is not None and log_e >= log(limit),
    )


def _share(evidence: Evidence, settings: Settings) -> Judged:
    tally, log_e, limit = evidence.tallies.get("share", Tally()), _log_e(evidence, "share"), 1 / settings.share_alpha
    total = tally.canary_n + tally.control_n
    got = f" ({tally.canary_n / total:.1%})" if total else ""
    crossing = log_e is not None and log_e >= log(limit)
    doubt = " A single caller with very many requests can do that too." if crossing and tally.canary_n else ""
    return Judged(
        metric="share",
        title="Share of the requests",
        action=HOLD,
        log_e=log_e,
        limit=limit,
        tally=tally,
        fact=f"The candidate answered {tally.canary_n:,} of {total:,} requests{got}.{doubt}",
        crossing=crossing,
    )


def psi_noise(bins: int, n: int, m: int) -> float:
    """What an index over `bins` bins of n and m scores has by chance alone, in 19 of 20 cases.

    The index of equal distributions is about (1/n + 1/m) times chi-squared with bins - 1 degrees of freedom (Yurdakul,
    Statistical Properties of Population Stability Index, 2018); the upper quantile here by its normal approximation.
    """
    if bins < 2 or n < 1 or m < 1:
        return 0.0
    return (1 / n + 1 / m) * (bins - 1 + 1.645 * sqrt(2 * (bins - 1)))


def _scores(evidence: Evidence, settings: Settings) -> Judged:
    c, o = np.array(evidence.scores_canary), np.array(evidence.scores_control)
    distance = psi(o, c) if c.sum() >= settings.score_least else None
    log_e, limit = _log_e(evidence, "scores"), 1 / settings.score_alpha
    shown = "not yet known" if distance is None else f"{distance:.3f}"
    return Judged(
        metric="scores",
        title="Distribution of scores",
        action=HOLD,
        log_e=log_e,
        limit=limit,
        tally=Tally(canary_n=int(c.sum()), control_n=int(o.sum())),
        fact=f"Population stability index against the live version {shown} (limit {settings.score_psi:g}) over "
        f"{int(c.sum()):,} scores.",
        crossing=log_e is not None and log_e >= log(limit) and distance is not None and distance > settings.score_psi,
        value=distance,
        noise=psi_noise(len(c), int(c.sum()), int(o.sum())),
    )


def _business(evidence: Evidence, settings: Settings) -> Judged:
    tally, log_e, limit = evidence.tallies["business"], _log_e(evidence, "business"), 1 / settings.business_alpha
    return Judged(
        metric="business",
        title=settings.business_title,
        action=HOLD,
        log_e=log_e,
        limit=limit,
        tally=tally,
        fact=f"{_arms(tally)} were followed by it.",
        crossing=log_e is not None and log_e >= log(limit),
    )


def _log_e(evidence: Evidence, test: str) -> float | None:
    sums = evidence.sums.get(test)
    return float(tests.log_e(sums, evidence.steps[test])) if sums else None


def _arms(tally: Tally) -> str:
    said = f"{tally.canary:,} of {tally.canary_n:,} candidate requests{_rate(tally.canary, tally.canary_n)}"
    other = f"{tally.control:,} of {tally.control_n:,}{_rate(tally.control, tally.control_n)} of the live version"
    return f"{said} and {other}"


def _rate(events: int, n: int) -> str:
    return f" ({events / n:.2%})" if n else ""


def _number(e: float) -> str:
    return "over a million" if e >= 1e6 else f"{e:,.0f}" if e >= 10 else f"{e:.2g}"
