"""What the entries amount to, judged one by one from genesis on: which count, which are void, and why.

An entry that breaks a rule has no effect and is reported; later entries still verify.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from services.attestation import canonical, envelope, statement
from services.attestation.envelope import Envelope
from services.attestation.models import Kind
from services.attestation.statement import Statement
from services.kernel.clock import from_utc_text
from services.kernel.errors import ForeignStatementError
from services.kernel.identity import MACHINE_ROLE, Permission
from services.ledger import factors, merkle
from services.ledger.delegations import RISKIEST, Delegations
from services.ledger.emergencies import Emergencies, require_obedience
from services.ledger.keyring import MACHINE, EnrolledKey, Keyring, VoidEntryError, Who
from services.ledger.law import require_permission, signed
from services.ledger.ports import StoredEntry
from services.ledger.shadows import Shadows, is_asked
from services.ledger.waivers import Waivers

_COUNTING = frozenset({"approve", "acknowledge"})
_CLOSING = frozenset({"reject", "withdraw", "revoke"})
_FELL = "signatures-void"


@dataclass(slots=True, kw_only=True)
class _Request:
    id: str
    statement_sha256: str
    subject_sha256: str
    requester: Who
    quorum: tuple[Mapping[str, Any], ...]
    expires: str
    tier: int
    plan: Mapping[str, Any] | None
    """The rollback the quorum signed with it."""
    asks_for_shadow: bool
    retires: bool = False
    """All that signed it agreed that the model goes: it allows nothing to be served."""
    closed: bool = False
    factors: factors.Factors = field(default_factory=factors.Factors)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    seq: int
    leaf: str
    request_seq: int
    who: Who
    role: str
    """The role of the quorum it fills."""
    word: str
    key_id: str
    people: frozenset[Who] = frozenset()
    """The signer and, by delegation, the one who gave the role."""


@dataclass(slots=True, kw_only=True)
class Replay:
    """State after the entries judged so far."""

    keyring: Keyring = field(default_factory=Keyring)
    _requests: dict[int, _Request] = field(default_factory=dict)
    _decisions: dict[int, _Decision] = field(default_factory=dict)
    _decided: set[tuple[int, Who]] = field(default_factory=set)
    _fallen: set[int] = field(default_factory=set)
    _open_actions: dict[str, int] = field(default_factory=dict)
    _outcomes: set[str] = field(default_factory=set)
    _nonces: set[str] = field(default_factory=set)
    _signatures: dict[str, list[int]] = field(default_factory=dict)
    _findings: dict[int, str] = field(default_factory=dict)
    _ordered: set[str] = field(default_factory=set)
    _tiers: set[str] = field(default_factory=set)
    """Tiers whose policy was published."""
    delegations: Delegations = field(default_factory=Delegations)
    waivers: Waivers = field(default_factory=Waivers)
    shadows: Shadows = field(default_factory=Shadows)
    emergencies: Emergencies = field(default_factory=Emergencies)

    def judge(self, read: Envelope, statement: Statement, *, seq: int, leaf: str) -> None:
        """Takes over the effect of the entry. Raises VoidEntryError when it has none."""
        if seq == 0:
            self.keyring.found(statement)
        elif statement.kind is Kind.GENESIS:
            raise VoidEntryError("a log has one genesis, its first entry")
        keys = self.keyring.signed_by(read)
        who = self.keyring.require_signer(statement, keys)
        if seq == 0:
            self.keyring.require_stated(statement, keys)
        if statement.nonce in self._nonces:
            raise VoidEntryError("its nonce was used before: it repeats an earlier signature")
        self._nonces.add(statement.nonce)
        if statement.kind is Kind.KEYRING:
            self.keyring.apply_keyring(statement, keys, seq=seq)
        elif statement.kind is Kind.POLICY:
            self._require_publisher(statement, who)
            self.keyring.apply_policy(statement)
        else:
            self._apply(read, statement, who, keys, seq=seq, leaf=leaf)
        for signature in read.signatures:
            if who is not None and self.keyring.keys[signature.key_id].owner == who:
                self._signatures.setdefault(signature.key_id, []).append(seq)

    def _require_publisher(self, statement: Statement, who: Who | None) -> None:
        """The policy of a tier needs somebody who may publish it; the first one of each may be the service's own."""
        tier = statement.predicate.get("document", {}).get("tier")
        if tier is None:
            return
        if who is not None:
            require_permission(statement.predicate, Permission.PUBLISH_POLICY)
        elif str(tier) in self._tiers:
            raise VoidEntryError("a policy that replaces another needs a person's signature")
        self._tiers.add(str(tier))

    def _apply(
        self,
        read: Envelope,
        statement: Statement,
        who: Who | None,
        keys: tuple[EnrolledKey, ...],
        *,
        seq: int,
        leaf: str,
    ) -> None:
        match statement.kind:
            case Kind.REQUEST:
                self._apply_request(read, statement, signed(who), seq)
            case Kind.DECISION:
                key = next(key for key in keys if key.owner == signed(who) and key.passkey is None)
                self._apply_decision(statement, signed(who), key.public.key_id, seq, leaf)
            case Kind.ACTION:
                self._apply_action(statement, who, seq, leaf)
            case Kind.OUTCOME:
                self._apply_outcome(statement)
            case Kind.DELEGATION:
                self.delegations.apply(statement, signed(who), keyring=self.keyring, seq=seq, leaf=leaf)
            case Kind.EXCEPTION:
                self.waivers.apply(statement, signed(who), seq=seq, leaf=leaf)
            case Kind.REVIEW:
                self.emergencies.review(statement, signed(who))
            case Kind.OBSERVATION if statement.predicate.get("finding"):
                self._findings[seq] = leaf
            case Kind.EVENT:
                _require_own_event(statement, who)
                self._leave_out(statement, who)
                self._close_shadow(statement, who, seq, leaf)
            case _:
                pass  # other observations have no effect on what may go live

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
        retires = predicate.get("purpose") == "retirement"
        require_permission(predicate, Permission.REQUEST_RETIREMENT if retires else Permission.REQUEST_PROMOTION)
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
            tier=_tier(predicate.get("tier", "")),
            plan=predicate.get("rollback"),
            asks_for_shadow=is_asked(predicate),
            retires=retires,
            factors=factors.asked_of(predicate.get("terms", {})),
        )

    def _apply_decision(self, statement: Statement, who: Who, key_id: str, seq: int, leaf: str) -> None:
        predicate = statement.predicate
        word, request_seq = predicate["decision"], predicate["request"]["entry"]
        request = self._cited(predicate["request"])
        if statement.subjects[0].sha256 != request.subject_sha256:
            raise VoidEntryError("it is about other bytes than the request it cites")
        delegated = self.delegations.covering(statement, who, keyring=self.keyring, tier=request.tier)
        role = delegated.role if delegated else predicate["signer"]["role"]
        if word in _COUNTING:
            # Whoever gave the role away counts as having used it: nobody fills two places through another's hand.
            people = {who, delegated.by} if delegated else {who}
            if request.requester in people:
                raise VoidEntryError("the person who asked for the promotion may not approve it")
            allowed = (Permission.ACKNOWLEDGE,) if word == "acknowledge" else (Permission.APPROVE, Permission.VALIDATE)
            require_permission(predicate, *allowed, role=role)
            if request.closed:
                raise VoidEntryError("the request was closed before")
            if statement.at > from_utc_text(request.expires):
                raise VoidEntryError("the request had expired")
            if any((request_seq, somebody) in self._decided for somebody in people):
                raise VoidEntryError("this person had decided on this request before")
            factors.require(statement, request.factors)
            self._decided |= {(request_seq, somebody) for somebody in people}
        if word in _CLOSING:
            request.closed = True
        self._decisions[seq] = _Decision(
            seq=seq,
            leaf=leaf,
            request_seq=request_seq,
            who=who,
            role=role,
            word=word,
            key_id=key_id,
            people=frozenset({who, delegated.by} if delegated else {who}),
        )

    def _leave_out(self, statement: Statement, who: Who | None) -> None:
        """A signature that fell, for example because its person left, counts no more; that person may sign anew."""
        detail = statement.predicate["detail"]
        if who is not None or statement.predicate["event"] != _FELL:
            return
        fallen = next((item for item in self._decisions.values() if str(item.seq) == detail.get("entry")), None)
        if fallen is not None and fallen.leaf == detail.get("sha256"):
            self._fallen.add(fallen.seq)
            if fallen.word in _COUNTING:
                self._decided -= {(fallen.request_seq, somebody) for somebody in fallen.people}

    def _close_shadow(self, statement: Statement, who: Who | None, seq: int, leaf: str) -> None:
        entry = statement.predicate["detail"].get("entry", "")
        request = self._requests.get(int(entry)) if entry.isascii() and entry.isdigit() and len(entry) < 16 else None
        about = (request.id, request.subject_sha256) if request else None
        self.shadows.close(statement, who, request=about, seq=seq, leaf=leaf)

    def _apply_action(self, statement: Statement, who: Who | None, seq: int, leaf: str) -> None:
        predicate = statement.predicate
        rollback, emergency, reverts = predicate["rollback"], predicate.get("emergency"), predicate.get("reverts")
        if predicate["id"] in self._open_actions:
            raise VoidEntryError("an action of this id was recorded before")
        self._require_ordered_by(statement, who)
        if predicate["request"] is None:
            if rollback is None and emergency is None and reverts is None:
                raise VoidEntryError("it rests on no approved request")
            request = None
        else:
            request = self._cited(predicate["request"])
            if request.retires:
                raise VoidEntryError("it cites a request to retire, which allows nothing to be served")
            if statement.subjects[0].sha256 != request.subject_sha256:
                raise VoidEntryError("it would serve other bytes than those that were approved")
            full = rollback is None and emergency is None and reverts is None
            self._require_quorum(predicate, request, full=full)
            if full:
                self.shadows.require(statement, who, asked=request.asks_for_shadow)
        if emergency is not None:
            involved = frozenset({signed(who)} | ({request.requester} if request else set()))
            self.emergencies.open(statement, involved, seq=seq, leaf=leaf)
        self._ordered.add(statement.subjects[0].sha256)
        self._open_actions[predicate["id"]] = seq

    def _require_ordered_by(self, statement: Statement, who: Who | None) -> None:
        """The person or machine behind an action, where it does not rest on a quorum alone."""
        predicate = statement.predicate
        rollback, reverts = predicate["rollback"], predicate.get("reverts")
        automatic = rollback is not None and rollback.get("mode") == "automatic"
        if who == MACHINE:
            if not automatic or "obeys" not in predicate or predicate["signer"]["role"] != MACHINE_ROLE:
                raise VoidEntryError("the machine signs nothing but automatic rollbacks under a plan")
            self._require_plan(statement)
        elif "obeys" in predicate:
            raise VoidEntryError("it obeys a plan but is not signed by the machine")
        elif predicate.get("emergency") is not None:
            signed(who)
            require_permission(predicate, Permission.BREAK_GLASS)
        elif reverts is not None:
            signed(who)
            require_permission(predicate, Permission.REVERT)
            if self._findings.get(reverts["entry"]) != reverts["sha256"]:
                raise VoidEntryError("the finding it reverts does not exist or is void")
            if statement.subjects[0].sha256 not in self._ordered:
                raise VoidEntryError("it reverts to something that was never decided")
        elif who is not None:
            require_permission(predicate, Permission.ROLL_BACK if rollback else Permission.ADVANCE_ROLLOUT)
        elif rollback is not None and (not automatic or self.keyring.has_machine):
            raise VoidEntryError(
                "an automatic rollback needs the signature of the machine"
                if automatic
                else "a rollback needs the signature of somebody on call"
            )

    def _require_plan(self, statement: Statement) -> None:
        obeyed = statement.predicate["obeys"]["request"]
        request = self._cited(obeyed)
        given = [
            item
            for item in self._decisions.values()
            if item.request_seq == obeyed["entry"]
            and item.word in _COUNTING
            and item.seq not in self._fallen
            and not self._is_suspect(item)
        ]
        _require_complete(request, given)
        require_obedience(statement, request.plan)

    def _is_suspect(self, decision: _Decision) -> bool:
        since = self.keyring.keys[decision.key_id].suspect_from
        return since is not None and decision.seq >= since

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
            if full and decision.seq in self._fallen:
                raise VoidEntryError(f"the signature at entry {cited['entry']} had fallen before")
            if full and self._is_suspect(decision):
                raise VoidEntryError(f"entry {cited['entry']} was signed with a key that had been compromised")
            decisions.append(decision)
        if not full:
            return
        _require_complete(request, decisions)

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


