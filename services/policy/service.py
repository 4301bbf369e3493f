"""Policies of the three risk tiers, read from files: a broken file disables its own tier, never relaxes it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.kernel.errors import InvalidPolicyError
from services.policy.gates import Gate
from services.policy.models import PolicyRef, PolicyView, QuorumRule, ReleaseTerms, RollbackRule, StageTerms
from services.policy.schema import PolicyDocument, parse
from services.policy.wording import bound_words, shown

TIERS = (1, 2, 3)


class Governed(Protocol):
    """What selects a policy: the tier; and what selects its release shares: how the model runs."""

    @property
    def tier(self) -> int: ...
    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The document that applies to one model, with its reference and the terms for the way the model runs."""

    document: PolicyDocument
    ref: PolicyRef
    quorum: tuple[QuorumRule, ...]
    terms: ReleaseTerms


class PolicyService:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[bytes, PolicyDocument | InvalidPolicyError]] = {}

    def for_model(self, model: Governed) -> Policy:
        """Raises InvalidPolicyError when the document of this tier cannot be used."""
        document, data = self._load(int(model.tier))
        return _policy(document, data, kind=str(model.kind))

    def policies(self) -> tuple[PolicyView, ...]:
        return tuple(self._view(tier) for tier in TIERS)

    def problems(self) -> tuple[str, ...]:
        """A sentence per policy file that cannot be used."""
        return tuple(view.problem for view in self.policies() if view.problem)

    def _load(self, tier: int) -> tuple[PolicyDocument, bytes]:
        name = f"tier-{tier}.yaml"
        try:
            data = (self._folder / name).read_bytes()
        except OSError as missing:
            raise InvalidPolicyError(
                f"{name} cannot be read ({missing.strerror or missing}).", hint="Restore it from version control."
            ) from missing
        with self._lock:
            known = self._cache.get(name)
            if known is None or known[0] != data:
                known = (data, _parsed(name, data, tier))
                self._cache[name] = known
        if isinstance(known[1], InvalidPolicyError):
            raise InvalidPolicyError(known[1].message, hint=known[1].hint)
        return known[1], data

    def _view(self, tier: int) -> PolicyView:
        try:
            document, data = self._load(tier)
        except InvalidPolicyError as broken:
            return PolicyView(
                tier=tier,
                ref=None,
                file=f"tier-{tier}.yaml",
                gates=(),
                quorum=(),
                realtime_shares=(),
                batch_shares=(),
                approval_days=0,
                request_days=0,
                problem=broken.message,
            )
        policy = _policy(document, data, kind="realtime")
        return PolicyView(
            tier=tier,
            ref=policy.ref,
            file=f"tier-{tier}.yaml",
            gates=tuple(_gate_words(gate) for gate in document.gates),
            quorum=policy.quorum,
            realtime_shares=document.release.realtime,
            batch_shares=document.release.batch,
            approval_days=document.approval_days,
            request_days=document.request_days,
            stages=policy.terms.stages,
            rollback=policy.terms.rollback,
            review_days=document.review_days,
            longest_exception_days=document.longest_exception_days,
        )


def _parsed(name: str, data: bytes, tier: int) -> PolicyDocument | InvalidPolicyError:
    try:
        document = parse(data.decode("utf-8"), file=name)
    except UnicodeDecodeError:
        return InvalidPolicyError(f"{name} line 1: the file is not UTF-8 text.", hint="Restore it.")
    except InvalidPolicyError as broken:
        return broken
    if document.tier != tier:
        return InvalidPolicyError(f"{name} line 1: the file says tier {document.tier}.", hint="Correct the tier.")
    return document


def _policy(document: PolicyDocument, data: bytes, *, kind: str) -> Policy:
    return Policy(
        document=document,
        ref=PolicyRef(name=document.name, version=document.version, sha256=hashlib.sha256(data).hexdigest()),
        quorum=tuple(
            QuorumRule(role=line.role.value, needed=line.needed, decision=line.decision, stage=line.stage)
            for line in document.quorum
        ),
        terms=ReleaseTerms(
            shares=document.release.realtime if kind == "realtime" else document.release.batch,
            approval_days=document.approval_days,
            request_days=document.request_days,
            stages=_stages(document),
            rollback=_rollback(document) if kind == "realtime" else (),
            review_days=document.review_days,
            longest_exception_days=document.longest_exception_days,
        ),
    )


def _stages(document: PolicyDocument) -> tuple[StageTerms, ...]:
    return tuple(
        StageTerms(
            number=number,
            title=stage.title,
            due_days=stage.due_days,
            escalate_to=stage.escalate_to.value,
            escalate_days=stage.escalate_days,
        )
        for number, stage in enumerate(document.stages, 1)
    )


def _rollback(document: PolicyDocument) -> tuple[RollbackRule, ...]:
    return tuple(
        RollbackRule(
            id=rule.id,
            measure=rule.measure,
            above=f"{rule.above:f}",
            unit="ms" if rule.measure == "p95_ms" else "share",
            window_minutes=rule.window_minutes,
            min_requests=rule.min_requests,
        )
        for rule in document.rollback
    )


def _gate_words(gate: Gate) -> str:
    at_least, at_most = getattr(gate, "at_least", None), getattr(gate, "at_most", None)
    tolerance = getattr(gate, "tolerance", None)
    words = gate.title
    if at_least is not None or at_most is not None:
        words += f": {bound_words(at_least, at_most)}"
    elif tolerance is not None:
        words += f": at most {shown(tolerance)} worse than the live version"
    words = f"{words} ({gate.task} only)" if gate.task else words
    if gate.holds:
        words += f"; holds the signature of: {', '.join(role.label.lower() for role in gate.holds)}"
    return f"{words}; an exception can be granted" if gate.exceptable else words
