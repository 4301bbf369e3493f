"""What each role sees first, what counts as a finding, and when the machinery is said to be dead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert

from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.oversight import SqlOversight
from services.adapters.sql.reliability import SqlReliability
from services.adapters.sql.schema import approvals, ledger, ops, rollout
from services.adapters.sql.value import SqlValue
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.adapters.warehouse.reliability import DuckDbRequestFacts
from services.adapters.warehouse.value import DuckDbUsageFacts
from services.approvals.models import EndingApproval, QueueCounts, QueueQuery, QueueRow, RequestState
from services.exceptions.models import ExceptionState, ExceptionView
from services.inventory.models import InventoryQuery
from services.inventory.owners import Orphan, duty_of
from services.inventory.proposals import Proposal, ProposalKind, Step
from services.inventory.reviews import ReviewFact
from services.inventory.service import InventoryService
from services.kernel.clock import FrozenClock
from services.kernel.errors import UnknownModelError
from services.kernel.health import Explanation, Health
from services.kernel.identity import Actor, Role
from services.kernel.page import Page
from services.monitoring.models import MonitoringConfig
from services.monitoring.service import MonitoringService
from services.oversight.board import BoardFacts
from services.oversight.impact import impact
from services.oversight.service import OversightService
from services.people.persons import Account
from services.reliability.service import ReliabilityService
from services.rollout.batch_models import BatchRun
from services.rollout.batch_models import RunState as BatchState
from services.rollout.emergency_models import EmergencyMode, EmergencyReview, ReviewState
from services.rollout.fallback_models import FallbackMode, FallbackView
from services.rollout.job_findings import JobFinding, JobFindingKind
from services.rollout.release_models import ReleaseState, ReleaseView, StepOffer
from services.value.models import BenefitLine, CostDay, ModelValue, Rates
from services.value.service import ValueService
from tests.fakes.inventory import Recorded
from tests.fakes.room_release import CANARY
from tests.unit.inventory.test_inventory import ARegistry, a_version
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, a_database, a_model, predictions, write, write_reference


class Decisions:
    """Implements oversight.ports.Decisions; what is asked of it can be set by a test."""

    def __init__(self) -> None:
        self.rows: list[QueueRow] = []
        self.endings: list[EndingApproval] = []

    def queue(self, query: QueueQuery, *, actor: Actor) -> Page[QueueRow]:
        rows = tuple(
            replace(row, mine=actor.role.value in row.waiting_on and actor.subject != "dana") for row in self.rows
        )
        return Page(items=rows, total=len(rows), offset=0, limit=query.limit)

    def counts(self, actor: Actor) -> QueueCounts:
        mine = [row for row in self.queue(QueueQuery(), actor=actor).items if row.mine]
        return QueueCounts(mine=len(mine), overdue=sum(row.overdue for row in mine), by_role=())

    def ending(self, now: datetime, within: timedelta) -> tuple[EndingApproval, ...]:
        return tuple(item for item in self.endings if item.valid_until - now <= within)


class Emergencies:
    """Implements oversight.ports.Emergencies."""

    def __init__(self) -> None:
        self.found: list[EmergencyReview] = []

    def reviews(self, model: str = "", *, open_only: bool = False) -> tuple[EmergencyReview, ...]:
        return tuple(item for item in self.found if item.state.is_open or not open_only)


class Exceptions:
    """Implements oversight.ports.Exceptions."""

    def __init__(self) -> None:
        self.found: list[ExceptionView] = []

    def all(self, model: str = "", states: tuple[ExceptionState, ...] = ()) -> tuple[ExceptionView, ...]:
        return tuple(item for item in self.found if not states or item.state in states)


class Stewards:
    """Implements oversight.ports.Stewards."""

    def __init__(self) -> None:
        self.gone: list[Orphan] = []
        self.called: list[ReviewFact] = []

    def orphans(self, model: str = "") -> tuple[Orphan, ...]:
        return tuple(item for item in self.gone if not model or item.model == model)

    def call_reviews(self, facts: Sequence[ReviewFact]) -> int:
        self.called += facts
        return len(facts)


class TierProposals:
    """Implements oversight.ports.TierProposals; Dana may not decide."""

    def __init__(self) -> None:
        self.found: list[Proposal] = []

    def undecided(self) -> tuple[Proposal, ...]:
        return tuple(self.found)

    def refusal_to_decide(self, item: Proposal, *, actor: Actor) -> str:
        return "Another person decides." if actor.subject.startswith("dana") else ""


class Releases:
    """Implements oversight.ports.Releases."""

    def __init__(self) -> None:
        self.found: list[ReleaseView] = []

    def waiting(self) -> tuple[ReleaseView, ...]:
        return tuple(self.found)


class BatchRuns:
    """Implements oversight.ports.BatchRuns."""

    def __init__(self) -> None:
        self.found: list[BatchRun] = []

    def waiting(self) -> tuple[BatchRun, ...]:
        return tuple(self.found)


class Fallbacks:
    """Implements oversight.ports.Fallbacks."""

    def __init__(self) -> None:
        self.readiness, self.sentence = Health.HEALTHY, "Last drill today."

    def view(self, model: str) -> FallbackView:
        return FallbackView(
            model=model, title=model, card=None, in_force=FallbackMode.LIVE, switch=None, last_used=None, drill=None,
            last_drill=None, readiness=self.readiness, sentence=self.sentence,
        )  # fmt: skip


def a_release(state: ReleaseState, *offers: StepOffer, **changes: Any) -> ReleaseView:
    release = replace(CANARY, model="m", state=state, share=0, stage_since=NOON, **changes)
    return ReleaseView(
        release=release, checks=(), offers=offers, dwell_until=None, shadow=None, analysis=None, plan_sentences=(),
        plan_signers=(), plan_id="", on_call="",
    )  # fmt: skip


def a_run(state: BatchState, reason: str) -> BatchRun:
    return BatchRun(
        run_id=f"run-{state.value}", model="m", job="m-job", version="4", window_start=NOON, started_at=NOON,
        finished_at=NOON, rows=5, state=state, first=True, reason=reason, updated_at=NOON,
    )  # fmt: skip


class JobFindings:
    """Implements oversight.ports.JobFindings."""

    def __init__(self) -> None:
        self.found: list[JobFinding] = []

    def standing(self, model: str = "") -> tuple[JobFinding, ...]:
        return tuple(item for item in self.found if model in {"", item.model})


class Room:
    def __init__(self, folder: Path) -> None:
        self.jobs = JobFindings()
        self.releases, self.batch, self.fallbacks = Releases(), BatchRuns(), Fallbacks()
        self.facts, self.database = folder / "inference", a_database(folder)
        self.clock, self.registry, self.decisions = FrozenClock(NOON), ARegistry(), Decisions()
        self.emergencies, self.exceptions = Emergencies(), Exceptions()
        self.stewards, self.tiers = Stewards(), TierProposals()
        self.inventory = InventoryService(
            registry=self.registry, store=SqlInventory(self.database), ledger=Recorded(), clock=self.clock
        )
        self.monitoring = MonitoringService(
            facts=DuckDbMonitoringFacts(self.facts), store=SqlMonitoring(self.database), catalog=self.inventory,
            clock=self.clock,
        )  # fmt: skip
        reliability = ReliabilityService(
            facts=DuckDbRequestFacts(self.facts), store=SqlReliability(self.database), catalog=self.inventory,
            clock=self.clock,
        )  # fmt: skip
        value = ValueService(
            facts=DuckDbUsageFacts(self.facts), store=SqlValue(self.database), catalog=self.inventory,
            rates=Rates(currency="USD", cpu_hour=Decimal(1), gb_month=Decimal(1)), clock=self.clock,
        )  # fmt: skip
        self.service = OversightService(
            inventory=self.inventory, monitoring=self.monitoring, reliability=reliability, value=value,
            decisions=self.decisions, emergencies=self.emergencies, exceptions=self.exceptions,
            stewards=self.stewards, tiers=self.tiers,
            store=SqlOversight(self.database), clock=self.clock, environment="embedded", registry="MLflow",
            releases=self.releases, batch=self.batch, fallbacks=self.fallbacks, jobs=self.jobs,
        )  # fmt: skip
        self.inventory.register_catalog((a_model("m"),))

    def put(self, table: Any, **values: Any) -> None:
        with self.database.write() as connection:
            connection.execute(insert(table).values(**values))

    def request(self, role: str = "compliance_officer", *, due_days: int = 3, state: str = "open") -> None:
        due_at = NOON + timedelta(days=due_days)
        self.decisions.rows.append(
            QueueRow(
                request_id="req-1", model="m", title="M", version="4", base="3", tier=1, state=RequestState(state),
                requester="Dana Petrov", created_at=NOON, due_at=due_at, waiting_on=(role,), signed=1, needed=3,
                mine=False, overdue=due_at < NOON, opens_step=role,
            )
        )  # fmt: skip

    def event(self) -> None:
        text = dict.fromkeys(("evidence_sha256", "manifest_sha256", "policy_sha256", "run_id", "leaf_hash"), "-")
        self.put(
            approvals.promotion_request, request_id="req-1", model="m", title="M", version="4", base="3", tier=1,
            state="open", requester_subject="dana", requester_issuer="i", requester="Dana Petrov", created_at=NOON,
            due_at=NOON, expires_at=NOON + timedelta(days=30), revision=1, note="", signed=1,
            needed=3, document="{}", statement_sha256="-", seq=7, updated_at=NOON, **text,
        )  # fmt: skip
        self.put(approvals.request_event, request_id="req-1", at=NOON, sentence="Submitted by Dana Petrov", seq=7)

    def deploy(self, **changes: Any) -> None:
        values = {
            "model": "m", "deployment": "m", "kind": "realtime", "desired": "[]", "champion": "3",
            "observed": json.dumps([["3", 90], ["4", 10]]), "observed_at": NOON, "alias_champion": "3",
            "updated_at": NOON,
        }  # fmt: skip
        self.put(rollout.deployment, **{**values, **changes})

    def home(self, role: Role, subject: str = "somebody") -> Any:
        return self.service.home(
            Actor(issuer="i", subject=subject, name="Clara Whitfield", role=role, session_id="s", signed_in_at=NOON)
        )


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_an_empty_workspace_has_a_calm_home_for_every_role(room: Room) -> None:
    room.service.refresh_summaries()
    room.put(ops.worker_heartbeat, worker_id="w", at=NOON, started_at=NOON)

    for role in Role:
        home = room.home(role)
        assert home.todo == ()
        assert home.greeting == "Clara, nothing waits for you now."
        assert len(home.tiles) >= 4


def test_a_request_waits_for_the_role_that_has_to_act_and_stands_elsewhere_for_others(room: Room) -> None:
    room.request(due_days=-1)

    mine, other = room.home(Role.COMPLIANCE), room.home(Role.AUDITOR)

    assert [(item.target, item.state) for item in mine.todo] == [
        ("approvals?request=req-1&step=compliance_officer", Health.BREACH)
    ]
    assert mine.greeting == "Clara, 1 waits for your signature, 1 overdue."
    assert mine.tiles[0].value == "1"
    assert mine.tiles[0].detail == "1 overdue"
    assert other.todo == ()
    assert "compliance officer" in other.others[0].why


def test_nobody_is_asked_to_sign_the_own_request(room: Room) -> None:
    room.request()

    assert room.home(Role.COMPLIANCE, subject="dana").todo == ()


def test_changes_asked_for_go_back_to_the_data_science_lead(room: Room) -> None:
    room.request("data_science_lead", state="changes_requested")

    assert "Answer the changes" in room.home(Role.DATA_SCIENCE_LEAD).todo[0].title
    assert room.home(Role.COMPLIANCE).todo == ()


def test_a_delegate_is_asked_in_the_role_he_stands_in_for(room: Room) -> None:
    room.request("validator")
    room.decisions.queue = lambda query, *, actor: Page(  # type: ignore[method-assign]
        items=(replace(room.decisions.rows[0], mine=True),), total=1, offset=0, limit=50
    )

    [item] = room.home(Role.COMPLIANCE).todo

    assert item.title == "Validate the promotion of M version 4"
    assert "as independent validator by delegation" in item.why


def test_an_approval_that_ends_soon_is_work_and_one_that_ended_while_serving_is_red(room: Room) -> None:
    ending = EndingApproval(
        model="m", version="3", request_id="req-1", valid_until=NOON + timedelta(days=12), ended=False, serving=True
    )
    room.decisions.endings = [ending, replace(ending, version="2", serving=False)]

    [item] = room.home(Role.COMPLIANCE).todo
    room.decisions.endings = [replace(ending, valid_until=NOON - timedelta(days=2), ended=True)]
    [ended] = room.home(Role.DATA_SCIENCE_LEAD).todo

    assert (item.state, item.target) == (Health.WATCH, "model?name=m")
    assert "In 12 days" in item.why
    assert (ended.state, ended.title) == (Health.BREACH, "m version 3 serves without a valid approval")
    assert room.home(Role.SRE).todo[0].title == "The worker is not running"


def test_a_model_that_serves_on_an_approval_that_ended_is_red_and_never_healthy(room: Room) -> None:
    ended = EndingApproval(
        model="m", version="3", request_id="req-1", valid_until=NOON - timedelta(days=2), ended=True, serving=True
    )
    room.decisions.endings = [ended, replace(ended, version="2", serving=False)]
    room.service.refresh_summaries()

    [finding] = room.service.findings("m")
    assert finding.title == "m version 3 serves without a valid approval"
    assert room.service.findings("other") == ()
    row = room.inventory.search(InventoryQuery()).items[0]
    assert (row.health, row.findings) == (Health.BREACH, 1)
    room.decisions.endings = [replace(ended, valid_until=NOON + timedelta(days=2), ended=False)]
    assert room.service.findings("m") == ()


def a_review(**changes: Any) -> EmergencyReview:
    values: dict[str, Any] = {
        "id": "em-1", "action_id": "act-1", "model": "m", "version": "4", "mode": EmergencyMode.FORWARD,
        "by_name": "Sam Lindqvist", "by_subject": "sam", "at": NOON, "reason_code": "OUTAGE", "reason": "Down",
        "review_by": NOON + timedelta(days=2), "state": ReviewState.OPEN, "reviewers": (), "comments": (),
        "blocks": "", "seq": 9,
    }  # fmt: skip
    return EmergencyReview(**{**values, **changes})


def an_exception(**changes: Any) -> ExceptionView:
    values: dict[str, Any] = {
        "id": "ex-1", "model": "m", "gate": "selection", "gate_title": "Selection rate", "reason": "Few rows",
        "control": "Weekly review", "owner_subject": "ben", "owner_name": "Ben Okafor", "proposed_by": "Dana Petrov",
        "granted_by": "Clara Whitfield", "state": ExceptionState.ACTIVE, "proposed_at": NOON, "granted_at": NOON,
        "until": NOON + timedelta(days=10), "ended_at": None, "ended_why": "", "seq": 9, "late": False,
    }  # fmt: skip
    return ExceptionView(**{**values, **changes})


def test_an_emergency_release_is_red_work_for_reviewers_and_not_for_whom_it_is_about(room: Room) -> None:
    room.emergencies.found = [a_review(state=ReviewState.OVERDUE, review_by=NOON - timedelta(hours=5))]

    [item] = room.home(Role.VALIDATOR).todo

    assert (item.state, item.target) == (Health.BREACH, "rollouts?model=m&emergency=em-1")
    assert "Promotions of this model are blocked" in item.why
    assert item.due is not None
    assert item.due < NOON
    assert room.home(Role.COMPLIANCE, subject="sam").todo == ()
    assert "Review the emergency release" in room.home(Role.AUDITOR).others[0].title


def test_exceptions_that_end_or_wait_are_work_for_owner_and_compliance(room: Room) -> None:
    far = an_exception(id="ex-2", until=NOON + timedelta(days=55))
    asked = an_exception(id="ex-3", state=ExceptionState.PROPOSED, granted_by="", granted_at=None)
    room.exceptions.found = [an_exception(), far, asked]

    titles = [item.title for item in room.home(Role.COMPLIANCE).todo]
    owner = room.home(Role.BUSINESS_OWNER, subject="ben").todo

    assert sorted(titles) == [
        "Decide on an exception for m: Selection rate",
        "m: the exception for Selection rate ends soon",
    ]
    assert [item.target for item in owner] == ["model?name=m&exception=ex-1"]
    assert room.home(Role.VALIDATOR).todo == ()


def test_exceptions_in_force_are_counted_for_everybody_and_late_ones_are_red(room: Room) -> None:
    room.exceptions.found = [an_exception(), an_exception(id="ex-2", until=NOON + timedelta(days=55))]
    tile = next(item for item in room.home(Role.SRE).tiles if item.title == "Exceptions in force")
    assert (tile.value, tile.state, tile.target) == ("2", Health.WATCH, "audit?section=exceptions")

    room.exceptions.found += [an_exception(id="ex-3", state=ExceptionState.EXPIRED, late=True)]
    tile = next(item for item in room.home(Role.VALIDATOR).tiles if item.title == "Exceptions in force")
    assert (tile.value, tile.detail, tile.state) == ("2", "1 late, to be decided or closed", Health.BREACH)


def test_a_release_that_holds_up_new_versions_is_a_finding_of_its_model(room: Room) -> None:
    room.emergencies.found = [a_review(state=ReviewState.OVERDUE, blocks="Two reviewers have not signed."), a_review()]
    [finding] = room.service.findings("m")
    assert (finding.state, finding.why) == (Health.BREACH, "Two reviewers have not signed.")
    assert room.service.findings("another") == ()


def test_a_version_nobody_submitted_is_shown_to_the_data_science_lead(room: Room) -> None:
    room.registry.versions = [a_version("m", 3), a_version("m", 6), a_version("uncatalogued", 1)]
    room.inventory.sync()

    titles = [item.title for item in room.home(Role.DATA_SCIENCE_LEAD).todo]

    assert titles == ["m version 6 is not submitted"]
    room.deploy(champion="6", alias_champion="6")
    assert room.home(Role.DATA_SCIENCE_LEAD).todo == ()


def test_a_running_release_is_shown_to_the_engineer_with_the_share_read_back(room: Room) -> None:
    room.deploy(candidate="4", plan="[10, 100]")
    room.put(ops.worker_heartbeat, worker_id="w", at=NOON, started_at=NOON)

    [item] = room.home(Role.SRE).todo

    assert item.target == "rollouts?model=m"
    assert item.title == "m: version 4 is in canary at 10 %"
    assert item.why.startswith("Read back from the platform; approved steps: 10 %, 100 %.")


def a_job_finding(kind: JobFindingKind) -> JobFinding:
    return JobFinding(
        key="k", kind=kind, model="m", version="4", task="Approval", sentence="Somebody approved it.", since=NOON
    )


@pytest.mark.parametrize("kind", [JobFindingKind.UNSIGNED, JobFindingKind.CHANGED])
def test_an_approval_given_in_the_workspace_is_a_finding_and_turns_the_model_red(
    room: Room, kind: JobFindingKind
) -> None:
    room.jobs.found = [a_job_finding(kind)]
    room.service.refresh_summaries()

    [finding] = room.service.findings("m")

    assert finding.why.startswith("Somebody approved it. First seen")
    assert (finding.state, finding.target) == (Health.BREACH, "model?name=m")
    assert room.service.findings("other") == ()
    assert room.inventory.search(InventoryQuery()).items[0].findings == 1
    for role in (Role.SRE, Role.COMPLIANCE, Role.ADMIN):
        assert finding in room.home(role).todo
    assert finding in room.home(Role.AUDITOR).others

    room.jobs.found = []
    room.service.refresh_summaries()
    assert room.service.findings("m") == ()
    assert room.inventory.search(InventoryQuery()).items[0].findings == 0


def test_a_job_that_is_stuck_is_amber(room: Room) -> None:
    room.jobs.found = [a_job_finding(JobFindingKind.STUCK)]
    assert [item.state for item in room.service.findings("m")] == [Health.WATCH]


def test_an_alias_moved_outside_is_a_finding_and_turns_the_model_red(room: Room) -> None:
    room.deploy(alias_champion="9")
    room.service.refresh_summaries()

    [finding] = room.service.findings()

    assert "names version 9; signed was version 3" in finding.why
    assert room.service.findings("m") == (finding,)
    assert room.service.findings("other") == ()
    row = room.inventory.search(InventoryQuery()).items[0]
    assert (row.health, row.findings, row.live) == (Health.BREACH, 1, (("3", 90), ("4", 10)))
    assert finding in room.home(Role.SRE).todo
    assert finding in room.home(Role.AUDITOR).others


def test_an_alias_that_we_are_moving_is_no_finding(room: Room) -> None:
    room.deploy(alias_champion="9", alias_pending=True)

    assert room.service.findings() == ()


def test_a_served_version_that_left_the_registry_is_a_finding(room: Room) -> None:
    room.registry.versions = [a_version("m", 3), a_version("m", 2)]
    room.inventory.sync()
    room.registry.versions = [a_version("m", 2)]
    room.inventory.sync()
    room.deploy()

    assert "is gone from the registry" in room.service.findings()[0].title


def test_traffic_that_cannot_be_read_back_is_unknown_and_not_fine(room: Room) -> None:
    room.deploy(problem="The endpoint does not answer.")

    assert [item.state for item in room.service.findings()] == [Health.UNKNOWN]


def test_the_worker_is_dead_after_a_minute_of_silence(room: Room) -> None:
    assert room.service.operations().worker_alive is False
    room.put(ops.worker_heartbeat, worker_id="w", at=NOON - timedelta(seconds=60), started_at=NOON)
    assert room.service.operations().worker_alive is True

    room.clock.set(NOON + timedelta(seconds=1))

    assert room.service.operations().worker_alive is False
    assert "The worker is not running" in [item.title for item in room.home(Role.SRE).todo]


def test_operations_tell_ages_and_the_start_of_the_replay(room: Room) -> None:
    room.inventory.sync()
    room.put(ops.workspace_fact, name="replay_from", value="2030-10-02T00:00:00Z", at=NOON)

    found = room.service.operations()

    assert [sync.source for sync in found.syncs] == ["registry"]
    assert found.replay_from is not None
    assert found.replay_from.date() == date(2030, 10, 2)
    assert found.prepared_at is None


def test_the_timeline_joins_requests_traffic_and_versions_newest_first(room: Room) -> None:
    room.registry.versions = [a_version("m", 3)]
    room.inventory.sync()
    room.event()
    room.put(
        rollout.traffic_change, action_id="a", model="m", at=NOON + timedelta(hours=1), kind="rollback",
        routes='[["3", 100]]', champion="3", actor="Sam Lindqvist", reason="Too slow", seq=9,
    )  # fmt: skip

    events = room.service.timeline("m")

    assert [(event.kind, event.seq) for event in events] == [("rollback", 9), ("request", 7), ("version", None)]
    for seq, tag in ((11, "model-changed"), (12, "sign-in")):
        blank = dict.fromkeys(("actor", "actor_subject", "role", "subject", "searched", "leaf_hash"), "-")
        room.put(
            ledger.ledger_index, seq=seq, at=NOON + timedelta(hours=2), kind="event", event=f"event:{tag}", model="m",
            sentence="Dana Petrov filled in the fallback of m.", **blank,
        )  # fmt: skip
    assert [event.seq for event in room.service.timeline("m") if event.kind == "record"] == [11]
    assert len(room.service.timeline("m", limit=1)) == 1
    with pytest.raises(UnknownModelError):
        room.service.timeline("nobody")


def test_the_prepared_line_carries_drift_trend_and_owner(room: Room) -> None:
    random = np.random.default_rng(1)
    write_reference(room.facts, "m", pd.DataFrame({"x": random.normal(0, 1, 2000), "score": random.random(2000)}))
    for back in range(3):
        day = TODAY - timedelta(days=back)
        frame = pd.DataFrame({"x": random.normal(2, 1, 300)})
        write(room.facts, "predictions", "m", day, predictions(day, frame, random.random(300)))
    room.monitoring.refresh()

    assert room.service.refresh_summaries() == 1
    assert room.service.refresh_summaries() == 0

    row = room.inventory.search(InventoryQuery()).items[0]
    assert (row.drift.state, row.owner, len(row.drift_trend)) == (Health.BREACH, "Ben Okafor", 3)
    assert [item.target for item in room.home(Role.BUSINESS_OWNER, subject="ben.business").todo] == ["drift?model=m"]
    assert room.home(Role.BUSINESS_OWNER, subject="another owner").todo == ()


def test_the_prepared_line_judges_by_the_window_of_the_monitor(room: Room) -> None:
    """Three weeks that moved and a quiet one: red over the 28 days of the monitor, green over the last seven."""
    random = np.random.default_rng(1)
    room.monitoring.register_config((MonitoringConfig(model="m", current_days=(28,)),))
    write_reference(room.facts, "m", pd.DataFrame({"x": random.normal(0, 1, 2000), "score": random.random(2000)}))
    for back in range(28):
        day = TODAY - timedelta(days=back)
        frame = pd.DataFrame({"x": random.normal(0 if back < 7 else 2, 1, 300)})
        write(room.facts, "predictions", "m", day, predictions(day, frame, random.random(300)))
    room.monitoring.refresh()
    facts = BoardFacts(
        reliability=cast("Any", None), monitoring=room.monitoring, corrections=cast("Any", None),
        incident_desk=cast("Any", None), health=cast("Any", None),
    )  # fmt: skip

    room.service.refresh_summaries()

    assert room.inventory.search(InventoryQuery()).items[0].drift.state is Health.BREACH
    assert (facts.drift("m").window_days, facts.drift("m").signal.n) == (28, 28 * 300)


def test_no_finding_is_not_green_while_nobody_compares(room: Room) -> None:
    room.service.refresh_summaries()

    def tile() -> Any:
        return next(item for item in room.home(Role.AUDITOR).tiles if item.title == "Findings")

    assert (tile().state, tile().value) == (Health.UNKNOWN, "not known")
    room.put(ops.worker_heartbeat, worker_id="w", at=NOON, started_at=NOON)
    assert (tile().state, tile().value) == (Health.HEALTHY, "0")


def test_a_duty_nobody_carries_is_a_finding_that_leads_to_the_form(room: Room) -> None:
    room.stewards.gone = [
        Orphan(model="m", duty=duty_of("sre"), name="Gil Oben", sentence="Gil Oben is no longer here."),
        Orphan(model="m", duty=duty_of("cost_owner"), name="Gil Oben", sentence="Gil Oben is no longer here."),
    ]
    urgent, other = room.service.findings("m")

    assert (urgent.state, other.state) == (Health.BREACH, Health.WATCH)
    assert urgent.target == "model?name=m&show=metadata&fix=owner_sre"
    room.service.refresh_summaries()
    assert room.inventory.search(InventoryQuery()).items[0].findings == 1
    assert urgent in room.home(Role.COMPLIANCE).todo


def test_a_proposed_tier_is_work_for_whoever_may_decide_on_it(room: Room) -> None:
    by = Account(issuer="i", subject="dana", name="Dana Petrov")
    step = Step(by=by, role="data_science_lead", at=NOON, reason="why", salt="", seq=1, leaf_hash="")
    room.tiers.found = [
        Proposal(
            proposal_id="p", model="m", kind=ProposalKind.OVERRIDE, tier=1, was=2, computed=2, score="33.0",
            proposed=step,
        )
    ]  # fmt: skip

    (seen,) = room.home(Role.COMPLIANCE).todo
    assert (seen.title, seen.target) == ("Decide on the risk tier of m", "model?name=m&show=risk")
    assert room.home(Role.DATA_SCIENCE_LEAD, subject="dana").todo == ()


def test_reviews_overdue_and_coming_are_shown_to_everybody_with_their_reason(room: Room) -> None:
    late, soon, far = TODAY - timedelta(days=200), TODAY - timedelta(days=170), TODAY - timedelta(days=10)
    room.inventory.register_catalog(
        (a_model("late", last_review=late), a_model("soon", last_review=soon), a_model("far", last_review=far))
    )
    room.service.refresh_summaries()

    found = room.home(Role.AUDITOR).reviews
    assert [item.title for item in found] == ["Late: periodic review overdue", "Soon: periodic review"]
    assert "Regular review, every 180 days at tier 2." in found[0].why


def test_a_version_that_went_live_after_the_last_review_calls_for_one(room: Room) -> None:
    made = replace(a_version("m", 3), created_at=NOON - timedelta(days=3))
    room.registry.versions = [made]
    room.inventory.sync()
    room.deploy(champion="3")

    room.service.call_reviews()

    assert [(fact.model, fact.kind, fact.at) for fact in room.stewards.called] == [("m", "change", made.created_at)]


def test_money_at_risk_is_a_range_with_its_formula_and_its_payer() -> None:
    model = a_model("m")
    line = BenefitLine(
        title="t", quantity="q", unit_value="v", amount=Decimal(300), low=Decimal(200), high=Decimal(400), n=10,
        assumed="", explanation=Explanation(formula="f", source="the log", window="w", as_of=None, n=10),
    )  # fmt: skip
    day = CostDay(day=TODAY, compute=Decimal(0), storage=Decimal(0), serving=Decimal(0), predictions=5)
    idle = replace(day, predictions=0)
    value = ModelValue(
        model="m", title="M", currency="USD", window="w", days=(day, day, idle), cost=Decimal(0), predictions=10,
        cost_per_thousand=None, benefits=(line,), benefit=Decimal(300), net=None, measures=(), state=Health.HEALTHY,
        sentence="", cost_explanation=line.explanation,
    )  # fmt: skip

    found = impact(model, value)
    by_title = {item.title: (item.low, item.high) for item in found.lines}

    assert by_title["Errors"] == (Decimal("1.00"), Decimal("2.00"))  # 1 % of 100 to 200 a day
    assert by_title["Response time p95"] == (Decimal("5.00"), Decimal("10.00"))
    assert by_title["Drift (PSI), breach"] == (Decimal("0.00"), Decimal("50.00"))  # at most a quarter of the rows moved
    assert found.payer == "Ben Okafor"
    assert impact(model, replace(value, benefits=())).lines == ()
    assert "nobody can say" in impact(model, replace(value, benefits=())).problem


def _worked(room: Room) -> None:
    room.put(ops.worker_heartbeat, worker_id="w", at=NOON, started_at=NOON)


def test_an_engineer_is_told_which_releases_wait_and_nobody_else_is(room: Room) -> None:
    _worked(room)
    close = StepOffer(step="close-shadow", label="Close shadow", enabled=True)
    shadow = StepOffer(step="start-shadow", label="Start shadow", enabled=False, reason="A freeze window stands.")
    room.releases.found = [
        a_release(ReleaseState.PAUSED, hold_reason="No telemetry for 3 minutes."),
        a_release(ReleaseState.PLANNED, shadow),
        a_release(ReleaseState.SHADOW, close),
        a_release(ReleaseState.SHADOW),
    ]

    todo = room.home(Role.SRE).todo

    assert [(item.title, item.state) for item in todo] == [
        ("m version 4: its release is held", Health.BREACH),
        ("Close the shadow run of m version 4", Health.WATCH),
        ("Start the shadow run of m version 4", Health.WATCH),
    ]
    assert todo[0].why.startswith("No telemetry for 3 minutes.")
    assert todo[2].why.endswith("A freeze window stands.")
    assert {item.target for item in todo} == {"rollouts?model=m"}
    assert room.home(Role.COMPLIANCE).todo == ()


def test_an_engineer_is_told_which_batch_runs_nobody_reads(room: Room) -> None:
    _worked(room)
    room.batch.found = [
        a_run(BatchState.HELD, "The first output of this version."),
        a_run(BatchState.QUARANTINED, "Too few rows."),
    ]

    todo = room.home(Role.SRE).todo

    assert [(item.state, item.why) for item in todo] == [
        (Health.BREACH, "Version 4, withheld. Too few rows."),
        (Health.WATCH, "Version 4, held. The first output of this version."),
    ]
    assert {item.target for item in todo} == {"rollouts?model=m"}


@pytest.mark.parametrize(
    ("readiness", "title"),
    [(Health.BREACH, "Rehearse the fallback of m"), (Health.UNKNOWN, "Fallbacks never rehearsed: 1")],
)
def test_an_engineer_is_told_which_fallbacks_nobody_rehearsed(room: Room, readiness: Health, title: str) -> None:
    _worked(room)
    room.deploy(desired=json.dumps([["3", 90], ["4", 10]]))
    room.fallbacks.readiness, room.fallbacks.sentence = readiness, "Never drilled."

    [item] = [item for item in room.home(Role.SRE).todo if "allback" in item.title]

    assert (item.title, item.state) == (title, readiness)
