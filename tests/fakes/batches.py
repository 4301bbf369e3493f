"""Batch jobs, their outputs and somebody who scores again, in memory; and a desk that only remembers incidents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import isfinite

import numpy as np

from services.kernel.errors import ServingUnavailableError, TelemetryUnavailableError
from services.rollout.batch_models import BatchRun, Handed, Output, RunFact, Shift

START = datetime(2030, 2, 1, 6, tzinfo=UTC)


def a_fact(day: int, version: str = "1", *, model: str = "delay_claim_score", **changes: object) -> RunFact:
    """The run of one morning."""
    window = START + timedelta(days=day)
    fact = RunFact(
        model=model,
        job=f"{model}-scoring",
        version=version,
        window_start=window,
        started_at=window,
        finished_at=window + timedelta(minutes=2),
        rows=300,
        ok=True,
        on_time=True,
        error="",
    )
    return replace(fact, **changes)  # type: ignore[arg-type]


def some_scores(seed: int, n: int = 300, *, shift: float = 0.0) -> list[float]:
    drawn = np.random.default_rng(seed).beta(2, 6, n) + shift
    return [float(score) for score in drawn.clip(0, 1)]


@dataclass
class MemoryJobs:
    facts: list[RunFact] = field(default_factory=list)

    def runs(self, model: str, *, limit: int) -> tuple[RunFact, ...]:
        found = sorted((fact for fact in self.facts if fact.model == model), key=lambda fact: fact.window_start)
        return tuple(found[-limit:])


@dataclass
class MemoryOutputs:
    """Scores by (window, version); consumers read `published`."""

    logged: dict[tuple[datetime, str], list[float]] = field(default_factory=dict)
    aside: dict[str, list[float]] = field(default_factory=dict)
    published: dict[tuple[str, datetime], Handed] = field(default_factory=dict)
    history: list[tuple[datetime, str]] = field(default_factory=list)
    """(window, run) of everything consumers could ever read."""
    away: bool = False

    def set_aside(self, run: BatchRun, bounds: tuple[float, float] | None) -> Output | None:
        scores = self.aside.get(run.run_id) or self.logged.get((run.window_start, run.version))
        if scores is None:
            return None
        self.aside[run.run_id] = scores
        low, high = bounds or (-np.inf, np.inf)
        invalid = sum(not (isfinite(score) and low <= score <= high) for score in scores)
        return Output(rows=len(scores), invalid=invalid, sha256=hashlib.sha256(run.run_id.encode()).hexdigest())

    def shift(self, run: BatchRun, against: tuple[BatchRun, ...], *, paired: bool) -> Shift | None:
        earlier = [self.aside[item.run_id] for item in against if item.run_id in self.aside]
        if not earlier or run.run_id not in self.aside:
            return None
        edges = np.unique(np.quantile(np.concatenate(earlier), np.linspace(0.1, 0.9, 9)))

        def counts(scores: list[float]) -> tuple[int, ...]:
            places = np.searchsorted(edges, scores, side="right")
            return tuple(int(n) for n in np.bincount(places, minlength=len(edges) + 1))

        return Shift(
            current=counts(self.aside[run.run_id]), earlier=tuple(counts(scores) for scores in earlier), paired=paired
        )

    def publish(self, run: BatchRun) -> Handed:
        if self.away:
            raise TelemetryUnavailableError("The folder of outputs cannot be reached.")
        handed = Handed(
            model=run.model,
            window_start=run.window_start,
            run_id=run.run_id,
            version=run.version,
            rows=run.rows,
            sha256=run.output_sha256,
            published_at=run.updated_at,
        )
        self.published[run.model, run.window_start] = handed
        self.history.append((run.window_start, run.run_id))
        return handed

    def withdraw(self, run: BatchRun) -> None:
        if self.away:
            raise TelemetryUnavailableError("The folder of outputs cannot be reached.")
        found = self.published.get((run.model, run.window_start))
        if found is not None and found.run_id == run.run_id:
            del self.published[run.model, run.window_start]

    def handed(self, model: str, window_start: datetime | None = None) -> Handed | None:
        if self.away:
            raise TelemetryUnavailableError("The folder of outputs cannot be reached.")
        found = [item for (name, at), item in self.published.items() if name == model and window_start in {None, at}]
        return max(found, key=lambda item: item.window_start, default=None)


@dataclass
class MemoryRunner:
    outputs: MemoryOutputs
    answers: dict[str, list[float]] = field(default_factory=dict)
    """Scores of each version, whatever the window."""
    asked: list[tuple[str, datetime, str]] = field(default_factory=list)
    away: bool = False
    error: str = ""

    def score(self, model: str, version: str, *, window_start: datetime, request_id: str) -> RunFact:
        if self.away:
            raise ServingUnavailableError("The local endpoint does not answer.")
        self.asked.append((version, window_start, request_id))
        scores = self.answers.get(version, [])
        if scores:
            self.outputs.aside[request_id] = scores
        day = (window_start - START).days
        return a_fact(
            day, version, model=model, window_start=window_start, rows=len(scores), ok=not self.error, error=self.error
        )


@dataclass
class MemoryIncidents:
    """Satisfies rollout.release_ports.IncidentDesk; one incident per key."""

    opened: dict[str, dict[str, object]] = field(default_factory=dict)

    def open_by_rule(self, *, key: str, model: str, severity: int, title: str, sentence: str, version: str,
                     rule: str = "", measured: str = "", action_id: str = "", impact_start: datetime | None = None,
                     detected_at: datetime | None = None) -> str:  # fmt: skip
        self.opened.setdefault(key, {"model": model, "severity": severity, "title": title, "sentence": sentence,
                                     "version": version, "rule": rule, "measured": measured,
                                     "impact_start": impact_start, "detected_at": detected_at})  # fmt: skip
        return f"inc-{list(self.opened).index(key) + 1}"

    def mitigated_by_action(self, action_id: str, *, at: datetime, seq: int | None, sentence: str) -> None:
        """Not used here."""
