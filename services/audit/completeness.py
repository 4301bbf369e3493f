"""The fourteen parts a complete record of a change has, and which of them one entry can show. Pure.

A part is present, missing, or does not apply to this kind of entry; what does not apply is never counted as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.attestation.models import Kind
from services.audit.history import COUNTING, Fact, History, is_complete
from services.audit.lookup import Approval, approval_of


class Part(StrEnum):
    PRESENT = "present"
    MISSING = "missing"
    NOT_APPLICABLE = "does not apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    key: str
    title: str
    state: Part
    sentence: str
    target: str = ""
    """Address of the thing itself, for example `audit?entry=41`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What is kept outside the ledger about the version, as found now."""

    run_id: str = ""
    datasets: tuple[tuple[str, str], ...] = ()
    """(name, digest)."""
    evaluation_sha256: str = ""
    lineage: int = 0
    """Number of recorded edges."""
    policy_sha256: str = ""
    """Digest of the policy document of this tier as it is now."""
    steps: tuple[tuple[str, str], ...] = ()
    """Progress lines of the action: (step, sentence)."""
    receipt: bool = False
    """True when a proof of the entry can be made from the newest checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    fact: Fact
    items: tuple[Item, ...]

    @property
    def present(self) -> int:
        return sum(item.state is Part.PRESENT for item in self.items)

    @property
    def applicable(self) -> int:
        return sum(item.state is not Part.NOT_APPLICABLE for item in self.items)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(item.title for item in self.items if item.state is Part.MISSING)


TITLES = {
    "request": "Request",
    "run": "Training run",
    "dataset": "Data set",
    "evaluation": "Evaluation report",
    "policy": "Policy",
    "gates": "Gates",
    "lineage": "Lineage",
    "signatures": "Signatures",
    "quorum": "Quorum",
    "rollback": "Rollback plan",
    "action": "Action",
    "outcome": "Outcome",
    "readback": "Read-back",
    "receipt": "Receipt",
}


def of_action(history: History, action: Fact, shelf: Shelf) -> Completeness:
    request = history.request_of(action)
    approval = approval_of(history.until(action.at), action.model, action.version) if action.version else None
    model = f"model?name={action.model}&version={action.version}"
    items = (
        _entry("request", request, "The order cites no request."),
        _run(approval, shelf, model),
        _datasets(shelf, model),
        _evaluation(approval, shelf, model),
        _policy(approval, shelf),
        _gates(approval, request),
        _found("lineage", shelf.lineage > 0, f"{shelf.lineage} recorded edges.", "No lineage is recorded.", model),
        _signatures(history, action),
        _quorum(history, action, request),
        _rollback(request),
        _entry("action", action, ""),
        _entry("outcome", history.outcome_of(action), "No outcome was recorded yet."),
        _readback(history, action, shelf),
        _receipt(action, shelf),
    )
    return Completeness(fact=action, items=items)


def of_entry(history: History, fact: Fact, shelf: Shelf) -> Completeness:
    """Any other entry: a refused attempt or an exception stands alone, with its signature and receipt."""
    signed = fact.who is not None and fact.kind is not Kind.EVENT
    shown = {
        "signatures": _found("signatures", signed, f"Signed by {fact.actor}.", "No person signed it.", _link(fact.seq))
        if fact.kind is not Kind.EVENT
        else _apart("signatures", "An attempt is recorded by the service, not signed by the person."),
        "receipt": _receipt(fact, shelf),
    }
    cited = history.request_of(fact)
    if cited is not None:
        shown["request"] = _entry("request", cited, "")
    words = "This entry changed nothing in production, so this part does not exist."
    return Completeness(fact=fact, items=tuple(shown.get(key) or _apart(key, words) for key in TITLES))


def _entry(key: str, fact: Fact | None, missing: str) -> Item:
    if fact is None:
        return Item(key=key, title=TITLES[key], state=Part.MISSING, sentence=missing)
    if fact.void:
        words = f"Entry {fact.seq} is void: {fact.void}."
        return Item(key=key, title=TITLES[key], state=Part.MISSING, sentence=words, target=_link(fact.seq))
    words = f"Entry {fact.seq}: {fact.sentence}"
    return Item(key=key, title=TITLES[key], state=Part.PRESENT, sentence=words, target=_link(fact.seq))


def _found(key: str, there: bool, yes: str, no: str, target: str) -> Item:  # noqa: FBT001 - a fact, not a switch
    state = Part.PRESENT if there else Part.MISSING
    return Item(key=key, title=TITLES[key], state=state, sentence=yes if there else no, target=target)


def _apart(key: str, why: str) -> Item:
    return Item(key=key, title=TITLES[key], state=Part.NOT_APPLICABLE, sentence=why)


