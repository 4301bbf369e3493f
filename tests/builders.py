"""Values with sensible defaults, and a world of the deciding slices on real SQLite, real keys and real ledger."""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

from services.adapters.files.policies import PolicyFolder
from services.adapters.signing.anchors import Anchors
from services.adapters.signing.desk import KeyDesk
from services.adapters.signing.files import NOWHERE_ELSE
from services.adapters.signing.sealing import Cost
from services.adapters.signing.webauthn import WebAuthn
from services.adapters.sql import migrations, protection
from services.adapters.sql.database import Database
from services.adapters.sql.evaluation_facts import SqlFacts
from services.adapters.sql.ledger import SqlLedger, SqlLedgerBook
from services.adapters.sql.passkeys import SqlPasskeys
from services.adapters.sql.people import SqlKeyStore, SqlPeople
from services.adapters.sql.policy import SqlPastDecisions, SqlPublishedPolicies
from services.adapters.sql.public_keys import SqlPublicKeys
from services.adapters.sql.schema import approvals, exceptions, ledger, ops, people, rollout  # noqa: F401 - tables
from services.adapters.sql.schema.base import metadata
from services.adapters.sql.setup import publish_policies
from services.adapters.sql.unit import SqlUnits
from services.approvals.models import Decision, QueueRow, SignOff, SubmitRequest
from services.approvals.service import ApprovalService
from services.attestation.models import Receipt
from services.attestation.passkeys import RelyingParty
from services.evaluation.service import EvaluationService
from services.exceptions.service import ExceptionService
from services.exceptions.terms import terms_of
from services.incidents.service import IncidentService
from services.inventory.governance import FactorLevel, RiskStanding
from services.inventory.models import (
    DatasetRef,
    DeploymentKind,
    GovernedModel,
    ModelVersion,
    Owner,
    SensitiveColumn,
    ServiceLevel,
    Task,
    Tier,
)
from services.inventory.service import InventoryService
from services.inventory.tiering import FACTORS, SHEET, assess
from services.kernel.clock import Clock, FrozenClock
from services.kernel.identity import Actor, Role
from services.kernel.secret import Secret
from services.ledger.attempts import RecordingDesk
from services.ledger.founding import NewPerson, found_log
from services.ledger.service import LedgerService
from services.people.accounts import DEMO_ACCOUNTS, DEMO_ISSUER
from services.people.ceremonies import CeremonyKind, ProposeChange
from services.people.delegations import DelegationService
from services.people.keys import KeyService
from services.people.passkey_enrolment import PasskeyService
from services.people.passkey_gate import PasskeyGate
from services.people.service import PeopleService
from services.policy.publishing import PublishingService
from services.policy.service import PolicyService
from services.rollout.attested import CheckedEntries
from services.rollout.batch_judging import BatchParts
from services.rollout.batch_models import BatchTerms
from services.rollout.batch_release import BatchReleaseService, next_batch
from services.rollout.emergency import EmergencyService
from services.rollout.emergency_review import delegate_pairs
from services.rollout.fallback import FallbackService
from services.rollout.models import RollBack
from services.rollout.outbox import OutboxRunner
from services.rollout.preconditions import Preconditions
from services.rollout.reconcile import Reconciler
from services.rollout.release_models import Release, SameDecision, StepCommand
from services.rollout.releases import ReleaseService
from services.rollout.service import RolloutService
from tests.contract import templates
from tests.fakes.batches import MemoryIncidents, MemoryJobs, MemoryOutputs, MemoryRunner
from tests.fakes.handling import QuietHandling
from tests.fakes.inventory import MemoryInventory
from tests.fakes.platform import FilePlatform
from tests.fakes.registry import FileRegistry
from tests.fakes.releases import Conditions, a_look

MODEL = "delay_claim_score"
NOON = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
CHEAP = Cost(memory_kib=64, passes=1, lanes=1)
PASSPHRASES = {account.subject: account.passphrase for account in DEMO_ACCOUNTS}
DOCUMENTS = Path(__file__).resolve().parents[1] / "services" / "policy" / "documents"
"""The policies a deployment is founded with."""


