"""The deciding side of the fake room: five requests in the states a screen has to tell apart.

req-0001 open and clean, compliance is asked; req-0002 approved and served; req-0003 sent back, overdue;
req-0004 changed since it was looked at, one column without tag; req-0005 a re-attestation, signed by delegation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from services.approvals.models import (
    MEANINGS,
    ApprovalStatus,
    ColumnFact,
    Comparison,
    Decision,
    DelegationRef,
    DiffGroup,
    EndingApproval,
    Purpose,
    QueueCounts,
    QueueQuery,
    QueueRow,
    QuorumProgress,
    RequestDraft,
    RequestState,
    RequestView,
    RetirementTerms,
    Review,
    RollbackTerms,
    SignatureView,
    SignOff,
    StagePlan,
    StageView,
    StepView,
    SubmitRequest,
    TrailLine,
)
from services.attestation.models import Receipt
from services.kernel.errors import (
    DuplicateSignerError,
    MissingReasonError,
    PasskeyNeededError,
    SelfApprovalError,
    TelemetryUnavailableError,
    UnknownRequestError,
)
from services.kernel.identity import Actor, Role
from services.kernel.page import Page
from services.people.passkeys import Demand
from services.policy.models import RollbackRule
from tests.fakes import room_sample as sample
from tests.fakes.room_sample import HOSTILE, NOW, at

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

_STEPS = (("validator", "approve", 1), ("business_owner", "acknowledge", 2), ("compliance_officer", "approve", 2))
_MAY = {
    Decision.APPROVE: {Role.COMPLIANCE, Role.VALIDATOR},
    Decision.ACKNOWLEDGE: {Role.BUSINESS_OWNER},
    Decision.WITHDRAW: {Role.DATA_SCIENCE_LEAD},
    Decision.REVOKE: {Role.COMPLIANCE},
}
PARTS = (("metrics", "11" * 32), ("evaluation", "e7a1" * 16), ("sensitive", "22" * 32), ("rollback", "33" * 32))
ROLLBACK = RollbackTerms(
    to="3",
    manifest_sha256="3c9d" * 16,
    rules=(
        RollbackRule(id="errors", measure="error_rate", above="0.05", unit="share", window_minutes=5, min_requests=50),
        RollbackRule(id="slow", measure="p95_ms", above="500", unit="ms", window_minutes=5, min_requests=50),
    ),
)


@dataclass(frozen=True)
class Asked:
    """One request of the sample. `signed` are the roles whose signature stands."""

    request_id: str
    model: str
    version: str
    state: RequestState
    hours_left: int
    signed: tuple[str, ...]
    purpose: Purpose = Purpose.PROMOTION
    escalated: bool = False
    troubled: bool = False


ASKED = (
    Asked("req-0001", "claims_triage", "4", RequestState.OPEN, 26, ("validator",)),
    Asked("req-0002", "delay_claim_score", "4", RequestState.APPLIED, 300, tuple(role for role, _, _ in _STEPS)),
    Asked("req-0003", "payout_forecast", "6", RequestState.CHANGES_REQUESTED, -5, ()),
    Asked("req-0004", "plan_utilisation", "3", RequestState.OPEN, -30, ("validator",), escalated=True, troubled=True),
    Asked("req-0005", "delay_claim_score", "3", RequestState.OPEN, 90, (), purpose=Purpose.REATTESTATION),
)  # fmt: skip


LEAVING = RetirementTerms(
    reason_code="ROI", consumers=("claims desk", "payout dashboard"), quiet_days=7,
    consumers_note="2 recorded downstream of the model; who else reads its answers is not known.",
)  # fmt: skip


class FakeApprovals:
    """Implements what the screens ask of the approvals service; writes are kept by the room."""

    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.seen: set[tuple[str, str, str]] = set()
        self.reviewed: list[tuple[str, str, str]] = []

    # the queue

    def _rows(self, actor: Actor | None) -> list[QueueRow]:
        return [] if self._room.mode == "empty" else [self._row(asked, actor) for asked in ASKED]

    def _row(self, asked: Asked, actor: Actor | None) -> QueueRow:
        signed = self._signed(asked)
        waiting = self._waiting(asked, signed)
        mine = self._step_of(asked, actor, waiting) if actor is not None else ""
        due_at = NOW + timedelta(hours=asked.hours_left)
        return QueueRow(
            request_id=asked.request_id,
            model=asked.model,
            title=HOSTILE if self._room.hostile else asked.model.replace("_", " ").capitalize(),
            version=asked.version,
            base="3",
            tier=1 if asked.model != "payout_forecast" else 2,
            state=asked.state,
            requester=HOSTILE if self._room.hostile else "Dana Petrov",
            created_at=at(46),
            due_at=due_at,
            waiting_on=waiting,
            signed=len(signed),
            needed=len(_STEPS),
            mine=bool(mine),
            purpose=asked.purpose,
            stage_due_at=due_at,
            overdue=due_at < NOW and asked.state is not RequestState.APPLIED,
            escalated=asked.escalated,
            age_days=2,
            opens_step=mine,
        )

    def _signed(self, asked: Asked) -> tuple[str, ...]:
        given = [
            command.role or {Decision.ACKNOWLEDGE: "business_owner"}.get(command.decision, "compliance_officer")
            for command in self._room.written
            if isinstance(command, SignOff)
            and command.request_id == asked.request_id
            and command.decision in {Decision.APPROVE, Decision.ACKNOWLEDGE}
        ]
        return tuple(dict.fromkeys((*asked.signed, *given)))

    def _waiting(self, asked: Asked, signed: tuple[str, ...]) -> tuple[str, ...]:
        if asked.state is RequestState.CHANGES_REQUESTED:
            return ("data_science_lead",)
        if asked.state is not RequestState.OPEN:
            return ()
        missing = [(role, stage) for role, _, stage in _STEPS if role not in signed]
        first = min((stage for _, stage in missing), default=0)
        return tuple(role for role, stage in missing if stage == first)

    def _step_of(self, asked: Asked, actor: Actor, waiting: tuple[str, ...]) -> str:
        """The role the actor could fill next: the own one, or one delegated to Clara."""
        if actor.role.value in waiting:
            return actor.role.value
        delegated = actor.subject == "clara.compliance" and asked.request_id == "req-0005"
        return "validator" if delegated and "validator" in waiting else ""

    def queue(self, query: QueueQuery, *, actor: Actor) -> Page[QueueRow]:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The governance database is busy.")
        found = [
            row
            for row in self._rows(actor)
            if row.state in query.states
            and (not query.tiers or row.tier in query.tiers)
            and (not query.purposes or row.purpose in query.purposes)
            and (not query.mine_only or row.mine)
            and (not query.model or row.model == query.model)
            and query.text.lower() in f"{row.title} {row.request_id} {row.requester}".lower()
        ]
        found.sort(key=lambda row: (not row.mine, row.due_at))
        part = tuple(found[query.offset : query.offset + query.limit])
        return Page(items=part, total=len(found), offset=query.offset, limit=query.limit)

    def counts(self, actor: Actor) -> QueueCounts:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The governance database is busy.")
        rows = self._rows(actor)
        roles = dict.fromkeys(role for row in rows for role in row.waiting_on)
        return QueueCounts(
            mine=sum(row.mine for row in rows),
            overdue=sum(row.mine and row.overdue for row in rows),
            by_role=tuple(
                (
                    role,
                    sum(role in row.waiting_on for row in rows),
                    sum(role in row.waiting_on and row.overdue for row in rows),
                )
                for role in roles
            ),
        )

    def requests_of(self, model: str) -> tuple[QueueRow, ...]:
        return tuple(row for row in self._rows(None) if row.model == model)

    def ending(self, now: datetime, within: timedelta) -> tuple[EndingApproval, ...]:
        return ()

    def approved(self, model: str, version: str) -> ApprovalStatus:
        void = "The sensitive columns changed on 19 Nov 2030." if model == "claims_triage" else ""
        return ApprovalStatus(
            model=model,
            version=version,
            valid=not void,
            reason=void or "A complete quorum stands for exactly these files.",
            request_id="req-0002",
            signers=("Vera Lindholm", "Ben Okafor", "Clara Whitfield"),
            valid_until=NOW + timedelta(days=12),
            manifest_sha256=sample.MANIFEST,
            decision_entries=(38, 39, 40),
            void_cause=void,
        )

    # one request

    def get(self, request_id: str, *, actor: Actor) -> RequestView:
        asked = next((item for item in ASKED if item.request_id == request_id), None)
        if asked is None or self._room.mode == "empty":
            raise UnknownRequestError(f"There is no request {request_id}.", hint="It may belong to another workspace.")
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The governance database is busy.")
        row = self._row(asked, actor)
        allowed, because = self._allowed(row, actor)
        typed = HOSTILE if self._room.hostile else ""
        unread = tuple(name for name, _ in PARTS if (request_id, actor.subject, name) not in self.seen)
        return RequestView(
            row=row,
            revision=2,
            note=typed or "Retrained on the last window; calibration is better.",
            report=sample.GOOD_REPORT,
            changes=sample.CHANGES,
            quorum=tuple(
                QuorumProgress(rule=rule, have=int(rule.role in self._signed(asked)), signers=())
                for rule in sample.QUORUM
            ),
            terms=replace(sample.TERMS, signing=self._room.signing),
            signatures=self._signatures(asked, actor),
            trail=self._trail(typed),
            manifest_sha256=sample.MANIFEST,
            evidence_sha256=sample.EVIDENCE,
            run_id="048f2ac1b7e94d",
            valid_until=NOW + timedelta(days=80) if asked.state is RequestState.APPLIED else None,
            applied_action=None,
            sensitive=("6 sensitive inputs",),
            benefit=typed or "USD 47,120 in 90 days, low end 31,000",
            limits=typed or "Not for refusing a claim without a person.",
            fallback=typed or "Rule of the last five years.",
            effects=_effects(),
            allowed=allowed,
            refused_because=because,
            purpose=asked.purpose,
            stages=self._stages(asked, actor),
            diff=_diff(typed),
            changed_since_seen=("Sensitive columns: diagnosis_group was tagged.", "Policy: version 2 to 3.")
            if asked.troubled
            else (),
            unread=unread if asked.troubled else (),
            columns=_columns(typed, untagged=asked.troubled),
            rollback=ROLLBACK,
            exceptions=(typed or "Selection rate by region: excepted until 2030-12-20 by Clara Whitfield",)
            if asked.troubled
            else (),
            stale="",
            parts=PARTS,
            held_because=("1 input has no tag: birth_year. A data science lead has to tag it first.",)
            if asked.troubled and actor.role is Role.COMPLIANCE
            else (),
        )

    def _allowed(self, row: QueueRow, actor: Actor) -> tuple[tuple[Decision, ...], str]:
        if row.state is RequestState.APPLIED and actor.role is Role.COMPLIANCE:
            return (Decision.REVOKE,), ""
        if row.state is not RequestState.OPEN:
            return (), "This request is decided; nothing is left to sign."
        if actor.role is Role.DATA_SCIENCE_LEAD:
            return (Decision.WITHDRAW,), ""
        if actor.role is Role.BUSINESS_OWNER and row.mine:
            return (Decision.ACKNOWLEDGE, Decision.REQUEST_CHANGES, Decision.ABSTAIN), ""
        if actor.role in {Role.COMPLIANCE, Role.VALIDATOR} and row.mine:
            return (Decision.APPROVE, Decision.REQUEST_CHANGES, Decision.REJECT, Decision.ABSTAIN), ""
        return (), f"The quorum of this request has no step for a {actor.role.label.lower()}."

    def _stages(self, asked: Asked, actor: Actor) -> tuple[StageView, ...]:
        waiting = self._waiting(asked, self._signed(asked))
        found = []
        for number, title in ((1, "Independent validation"), (2, "Business and compliance")):
            steps = tuple(self._step(asked, actor, name) for name, _, stage in _STEPS if stage == number)
            done = all(step.have >= step.needed for step in steps)
            open_now = any(step.role in waiting for step in steps)
            late = asked.hours_left < 0 and open_now
            due_at = NOW + timedelta(hours=asked.hours_left) if open_now else None
            found.append(
                StageView(
                    number=number,
                    title=title,
                    state="done" if done else "overdue" if late else "open" if open_now else "later",
                    opened_at=at(30) if open_now or done else None,
                    due_at=due_at,
                    escalated_to="Business owner" if late and asked.escalated else "",
                    steps=steps,
                )
            )
        return tuple(found)

    def _step(self, asked: Asked, actor: Actor, name: str) -> StepView:
        decision = next(word for role, word, _ in _STEPS if role == name)
        signed, waiting = self._signed(asked), self._waiting(asked, self._signed(asked))
        delegated = self._step_of(asked, actor, waiting) == name and actor.role.value != name
        given = DelegationRef(id="del-1", for_name="Vera Lindholm", role="validator", until=NOW + timedelta(days=3))
        mine = actor.role.value == name
        refusal = ""
        if name in signed:
            refusal = "This step is signed already."
        elif not mine and not delegated:
            refusal = f"Only a person with the role {Role(name).label.lower()} may sign this step."
        elif name not in waiting:
            refusal = "This stage opens when the stage before is complete."
        return StepView(
            role=name,
            decision=decision,
            needed=1,
            have=int(name in signed),
            signers=(),
            mine=mine,
            delegations=(given,) if delegated else (),
            refusal=refusal,
        )

    def _signatures(self, asked: Asked, actor: Actor) -> tuple[SignatureView, ...]:
        typed = HOSTILE if self._room.hostile else ""
        signed = [
            _signature(
                role=role,
                signer=typed or next(item.name for item in sample.ACCOUNTS if item.role.value == role),
                comment=typed or "Validation report VR-311 passed, two minor findings closed.",
                seq=36 + number,
            )
            for number, role in enumerate(asked.signed, start=2)
        ]
        if asked.troubled:
            old = _signature(role="compliance_officer", signer="Carl Nyström", comment="", seq=31)
            cause = typed or "Void: the sensitive columns changed on 19 Nov 2030 (diagnosis_group was tagged)."
            signed.append(replace(old, valid=False, void_reason=cause))
        for number, item in enumerate(self._room.written):
            if isinstance(item, SignOff) and item.request_id == asked.request_id:
                view = replace(
                    _signature(
                        role=item.role or actor.role.value, signer=actor.name, comment=item.comment, seq=41 + number
                    ),
                    subject=actor.subject,
                )
                given = "for Vera Lindholm by delegation" if item.delegation else ""
                signed.append(
                    replace(
                        view,
                        decision=item.decision,
                        meaning=MEANINGS[item.decision],
                        at=NOW,
                        reason_code=item.reason_code,
                        delegation=given,
                        zone=item.zone,
                    )
                )
        return tuple(signed)

    def _trail(self, typed: str) -> tuple[TrailLine, ...]:
        return (
            TrailLine(at=at(46), sentence=typed or "Requested by Dana Petrov", seq=36),
            TrailLine(at=at(30), sentence="Approved by Vera Lindholm", seq=38),
            TrailLine(at=at(2), sentence="Approval attempt by Dana Petrov refused: requester may not approve", seq=40),
        )

    def mark_seen(self, request_id: str, part: str, *, actor: Actor) -> None:
        self.seen.add((request_id, actor.subject, part))

    # deciding

    def open_review(self, request_id: str, *, actor: Actor, role: str = "", delegation: str = "") -> Review:
        if self._room.refuse is not None:
            raise self._room.refuse
        self.reviewed.append((request_id, role, delegation))
        return Review(
            request_id=request_id, challenge="ch-1", shown_sha256="77aa" * 16, expires_at=NOW + timedelta(minutes=5)
        )

    def confirm_with_passkey(self, command: SignOff, *, actor: Actor) -> Demand:
        if not any(item.counts for item in self._room.passkeys.own(actor=actor)):
            raise PasskeyNeededError("You have no passkey that counts.", hint="Add one under Settings.")
        return Demand(nonce=command.challenge, kind="get", options="{}", expires_at=NOW + timedelta(minutes=5))

    def sign_off(self, command: SignOff, *, actor: Actor) -> Receipt:
        if command.role and command.role != actor.role.value and not command.delegation:
            self._room.refused.append((command.request_id, command.role, actor.subject))
            raise DuplicateSignerError(
                f"The {Role(command.role).label.lower()} step is not yours: one person, one quorum role.",
                hint="Another person has to sign in this role.",
            )
        if actor.role not in _MAY.get(command.decision, set(Role)):
            raise SelfApprovalError("You may not sign this step.", hint="Another person has to.")
        if command.decision.needs_reason and not command.comment:
            raise MissingReasonError("A reason is needed.")
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def draft(self, model: str, version: str, *, actor: Actor, purpose: Purpose = Purpose.PROMOTION) -> RequestDraft:
        report = sample.BAD_REPORT if version == "5" else sample.GOOD_REPORT
        return RequestDraft(
            model=model,
            version=version,
            base="3",
            report=report,
            changes=sample.CHANGES,
            quorum=sample.QUORUM,
            terms=sample.TERMS,
            blocked_by=tuple(f"{item.title} is {item.value}; the rule is {item.rule}." for item in report.blocking),
            evidence_sha256=sample.EVIDENCE,
            manifest_sha256=sample.MANIFEST,
            purpose=purpose,
            retirement=LEAVING if purpose is Purpose.RETIREMENT else None,
            parts=PARTS,
            diff=_diff(HOSTILE if self._room.hostile else ""),
            rollback=ROLLBACK,
            stages=tuple(
                StagePlan(
                    number=number,
                    title=title,
                    due_days=5,
                    escalate_to="business_owner",
                    roles=tuple(rule for rule in sample.QUORUM if rule.stage == number),
                )
                for number, title in ((1, "Independent validation"), (2, "Business and compliance"))
            ),
        )

    def submit(self, command: SubmitRequest, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)


def _signature(*, role: str, signer: str, comment: str, seq: int) -> SignatureView:
    decision = Decision.ACKNOWLEDGE if role == "business_owner" else Decision.APPROVE
    return SignatureView(
        decision=decision,
        meaning=MEANINGS[decision],
        signer=signer,
        subject=f"{role}.subject",
        role=role,
        at=at(30),
        comment=comment,
        reason_code="",
        key_id="5e" * 32,
        seq=seq,
        leaf_hash="2c71cf296333187a" * 4,
        valid=True,
        zone="Europe/Berlin",
        method="passphrase-key",
        since_login_seconds=240,
        revision=2,
        bound=(("version", "4"), ("run", "048f2ac1b7e94d")),
    )


def _effects() -> tuple[tuple[Decision, str], ...]:
    return (
        (
            Decision.APPROVE,
            "No traffic moves now; one more signature is needed. Then the release is queued: v4 gets 10 %.",
        ),
        (Decision.ACKNOWLEDGE, "No traffic moves now; one more signature is needed."),
        (Decision.REQUEST_CHANGES, "Production stays as it is; the requester is told."),
        (Decision.REJECT, "Production stays as it is; the request ends."),
        (Decision.ABSTAIN, "Production stays as it is; somebody else in your role decides."),
        (Decision.WITHDRAW, "Production stays as it is; the request ends."),
        (Decision.REVOKE, "v4 keeps 10 % of traffic until an SRE rolls back; it gets no further share."),
    )


def _diff(typed: str) -> tuple[DiffGroup, ...]:
    def group(key: str, title: str, sentence: str, lines: tuple[Comparison, ...]) -> DiffGroup:
        return DiffGroup(key=key, title=title, changed=bool(lines), sentence=typed or sentence, lines=lines)

    def line(title: str, old: str, new: str, change: str, *, better: bool | None = None) -> Comparison:
        texts: dict[str, Any] = {"title": title, "champion": old, "candidate": typed or new, "change": typed or change}
        return Comparison(**texts, better=better)

    return (
        group("metrics", "Metrics", "Two of two measures are better", sample.CHANGES[:2]),
        group(
            "data", "Data", "Other training data",
            (line("Training data", "flights_2029 (9ac1)", "flights_2030 (b194)", "new window"),),
        ),
        group("features", "Features", "One input added", (line("Input columns", "11", "12", "+1: dep_hour"),)),
        group("sensitive", "Sensitive columns", "The same six columns", ()),
        group("policy", "Policy", "The same policy", ()),
        group(
            "cost", "Cost", "USD 1,310 a year at the pace of the last 90 days",
            (line("Cost a year", "USD 1,240", "USD 1,310", "+USD 70", better=False),),
        ),
        group("rollback", "Rollback plan", "The same plan", ()),
    )  # fmt: skip


def _columns(typed: str, *, untagged: bool) -> tuple[ColumnFact, ...]:
    names = ("diagnosis_group", "age_band", "sex", "postcode_area", "member_since")
    tagged = [
        ColumnFact(
            name=typed or name, category="PHI" if number == 0 else "quasi-identifier", tagged=True, masked=True,
            tagged_by=typed or "Dana Petrov", basis=typed or "consent in the claim form", problem="",
            mask="hidden", readable=True,
        )
        for number, name in enumerate(names)
    ]  # fmt: skip
    last = ColumnFact(
        name=typed or "birth_year", category="" if untagged else "PII", tagged=not untagged, masked=not untagged,
        tagged_by="" if untagged else "Dana Petrov", basis="claims contract",
        problem="The name looks sensitive and nobody has tagged it." if untagged else "",
        mask="hidden", readable=True,
    )  # fmt: skip
    return (*tagged, last)
