"""What a ledger entry is news of, and to whom. Pure: a statement in, announcements out.

The entry is the fact; facts about the request come from the read model, and an entry whose request is unknown is news
of nothing rather than a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from services.attestation.models import Kind
from services.attestation.statement import Statement
from services.kernel.identity import Role
from services.ledger.summary import model_and_version
from services.notices import machinery
from services.notices.facts import RequestFacts
from services.notices.models import Announcement, Audience, NoticeKind, Severity
from services.notices.wording import target_of

_OPERATORS = (Role.SRE, Role.COMPLIANCE)
_DELEGATION = "delegation"
_DECIDED = {
    "approve": "approved",
    "acknowledge": "acknowledged",
    "request-changes": "asked for changes to",
    "reject": "rejected",
    "abstain": "abstained from deciding on",
    "withdraw": "withdrew",
    "revoke": "revoked",
}
_KEYRING_WORDS = {
    "enrol": "A signing key was enrolled for you",
    "revoke": "Your signing key was revoked",
    "grant": "You were given the role",
    "withdraw": "You no longer hold the role",
    "disable": "Your access was switched off",
    "enable": "Your access was switched on again",
}


class Requests(Protocol):
    """Raises StorageUnavailableError."""

    def request(self, request_id: str) -> RequestFacts | None: ...

    def request_of_action(self, action_id: str) -> RequestFacts | None:
        """The request an action was queued for; None for a rollback and for an unknown action."""
        ...


def news(statement: Statement, *, seq: int, requests: Requests) -> tuple[Announcement, ...]:
    return tuple(_news(statement, seq, requests))


def unreadable(seq: int, *, at: Any) -> tuple[Announcement, ...]:
    """An entry that is no record of ours: whoever can do something about it should look at the verification."""
    return tuple(
        Announcement(
            key=f"unreadable/{seq}/{audience.word}",
            kind=NoticeKind.LEDGER_UNREADABLE,
            severity=Severity.RED,
            at=at,
            audience=audience,
            title=f"Entry {seq} of the ledger cannot be read",
            why="What was recorded there is no longer what Countersign wrote. Verify the ledger.",
            target=target_of("audit"),
            seq=seq,
        )
        for audience in (Audience(role=Role.COMPLIANCE.value), Audience(role=Role.ADMIN.value))
    )


def _news(statement: Statement, seq: int, requests: Requests) -> Iterator[Announcement]:
    predicate = statement.predicate
    kind = statement.kind
    if kind is Kind.DECISION:
        yield from _decision(statement, predicate, seq, requests)
    elif kind is Kind.OUTCOME:
        yield from _outcome(statement, predicate, seq, requests)
    elif kind is Kind.ACTION:
        yield from _action(statement, predicate, seq, requests)
    elif kind is Kind.KEYRING:
        yield from _keyring(statement, predicate, seq)
    elif kind is Kind.EVENT:
        yield from machinery.news(statement, predicate, seq)
    elif kind.value == _DELEGATION and predicate.get("op") == "grant":
        yield from _delegation(statement, predicate, seq)
    yield from _receipt(statement, predicate, seq)


def _decision(
    statement: Statement, predicate: Mapping[str, Any], seq: int, requests: Requests
) -> Iterator[Announcement]:
    word = predicate["decision"]
    request = requests.request(predicate["request"]["id"])
    if request is None or word not in {"request-changes", "reject", "revoke"}:
        return
    who = predicate["signer"]["name"]
    revision = predicate.get("revision", request.revision)
    changes = word == "request-changes"
    verb = {"request-changes": "Changes requested", "reject": "Rejected", "revoke": "Approval revoked"}[word]
    yield Announcement(
        key=f"decision/{seq}",
        kind=NoticeKind.CHANGES_REQUESTED if changes else NoticeKind.REJECTED,
        severity=Severity.AMBER if changes else Severity.INFO,
        at=statement.at,
        audience=_requester(request),
        title=f"{verb}: {_name(request)}",
        why=f"{who} {_DECIDED[word]} it{_reason(predicate)}. The request shows what must change."
        if changes
        else f"{who} {_DECIDED[word]} it{_reason(predicate)}.",
        target=target_of("approvals", request=request.request_id),
        stands_while=returned_token(request.request_id, revision) if changes else "",
        seq=seq,
        **_about(request),
    )


def returned_token(request_id: str, revision: int) -> str:
    return f"returned/{request_id}/{revision}"


def _outcome(
    statement: Statement, predicate: Mapping[str, Any], seq: int, requests: Requests
) -> Iterator[Announcement]:
    request = requests.request_of_action(predicate["action"])
    if request is None or predicate["result"] == "superseded":
        return
    applied = predicate["result"] == "applied"
    audiences = [_requester(request)] + ([] if applied else [Audience(role=Role.SRE.value)])
    for audience in audiences:
        yield Announcement(
            key=f"outcome/{seq}/{audience.word}",
            kind=NoticeKind.RELEASED if applied else NoticeKind.NOT_APPLIED,
            severity=Severity.INFO if applied else Severity.RED,
            at=statement.at,
            audience=audience,
            title=f"Released: {_name(request)}" if applied else f"Not carried out: {_name(request)}",
            why=str(predicate.get("detail") or "")
            or ("Traffic and alias are as signed." if applied else "Nothing was changed."),
            target=target_of("rollouts", model=request.model),
            seq=seq,
            **_about(request),
        )


def _action(statement: Statement, predicate: Mapping[str, Any], seq: int, requests: Requests) -> Iterator[Announcement]:
    rollback = predicate.get("rollback")
    if not isinstance(rollback, Mapping) or rollback.get("mode") != "automatic":
        return
    model, version = model_and_version(statement)
    cited = predicate.get("request") or {}
    request = requests.request(cited.get("id", "")) if cited else None
    audiences = [Audience(role=role.value) for role in (*_OPERATORS, Role.BUSINESS_OWNER)]
    audiences += [_requester(request)] if request else []
    obeys = predicate.get("obeys") or {}
    for audience in audiences:
        yield Announcement(
            key=f"automatic-rollback/{seq}/{audience.word}",
            kind=NoticeKind.AUTOMATIC_ROLLBACK,
            severity=Severity.RED,
            at=statement.at,
            audience=audience,
            title=f"Rolled back automatically: {model} to version {version}",
            why=_rule(obeys) or "The machine acted under the rollback plan that people had signed.",
            target=target_of("rollouts", model=model),
            model=model,
            version=version,
            tier=request.tier if request else 0,
            seq=seq,
        )


def _rule(obeys: Mapping[str, Any]) -> str:
    if not obeys:
        return ""
    rule, measured, above = (str(obeys.get(name, "")) for name in ("rule", "measured", "above"))
    return f"Rule {rule} of the signed plan: measured {measured}, allowed up to {above}."


def _keyring(statement: Statement, predicate: Mapping[str, Any], seq: int) -> Iterator[Announcement]:
    person, words = predicate.get("person"), _KEYRING_WORDS.get(predicate["op"])
    if not person or not words:
        return
    role = str(predicate.get("role", "")).replace("_", " ")
    by = predicate["signer"]["name"]
    yield Announcement(
        key=f"keyring/{seq}",
        kind=NoticeKind.KEY_CHANGED,
        severity=Severity.AMBER,
        at=statement.at,
        audience=Audience(issuer=person["issuer"], subject=person["sub"]),
        title=f"{words}{f' {role}' if role else ''}",
        why=f"{by} recorded it. If you did not expect it, tell a second administrator.",
        target=target_of("audit", entry=str(seq)),
        seq=seq,
    )


def _delegation(statement: Statement, predicate: Mapping[str, Any], seq: int) -> Iterator[Announcement]:
    to = predicate.get("to")
    if not isinstance(to, Mapping):
        return
    role = str(predicate.get("role", "")).replace("_", " ")
    until = str(predicate.get("until", ""))[:10]
    yield Announcement(
        key=f"delegation/{seq}",
        kind=NoticeKind.DELEGATED,
        severity=Severity.AMBER,
        at=statement.at,
        audience=Audience(issuer=to["issuer"], subject=to["sub"]),
        title=f"You may sign as {role} for {predicate['signer']['name']}",
        why=f"The delegation ends on {until}. Your signature will say that it was given by delegation.",
        target=target_of("approvals", mine="1"),
        seq=seq,
    )


def _receipt(statement: Statement, predicate: Mapping[str, Any], seq: int) -> Iterator[Announcement]:
    """Every use of a person's key is told to that person: somebody else's use of it cannot stay silent."""
    signer = predicate.get("signer")
    if not isinstance(signer, Mapping) or not signer.get("sub") or "authentication" not in predicate:
        return
    if signer.get("issuer") == "countersign:machine":
        return
    model, version = model_and_version(statement)
    about = f"{model} version {version}" if version else model
    cited = predicate.get("request")
    yield Announcement(
        key=f"key-used/{seq}",
        kind=NoticeKind.KEY_USED,
        severity=Severity.INFO,
        at=statement.at,
        audience=Audience(issuer=str(signer["issuer"]), subject=str(signer["sub"])),
        title=f"Your key signed a {_thing(statement)}{f': {about}' if about else ''}",
        why=f"Ledger entry {seq}. If this was not you, have your key revoked at once.",
        target=target_of("audit", entry=str(seq)),
        model=model,
        version=version,
        request_id=str(cited.get("id", "")) if isinstance(cited, Mapping) else "",
        seq=seq,
        folded=True,
    )


def _thing(statement: Statement) -> str:
    if statement.kind is Kind.DECISION:
        return f"decision ({statement.predicate['decision'].replace('-', ' ')})"
    return {Kind.KEYRING: "change of keys or roles", Kind.ACTION: "change of traffic"}.get(
        statement.kind, statement.kind.value
    )


def _requester(request: RequestFacts) -> Audience:
    return Audience(issuer=request.requester_issuer, subject=request.requester_subject)


def _reason(predicate: Mapping[str, Any]) -> str:
    code = predicate.get("reasonCode", "")
    return f" ({code})" if code else ""


def _name(request: RequestFacts) -> str:
    return f"{request.title} version {request.version}"


def _about(request: RequestFacts) -> dict[str, Any]:
    return {
        "model": request.model,
        "version": request.version,
        "request_id": request.request_id,
        "tier": request.tier,
    }
