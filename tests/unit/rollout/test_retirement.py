"""A model goes only when all signed, and its retirement closes only when nobody was answered for a whole window."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.approvals import retiring
from services.approvals.models import Decision, Purpose, RequestState, SubmitRequest
from services.kernel.errors import (
    GateNotPassedError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    RoleMissingError,
    SelfApprovalError,
    StaleEvidenceError,
    TelemetryUnavailableError,
)
from services.kernel.identity import Role
from services.ledger.verify import verify_log
from services.policy.models import QuorumRule, StageTerms
from services.rollout.fallback_models import FallbackMode
from services.rollout.guards import RetiredError
from services.rollout.models import ActionKind, ActionState
from services.rollout.release_models import ReleaseState
from services.rollout.retirement import RetirementService
from services.rollout.retirement_models import Counted, Retirement, RetirementState
from tests.builders import MODEL, World

BEN = "ben.business"
DAY = timedelta(days=1)


@dataclass
class Log:
    """What the inference log says. `until` None: as far as now."""

    requests: int = 0
    newest: datetime | None = None
    away: bool = False
    silent: bool = False
    asked: list[datetime] = field(default_factory=list)


@dataclass
class Leaving:
    world: World
    service: RetirementService
    log: Log

    def ask(self, *, by: str = BEN, **changes: Any) -> str:
        actor = self.world.actor(by)
        version = self.world.rollout.deployment(MODEL).champion
        draft = self.world.approvals.draft(MODEL, version, actor=actor, purpose=Purpose.RETIREMENT)
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "model": MODEL,
            "version": version,
            "note": "Checks by hand cost less.",
            "seen_evidence": draft.evidence_sha256,
            "passphrase": self.world.secret(by),
            "purpose": Purpose.RETIREMENT,
            "reason_code": "ROI",
        }
        receipt = self.world.approvals.submit(SubmitRequest(**(values | changes)), actor=actor)
        with self.world.units.read() as unit:
            return next(item.request_id for item in unit.requests.of_model(MODEL) if item.seq == receipt.seq)

    def signed(self) -> str:
        request_id = self.ask()
        self.world.sign_off(request_id, "vera.validator", Decision.APPROVE)
        self.world.sign_off(request_id, "clara.compliance", Decision.APPROVE)
        return request_id

    def later(self, **of: float) -> int:
        self.world.clock.set(self.world.clock.now() + timedelta(**of))  # type: ignore[attr-defined]
        return self.service.work()

    @property
    def now(self) -> Retirement:
        found = self.service.all()
        assert found
        return found[0]


@pytest.fixture
def leaving(world: World) -> Leaving:
    log = Log()

    def counted(_item: Retirement, since: datetime) -> Counted:
        log.asked.append(since)
        if log.away:
            raise TelemetryUnavailableError("The inference log cannot be read.")
        seen = log.requests if log.newest is None or log.newest >= since else 0
        return Counted(requests=seen, until=None if log.silent else world.clock.now(), newest=log.newest)

    world.release("2")
    service = RetirementService(
        units=world.units, serving=world.platform, traffic=counted, desk=world.desk, clock=world.clock
    )
    return Leaving(world, service, log)


def test_nothing_moves_before_everybody_has_signed(leaving: Leaving) -> None:
    world = leaving.world
    request_id = leaving.ask()
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)

    assert leaving.service.work() == 0
    assert leaving.service.all() == ()
    assert world.platform.observe(MODEL).mode == "live"
    view = world.approvals.get(request_id, actor=world.actor("clara.compliance"))
    assert [step.role for stage in view.stages for step in stage.steps] == ["validator", "compliance_officer"]
    assert "Traffic of delay_claim_score is taken to zero at once" in dict(view.effects)[Decision.APPROVE]


def test_all_signed_takes_traffic_to_zero_and_closes_only_after_a_whole_counted_window(leaving: Leaving) -> None:
    world = leaving.world
    request_id = leaving.signed()
    assert world.request_of("2").state is RequestState.APPROVED

    assert leaving.service.work() == 0
    assert world.platform.observe(MODEL).mode == "off"
    assert leaving.now.state is RetirementState.QUIET
    assert leaving.later(days=6.9) == 0
    assert "Proven after" in leaving.now.detail

    assert leaving.later(days=0.2) == 1
    done = leaving.now
    assert (done.state, done.counted, done.request_id) == (RetirementState.RETIRED, 0, request_id)
    assert world.request_of("2").state is RequestState.APPLIED
    with world.units.read() as unit:
        assert (
            unit.releases.release_of_request(unit.requests.of_model(MODEL)[1].request_id).state is ReleaseState.RETIRED
        )  # type: ignore[union-attr]
    assert world.entries("event:model-retired") == 1
    report = verify_log(list(world.book.entries()), checkpoints=world.book.checkpoints())
    assert [item.sentence for item in report.problems if item.severity not in {"note", "finding"}] == []


def test_somebody_who_is_answered_starts_the_window_again(leaving: Leaving) -> None:
    leaving.signed()
    leaving.service.work()
    leaving.log.requests, leaving.log.newest = 3, leaving.world.clock.now() + 5 * DAY

    assert leaving.later(days=6) == 0
    assert "3 were answered after it was switched off" in leaving.now.detail
    assert leaving.later(days=2) == 0, "eight days after the switch, three after the last answer"
    assert leaving.later(days=4.1) == 1


@pytest.mark.parametrize("how", ["away", "silent"])
def test_what_could_not_be_found_out_keeps_it_open(leaving: Leaving, how: str) -> None:
    leaving.signed()
    leaving.service.work()
    setattr(leaving.log, how, True)

    assert leaving.later(days=30) == 0
    assert leaving.now.state is RetirementState.QUIET
    assert "Could not find out" in leaving.now.detail
    setattr(leaving.log, how, False)
    assert leaving.later(minutes=1) == 1


def test_a_platform_that_is_switched_on_again_is_switched_off_and_proves_nothing(leaving: Leaving) -> None:
    world = leaving.world
    leaving.signed()
    leaving.service.work()
    seen = world.platform.observe(MODEL)
    world.platform.set_mode(MODEL, "live", expect_generation=seen.generation, op="by-hand")

    assert leaving.later(days=8) == 0, "it could have answered: the window begins with the second switch"
    assert world.platform.observe(MODEL).mode == "off"
    assert leaving.later(days=7.1) == 1


def test_a_platform_that_cannot_be_switched_off_from_here_stays_open_and_says_why(leaving: Leaving) -> None:
    class OnlyLive:
        def observe(self, deployment: str) -> Any:
            return replace(leaving.world.platform.observe(deployment), mode="live")

        def set_mode(self, *_: Any, **__: Any) -> Any:
            raise InputError("This endpoint has no mode off.")

    leaving.signed()
    service = RetirementService(
        units=leaving.world.units, serving=OnlyLive(), traffic=lambda *_: Counted(requests=0, until=None),  # type: ignore[arg-type]
        desk=leaving.world.desk, clock=leaving.world.clock,
    )  # fmt: skip

    assert service.work() == 0
    assert leaving.now.state is RetirementState.ORDERED
    assert "This endpoint has no mode off. Its engineers take it away." in leaving.now.detail


def test_nothing_of_it_is_released_from_the_last_signature_on(leaving: Leaving) -> None:
    world = leaving.world
    world.submit("3")
    waiting = next(row.request_id for row in world.approvals.requests_of(MODEL) if row.version == "3")
    world.sign_off(waiting, "vera.validator", Decision.APPROVE)
    world.sign_off(waiting, BEN, Decision.ACKNOWLEDGE)
    leaving.signed()

    with pytest.raises(RetiredError, match="is being retired since"):
        world.sign_off(waiting, "clara.compliance", Decision.APPROVE)
    with pytest.raises(RetiredError):
        world.submit("1")
    assert any("being retired" in why for why in world.approvals.draft(MODEL, "1", actor=world.actor(BEN)).blocked_by)
    sam = world.actor("sam.sre")
    assert "being retired" in world.fallbacks.plan(MODEL, FallbackMode.LIVE, actor=sam).refusal
    leaving.service.work()
    leaving.later(days=8)
    with pytest.raises(RetiredError, match="was retired on"):
        world.submit("3")


def test_an_order_that_waited_when_the_model_was_retired_is_not_carried_out(leaving: Leaving) -> None:
    world = leaving.world
    leaving.signed()
    with world.units.write() as unit:
        done = unit.rollouts.applied(MODEL)[0]
        late = replace(
            done, action_id="act-late", state=ActionState.PENDING, kind=ActionKind.START, alias_done=False,
            switched_at=None, finished_at=None, next_try_at=world.clock.now(),
        )  # fmt: skip
        unit.rollouts.add_action(late)

    world.runner.run_pending()

    with world.units.read() as unit:
        found = unit.rollouts.action("act-late")
    assert found is not None
    assert found.state is ActionState.FAILED


def test_an_approved_retirement_approves_no_version(leaving: Leaving) -> None:
    world = leaving.world
    before = world.approvals.approved(MODEL, "2").request_id
    request_id = leaving.signed()

    assert world.approvals.approved(MODEL, "2").request_id == before != request_id
    with world.units.read() as unit:
        assert unit.rollouts.revoked_versions(MODEL) == ()


def test_taking_the_approval_back_stops_it_and_revokes_no_version(leaving: Leaving) -> None:
    world = leaving.world
    request_id = leaving.signed()
    world.sign_off(request_id, "clara.compliance", Decision.REVOKE, reason="BUSINESS", comment="It is needed again.")

    assert leaving.service.work() == 0
    assert leaving.now.state is RetirementState.STOPPED
    assert leaving.service.of_model(MODEL) is None
    with world.units.read() as unit:
        assert unit.rollouts.revoked_versions(MODEL) == ()
        assert unit.rollouts.retiring(MODEL) == ""
    world.submit("3")


def test_who_may_ask_and_what_is_needed_to(leaving: Leaving) -> None:
    world = leaving.world
    with pytest.raises(RoleMissingError):
        leaving.ask(by="dana.datascience")
    with pytest.raises(MissingReasonError):
        leaving.ask(reason_code="")
    with pytest.raises(MissingReasonError):
        leaving.ask(note=" ")
    with pytest.raises(InputError, match="e-mail address"):
        leaving.ask(note="Agreed with jane@example.com yesterday.")
    request_id = leaving.ask()
    with pytest.raises((SelfApprovalError, RoleMissingError)):
        world.sign_off(request_id, BEN, Decision.ACKNOWLEDGE)
    with pytest.raises(GateNotPassedError, match="waiting already"):
        leaving.ask()


def test_only_what_serves_can_be_retired_and_not_while_something_is_on_its_way(leaving: Leaving) -> None:
    world = leaving.world
    draft = world.approvals.draft(MODEL, "3", actor=world.actor(BEN), purpose=Purpose.RETIREMENT)
    assert "Version 2 serves, not version 3." in draft.blocked_by
    request_id = leaving.ask()
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    world.approve("3")
    world.runner.run_pending()

    with pytest.raises(IllegalTransitionError):
        world.sign_off(request_id, "clara.compliance", Decision.APPROVE)
    assert leaving.service.all() == ()


def test_consumers_are_listed_and_unknown_ones_are_said_to_be_unknown(leaving: Leaving) -> None:
    world = leaving.world
    terms = world.approvals.draft(MODEL, "2", actor=world.actor(BEN), purpose=Purpose.RETIREMENT).retirement
    assert terms is not None
    assert terms.quiet_days == retiring.QUIET_DAYS
    assert "is not known" in terms.consumers_note
    nobody = retiring.terms_of(replace(world.inventory.model(MODEL), lineage=()), 7)
    assert (nobody.consumers, "None is recorded" in nobody.consumers_note) == ((), True)


def test_a_consumer_recorded_later_voids_the_signatures_that_did_not_know_of_it(leaving: Leaving) -> None:
    world = leaving.world
    request_id = leaving.ask()
    world.sign_off(request_id, "vera.validator", Decision.APPROVE)
    known = world.inventory.model(MODEL)
    world.inventory.put_model(replace(known, lineage=(*known.lineage, (MODEL, "dunning letters"))))

    with pytest.raises(StaleEvidenceError, match="Its consumers and the window without traffic changed"):
        world.sign_off(request_id, "clara.compliance", Decision.APPROVE)


def test_the_owner_s_signature_is_the_request_and_no_other_signature_is_dropped() -> None:
    def rule(role: Role, needed: int, stage: int) -> QuorumRule:
        return QuorumRule(role=role.value, needed=needed, decision="approve", stage=stage)

    def stage(number: int) -> StageTerms:
        return StageTerms(number=number, title=f"Stage {number}", due_days=5, escalate_to="", escalate_days=7)

    quorum, stages = retiring.quorum_of(
        (rule(Role.VALIDATOR, 1, 1), rule(Role.BUSINESS_OWNER, 1, 2), rule(Role.COMPLIANCE, 2, 3)),
        (stage(1), stage(2), stage(3)),
    )
    assert [(item.role, item.needed, item.stage) for item in quorum] == [
        ("validator", 1, 1), ("compliance_officer", 2, 2),
    ]  # fmt: skip
    assert [(item.number, item.title) for item in stages] == [(1, "Stage 1"), (2, "Stage 3")]
    two, _ = retiring.quorum_of((rule(Role.BUSINESS_OWNER, 2, 1),), (stage(1),))
    assert [(item.role, item.needed) for item in two] == [("business_owner", 1)]
    assert retiring.quorum_of((rule(Role.BUSINESS_OWNER, 1, 1),), (stage(1),)) == ((), ())
