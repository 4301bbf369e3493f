"""Properties of deciding, on any sequence of attempts: walked through the rules exactly as the service asks them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from services.approvals import rules
from services.approvals.models import Decision, RequestState
from services.approvals.records import DecisionRecord, Frozen, PromotionRequest
from services.approvals.table import FINAL, TRANSITIONS, Step, after
from services.kernel.errors import ControlRoomError, IllegalTransitionError
from services.kernel.identity import Actor, Role
from services.policy.models import GateReport, PolicyRef, QuorumRule, ReleaseTerms
from tests.builders import NOON
from tests.unit.approvals.test_rules import a_decision

PEOPLE = {
    "vera": Role.VALIDATOR,
    "viktor": Role.VALIDATOR,
    "ben": Role.BUSINESS_OWNER,
    "clara": Role.COMPLIANCE,
    "carl": Role.COMPLIANCE,
    "dana": Role.DATA_SCIENCE_LEAD,
    "otto": Role.AUDITOR,
}
WORDS = {Role.VALIDATOR: "approve", Role.BUSINESS_OWNER: "acknowledge", Role.COMPLIANCE: "approve"}
UNDECIDED = {RequestState.OPEN, RequestState.CHANGES_REQUESTED}

quorums = st.lists(
    st.builds(
        lambda role, needed, stage: QuorumRule(role=role.value, needed=needed, decision=WORDS[role], stage=stage),
        st.sampled_from(list(WORDS)),
        st.integers(1, 2),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda rule: rule.role,
).map(tuple)
attempts = st.lists(
    st.tuples(st.sampled_from(list(PEOPLE)), st.sampled_from(list(Decision)), st.integers(0, 4)), max_size=30
)


def a_request(quorum: tuple[QuorumRule, ...]) -> PromotionRequest:
    terms = ReleaseTerms(shares=(100,), approval_days=30, request_days=14)
    frozen = Frozen(
        report=GateReport(
            policy=PolicyRef(name="tier-1", version="1", sha256="0" * 64), outcomes=(), evidence_sha256=""
        ),
        changes=(),
        quorum=quorum,
        terms=terms,
        sensitive=(),
        benefit="",
        limits="",
        fallback="",
    )
    return PromotionRequest(
        request_id="req-1",
        model="m",
        title="M",
        version="3",
        base=None,
        tier=1,
        state=RequestState.OPEN,
        requester="Dana",
        requester_subject="dana",
        requester_issuer="here",
        created_at=NOON,
        due_at=NOON,
        expires_at=NOON + timedelta(days=14),
        revision=1,
        note="",
        evidence_sha256="",
        manifest_sha256="",
        policy_sha256="",
        run_id="",
        frozen=frozen,
        statement_sha256="",
        seq=1,
        leaf_hash="",
    )


@dataclass
class Walk:
    """What the service does with one attempt after another."""

    request: PromotionRequest
    decisions: tuple[DecisionRecord, ...] = ()

    def attempt(self, subject: str, decision: Decision, now: datetime) -> bool:
        role = PEOPLE[subject]
        actor = Actor(
            issuer="here", subject=subject, name=subject.title(), role=role, session_id="s", signed_in_at=NOON
        )
        try:
            rules.require_allowed(self.request, self.decisions, decision, acting=rules.own(actor), now=now)
        except ControlRoomError:
            return False
        step = rules.STEPS.get(decision)
        record = replace(a_decision(subject, role.value, decision, seq=len(self.decisions) + 2), at=now)
        self.decisions = (*self.decisions, record)
        if step is not None:
            self.request = replace(self.request, state=after(self.request.state, step))
        elif record.counts and rules.is_complete(self.request.frozen.quorum, self.decisions):
            self.request = replace(self.request, state=after(self.request.state, Step.COMPLETE))
        return True


@given(quorums, attempts)
def test_no_sequence_of_attempts_approves_without_a_complete_quorum_or_leaves_a_final_state(
    quorum: tuple[QuorumRule, ...], tried: list[tuple[str, Decision, int]]
) -> None:
    walk, now = Walk(a_request(quorum)), NOON
    for subject, decision, days in tried:
        now += timedelta(days=days)
        before = walk.request.state
        taken = walk.attempt(subject, decision, now)
        if before in FINAL:
            assert not taken
        if before in UNDECIDED and walk.request.state is RequestState.APPROVED:
            assert now <= walk.request.expires_at, "time running out never approves"
            for rule in quorum:
                signers = {item.subject for item in walk.decisions if item.counts and item.role == rule.role}
                assert len(signers) == rule.needed, "as many different people as needed, and no more"
        counted = [item.subject for item in walk.decisions if item.counts]
        assert len(counted) == len(set(counted)), "one person never fills two places"
        assert "dana" not in counted
        assert "otto" not in counted


@given(quorums, attempts)
def test_a_later_stage_never_signs_before_the_earlier_one(
    quorum: tuple[QuorumRule, ...], tried: list[tuple[str, Decision, int]]
) -> None:
    walk, stages = Walk(a_request(quorum)), {rule.role: rule.stage for rule in quorum}
    for subject, decision, _ in tried:
        open_before = rules.open_stage(rules.progress(quorum, walk.decisions))
        if walk.attempt(subject, decision, NOON) and decision in rules.BINDING:
            assert stages[PEOPLE[subject].value] == open_before


@given(st.sets(st.sampled_from(["vera", "ben", "clara", "carl"])))
def test_the_order_of_signatures_does_not_matter(signers: set[str]) -> None:
    quorum = tuple(
        QuorumRule(role=role.value, needed=2 if role is Role.COMPLIANCE else 1, decision=word)
        for role, word in WORDS.items()
    )
    ends = set()
    for order in permutations(sorted(signers)):
        walk = Walk(a_request(quorum))
        for subject in order:
            assert walk.attempt(subject, Decision(WORDS[PEOPLE[subject]]), NOON)
        have = tuple(line.have for line in rules.progress(quorum, walk.decisions))
        ends.add((walk.request.state, have))
    assert len(ends) == 1


@given(st.sampled_from(list(RequestState)), st.lists(st.sampled_from(list(Step)), max_size=12))
def test_a_walk_reaches_approved_by_completion_alone_and_expiry_never_does(
    start: RequestState, steps: list[Step]
) -> None:
    state = start
    for step in steps:
        try:
            following = after(state, step)
        except IllegalTransitionError:
            continue
        assert state not in FINAL
        if following is RequestState.APPROVED:
            assert step is Step.COMPLETE
        if step is Step.EXPIRE:
            assert following is RequestState.EXPIRED
        if state in UNDECIDED and following not in UNDECIDED | FINAL:
            assert step is Step.COMPLETE
        state = following
    assert all(step is not Step.EXPIRE or state is RequestState.EXPIRED for (_, step), state in TRANSITIONS.items())
