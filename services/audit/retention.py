"""Retention classes, when their time is over, and what a legal hold keeps. Pure; the rules are in retention.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from services.attestation.models import Kind
from services.audit.history import Fact, History

RULES = Path(__file__).with_name("retention.yaml")
PLACED, RELEASED, CERTIFICATE = "hold-placed", "hold-released", "disposal-certificate"
RETIRED = "model-retired"
_ACCESS = ("sign-in", "permission-refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionProfile:
    id: str
    title: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    id: str
    title: str
    holds: str
    start: str
    years: int
    source: str
    longer: tuple[tuple[str, int], ...]
    erasable: str
    only: str = ""
    """Profile without which the class does not exist, or empty."""

    def applies(self, profiles: frozenset[str]) -> bool:
        return not self.only or self.only in profiles

    def period(self, profiles: frozenset[str]) -> int:
        """Years: the longest of its own rule and the profiles that are on."""
        return max([self.years, *(years for name, years in self.longer if name in profiles)])

    def reason(self, profiles: frozenset[str], known: Mapping[str, RetentionProfile]) -> str:
        longest = max(
            ((years, name) for name, years in self.longer if name in profiles and years > self.years), default=None
        )
        return self.source if longest is None else f"{known[longest[1]].title}: {known[longest[1]].source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformTable:
    name: str
    what: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    version: str
    date: str
    profiles: tuple[RetentionProfile, ...]
    rules: tuple[RetentionRule, ...]
    platform_tables: tuple[PlatformTable, ...]

    def rule(self, class_id: str) -> RetentionRule | None:
        return next((rule for rule in self.rules if rule.id == class_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: nothing in its scope is disposed of until it is released."""

    id: str
    scope_kind: str
    """`model` or `class`."""
    scope: str
    reason: str
    placed_by: str
    placed_at: datetime
    seq: int
    released_by: str = ""
    released_at: datetime | None = None
    seq_released: int | None = None

    @property
    def stands(self) -> bool:
        return self.released_at is None

    def covers(self, *, class_id: str, model: str) -> bool:
        return self.stands and self.scope == (class_id if self.scope_kind == "class" else model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Proof of a disposal: what was erased, under which rule, by whom."""

    seq: int
    at: datetime
    by: str
    class_id: str
    items: int
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasable:
    """Text that may be erased once its time is over. `kind` and `ref` name the place, never the content."""

    kind: str
    """A kind of place, such as `decision-comment`, `exception-reason` or `unused-form`."""
    ref: str
    model: str
    at: datetime
    class_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassState:
    rule: RetentionRule
    applies: bool
    years: int
    reason: str
    records: int
    oldest: datetime | None
    next_due: date | None
    due_words: str
    """Says why no date can be given, or empty."""
    erasable: int
    due_now: int
    held: int
    """Due, but kept by a hold."""
    holds: tuple[Hold, ...]


@lru_cache(maxsize=4)
def load(file: Path = RULES) -> Schedule:
    given: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return Schedule(
        version=str(given["version"]),
        date=str(given["date"]),
        profiles=tuple(RetentionProfile(id=name, **facts) for name, facts in given["profiles"].items()),
        rules=tuple(
            RetentionRule(**{**item, "longer": tuple(sorted(item["longer"].items()))}) for item in given["classes"]
        ),
        platform_tables=tuple(PlatformTable(**item) for item in given["platform_tables"]),
    )


def years_after(day: date, years: int) -> date:
    """The same day of the year; 29 February becomes 1 March, so nothing is due a day early."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def class_of(fact: Fact) -> str:
    """The class an entry of the ledger belongs to."""
    if fact.kind is Kind.OBSERVATION:
        return "machine"
    if fact.kind is Kind.EVENT and (fact.name in _ACCESS or fact.name.endswith("-refused")):
        return "access"
    return "decisions"


def holds(history: History) -> tuple[Hold, ...]:
    """Newest first, as placed and released by signed events."""
    released = {fact.detail.get("id", ""): fact for fact in history.events(RELEASED)}
    return tuple(
        Hold(
            id=fact.detail.get("id", ""),
            scope_kind=fact.detail.get("scopeKind", ""),
            scope=fact.detail.get("scope", ""),
            reason=fact.detail.get("reason", ""),
            placed_by=fact.actor,
            placed_at=fact.at,
            seq=fact.seq,
            released_by=ended.actor if (ended := released.get(fact.detail.get("id", ""))) else "",
            released_at=ended.at if ended else None,
            seq_released=ended.seq if ended else None,
        )
        for fact in reversed(history.events(PLACED))
    )


def certificates(history: History) -> tuple[Certificate, ...]:
    return tuple(
        Certificate(
            seq=fact.seq,
            at=fact.at,
            by=fact.actor,
            class_id=fact.detail.get("class", ""),
            items=int(fact.detail.get("items", "0")),
            sentence=fact.sentence,
        )
        for fact in reversed(history.events(CERTIFICATE))
    )


def retired_on(history: History) -> Mapping[str, date]:
    return {fact.model: fact.at.date() for fact in history.events(RETIRED)}


def due_day(rule: RetentionRule, item: Erasable, *, years: int, retired: Mapping[str, date]) -> date | None:
    """When this text may be erased; None while its period has not begun."""
    start = retired.get(item.model) if rule.start == "model-retired" else item.at.date()
    return None if start is None else years_after(start, years)


def disposable(
    rule: RetentionRule,
    items: tuple[Erasable, ...],
    *,
    years: int,
    retired: Mapping[str, date],
    standing: tuple[Hold, ...],
    today: date,
) -> tuple[tuple[Erasable, ...], tuple[Erasable, ...]]:
    """(may be erased today, due but held)."""
    free: list[Erasable] = []
    held: list[Erasable] = []
    for item in items:
        due = due_day(rule, item, years=years, retired=retired)
        if item.class_id != rule.id or due is None or due > today:
            continue
        kept = any(hold.covers(class_id=rule.id, model=item.model) for hold in standing)
        (held if kept else free).append(item)
    return tuple(free), tuple(held)
