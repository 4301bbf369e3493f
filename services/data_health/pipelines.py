"""Pipelines judged by their runs: on time, failed, how long, and whether the next run is overdue. Pure.

    on time   runs that ended well inside their window / all runs, with the interval after Wilson
    typical   median seconds of the runs that ended well
    overdue   no run has finished although one and a half times the median gap between starts has passed

Where no window was promised, a run counts as late when it ends well more than half a median gap after it was due, which
takes five runs to know. A run that never started leaves no record: only being overdue shows it.

The records of a platform are behind. Copied runs are judged at the moment up to which their kind of record is known, of
whatever job, and not at now: a run that was due since then may have ended well and nobody here could see it. A run that
was skipped or cancelled was not meant to end: it is counted apart and in no share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from services.data_health.models import PipelineHealth, PipelineRun
from services.kernel.health import Explanation, Health
from services.kernel.interval import share_of

LEAST_RUNS = 5
PATIENCE = 1.5
USUAL_LAG = timedelta(hours=24)
"""Records of a platform are hours behind. Further behind, how a pipeline stood says nothing about how it stands."""
NEAR = 0.95
"""Share on time below which a pipeline is watched; a promise of its own belongs to the model's service level."""


def judged(runs: Iterable[PipelineRun], *, days: int, now: datetime) -> tuple[PipelineHealth, ...]:
    """One line per pipeline, the worst first."""
    groups: dict[str, list[PipelineRun]] = defaultdict(list)
    for run in runs:
        groups[run.pipeline].append(run)
    seen = _seen(run for group in groups.values() for run in group)
    found = [
        _pipeline(sorted(group, key=lambda run: run.started_at), days, now, seen.get(group[0].kind))
        for group in groups.values()
    ]
    order = [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY]
    return tuple(sorted(found, key=lambda item: (order.index(item.state), item.title)))


def is_late(run: PipelineRun) -> bool:
    return run.on_time is False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """How far the copied records of one kind reach, over all its pipelines."""

    known_to: datetime
    copied_at: datetime | None


def _seen(runs: Iterable[PipelineRun]) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    for run in runs:
        if run.known_to is not None:
            before = found.get(run.kind)
            copies = [at for at in (run.copied_at, before.copied_at if before else None) if at is not None]
            known = max(run.known_to, before.known_to) if before else run.known_to
            found[run.kind] = _Seen(known_to=known, copied_at=max(copies, default=None))
    return found


