"""What the entries amount to, judged one by one from genesis on: which count, which are void, and why.

An entry that breaks a rule has no effect and is reported; later entries still verify.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.attestation import canonical
from services.attestation.envelope import Envelope
from services.attestation.models import Kind
from services.attestation.statement import Statement
from services.kernel.clock import from_utc_text
from services.kernel.identity import ROLE_PERMISSIONS, Permission, Role
from services.ledger.keyring import Keyring, VoidEntryError, Who

_COUNTING = frozenset({"approve", "acknowledge"})
_CLOSING = frozenset({"reject", "withdraw", "revoke"})


@dataclass(slots=True, kw_only=True)
class _Request:
    id: str
    statement_sha256: str
    subject_sha256: str
    requester: Who
    quorum: tuple[Mapping[str, Any], ...]
    expires: str
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    leaf: str
    request_seq: int
    who: Who
    role: str
    word: str


@dataclass(slots=True, kw_only=True)
class Replay:
    """State after the entries judged so far."""

    keyring: Keyring = field(default_factory=Keyring)
    _requests: dict[int, _Request] = field(default_factory=dict)
    _decisions: dict[int, _Decision] = field(default_factory=dict)
    _decided: set[tuple[int, Who]] = field(default_factory=set)
    _open_actions: dict[str, int] = field(default_factory=dict)
    _outcomes: set[str] = field(default_factory=set)
    _nonces: set[str] = field(default_factory=set)
    _signatures: dict[str, list[int]] = field(default_factory=dict)

    def judge(self, read: Envelope, statement: Statement, *, seq: int, leaf: str) -> None:
        """Takes over the effect of the entry. Raises VoidEntryError when it has none."""
        if seq == 0:
            self.keyring.found(statement)
        elif statement.kind is Kind.GENESIS:
            raise VoidEntryError("a log has one genesis, its first entry")
        keys = self.keyring.signed_by(read)
        who = self.keyring.require_signer(statement, keys)
        if statement.nonce in self._nonces:
            raise VoidEntryError("its nonce was used before: it repeats an earlier signature")
        self._nonces.add(statement.nonce)
        if statement.kind is Kind.KEYRING:
            self.keyring.apply_keyring(statement, keys, seq=seq)
        elif statement.kind is Kind.POLICY:
            self.keyring.apply_policy(statement)
        else:
            self._apply(read, statement, who, seq=seq, leaf=leaf)
        for signature in read.signatures:
            if who is not None and self.keyring.keys[signature.key_id].owner == who:
                self._signatures.setdefault(signature.key_id, []).append(seq)

    def _apply(self, read: Envelope, statement: Statement, who: Who | None, *, seq: int, leaf: str) -> None:
        match statement.kind:
            case Kind.REQUEST:
                self._apply_request(read, statement, _signed(who), seq)
            case Kind.DECISION:
                self._apply_decision(statement, _signed(who), seq, leaf)
            case Kind.ACTION:
                self._apply_action(statement, seq, signed=who is not None)
            case Kind.OUTCOME:
                self._apply_outcome(statement)
            case _:
                pass  # events and observations have no effect on what may go live

    def suspects(self) -> tuple[tuple[int, str], ...]:
        """(entry, name) signed with a key at or after the place from which it was compromised."""
        found = []
        for key_id, key in self.keyring.keys.items():
            if key.suspect_from is not None:
                found += [(seq, key.name) for seq in self._signatures.get(key_id, []) if seq >= key.suspect_from]
        return tuple(sorted(found))

    def unfinished(self) -> tuple[tuple[int, str], ...]:
        """(entry, action id) of actions without an outcome, oldest first."""
        return tuple((seq, action) for action, seq in self._open_actions.items() if action not in self._outcomes)

    def _apply_request(self, read: Envelope, statement: Statement, who: Who, seq: int) -> None:
        predicate = statement.predicate
        _require_permission(predicate, Permission.REQUEST_PROMOTION)
        subject = statement.subjects[0]
        if predicate["to"].get("digest", {}).get("sha256", subject.sha256) != subject.sha256:
            raise VoidEntryError("it asks for other bytes than those it is about")
        self._requests[seq] = _Request(
            id=predicate["id"],
            statement_sha256=canonical.sha256_hex(read.payload),
            subject_sha256=subject.sha256,
            requester=who,
            quorum=tuple(predicate.get("quorum", ())),
            expires=predicate["expires"],
        )

    def _apply_decision(self, statement: Statement, who: Who, seq: int, leaf: str) -> None:
        predicate = statement.predicate
        word, request_seq = predicate["decision"], predicate["request"]["entry"]
        request = self._cited(predicate["request"])
        if statement.subjects[0].sha256 != request.subject_sha256:
            raise VoidEntryError("it is about other bytes than the request it cites")
        if word in _COUNTING:
            if who == request.requester:
                raise VoidEntryError("the person who asked for the promotion may not approve it")
            allowed = (Permission.ACKNOWLEDGE,) if word == "acknowledge" else (Permission.APPROVE, Permission.VALIDATE)
            _require_permission(predicate, *allowed)
            if request.closed:
                raise VoidEntryError("the request was closed before")
            if statement.at > from_utc_text(request.expires):
                raise VoidEntryError("the request had expired")
            if (request_seq, who) in self._decided:
                raise VoidEntryError("this person had decided on this request before")
            self._decided.add((request_seq, who))
        if word in _CLOSING:
            request.closed = True
        self._decisions[seq] = _Decision(
            leaf=leaf, request_seq=request_seq, who=who, role=predicate["signer"]["role"], word=word
        )

    def _apply_action(self, statement: Statement, seq: int, *, signed: bool) -> None:
        predicate = statement.predicate
        rollback = predicate["rollback"]
        if predicate["id"] in self._open_actions:
            raise VoidEntryError("an action of this id was recorded before")
        if signed:
            _require_permission(predicate, Permission.ROLL_BACK if rollback else Permission.ADVANCE_ROLLOUT)
        elif rollback is not None and rollback.get("mode") != "automatic":
            raise VoidEntryError("a rollback needs the signature of somebody on call")
        if predicate["request"] is None:
            if rollback is None:
                raise VoidEntryError("it rests on no approved request")
        else:
            request = self._cited(predicate["request"])
            if statement.subjects[0].sha256 != request.subject_sha256:
                raise VoidEntryError("it would serve other bytes than those that were approved")
            self._require_quorum(predicate, request, full=rollback is None)
        self._open_actions[predicate["id"]] = seq

    def _require_quorum(self, predicate: Mapping[str, Any], request: _Request, *, full: bool) -> None:
        if full and request.closed:
            raise VoidEntryError("the approval it rests on was taken back, or the request closed")
        decisions = []
        for cited in predicate["decisions"]:
            decision = self._decisions.get(cited["entry"])
            if decision is None or decision.leaf != cited["sha256"]:
                raise VoidEntryError(f"the decision it cites at entry {cited['entry']} does not exist or is void")
            if decision.request_seq != predicate["request"]["entry"] or decision.word not in _COUNTING:
                raise VoidEntryError(f"entry {cited['entry']} does not approve the request it rests on")
            decisions.append(decision)
        if not full:
            return
        if not decisions:
            raise VoidEntryError("it rests on no decision")
        for rule in request.quorum:
            people = {
                item.who for item in decisions if item.role == rule.get("role") and item.word == rule.get("decision")
            }
            if len(people) < int(rule.get("needed", 1)):
                raise VoidEntryError(f"the quorum was not complete: {rule.get('role')} is missing")

    def _apply_outcome(self, statement: Statement) -> None:
        action = statement.predicate["action"]
        if action not in self._open_actions:
            raise VoidEntryError("it reports on an action that was never ordered")
        if action in self._outcomes:
            raise VoidEntryError("the outcome of this action was recorded before")
        self._outcomes.add(action)

    def _cited(self, reference: Mapping[str, Any]) -> _Request:
        request = self._requests.get(reference["entry"])
        if request is None or request.id != reference["id"]:
            raise VoidEntryError("the request it cites does not exist or is void")
        if reference["digest"]["sha256"] != request.statement_sha256:
            raise VoidEntryError("the request it cites says something else")
        return request


def _signed(who: Who | None) -> Who:
    if who is None:
        raise VoidEntryError("no person signed it")
    return who


def _require_permission(predicate: Mapping[str, Any], *any_of: Permission) -> None:
    role = predicate["signer"]["role"]
    held = ROLE_PERMISSIONS.get(Role(role), frozenset()) if role in set(Role) else frozenset()
    if not held & set(any_of):
        raise VoidEntryError(f"the role {role} does not allow it")
