"""The only wiring: which adapter fills which port. Eager, frozen, shared by all sessions and threads.

Production choices by default; any outside port may be given by name, so a test replaces a part, not a patch.
MLflow is never imported here: its adapter loads it when it is first asked, which is in the worker.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from services import databases, inference_tables, key_bundle, on_databricks, signing_in
from services.adapters.databricks.lakeflow import LakeflowRuns
from services.adapters.databricks.statements import Warehouse, workspace
from services.adapters.databricks.unity import UnityLineage
from services.adapters.files.access import AccessFile
from services.adapters.files.billing import BillingFile
from services.adapters.files.offline import OfflineJournal, OfflineTargetsFile
from services.adapters.files.packs import PackFiles
from services.adapters.files.policies import PolicyFolder
from services.adapters.local.batch_rerun import LocalBatchRunner
from services.adapters.local.estate.declared import ACCESS_FILE, DeclaredCatalog
from services.adapters.local.serving import LocalServing
from services.adapters.local.unconnected import UnconnectedServing
from services.adapters.mlflow.artifacts import RunFiles
from services.adapters.mlflow.holdouts import RunHoldouts
from services.adapters.mlflow.narrator import ChatNarrator
from services.adapters.mlflow.registry import MlflowRegistry
from services.adapters.mlflow.runner import ScoringModels
from services.adapters.mlflow.source import ModelSource
from services.adapters.mlflow.training_sets import MlflowTrainingSets
from services.adapters.notify.channels import ConfiguredChannels
from services.adapters.notify.courier import AppriseCourier
from services.adapters.signing.anchors import Anchors
from services.adapters.signing.desk import EMBEDDED, PRODUCTION, KeyDesk
from services.adapters.signing.machine_seal import MachineSeal
from services.adapters.signing.webauthn import WebAuthn
from services.adapters.sql import heads
from services.adapters.sql.billing import BilledUsage, SqlRequestVolume
from services.adapters.sql.corrections import SqlCorrectionReads
from services.adapters.sql.data_health import SqlDataHealth
from services.adapters.sql.database import Database
from services.adapters.sql.evaluation_facts import SqlFacts
from services.adapters.sql.evidence import SqlPackFacts
from services.adapters.sql.feedback import SqlFeedback
from services.adapters.sql.harness import SqlHarness
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.ledger import SqlLedger, SqlLedgerBook
from services.adapters.sql.ledger_index import SqlLedgerIndex
from services.adapters.sql.lineage import SqlLineage
from services.adapters.sql.migrations import require_known_revision
from services.adapters.sql.mirror import SqlMirror
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.monitors import SqlMonitorsInForce
from services.adapters.sql.notice_facts import SqlNoticeFacts
from services.adapters.sql.notices import SqlNoticeOutbox, SqlNotices
from services.adapters.sql.ops import SqlOps
from services.adapters.sql.oversight import SqlOversight
from services.adapters.sql.passkeys import SqlPasskeys
from services.adapters.sql.people import SqlKeyStore, SqlPeople
from services.adapters.sql.performance import SqlPerformance
from services.adapters.sql.policy import SqlPastDecisions, SqlPublishedPolicies
from services.adapters.sql.programme import SqlProgramme
from services.adapters.sql.public_keys import SqlPublicKeys
from services.adapters.sql.registry_anchors import SqlRegistryAnchors
from services.adapters.sql.reliability import SqlReliability
from services.adapters.sql.retention import SqlAccessLog, SqlDisposalUnits
from services.adapters.sql.retraining import SqlRetraining
from services.adapters.sql.training_sets import SqlTrainingSets
from services.adapters.sql.unit import SqlUnits
from services.adapters.sql.value import SqlValue
from services.adapters.sql.value_portfolio import SqlPortfolio
from services.adapters.sql.value_statements import SqlStatementsInForce
from services.adapters.sql.vendor import SqlVendor
from services.adapters.warehouse.batch_jobs import DuckDbJobLog
from services.adapters.warehouse.batch_outputs import ParquetOutputs
from services.adapters.warehouse.catalog_tables import CatalogTableFacts, CatalogTableRows
from services.adapters.warehouse.corrections import ReviewParquet
from services.adapters.warehouse.databricks_performance import DatabricksPerformanceFacts
from services.adapters.warehouse.databricks_profiling import DatabricksProfiling
from services.adapters.warehouse.databricks_sql import DatabricksMonitoringFacts, WarehouseTable
from services.adapters.warehouse.feedback import DuckDbReviewFacts
from services.adapters.warehouse.inputs import DuckDbInputLog
from services.adapters.warehouse.last_scores import LastScores
from services.adapters.warehouse.mapped import MappedFacts
from services.adapters.warehouse.mapped_performance import MappedPerformance
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.adapters.warehouse.payload_answers import RoutedPredictionLog
from services.adapters.warehouse.performance import DuckDbPerformanceFacts
from services.adapters.warehouse.predictions import DuckDbPredictionLog
from services.adapters.warehouse.reliability import DuckDbRequestFacts
from services.adapters.warehouse.routed import (
    RoutedFacts,
    RoutedPerformance,
    RoutedRequests,
    RoutedShadow,
    RoutedTableFacts,
    RoutedTableRows,
    RoutedTelemetry,
)
from services.adapters.warehouse.shadow import DuckDbShadowFacts
from services.adapters.warehouse.small_cells import DuckDbCells
from services.adapters.warehouse.source_reader import EstateReader
from services.adapters.warehouse.sources import Estates
from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.system_tables import DatabricksSystemTables, Wanted
from services.adapters.warehouse.table_checks import DuckDbTableFacts
from services.adapters.warehouse.table_rows import DuckDbTableRows
from services.adapters.warehouse.telemetry import DuckDbTelemetry
from services.adapters.warehouse.value import DuckDbUsageFacts
from services.alerts import sources as alert_sources
from services.alerts.answering import Answering, Levels
from services.alerts.models import AlertKind, Condition
from services.alerts.service import AlertService, Quiet
from services.alerts.stakes import Stakes
from services.approvals.models import Purpose, SubmitRequest
from services.approvals.records import DecisionRecord
from services.approvals.retiring import QUIET_DAYS
from services.approvals.service import ApprovalService
from services.audit import retention
from services.audit.chronicle import Chronicle
from services.audit.keeping import RetentionService
from services.audit.pack.service import PackService
from services.audit.reports import ReportService
from services.audit.samples import SampleService
from services.audit.service import AuditService
from services.audit.shelves import Shelves
from services.data_health.catalog import CatalogLineage
from services.data_health.service import KEEP_DAYS, DataHealthService
from services.evaluation.harness.models import Incident, Spent
from services.evaluation.harness.service import HarnessService
from services.evaluation.service import EvaluationService
from services.evaluation.supplied import of_supplier
from services.exceptions.models import ExceptionTerms
from services.exceptions.service import ExceptionService
from services.exceptions.terms import terms_of
from services.feedback.correction_service import CorrectionService
from services.feedback.retraining import Cadence
from services.feedback.retraining_service import Draft, Drifting, RetrainingService
from services.feedback.service import FeedbackService
from services.feedback.training_set_service import TrainingSetService
from services.incidents import lessons
from services.incidents.service import IncidentService
from services.inventory import vendors
from services.inventory.classification import ClassificationService
from services.inventory.columns import ColumnService
from services.inventory.handling import DataHandling
from services.inventory.lineage import LineageGraph
from services.inventory.lineage_sources import JoinedLineage, Way
from services.inventory.models import DeploymentKind, GovernedModel, ServiceLevel, Task
from services.inventory.owners import Orphan
from services.inventory.ports import ModelRegistry
from services.inventory.rows import RowService
from services.inventory.service import InventoryService
from services.inventory.stewardship import StewardshipService
from services.kernel.clock import Clock, OffsetClock, SystemClock, from_utc_text
from services.kernel.errors import (
    ControlRoomError,
    InvalidPolicyError,
    SettingsError,
    StorageUnavailableError,
    TrustError,
    UnknownModelError,
)
from services.kernel.health import Health
from services.kernel.identity import Actor
from services.kernel.remembered import remembered
from services.kernel.secret import Secret
from services.ledger.attempts import RecordingDesk
from services.ledger.ports import RegistryTags, TagPlace
from services.ledger.registry_anchoring import RegistryAnchoring
from services.ledger.registry_anchors import RegistryAnchors
from services.ledger.service import LedgerService
from services.mirror.service import MirrorService
from services.mirror.sources import USAGE, chosen
from services.monitoring.cube_refresh import CubeRefresh
from services.monitoring.monitor_service import MonitorService
from services.monitoring.performance_models import LabelSource, PerformanceQuery, ValuePerDecision
from services.monitoring.performance_service import PerformanceService
from services.monitoring.ports import MonitoringFacts, PerformanceFacts, ReviewCount
from services.monitoring.profile import SCORE, column_and_value
from services.monitoring.proposing import Worth
from services.monitoring.service import MonitoringService
from services.monitoring.vendor_service import VendorService, VendorSource
from services.notices import quiet as quiet_hours
from services.notices.models import Severity
from services.notices.others import OtherFacts
from services.notices.ports import Channels
from services.notices.service import NoticeService
from services.oversight.board import BoardFacts, ValueBoard
from services.oversight.board_money import Unallocated
from services.oversight.service import OversightService
from services.people.delegations import DelegationService
from services.people.keys import KeyService
from services.people.passkey_enrolment import PasskeyService
from services.people.passkey_gate import PasskeyGate
from services.people.platform_sign_in import PlatformSignIn
from services.people.service import PeopleService
from services.people.sign_in import OidcSignIn
from services.policy.evaluation import evaluate
from services.policy.evidence import Evidence
from services.policy.freeze import active_freeze, until_words
from services.policy.models import GateReport, PolicyRef
from services.policy.publishing import PublishingService
from services.policy.schema import PolicyDocument, RetrainingLine, ReturnLine
from services.policy.service import PolicyService
from services.programme.gathering import Gatherer, Sources
from services.programme.service import ProgrammeService
from services.reliability.service import ReliabilityService
from services.rollout.arming import Arming
from services.rollout.attested import CheckedEntries
from services.rollout.batch_judging import BatchParts
from services.rollout.batch_models import BatchTerms
from services.rollout.batch_ports import BatchRunner
from services.rollout.batch_release import BatchReleaseService, next_batch
from services.rollout.burning import BurnAlerts
from services.rollout.deployment_jobs import DeploymentApprovals
from services.rollout.emergency import EmergencyService
from services.rollout.emergency_review import delegate_pairs
from services.rollout.endpoints import EndpointService, PlainSight
from services.rollout.fallback import FallbackService
from services.rollout.fallback_rules import impaired
from services.rollout.judging import SequentialJudge
from services.rollout.last_good import LastGood
from services.rollout.models import ActionKind
from services.rollout.offline_entry import Offline
from services.rollout.outbox import OutboxRunner
from services.rollout.ports import ApprovalStanding, ServingPlatform
from services.rollout.preconditions import Preconditions
from services.rollout.reconcile import Reconciler
from services.rollout.release_models import SameDecision
from services.rollout.release_ports import Armed, IncidentDesk, Telemetry
from services.rollout.releases import ReleaseService
from services.rollout.retirement import RetirementService
from services.rollout.retirement_models import RETENTION_CLASS, Counted, Retirement, TrafficFacts
from services.rollout.service import RolloutService
from services.rollout.serving_ports import ServedEntities
from services.rollout.shadow import JudgedShadow
from services.rollout.signed_plan import SignedPlans
from services.rollout.stages import stage_rules
from services.rollout.watch import Watcher
from services.rollout.watch_acts import WatchActs
from services.settings import InferenceTable, Profile, Settings
from services.value.agreed import Agreed
from services.value.calculation import EVALUATION, FEATURES
from services.value.gate import Gate, RetireModel, Review
from services.value.models import DataAge, Rates
from services.value.portfolio import WINDOW_DAYS
from services.value.portfolio_service import PortfolioService
from services.value.review_service import ReviewService
from services.value.service import ValueService
from services.value.statement_service import StatementService

WATCHED = "worker:watch"
"""Name under which the worker records that it looked at the running releases."""
_LISTED = timedelta(minutes=1)
"""What is served and which models are traced is asked once in so long, however many models there are."""
_TICK = 60
"""Seconds by which requests are counted after a model was switched off."""
_INCIDENTS = 200
"""Actions of a model that are looked through for what went wrong before."""


class Registry(ModelRegistry, RegistryTags, Protocol):
    """Everything that is asked of the registry, by whichever service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRoom:
    """One field per service; keeps ports and factories only, never a session, a person or a cursor."""

    people: PeopleService
    logins: OidcSignIn | None
    """None where people choose who they are: the demonstration."""
    platform: PlatformSignIn | None
    """Where the platform's proxy says who people are; None everywhere else."""
    delegations: DelegationService
    keys: KeyService
    passkeys: PasskeyService
    ledger: LedgerService
    policy: PolicyService
    publishing: PublishingService
    inventory: InventoryService
    columns: ColumnService
    handling: DataHandling
    rows: RowService
    stewardship: StewardshipService
    classification: ClassificationService
    evaluation: EvaluationService
    harness: HarnessService
    monitoring: MonitoringService
    performance_cubes: CubeRefresh
    vendor: VendorService
    performance: PerformanceService
    monitors: MonitorService
    reliability: ReliabilityService
    data_health: DataHealthService
    deployment_jobs: DeploymentApprovals | None
    """Lets deployment jobs of the platform go on; None where that is not switched on."""
    replay: Callable[[], int] | None
    """Sends logged requests to versions in shadow; None where no inference table of an endpoint is named."""
    mirror: MirrorService
    """Copies of the platform's system tables; without sources where none are switched on."""
    value: ValueService
    statements: StatementService
    reviews: ReviewService
    retirements: RetirementService
    board: ValueBoard
    portfolio: PortfolioService
    feedback: FeedbackService
    corrections: CorrectionService
    training_sets: TrainingSetService
    retraining: RetrainingService
    programme: ProgrammeService
    approvals: ApprovalService
    rollout: RolloutService
    releases: ReleaseService
    batch: BatchReleaseService
    fallbacks: FallbackService
    watcher: Watcher
    burning: BurnAlerts
    exceptions: ExceptionService
    emergency: EmergencyService
    endpoints: EndpointService
    last_good: LastGood
    incidents: IncidentService
    alerts: AlertService
    oversight: OversightService
    audit: AuditService
    packs: PackService
    reports: ReportService
    notices: NoticeService
    offline: Offline
    """Keeps what is needed without the database, and enters what was done without it; for the worker only."""
    runner: OutboxRunner
    """Drives queued registry and traffic actions; the worker and one inline call use it."""
    registry_anchoring: RegistryAnchoring
    """Asks the registry: for the worker and the command line only."""
    clock: Clock
    settings: Settings
    database: Database