def _pipeline(everything: list[PipelineRun], days: int, now: datetime, seen: _Seen | None) -> PipelineHealth:
    given = [run for run in everything if not run.aside]
    every = _every(given)
    runs = _with_lateness(given, every)
    good = sorted((run.finished_at - run.started_at).total_seconds() for run in runs if run.ok)
    failed, late = sum(not run.ok for run in runs), sum(run.ok and is_late(run) for run in runs)
    timed = [run for run in runs if run.on_time is not None or not run.ok]
    last = max(runs or everything, key=lambda run: run.finished_at)
    due = _due(runs, every)
    state, sentence, since = _judged(runs, due, now, seen)
    sentence = f"{sentence}{_aside(everything)}"
    return PipelineHealth(
        pipeline=last.pipeline,
        title=last.title,
        kind=last.kind,
        runs=len(runs),
        failed=failed,
        late=late,
        aside=len(everything) - len(given),
        on_time=share_of(sum(run.ok and run.on_time is not False for run in timed), len(timed)),
        typical_seconds=median(good) if good else None,
        slow_seconds=good[-(-19 * len(good) // 20) - 1] if len(good) >= LEAST_RUNS else None,
        last=last,
        every_seconds=every.total_seconds() if every else None,
        expected_by=due,
        state=state,
        sentence=sentence,
        since=since,
        models=tuple(sorted({name for run in everything for name in run.models})),
        explanation=Explanation(
            formula="On time = runs that ended well inside their window / all runs. Overdue = now is more than 1.5 "
            "median gaps after the last run that ended well.",
            source=f"Recorded runs of the {last.kind}",
            window=f"Last {days} days",
            as_of=last.finished_at,
            n=len(runs),
            note="A run that never started leaves no record and is not in the share; it shows as overdue."
            + ("" if all(run.on_time is not None for run in given) else " No window is promised: late means more than "
               "half a median gap after it was due.")
            + (" Skipped and cancelled runs are in no share." if len(given) < len(everything) else "")
            + (f" The records of the platform are known up to {_at(seen.known_to)} and judged at that time."
               if seen else ""),
        ),
    )  # fmt: skip


def _every(runs: Sequence[PipelineRun]) -> timedelta | None:
    gaps = [(later.started_at - earlier.started_at).total_seconds() for earlier, later in pairwise(runs)]
    return timedelta(seconds=median(gaps)) if len(runs) >= LEAST_RUNS else None


def _with_lateness(runs: Sequence[PipelineRun], every: timedelta | None) -> list[PipelineRun]:
    """Runs without a promised window, judged by the rhythm of the pipeline."""
    if every is None:
        return list(runs)
    found, before = [], None
    for run in runs:
        judged_run = run
        if run.on_time is None and run.ok and before is not None:
            judged_run = replace(run, on_time=run.finished_at - before <= PATIENCE * every)
        before = run.finished_at if run.ok else before
        found.append(judged_run)
    return found


def _due(runs: Sequence[PipelineRun], every: timedelta | None) -> datetime | None:
    good = [run.finished_at for run in runs if run.ok]
    return max(good) + PATIENCE * every if good and every else None


_Verdict = tuple[Health, str, datetime | None]
"""State, the sentence, and since when it is late or failing."""


def _judged(runs: Sequence[PipelineRun], due: datetime | None, now: datetime, seen: _Seen | None) -> _Verdict:
    """What is wrong now goes before how it went: the last run, then being overdue, then the share."""
    if not runs:
        return Health.UNKNOWN, "No run was carried out.", None
    if not runs[-1].ok:
        words = f": {runs[-1].error.rstrip('.')}" if runs[-1].error else ""
        return Health.BREACH, f"The last run failed{words}.", _trouble_since(runs)
    if due is None or now <= due:
        return _so_far(runs)
    if seen is None or due < seen.known_to:
        return Health.BREACH, "No run has ended well since it was due.", due
    if now - seen.known_to > USUAL_LAG:
        return Health.UNKNOWN, _too_far_behind(seen, now), None
    state, sentence, since = _so_far(runs)
    return state, f"{sentence} Known up to {_at(seen.known_to)}; a run due since then cannot be seen yet.", since


def _so_far(runs: Sequence[PipelineRun]) -> _Verdict:
    """How it went, where the last run ended well and none is overdue."""
    if is_late(runs[-1]):
        return Health.WATCH, "The last run was late.", _trouble_since(runs)
    bad = sum(not run.ok or is_late(run) for run in runs)
    counted = f"{len(runs) - bad} of {len(runs)} runs ended well and on time"
    if len(runs) < LEAST_RUNS:
        return Health.UNKNOWN, f"{counted}: too few to judge.", None
    if (len(runs) - bad) / len(runs) < NEAR:
        return Health.WATCH, f"{counted}; the last one did.", None
    return Health.HEALTHY, f"{counted}.", None


def _too_far_behind(seen: _Seen, now: datetime) -> str:
    if seen.copied_at is not None and now - seen.copied_at > USUAL_LAG:
        return f"The records of the platform were last read on {_at(seen.copied_at)}: what was due since is not known."
    return (
        f"The records of the platform hold no run of anything after {_at(seen.known_to)}: either everything stopped, "
        "or they are not written any more."
    )


def _aside(runs: Sequence[PipelineRun]) -> str:
    """How often it was skipped or cancelled, and what became of the newest if that was it."""
    found = [run for run in runs if run.aside]
    if not found:
        return ""
    newest = f"; the newest run was {runs[-1].error}" if runs[-1].aside and runs[-1].error else ""
    return f" {len(found)} more {'was' if len(found) == 1 else 'were'} skipped or cancelled{newest}."


def _at(at: datetime) -> str:
    return f"{at:%d %b %Y %H:%M} UTC"


def _trouble_since(runs: Sequence[PipelineRun]) -> datetime | None:
    """Start of the first bad run after the last good one."""
    since = None
    for run in reversed(runs):
        if run.ok and not is_late(run):
            break
        since = run.started_at
    return since
