"""A control room made of memory: the same methods as the services, state you can read afterwards.

`FakeRoom(mode="full" | "empty" | "unavailable" | "broken")`; writes refuse like the real services, every write is
kept in `written`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from services.attestation.models import Receipt
from services.attestation.passkeys import RelyingParty
from services.audit.models import EntryView, Finding, LedgerQuery, LedgerRow, Verification
from services.inventory.copying import CopyState, ModelCopy
from services.inventory.models import InventoryCounts, InventoryQuery, InventorySort, SyncState
from services.inventory.sweeping import Coverage
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    ControlRoomError,
    PassphraseError,
    RegistryUnavailableError,
    RoleMissingError,
    StorageUnavailableError,
    TelemetryUnavailableError,
    UnknownModelError,
    UnknownRequestError,
)
from services.kernel.health import Health
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission, Role
from services.kernel.page import Page
from services.monitoring.recorded_schema import SchemaChange, SchemaWord
from services.notices.models import ChannelHealth, ChannelView, Notice, NoticeKind, NoticeQuery, Severity
from services.oversight.findings import of_jobs
from services.oversight.models import Home, Operations, Tile, TimelineEvent, TodoItem
from services.people.ceremonies import Ceremony, CeremonyKind, CeremonyState
from services.people.models import Delegation, Person, ViewRecord
from services.people.passkeys import Demand, Passkey
from services.rollout.job_findings import JobFinding
from services.rollout.models import (
    ActionKind,
    ActionState,
    ActionView,
    Advance,
    DeploymentView,
    Observed,
    RollBack,
    RollbackPlan,
    RollbackTarget,
    TrafficChange,
)
from tests.fakes import evaluation
from tests.fakes import room_promises as promises
from tests.fakes import room_sample as sample
from tests.fakes.harness import FakeHarness
from tests.fakes.performance import FakePerformance
from tests.fakes.reports import fake_reports
from tests.fakes.room_alerts import FakeAlerts
from tests.fakes.room_batches import FakeBatch, FakeFallbacks
from tests.fakes.room_data import FakeHandling, FakeRows
from tests.fakes.room_drift import FakeDrift
from tests.fakes.room_exceptional import FakeEmergency, FakeExceptions
from tests.fakes.room_feedback import FakeCorrections, FakeRetraining, FakeTrainingSets
from tests.fakes.room_gate import FakeRetirements, FakeReviews
from tests.fakes.room_governance import USE_CASES, FakeClassification, FakeStewardship, an_impact
from tests.fakes.room_incidents import FakeIncidents
from tests.fakes.room_monitors import FakeMonitors
from tests.fakes.room_policy import FakePolicy, FakePublishing
from tests.fakes.room_programme import FakeProgramme
from tests.fakes.room_promises import FakeDataHealth
from tests.fakes.room_release import FakeReleases, fake_endpoints
from tests.fakes.room_requests import FakeApprovals
from tests.fakes.room_sample import HOSTILE, NOW, at
from tests.fakes.room_value import FakeBoard, FakePortfolio, FakeStatements, what_if
from tests.fakes.room_vendor import a_vendor


@dataclass
class FakeRoom:
    """Wired like the real one: a field per service. All services here are views on this object."""

    mode: str = "full"
    refuse: ControlRoomError | None = None
    worker_alive: bool = True
    forbidden: frozenset[Permission] = frozenset()
    hostile: bool = False
    billed: bool = False
    """Cost is a platform's bill that was copied, and not use that was measured here."""
    written: list[Any] = field(default_factory=list)
    refused: list[Any] = field(default_factory=list)
    """Attempts the service turned down and would have recorded."""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    sessions: dict[str, Actor] = field(default_factory=dict)
    clock: FrozenClock = field(default_factory=lambda: FrozenClock(NOW))
    platform: Any = None
    """Where the platform says who people are; here they choose."""
    settings: Any = field(
        default_factory=lambda: SimpleNamespace(
            profile="embedded", currency="USD", home="demo", channels_file="demo/notify.yaml", has_test_panel=False
        )
    )
    approvals_open: bool = True
    views: list[tuple[str, str, str]] = field(default_factory=list)
    watch_fails: bool = False
    idle: set[str] = field(default_factory=set)
    signing: Any = None
    """What the policies ask of a signature beside the passphrase."""
    logins: Any = None
    """Set where people come through an identity provider."""
    coverage: Coverage | None = None
    """How complete the copy of the registry is, where it is copied model by model."""
    copies: dict[str, ModelCopy] = field(default_factory=dict)
    """Models whose registry facts were not read a moment ago."""
    job_findings: tuple[JobFinding, ...] = ()
    """What stands against decisions about deployment jobs."""
    unevaluated: set[str] = field(default_factory=lambda: {"2"})
    """Versions the harness never measured."""

    def __post_init__(self) -> None:
        self.people = FakePeople(self)
        self.delegations = FakeDelegations(self)
        self.keys = FakeKeys(self)
        self.passkeys = FakePasskeys(self)
        self.inventory = FakeInventory(self)
        self.approvals = FakeApprovals(self)
        self.rollout = FakeRollout(self)
        self.releases = FakeReleases(self)
        self.endpoints = fake_endpoints(self)
        self.oversight = FakeOversight(self)
        self.audit = FakeAudit(self)
        self.reports = fake_reports(self, hostile=HOSTILE)
        self.monitoring = FakeMonitoring(self)
        self.performance = FakePerformance(self)
        self.vendor = a_vendor(self.clock, column=HOSTILE if self.hostile else "distance")
        self.monitors = FakeMonitors(self)
        self.reliability = SimpleNamespace(
            sla=self.measured(lambda model, *, days=7: sample.sla_view(model, days)),
            error_budget=self.measured(sample.error_budget),
            months=self.measured(lambda model, *, back=12: promises.months(self, model, back)),
            endpoints=self.measured(lambda *, days=7: promises.endpoints(self, days)),
        )
        self.data_health = FakeDataHealth(self)
        self.value = FakeValue(self)
        self.statements = FakeStatements(self)
        self.board = FakeBoard(self)
        self.reviews = FakeReviews(self)
        self.retirements = FakeRetirements(self)
        self.portfolio = FakePortfolio(self)
        self.evaluation = SimpleNamespace(
            gates=self.measured(self._gates), detail=self.measured(self._detail), facts=self.measured(self._facts)
        )
        self.harness = FakeHarness(self)
        self.columns = SimpleNamespace()
        self.handling = FakeHandling(self)
        self.rows = FakeRows(self)
        self.policy = FakePolicy(self)
        self.publishing = FakePublishing(self)
        self.feedback = SimpleNamespace()
        self.corrections = FakeCorrections(self)
        self.training_sets = FakeTrainingSets(self)
        self.retraining = FakeRetraining(self)
        self.programme = FakeProgramme(self)
        self.ledger = SimpleNamespace()
        self.exceptions = FakeExceptions(self)
        self.stewardship = FakeStewardship(self)
        self.classification = FakeClassification(self)
        self.emergency = FakeEmergency(self)
        self.incidents = FakeIncidents(self)
        self.alerts = FakeAlerts(self)
        self.batch = FakeBatch(self)
        self.fallbacks = FakeFallbacks(self)
        self.notices = FakeNotices(self)

    def _gates(self, model: str, version: str) -> Any:
        return sample.BAD_REPORT if version == "5" else sample.GOOD_REPORT

    def _detail(self, model: str, version: str) -> Any:
        detail = sample.EVALUATION
        if not self.hostile:
            return detail
        rows = tuple(replace(row, attribute=HOSTILE, group=HOSTILE) for row in detail.groups)
        return replace(detail, groups=rows, problem=HOSTILE)

    def _facts(self, model: str, version: str) -> Any:
        if self.mode == "empty" or version in self.unevaluated:
            return evaluation.facts(model, version, None)
        changed = evaluation.hostile_sections(HOSTILE) if self.hostile else {}
        return evaluation.facts(model, version, evaluation.a_report(model, version, champion="3", **changed))

    def measured(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*args: Any, **given: Any) -> Any:
            if self.mode == "unavailable":
                raise TelemetryUnavailableError("The inference log cannot be read.", hint="Look at the worker's log.")
            return call(*args, **given)

        return ask

    def write(self, command: Any) -> Receipt:
        if self.refuse is not None:
            raise self.refuse
        if command.command_id in self.receipts:
            return replace(self.receipts[command.command_id], repeated=True)
        seq = 41 + len(self.written)
        receipt = Receipt(
            seq=seq, leaf_hash="ab12" * 16, root="cd34" * 16, size=seq + 1, checkpoint="c", key_id="k" * 64
        )
        self.written.append(command)
        self.receipts[command.command_id] = receipt
        return receipt

    def passphrase(self, actor: Actor, given: str) -> None:
        right = next(account.passphrase for account in sample.ACCOUNTS if account.subject == actor.subject)
        if given != right:
            raise PassphraseError("The passphrase did not open your key; 2 tries are left.", hint="Type it again.")

    def sign_in(self, subject: str) -> str:
        return self.people.open_session(self.people.sign_in_demo(subject))