def open_control_room(
    settings: Settings,
    *,
    clock: Clock | None = None,
    registry: Registry | None = None,
    serving: ServingPlatform | None = None,
    armed: Armed | None = None,
) -> ControlRoom:
    """Everything plugged together, on an existing workspace. Nothing is created here.

    Raises StorageUnavailableError when there is no workspace, NewerDatabaseError, TrustError when keys are missing.
    """
    clock = clock or (OffsetClock(settings.clock_file) if settings.has_test_panel else SystemClock())
    on_platform = settings.profile is Profile.DATABRICKS
    if registry is None:
        registry = (
            on_databricks.registry(settings)
            if on_platform
            else MlflowRegistry(settings.registry_uri, settings.artifacts_folder)
        )
    if serving is None:
        serving = on_databricks.serving(settings, clock) if on_platform else _serving(settings)
    return _open(settings, clock=clock, registry=registry, serving=serving, armed=armed)


def _serving(settings: Settings) -> ServingPlatform:
    """The endpoint of the embedded workspace, or the one that was named; elsewhere traffic is not ours."""
    if settings.profile is not Profile.EMBEDDED and not settings.serving_url:
        return UnconnectedServing()
    return LocalServing(settings.endpoint_url, token_file=settings.keys_folder / "gateway.token")


