"""The policies in force: for each tier the newest one published, checked against the signed entry that published it.

A document that cannot be used disables its own tier, never relaxes it. Files on disk have no effect by themselves.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from services.kernel.errors import InvalidPolicyError, StorageUnavailableError, TrustError
from services.kernel.identity import ROLE_PERMISSIONS, Permission, Role
from services.policy import statements
from services.policy.models import (
    UNITS,
    PolicyRef,
    PolicyView,
    QuorumRule,
    ReleaseTerms,
    RollbackRule,
    ShadowTerms,
    StageTerms,
)
from services.policy.published import PolicyDocuments, PublishedPolicies, PublishedPolicy, SignedEntries, digest
from services.policy.schema import PolicyDocument, parse
from services.policy.sentences import (
    freeze_words,
    gate_words,
    limit_words,
    retraining_words,
    return_words,
    shadow_words,
    signing_terms,
    signing_words,
)

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
    def __init__(self, *, published: PublishedPolicies, entries: SignedEntries, documents: PolicyDocuments) -> None:
        """`documents` are the files on disk, only looked at to say that they differ."""
        self._published = published
        self._entries = entries
        self._documents = documents
        self._lock = threading.Lock()
        self._read: dict[str, PolicyDocument | InvalidPolicyError] = {}
        self._vouched: set[tuple[int, str, str]] = set()

    def for_model(self, model: Governed, *, pinned: str = "") -> Policy:
        """`pinned` is the digest a request was asked under: that version applies to it, whatever came later.

        Raises InvalidPolicyError when the document of this tier cannot be used, StorageUnavailableError.
        """
        tier = int(model.tier)
        item = self._published.by_digest(pinned) if pinned else None
        # A pin of another tier, or of a release that kept no texts, says nothing: the newest one applies.
        document = self._load(item if item is not None and item.tier == tier else self._newest(tier))
        return _policy(document[0], document[1], kind=str(model.kind))

    def policies(self) -> tuple[PolicyView, ...]:
        return tuple(self._view(tier) for tier in TIERS)

    def history(self, tier: int) -> tuple[PublishedPolicy, ...]:
        """Every version published for the tier, newest first."""
        return self._published.history(tier)

    def problems(self) -> tuple[str, ...]:
        """A sentence per tier whose policy cannot be used."""
        return tuple(view.problem for view in self.policies() if view.problem)

    def unpublished(self) -> tuple[str, ...]:
        """A sentence per file on disk that is not what was published. Such a file changes nothing."""
        try:
            texts = self._documents.texts()
        except StorageUnavailableError as unreadable:
            return (unreadable.message,)
        found = []
        for tier in TIERS:
            newest, file = self._published.newest(tier), f"tier-{tier}.yaml"
            if newest is None or file not in texts:
                continue
            if digest(texts[file].decode("utf-8", "replace")) != newest.sha256:
                found.append(
                    f"{file} on disk is not version {newest.version} of {newest.name}, which is in force. "
                    "It has no effect until somebody publishes it."
                )
        return tuple(found)

    def _newest(self, tier: int) -> PublishedPolicy:
        item = self._published.newest(tier)
        if item is None:
            raise InvalidPolicyError(
                f"No policy of tier {tier} was published.", hint="A compliance officer publishes one."
            )
        return item

    def _load(self, item: PublishedPolicy) -> tuple[PolicyDocument, PublishedPolicy]:
        self._require_signed(item)
        with self._lock:
            known = self._read.get(item.sha256)
            if known is None:
                known = self._read[item.sha256] = _parsed(item)
        if isinstance(known, InvalidPolicyError):
            raise InvalidPolicyError(known.message, hint=known.hint)
        return known, item

    def _require_signed(self, item: PublishedPolicy) -> None:
        """The row alone publishes nothing: the entry it names says the same, and somebody who may publish signed it."""
        key = (item.seq, item.leaf_hash, item.sha256)
        if digest(item.text) != item.sha256:
            raise _not_as_signed(item)
        if key in self._vouched:
            return
        try:
            said = self._entries.require_valid(item.seq, item.leaf_hash)
        except TrustError as wrong:
            raise _not_as_signed(item) from wrong
        signer = said.get("signer")
        first = min((other.seq for other in self._published.history(item.tier)), default=item.seq) == item.seq
        if not statements.says(said, item) or not (_may_publish(signer["role"]) if signer else first):
            raise _not_as_signed(item)
        self._vouched.add(key)

    def _view(self, tier: int) -> PolicyView:
        try:
            document, item = self._load(self._newest(tier))
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
        policy = _policy(document, item, kind="realtime")
        return PolicyView(
            tier=tier,
            ref=policy.ref,
            file=f"tier-{tier}.yaml",
            gates=tuple(gate_words(gate) for gate in document.gates),
            quorum=policy.quorum,
            realtime_shares=document.release.realtime,
            batch_shares=document.release.batch,
            approval_days=document.approval_days,
            request_days=document.request_days,
            stages=policy.terms.stages,
            rollback=policy.terms.rollback,
            review_days=document.review_days,
            longest_exception_days=document.longest_exception_days,
            limits=tuple(limit_words(line, document) for line in document.use_cases),
            freeze=tuple(freeze_words(line) for line in document.freeze),
            shadow=shadow_words(document),
            retraining=retraining_words(document),
            returns=return_words(document),
            signing=signing_words(document),
        )


def _parsed(item: PublishedPolicy) -> PolicyDocument | InvalidPolicyError:
    try:
        document = parse(item.text, file=item.file)
    except InvalidPolicyError as broken:
        return broken
    if document.tier != item.tier:
        return InvalidPolicyError(f"{item.file} line 1: the text says tier {document.tier}.", hint="Publish it again.")
    return document


def _not_as_signed(item: PublishedPolicy) -> InvalidPolicyError:
    return InvalidPolicyError(
        f"The stored text of {item.name} version {item.version} is not what was signed at entry {item.seq}.",
        hint="Verify the ledger on the audit screen and restore the database.",
    )


def _may_publish(role: str) -> bool:
    return role in set(Role) and Permission.PUBLISH_POLICY in ROLE_PERMISSIONS.get(Role(role), frozenset())


def _policy(document: PolicyDocument, item: PublishedPolicy, *, kind: str) -> Policy:
    return Policy(
        document=document,
        ref=PolicyRef(name=document.name, version=document.version, sha256=item.sha256),
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
            shadow=_shadow(document) if kind == "realtime" else None,
            signing=signing_terms(document),
        ),
    )


def _shadow(document: PolicyDocument) -> ShadowTerms | None:
    """Of real-time deployments: a batch job is compared before its first run is published, which is its own rule."""
    asked = document.release.shadow
    return ShadowTerms(min_days=asked.min_days, min_records=asked.min_records) if asked else None


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
            unit=UNITS.get(rule.measure, ""),
            window_minutes=rule.window_minutes,
            min_requests=rule.min_requests,
        )
        for rule in document.rollback
    )
