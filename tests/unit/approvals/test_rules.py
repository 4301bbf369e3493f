"""Quorum and state machine: the law, checked on every order of events hypothesis can think of."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.approvals import rules
from services.approvals.models import MEANINGS, Decision, RequestState
from services.approvals.records import DecisionRecord
from services.approvals.table import FINAL, TRANSITIONS, Step, after
from services.kernel.errors import IllegalTransitionError, MissingReasonError
from services.policy.models import QuorumRule
from tests.builders import NOON

ROLES = ("validator", "business_owner", "compliance_officer")
TIER_ONE = (
    QuorumRule(role="validator", needed=1, decision="approve"),
    QuorumRule(role="business_owner", needed=1, decision="acknowledge"),
    QuorumRule(role="compliance_officer", needed=1, decision="approve"),
)


def a_decision(subject: str, role: str, decision: Decision, *, void: str = "", seq: int = 1) -> DecisionRecord:
    return DecisionRecord(
        seq=seq,
        request_id="req-1",
        decision=decision,
        meaning=MEANINGS[decision],
        signer=subject.title(),
        subject=subject,
        issuer="here",
        role=role,
        at=NOON + timedelta(minutes=seq),
        comment="",
        salt="",
        reason_code="",
        key_id="k",
        leaf_hash="l",
        revision=1,
        void_reason=void,
    )


decisions = st.lists(
    st.builds(
        a_decision,
        st.sampled_from(["ann", "bob", "cid", "dee"]),
        st.sampled_from(ROLES),
        st.sampled_from(list(Decision)),
        void=st.sampled_from(["", "evidence changed"]),
    ),
    max_size=12,
).map(tuple)
quorums = st.lists(
    st.builds(
        QuorumRule,
        role=st.sampled_from(ROLES),
        needed=st.integers(1, 3),
        decision=st.sampled_from(["approve", "acknowledge"]),
    ),
    max_size=3,
    unique_by=lambda rule: rule.role,
).map(tuple)


@given(quorums, decisions)
def test_a_complete_quorum_has_enough_different_people_in_every_role(
    quorum: tuple[QuorumRule, ...], given_decisions: tuple[DecisionRecord, ...]
) -> None:
    if not rules.is_complete(quorum, given_decisions):
        return
    people = {item.subject for item in given_decisions if item.counts}
    assert quorum
    assert len(people) >= sum(rule.needed for rule in quorum)


@given(quorums, decisions)
def test_void_and_negative_decisions_never_count(
    quorum: tuple[QuorumRule, ...], given_decisions: tuple[DecisionRecord, ...]
) -> None:
    counting = tuple(item for item in given_decisions if item.counts)
    assert rules.progress(quorum, given_decisions) == rules.progress(quorum, counting)


@given(quorums, decisions, decisions)
def test_more_signatures_never_break_a_role_that_was_complete_alone(
    quorum: tuple[QuorumRule, ...], first: tuple[DecisionRecord, ...], more: tuple[DecisionRecord, ...]
) -> None:
    single = quorum[:1]
    if rules.is_complete(single, first):
        assert rules.is_complete(single, (*first, *more))


def test_nobody_is_not_a_quorum() -> None:
    assert not rules.is_complete((), ())


def test_tier_one_needs_all_three_roles() -> None:
    signed = (
        a_decision("vera", "validator", Decision.APPROVE),
        a_decision("ben", "business_owner", Decision.ACKNOWLEDGE),
    )
    assert not rules.is_complete(TIER_ONE, signed)
    assert rules.waiting(rules.progress(TIER_ONE, signed)) == {"compliance_officer": 1}
    assert rules.is_complete(TIER_ONE, (*signed, a_decision("clara", "compliance_officer", Decision.APPROVE)))


def test_one_person_holding_two_roles_fills_only_one() -> None:
    signed = (
        a_decision("vera", "validator", Decision.APPROVE),
        a_decision("vera", "compliance_officer", Decision.APPROVE),
        a_decision("ben", "business_owner", Decision.ACKNOWLEDGE),
    )
    assert not rules.is_complete(TIER_ONE, signed)


@given(st.lists(st.sampled_from(list(Step)), max_size=20))
def test_final_states_are_final_and_every_walk_stays_in_the_picture(steps: list[Step]) -> None:
    state = RequestState.OPEN
    for step in steps:
        try:
            following = after(state, step)
        except IllegalTransitionError:
            assert (state, step) not in TRANSITIONS
            continue
        assert state not in FINAL
        state = following


def test_nothing_becomes_approved_except_by_a_complete_quorum() -> None:
    assert [pair for pair, state in TRANSITIONS.items() if state is RequestState.APPROVED] == [
        (RequestState.OPEN, Step.COMPLETE)
    ]


@pytest.mark.parametrize("decision", [Decision.REJECT, Decision.REQUEST_CHANGES, Decision.WITHDRAW, Decision.REVOKE])
def test_saying_no_needs_a_reason_and_a_sentence(decision: Decision) -> None:
    for code, comment in (("", "because"), ("METRICS", ""), ("METRICS", "  "), ("NONSENSE", "because")):
        with pytest.raises(MissingReasonError):
            rules.require_reason(decision, code, comment, {"METRICS"})
    rules.require_reason(decision, "METRICS", "AUC fell.", {"METRICS"})
