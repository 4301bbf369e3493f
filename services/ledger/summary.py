"""An entry as one sentence for people, and the words by which it is searched. Derived from the statement alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.attestation.models import Kind
from services.attestation.statement import Statement
from services.ledger import epochs
from services.ledger.ports import IndexRow

_SERVICE = "Countersign"
_MODELS = "models:/"
_DECIDED = {
    "approve": "approved",
    "acknowledge": "acknowledged",
    "request-changes": "asked for changes to",
    "reject": "rejected",
    "abstain": "abstained from deciding on",
    "withdraw": "withdrew the request for",
    "revoke": "revoked the approval of",
}
_OUTCOMES = {
    "applied": "is done",
    "conflict": "stopped: the registry or traffic had been changed outside Countersign",
    "failed": "failed; nothing was changed",
    "superseded": "was superseded by a rollback",
}


def summarise(statement: Statement, *, seq: int, leaf_hash: str) -> IndexRow:
    predicate = statement.predicate
    person = predicate.get("signer") or predicate.get("actor") or {}
    model, version = model_and_version(statement)
    return IndexRow(
        seq=seq,
        at=statement.at,
        kind=statement.kind.value,
        event=f"{statement.kind.value}:{_tag(statement)}",
        actor=person.get("name", _SERVICE),
        actor_subject=person.get("sub", ""),
        role=person.get("role", ""),
        model=model,
        subject=statement.subjects[0].name,
        sentence=_sentence(statement, person.get("name", _SERVICE), model, version),
        leaf_hash=leaf_hash,
    )


def model_and_version(statement: Statement) -> tuple[str, str]:
    """The registered model and version a statement is about; empty texts where it is about neither."""
    name = statement.subjects[0].name
    if name.startswith(_MODELS):
        model, _, version = name.removeprefix(_MODELS).rpartition("/")
        return model, version
    target = statement.predicate.get("target")
    if isinstance(target, Mapping) and isinstance(target.get("model"), str):
        return target["model"], ""
    model = statement.predicate.get("model", "")
    return (model if isinstance(model, str) else ""), ""


def _tag(statement: Statement) -> str:
    telling = {
        Kind.DECISION: "decision",
        Kind.ACTION: "kind",
        Kind.OUTCOME: "result",
        Kind.EVENT: "event",
        Kind.KEYRING: "op",
        Kind.DELEGATION: "op",
        Kind.EXCEPTION: "op",
        Kind.REVIEW: "conclusion",
    }
    if statement.kind is Kind.GENESIS:
        return "founded"
    return str(statement.predicate[telling[statement.kind]]) if statement.kind in telling else "recorded"


def _sentence(statement: Statement, actor: str, model: str, version: str) -> str:
    return _SENTENCES[statement.kind](statement.predicate, actor, model, version)


def _genesis_sentence(predicate: Mapping[str, Any], _actor: str, _model: str, _version: str) -> str:
    words = f"The log {predicate['origin']} was founded."
    return words if predicate["previous"] is None else f"{words} {epochs.sentence(predicate['previous'])}"


def _policy_sentence(predicate: Mapping[str, Any], actor: str, _model: str, _version: str) -> str:
    return f"{actor} put policy {predicate['name']} version {predicate['version']} into force."


def _request_sentence(predicate: Mapping[str, Any], actor: str, model: str, version: str) -> str:
    asked = {
        "reattestation": "to confirm the approval of", "adoption": "to adopt",
        "retirement": "to retire the model served by",
    }  # fmt: skip
    return f"{actor} asked {asked.get(predicate.get('purpose', ''), 'to promote')} {_what(model, version)}."


def _decision_sentence(predicate: Mapping[str, Any], actor: str, model: str, version: str) -> str:
    instead = predicate.get("onBehalfOf")
    by = f"{actor}, for {instead['name']} by delegation," if instead else actor
    return f"{by} {_DECIDED[predicate['decision']]} {_what(model, version)}."


def _outcome_sentence(predicate: Mapping[str, Any], _actor: str, model: str, version: str) -> str:
    result = predicate["result"]
    return f"The change of {_what(model, version)} {_OUTCOMES.get(result, f'ended with: {result}')}."


def _observation_sentence(predicate: Mapping[str, Any], _actor: str, model: str, _version: str) -> str:
    ended = predicate.get("detail", {}).get("sentence", "")
    finding = str(predicate.get("finding") or ended or "Registry and traffic were compared with the ledger.")
    return f"{model}: {finding}" if model else finding


def _keyring_sentence(predicate: Mapping[str, Any], actor: str, _model: str, _version: str) -> str:
    name = predicate.get("person", {}).get("name", "a person")
    role = _role(predicate)
    ends = f" until {_day(predicate['until'])}" if "until" in predicate else ""
    why = {"rotated": ", which was renewed", "lost": ", which was lost", "compromised": ", which was compromised"}
    kind = "passkey" if predicate.get("level") == "L3" else "signing key"
    words = {
        "enrol": f"enrolled the signing key of {name}",
        "revoke": f"revoked the {kind} of {name}{why.get(predicate.get('reason', ''), '')}",
        "grant": f"gave {name} the role {role}{ends}",
        "withdraw": f"took the role {role} from {name}",
        "rotate-service": "replaced the service key",
        "rotate-log": "replaced the log key",
        "disable": f"disabled {name}: no signature of theirs counts from here on",
        "enable": f"enabled {name} again",
        "enrol-machine": "enrolled the key of the machine",
        "enrol-passkey": f"enrolled a passkey of {name}",
    }
    return f"{actor} {words[predicate['op']]}."


def _action_sentence(  # noqa: PLR0911 - one sentence per kind
    predicate: Mapping[str, Any], actor: str, model: str, version: str
) -> str:
    earlier = (predicate["from"] or {}).get("version", "")
    if predicate["kind"] == "abort":
        return f"{actor} aborted the release of {_what(model, version)}; nobody was answered by it."
    if predicate["kind"] == "shadow":
        return f"{actor} ordered copies of live requests to {_what(model, version)}; version {earlier} answers."
    if predicate["rollback"] is not None:
        left = f" from version {earlier}" if earlier else ""
        obeyed = predicate.get("obeys")
        why = f" under the signed plan, rule {obeyed['rule']}: {obeyed['measured']} measured" if obeyed else ""
        return f"{actor} ordered the rollback of {model}{left} to version {version}{why}."
    if "emergency" in predicate:
        return f"{actor} put {_what(model, version)} into service by break-glass; a review is due."
    if "reverts" in predicate:
        return f"{actor} ordered {model} back to what was decided, version {version}."
    if predicate["kind"] == "adopt":
        return f"{actor} adopted {_what(model, version)} as it is served."
    routes = predicate.get("routes") or []
    share = next((route["share"] for route in routes if route["version"] == version), None)
    part = f" to {share} % of the traffic" if share not in {None, 100} else ""
    return f"{actor} ordered {model} version {version}{part or ' into full service'}."


def _event_sentence(predicate: Mapping[str, Any], actor: str, _model: str, _version: str) -> str:
    detail = predicate["detail"]
    about = f" for {predicate['model']}" if predicate["model"] else ""
    if detail.get("sentence"):
        return str(detail["sentence"])
    if predicate["event"] == "sign-in":
        return f"{actor} signed in."
    if predicate["event"] == "permission-refused":
        return f"{actor} was refused: {detail.get('permission', 'this').replace('_', ' ')} needs another role{about}."
    words = str(predicate["event"]).replace("-", " ").replace("_", " ").replace(":", " ")
    reason = detail.get("reason") or detail.get("message") or ""
    return f"{actor}: {words}{about}{': ' + reason if reason else '.'}"


def _delegation_sentence(predicate: Mapping[str, Any], actor: str, _model: str, _version: str) -> str:
    if predicate["op"] == "withdraw":
        return f"{actor} ended the delegation {predicate['id']}."
    name = predicate.get("to", {}).get("name", "somebody")
    ends = f" until {_day(predicate['until'])}" if "until" in predicate else ""
    return f"{actor} lets {name} sign as {_role(predicate)}{ends}."


def _exception_sentence(predicate: Mapping[str, Any], actor: str, model: str, _version: str) -> str:
    words = {"propose": "proposed", "grant": "granted", "refuse": "refused", "end": "ended"}
    gate = f" to {predicate['gate']}" if "gate" in predicate else f" {predicate['id']}"
    about = f" for {model}" if model else ""
    ends = f" until {_day(predicate['until'])}" if "until" in predicate else ""
    return f"{actor} {words[predicate['op']]} the exception{gate}{about}{ends}."


def _review_sentence(predicate: Mapping[str, Any], actor: str, model: str, version: str) -> str:
    words = {"accepted": "accepted it", "corrected": "asked for correction", "roll-back": "asked for a rollback"}
    about = f" of {_what(model, version)}" if model else ""
    entry, said = predicate["of"]["entry"], words[predicate["conclusion"]]
    return f"{actor} reviewed the emergency action{about} at entry {entry} and {said}."


def _role(predicate: Mapping[str, Any]) -> str:
    return str(predicate.get("role", "")).replace("_", " ")


def _day(text: str) -> str:
    return text[:10]


def _what(model: str, version: str) -> str:
    return f"{model} version {version}" if version else model


_SENTENCES: Mapping[Kind, Callable[[Mapping[str, Any], str, str, str], str]] = {
    Kind.GENESIS: _genesis_sentence,
    Kind.KEYRING: _keyring_sentence,
    Kind.POLICY: _policy_sentence,
    Kind.REQUEST: _request_sentence,
    Kind.DECISION: _decision_sentence,
    Kind.ACTION: _action_sentence,
    Kind.OUTCOME: _outcome_sentence,
    Kind.OBSERVATION: _observation_sentence,
    Kind.EVENT: _event_sentence,
    Kind.DELEGATION: _delegation_sentence,
    Kind.EXCEPTION: _exception_sentence,
    Kind.REVIEW: _review_sentence,
}
