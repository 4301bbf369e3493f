"""What the ledger says happened, in order, as facts: each entry judged once, void ones kept without effect.

Everything an auditor reads is computed from these values alone; what they do not say is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from services.attestation.models import Kind

Who = tuple[str, str]
"""Issuer and subject."""

COUNTING = frozenset({"approve", "acknowledge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One entry: what it is about, who is named in it, and what it says."""

    seq: int
    leaf_hash: str
    at: datetime
    kind: Kind
    event: str
    """Stable tag such as `decision:approve` or `event:sign-off-refused`."""
    model: str
    version: str
    sha256: str
    """Digest of the subject: the manifest of a model version."""
    actor: str
    role: str
    sentence: str
    said: Mapping[str, Any]
    void: str = ""
    """Why it has no effect, or empty."""

    @property
    def who(self) -> Who | None:
        return who_of(self.said.get("signer") or self.said.get("actor"))

    @property
    def name(self) -> str:
        """The event's own word, `sign-off-refused`."""
        return self.event.partition(":")[2]

    def text(self, field: str) -> str:
        value = self.said.get(field)
        return value if isinstance(value, str) else ""

    def document(self, field: str) -> Mapping[str, Any]:
        value = self.said.get(field)
        return value if isinstance(value, Mapping) else {}

    @property
    def detail(self) -> Mapping[str, str]:
        return self.document("detail")


@dataclass(frozen=True, kw_only=True)
class History:
    """Facts in the order of the ledger. `size` counts all entries, also those that could not be read."""

    facts: tuple[Fact, ...]
    size: int
    began: datetime
    replayed: tuple[str, str] | None = None
    """Span of replayed history as the first entry states it, or None."""
    unreadable: tuple[int, ...] = ()

    def until(self, at: datetime) -> History:
        """The ledger as it was at `at`."""
        return History(
            facts=tuple(fact for fact in self.facts if fact.at <= at),
            size=self.size,
            began=self.began,
            replayed=self.replayed,
            unreadable=self.unreadable,
        )

    def of(self, kind: Kind, *, model: str = "", void: bool = False) -> tuple[Fact, ...]:
        """Facts of one kind that count; with `void` also those without effect."""
        return tuple(
            fact
            for fact in self._by_kind.get(kind, ())
            if (not model or fact.model == model) and (void or not fact.void)
        )

    def events(self, *names: str, model: str = "") -> tuple[Fact, ...]:
        wanted = {f"event:{name}" for name in names}
        return tuple(fact for fact in self.of(Kind.EVENT, model=model) if fact.event in wanted)

    def entry(self, seq: int | None) -> Fact | None:
        return self._by_seq.get(seq) if seq is not None else None

    def outcome_of(self, action: Fact) -> Fact | None:
        return self._outcomes.get(action.text("id"))

    def action_of(self, outcome: Fact) -> Fact | None:
        return self._actions.get(outcome.text("action"))

    def request_of(self, fact: Fact) -> Fact | None:
        """The request a decision or an action cites."""
        cited = fact.document("request")
        seq = cited.get("entry")
        return self.entry(seq) if isinstance(seq, int) else None

    def decisions_cited(self, action: Fact) -> tuple[Fact, ...]:
        cited = action.said.get("decisions") or ()
        found = (self.entry(item.get("entry")) for item in cited if isinstance(item, Mapping))
        return tuple(fact for fact in found if fact is not None)

    def decisions_on(self, request: Fact) -> tuple[Fact, ...]:
        return self._decisions.get(request.seq, ())

    @cached_property
    def _by_seq(self) -> Mapping[int, Fact]:
        return {fact.seq: fact for fact in self.facts}

    @cached_property
    def _by_kind(self) -> Mapping[Kind, tuple[Fact, ...]]:
        grouped: dict[Kind, list[Fact]] = {}
        for fact in self.facts:
            grouped.setdefault(fact.kind, []).append(fact)
        return {kind: tuple(found) for kind, found in grouped.items()}

    @cached_property
    def _outcomes(self) -> Mapping[str, Fact]:
        return {fact.text("action"): fact for fact in reversed(self.of(Kind.OUTCOME))}

    @cached_property
    def _actions(self) -> Mapping[str, Fact]:
        return {fact.text("id"): fact for fact in reversed(self.of(Kind.ACTION, void=True))}

    @cached_property
    def _decisions(self) -> Mapping[int, tuple[Fact, ...]]:
        grouped: dict[int, list[Fact]] = {}
        for fact in self.of(Kind.DECISION, void=True):
            seq = fact.document("request").get("entry")
            if isinstance(seq, int):
                grouped.setdefault(seq, []).append(fact)
        return {seq: tuple(found) for seq, found in grouped.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficState:
    """Where one model's traffic goes from `at` on, as an applied change left it."""

    at: datetime
    model: str
    routes: tuple[tuple[str, int], ...]
    champion: str
    outcome: Fact
    action: Fact | None


def traffic(history: History, model: str = "") -> Iterator[TrafficState]:
    """Every applied change of traffic, oldest first."""
    for outcome in history.of(Kind.OUTCOME, model=model):
        if outcome.text("result") != "applied":
            continue
        action = history.action_of(outcome)
        after = str(outcome.document("after").get("version", ""))
        routes = _routes(outcome.said.get("routes")) or _routes(action.said.get("routes") if action else None)
        yield TrafficState(
            at=outcome.at,
            model=outcome.model,
            routes=routes or (((after, 100),) if after else ()),
            champion=(action.text("champion") if action else "") or after,
            outcome=outcome,
            action=action,
        )


def newest_traffic(history: History) -> Mapping[str, TrafficState]:
    return {state.model: state for state in traffic(history)}


def quorum_people(request: Fact, decisions: tuple[Fact, ...]) -> dict[str, set[Who]]:
    """Role to the people whose counting, standing decision fills it, as the request's frozen quorum asks."""
    rules = [rule for rule in request.said.get("quorum") or () if isinstance(rule, Mapping)]
    filled: dict[str, set[Who]] = {}
    for rule in rules:
        role = str(rule.get("role", ""))
        filled[role] = {
            who
            for item in decisions
            if not item.void
            and item.text("decision") == rule.get("decision")
            and role_filled(item) == role
            and (who := item.who) is not None
        }
    return filled


def is_complete(request: Fact, decisions: tuple[Fact, ...]) -> bool:
    rules = [rule for rule in request.said.get("quorum") or () if isinstance(rule, Mapping)]
    filled = quorum_people(request, decisions)
    return bool(rules) and all(
        len(filled[str(rule.get("role", ""))]) >= int(rule.get("needed", 1) or 1) for rule in rules
    )


def role_filled(decision: Fact) -> str:
    """The quorum role a decision fills: the signer's own, or the delegated one."""
    return decision.text("role") or str(decision.document("signer").get("role", ""))


def who_of(person: object) -> Who | None:
    if not isinstance(person, Mapping) or "sub" not in person:
        return None
    return (str(person.get("issuer", "")), str(person["sub"]))


def _routes(value: object) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple((str(item["version"]), int(item["share"])) for item in value if isinstance(item, Mapping))