def _run(approval: Approval | None, shelf: Shelf, target: str) -> Item:
    signed = approval.run_id if approval else ""
    if signed and shelf.run_id and signed != shelf.run_id:
        words = f"The request names run {signed}, the registry now shows {shelf.run_id}."
        return Item(key="run", title=TITLES["run"], state=Part.MISSING, sentence=words, target=target)
    there = bool(signed and shelf.run_id)
    missing = "The request names no run." if not signed else f"Run {signed} is not in the copy of the registry."
    return _found("run", there, f"Run {signed}, as in the registry.", missing, target)


def _datasets(shelf: Shelf, target: str) -> Item:
    words = ", ".join(f"{name} ({digest[:12]})" for name, digest in shelf.datasets)
    return _found("dataset", bool(shelf.datasets), f"{words}.", "The run logged no data set.", target)


def _evaluation(approval: Approval | None, shelf: Shelf, target: str) -> Item:
    signed = approval.evaluation_sha256 if approval else ""
    if signed and shelf.evaluation_sha256 and signed != shelf.evaluation_sha256:
        words = f"The stored report ({shelf.evaluation_sha256[:12]}) is not the signed one ({signed[:12]})."
        return Item(key="evaluation", title=TITLES["evaluation"], state=Part.MISSING, sentence=words, target=target)
    missing = "The request names no report." if not signed else "The report itself is not stored."
    return _found(
        "evaluation", bool(signed and shelf.evaluation_sha256), f"Digest {signed[:12]}, stored.", missing, target
    )


def _policy(approval: Approval | None, shelf: Shelf) -> Item:
    if approval is None or not approval.policy_sha256:
        return _found("policy", False, "", "No policy digest was signed.", "")
    same = approval.policy_sha256 == shelf.policy_sha256
    now = "the document in force now" if same else "an earlier document than the one in force now"
    words = f"{approval.policy_name} version {approval.policy_version}, digest {approval.policy_sha256[:12]}: {now}."
    return _found("policy", True, words, "", "policies")


def _gates(approval: Approval | None, request: Fact | None) -> Item:
    gates = approval.gates if approval else ()
    target = _link(request.seq) if request else ""
    return _found("gates", bool(gates), f"{len(gates)} checks with rule and value.", "No check was signed.", target)


def _signatures(history: History, action: Fact) -> Item:
    decisions = history.decisions_cited(action)
    void = [fact.seq for fact in decisions if fact.void]
    if void:
        words = f"Void: {', '.join(f'entry {seq}' for seq in void)}."
        return Item(key="signatures", title=TITLES["signatures"], state=Part.MISSING, sentence=words)
    names = ", ".join(fact.actor for fact in decisions) or (action.actor if action.who else "")
    target = _link(decisions[-1].seq if decisions else action.seq)
    return _found("signatures", bool(names), f"Signed by {names}.", "Nobody signed.", target)


def _quorum(history: History, action: Fact, request: Fact | None) -> Item:
    if action.document("emergency") or action.text("kind") == "emergency":
        return _apart("quorum", "An emergency release rests on one signature and its later review.")
    if action.said.get("rollback") is not None:
        return _apart("quorum", "A rollback rests on the earlier approval of its target and one signature on call.")
    counting = tuple(fact for fact in history.decisions_cited(action) if fact.text("decision") in COUNTING)
    complete = request is not None and is_complete(request, counting)
    rules: Any = request.said.get("quorum") if request else ()
    words = ", ".join(f"{rule.get('role')} {rule.get('needed')}" for rule in rules or () if isinstance(rule, Mapping))
    target = _link(request.seq) if request else ""
    words = words.replace("_", " ")
    return _found("quorum", complete, f"Complete: {words}.", f"Not complete: {words or 'no rule'}.", target)


def _rollback(request: Fact | None) -> Item:
    if request is None:
        return _found("rollback", False, "", "No request, so no plan was signed.", "")
    plan = request.document("rollback")
    if plan:
        rules = plan.get("rules") or ()
        return _found(
            "rollback", True, f"Back to version {plan.get('to', '')}, {len(rules)} rules.", "", _link(request.seq)
        )
    if request.said.get("from") is None:
        return _apart("rollback", "The first release has no earlier version to go back to.")
    return _found("rollback", False, "", "No rollback plan was signed with the request.", _link(request.seq))


def _readback(history: History, action: Fact, shelf: Shelf) -> Item:
    read = next((sentence for step, sentence in reversed(shelf.steps) if step == "read-back"), "")
    outcome = history.outcome_of(action)
    observed = outcome is not None and bool(outcome.document("observed"))
    words = read or "The outcome entry carries what the platform reported."
    return _found(
        "readback", bool(read or observed), words, "Nothing was read back from the platform.", _link_of(outcome)
    )


def _receipt(fact: Fact, shelf: Shelf) -> Item:
    return _found(
        "receipt",
        shelf.receipt,
        "A proof of inclusion can be downloaded.",
        "No checkpoint covers it yet.",
        _link(fact.seq),
    )


def _link(seq: int) -> str:
    return f"audit?section=ledger&entry={seq}"


def _link_of(fact: Fact | None) -> str:
    return _link(fact.seq) if fact else ""