def _open(
    settings: Settings, *, clock: Clock, registry: Registry, serving: ServingPlatform, armed: Armed | None = None
) -> ControlRoom:
    database = _database(settings)
    trusted = _trusted(settings, database, clock)
    reading = _reading(settings, database, clock, registry, trusted)
    units = SqlUnits(database, lambda connection: SqlLedger(connection, trusted.desk, clock))
    published = SqlPublishedPolicies(database)
    policy = PolicyService(
        published=published, entries=trusted.attested, documents=PolicyFolder(settings.policy_folder)
    )
    access = AccessFile(settings.access_file or ACCESS_FILE)
    handling = _handling(settings, database, reading.inventory, access, clock, serving=serving)
    health = _data_health(settings, database, trusted, reading.inventory, handling=handling, clock=clock)
    evaluation = EvaluationService(
        inventory=reading.inventory,
        policy=policy,
        facts=SqlFacts(database),
        registry=registry,
        clock=clock,
        handling=handling,
        vouches=lambda model, version, sha256: sha256 == SqlHarness(database).newest_report(model, version),
        active_people=lambda: frozenset(who.subject for who in trusted.people.people() if who.active and who.roles),
    )
    exceptions = ExceptionService(
        units=units,
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        attestations=trusted.attested,
        terms_of=lambda model: _exception_terms(policy, reading.inventory, model),
        clock=clock,
    )
    jobs = on_databricks.job_evidence(settings, database, registry, clock)
    approvals = ApprovalService(
        units=units,
        people=trusted.people,
        ledger=trusted.ledger,
        inventory=reading.inventory,
        evaluation=evaluation,
        policy=policy,
        desk=trusted.signing,
        attestations=trusted.attested,
        passkeys=trusted.passkeys,
        clock=clock,
        benefit=lambda model: _benefit(reading.value, model),
        cost=reading.value.stated,
        exceptions=exceptions,
        is_suspect=lambda decision: _is_suspect(SqlPublicKeys(database), decision),
        hindrance=lambda model, version: preconditions.hindrance(model, version, first=not _serves(units, model)),
        quiet=lambda model: _quiet_days(policy, model),
        job=on_databricks.job_part(jobs),
    )
    stewardship = StewardshipService(
        inventory=reading.inventory, units=units, people=trusted.people, desk=trusted.signing, clock=clock
    )
    classification = ClassificationService(
        inventory=reading.inventory,
        units=units,
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        attestations=trusted.attested,
        clock=clock,
    )
    incidents = IncidentService(
        units=units,
        people=trusted.people,
        ledger=trusted.ledger,
        catalog=reading.inventory,
        desk=trusted.signing,
        clock=clock,
        release_of=lambda model, version: _release_of(units, model, version),
    )
    statements = StatementService(
        units=units,
        catalog=reading.inventory,
        values=reading.value,
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        attestations=trusted.attested,
        live=lambda model: _champion(units, model),
        clock=clock,
        changed=lambda model: portfolio.noticed(model),  # noqa: PLW0108 - it is made below, of this service
    )
    portfolio = PortfolioService(values=reading.value, statements=statements, store=SqlPortfolio(database), clock=clock)
    reviews = ReviewService(
        units=units,
        catalog=reading.inventory,
        values=reading.value,
        months=statements.months,
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        attestations=trusted.attested,
        gate=lambda model: _return_gate(policy, reading.value, model),
        retire=lambda command, review, actor: _ask_to_retire(approvals, units, command, review, actor),
        request_state=lambda request_id: _request_state(units, request_id),
        retiring=lambda model: _retiring(units, model),
        watched=reading.value.counted,
        clock=clock,
    )
    performance = _performance(settings, database, clock, reading)
    channels = _channels(settings)
    alerts = _alerts(
        units, trusted, reading, incidents, clock, performance=performance, health=health,
        portfolio=portfolio, marks=lambda part: {name: str(head) for name, head in heads.heads(database, part).items()},
        stakes=Stakes(
            value=reading.value.model, monitors=SqlMonitorsInForce(database), currency=settings.currency, clock=clock
        ),
        orphans=stewardship.orphans,
        levels=Levels(
            high=settings.alert_high_per_day, medium=settings.alert_medium_per_day, currency=settings.currency
        ),
        quiet=lambda tier, wakes, at: _told_at(channels, tier, wakes, at),
    )  # fmt: skip
    standing = _standing(approvals)
    runner = OutboxRunner(
        units=units,
        serving=serving,
        registry=registry,
        attestations=trusted.attested,
        standing=standing,
        desk=trusted.signing,
        clock=clock,
    )
    monitors = _monitors(settings, database, clock, units, trusted, reading, policy, access)
    preconditions = _preconditions(
        database, settings, clock, units, trusted, reading, policy, standing, serving, armed, monitors
    )
    releases = ReleaseService(
        units=units,
        people=trusted.people,
        ledger=trusted.ledger,
        inventory=reading.inventory,
        desk=trusted.signing,
        runner=runner,
        attestations=trusted.attested,
        preconditions=preconditions,
        clock=clock,
        on_call=lambda model: incidents.on_call(model).name or "",
    )
    rollout = RolloutService(
        units=units,
        people=trusted.people,
        ledger=trusted.ledger,
        inventory=reading.inventory,
        desk=trusted.signing,
        serving=serving,
        runner=runner,
        reconciler=Reconciler(
            units=units,
            serving=serving,
            inventory=reading.inventory,
            registry=registry,
            attestations=trusted.attested,
            desk=trusted.signing,
            clock=clock,
        ),
        attestations=trusted.attested,
        preconditions=preconditions,
        clock=clock,
        requests_per_minute=lambda model: _requests_per_minute(reading.reliability, model),
        next_batch=lambda model: next_batch(units, model),
    )
    emergency = EmergencyService(
        units=units,
        people=trusted.people,
        ledger=trusted.ledger,
        inventory=reading.inventory,
        desk=trusted.signing,
        serving=serving,
        runner=runner,
        delegates=lambda now: delegate_pairs(trusted.people.active_delegations(now=now)),
        review_days=lambda model: policy.for_model(reading.inventory.model(model)).document.review_days,
        clock=clock,
    )
    batch = BatchReleaseService(
        parts=_batch_parts(settings, units, reading.inventory, trusted, clock, incidents),
        people=trusted.people,
        ledger=trusted.ledger,
        targets_of=rollout.targets,
    )
    fallbacks = FallbackService(
        units=units,
        people=trusted.people,
        ledger=trusted.ledger,
        inventory=reading.inventory,
        desk=trusted.signing,
        serving=serving,
        clock=clock,
        incidents=incidents,
    )
    harness = _harness(settings, database, clock, registry, trusted, reading.inventory, evaluation, policy, units)
    corrections = _corrections(settings, database, units, trusted, reading, clock)
    retraining = RetrainingService(
        units=units,
        store=SqlRetraining(database),
        catalog=reading.inventory,
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        cadence=lambda model: _cadence(policy, model),
        drifting=lambda: _drifting(alerts),
        evaluate=lambda model, version: harness.queue(model, version, by="the retraining calendar"),
        evaluated=lambda run: not harness.state(run).state.is_open,
        draft=lambda model, version: _drafted(approvals, model, version),
        clock=clock,
    )
    deploying = on_databricks.deployment_jobs(
        jobs,
        database,
        registry,
        versions=lambda model: tuple(item.version for item in reading.inventory.versions(model)),
        standing=standing,
        signed=approvals.signed_parts,
        ledger=trusted.ledger,
        clock=clock,
    )
    return ControlRoom(
        people=trusted.people,
        logins=trusted.logins,
        replay=inference_tables.replay(settings, database, serving, clock),
        deployment_jobs=deploying,
        platform=on_databricks.platform_sign_in(settings, people=trusted.people, ledger=trusted.ledger, clock=clock),
        delegations=DelegationService(
            units=units,
            store=trusted.store,
            people=trusted.people,
            ledger=trusted.ledger,
            desk=trusted.signing,
            clock=clock,
        ),
        keys=KeyService(
            units=units,
            people=trusted.people,
            ledger=trusted.ledger,
            desk=trusted.signing,
            maker=trusted.desk,
            clock=clock,
        ),
        passkeys=PasskeyService(
            units=units,
            people=trusted.people,
            ledger=trusted.ledger,
            store=SqlPasskeys(database),
            protocol=WebAuthn(),
            clock=clock,
            gate=trusted.passkeys,
        ),
        ledger=trusted.ledger,
        policy=policy,
        publishing=PublishingService(
            units=units,
            people=trusted.people,
            ledger=trusted.ledger,
            desk=trusted.signing,
            past=SqlPastDecisions(database),
            clock=clock,
            judge=lambda evidence, document, ref: _judged(reading.inventory, evidence, document, ref),
        ),
        inventory=reading.inventory,
        columns=ColumnService(
            inventory=reading.inventory,
            store=SqlInventory(database),
            people=trusted.people,
            ledger=trusted.ledger,
            clock=clock,
            access=access,
            platform=_unity(settings),
        ),
        handling=handling,
        rows=RowService(
            log=DuckDbInputLog(settings.inference_folder),
            access=access,
            inventory=reading.inventory,
            people=trusted.people,
        ),
        stewardship=stewardship,
        classification=classification,
        evaluation=evaluation,
        harness=harness,
        monitoring=reading.monitoring,
        performance_cubes=reading.performance_cubes,
        vendor=_vendor(settings, database, clock),
        performance=performance,
        monitors=monitors,
        reliability=reading.reliability,
        data_health=health,
        mirror=reading.mirror,
        value=reading.value,
        statements=statements,
        reviews=reviews,
        retirements=RetirementService(
            units=units,
            serving=serving,
            traffic=_traffic_of(settings, clock),
            desk=trusted.signing,
            clock=clock,
            kept=lambda at: _kept_until(settings, at),
        ),
        board=ValueBoard(
            values=reading.value,
            statements=statements,
            facts=BoardFacts(
                reliability=reading.reliability,
                monitoring=reading.monitoring,
                corrections=corrections,
                incident_desk=incidents,
                health=health,
            ),
            cpus=settings.serving_cpus,
            cpu_hour=settings.rate_cpu_hour,
            unallocated=lambda: _unallocated(portfolio),
            mark=lambda model: f"{heads.mark(database, model)} {trusted.ledger.head().size}",
            clock=clock,
        ),
        portfolio=portfolio,
        feedback=reading.feedback,
        corrections=corrections,
        training_sets=_training_sets(
            settings, database, clock, registry, trusted, reading.inventory, units, corrections
        ),
        retraining=retraining,
        programme=ProgrammeService(
            catalog=reading.inventory,
            facts=Gatherer(
                Sources(
                    inventory=reading.inventory,
                    stewardship=stewardship,
                    handling=handling,
                    data_health=health,
                    policy=policy,
                    harness=harness,
                    rollout=rollout,
                    approvals=approvals,
                    monitors=monitors,
                    monitoring=reading.monitoring,
                    corrections=corrections,
                    retraining=retraining,
                    value=reading.value,
                    incidents=incidents,
                )
            ),
            orphans=stewardship.orphans,
            store=SqlProgramme(database),
            ledger=trusted.ledger,
            clock=clock,
            mark=lambda: f"{heads.mark(database)} {trusted.ledger.head().size}",
        ),
        approvals=approvals,
        rollout=rollout,
        releases=releases,
        batch=batch,
        fallbacks=fallbacks,
        burning=BurnAlerts(
            models=lambda: [model.name for model in reading.inventory.models()],
            budget_of=reading.reliability.error_budget,
            live=lambda model: _champion(units, model),
            incidents=incidents.rules,
            clock=clock,
        ),
        watcher=_watcher(
            database, settings, clock, units, trusted, reading, preconditions, rollout, incidents.rules, serving
        ),
        exceptions=exceptions,
        emergency=emergency,
        # The embedded endpoint tells more than the port asks for; of any other platform routes and readiness are known.
        endpoints=EndpointService(
            units=units,
            sight=serving if isinstance(serving, LocalServing) else PlainSight(serving),
            serving=serving,
        ),
        last_good=LastGood(
            units=units,
            shelf=LastScores(settings.inference_folder, settings.serving_folder / "scores"),
            clock=clock,
        ),
        incidents=incidents,
        alerts=alerts,
        oversight=OversightService(
            inventory=reading.inventory,
            monitoring=reading.monitoring,
            reliability=reading.reliability,
            value=reading.value,
            reviews=reviews,
            watching=lambda model: monitors.view(model).row.monitor,
            decisions=approvals,
            emergencies=emergency,
            exceptions=exceptions,
            stewards=stewardship,
            tiers=classification,
            store=SqlOversight(database),
            clock=clock,
            environment=settings.profile.value,
            registry=settings.registry_uri.partition(":")[0],
            stale_seconds=settings.worker_stale_seconds,
            tables=handling,
            data=health,
            policies=policy,
            incidents=incidents,
            portfolio=portfolio,
            rounds=lambda: SqlRetraining(database).rounds(open_only=True),
            releases=releases,
            batch=batch,
            fallbacks=fallbacks,
            alerts=alerts,
            jobs=deploying.findings if deploying is not None else None,
        ),
        audit=AuditService(
            reader=trusted.book,
            index=SqlLedgerIndex(database),
            anchors=trusted.anchors,
            registry=trusted.registry_anchors,
            clock=clock,
            keys=trusted.desk,
            pinned_genesis=_pinned_genesis(settings),
        ),
        packs=_packs(settings, database, trusted, clock),
        reports=_reports(settings, database, clock, trusted, reading, policy, units, runner, exceptions),
        notices=_notices(
            channels,
            database,
            trusted,
            clock,
            OtherFacts(
                people=trusted.people,
                exceptions=exceptions,
                emergency=emergency,
                incidents=incidents,
                clock=clock,
                alerts=alerts,
                jobs=deploying.findings.standing if deploying is not None else tuple,
                tier=lambda model: _tier(reading.inventory, model),
            ),
        ),
        offline=_offline(settings, units, trusted, rollout, incidents, clock),
        runner=runner,
        registry_anchoring=RegistryAnchoring(
            registry=registry,
            store=SqlRegistryAnchors(database),
            anchors=trusted.registry_anchors,
            ledger=trusted.ledger,
            book=trusted.book,
            keys=trusted.desk,
            places=lambda: _released(units),
            clock=clock,
        ),
        clock=clock,
        settings=settings,
        database=database,
    )