def replayed_people(entries: Iterable[StoredEntry]) -> Replay:
    """The state after the entries about keys, roles and delegations among those given; void ones leave no trace."""
    replay = Replay()
    for stored in entries:
        with suppress(VoidEntryError, ForeignStatementError):
            read = envelope.read(stored.envelope)
            leaf = merkle.leaf_hash(stored.envelope).hex()
            replay.judge(read, statement.read(read.payload), seq=stored.seq, leaf=leaf)
    return replay


def _require_complete(request: _Request, decisions: list[_Decision]) -> None:
    if not decisions:
        raise VoidEntryError("it rests on no decision")
    for rule in request.quorum:
        people = {item.who for item in decisions if item.role == rule.get("role") and item.word == rule.get("decision")}
        if len(people) < int(rule.get("needed", 1)):
            raise VoidEntryError(f"the quorum was not complete: {rule.get('role')} is missing")


def _require_own_event(statement: Statement, who: Who | None) -> None:
    actor = statement.predicate["actor"]
    if who is not None and (actor is None or (actor["issuer"], actor["sub"]) != who):
        raise VoidEntryError("it names another person as acting than the one who signed")


def _tier(text: str) -> int:
    # A request that states no tier is judged as the riskiest.
    return int(text) if text in {"1", "2", "3"} else RISKIEST
