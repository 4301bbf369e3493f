"""Which version and whose signatures decided: at a moment by the traffic split, for a prediction by its own record.

Pure over the ledger's facts. Everything that cannot be known is one sentence in `unknown`, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.attestation.models import Kind
from services.audit.history import Fact, History, TrafficState, role_filled, traffic
from services.kernel.clock import utc_text

NEAR = timedelta(minutes=2)
"""A switch and its entry lie seconds apart: this close to a change the moment alone does not decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionFact:
    """One prediction as the inference log holds it."""

    prediction_id: str
    model: str
    version: str
    role: str
    """`live`, or what else answered beside it."""
    event_at: datetime
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLine:
    gate: str
    rule: str
    observed: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerLine:
    name: str
    role: str
    on_behalf_of: str
    meaning: str
    decision: str
    at: datetime
    seq: int
    void: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What allowed one version to answer."""

    version: str
    request_id: str
    requester: str
    seq_request: int
    policy_name: str
    policy_version: str
    policy_sha256: str
    gates: tuple[GateLine, ...]
    signers: tuple[SignerLine, ...]
    manifest_sha256: str
    evaluation_sha256: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    model: str
    at: datetime
    prediction: PredictionFact | None
    routes: tuple[tuple[str, int], ...]
    champion: str
    since: datetime | None
    seq_action: int | None
    seq_outcome: int | None
    ordered_by: str
    approvals: tuple[Approval, ...]
    """One per version that could have answered, or for the one that did."""
    problems: tuple[str, ...]
    """Where the inference log and the ledger contradict each other."""
    unknown: tuple[str, ...]


def at_moment(history: History, model: str, at: datetime) -> LookUp:
    past = history.until(at)
    states = tuple(traffic(past, model))
    state = states[-1] if states else None
    unknown: list[str] = []
    if state is None:
        unknown.append(_before_first(history, model, at))
    elif len(state.routes) > 1:
        unknown.append("Which of these versions answered one request: only its prediction id tells.")
    near = [item for item in traffic(history, model) if abs(item.at - at) <= NEAR]
    if near:
        unknown.append(
            f"The exact second of the switch: traffic was being changed around this moment (entry "
            f"{near[-1].outcome.seq}, recorded {utc_text(near[-1].at)})."
        )
    versions = tuple(version for version, share in state.routes if share) if state else ()
    return _answer(past, model, at, state=state, versions=versions, prediction=None, unknown=unknown, problems=[])


def of_prediction(history: History, prediction: PredictionFact) -> LookUp:
    at = prediction.event_at
    past = history.until(at)
    states = tuple(traffic(past, prediction.model))
    state = states[-1] if states else None
    unknown: list[str] = []
    problems: list[str] = []
    if state is None:
        unknown.append(_before_first(history, prediction.model, at))
    elif not dict(state.routes).get(prediction.version) and prediction.role == "live":
        sentence = (
            f"The inference log says version {prediction.version} answered; by the ledger it had no traffic at "
            f"{utc_text(at)}."
        )
        close = any(
            abs(item.at - at) <= NEAR and dict(item.routes).get(prediction.version)
            for item in traffic(history, prediction.model)
        )
        (unknown if close else problems).append(f"{sentence} A switch was under way." if close else sentence)
    if prediction.role != "live":
        unknown.append(f"Whether anybody used this answer: it was recorded as {prediction.role}, not as live.")
    return _answer(
        past,
        prediction.model,
        at,
        state=state,
        versions=(prediction.version,),
        prediction=prediction,
        unknown=unknown,
        problems=problems,
    )


def _answer(
    past: History,
    model: str,
    at: datetime,
    *,
    state: TrafficState | None,
    versions: tuple[str, ...],
    prediction: PredictionFact | None,
    unknown: list[str],
    problems: list[str],
) -> LookUp:
    approvals = []
    for version in versions:
        found = approval_of(past, model, version)
        if found is None:
            unknown.append(f"Who approved version {version}: the ledger holds no request for it up to this moment.")
        else:
            approvals.append(found)
            problems += [
                f"{item.name}'s decision in entry {item.seq} is void: {item.void}."
                for item in found.signers
                if item.void
            ]
    action = state.action if state else None
    return LookUp(
        model=model,
        at=at,
        prediction=prediction,
        routes=state.routes if state else (),
        champion=state.champion if state else "",
        since=state.at if state else None,
        seq_action=action.seq if action else None,
        seq_outcome=state.outcome.seq if state else None,
        ordered_by=action.actor if action else "",
        approvals=tuple(approvals),
        problems=tuple(problems),
        unknown=tuple(unknown),
    )


def approval_of(past: History, model: str, version: str) -> Approval | None:
    """The request a version's newest action rests on, with every counting decision; None when there is none."""
    request: Fact | None = None
    decisions: tuple[Fact, ...] = ()
    for action in past.of(Kind.ACTION, model=model):
        cited = past.request_of(action)
        if action.version == version and cited is not None:
            request, decisions = cited, past.decisions_cited(action) or decisions
    if request is None:
        asked = [fact for fact in past.of(Kind.REQUEST, model=model) if fact.version == version]
        if not asked:
            return None
        request = asked[-1]
        decisions = past.decisions_on(request)
    return _approval(request, decisions)


def _approval(request: Fact, decisions: tuple[Fact, ...]) -> Approval:
    evidence = request.document("evidence")
    policy = _document(evidence.get("policy"))
    return Approval(
        version=request.version,
        request_id=request.text("id"),
        requester=request.actor,
        seq_request=request.seq,
        policy_name=str(policy.get("name", "")),
        policy_version=str(policy.get("version", "")),
        policy_sha256=_sha256(policy),
        gates=tuple(
            GateLine(
                gate=str(item.get("id", "")),
                rule=str(item.get("rule") or f"{item.get('operator', '')} {item.get('threshold', '')}".strip()),
                observed=str(item.get("observed", "")),
                result=str(item.get("result", "")),
            )
            for item in evidence.get("gates") or ()
            if isinstance(item, Mapping)
        ),
        signers=tuple(_signer(item) for item in decisions),
        manifest_sha256=request.sha256,
        evaluation_sha256=_sha256(_document(evidence.get("evaluation"))),
        run_id=str(_document(evidence.get("run")).get("id", "")),
    )


def _signer(decision: Fact) -> SignerLine:
    return SignerLine(
        name=decision.actor,
        role=role_filled(decision),
        on_behalf_of=str(decision.document("onBehalfOf").get("name", "")),
        meaning=decision.text("meaning"),
        decision=decision.text("decision"),
        at=decision.at,
        seq=decision.seq,
        void=decision.void,
    )


def _before_first(history: History, model: str, at: datetime) -> str:
    first = next(traffic(history, model), None)
    if first is None:
        return f"What served {model}: the ledger holds no applied release of it."
    return f"What served {model} at {utc_text(at)}: its first recorded release is of {utc_text(first.at)}."


def _document(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sha256(document: Mapping[str, Any]) -> str:
    digest = document.get("digest")
    found = digest.get("sha256", "") if isinstance(digest, Mapping) else document.get("sha256", "")
    text = str(found or "")
    return "" if text == "0" * 64 else text