class FakePeople:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def demo_accounts(self) -> tuple[Any, ...]:
        return sample.ACCOUNTS

    def sign_in_demo(self, subject: str) -> Actor:
        account = next((item for item in sample.ACCOUNTS if item.subject == subject), None)
        if account is None:
            raise RoleMissingError("There is no such account.", hint="Choose one of the cards.")
        return Actor(
            issuer="countersign:demo",
            subject=subject,
            name=account.name,
            role=account.role,
            session_id="s-1",
            signed_in_at=NOW,
        )

    def open_session(self, actor: Actor) -> str:
        token = f"token-{actor.subject}-{len(self._room.sessions)}"
        self._room.sessions[token] = actor
        return token

    def resume(self, token: str, *, active: bool = False) -> Actor | None:
        return None if token in self._room.idle else self._room.sessions.get(token)

    def why_ended(self, token: str) -> str:
        return "You were signed out after 30 minutes without activity." if token in self._room.idle else ""

    def newcomers(self) -> tuple[Person, ...]:
        return ()

    def standing(self, issuer: str, subject: str) -> Person | None:
        return next((person for person in self.people() if person.who == (issuer, subject)), None)

    def active_delegations(self, *, now: Any, role: str = "", to: Any = None) -> tuple[Delegation, ...]:
        return self._room.delegations.all()

    def record_view(self, actor: Actor, *, screen: str, about: str) -> None:
        if self._room.mode == "unavailable" and self._room.watch_fails:
            raise StorageUnavailableError("The governance database cannot be reached.")
        if actor.role is Role.AUDITOR:
            self._room.views.append((actor.subject, screen, about))

    def views(self, *, actor: Actor, subject: str = "", limit: int = 50, offset: int = 0) -> Page[ViewRecord]:
        items = tuple(
            ViewRecord(at=NOW, issuer="countersign:demo", subject=who, name="Otto Brandt", screen=screen, about=about)
            for who, screen, about in self._room.views
        )
        return Page(items=items, total=len(items), offset=offset, limit=limit)

    def sign_out(self, token: str) -> None:
        self._room.sessions.pop(token, None)

    def may(self, actor: Actor, permission: Permission) -> bool:
        return permission in ROLE_PERMISSIONS[actor.role] - self._room.forbidden

    def permissions(self, actor: Actor) -> frozenset[Permission]:
        return frozenset(ROLE_PERMISSIONS[actor.role] - self._room.forbidden)

    def require(self, actor: Actor, permission: Permission) -> None:
        if not self.may(actor, permission):
            raise RoleMissingError(f"{actor.name} may not do this.", hint="Ask somebody who may.")

    def people(self) -> tuple[Person, ...]:
        return tuple(
            Person(
                issuer="countersign:demo",
                subject=item.subject,
                name=item.name,
                roles=(item.role,),
                active=True,
                key_id="5e" * 32,
                key_locked_until=NOW + timedelta(minutes=5) if item.role is Role.SRE else None,
                key_created_at=NOW - timedelta(days=400 if item.role is Role.COMPLIANCE else 10),
                role_ends=((Role.AUDITOR, NOW + timedelta(days=30)),) if item.role is Role.AUDITOR else (),
            )
            for item in sample.ACCOUNTS
        )

    def holders(self, role: Role) -> tuple[Person, ...]:
        return tuple(person for person in self.people() if role in person.roles)