def _short_policies() -> Path:
    """The same policies, where tier 1 starts at 10 % without a shadow run: for tests of something else."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-policies-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for file in DOCUMENTS.glob("*.yaml"):
        lines = [line for line in file.read_text().splitlines() if not line.strip().startswith("shadow:")]
        text = "\n".join(lines).replace("realtime: [5, 10, 20, 100]", "realtime: [10, 100]")
        (folder / file.name).write_text(f"{text}\n")
    return folder


POLICIES = _short_policies()

GOOD_METRICS = {
    "holdout_auc": 0.74,
    "baseline_auc": 0.61,
    "holdout_ece": 0.02,
    "holdout_calibration_gap": 0.01,
    "holdout_brier": 0.14,
    "holdout_n": 5000.0,
}
GOOD_REPORT = {
    "format": "countersign.evaluation/2",
    "mode": "model",
    "metrics": {
        "unsafe_files": 0,
        "unpinned_dependencies": 0,
        "signature_problems": 0,
        "reproduced_difference": 0,
        "robust_missing_drop": 0.08,
        "holdout_age_days": 3,
        "served_error_rate": 0,
        "served_p95_ms": 40,
    },
    "intervals": {"holdout_auc": {"low": 0.72, "high": 0.76, "method": "DeLong"}},
    "checks": [
        {"id": name, "status": "done", "sentence": "Measured."}
        for name in ("files", "signature", "data", "performance", "missing", "latency", "leakage", "reproducibility")
    ],
    "slices": [
        {"attribute": "carrier", "group": "UA", "n": 3000, "rate": 0.2, "tpr": 0.6},
        {"attribute": "carrier", "group": "AA", "n": 1959, "rate": 0.18, "tpr": 0.58},
        {"attribute": "carrier", "group": "HA", "n": 41, "rate": 0.02, "tpr": 0.1},
    ],
    "suspects": [{"feature": "dep_delay", "auc": 0.71}],
    "availability": [
        {"feature": "dep_delay", "available": True},
        {"feature": "distance", "available": True},
    ],
}


def a_standing(level: int = 3, **changes: Any) -> RiskStanding:
    """A score sheet with the same level everywhere: 4 and 3 give tier 1, 2 gives tier 2, 1 gives tier 3."""
    levels = tuple(FactorLevel(factor=factor.id, level=level, evidence="Counted in March.") for factor in FACTORS)
    values: dict[str, Any] = {
        "sheet": SHEET,
        "levels": levels,
        "computed": assess(levels).tier,
        "assessed_by": "Dana Petrov",
        "assessed_at": datetime(2030, 1, 1, tzinfo=UTC),
    }
    return RiskStanding(**(values | changes))


def a_model(**changes: Any) -> GovernedModel:
    values: dict[str, Any] = {
        "name": MODEL,
        "title": "Delay claim score",
        "use_case": "Pay delay claims without a letter",
        "purpose": "Finds flights that will be an hour late.",
        "tier": Tier.ONE,
        "kind": DeploymentKind.REALTIME,
        "task": Task.CLASSIFICATION,
        "team": "Claims",
        "owners": (
            Owner(role="business_owner", subject="ben.business", name="Ben Okafor"),
            Owner(role="data_science_lead", subject="dana.datascience", name="Dana Petrov"),
            Owner(role="data_engineer", subject="dana.datascience", name="Dana Petrov"),
            Owner(role="sre", subject="sam.sre", name="Sam Lindqvist"),
            Owner(role="platform", subject="sam.sre", name="Sam Lindqvist"),
            Owner(role="compliance_officer", subject="clara.compliance", name="Clara Whitfield"),
            Owner(role="cost_owner", subject="ben.business", name="Ben Okafor"),
        ),
        "review_every_days": 90,
        "last_review": date(2030, 1, 1),
        "service_level": ServiceLevel(p95_ms=150.0, error_rate=0.01),
        "label": "Arrival at least 60 minutes late",
        "limits_of_use": "Not for cancelled flights",
        "fallback": "Manual claim form",
        "sensitive": (SensitiveColumn(name="member_age", category="PII", basis="contract"),),
        "lineage": (("flights", MODEL), (MODEL, "claims-portal")),
        "use_case_id": "delay-claims",
        "label_definition": "Actual minus scheduled arrival in minutes, final when the flight has landed.",
        "risk": a_standing(),
    }
    return GovernedModel(**(values | changes))


def a_version(number: str = "3", **changes: Any) -> ModelVersion:
    values: dict[str, Any] = {
        "model": MODEL,
        "version": number,
        "created_at": datetime(2030, 1, int(number) if number.isdecimal() else 1, tzinfo=UTC),
        "run_id": f"run{number}",
        "model_id": f"m-{number}",
        "source": f"models:/m-{number}",
        "status": "READY",
        "metrics": tuple(GOOD_METRICS.items()),
        "datasets": (
            DatasetRef(name="flights", digest="aa11", context="training"),
            DatasetRef(name="flights", digest="bb22", context="holdout"),
        ),
        "inputs": (("dep_delay", "double"), ("distance", "double")),
        "outputs": (("score", "double"),),
        "has_input_example": True,
    }
    return ModelVersion(**(values | changes))


def create_tables(database: Database) -> None:
    migrations.load_schema()
    metadata.create_all(database.writer_engine)
    with database.writer_engine.begin() as connection:
        protection.install(connection)


@dataclass(slots=True, kw_only=True)
class World:
    """The deciding slices wired as the container does, with state you can read afterwards."""

    clock: Clock
    database: Database
    units: SqlUnits
    people: PeopleService
    delegations: DelegationService
    keys: KeyService
    passkeys: PasskeyService
    ledger: LedgerService
    book: SqlLedgerBook
    policy: PolicyService
    publishing: PublishingService
    inventory: MemoryInventory
    registry: FileRegistry
    platform: FilePlatform
    evaluation: EvaluationService
    approvals: ApprovalService
    rollout: RolloutService
    batch: BatchReleaseService
    fallbacks: FallbackService
    jobs: MemoryJobs
    outputs: MemoryOutputs
    rerunner: MemoryRunner
    incident_desk: MemoryIncidents
    releases: ReleaseService
    asked: Conditions
    """What releases are asked for in this world, and what is measured of them; a test may change it."""
    exceptions: ExceptionService
    emergency: EmergencyService
    incidents: IncidentService
    runner: OutboxRunner
    desk: KeyDesk
    acts_as: dict[str, Role] = field(default_factory=dict)
    """Who was granted another role here, and acts in it."""

    def actor(self, subject: str) -> Actor:
        found = self.people.sign_in_demo(subject)
        return replace(found, role=self.acts_as.get(subject, found.role))

    def secret(self, subject: str) -> Secret:
        return Secret(PASSPHRASES[subject])

    def submit(self, version: str, *, model: str = MODEL, note: str = "Better.") -> Receipt:
        dana = self.actor("dana.datascience")
        draft = self.approvals.draft(model, version, actor=dana)
        return self.approvals.submit(
            SubmitRequest(
                command_id=secrets.token_hex(4),
                model=model,
                version=version,
                note=note,
                seen_evidence=draft.evidence_sha256,
                passphrase=self.secret("dana.datascience"),
            ),
            actor=dana,
        )

    def request_of(self, version: str, *, model: str = MODEL) -> QueueRow:
        return next(row for row in self.approvals.requests_of(model) if row.version == version)

    def sign_off(
        self, request_id: str, subject: str, decision: Decision, *, reason: str = "", comment: str = "", **changes: Any
    ) -> Receipt:
        actor = self.actor(subject)
        challenge = changes.pop("challenge", None)
        if challenge is None:
            challenge = self.approvals.open_review(request_id, actor=actor).challenge
        passphrase = changes.pop("passphrase", self.secret(subject))
        return self.approvals.sign_off(
            SignOff(
                command_id=secrets.token_hex(4),
                request_id=request_id,
                decision=decision,
                reason_code=reason,
                comment=comment,
                challenge=challenge,
                passphrase=passphrase,
            ),
            actor=actor,
        )

    def approve(self, version: str, *, model: str = MODEL) -> str:
        """Request and whole quorum; the action is queued, not yet carried out. Returns the request."""
        self.submit(version, model=model)
        request_id = self.request_of(version, model=model).request_id
        self.sign_off(request_id, "vera.validator", Decision.APPROVE)
        self.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
        self.sign_off(request_id, "clara.compliance", Decision.APPROVE)
        return request_id

    def release(self, version: str) -> str:
        """Approved, started and, if its plan has steps, advanced to everything."""
        from services.rollout.models import Advance

        request_id = self.approve(version)
        self.runner.run_pending()
        while (view := self.rollout.deployment(MODEL)).next_share is not None:
            self.measure(MODEL)
            sam = self.actor("sam.sre")
            self.rollout.advance(
                Advance(
                    command_id=secrets.token_hex(4),
                    model=MODEL,
                    share=view.next_share,
                    challenge=self.rollout.plan_advance(MODEL, actor=sam),
                    passphrase=self.secret("sam.sre"),
                ),
                actor=sam,
            )
        return request_id

    def measure(self, model: str = MODEL, **changes: Any) -> None:
        """The watcher looked at the running release and, unless said otherwise, sees nothing against it."""
        with self.units.write() as unit:
            release = unit.releases.running_release(model)
            assert release is not None
            unit.releases.save_analysis(a_look(release, at=self.clock.now(), **changes))

    def take(self, step: str, *, subject: str = "sam.sre", model: str = MODEL, **changes: Any) -> Receipt:
        """One signed step of the release on its way."""
        actor = self.actor(subject)
        view = self.releases.view(model)
        assert view is not None
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "model": model,
            "release_id": view.release.release_id,
            "step": step,
            "reason": "",
            "passphrase": self.secret(subject),
        }
        if "challenge" not in changes:
            changes["challenge"] = self.releases.plan(step, model, actor=actor)
        return self.releases.take(StepCommand(**(values | changes)), actor=actor)

    def on_its_way(self, model: str = MODEL) -> Release:
        """The running or newest release."""
        view = self.releases.view(model)
        assert view is not None
        return view.release

    def a_rollback(self, target: str, **changes: Any) -> RollBack:
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "model": MODEL,
            "target": target,
            "reason_code": "ERRORS",
            "reason": "Too many errors since noon.",
            "model_confirmation": MODEL,
            "challenge": "",
            "passphrase": self.secret("sam.sre"),
        }
        if not changes.get("challenge"):
            changes["challenge"] = self.rollout.plan_rollback(MODEL, actor=self.actor("sam.sre")).challenge
        return RollBack(**(values | changes))

    def grant(self, subject: str, role: Role) -> None:
        """One more role for somebody, signed by an administrator; from now on he acts in it."""
        person = next(item for item in self.people.people() if item.subject == subject)
        self.keys.propose(
            ProposeChange(
                command_id=f"grant-{subject}",
                kind=CeremonyKind.GRANT,
                subject=subject,
                name=person.name,
                role=role,
                passphrase=self.secret("ada.admin"),
            ),
            actor=self.actor("ada.admin"),
        )
        self.acts_as[subject] = role

    def entries(self, event: str) -> int:
        """How many ledger entries carry this event tag."""
        from sqlalchemy import func, select

        with self.database.read() as connection:
            table = ledger.ledger_index
            return connection.execute(select(func.count()).where(table.c.event == event)).scalar_one()


def a_world(
    folder: Path,
    *,
    clock: Clock | None = None,
    url: str = "",
    versions: tuple[str, ...] = ("1", "2", "3"),
    profile: str = "embedded",
    policies: Path = POLICIES,
    after_step: Callable[[str], None] = lambda _step: None,
    sleep: Callable[[float], None] = lambda _seconds: None,
    serving: Any = None,
    key_places: Mapping[str, str] = NOWHERE_ELSE,
    origin: str = "http://localhost:8501",
    more_people: tuple[NewPerson, ...] = (),
) -> World:
    """A founded workspace in `folder`; opening the same folder again continues it.

    `serving` is any other ServingPlatform in place of the one in a file; `key_places` where next keys are held;
    `more_people` are enrolled beside those of the demonstration.
    """
    clock = clock or FrozenClock(NOON)
    database = Database(url or f"sqlite:///{folder / 'governance.db'}")
    fresh = not (folder / "keys").exists()
    if fresh:
        _found(database, folder, clock, profile=profile, url=url, policies=policies, more_people=more_people)
    desk = KeyDesk(SqlKeyStore(database), folder / "keys", clock, cost=CHEAP, places=key_places)
    book = SqlLedgerBook(database, desk, clock)
    inventory = MemoryInventory((a_model(),), tuple(a_version(number) for number in versions))
    registry = FileRegistry(folder / "registry.json")
    if fresh:
        for number in versions:
            registry.add_version(MODEL, number, content=f"weights {number}", report=GOOD_REPORT)
    platform = serving or FilePlatform(folder / "platform.json")
    return _wired(
        clock, database, desk, book, inventory, registry, policies, after_step, sleep, platform, folder, origin
    )


def _found(
    database: Database,
    folder: Path,
    clock: Clock,
    *,
    profile: str,
    url: str,
    policies: Path,
    more_people: tuple[NewPerson, ...],
) -> None:
    """A log of its own where the caller named a database, a time, policies or people; else a copy of one made once."""
    usual = isinstance(clock, FrozenClock) and clock.now() == NOON and policies in {POLICIES, DOCUMENTS}
    if url or more_people or not usual:
        _found_log(database, folder, clock, profile, policies, more_people)
        return

    def make(home: Path) -> None:
        made = Database(f"sqlite:///{home / 'governance.db'}")
        _found_log(made, home, FrozenClock(NOON), profile, policies)
        made.dispose()

    templates.copied(f"world {profile} {'as shipped' if policies == DOCUMENTS else 'short'}", folder, make)


def _found_log(
    database: Database,
    folder: Path,
    clock: Clock,
    profile: str,
    policies: Path,
    more_people: tuple[NewPerson, ...] = (),
) -> None:
    create_tables(database)
    desk = KeyDesk.create(SqlKeyStore(database), folder / "keys", clock, deployment="test", cost=CHEAP)
    newcomers = tuple(
        NewPerson(
            issuer=DEMO_ISSUER,
            subject=account.subject,
            name=account.name,
            roles=(account.role,),
            passphrase=Secret(account.passphrase),
        )
        for account in DEMO_ACCOUNTS
    )
    newcomers += more_people
    book = SqlLedgerBook(database, desk, clock)
    found_log(desk, book.writing, clock=clock, profile=profile, people=newcomers)
    publish_policies(database, desk, PolicyFolder(policies).texts().values(), clock=clock, people=newcomers)


def _serves(units: SqlUnits, model: str) -> bool:
    with units.read() as unit:
        row = unit.rollouts.deployment(model)
    return row is not None and bool(row.desired)


def _wired(
    clock: Clock,
    database: Database,
    desk: KeyDesk,
    book: SqlLedgerBook,
    inventory: MemoryInventory,
    registry: FileRegistry,
    policies: Path,
    after_step: Callable[[str], None],
    sleep: Callable[[float], None],
    platform: FilePlatform,
    folder: Path,
    origin: str,
) -> World:
    ledger_service = LedgerService(book=book, desk=desk, keys=desk, clock=clock, anchors=Anchors(folder / "anchors"))
    store = SqlPeople(database)
    people_service = PeopleService(store=store, ledger=ledger_service, clock=clock, demo=DEMO_ACCOUNTS)
    signing = RecordingDesk(desk, ledger_service)
    units = SqlUnits(database, lambda connection: SqlLedger(connection, desk, clock))
    attested = CheckedEntries(
        reader=book,
        service_key=desk.service_key,
        person_keys=SqlPublicKeys(database),
        machine_key=desk.machine_key,
    )
    policy = PolicyService(published=SqlPublishedPolicies(database), entries=attested, documents=PolicyFolder(policies))
    typed = cast(InventoryService, inventory)
    evaluation = EvaluationService(
        inventory=typed,
        policy=policy,
        facts=SqlFacts(database),
        registry=registry,
        clock=clock,
        handling=QuietHandling(),
        # The registry of these tests holds what their author wrote, so its reports count as ours.
        vouches=lambda _model, _version, _sha256: True,
        active_people=lambda: frozenset(who.subject for who in people_service.people() if who.active and who.roles),
    )
    evaluation.refresh()
    exceptional = ExceptionService(
        units=units,
        people=people_service,
        ledger=ledger_service,
        desk=signing,
        attestations=attested,
        terms_of=lambda model: terms_of(policy.for_model(typed.model(model)).document, task="classification"),
        clock=clock,
    )
    passkey_store, protocol = SqlPasskeys(database), WebAuthn()
    party = RelyingParty(id="localhost", origin=origin)
    gate = PasskeyGate(ledger=ledger_service, store=passkey_store, protocol=protocol, clock=clock, party=party)
    asked = Conditions()
    approving = ApprovalService(
        units=units,
        people=people_service,
        ledger=ledger_service,
        inventory=typed,
        evaluation=evaluation,
        policy=policy,
        desk=signing,
        attestations=attested,
        passkeys=gate,
        clock=clock,
        exceptions=exceptional,
        hindrance=lambda model, version: preconditions.hindrance(model, version, first=not _serves(units, model)),
        job=lambda governed: asked.job(governed),  # noqa: PLW0108 - a test replaces it later
    )

    def standing(model: str, version: str) -> str:
        status = approving.approved(model, version)
        return "" if status.valid else status.reason

    runner = OutboxRunner(
        units=units,
        serving=platform,
        registry=registry,
        attestations=attested,
        standing=standing,
        desk=signing,
        clock=clock,
        after_step=after_step,
        sleep=sleep,
    )
    preconditions = Preconditions(
        people=people_service,
        inventory=typed,
        armed=asked.armed,
        frozen=asked.frozen,
        standing=standing,
        shadow=asked,
        stage_rules=asked.stage_rules,
        judgement=lambda _model: SameDecision(threshold=0.31, recorded=True),
        clock=clock,
    )
    jobs, outputs, incident_desk = MemoryJobs(), MemoryOutputs(), MemoryIncidents()
    rerunner = MemoryRunner(outputs)
    rollout_service = RolloutService(
        units=units,
        people=people_service,
        ledger=ledger_service,
        inventory=typed,
        desk=signing,
        serving=platform,
        runner=runner,
        reconciler=Reconciler(
            units=units,
            serving=platform,
            inventory=typed,
            registry=registry,
            attestations=attested,
            desk=signing,
            clock=clock,
        ),
        attestations=attested,
        preconditions=preconditions,
        clock=clock,
        inline_seconds=0.5,
        next_batch=lambda model: next_batch(units, model),
    )
    return World(
        clock=clock,
        database=database,
        units=units,
        people=people_service,
        delegations=DelegationService(
            units=units, store=store, people=people_service, ledger=ledger_service, desk=signing, clock=clock
        ),
        keys=KeyService(
            units=units, people=people_service, ledger=ledger_service, desk=signing, maker=desk, clock=clock
        ),
        passkeys=PasskeyService(
            units=units,
            people=people_service,
            ledger=ledger_service,
            store=passkey_store,
            protocol=protocol,
            clock=clock,
            gate=gate,
        ),
        ledger=ledger_service,
        book=book,
        policy=policy,
        publishing=PublishingService(
            units=units,
            people=people_service,
            ledger=ledger_service,
            desk=signing,
            past=SqlPastDecisions(database),
            clock=clock,
        ),
        inventory=inventory,
        registry=registry,
        platform=platform,
        evaluation=evaluation,
        approvals=approving,
        rollout=rollout_service,
        batch=BatchReleaseService(
            parts=BatchParts(
                units=units,
                inventory=typed,
                desk=signing,
                jobs=jobs,
                outputs=outputs,
                terms_of=lambda model: BatchTerms(unattended_release=int(inventory.model(model).tier) > 1),
                clock=clock,
                runner=rerunner,
                incidents=incident_desk,
            ),
            people=people_service,
            ledger=ledger_service,
            targets_of=rollout_service.targets,
        ),
        fallbacks=FallbackService(
            units=units,
            people=people_service,
            ledger=ledger_service,
            inventory=typed,
            desk=signing,
            serving=platform,
            clock=clock,
            incidents=incident_desk,
        ),
        jobs=jobs,
        outputs=outputs,
        rerunner=rerunner,
        incident_desk=incident_desk,
        releases=ReleaseService(
            units=units,
            people=people_service,
            ledger=ledger_service,
            inventory=typed,
            desk=signing,
            runner=runner,
            attestations=attested,
            preconditions=preconditions,
            clock=clock,
            inline_seconds=0.5,
        ),
        asked=asked,
        exceptions=exceptional,
        emergency=EmergencyService(
            units=units,
            people=people_service,
            ledger=ledger_service,
            inventory=typed,
            desk=signing,
            serving=platform,
            runner=runner,
            delegates=lambda now: delegate_pairs(people_service.active_delegations(now=now)),
            review_days=lambda model: policy.for_model(typed.model(model)).document.review_days,
            clock=clock,
            inline_seconds=0.5,
        ),
        incidents=IncidentService(
            units=units, people=people_service, ledger=ledger_service, catalog=typed, desk=signing, clock=clock
        ),
        runner=runner,
        desk=desk,
    )
