"""One more tick: what its counts add to the evidence of every test. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from services.inventory.models import ServiceLevel
from services.reliability.latency import bucket_of, merged, quantile
from services.rollout.analysis import evidence as tests
from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import Counts, Evidence, Pairs, Sums, Tally, Tick

LATENCY_TESTS = ("latency-p50", "latency-p95", "latency-sla")
LEAST_REFERENCE = 200
"""Answers of the control before its median and 95th percentile are a reference."""
_REMEMBERED = 2_000
"""Callers with an error per arm; when more fail, the oldest may count a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a tick is judged under."""

    kind: str
    share: float | None
    cold_until: int
    level: ServiceLevel | None
    settings: Settings


def absorb(evidence: Evidence, tick: Tick, frame: Frame) -> Evidence:
    evidence = _arrivals(evidence, tick, frame)
    if tick.at < frame.cold_until:
        return evidence
    for step in (_errors, _latency, _scores, _business, _promise):
        evidence = step(evidence, tick, frame)
    return evidence


def realised(canary: int, control: int) -> float:
    return canary / (canary + control) if canary + control else 0.0


def _arrivals(evidence: Evidence, tick: Tick, frame: Frame) -> Evidence:
    """Did the candidate get the share it was given, and any request at all?"""
    c, o, length = tick.canary.requests, tick.control.requests, frame.settings.tick_seconds
    share = frame.settings.mirror_share / (1 + frame.settings.mirror_share) if frame.share is None else frame.share
    due = 0.0 if frame.kind == "full" else o * share / (1 - share) if share < 1 else 0.0
    evidence = replace(
        evidence,
        expected=0.0 if c else evidence.expected + due,
        last_canary=tick.at + length if c else evidence.last_canary,
    )
    if frame.share is None:
        return _counted(evidence, "share", (c, c, o, o))
    added = tests.either_way(c, o, frame.share, tolerance=frame.settings.share_tolerance, ratios=tests.SHARE_RATIOS)
    return _counted(_renewed(evidence, "share", added, c + o), "share", (c, c, o, o))


def _errors(evidence: Evidence, tick: Tick, frame: Frame) -> Evidence:
    new_canary, new_control = _fresh(tick.canary, evidence.seen_canary), _fresh(tick.control, evidence.seen_control)
    c = len(new_canary) if tick.canary.clients else tick.canary.errors
    o = len(new_control) if tick.control.clients else tick.control.errors
    added = tests.which_arm(
        c, o, _error_share(evidence, tick, frame), tolerance=frame.settings.error_tolerance, ratios=tests.SEVERITIES
    )
    evidence = _counted(
        _renewed(evidence, "errors", added, c + o), "errors", (c, tick.canary.requests, o, tick.control.requests)
    )
    sources = tuple(dict.fromkeys((*evidence.sources, *new_canary)))[: max(8, frame.settings.least_events)]
    return replace(
        evidence,
        seen_canary=(*evidence.seen_canary, *new_canary)[-_REMEMBERED:],
        seen_control=(*evidence.seen_control, *new_control)[-_REMEMBERED:],
        sources=sources,
        anonymous=evidence.anonymous + (0 if tick.canary.clients else c),
    )


def _error_share(evidence: Evidence, tick: Tick, frame: Frame) -> float:
    """Share under which an error is equally likely in both arms.

    Per request: the realised share of the tick. Counted once per caller, an error is a toss of the coin that assigned
    the caller, whatever the number of its requests: the share that was set, or what the candidate really got in this
    stage if that is more. A larger share only ever lowers the evidence, so neither null hypothesis is tested too hard.
    """
    if frame.share is None or not (tick.canary.clients or tick.control.clients):
        return realised(tick.canary.requests, tick.control.requests)
    got = evidence.tallies.get("share", Tally())
    return max(frame.share, realised(got.canary_n, got.control_n))


def _latency(evidence: Evidence, tick: Tick, frame: Frame) -> Evidence:
    """Slower than a threshold that was fixed before: three kinds of event, three tests."""
    reference = frame.settings.reference_ms or evidence.reference_ms
    if reference is None:
        return _learned(evidence, tick)
    promised = frame.level.p95_ms if frame.level else None
    c, o = _answered(tick.canary.latency), _answered(tick.control.latency)
    for name, threshold, tolerance in zip(
        LATENCY_TESTS, (*reference, promised), frame.settings.latency_tolerances, strict=True
    ):
        if threshold is None:
            continue
        ratios = tests.NEAR_SEVERITIES if name == "latency-p50" else tests.SEVERITIES
        slow_c, slow_o = _slower(tick.canary.latency, threshold), _slower(tick.control.latency, threshold)
        added = tests.which_arm(slow_c, slow_o, realised(c, o), tolerance=tolerance, ratios=ratios)
        evidence = _counted(_renewed(evidence, name, added, slow_c + slow_o), name, (slow_c, c, slow_o, o))
    return evidence


def _learned(evidence: Evidence, tick: Tick) -> Evidence:
    """The first answers of the control become the reference, and are not judged by it."""
    known = merged([evidence.learning, tick.control.latency])
    middle, high = quantile(known, 0.5), quantile(known, 0.95)
    if _answered(known) < LEAST_REFERENCE or middle is None or high is None:
        return replace(evidence, learning=known)
    return replace(evidence, learning=(), reference_ms=(middle, high))


def _scores(evidence: Evidence, tick: Tick, frame: Frame) -> Evidence:
    c, o = tick.canary.scores, tick.control.scores
    bins = len(c) or len(o)
    if not bins or {len(c), len(o)} - {0, bins} or len(evidence.scores_canary) not in {0, bins}:
        return evidence
    canary, control = np.array(c or (0,) * bins), np.array(o or (0,) * bins)
    share = realised(int(canary.sum()), int(control.sum())) if frame.share is None else frame.share
    moved = tests.scores_moved(canary, control, share)
    evidence = _renewed(evidence, "scores", moved, int(canary.sum() + control.sum()))
    none = np.zeros(bins, dtype=np.int64)
    before_c = np.array(evidence.scores_canary) if evidence.scores_canary else none
    before_o = np.array(evidence.scores_control) if evidence.scores_control else none
    return replace(
        evidence,
        scores_canary=tuple(int(value) for value in before_c + canary),
        scores_control=tuple(int(value) for value in before_o + control),
    )


def _business(evidence: Evidence, tick: Tick, frame: Frame) -> Evidence:
    c, o = tick.canary, tick.control
    if c.wins is None and o.wins is None:
        return evidence
    wins_c, wins_o = c.wins or 0, o.wins or 0
    added = tests.either_way(
        wins_c,
        wins_o,
        realised(c.requests, o.requests),
        tolerance=frame.settings.business_tolerance,
        ratios=tests.BUSINESS_RATIOS,
    )
    return _counted(
        _renewed(evidence, "business", added, wins_c + wins_o), "business", (wins_c, c.requests, wins_o, o.requests)
    )


def _promise(evidence: Evidence, tick: Tick, frame: Frame) -> Evidence:
    """Against the promised error rate: evidence for going up; after everything moved, a detector for coming back."""
    c = tick.canary
    if frame.level and frame.level.error_rate > 0:
        added = tests.against_rate(c.errors, c.requests, frame.level.error_rate, ratios=tests.GO_RATIOS)
        evidence = _added(evidence, "go", added)
    evidence = _counted(evidence, "go", (c.errors, c.requests, 0, 0))
    rate = reference_rate(frame.level, frame.settings)
    if frame.kind != "full" or rate is None:
        return evidence
    step = tests.against_rate(c.errors, c.requests, rate, ratios=tests.SEVERITIES)
    sums = tests.restarted(evidence.sums.get("detector", (0.0,) * len(tests.SEVERITIES)), step)
    evidence = replace(evidence, sums={**evidence.sums, "detector": _plain(sums)})
    return _counted(evidence, "detector", (c.errors, c.requests, 0, 0))


def reference_rate(level: ServiceLevel | None, settings: Settings) -> float | None:
    """Error rate a version is held to when there is nothing to compare it with."""
    if settings.reference_error_rate is not None:
        return settings.reference_error_rate
    return level.error_rate / 2 if level and level.error_rate > 0 else None


def _fresh(counts: Counts, seen: tuple[str, ...]) -> tuple[str, ...]:
    known = set(seen)
    return tuple(client for client in counts.clients if client not in known)


def _answered(latency: Pairs) -> int:
    return sum(n for _, n in latency)


def _slower(latency: Pairs, milliseconds: float) -> int:
    limit = bucket_of(milliseconds)
    return sum(n for bucket, n in latency if bucket > limit)


def _renewed(evidence: Evidence, test: str, step: tests.Floats, events: int) -> Evidence:
    """A tick without any event says nothing, and does not count as one."""
    if not events:
        return evidence
    ticks = evidence.steps.get(test, 0) + 1
    sums = tests.renewed(evidence.sums.get(test), step, ticks)
    return replace(evidence, sums={**evidence.sums, test: _plain(sums)}, steps={**evidence.steps, test: ticks})


def _added(evidence: Evidence, test: str, step: tests.Floats) -> Evidence:
    before = evidence.sums.get(test) or (0.0,) * len(step)
    return replace(evidence, sums={**evidence.sums, test: _plain(np.asarray(before) + step)})


def _counted(evidence: Evidence, test: str, counts: tuple[int, int, int, int]) -> Evidence:
    """`counts`: events and observations of the canary, then of the control."""
    tally = evidence.tallies.get(test, Tally()).plus(*counts)
    return replace(evidence, tallies={**evidence.tallies, test: tally})


def _plain(sums: tests.Floats) -> Sums:
    return tuple(float(value) for value in sums)