def _corrections(  # noqa: PLR0917 - one caller, some lines above
    settings: Settings, database: Database, units: SqlUnits, trusted: _Trusted, reading: _Reading, clock: Clock
) -> CorrectionService:
    monitoring = SqlMonitoring(database)

    def slices(model: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The same as drift and performance are split by."""
        reference, values = monitoring.reference(model), dict[str, list[str]]()
        for column, value in map(column_and_value, reference.slice_keys if reference else ()):
            values.setdefault(column, []).append(value)
        return tuple((column, tuple(sorted(known))) for column, known in values.items())

    def delay(model: str) -> float | None:
        config = monitoring.config(model)
        return config.label_delay_hours if config else None

    return CorrectionService(
        units=units,
        store=SqlCorrectionReads(database),
        log=ReviewParquet(
            settings.inference_folder,
            elsewhere={model: found.made for model, found in inference_tables.answers(settings, clock).items()},
        ),
        catalog=reading.inventory,
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        threshold=reading.value.decision_threshold,
        slices=slices,
        delay=delay,
        clock=clock,
    )


def _training_sets(  # noqa: PLR0917 - one caller, some lines above
    settings: Settings,
    database: Database,
    clock: Clock,
    registry: Registry,
    trusted: _Trusted,
    inventory: InventoryService,
    units: SqlUnits,
    corrections: CorrectionService,
) -> TrainingSetService:
    mlflow = registry if isinstance(registry, ModelSource) else MlflowRegistry(settings.registry_uri)
    in_file = settings.profile is Profile.EMBEDDED and not settings.mlflow_uri
    return TrainingSetService(
        units=units,
        store=SqlTrainingSets(database),
        facts=ReviewParquet(settings.inference_folder),
        registry=MlflowTrainingSets(mlflow, settings.artifacts_folder if in_file else None),
        catalog=inventory,
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        clock=clock,
        # On one disk the worker has added them already, and two writers of one file are one too many.
        whole=corrections.publish if settings.profile is Profile.DATABRICKS else lambda: None,
    )


def _cadence(policy: PolicyService, model: GovernedModel) -> Cadence:
    """As the policy of its tier says; a policy that says nothing asks for every month."""
    found = policy.for_model(model)
    line = found.document.retraining or RetrainingLine()
    where = f"{found.ref.name} version {found.ref.version}"
    return Cadence(
        months=line.every_months,
        extra_days=line.extra_days,
        on_drift=line.extra_on_drift,
        stated=where if found.document.retraining else f"the default, as {where} says nothing",
    )


def _drifting(alerts: AlertService) -> tuple[Drifting, ...]:
    """Only what is red: amber is looked at, not retrained for."""
    return tuple(
        Drifting(model=alert.key.model, alert=alert.alert_id, sentence=alert.sentence)
        for alert in alerts.standing()
        if alert.key.kind is AlertKind.DRIFT and alert.state_seen is Health.BREACH
    )


def _drafted(approvals: ApprovalService, model: str, version: str) -> Draft:
    found = approvals.prepared(model, version)
    return Draft(evidence=found.evidence_sha256, blocked=found.blocked_by)


def _offline(  # noqa: PLR0917 - one caller, some lines above
    settings: Settings,
    units: SqlUnits,
    trusted: _Trusted,
    rollout: RolloutService,
    incidents: IncidentService,
    clock: Clock,
) -> Offline:
    return Offline(
        units=units,
        desk=trusted.signing,
        keeper=OfflineTargetsFile(settings.run_folder, MachineSeal(settings.keys_folder)),
        journal=OfflineJournal(settings.run_folder),
        deployments=rollout.deployments,
        targets_of=rollout.targets,
        on_call=lambda model: incidents.on_call(model).name or "",
        clock=clock,
    )


def _alerts(
    units: SqlUnits,
    trusted: _Trusted,
    reading: _Reading,
    incidents: IncidentService,
    clock: Clock,
    *,
    performance: PerformanceService,
    health: DataHealthService,
    portfolio: PortfolioService,
    marks: Callable[[str], Mapping[str, str]],
    stakes: Stakes,
    orphans: Callable[[], tuple[Orphan, ...]],
    levels: Levels,
    quiet: Quiet,
) -> AlertService:
    """One source per slice that judges; what a slice calls unknown stays unknown here."""
    monitoring, reliability, models = reading.monitoring, reading.reliability, reading.inventory.models

    def budget(model: GovernedModel) -> tuple[Condition, ...]:
        found = reliability.error_budget(model.name)
        return alert_sources.burn(found, model.name, now=clock.now()) if found else ()

    def promise(model: GovernedModel) -> tuple[Condition, ...]:
        days = alert_sources.promise_days(model)
        return alert_sources.promise(reliability.sla(model.name, days=days), model)

    def each(
        name: str, kind: AlertKind, ask: Callable[[GovernedModel], tuple[Condition, ...]]
    ) -> alert_sources.PerModel:
        return alert_sources.PerModel(name=name, kinds=frozenset({kind}), models=models, ask=ask)

    def changed(part: str, source: alert_sources.PerModel) -> alert_sources.WhenChanged:
        return alert_sources.WhenChanged(source, marks=lambda: marks(part), clock=clock)

    # What is judged by the day is asked when its figures changed, what people wait for every minute.
    by_the_day = (
        changed(
            heads.DRIFT,
            each("drift", AlertKind.DRIFT, lambda model: alert_sources.drift(monitoring.drift(model.name))),
        ),
        changed(
            heads.PERFORMANCE,
            each(
                "performance",
                AlertKind.PERFORMANCE,
                lambda model: alert_sources.performance(performance.decay(PerformanceQuery(model=model.name))),
            ),
        ),
    )
    seldom = (
        alert_sources.Budgets(portfolio.lines, clock=clock),
        alert_sources.AtOnce(
            name="feature tables",
            kinds=frozenset({AlertKind.DATA}),
            ask=lambda: alert_sources.tables(health.tables()),
        ),
    )
    return AlertService(
        units=units,
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        sources=(
            *by_the_day,
            *(alert_sources.Seldom(source, every=timedelta(minutes=5), clock=clock) for source in seldom),
            each("promises", AlertKind.SERVICE_LEVEL, promise),
            each("error budgets", AlertKind.BURN_RATE, budget),
            alert_sources.AtOnce(
                name="pipelines",
                kinds=frozenset({AlertKind.PIPELINE}),
                ask=lambda: alert_sources.pipelines(health.pipelines()),
            ),
            alert_sources.WaitingRollbacks(units=units, clock=clock),
            alert_sources.AtOnce(
                name="owners",
                kinds=frozenset({AlertKind.OWNERSHIP}),
                ask=lambda: alert_sources.ownership(models(), orphans()),
            ),
        ),
        about=Answering(
            models=models, people=trusted.people.people, duties=incidents.duties, stakes=stakes, levels=levels
        ),
        incidents=incidents,
        clock=clock,
        quiet=quiet,
    )


def _told_at(channels: Channels, tier: int, wakes: bool, at: datetime) -> datetime:  # noqa: FBT001
    """What is only on the screen is there at once."""
    severity = Severity.RED if wakes else Severity.AMBER
    return quiet_hours.earliest(at, severity, channels.quiet(tier)) if channels.all() else at


def _preconditions(  # noqa: PLR0917 - one caller, some lines above
    database: Database,
    settings: Settings,
    clock: Clock,
    units: SqlUnits,
    trusted: _Trusted,
    reading: _Reading,
    policy: PolicyService,
    standing: ApprovalStanding,
    serving: ServingPlatform,
    armed: Armed | None,
    monitors: MonitorService,
) -> Preconditions:
    armed = armed or _armed(database, settings, clock, units, trusted, reading, policy, serving, monitors)
    return Preconditions(
        people=trusted.people,
        inventory=reading.inventory,
        armed=armed,
        frozen=lambda model: _frozen(policy, reading.inventory, model, clock),
        standing=standing,
        shadow=JudgedShadow(
            facts=RoutedShadow(
                DuckDbShadowFacts(settings.inference_folder), inference_tables.shadows(settings, database)
            ),
            level_of=lambda deployment: _level_of(units, reading.inventory, deployment),
        ),
        stage_rules=stage_rules,
        judgement=lambda model: _judgement(reading.inventory, reading.value, model),
        clock=clock,
    )


def _batch_parts(  # noqa: PLR0917 - one caller, some lines above
    settings: Settings,
    units: SqlUnits,
    inventory: InventoryService,
    trusted: _Trusted,
    clock: Clock,
    incidents: IncidentService,
) -> BatchParts:
    return BatchParts(
        units=units,
        inventory=inventory,
        desk=trusted.signing,
        jobs=DuckDbJobLog(settings.inference_folder),
        outputs=ParquetOutputs(settings.outputs_folder, settings.inference_folder, clock=clock),
        terms_of=lambda model: BatchTerms(
            unattended_release=str(int(inventory.model(model).tier)) in settings.unattended_batch_tiers.split(",")
        ),
        clock=clock,
        runner=_batch_runner(settings, clock),
        incidents=incidents,
    )


def _impaired(units: SqlUnits, inventory: InventoryService, model: str) -> str:
    """What the newest look at a running release says about both of its versions."""
    level = inventory.model(model).service_level
    with units.read() as unit:
        release = unit.releases.running_release(model)
        looked = unit.releases.analysis(release.release_id) if release else None
    return impaired(looked.readings, level.error_rate) if looked and level else ""


def _batch_runner(settings: Settings, clock: Clock) -> BatchRunner | None:
    """Windows can be scored again only where their rows are at hand: they come from the demonstration's data."""
    if settings.profile is not Profile.EMBEDDED:
        return None
    return LocalBatchRunner(
        url=settings.endpoint_url,
        token_file=settings.keys_folder / "gateway.token",
        journal=settings.serving_folder / "journal",
        inference=settings.inference_folder,
        prepared_at=lambda: prepared_at(settings),
        clock=clock,
    )


def _level_of(units: SqlUnits, inventory: InventoryService, deployment: str) -> ServiceLevel | None:
    """What was promised for the model behind a deployment; None for one that nobody governs."""
    with units.read() as unit:
        owners = [row.model for row in unit.rollouts.deployments() if row.deployment == deployment]
    return inventory.model(owners[0]).service_level if owners else None


def _telemetry(settings: Settings, clock: Clock, *, patience: float = inference_tables.WORKER_WAITS) -> Telemetry:
    recorded = DuckDbTelemetry(settings.inference_folder, clock=clock, journal=settings.journal_folder)
    return RoutedTelemetry(recorded, inference_tables.telemetry(settings, clock, patience=patience))


def _armed(  # noqa: PLR0917 - one caller, just above
    database: Database,
    settings: Settings,
    clock: Clock,
    units: SqlUnits,
    trusted: _Trusted,
    reading: _Reading,
    policy: PolicyService,
    serving: ServingPlatform,
    monitors: MonitorService,
) -> Arming:
    monitoring, ops = SqlMonitoring(database), SqlOps(database)
    return Arming(
        units=units,
        models=reading.inventory,
        telemetry=_telemetry(settings, clock, patience=inference_tables.SCREEN_WAITS),
        plans=SignedPlans(trusted.attested),
        clock=clock,
        scores=lambda model: (monitoring.reference(model) is not None, monitoring.last_day(model)),
        recorded=monitoring.last_recorded,
        monitor=lambda model: monitors.in_force(model).hindrance,
        watcher_at=lambda: ops.last_success(WATCHED),
        plan_rules=lambda model: bool(policy.for_model(reading.inventory.model(model)).document.rollback),
        machine=lambda: trusted.desk.machine_key.key_id if trusted.desk.machine_key else "",
        telemetry_lag=lambda deployment: _lag(settings, serving, deployment).total_seconds(),
    )


def _lag(settings: Settings, serving: ServingPlatform, deployment: str) -> timedelta:
    """How late telemetry is in normal operation. Raises ServingUnavailableError."""
    named = inference_tables.lags(settings).get(deployment)
    return timedelta(seconds=serving.capabilities(deployment).telemetry_lag_seconds) if named is None else named


def _watcher(  # noqa: PLR0917 - one caller, further above
    database: Database,
    settings: Settings,
    clock: Clock,
    units: SqlUnits,
    trusted: _Trusted,
    reading: _Reading,
    preconditions: Preconditions,
    rollout: RolloutService,
    incidents: IncidentDesk,
    serving: ServingPlatform,
) -> Watcher:
    monitoring = SqlMonitoring(database)

    def lag(deployment: str) -> timedelta:
        try:
            return _lag(settings, serving, deployment)
        except ControlRoomError:
            return timedelta(0)

    def edges(model: str) -> tuple[float, ...]:
        reference = monitoring.reference(model)
        scores = reference.feature(SCORE) if reference else None
        return tuple(sorted(set(scores.deciles))) if scores and scores.numeric else ()

    return Watcher(
        units=units,
        telemetry=_telemetry(settings, clock),
        judge=SequentialJudge(
            level_of=lambda model: reading.inventory.model(model).service_level,
            stage_rules=preconditions.rules,
            telemetry_lag=lag,
        ),
        plans=SignedPlans(trusted.attested),
        machine=rollout.machine.roll_back_under_plan,
        acts=WatchActs(units=units, desk=trusted.signing, incidents=incidents),
        armed=preconditions.armed,
        frozen=preconditions.frozen,
        stage_rules=preconditions.rules,
        clock=clock,
        edges=edges,
    )


def _return_gate(policy: PolicyService, value: ValueService, model: GovernedModel) -> Gate:
    """The policy's figure of its tier; the signed statement may ask for more, never for less."""
    found = policy.for_model(model)
    line, stated = found.document.returns or ReturnLine(), value.config(model.name).gate_monthly_net
    where = f"{found.ref.name} version {found.ref.version}"
    source = where if found.document.returns else f"the default, as {where} says nothing"
    if stated > line.net_per_month_at_least:
        source = f"the value statement, which asks for more than {source}"
    return Gate(
        amount=max(stated, line.net_per_month_at_least),
        currency=value.currency,
        missed_months=line.missed_months,
        review_days=line.review_days,
        longest_keep_months=line.longest_keep_months,
        source=source,
    )


def _quiet_days(policy: PolicyService, model: GovernedModel) -> int:
    """A policy that cannot be used blocks the request itself."""
    try:
        line = policy.for_model(model).document.returns
    except InvalidPolicyError:
        return QUIET_DAYS
    return line.quiet_days if line else QUIET_DAYS


def _ask_to_retire(
    approvals: ApprovalService, units: SqlUnits, command: RetireModel, review: Review, actor: Actor
) -> str:
    receipt = approvals.submit(
        SubmitRequest(
            command_id=command.command_id,
            model=review.model,
            version=_champion(units, review.model),
            note=command.reason,
            seen_evidence=command.seen,
            passphrase=command.passphrase,
            purpose=Purpose.RETIREMENT,
            reason_code=command.reason_code,
            review=review.review_id,
        ),
        actor=actor,
    )
    with units.read() as unit:
        return next(item.request_id for item in unit.requests.of_model(review.model) if item.seq == receipt.seq)


def _request_state(units: SqlUnits, request_id: str) -> str:
    with units.read() as unit:
        found = unit.requests.get(request_id)
    return found.state.value if found else ""


def _retiring(units: SqlUnits, model: str) -> str:
    with units.read() as unit:
        return unit.rollouts.retiring(model)


def _kept_until(settings: Settings, retired_at: datetime) -> date | None:
    rule = retention.load().rule(RETENTION_CLASS)
    return retention.years_after(retired_at.date(), rule.period(settings.retention_profile_names)) if rule else None


def _traffic_of(settings: Settings, clock: Clock) -> TrafficFacts:
    """Requests of an endpoint, runs of a batch job, and up to when the log is complete."""
    telemetry, jobs = _telemetry(settings, clock), DuckDbJobLog(settings.inference_folder)

    def counted(item: Retirement, since: datetime) -> Counted:
        found = telemetry.since(item.deployment, since, tick_seconds=_TICK)
        ticks = [(cell.tick + timedelta(seconds=_TICK), cell.requests) for cell in found.cells]
        if item.kind == DeploymentKind.BATCH:
            runs = jobs.runs(item.model, limit=200)
            ticks += [(run.started_at, 1) for run in runs if run.started_at >= since and run.ok and run.rows]
        newest = max((at for at, _ in ticks), default=None)
        return Counted(requests=sum(n for _, n in ticks), until=found.watermark, newest=newest)

    return counted


def _champion(units: SqlUnits, model: str) -> str:
    with units.read() as unit:
        row = unit.rollouts.deployment(model)
    return row.champion if row else ""


def _serves(units: SqlUnits, model: str) -> bool:
    with units.read() as unit:
        row = unit.rollouts.deployment(model)
    return row is not None and bool(row.desired)


def _frozen(policy: PolicyService, inventory: InventoryService, model: str, clock: Clock) -> str:
    """The freeze window the model is in now, with its end; empty outside of all. A broken policy releases nothing."""
    governed = inventory.model(model)
    try:
        document = policy.for_model(governed).document
    except InvalidPolicyError as broken:
        return f"its policy cannot be used ({broken.message})"
    now = clock.now()
    window = active_freeze(document, governed, now)
    return until_words(window, now) if window else ""


def _judgement(inventory: InventoryService, value: ValueService, model: str) -> SameDecision:
    """Scores are the same decision on the same side of the model's threshold, numbers when less than one apart."""
    if inventory.model(model).task is not Task.CLASSIFICATION:
        return SameDecision(tolerance=1.0)
    threshold = value.decision_threshold(model)
    return SameDecision(threshold=0.5 if threshold is None else threshold, recorded=threshold is not None)


def prepared_at(settings: Settings) -> datetime | None:
    """When the replayed history of the embedded workspace ends; None while it is not prepared."""
    try:
        return from_utc_text(json.loads((settings.home / "prepared.json").read_text())["prepared_at"])
    except (OSError, ValueError, KeyError):
        return None


def _harness(  # noqa: PLR0917 - one caller, some lines above
    settings: Settings,
    database: Database,
    clock: Clock,
    registry: Registry,
    trusted: _Trusted,
    inventory: InventoryService,
    evaluation: EvaluationService,
    policy: PolicyService,
    units: SqlUnits,
) -> HarnessService:
    # Models and rows are read through MLflow itself, whichever part of the registry a test replaced.
    mlflow: ModelSource | None = registry if isinstance(registry, ModelSource) else None
    mlflow = mlflow or MlflowRegistry(settings.registry_uri, settings.artifacts_folder)
    files = RunFiles(mlflow, settings.artifacts_folder)
    return HarnessService(
        inventory=inventory,
        evaluation=evaluation,
        policy=policy,
        people=trusted.people,
        ledger=trusted.ledger,
        store=SqlHarness(database),
        runner=ScoringModels(mlflow),
        holdouts=RunHoldouts(files),
        reports=files,
        clock=clock,
        incidents=lambda model: _incidents(units, model),
        narrator=ChatNarrator(settings.narrator) if settings.narrator else None,
        spent=lambda spent: None if "billing" in settings.mirrored else _evaluated(settings.inference_folder, spent),
    )


def _evaluated(inference: Path, spent: Spent) -> None:
    """Where a bill counts, the job that evaluates is on it; elsewhere what it took is use like any other."""
    from services.adapters.local.late_facts import Usage, write_evaluation

    row = Usage(
        model=spent.model, version=spent.version, component=EVALUATION, day=spent.at.date(),
        cpu_seconds=round(spent.cpu_seconds, 4), bytes=0, wall_seconds=round(spent.wall_seconds, 4),
    )  # fmt: skip
    write_evaluation(inference, row, attempt=spent.attempt)


def _incidents(units: SqlUnits, model: str) -> tuple[Incident, ...]:
    """Recorded incidents, then rollbacks and emergency releases, each newest first.

    Only codes: what people wrote about them stays where it is.
    """
    with units.read() as unit:
        actions = unit.rollouts.actions(model, _INCIDENTS)
        recorded = unit.incidents.all(model)[::-1]
    words = {ActionKind.ROLLBACK: "brought back", ActionKind.EMERGENCY: "replaced in an emergency"}
    reasons = {item.action_id: item.reason_code for item in actions}
    known = [(item, lessons.code_of(item, reasons)) for item in recorded]
    named = {action_id for item in recorded for action_id in item.actions}
    return tuple(
        Incident(kind="incident", code=code, version=item.version, words=lessons.words_of(item, code))
        for item, code in known
    ) + tuple(
        Incident(
            kind=item.kind.value,
            code=item.reason_code,
            version=item.from_version or item.to_version,
            words=f"version {item.from_version or item.to_version} was {words[item.kind]} on "
            f"{item.created_at:%Y-%m-%d} ({item.reason_code}).",
        )
        for item in actions
        if item.kind in words and item.action_id not in named
    )


def _release_of(units: SqlUnits, model: str, version: str) -> str:
    """The running release, or the newest one of that version; empty where there is none."""
    with units.read() as unit:
        running = unit.releases.running_release(model)
        if running is not None and version in {"", running.candidate}:
            return running.release_id
        found = unit.releases.releases(model) if version else ()
    return next((item.release_id for item in found if item.candidate == version), "")


def _released(units: SqlUnits) -> tuple[TagPlace, ...]:
    """Every model that has a release, and the versions that serve."""
    with units.read() as unit:
        rows = [row for row in unit.rollouts.deployments() if row.desired]
    models = [TagPlace(model=row.model) for row in rows]
    return (
        *models,
        *(TagPlace(model=row.model, version=version) for row in rows for version, share in row.desired if share),
    )


def _judged(inventory: InventoryService, evidence: Evidence, document: PolicyDocument, ref: PolicyRef) -> GateReport:
    """As a request of this model is judged. A model nobody knows any more is judged like one of ours."""
    report = evaluate(evidence, document, ref=ref)
    try:
        supplier = vendors.is_supplied(inventory.model(evidence.model))
    except UnknownModelError:
        return report
    return of_supplier(report, document) if supplier else report


def _exception_terms(policy: PolicyService, inventory: InventoryService, model: str) -> ExceptionTerms:
    governed = inventory.model(model)
    return terms_of(policy.for_model(governed).document, task=governed.task.value)


def _reports(  # noqa: PLR0917 - one caller, one line above
    settings: Settings,
    database: Database,
    clock: Clock,
    trusted: _Trusted,
    reading: _Reading,
    policy: PolicyService,
    units: SqlUnits,
    runner: OutboxRunner,
    exceptions: ExceptionService,
) -> ReportService:
    chronicle = Chronicle(trusted.book)
    recorded, elsewhere = DuckDbPredictionLog(settings.inference_folder), inference_tables.answers(settings, clock)
    predictions = RoutedPredictionLog(recorded, elsewhere)
    shelves = Shelves(
        inventory=reading.inventory,
        facts=SqlFacts(database),
        policy=policy,
        reader=trusted.book,
        steps=lambda action_id: runner.view(action_id).steps,
    )
    return ReportService(
        chronicle=chronicle,
        samples=SampleService(
            chronicle=chronicle, people=trusted.people, ledger=trusted.ledger, clock=clock, shelf=shelves
        ),
        retention=RetentionService(
            chronicle=chronicle,
            units=SqlDisposalUnits(database, lambda connection: SqlLedger(connection, trusted.desk, clock)),
            predictions=predictions,
            access=SqlAccessLog(database),
            people=trusted.people,
            ledger=trusted.ledger,
            desk=trusted.signing,
            clock=clock,
            profiles=settings.retention_profile_names,
        ),
        predictions=predictions,
        people=trusted.people,
        ledger=trusted.ledger,
        clock=clock,
        note_of=lambda request_id: _note_of(units, request_id),
        exception_words=lambda exception_id: _exception_words(exceptions, exception_id),
    )


def _exception_words(exceptions: ExceptionService, exception_id: str) -> tuple[str, str]:
    """(reason, compensating control) as typed; empty for an exception whose text is not kept."""
    try:
        found = exceptions.get(exception_id)
    except ControlRoomError:
        return "", ""
    return found.reason, found.control


def _note_of(units: SqlUnits, request_id: str) -> str:
    """The requester's own words; empty for a request that is not known."""
    with units.read() as unit:
        request = unit.requests.get(request_id)
    return request.note if request else ""


def _database(settings: Settings) -> Database:
    database = databases.connect(settings)
    if database.dialect == "sqlite" and not Path(database.url.database or "").exists():
        raise StorageUnavailableError(
            f"There is no workspace in {settings.home}.", hint="Prepare one first: python -m services prepare."
        )
    require_known_revision(database)
    return database


def _pinned_genesis(settings: Settings) -> str:
    """The fingerprint noted outside the database when the workspace was founded; empty when nobody noted it.

    Raises TrustError for none on Databricks, where disks come and go and nobody would notice that it went with one.
    """
    pinned = ""
    with suppress(OSError, ValueError, KeyError):
        if settings.genesis_file.exists():
            pinned = settings.genesis_file.read_text(encoding="ascii").strip()
        else:
            pinned = str(json.loads((settings.home / "prepared.json").read_text())["genesis"])
    if not pinned and settings.profile is Profile.DATABRICKS:
        raise TrustError(
            f"There is no fingerprint of the first entry in {settings.home}: another log could take this one's place.",
            hint="Set COUNTERSIGN_KEY_BUNDLE, which holds it; or write it from paper into the file genesis there.",
        )
    return pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trusted:
    """What signs, and what checks signatures."""

    desk: KeyDesk
    signing: RecordingDesk
    """The same desk, leaving a trace of every wrong passphrase; services sign here."""
    book: SqlLedgerBook
    anchors: Anchors
    registry_anchors: RegistryAnchors
    attested: CheckedEntries
    ledger: LedgerService
    store: SqlPeople
    people: PeopleService
    logins: OidcSignIn | None
    passkeys: PasskeyGate


def _trusted(settings: Settings, database: Database, clock: Clock) -> _Trusted:
    embedded = settings.profile is Profile.EMBEDDED
    cost = EMBEDDED if embedded else PRODUCTION
    key_bundle.bring_in(settings)
    desk = KeyDesk(
        SqlKeyStore(database),
        settings.keys_folder,
        clock,
        cost=cost,
        places=settings.key_places,
        bundled=bool(settings.key_bundle),
    )
    book = SqlLedgerBook(database, desk, clock)
    anchors = Anchors(settings.anchors_folder)
    registry_anchors = RegistryAnchors(store=SqlRegistryAnchors(database), book=book, keys=desk, clock=clock)
    ledger = LedgerService(book=book, desk=desk, keys=desk, clock=clock, anchors=anchors, elsewhere=registry_anchors)
    store = SqlPeople(database)
    people = signing_in.people(settings, store=store, ledger=ledger, clock=clock)
    return _Trusted(
        desk=desk,
        signing=RecordingDesk(desk, ledger),
        store=store,
        book=book,
        anchors=anchors,
        registry_anchors=registry_anchors,
        attested=CheckedEntries(
            reader=book,
            service_key=desk.service_key,
            person_keys=SqlPublicKeys(database),
            machine_key=desk.machine_key,
        ),
        ledger=ledger,
        people=people,
        passkeys=signing_in.passkey_gate(
            settings, store=SqlPasskeys(database), ledger=ledger, clock=clock, protocol=WebAuthn()
        ),
        logins=signing_in.by_provider(settings, people=people, store=store, ledger=ledger, clock=clock),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What watches: copies of the registry and figures from the inference log."""

    inventory: InventoryService
    monitoring: MonitoringService
    performance_cubes: CubeRefresh
    reliability: ReliabilityService
    mirror: MirrorService
    value: ValueService
    feedback: FeedbackService


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bill:
    """Implements value.bill_port.Bill with the copied tables."""

    mirror: MirrorService
    requests: SqlRequestVolume

    def age(self) -> DataAge:
        found = self.mirror.age(USAGE)
        if found is None:
            return DataAge(state=Health.UNKNOWN, sentence="The bill is not copied here.")
        at = found.copied
        words = found.sentence.replace(found.source.table, "The platform's bill")
        return DataAge(state=found.state, sentence=words, up_to=at.newest, copied_at=at.copied_at)


def _mirror(settings: Settings, database: Database, clock: Clock, billing: BillingFile) -> MirrorService:
    if settings.mirrored and not settings.databricks_warehouse:
        raise SettingsError(
            "COUNTERSIGN_DATABRICKS_MIRROR names system tables, and there is no warehouse to read them with.",
            hint="Set COUNTERSIGN_DATABRICKS_WAREHOUSE, or leave both empty.",
        )

    def wanted() -> Wanted:
        said = billing.said()
        return Wanted(products=said.products, tag=said.model_tag)

    return MirrorService(
        tables=DatabricksSystemTables(inference_tables.sql_warehouse(settings, timeout_seconds=600), wanted=wanted),
        store=SqlMirror(database),
        sources=chosen(settings.mirrored),
        clock=clock,
    )


def _reading(
    settings: Settings, database: Database, clock: Clock, registry: ModelRegistry, trusted: _Trusted
) -> _Reading:
    facts = settings.inference_folder
    inventory = InventoryService(
        registry=registry,
        store=SqlInventory(database),
        ledger=trusted.ledger,
        clock=clock,
        sweep=on_databricks.sweep(settings, database, registry, clock),
        traced=_traced(SqlLineage(database), clock),
    )
    rates = Rates(currency=settings.currency, cpu_hour=settings.rate_cpu_hour, gb_month=settings.rate_gb_month)
    billing = BillingFile(settings.databricks_billing_file)
    mirror = _mirror(settings, database, clock, billing)
    billed = "billing" in settings.mirrored
    value = ValueService(
        facts=BilledUsage(database, said=billing.said, currency=settings.currency)
        if billed
        else DuckDbUsageFacts(facts),
        bill=_Bill(mirror=mirror, requests=SqlRequestVolume(database, said=billing.said)) if billed else None,
        store=SqlValue(database),
        catalog=inventory,
        rates=rates,
        clock=clock,
        agreed=Agreed(newest=SqlStatementsInForce(database).newest, entries=trusted.attested),
        absent={FEATURES: "no feature job runs here"} if settings.profile is Profile.EMBEDDED else {},
    )
    predicted = MappedFacts(
        RoutedFacts(DuckDbMonitoringFacts(facts), _tables(settings, clock)),
        estates=_estates(settings),
        in_force=SqlMonitorsInForce(database),
        sketched=SqlMonitoring(database).seen,
    )
    return _Reading(
        inventory=inventory,
        monitoring=MonitoringService(
            facts=predicted,
            store=SqlMonitoring(database),
            catalog=inventory,
            clock=clock,
            columns=predicted,
            keep_days=settings.sketch_days,
            threshold=value.decision_threshold,
        ),
        performance_cubes=CubeRefresh(
            facts=MappedPerformance(
                RoutedPerformance(DuckDbPerformanceFacts(facts), _labelled_tables(settings, database, clock)),
                estates=_estates(settings),
                in_force=SqlMonitorsInForce(database),
                sketched=SqlMonitoring(database).seen,
            ),
            store=SqlPerformance(database),
            monitoring=SqlMonitoring(database),
            catalog=inventory,
            clock=clock,
            keep_days=settings.sketch_days,
        ),
        reliability=ReliabilityService(
            facts=RoutedRequests(DuckDbRequestFacts(facts), inference_tables.requests(settings, database, clock)),
            store=SqlReliability(database),
            catalog=inventory,
            clock=clock,
            sources=inference_tables.sources(settings),
            read_at=inference_tables.read_at(database),
        ),
        mirror=mirror,
        value=value,
        feedback=FeedbackService(facts=DuckDbReviewFacts(facts), store=SqlFeedback(database), clock=clock),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decisions:
    """Implements monitoring.ports.BusinessFacts with what feedback and value keep."""

    feedback: SqlFeedback
    valued: ValueService

    def threshold(self, model: str) -> float | None:
        return self.valued.decision_threshold(model)

    def reviews(self, model: str, since: date) -> tuple[ReviewCount, ...]:
        return tuple(
            ReviewCount(day=item.day, version=item.version, reviewed=item.reviewed, corrected=item.corrected)
            for item in self.feedback.review_days(model, since)
        )

    def value(self, model: str) -> ValuePerDecision | None:
        found = self.valued.model(model)
        if found.benefit is None or not found.predictions:
            return None
        low, high = sum(line.low for line in found.benefits), sum(line.high for line in found.benefits)
        return ValuePerDecision(
            currency=found.currency,
            amount=float(found.benefit * 1000 / found.predictions),
            low=float(low * 1000 / found.predictions),
            high=float(high * 1000 / found.predictions),
            decisions=found.predictions,
            window=found.window,
            assumed="; ".join(dict.fromkeys(line.assumed for line in found.benefits if line.assumed and line.pays)),
        )


def _unallocated(portfolio: PortfolioService) -> Unallocated:
    owned, nobodys = portfolio.spent()
    return Unallocated(amount=nobodys, of=owned, window=f"last {WINDOW_DAYS} days")


def _performance(settings: Settings, database: Database, clock: Clock, reading: _Reading) -> PerformanceService:
    return PerformanceService(
        store=SqlPerformance(database),
        monitoring=SqlMonitoring(database),
        catalog=reading.inventory,
        business=_Decisions(feedback=SqlFeedback(database), valued=reading.value),
        clock=clock,
        tables={
            model: LabelSource(
                words=f"table {given.table}", labelled=bool(given.label), arrives=given.arrived if given.label else ""
            )
            for model, mapped in settings.databricks_tables.items()
            if (given := mapped.inference)
        },
    )


def _tables(settings: Settings, clock: Clock) -> dict[str, MonitoringFacts]:
    """Predictions in tables of Unity Catalog, by model; only counted where the endpoint's log alone is named."""
    kept, warehouse = timedelta(days=settings.sketch_days or 1100), inference_tables.sql_warehouse(settings)
    return {
        **inference_tables.predictions(settings, clock),
        **{
            model: DatabricksMonitoringFacts(
                warehouse, (warehouse_table(model, mapped.inference),), since=lambda: clock.now().date() - kept
            )
            for model, mapped in settings.databricks_tables.items()
            if mapped.inference
        },
    }


def _labelled_tables(settings: Settings, database: Database, clock: Clock) -> dict[str, PerformanceFacts]:
    """Labels and scores of the same tables, counted into the cubes of performance."""
    kept, warehouse, store = (
        timedelta(days=settings.sketch_days or 1100),
        inference_tables.sql_warehouse(settings),
        SqlMonitoring(database),
    )

    def delay_of(model: str) -> Callable[[], float | None]:
        return lambda: config.label_delay_hours if (config := store.config(model)) else None

    return inference_tables.cubes(settings, database) | {
        model: DatabricksPerformanceFacts(
            warehouse,
            warehouse_table(model, mapped.inference),
            delay_hours=delay_of(model),
            sketched=store.seen,
            since=lambda: clock.now().date() - kept,
            today=lambda: clock.now().date(),
        )
        for model, mapped in settings.databricks_tables.items()
        if mapped.inference
    }


def warehouse_table(model: str, given: InferenceTable) -> WarehouseTable:
    return WarehouseTable(
        model=model,
        name=_parts_of(given.table),
        at=given.time,
        score=given.prediction,
        label=given.label,
        arrived_at=given.arrived,
        version=given.version,
        prediction_id=given.id,
        written_at=given.written,
        inputs=given.inputs,
        reference=_parts_of(given.reference_table),
        reference_days=given.reference_days,
        every_seconds=60.0 * given.every_minutes,
    )


def _vendor(settings: Settings, database: Database, clock: Clock) -> VendorService:
    """What the platform's own monitoring says about tables with data profiling."""
    warehouse = inference_tables.sql_warehouse(settings)
    return VendorService(
        metrics={
            model: VendorSource(
                table=given.table,
                metrics=DatabricksProfiling(
                    warehouse, _parts_of(given.table), drift_table=_parts_of(given.drift),
                    profile_table=_parts_of(given.profile),
                ),
            )
            for model, mapped in settings.databricks_tables.items()
            if (given := mapped.profiling)
        },
        store=SqlVendor(database),
        clock=clock,
        offered=bool(settings.databricks_warehouse),
    )  # fmt: skip


def _parts_of(name: str | None) -> tuple[str, ...]:
    return tuple(name.split(".")) if name else ()


def _estates(settings: Settings) -> Estates:
    """Tables of other estates that monitors may be pointed at."""
    connections = Secret(settings.monitor_connections.get_secret_value())
    return Estates(folders=settings.monitor_folders, connections=connections)


def _monitors(  # noqa: PLR0917 - one caller, further above
    settings: Settings,
    database: Database,
    clock: Clock,
    units: SqlUnits,
    trusted: _Trusted,
    reading: _Reading,
    policy: PolicyService,
    access: AccessFile,
) -> MonitorService:
    return MonitorService(
        units=units,
        catalog=reading.inventory,
        sketches=SqlMonitoring(database),
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        attestations=trusted.attested,
        reader=EstateReader(_estates(settings)),
        access=access,
        guarding=lambda model: _guarding(units, policy, reading.inventory, model),
        worth=lambda model: _worth(reading.value, model, settings.currency),
        clock=clock,
    )


def _guarding(units: SqlUnits, policy: PolicyService, inventory: InventoryService, model: str) -> str:
    """What the monitor of a model guards: a running release, or a live version that is brought back by rules.

    A policy that cannot be read guards too: what is not known is not waved through.
    """
    with units.read() as unit:
        running = unit.releases.running_release(model)
        row = unit.rollouts.deployment(model)
    if running is not None:
        return f"It guards the release of version {running.candidate}, which is under way."
    if row is None or not row.champion:
        return ""
    try:
        rules = policy.for_model(inventory.model(model)).document.rollback
    except InvalidPolicyError:
        return f"It guards version {row.champion}, which is live under a policy that cannot be read."
    return f"It guards version {row.champion}, which is live under a policy with rollback rules." if rules else ""


def _worth(value: ValueService, model: str, currency: str) -> Worth:
    """What a day of the model brings, from the recorded benefit of the last window."""
    try:
        found = value.model(model)
    except ControlRoomError:
        return Worth(per_day=None, currency=currency, basis="")
    if found.benefit is None or found.benefit <= 0 or not found.days:
        return Worth(per_day=None, currency=found.currency, basis="")
    per_day = round(found.benefit / len(found.days))
    basis = f"Recorded benefit of {found.window}, {found.benefit:,.0f} {found.currency}, divided by its days."
    return Worth(per_day=Decimal(per_day), currency=found.currency, basis=basis)


def _handling(
    settings: Settings,
    database: Database,
    inventory: InventoryService,
    access: AccessFile,
    clock: Clock,
    *,
    serving: ServingPlatform,
) -> DataHandling:
    declared = DeclaredCatalog(settings.catalog_file) if settings.catalog_file else DeclaredCatalog()
    # The catalog that ships describes the embedded workspace: elsewhere a model of the same name is another model.
    stated = declared if settings.catalog_file or settings.profile is Profile.EMBEDDED else None
    unity = _unity(settings)
    return DataHandling(
        inventory=inventory,
        store=SqlLineage(database),
        access=access,
        lineage=JoinedLineage(
            *(source for source in (unity, stated) if source is not None), answers=_answers(settings, serving, clock)
        ),
        tables=declared,
        facts=RoutedTableFacts(
            DuckDbTableFacts(settings.inference_folder), CatalogTableFacts(_asked_warehouse(settings))
        ),
        counter=DuckDbCells(settings.inference_folder),
        clock=clock,
    )


def _traced(lineage: SqlLineage, clock: Clock) -> Callable[[str], Collection[str]]:
    """One model is looked up; all of them are found in every kept graph, so that answer is used for a minute."""
    everybody = remembered(lineage.traced, clock=clock, lasting=_LISTED)
    return lambda model: lineage.traced(model) if model else everybody()


def _answers(settings: Settings, serving: ServingPlatform, clock: Clock) -> Callable[[GovernedModel], Iterable[Way]]:
    """Where the answers of a model go, from whatever serves it. The embedded catalog states it itself."""
    if settings.profile is Profile.EMBEDDED:
        return lambda _model: ()
    if settings.profile is Profile.DATABRICKS:
        configured = settings.databricks_serving
        seen = serving if isinstance(serving, ServedEntities) else None
        listed = remembered(seen.entities if seen else tuple, clock=clock, lasting=_LISTED)

        def on_platform(model: GovernedModel) -> Iterable[Way]:
            own = configured.get(model.name)
            if own is not None:
                yield Way(place=f"endpoint:{own.endpoint}" if own.endpoint else f"job:{own.job}")
            for item in listed():
                if item.model == model.name and (own is None or item.endpoint != own.endpoint):
                    yield Way(place=f"endpoint:{item.endpoint}", version=item.version)

        return on_platform
    names = remembered(serving.deployments, clock=clock, lasting=_LISTED)

    def at_gateway(model: GovernedModel) -> Iterable[Way]:
        if model.name in names():
            yield Way(place=f"{'job' if model.kind is DeploymentKind.BATCH else 'endpoint'}:{model.name}")

    return at_gateway


def _data_health(
    settings: Settings,
    database: Database,
    trusted: _Trusted,
    inventory: InventoryService,
    *,
    handling: DataHandling,
    clock: Clock,
) -> DataHealthService:
    def newest(model: str) -> LineageGraph | None:
        versions = inventory.versions(model)
        return handling.graph(model, versions[0].version) if versions else None

    at = settings.databricks_warehouse
    return DataHealthService(
        tables=DeclaredCatalog(settings.catalog_file) if settings.catalog_file else DeclaredCatalog(),
        rows=RoutedTableRows(
            DuckDbTableRows(settings.inference_folder),
            CatalogTableRows(
                _asked_warehouse(settings),
                now=clock.now,
                since=lambda: clock.now().date() - timedelta(days=KEEP_DAYS),
            ),
        ),
        store=SqlDataHealth(database),
        sources=(LakeflowRuns(warehouse=Warehouse(client=workspace, warehouse_id=at)),) if at else (),
        lineage=CatalogLineage(models=inventory.models, graph_of=newest, clock=clock),
        people=trusted.people,
        ledger=trusted.ledger,
        clock=clock,
    )


def _asked_warehouse(settings: Settings) -> SqlWarehouse | None:
    """None where none is named: a feature table of a catalog then says that nobody can ask about it."""
    return inference_tables.sql_warehouse(settings) if settings.databricks_warehouse else None


def _unity(settings: Settings) -> UnityLineage | None:
    """Lineage and column tags of Unity Catalog, where a SQL warehouse is named that may be asked."""
    if not settings.databricks_warehouse:
        return None
    return UnityLineage(
        client=workspace, warehouse=Warehouse(client=workspace, warehouse_id=settings.databricks_warehouse)
    )


def _packs(settings: Settings, database: Database, trusted: _Trusted, clock: Clock) -> PackService:
    return PackService(
        reader=trusted.book,
        index=SqlLedgerIndex(database),
        anchors=trusted.anchors,
        facts=SqlPackFacts(database),
        folder=PackFiles(settings.packs_folder),
        policies=SqlPublishedPolicies(database),
        people=trusted.people,
        ledger=trusted.ledger,
        desk=trusted.signing,
        keys=trusted.desk,
        clock=clock,
    )


def _channels(settings: Settings) -> ConfiguredChannels:
    return ConfiguredChannels(
        settings.channels_file,
        urls=Secret(settings.notify_urls.get_secret_value()),
        base_url=settings.notify_base_url,
    )


def _notices(
    channels: ConfiguredChannels, database: Database, trusted: _Trusted, clock: Clock, others: OtherFacts
) -> NoticeService:
    return NoticeService(
        people=trusted.people,
        ledger=trusted.ledger,
        reader=trusted.book,
        facts=SqlNoticeFacts(database),
        store=SqlNotices(database),
        outbox=SqlNoticeOutbox(database),
        courier=AppriseCourier(channels),
        channels=channels,
        clock=clock,
        others=others,
    )


def _tier(inventory: InventoryService, model: str) -> int:
    """0 for a model that nobody governs."""
    try:
        return int(inventory.model(model).tier)
    except UnknownModelError:
        return 0


def _standing(approvals: ApprovalService) -> ApprovalStanding:
    def reason(model: str, version: str) -> str:
        status = approvals.approved(model, version)
        return "" if status.valid else status.reason

    return reason


def _requests_per_minute(reliability: ReliabilityService, model: str) -> float | None:
    """None when nothing is known, which is not the same as none: a rollback never waits for telemetry."""
    try:
        return reliability.requests_per_minute(model)
    except ControlRoomError:
        return None


def _is_suspect(keys: SqlPublicKeys, decision: DecisionRecord) -> bool:
    """Signed with a key that was reported as compromised before this entry."""
    since = keys.suspect_from(decision.key_id)
    return since is not None and decision.seq >= since


def _benefit(value: ValueService, model: str) -> str:
    """Stated benefit and cost in one sentence, for the person who acknowledges them."""
    try:
        found = value.model(model)
    except ControlRoomError:
        return "Benefit and cost are not known."
    cost = f"measured cost {found.cost:.2f} {found.currency} ({found.window})"
    if found.benefit is None:
        return f"No benefit has been recorded yet; {cost}."
    return f"Benefit {found.benefit:.2f} {found.currency}, {cost}."
