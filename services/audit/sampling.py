"""Samples that anybody can draw again: entries ranked by SHA-256 of seed and entry hash. Pure.

Neither the order of reading nor the machine matters; the digest of the population shows whether it was the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from services.attestation.models import Kind
from services.audit.history import Fact, History
from services.audit.segregation import promotion_actions, refusals

LARGEST = 500
EVENT = "sample-drawn"


class Population(StrEnum):
    PROMOTIONS = "promotions"
    ROLLBACKS = "rollbacks"
    OVERRIDES = "overrides"
    """Emergency releases, granted exceptions and adopted outside changes: where the ordinary rule was set aside."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a sample is drawn from: entries below `size` of one population, dated within both days (UTC)."""

    population: Population
    since: date
    until: date
    size: int
    """Length of the ledger when the sample was drawn; later entries are no part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A recorded draw. `entries` are in rank order."""

    seq: int
    at: datetime
    drawn_by: str
    frame: Frame
    seed: int
    wanted: int
    entries: tuple[int, ...]
    population_count: int
    population_sha256: str


def members(history: History, frame: Frame) -> tuple[Fact, ...]:
    """The population, in the order of the ledger."""
    found = _FINDERS[frame.population](history)
    return tuple(fact for fact in found if fact.seq < frame.size and frame.since <= fact.at.date() <= frame.until)


def digest(population: tuple[Fact, ...]) -> str:
    text = "".join(f"{fact.seq} {fact.leaf_hash}\n" for fact in population)
    return hashlib.sha256(text.encode()).hexdigest()


def draw(population: tuple[Fact, ...], *, seed: int, wanted: int) -> tuple[Fact, ...]:
    """The `wanted` members of lowest rank, in rank order; all of them when there are fewer."""
    return tuple(sorted(population, key=lambda fact: rank(seed, fact.leaf_hash))[:wanted])


def rank(seed: int, leaf_hash: str) -> str:
    return hashlib.sha256(f"{seed}:{leaf_hash}".encode()).hexdigest()


def detail_of(sample: Sample) -> dict[str, str]:
    """What the ledger entry of a draw says."""
    frame = sample.frame
    return {
        "population": frame.population.value,
        "since": frame.since.isoformat(),
        "until": frame.until.isoformat(),
        "size": str(frame.size),
        "seed": str(sample.seed),
        "wanted": str(sample.wanted),
        "entries": ",".join(map(str, sample.entries)),
        "populationCount": str(sample.population_count),
        "populationSha256": sample.population_sha256,
        "sentence": f"{sample.drawn_by} drew {len(sample.entries)} of {sample.population_count} "
        f"{frame.population.value} with seed {sample.seed}.",
    }


def sample_of(fact: Fact) -> Sample:
    """The draw an entry records. Raises ValueError or KeyError for an entry that says something else."""
    said: Mapping[str, str] = fact.detail
    return Sample(
        seq=fact.seq,
        at=fact.at,
        drawn_by=fact.actor,
        frame=Frame(
            population=Population(said["population"]),
            since=date.fromisoformat(said["since"]),
            until=date.fromisoformat(said["until"]),
            size=int(said["size"]),
        ),
        seed=int(said["seed"]),
        wanted=int(said["wanted"]),
        entries=tuple(int(text) for text in said["entries"].split(",") if text),
        population_count=int(said["populationCount"]),
        population_sha256=said["populationSha256"],
    )


def _promotions(history: History) -> tuple[Fact, ...]:
    return tuple(fact for fact in promotion_actions(history) if not fact.void)


def _rollbacks(history: History) -> tuple[Fact, ...]:
    orders = history.of(Kind.ACTION)
    return tuple(fact for fact in orders if fact.said.get("rollback") is not None and fact.text("kind") != "abort")


def _overrides(history: History) -> tuple[Fact, ...]:
    actions = [
        fact
        for fact in history.of(Kind.ACTION)
        if fact.text("kind") in {"emergency", "adopt"} or fact.document("emergency")
    ]
    grants = [fact for fact in history.of(Kind.EXCEPTION) if fact.text("op") == "grant"]
    return tuple(sorted([*actions, *grants], key=lambda fact: fact.seq))


_FINDERS: Mapping[Population, Callable[[History], tuple[Fact, ...]]] = {
    Population.PROMOTIONS: _promotions,
    Population.ROLLBACKS: _rollbacks,
    Population.OVERRIDES: _overrides,
    Population.REFUSED: refusals,
}
