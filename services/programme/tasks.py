"""The tasks of the first ninety days, each with the query that closes it. Pure: facts in, answers out.

Nobody ticks a task off. A query reads what the stores and the ledger hold; what it cannot read is unknown, and an
unknown task is neither closed nor reopened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.kernel.targets import target_of
from services.programme.models import Answer, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one model. None is what could not be read just now; `problems` says why, by field."""

    model: str
    supplied: bool
    tier: int
    batch: bool = False
    missing_metadata: tuple[str, ...] | None = None
    versions: int | None = None
    with_run: int | None = None
    """Versions that name the run that made them."""
    newest: str = ""
    measured: bool | None = None
    """The first version carries metrics and its data set."""
    naming: str = ""
    """What is wrong with the name, or empty."""
    broken_rules: int | None = None
    """Feature tables of the model with a broken rule or none at all."""
    tables: int | None = None
    policy: str | None = None
    """Name and version of the policy in force; empty when none can be used."""
    lineage: bool | None = None
    evaluated: bool | None = None
    """The newest version has a finished report of ours."""
    live: str | None = None
    """Version that serves; empty when none does."""
    promise: bool | None = None
    falls_back: bool | None = None
    """The machine may roll back by signed rules, or a fallback is written down."""
    monitor: int | None = None
    """Version of the monitor in force; 0 for none."""
    drift_n: int | None = None
    reviewed: int | None = None
    drafts: int | None = None
    """Retraining rounds that opened a promotion draft."""
    approved: int | None = None
    """Requests that a complete quorum approved."""
    benefit: bool | None = None
    cost_days: int | None = None
    on_call: str | None = None
    orphans: int | None = None
    duties: int | None = None
    problems: tuple[tuple[str, str], ...] = ()

    def problem(self, field: str) -> str:
        return dict(self.problems).get(field, "It could not be read just now.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    id: str
    phase: Phase
    title: str
    owner_role: str
    query: str
    reads: str
    ask: Callable[[Facts], Answer]
    of_suppliers: bool = True
    """Whether it is asked of models that a supplier runs, too."""


def _answer(facts: Facts, found: bool | None, yes: str, no: str, fix: str, *, field: str = "") -> Answer:  # noqa: FBT001
    sentence = facts.problem(field) if found is None else yes if found else no
    return Answer(model=facts.model, found=found, sentence=sentence, fix=fix)


def _duties(number: int | None) -> str:
    return "1 duty" if number == 1 else f"{number} duties"


def _metadata(facts: Facts) -> Answer:
    gaps = facts.missing_metadata
    return _answer(
        facts, None if gaps is None else not gaps, "Label, limits, latency and owners are written down.",
        f"Not written down: {', '.join(gaps or ())}.", target_of("model", name=facts.model, show="metadata"),
        field="metadata",
    )  # fmt: skip


def _owners(facts: Facts) -> Answer:
    known = None if facts.orphans is None or facts.duties is None else facts.orphans == 0 and facts.duties > 0
    return _answer(
        facts, known, f"{_duties(facts.duties)}, each with an active person.",
        f"{_duties(facts.orphans)} without an active person." if facts.duties else "Nobody carries a duty.",
        target_of("model", name=facts.model, show="metadata"), field="owners",
    )  # fmt: skip


def _registered(facts: Facts) -> Answer:
    known = None if facts.versions is None else facts.versions > 0 and facts.with_run == facts.versions
    no = facts.naming or (
        f"{facts.with_run or 0} of {facts.versions} versions name their run." if facts.versions else "No version yet."
    )
    return _answer(
        facts, known if known is None else known and not facts.naming,
        f"{facts.versions} versions in the registry, each with its run.", no,
        target_of("model", name=facts.model), field="versions",
    )  # fmt: skip


def _tables(facts: Facts) -> Answer:
    known = None if facts.tables is None else facts.tables > 0 and facts.broken_rules == 0
    no = f"{facts.broken_rules} of {facts.tables} feature tables break a rule." if facts.tables else (
        "No feature table with rules is known for it."
    )  # fmt: skip
    return _answer(
        facts, known, f"{facts.tables} feature tables, every rule kept.", no,
        target_of("data_health", model=facts.model), field="tables",
    )  # fmt: skip


def _policy(facts: Facts) -> Answer:
    known = None if facts.policy is None or facts.lineage is None else bool(facts.policy) and facts.lineage
    no = "No published policy can be used for its tier." if not facts.policy else "Its lineage is not put together."
    fix = target_of("policies", tier=str(facts.tier)) if not facts.policy else target_of(
        "model", name=facts.model, show="lineage"
    )  # fmt: skip
    return _answer(facts, known, f"Under {facts.policy}, with its lineage.", no, fix, field="policy")


def _baseline(facts: Facts) -> Answer:
    return _answer(
        facts, facts.measured, "Its first version carries metrics and its data set.",
        "Its first version has no metrics or names no data set.", target_of("model", name=facts.model),
        field="versions",
    )  # fmt: skip


def _evaluated(facts: Facts) -> Answer:
    return _answer(
        facts, facts.evaluated, f"Version {facts.newest} has a report of the harness.",
        f"Version {facts.newest or 'none'} has no report of the harness.",
        target_of("evaluation", model=facts.model, version=facts.newest), field="evaluated",
    )  # fmt: skip


def _served(facts: Facts) -> Answer:
    return _answer(
        facts, None if facts.live is None else bool(facts.live), f"Version {facts.live} serves.",
        "No version serves.", target_of("rollouts", model=facts.model), field="live",
    )  # fmt: skip


def _protected(facts: Facts) -> Answer:
    known = None if facts.promise is None or facts.falls_back is None else facts.promise and facts.falls_back
    no = "No service level is promised." if not facts.promise else "No rollback rule and no fallback stands."
    return _answer(
        facts, known, "A service level is promised, and the way back is agreed.", no,
        target_of("model", name=facts.model, show="metadata"), field="policy",
    )  # fmt: skip


def _monitored(facts: Facts) -> Answer:
    known = None if facts.monitor is None or facts.drift_n is None else facts.monitor > 0 and facts.drift_n > 0
    no = "No monitor is in force." if not facts.monitor else "Its monitor has measured no prediction."
    return _answer(
        facts, known, f"Monitor version {facts.monitor} measured {facts.drift_n or 0:,} predictions.", no,
        target_of("monitors", model=facts.model), field="monitor",
    )  # fmt: skip


def _feedback(facts: Facts) -> Answer:
    return _answer(
        facts, None if facts.reviewed is None else facts.reviewed > 0, f"{facts.reviewed or 0:,} reviews in 60 days.",
        "Nobody reviewed a prediction in 60 days.", target_of("feedback", model=facts.model), field="reviewed",
    )  # fmt: skip


def _retrained(facts: Facts) -> Answer:
    known = None if facts.drafts is None or facts.approved is None else facts.drafts > 0 and facts.approved > 0
    no = "No retraining opened a draft yet." if not facts.drafts else "No complete quorum approved a version."
    return _answer(
        facts, known, f"{facts.drafts} retrainings opened a draft; {facts.approved} requests approved.", no,
        target_of("feedback", model=facts.model, show="retraining"), field="drafts",
    )  # fmt: skip


def _value(facts: Facts) -> Answer:
    known = None if facts.benefit is None or facts.cost_days is None else facts.benefit and facts.cost_days > 0
    no = "No benefit is recorded." if not facts.benefit else "No cost is recorded."
    return _answer(
        facts, known, f"Benefit is recorded, and cost on {facts.cost_days} days.", no,
        target_of("value", model=facts.model), field="value",
    )  # fmt: skip


def _agreed(facts: Facts) -> Answer:
    known = None if facts.on_call is None or facts.approved is None else bool(facts.on_call) and facts.approved > 0
    no = "Nobody is on call." if not facts.on_call else "No promotion went through its whole quorum yet."
    return _answer(
        facts, known, f"{facts.on_call} is on call, and {facts.approved} promotions went through their quorum.", no,
        target_of("model", name=facts.model, show="metadata"), field="on_call",
    )  # fmt: skip


TASKS = (
    Task(
        id="use-case", phase=Phase.FIRST, title="Write down label, features, latency and limits",
        owner_role="business_owner", query="metadata-complete", reads="required metadata of the tier", ask=_metadata,
    ),
    Task(
        id="owners", phase=Phase.FIRST, title="Name an owner for every duty", owner_role="business_owner",
        query="owners-active", reads="duties of the model and people who are active", ask=_owners,
    ),
    Task(
        id="registry", phase=Phase.FIRST, title="Track runs and register versions", owner_role="platform",
        query="versions-with-run", reads="versions of the registry and their runs", ask=_registered,
        of_suppliers=False,
    ),
    Task(
        id="tables", phase=Phase.FIRST, title="Secure feature tables with quality checks",
        owner_role="data_engineer", query="table-rules-kept", reads="rules of feature tables, newest settled day",
        ask=_tables, of_suppliers=False,
    ),
    Task(
        id="gates", phase=Phase.FIRST, title="Define gates, lineage and retention", owner_role="compliance_officer",
        query="policy-and-lineage", reads="published policy of the tier, lineage of the newest version", ask=_policy,
        of_suppliers=False,
    ),
    Task(
        id="baseline", phase=Phase.SECOND, title="Train and log a baseline model", owner_role="data_science_lead",
        query="baseline-logged", reads="metrics and data set of the first version", ask=_baseline, of_suppliers=False,
    ),
    Task(
        id="harness", phase=Phase.SECOND, title="Evaluate against acceptance criteria",
        owner_role="data_science_lead", query="newest-version-evaluated", reads="reports of the harness",
        ask=_evaluated, of_suppliers=False,
    ),
    Task(
        id="served", phase=Phase.SECOND, title="Deploy by a governed release", owner_role="sre", query="version-serves",
        reads="deployments as read back", ask=_served, of_suppliers=False,
    ),
    Task(
        id="way-back", phase=Phase.SECOND, title="Promise a service level and agree the way back", owner_role="sre",
        query="promise-and-way-back", reads="service level, rollback rules of the policy, fallback", ask=_protected,
    ),
    Task(
        id="monitoring", phase=Phase.THIRD, title="Monitor drift and performance", owner_role="data_science_lead",
        query="monitor-measures", reads="monitor in force and measured predictions", ask=_monitored,
        of_suppliers=False,
    ),
    Task(
        id="feedback", phase=Phase.THIRD, title="Close the feedback loop", owner_role="business_owner",
        query="reviews-counted", reads="reviews of the last 60 days of predictions", ask=_feedback, of_suppliers=False,
    ),
    Task(
        id="retraining", phase=Phase.THIRD, title="Retrain monthly with governed promotion",
        owner_role="data_science_lead", query="retraining-drafted-and-approved",
        reads="retraining rounds with a draft, approved requests", ask=_retrained, of_suppliers=False,
    ),
    Task(
        id="value", phase=Phase.THIRD, title="Show benefit and cost", owner_role="cost_owner", query="value-recorded",
        reads="recorded benefit and cost days", ask=_value,
    ),
    Task(
        id="agreement", phase=Phase.THIRD, title="Agree promotion checklist and on-call",
        owner_role="compliance_officer", query="on-call-and-quorum", reads="duty roster, approved requests",
        ask=_agreed, of_suppliers=False,
    ),
)  # fmt: skip
