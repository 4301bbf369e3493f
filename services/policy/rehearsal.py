"""What a proposed policy would have said about past decisions, from the evidence that was judged then. Pure.

Nothing is measured again: the same facts, another rule. Evidence that was not kept cannot be rehearsed, and a request
without it is counted as unknown, never as unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from services.policy.evaluation import evaluate
from services.policy.evidence import Evidence
from services.policy.models import GateOutcome, GateReport, PolicyRef, Verdict
from services.policy.schema import PolicyDocument

_EVIDENCE = TypeAdapter(Evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """A request as it was judged: the report it was frozen with, and the bytes of the evidence where they were kept."""

    request_id: str
    model: str
    version: str
    state: str
    at: datetime
    report: GateReport
    evidence: bytes | None


class PastDecisions(Protocol):
    def of_tier(self, tier: int) -> tuple[PastDecision, ...]:
        """Newest first. Raises StorageUnavailableError."""
        ...


class Effect(StrEnum):
    SAME = "same"
    STOPPED = "stopped"
    """It could be asked for then; the proposed policy would have stopped it."""
    HELD = "held"
    """A signature would have been withheld that was not."""
    LET_THROUGH = "let-through"
    """Something stood in its way then that would not now."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateChange:
    """One gate whose verdict or limit would differ. A verdict is empty where that policy has no such gate."""

    gate: str
    title: str
    before: str
    after: str
    rule_before: str
    rule_after: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedRequest:
    request_id: str
    model: str
    version: str
    state: str
    at: datetime
    policy: PolicyRef
    """The policy it was judged by then."""
    effect: Effect
    changes: tuple[GateChange, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    policy: PolicyRef
    requests: tuple[RehearsedRequest, ...]

    def count(self, effect: Effect) -> int:
        return sum(item.effect is effect for item in self.requests)

    @property
    def sentence(self) -> str:
        if not self.requests:
            return "No request of this tier was made yet, so there is nothing to compare with."
        parts = [
            f"{self.count(effect)} {words}"
            for effect, words in (
                (Effect.STOPPED, "would have been stopped"),
                (Effect.HELD, "would have had a signature withheld"),
                (Effect.LET_THROUGH, "would have met one obstacle less"),
                (Effect.UNKNOWN, "cannot be said, because their evidence was not kept"),
            )
            if self.count(effect)
        ]
        of = f"Of {len(self.requests)} past requests"
        return f"{of}, {'; '.join(parts)}." if parts else f"{of}, none would have gone another way."


Judge = Callable[[Evidence, PolicyDocument, PolicyRef], GateReport]
"""Judges as requests are judged, with what is set aside for a supplier's model."""


def plainly(evidence: Evidence, document: PolicyDocument, ref: PolicyRef) -> GateReport:
    return evaluate(evidence, document, ref=ref)


def rehearse(
    document: PolicyDocument, past: Iterable[PastDecision], *, sha256: str, judge: Judge = plainly
) -> Rehearsal:
    ref = PolicyRef(name=document.name, version=document.version, sha256=sha256)
    return Rehearsal(policy=ref, requests=tuple(_one(document, ref, item, judge) for item in past))


def _one(document: PolicyDocument, ref: PolicyRef, item: PastDecision, judge: Judge) -> RehearsedRequest:
    evidence = _read(item)
    known = RehearsedRequest(
        request_id=item.request_id,
        model=item.model,
        version=item.version,
        state=item.state,
        at=item.at,
        policy=item.report.policy,
        effect=Effect.UNKNOWN,
        changes=(),
    )
    if evidence is None:
        return replace(known, problem="The evidence of this request was not kept, or is not what was signed.")
    after = _with_exceptions(judge(evidence, document, ref), item.report)
    return replace(known, effect=_effect(item.report, after), changes=_changes(item.report, after))


def _read(item: PastDecision) -> Evidence | None:
    if item.evidence is None or hashlib.sha256(item.evidence).hexdigest() != item.report.evidence_sha256:
        return None
    try:
        return _EVIDENCE.validate_json(item.evidence)
    except ValidationError:
        return None


def _with_exceptions(after: GateReport, before: GateReport) -> GateReport:
    """Exceptions granted then would have counted now, where the proposed policy still allows them."""
    granted = {outcome.gate: outcome.exception for outcome in before.outcomes if outcome.exception}
    return replace(
        after,
        outcomes=tuple(
            replace(outcome, exception=granted[outcome.gate])
            if outcome.gate in granted and outcome.exceptable and outcome.verdict.blocks
            else outcome
            for outcome in after.outcomes
        ),
    )


def _effect(before: GateReport, after: GateReport) -> Effect:
    stops, stopped = bool(after.blocking) or not after.outcomes, bool(before.blocking)
    if stops and not stopped:
        return Effect.STOPPED
    held = {(outcome.gate, role) for outcome in after.outcomes if outcome.stands_in_the_way for role in outcome.holds}
    was = {(outcome.gate, role) for outcome in before.outcomes if outcome.stands_in_the_way for role in outcome.holds}
    if not stops and held - was:
        return Effect.HELD
    if (stopped and not stops) or was - held:
        return Effect.LET_THROUGH
    return Effect.SAME


def _changes(before: GateReport, after: GateReport) -> tuple[GateChange, ...]:
    old = {outcome.gate: outcome for outcome in before.outcomes}
    new = {outcome.gate: outcome for outcome in after.outcomes}
    names = [*new, *(name for name in old if name not in new)]
    found = []
    for name in names:
        then, now = old.get(name), new.get(name)
        if then is not None and now is not None and (then.verdict, then.rule) == (now.verdict, now.rule):
            continue
        found.append(
            GateChange(
                gate=name,
                title=(now or then or _NONE).title,
                before=then.verdict.value if then else "",
                after=now.verdict.value if now else "",
                rule_before=then.rule if then else "",
                rule_after=now.rule if now else "",
                sentence=now.sentence if now else "The proposed policy has no such gate.",
            )
        )
    return tuple(found)


_NONE = GateOutcome(gate="", title="", group="", value="", rule="", verdict=Verdict.SKIPPED, sentence="")