class FakeDelegations:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def all(self) -> tuple[Delegation, ...]:
        if self._room.mode == "empty":
            return ()
        return (
            Delegation(
                id="dlg-1",
                role="compliance_officer",
                from_issuer="countersign:demo",
                from_subject="clara.compliance",
                from_name="Clara Whitfield",
                to_issuer="countersign:demo",
                to_subject="vera.validator",
                to_name="Vera Lindholm",
                tier=2,
                since=NOW - timedelta(days=1),
                until=NOW + timedelta(days=13),
                reason=HOSTILE if self._room.hostile else "On leave.",
                seq=31,
                leaf_hash="ab" * 32,
                withdrawn_at=None,
            ),
        )

    def candidates(self, *, actor: Actor) -> tuple[Person, ...]:
        return tuple(person for person in self._room.people.people() if person.subject != actor.subject)

    def grant(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def withdraw(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)


class FakePasskeys:
    party = RelyingParty(id="localhost", origin="http://localhost:8501")

    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.held: tuple[Passkey, ...] = ()

    def own(self, *, actor: Actor) -> tuple[Passkey, ...]:
        return tuple(item for item in self.held if item.subject == actor.subject)

    def all_counting(self, *, actor: Actor) -> tuple[Passkey, ...]:
        return tuple(item for item in self.held if item.counts)

    def begin(self, *, actor: Actor) -> Demand:
        return Demand(nonce="ab" * 16, kind="create", options="{}", expires_at=NOW + timedelta(minutes=5))

    def enrol(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)


class FakeKeys:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def signers_needed(self) -> int:
        return 1

    def deployment_keys(self) -> tuple[tuple[str, str], ...]:
        return (("log", "1a" * 32), ("machine", "2b" * 32), ("service", "3c" * 32))

    def renewal_due(self, person: Person) -> bool:
        return person.key_created_at is not None and NOW - person.key_created_at > timedelta(days=365)

    def ceremonies(self, *, actor: Actor, open_only: bool = True) -> tuple[Ceremony, ...]:
        if self._room.mode == "empty":
            return ()
        return (
            Ceremony(
                id="key-1",
                kind=CeremonyKind.ROTATE,
                state=CeremonyState.ASKED,
                issuer="countersign:demo",
                subject="vera.validator",
                name=HOSTILE if self._room.hostile else "Vera Lindholm",
                detail={"keyid": "9f" * 32, "public": "00", "replaces": "5e" * 32},
                asked_by=("countersign:demo", "vera.validator"),
                asked_by_name="Vera Lindholm",
                asked_at=NOW - timedelta(hours=1),
            ),
        )

    def propose(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def sign(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def ask_for_key(self, command: Any, *, actor: Actor) -> Receipt:
        return self._room.write(command)

    def withdraw(self, ceremony_id: str, *, actor: Actor) -> Receipt:
        return self._room.write(SimpleNamespace(command_id=f"back-{ceremony_id}"))


class FakeInventory:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def _rows(self) -> tuple[Any, ...]:
        if self._room.mode == "empty":
            return ()
        rows = sample.inventory_rows()
        return (replace(rows[0], owner=HOSTILE, title=HOSTILE), *rows[1:]) if self._room.hostile else rows

    def search(self, query: InventoryQuery) -> Page[Any]:
        if self._room.mode == "unavailable":
            raise RegistryUnavailableError(
                "The model registry does not answer.", hint="It is asked again every minute."
            )
        words = query.text.lower()
        found = [
            row
            for row in self._rows()
            if (not words or words in f"{row.name} {row.title} {row.owner} {row.team} {row.use_case}".lower())
            and (not query.tiers or row.tier in query.tiers)
            and (not query.owners or row.owner in query.owners)
            and (not query.teams or row.team in query.teams)
            and (not query.use_cases or row.use_case in query.use_cases)
            and (not query.health or row.health in query.health)
        ]
        keys: dict[InventorySort, Callable[[Any], Any]] = {
            InventorySort.NAME: lambda row: row.name,
            InventorySort.TIER: lambda row: row.tier,
            InventorySort.HEALTH: lambda row: [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY].index(
                row.health
            ),
            InventorySort.OWNER: lambda row: row.owner,
            InventorySort.NEXT_REVIEW: lambda row: row.next_review,
            InventorySort.DRIFT: lambda row: -(row.drift.value or -1),
            InventorySort.COMPLETENESS: lambda row: row.completeness,
        }
        found.sort(key=keys[query.sort], reverse=query.descending)
        part = tuple(found[query.offset : query.offset + query.limit])
        return Page(items=part, total=len(found), offset=query.offset, limit=query.limit)

    def counts(self) -> InventoryCounts:
        if self._room.mode == "unavailable":
            raise RegistryUnavailableError("The inventory cannot be read.")
        rows = self._rows()
        return InventoryCounts(
            models=len(rows),
            in_production=sum(bool(row.live) for row in rows),
            by_health={state: sum(row.health is state for row in rows) for state in Health},
            by_tier={tier: sum(row.tier == tier for row in rows) for tier in (1, 2, 3)},
            reviews_overdue=sum(row.review_overdue for row in rows),
            owners=tuple(sorted({row.owner for row in rows})),
            teams=tuple(sorted({row.team for row in rows})),
            use_cases=tuple(sorted({row.use_case for row in rows})),
        )

    def use_cases(self) -> tuple[Any, ...]:
        return USE_CASES

    def model(self, name: str) -> Any:
        found = next((model for model in self.models() if model.name == name), None)
        if found is None:
            raise UnknownModelError(f"There is no model named {name}.", hint="Look for it in the list of models.")
        return replace(found, purpose=HOSTILE) if self._room.hostile else found

    def models(self) -> tuple[Any, ...]:
        return () if self._room.mode == "empty" else sample.MODELS

    def versions(self, name: str) -> tuple[Any, ...]:
        if self._room.mode == "unavailable":
            raise RegistryUnavailableError("The model registry does not answer.")
        return () if self.model(name).vendor else sample.some_versions(name)

    def version(self, name: str, number: str) -> Any:
        return next(item for item in self.versions(name) if item.version == number)

    def sync_state(self) -> SyncState:
        return self._room.oversight.operations().syncs[0]

    def coverage(self) -> Coverage | None:
        return self._room.coverage

    def copied(self, name: str) -> ModelCopy:
        return self._room.copies.get(name, ModelCopy(state=CopyState.READ, read_at=at(0.05)))


class FakeRollout:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def deployments(self) -> tuple[DeploymentView, ...]:
        if self._room.mode == "empty":
            return ()
        return tuple(self.deployment(row.name) for row in sample.inventory_rows() if row.live)

    def deployment(self, model: str) -> DeploymentView:
        row = next((row for row in sample.inventory_rows() if row.name == model), None)
        if row is None:
            raise UnknownModelError(f"There is no model named {model}.")
        canary = model == "delay_claim_score"
        away = self._room.mode == "unavailable"
        rolled = [item for item in self._room.written if isinstance(item, RollBack) and item.model == model]
        live = ((rolled[-1].target, 100),) if rolled else row.live
        served = (("2", 100),) if model == "plan_utilisation" else live
        return DeploymentView(
            model=model,
            deployment=model,
            kind=row.kind.value,
            desired=live,
            champion=live[0][0] if live else "",
            observed=None
            if away
            else Observed(deployment=model, generation=12, routes=served, ready=("3", "4"), op="act-1", at=at(0.02)),
            observed_at=at(0.02),
            problem="The endpoint did not answer within 2 seconds." if away else "",
            alias_champion="3",
            plan=(5, 10, 20, 100) if canary else (),
            candidate="4" if canary else None,
            next_share=20 if canary and not rolled else None,
            finding="The champion alias was moved outside Countersign." if model == "claims_triage" else "",
            live_since=at(240),
        )

    def history(self, model: str, limit: int = 50) -> tuple[TrafficChange, ...]:
        if self._room.mode == "empty":
            return ()
        return (
            TrafficChange(
                at=at(26),
                model=model,
                kind=ActionKind.START,
                routes=(("3", 90), ("4", 10)),
                champion="3",
                actor="Countersign",
                reason="release of req-0002",
                seq=34,
            ),
            TrafficChange(
                at=at(900),
                model=model,
                kind=ActionKind.ROLLBACK,
                routes=(("3", 100),),
                champion="3",
                actor="Sam Lindqvist",
                reason="Error rate too high: timeouts since 14:00",
                seq=21,
            ),
        )

    def actions(self, model: str = "", limit: int = 50) -> tuple[ActionView, ...]:
        return () if self._room.mode == "empty" else (self.action("act-1"),)

    def action(self, action_id: str) -> ActionView:
        return ActionView(
            action_id=action_id,
            model="delay_claim_score",
            kind=ActionKind.ROLLBACK,
            state=ActionState.APPLIED,
            from_version="4",
            to_version="3",
            routes=(("3", 100),),
            requested_by="Sam Lindqvist",
            created_at=NOW,
            finished_at=NOW,
            steps=(
                ("Order recorded", "entry 41"),
                ("Version ready", "v3 answers a direct probe"),
                ("Traffic switched", "generation 13"),
                ("Verified", "20 of 20 probes answered by v3"),
            ),
            detail="All traffic is on v3.",
            seq_intent=41,
            seq_outcome=42,
            restored_seconds=3.4,
        )

    def action_for(self, seq: int) -> ActionView | None:
        return self.action("act-1")

    def plan_rollback(self, model: str, *, actor: Actor) -> RollbackPlan:
        if Permission.ROLL_BACK not in ROLE_PERMISSIONS[actor.role]:
            raise RoleMissingError("Only a site reliability engineer may roll back.", hint="Call the person on duty.")
        return RollbackPlan(
            model=model,
            deployment=model,
            current=(("3", 90), ("4", 10)),
            targets=(
                RollbackTarget(version="5", eligible=False, reason="never approved", last_served=None),
                RollbackTarget(version="4", eligible=False, reason="serving now", last_served=NOW),
                RollbackTarget(version="3", eligible=True, reason="approved and served", last_served=at(1)),
                RollbackTarget(version="2", eligible=True, reason="approved and served", last_served=at(700)),
            ),
            proposed="3",
            requests_per_minute=41.5,
            consumers=("Claims portal", "Claims mobile app"),
            unchecked=(),
            challenge="ch-9",
        )

    def roll_back(self, command: RollBack, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def plan_advance(self, model: str, *, actor: Actor) -> str:
        return "ch-10"

    def advance(self, command: Advance, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)


class FakeOversight:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def home(self, actor: Actor) -> Home:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The summaries cannot be read.")
        if self._room.mode == "empty":
            return Home(greeting="Nothing waits for you.", tiles=(), todo=(), others=())
        return Home(
            greeting="Clara, 3 wait for your signature, 1 overdue, 2 other things need you.",
            tiles=(
                Tile(
                    title="Waiting for you",
                    value="1",
                    detail="due in 26 h",
                    state=Health.WATCH,
                    target="approvals?request=req-0001",
                ),
                Tile(
                    title="Models in breach",
                    value="1",
                    detail="of 5 models, since yesterday",
                    state=Health.BREACH,
                    target="inventory?health=breach",
                ),
                Tile(
                    title="Live models",
                    value="4",
                    detail="one release running",
                    state=Health.HEALTHY,
                    target="rollouts",
                ),
                Tile(
                    title="Reviews overdue",
                    value="1",
                    detail="claims_triage, since 26 Nov",
                    state=Health.WATCH,
                    target="model?name=claims_triage",
                ),
            ),
            todo=(
                *self.job_findings(),
                TodoItem(
                    title=HOSTILE if self._room.hostile else "Promote claims_triage v4 to production",
                    why=HOSTILE if self._room.hostile else "The validator has signed; two more are asked",
                    state=Health.WATCH,
                    due=NOW + timedelta(hours=26),
                    target="approvals?request=req-0001",
                ),
                TodoItem(
                    title="Drift is high in claim type mix",
                    why="claims_triage, PSI 0.31 over 7 days, n = 41,280",
                    state=Health.BREACH,
                    due=None,
                    target="drift?model=claims_triage",
                ),
            ),
            others=(
                TodoItem(
                    title="payout_forecast v6: changes requested",
                    why="Waits for Dana Petrov",
                    state=Health.UNKNOWN,
                    due=NOW - timedelta(hours=5),
                    target="approvals?request=req-0003",
                ),
            ),
            reviews=(
                TodoItem(
                    title="Claims triage: periodic review overdue",
                    why=HOSTILE if self._room.hostile else "Regular review, every 180 days at tier 1.",
                    state=Health.WATCH,
                    due=NOW - timedelta(days=4),
                    target="model?name=claims_triage&show=risk",
                ),
            ),
        )

    def job_findings(self, model: str = "") -> tuple[TodoItem, ...]:
        return of_jobs([item for item in self._room.job_findings if model in {"", item.model}])

    def impact(self, model: str) -> Any:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The inference log cannot be read.")
        return an_impact(model)

    def operations(self) -> Operations:
        away = self._room.mode == "unavailable"
        return Operations(
            worker_seen=at(0.01) if self._room.worker_alive else at(3),
            worker_alive=self._room.worker_alive,
            syncs=(
                SyncState(
                    source="registry",
                    last_success=at(0.05),
                    last_attempt=at(0.01),
                    error="connection refused" if away else "",
                ),
                SyncState(source="serving", last_success=at(0.02), last_attempt=at(0.02)),
            ),
            prepared_at=at(30),
            replay_from=at(180 * 24),
            environment="embedded",
            registry="sqlite",
        )

    def timeline(self, model: str, limit: int = 100) -> tuple[TimelineEvent, ...]:
        if self._room.mode == "empty":
            return ()
        return (
            TimelineEvent(
                at=at(30),
                kind="decision",
                title=HOSTILE if self._room.hostile else "Approved by Vera Lindholm",
                detail="version 4",
                seq=38,
            ),
            TimelineEvent(
                at=at(46), kind="request", title="Promotion of v4 requested", detail="by Dana Petrov", seq=36
            ),
            TimelineEvent(at=at(400), kind="action", title="v3 went live at 100 %", detail="plan 10, 100", seq=20),
        )

    def findings(self, model: str = "") -> tuple[TodoItem, ...]:
        if self._room.mode == "empty" or model not in {"", "claims_triage"}:
            return ()
        return (
            *self.job_findings(model),
            TodoItem(
                title=HOSTILE if self._room.hostile else "One input column has no tag",
                why="claims_triage: birth_year",
                state=Health.WATCH,
                due=None,
                target="model?name=claims_triage",
            ),
        )


class FakeAudit:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def _rows(self) -> list[LedgerRow]:
        if self._room.mode == "empty":
            return []
        kinds = ("genesis", "policy", "request", "decision", "action", "outcome", "event")
        tags = {"decision": "decision:approve", "event": "event:sign-off-refused", "outcome": "outcome:applied"}
        words = {
            "decision": "Vera Lindholm approved claims_triage v4",
            "event": "Dana Petrov tried to approve her own request; refused",
        }
        return [
            LedgerRow(
                seq=seq,
                at=at(2 * (40 - seq)),
                kind=kinds[seq % 7],
                event=tags.get(kinds[seq % 7], kinds[seq % 7]),
                actor="Vera Lindholm" if seq % 7 == 3 else "",
                role="validator" if seq % 7 == 3 else "",
                subject="models:/claims_triage/4",
                sentence=words.get(kinds[seq % 7], f"Entry of kind {kinds[seq % 7]} was recorded"),
                leaf_hash=f"{seq:02x}ab" * 16,
            )
            for seq in range(40, -1, -1)
        ]

    def entries(self, query: LedgerQuery) -> Page[LedgerRow]:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The ledger cannot be read.")
        found = [
            row
            for row in self._rows()
            if (not query.kinds or row.kind in query.kinds)
            and query.text.lower() in f"{row.sentence} {row.actor} {row.event}".lower()
        ]
        return Page(
            items=tuple(found[query.offset : query.offset + query.limit]),
            total=len(found),
            offset=query.offset,
            limit=query.limit,
        )

    def entry(self, seq: int) -> EntryView:
        row = next((row for row in self._rows() if row.seq == seq), None)
        if row is None:
            raise UnknownRequestError(f"There is no entry {seq}.", hint="The ledger ends earlier.")
        return EntryView(
            row=row,
            statement='{\n  "_type": "https://in-toto.io/Statement/v1"\n}',
            signatures=(("5e" * 32, "Vera Lindholm", True),),
            receipt="c2sp.org/tlog-proof@v1\nindex 12\n",
        )

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verification:
        if progress is not None:
            progress(20, 41)
            progress(41, 41)
        findings = (
            ()
            if self._room.mode != "broken"
            else (Finding(seq=12, severity="integrity", sentence="Entry 12: the payload was changed after signing."),)
        )
        return Verification(
            intact=not findings,
            entries=41,
            root="cd34" * 16,
            origin="demo/countersign/log-1",
            genesis="aa" * 32,
            findings=findings,
            seconds=0.41,
            anchors_checked=5,
            anchors_in_files=3,
            anchors_in_registry=2,
            registry_read_at=NOW,
            checked_at=NOW,
            checkpoint_size=41,
            broken_at=12 if findings else None,
            broken_field="actor" if findings else "",
        )


class FakeMonitoring(FakeDrift):
    def __init__(self, room: FakeRoom) -> None:
        super().__init__(room)
        self.performance = room.measured(sample.performance_view)
        self.job_runs = room.measured(lambda model, limit=60: sample.job_runs(model)[:limit])
        self.all_schema_changes = room.measured(lambda *, days: _column_changes(room, days))


def _column_changes(room: FakeRoom, days: int) -> tuple[tuple[str, SchemaChange], ...]:
    """None in an empty room; in every other one a column that was renamed, with a hostile name in a hostile one."""
    if room.mode == "empty":
        return ()
    name, day = HOSTILE if room.hostile else "region_code", NOW.date() - timedelta(days=3)
    sentence = f"Column region is gone since {day:%d %b %Y} and {name} of the same kind is new: it looks renamed."
    change = SchemaChange(
        day=day, column=name, change=SchemaWord.RENAMED, before="region", after=name, sentence=sentence
    )
    return (("delay_claim_score", change),) if days >= 3 else ()


class FakeValue:
    def __init__(self, room: FakeRoom) -> None:
        self._models = () if room.mode == "empty" else sample.MODELS
        self.model = room.measured(
            lambda name, *, days=90: sample.model_value(next(m for m in sample.MODELS if m.name == name))
        )
        self.what_if = room.measured(what_if)


class FakeNotices:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.read: set[str] = set()
        self.tested: list[str] = []

    def _all(self, actor: Actor) -> list[Notice]:
        if self._room.mode == "empty":
            return []
        hostile = HOSTILE if self._room.hostile else "Sign as compliance officer: Claims triage version 4"
        rows = [
            (NoticeKind.STEP_OPEN, Severity.AMBER, hostile, "approvals?request=req-0001&step=compliance_officer", 3),
            (NoticeKind.UNSIGNED_CHANGE, Severity.RED, "Unsigned change: delay_claim_score", "rollouts", 1),
            (NoticeKind.RELEASED, Severity.INFO, "Released: Payout forecast version 4", "rollouts", 40),
        ]
        return [
            Notice(
                notice_id=f"{number:016x}",
                kind=kind,
                severity=severity,
                at=at(hours),
                created_at=at(hours),
                title=title,
                why="Dana Petrov asked for it.",
                target=target,
                role=actor.role.value if number != 2 else "",
                model="claims_triage",
                request_id="req-0001",
                seq=36,
                read_at=NOW if f"{number:016x}" in self.read else None,
                done_at=None,
                done_when="Done when the signatures are there." if kind is not NoticeKind.RELEASED else "",
            )
            for number, (kind, severity, title, target, hours) in enumerate(rows)
        ]

    def mine(self, actor: Actor, query: NoticeQuery) -> Page[Notice]:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The governance database is busy.")
        found = [
            item
            for item in self._all(actor)
            if (not query.kinds or item.kind in query.kinds)
            and (not query.unread_only or item.read_at is None)
            and query.done == (item.read_at is not None and not item.done_when)
        ]
        part = tuple(found[query.offset : query.offset + query.limit])
        return Page(items=part, total=len(found), offset=query.offset, limit=query.limit)

    def unread(self, actor: Actor) -> int:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The governance database is busy.")
        return sum(item.read_at is None for item in self._all(actor))

    def kinds(self, actor: Actor) -> tuple[NoticeKind, ...]:
        return tuple(item.kind for item in self._all(actor))

    def mark_read(self, ids: tuple[str, ...], *, actor: Actor) -> int:
        self.read |= set(ids)
        return len(ids)

    def mark_all_read(self, actor: Actor) -> int:
        self.read |= {item.notice_id for item in self._all(actor)}
        return len(self.read)

    def channels(self, actor: Actor) -> tuple[ChannelView, ...]:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The governance database is busy.")
        if self._room.mode == "empty":
            return ()
        return (
            ChannelView(
                name="compliance-mail",
                transport="mail",
                whom=("compliance_officer",),
                health=ChannelHealth(name="compliance-mail", last_success=at(2)),
            ),
            ChannelView(
                name="operators",
                transport="Slack",
                whom=("sre", "sam.sre"),
                health=ChannelHealth(
                    name="operators",
                    failing_since=at(26),
                    error="The channel operators did not deliver: the service behind it answered with status 404.",
                    waiting=2,
                    given_up=1,
                ),
            ),
        )

    def faults(self) -> tuple[str, ...]:
        return ()

    def send_test(self, channel: str, *, actor: Actor) -> None:
        self.tested.append(channel)
