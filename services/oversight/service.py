"""What needs a human now, what happened, and whether the machinery that watches is alive.

Wiring: `OversightService(inventory=inventory, monitoring=monitoring, reliability=reliability, value=value,
store=SqlOversight(database), clock=clock, environment="embedded", registry="MLflow (embedded)",
stale_seconds=settings.worker_stale_seconds)`. The worker calls `refresh_summaries` last, after every other refresh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from services.approvals.models import QueueQuery
from services.exceptions.models import ExceptionState
from services.feedback.retraining import Round
from services.inventory.models import DeploymentKind, GovernedModel, InventoryQuery, InventoryRow, InventorySort
from services.inventory.reviews import ReviewFact
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import InputError, UnknownModelError
from services.kernel.health import Health, Signal
from services.kernel.identity import Actor, Role
from services.monitoring.monitors import Monitor
from services.monitoring.service import MonitoringService
from services.oversight import todo, trouble
from services.oversight.findings import (
    broken_tables,
    findings,
    hurt,
    model_of,
    of_jobs,
    of_policies,
    orphaned,
    unreviewed,
)
from services.oversight.impact import Impact, impact
from services.oversight.models import Home, Operations, ServedModel, TimelineEvent, TodoItem
from services.oversight.ports import (
    Alerts,
    BatchRuns,
    DataHealth,
    Decisions,
    Emergencies,
    Exceptions,
    Fallbacks,
    FeatureTables,
    Incidents,
    JobFindings,
    OversightStore,
    Policies,
    Releases,
    ReturnReviews,
    Stewards,
    TierProposals,
)
from services.oversight.summaries import Watched, summary, trend, unwatched
from services.oversight.tiles import tiles
from services.oversight.worker_health import worker_problems
from services.reliability.service import ReliabilityService
from services.rollout.fallback_models import FallbackView
from services.value.portfolio import Portfolio, PortfolioQuery, PortfolioRow
from services.value.portfolio_service import PortfolioService
from services.value.service import ValueService

_LOOK_AT_MOST = 50
_MONEY_ROLES = frozenset({Role.BUSINESS_OWNER, Role.FINANCE})
_FAILED_ACTIONS_FOR = timedelta(days=2)


class OversightService:
    def __init__(
        self,
        *,
        inventory: InventoryService,
        monitoring: MonitoringService,
        reliability: ReliabilityService,
        value: ValueService,
        decisions: Decisions,
        emergencies: Emergencies,
        exceptions: Exceptions,
        stewards: Stewards,
        tiers: TierProposals,
        store: OversightStore,
        clock: Clock,
        environment: str,
        registry: str,
        stale_seconds: int = 60,
        tables: FeatureTables | None = None,
        data: DataHealth | None = None,
        policies: Policies | None = None,
        incidents: Incidents | None = None,
        releases: Releases | None = None,
        batch: BatchRuns | None = None,
        fallbacks: Fallbacks | None = None,
        alerts: Alerts | None = None,
        watching: Callable[[str], Monitor | None] = lambda _model: None,
        reviews: ReturnReviews | None = None,
        portfolio: PortfolioService | None = None,
        rounds: Callable[[], Sequence[Round]] | None = None,
        jobs: JobFindings | None = None,
    ) -> None:
        """`watching` gives the monitor in force, whose levels the money at risk is told for; `rounds` are the
        retrainings that are asked for and not finished.
        """
        self._watching = watching
        self._reviews = reviews
        self._portfolio = portfolio
        self._rounds = rounds
        self._jobs = jobs
        self._alerts = alerts
        self._releases = releases
        self._batch = batch
        self._fallbacks = fallbacks
        self._incidents = incidents
        self._policies = policies
        self._inventory = inventory
        self._monitoring = monitoring
        self._drifts: dict[str, tuple[str, tuple[Signal, tuple[float, ...]]]] = {}
        self._reliability = reliability
        self._value = value
        self._decisions = decisions
        self._emergencies = emergencies
        self._exceptions = exceptions
        self._stewards = stewards
        self._tiers = tiers
        self._store = store
        self._clock = clock
        self._environment = environment
        self._registry = registry
        self._stale = timedelta(seconds=stale_seconds)
        self._tables = tables
        self._data = data

    def home(self, actor: Actor) -> Home:
        situation = self._situation(actor)
        own, other = todo.mine(situation, actor), todo.others(situation, actor)
        return Home(
            greeting=_greeting(actor, situation, own),
            tiles=tiles(situation, actor),
            todo=own,
            others=other,
            reviews=todo.reviews(situation),
            on_call=self._on_call(situation, actor),
        )

    def _on_call(self, situation: todo.Situation, actor: Actor) -> tuple[TodoItem, ...]:
        if self._incidents is None or actor.role is not Role.SRE:
            return ()
        serving = [served.model for served in situation.served if served.desired]
        return trouble.duty(self._incidents.duties(serving[:_LOOK_AT_MOST]), actor)

    def operations(self) -> Operations:
        seen = self._store.heartbeat()
        facts = self._store.workspace_facts()
        return Operations(
            worker_seen=seen,
            worker_alive=self._alive(seen),
            syncs=self._store.syncs(),
            prepared_at=_moment(facts, "prepared_at"),
            replay_from=_moment(facts, "replay_from"),
            environment=self._environment,
            registry=self._registry,
        )

    def worker_problems(self, *, within: timedelta | None = None) -> tuple[str, ...]:
        """What is wrong with the worker, in sentences; empty while it lives and none of its lanes hangs."""
        seen, now = self._store.heartbeat(), self._clock.now()
        return worker_problems(seen, self._store.syncs(), now=now, stale=within or self._stale)

    def timeline(self, model: str, limit: int = 100) -> tuple[TimelineEvent, ...]:
        """Newest first. Raises UnknownModelError."""
        self._inventory.model(model)
        return self._store.timeline(model, limit)

    def findings(self, model: str = "") -> tuple[TodoItem, ...]:
        """Differences between what was decided and what is there, lapsed approvals too; all models when empty."""
        now = self._clock.now()
        lapsed = [item for item in self._decisions.ending(now, timedelta()) if item.ended and item.serving]
        told = [todo.ending(item, now) for item in lapsed if not model or item.model == model]
        return todo.urgent_first([*self._found(model, orphaned(self._stewards.orphans(model))), *told])

    def _found(self, model: str, orphans: tuple[TodoItem, ...]) -> tuple[TodoItem, ...]:
        since = self._clock.now() - _FAILED_ACTIONS_FOR
        found = findings(self._store.served(), self._store.deleted_but_served(), self._store.open_actions(since))
        found += unreviewed(self._emergencies.reviews(model))
        found += self.job_findings(model)
        broken = self._tables.tables() if self._tables else ()
        found += broken_tables(broken)
        found += hurt(self._data.recent_hurt(), told=broken) if self._data else ()
        found += of_policies(self._policies.problems(), self._policies.unpublished()) if self._policies else ()
        found += orphans
        return todo.urgent_first([item for item in found if not model or model_of(item) == model])

    def job_findings(self, model: str = "") -> tuple[TodoItem, ...]:
        """Of the findings, those about deployment jobs and the tags that let them go on."""
        return of_jobs(self._jobs.standing(model)) if self._jobs is not None else ()

    def impact(self, model: str) -> Impact:
        """Money per day at risk behind each watch threshold. Raises UnknownModelError."""
        return impact(self._inventory.model(model), self._value.model(model), self._watching(model))

    def call_reviews(self) -> int:
        """Worker: what is red now, or went live since the last review, calls for a review; models newly called."""
        now = self._clock.now()
        facts = [
            ReviewFact(model=row.name, kind=kind, at=now, sentence=f"{words} since {now:%d %b %Y}: {signal.sentence}")
            for row, _ in self._rows(InventoryQuery(health=(Health.BREACH,), limit=_LOOK_AT_MOST))
            for kind, words, signal in (("drift", "Red drift", row.drift), ("breach", "Broken promise", row.sla))
            if signal.state is Health.BREACH
        ]
        facts += [fact for served in self._store.served() if (fact := self._gone_live(served)) is not None]
        return self._stewards.call_reviews(facts)

    def _gone_live(self, served: ServedModel) -> ReviewFact | None:
        """The live version, when it was made after the last review of its model."""
        if not served.champion:
            return None
        try:
            model = self._inventory.model(served.model)
            version = self._inventory.version(served.model, served.champion)
        except InputError:
            return None
        if version.created_at.date() <= model.last_review:
            return None
        words = f"Version {version.version} went live after the last review."
        return ReviewFact(model=served.model, kind="change", at=version.created_at, sentence=words)

    def refresh_summaries(self) -> int:
        """Prepares the line of every model; returns how many changed."""
        today = self._clock.now().date()
        served = {item.model: item for item in self._store.served()}
        versions, seen = self._store.version_facts(), self._store.watched_models()
        requests = self._store.open_requests()
        found = Counter(model_of(item) for item in self.findings() if item.state is Health.BREACH)
        return self._store.put_summaries(
            tuple(
                summary(
                    model,
                    served=served.get(model.name),
                    watched=self._watched(model) if model.name in seen else unwatched(model.kind),
                    versions=versions.get(model.name, (0, "")),
                    open_requests=requests.get(model.name, 0),
                    findings=found[model.name],
                    today=today,
                )
                for model in self._inventory.models()
            )
        )

    def _watched(self, model: GovernedModel) -> Watched:
        # A week of batch runs is too few to say whether a promise of one in a hundred is kept.
        days = 30 if model.kind is DeploymentKind.BATCH else 7
        (drift, course), sla = self._drift(model.name), self._reliability.sla(model.name, days=days)
        worse = Health.worst([sla.errors.state, sla.latency.state])
        return Watched(drift=drift, trend=course, sla=sla.latency if sla.latency.state is worse else sla.errors)

    def _drift(self, model: str) -> tuple[Signal, tuple[float, ...]]:
        """Judged anew only when figures or the day changed: six times a minute nearly always nothing did."""
        mark, known = self._monitoring.mark(model), self._drifts.get(model)
        if known is None or known[0] != mark:
            view = self._monitoring.drift(model)
            known = self._drifts[model] = (mark, (view.signal, trend(view)))
        return known[1]

    def _situation(self, actor: Actor) -> todo.Situation:
        now = self._clock.now()
        seen, served = self._store.heartbeat(), self._store.served()
        engineer = actor.role is Role.SRE
        standing = self._exceptions.all(states=(ExceptionState.PROPOSED, ExceptionState.ACTIVE, ExceptionState.EXPIRED))
        asked = self._decisions.queue(QueueQuery(limit=_LOOK_AT_MOST), actor=actor)
        alarming = self._rows(InventoryQuery(health=(Health.BREACH, Health.WATCH), limit=_LOOK_AT_MOST))
        return todo.Situation(
            now=now,
            counts=self._inventory.counts(),
            requests=asked.items,
            open_requests=asked.total,
            waiting=self._decisions.counts(actor),
            reviews=self._emergencies.reviews(open_only=True),
            exceptions=tuple(
                item
                for item in standing
                if item.late or item.state is ExceptionState.PROPOSED or item.until - now <= todo.ENDING_WITHIN
            ),
            excepted=sum(item.state is ExceptionState.ACTIVE for item in standing),
            endings=tuple(item for item in self._decisions.ending(now, todo.ENDING_WITHIN) if item.serving),
            served=served,
            actions=self._store.open_actions(now - _FAILED_ACTIONS_FOR),
            findings=self._found("", self._orphans_of(alarming)),
            unsubmitted=self._store.unsubmitted() if actor.role is Role.DATA_SCIENCE_LEAD else (),
            alarming=alarming,
            overdue=self._overdue(),
            due_soon=self._due_soon(now),
            tiers=tuple(
                item for item in self._tiers.undecided() if not self._tiers.refusal_to_decide(item, actor=actor)
            ),
            portfolio=self._worth(PortfolioQuery(states=(Health.BREACH, Health.WATCH), limit=_LOOK_AT_MOST), actor),
            waiting_months=self._undecided(actor),
            retraining=self._retraining_due() if actor.role is Role.DATA_SCIENCE_LEAD else (),
            syncs=self._store.syncs(),
            worker_alive=self._alive(seen),
            troubles=self._troubles(),
            owed=self._incidents.owed(actor.subject) if self._incidents else (),
            alerts=self._alerts.standing() if self._alerts else (),
            returns=self._reviews.open(owner=actor.subject)
            if self._reviews and actor.role is Role.BUSINESS_OWNER
            else (),
            releases=self._releases.waiting() if self._releases and engineer else (),
            runs=self._batch.waiting() if self._batch and engineer else (),
            fallbacks=self._rehearsals(served) if engineer else (),
        )

    def _rehearsals(self, served: tuple[ServedModel, ...]) -> tuple[FallbackView, ...]:
        """Of what serves; of the first ones when that is very much."""
        found = []
        for item in [item for item in served if item.desired][:_LOOK_AT_MOST]:
            if self._fallbacks is not None and self._known(item.model) is not None:
                found.append(self._fallbacks.view(item.model))
        return tuple(found)

    def _worth(self, query: PortfolioQuery, actor: Actor) -> Portfolio | None:
        if self._portfolio is None or actor.role not in _MONEY_ROLES:
            return None
        return self._portfolio.page(query)

    def _undecided(self, actor: Actor) -> tuple[PortfolioRow, ...]:
        """Models with a month that waits for finance."""
        if self._portfolio is None or actor.role is not Role.FINANCE:
            return ()
        return self._portfolio.page(PortfolioQuery(waiting=True, limit=_LOOK_AT_MOST)).rows

    def _retraining_due(self) -> tuple[tuple[Round, GovernedModel], ...]:
        found = self._rounds() if self._rounds else ()
        soonest = sorted((item for item in found if not item.version), key=lambda item: item.due)[:_LOOK_AT_MOST]
        known = ((item, self._known(item.model)) for item in soonest)
        return tuple((item, model) for item, model in known if model is not None)

    def _troubles(self) -> tuple[trouble.Trouble, ...]:
        return tuple((item, self._known(item.model)) for item in (self._incidents.open() if self._incidents else ()))

    def _known(self, name: str) -> GovernedModel | None:
        try:
            return self._inventory.model(name)
        except UnknownModelError:
            return None

    def _overdue(self) -> tuple[tuple[InventoryRow, GovernedModel], ...]:
        rows = self._rows(InventoryQuery(sort=InventorySort.NEXT_REVIEW, limit=_LOOK_AT_MOST))
        return tuple((row, model) for row, model in rows if row.review_overdue)

    def _orphans_of(self, rows: tuple[tuple[InventoryRow, GovernedModel], ...]) -> tuple[TodoItem, ...]:
        """Of models that the worker found something about: a home page does not read ten thousand registrations."""
        return tuple(item for row, _ in rows if row.findings for item in orphaned(self._stewards.orphans(row.name)))

    def _due_soon(self, now: datetime) -> tuple[tuple[InventoryRow, GovernedModel], ...]:
        rows = self._rows(InventoryQuery(sort=InventorySort.NEXT_REVIEW, limit=_LOOK_AT_MOST))
        last = now.date() + todo.ENDING_WITHIN
        return tuple((row, model) for row, model in rows if not row.review_overdue and row.next_review <= last)

    def _rows(self, query: InventoryQuery) -> tuple[tuple[InventoryRow, GovernedModel], ...]:
        found = []
        for row in self._inventory.search(query).items:
            try:
                found.append((row, self._inventory.model(row.name)))
            except UnknownModelError:
                # The line was prepared before the model left the registry; the next refresh removes it.
                continue
        return tuple(found)

    def _alive(self, seen: datetime | None) -> bool:
        return seen is not None and self._clock.now() - seen <= self._stale


def _greeting(actor: Actor, situation: todo.Situation, own: tuple[TodoItem, ...]) -> str:
    """`Clara, 3 wait for your signature, 1 overdue.`: the headline, the same numbers as in the queue."""
    name = actor.name.partition(" ")[0] or actor.subject
    if not own:
        return f"{name}, nothing waits for you now."
    waiting = situation.waiting
    other = len(own) - sum(request.mine for request in situation.requests)
    words = []
    if waiting.mine:
        words.append(f"{waiting.mine} {'waits' if waiting.mine == 1 else 'wait'} for your signature")
        words.append(f"{waiting.overdue} overdue" if waiting.overdue else "none overdue")
    if other:
        things = "1 other thing needs" if other == 1 else f"{other} other things need"
        words.append(f"{things} you" if waiting.mine else f"{things.replace('other ', '')} you")
    return f"{name}, {', '.join(words)}."


def _moment(facts: Mapping[str, str], name: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(facts[name])
    except (KeyError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
