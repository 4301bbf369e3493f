"""Sample values for the fake control room: five models in the states that a screen has to tell apart."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal

from services.approvals.models import Comparison
from services.evaluation.detail import CalibrationBin, EvaluationDetail, GroupMeasure, GroupRow
from services.inventory.governance import FactorLevel, RiskStanding
from services.inventory.metadata import lint
from services.inventory.models import (
    DatasetRef,
    DeploymentKind,
    GovernedModel,
    InventoryRow,
    ModelVersion,
    Owner,
    SensitiveColumn,
    ServiceLevel,
    Task,
    Tier,
)
from services.inventory.tiering import FACTORS
from services.kernel.clock import from_utc_text
from services.kernel.health import Explanation, Health, Signal
from services.kernel.identity import Role
from services.kernel.interval import Estimate, share_of
from services.monitoring.models import JobRun, PerformancePoint, PerformanceView
from services.people.models import DemoAccount
from services.policy.models import GateOutcome, GateReport, PolicyRef, QuorumRule, ReleaseTerms, Verdict
from services.reliability import promise, slo
from services.reliability.models import BatchRuns, SlaPoint, SlaView
from services.value.models import BenefitLine, CostDay, Measure, ModelValue

HOSTILE = (
    "![x](http://evil.example/p.png) :red[x] :green-badge[PASSED] <b>bold</b> <img src=x onerror=alert(1)> "
    "$a$ :smile: [go](http://evil.example) '; drop table log_entry; -- # APPROVED"
)
"""What an attacker types into every name, note and reason; it must stand on the page as typed."""
NOW = from_utc_text("2030-11-20T15:30:00Z")
EVIDENCE = "9f2c" * 16
MANIFEST = "41ab" * 16

ACCOUNTS = tuple(
    DemoAccount(subject=subject, name=name, role=role, passphrase=passphrase, does=does)
    for subject, name, role, passphrase, does in (
        (
            "clara.compliance",
            "Clara Whitfield",
            Role.COMPLIANCE,
            "clara signs with care",
            "Reads the evidence and signs, or asks for changes.",
        ),
        (
            "ben.business",
            "Ben Okafor",
            Role.BUSINESS_OWNER,
            "ben counts the benefit",
            "Acknowledges benefit, cost and limits before a version goes live.",
        ),
        ("sam.sre", "Sam Lindqvist", Role.SRE, "sam rolls it back", "Watches the service and moves traffic back."),
        (
            "dana.datascience",
            "Dana Petrov",
            Role.DATA_SCIENCE_LEAD,
            "dana asks for promotion",
            "Trains versions and asks for promotion.",
        ),
        (
            "vera.validator",
            "Vera Lindholm",
            Role.VALIDATOR,
            "vera checks the numbers",
            "Checks the numbers independently and signs first.",
        ),
        (
            "fiona.finance",
            "Fiona Abara",
            Role.FINANCE,
            "fiona checks the sums",
            "Attests the benefit that owners claim for a month, or cuts it.",
        ),
        (
            "otto.auditor",
            "Otto Brandt",
            Role.AUDITOR,
            "otto reads everything",
            "Reads and verifies everything, changes nothing.",
        ),
        ("ada.admin", "Ada Moreau", Role.ADMIN, "ada keeps the keys", "Keeps people, roles and keys."),
    )
)

OWNERS = (
    Owner(role="business_owner", subject="ben.business", name="Ben Okafor"),
    Owner(role="data_science_lead", subject="dana.datascience", name="Dana Petrov"),
)


def an_explanation(
    formula: str = "Population stability index of the last 7 days against the reference window",
) -> Explanation:
    return Explanation(
        formula=formula,
        source="inference log, DuckDB on Parquet",
        window="14 to 20 Nov 2030",
        as_of=NOW,
        n=41_280,
        note="Rows of injected faults are left out.",
    )


def a_signal(state: Health, value: float | None, sentence: str, n: int | None = 41_280) -> Signal:
    return Signal(state=state, value=value, unit="PSI", sentence=sentence, n=n, as_of=NOW - timedelta(minutes=4))


_LEVELS = tuple(
    FactorLevel(factor=item.id, level=4 if item.id == "data" else 3, evidence="Counted in June.") for item in FACTORS
)
SHEET = RiskStanding(sheet="1", levels=_LEVELS, computed=1, assessed_by="Dana Petrov", assessed_at=NOW)


def a_model(
    name: str, title: str, tier: Tier, kind: DeploymentKind, *, task: Task = Task.CLASSIFICATION, team: str = "Claims"
) -> GovernedModel:
    return GovernedModel(
        name=name,
        title=title,
        use_case="Flight delay cover" if kind is DeploymentKind.REALTIME else f"{title} for travel and health claims",
        use_case_id="delay-cover" if kind is DeploymentKind.REALTIME else "",
        risk=SHEET if tier is Tier.ONE else None,
        purpose=f"{title}: scores each case so that people look at the right ones first.",
        tier=tier,
        kind=kind,
        task=task,
        team=team,
        owners=OWNERS,
        review_every_days=180 if tier is Tier.ONE else 365,
        last_review=date(2030, 5, 30),
        service_level=None
        if kind is DeploymentKind.VENDOR
        else ServiceLevel(
            p95_ms=120.0 if kind is DeploymentKind.REALTIME else None, error_rate=0.01, on_time_share=0.98
        ),
        label="" if name == "payout_forecast" else "Arrival delay of 60 minutes or more",
        limits_of_use="Not for refusing a claim without a person.",
        fallback="Rule of the last five years: delay above 45 minutes on the inbound leg.",
        sensitive=(
            SensitiveColumn(name="birth_year", category="quasi-identifier", basis="claims contract"),
            SensitiveColumn(name="diagnosis_group", category="PHI", basis="consent in the claim form"),
        )
        if name == "claims_triage"
        else (),
        lineage=(
            ("raw.flights", "features.routes"),
            ("raw.weather", "features.weather"),
            ("features.routes", f"{name} v3"),
            ("features.weather", f"{name} v3"),
            (f"{name} v3", f"endpoint {name}"),
        ),
        vendor="ClearSight Imaging" if kind is DeploymentKind.VENDOR else "",
    )


MODELS = (
    a_model("delay_claim_score", "Delay claim score", Tier.ONE, DeploymentKind.REALTIME),
    a_model("claims_triage", "Claims triage", Tier.ONE, DeploymentKind.BATCH, team="Health operations"),
    a_model("payout_forecast", "Payout forecast", Tier.TWO, DeploymentKind.BATCH, task=Task.REGRESSION, team="Finance"),
    a_model("plan_utilisation", "Plan utilisation", Tier.THREE, DeploymentKind.BATCH, team="Health operations"),
    a_model("damage_photo_vendor", "Damage photo review", Tier.TWO, DeploymentKind.VENDOR),
)


def some_versions(model: str, newest: int = 5) -> tuple[ModelVersion, ...]:
    return tuple(
        ModelVersion(
            model=model,
            version=str(number),
            created_at=NOW - timedelta(days=20 * (newest - number) + 3),
            run_id=f"{number:02d}8f2ac1b7e94d",
            model_id=f"m-{number}77ac2",
            source=f"models:/m-{number}77ac2",
            status="READY",
            description="Boosted trees on the routes of the last three years." if number > 2 else "Rule of thumb.",
            metrics=(
                ("holdout_auc", 0.70 + 0.03 * number),
                ("holdout_brier", 0.16 - 0.01 * number),
                ("holdout_ece", 0.03 - 0.003 * number),
                ("holdout_n", 41_280.0),
                ("baseline_auc", 0.71),
            ),
            params=(("learning_rate", "0.05"), ("max_depth", "6")),
            tags=(("countersign.training_window", "2030-02-01/2030-08-31"),),
            aliases={3: ("champion",), 4: ("challenger",)}.get(number, ()),
            datasets=(DatasetRef(name="flights_2030", digest="b1946ac9", context="training"),),
            inputs=(("distance", "double"), ("carrier", "string"), ("dep_hour", "long")),
            outputs=(("score", "double"),),
            has_input_example=True,
            size_bytes=1_482_000,
            missing="artifact of the run could not be read" if number == 1 else "",
        )
        for number in range(newest, 0, -1)
    )


def a_trend(start: float, end: float, days: int = 30) -> tuple[float, ...]:
    return tuple(
        round(max(0.0, start + (end - start) * i / (days - 1) + 0.008 * math.sin(i * 1.7)), 4) for i in range(days)
    )


_ROWS = (
    ("claims_triage", Health.BREACH, (("3", 100),), 0.05, 0.31, "Drift is high in claim type mix", 1),
    ("delay_claim_score", Health.WATCH, (("3", 90), ("4", 10)), 0.04, 0.14, "Drift is rising in departure hour", 0),
    ("payout_forecast", Health.HEALTHY, (("4", 100),), 0.03, 0.05, "No drift beyond noise", 0),
    ("plan_utilisation", Health.UNKNOWN, (("2", 100),), None, None, "Too few rows since 12 Nov to judge", 0),
    ("damage_photo_vendor", Health.UNKNOWN, (), None, None, "The supplier sends no scores", 0),
)


def inventory_rows() -> tuple[InventoryRow, ...]:
    by_name = {model.name: model for model in MODELS}
    rows = []
    for name, health, live, start, end, sentence, requests in _ROWS:
        model = by_name[name]
        known = start is not None and end is not None
        rows.append(
            InventoryRow(
                name=name,
                title=model.title,
                use_case=model.use_case,
                tier=model.tier,
                kind=model.kind,
                team=model.team,
                owner="Ben Okafor",
                health=health,
                live=live,
                live_as_of=NOW - timedelta(minutes=2) if live else None,
                versions=5 if live else 0,
                newest_version="5" if live else "",
                drift=a_signal(health if known else Health.UNKNOWN, end, sentence, 41_280 if known else None),
                drift_trend=a_trend(start, end) if start is not None and end is not None else (),
                sla=a_signal(
                    Health.HEALTHY if known else Health.UNKNOWN,
                    84.0 if known else None,
                    "p95 84 ms of 120 ms"
                    if name == "delay_claim_score"
                    else "59 of 60 runs on time"
                    if known
                    else "not measured",
                ),
                open_requests=requests,
                findings=1 if name == "claims_triage" else 0,
                next_review=model.next_review,
                review_overdue=name == "claims_triage",
                completeness=lint(model).percent,
            )
        )
    return tuple(rows)


POLICY = PolicyRef(name="tier-1", version="3", sha256="c0de" * 16)
QUORUM = (
    QuorumRule(role="validator", needed=1, decision="approve"),
    QuorumRule(role="business_owner", needed=1, decision="acknowledge", stage=2),
    QuorumRule(role="compliance_officer", needed=1, decision="approve", stage=2),
)
TERMS = ReleaseTerms(shares=(10, 100), approval_days=30, request_days=14)


def _outcome(
    gate: str, title: str, group: str, value: str, champion: str, rule: str, verdict: Verdict, sentence: str
) -> GateOutcome:
    return GateOutcome(
        gate=gate,
        title=title,
        group=group,
        value=value,
        champion=champion,
        rule=rule,
        verdict=verdict,
        sentence=sentence,
        data="holdout flights_2030 (b1946ac9)",
        n=41_280,
    )


GOOD_REPORT = GateReport(
    policy=POLICY,
    evidence_sha256=EVIDENCE,
    outcomes=(
        _outcome(
            "auc",
            "Ranking quality (AUC)",
            "performance",
            "0.841",
            "0.823",
            "0.780 or more",
            Verdict.PASSED,
            "Better than the live version.",
        ),
        _outcome(
            "ece",
            "Calibration error",
            "calibration",
            "0.014",
            "0.021",
            "0.030 or less",
            Verdict.PASSED,
            "Scores mean what they say.",
        ),
        _outcome(
            "found:region=south",
            "Positives found: region = south",
            "fairness",
            "2.1 pp",
            "2.8 pp",
            "4.0 pp or less",
            Verdict.PASSED,
            "Within the limit.",
        ),
        _outcome(
            "found:age_band=65 to 85",
            "Positives found: age_band = 65 to 85",
            "fairness",
            "2.0 pp",
            "",
            "4.0 pp or less",
            Verdict.PASSED,
            "Within the limit.",
        ),
        _outcome(
            "found:age_band=over 85",
            "Positives found: age_band = over 85",
            "fairness",
            "n = 41",
            "",
            "at least 100 rows",
            Verdict.SKIPPED,
            "Too few rows to judge; named in the model limits.",
        ),
        _outcome(
            "leak",
            "Features known at decision time",
            "data",
            "12 of 12",
            "12 of 12",
            "all of them",
            Verdict.PASSED,
            "No feature is available only later.",
        ),
        _outcome(
            "docs",
            "Label definition written down",
            "documentation",
            "yes",
            "yes",
            "required",
            Verdict.PASSED,
            "Present.",
        ),
    ),
)
BAD_REPORT = GateReport(
    policy=POLICY,
    evidence_sha256=EVIDENCE,
    outcomes=(
        _outcome(
            "auc",
            "Ranking quality (AUC)",
            "performance",
            "0.861",
            "0.841",
            "0.780 or more",
            Verdict.PASSED,
            "Better than the live version.",
        ),
        _outcome(
            "ece",
            "Calibration error",
            "calibration",
            "0.061",
            "0.014",
            "0.030 or less",
            Verdict.FAILED,
            "Recalibrate the scores and register a new version.",
        ),
        _outcome(
            "latency",
            "Latency of the canary",
            "latency",
            "\u2013",
            "84 ms",
            "120 ms or less",
            Verdict.ERROR,
            "The endpoint did not answer, so latency is not known.",
        ),
    ),
)
CHANGES = (
    Comparison(title="Ranking quality (AUC)", champion="0.823", candidate="0.841", change="+0.018", better=True),
    Comparison(title="Calibration error", champion="0.021", candidate="0.014", change="\u22120.007", better=True),
    Comparison(
        title="Training data",
        champion="flights_2029 (9ac1)",
        candidate="flights_2030 (b194)",
        change="new window",
        better=None,
    ),
    Comparison(title="Input columns", champion="11", candidate="12", change="+1: dep_hour", better=None),
    Comparison(title="Share referred to people", champion="12.0 %", candidate="13.4 %", change="+1.4 pp", better=False),
)


def performance_view(model: str) -> PerformanceView:
    points = tuple(
        PerformancePoint(
            start=NOW.date() - timedelta(days=7 * (12 - i)),
            end=NOW.date() - timedelta(days=7 * (11 - i)),
            value=0.83 - 0.003 * i if i < 11 else None,
            low=0.81 - 0.003 * i if i < 11 else None,
            high=0.85 - 0.003 * i if i < 11 else None,
            n=1_800 - 120 * i,
            coverage=1.0 if i < 9 else 0.4,
        )
        for i in range(12)
    )
    return PerformanceView(
        model=model,
        metric="auc",
        title="Ranking quality (AUC)",
        higher_is_better=True,
        points=points,
        baseline=0.71,
        baseline_name="simple rule",
        signal=a_signal(Health.HEALTHY, 0.80, "0.80 on labels up to 6 Nov, interval 0.78 to 0.82", 9_400),
        explanation=an_explanation("Area under the ROC curve of predictions whose labels have arrived"),
    )


def job_runs(model: str) -> tuple[JobRun, ...]:
    return tuple(
        JobRun(
            job=f"{model}-batch",
            model=model,
            version="3",
            window_start=NOW - timedelta(hours=2 * i + 2),
            started_at=NOW - timedelta(hours=2 * i),
            finished_at=NOW - timedelta(hours=2 * i) + timedelta(minutes=3 + i % 4),
            rows=1_204 + 13 * i,
            ok=i != 4,
            on_time=i not in {4, 9},
            error="input file was empty" if i == 4 else "",
        )
        for i in range(24)
    )


def error_budget(model: str) -> slo.BudgetView | None:
    """An hour of trouble after a good month."""
    hour = timedelta(hours=1)
    month = [slo.Served(start=NOW - n * hour, length=hour, requests=2_000, failed=4) for n in range(2, 700)]
    trouble = slo.Served(start=NOW - hour, length=hour, requests=2_000, failed=500)
    return slo.budget(slo.Objective(target=0.99), [*month, trouble], NOW)


def _batch_view(model: str, days: int) -> SlaView:
    """Judged by the rules of the product over the runs of the sample."""
    level = ServiceLevel(p95_ms=None, error_rate=0.05, on_time_share=0.95)
    inside = [run for run in job_runs(model) if run.window_start >= NOW - timedelta(days=days)]
    late, failed = sum(not run.on_time for run in inside), sum(not run.ok for run in inside)
    counted = BatchRuns(runs=len(inside), failed=failed, late=late, last_finished=NOW if inside else None)
    kept, broken = share_of(len(inside) - late, len(inside)), share_of(failed, len(inside))
    return SlaView(
        model=model,
        deployment=model,
        slot_minutes=60,
        points=(),
        level=level,
        latency=promise.on_time(counted, level, days),
        errors=promise.failures(counted, level, days),
        adherence=kept.value if kept else None,
        slots=len(inside),
        explanation=an_explanation("On time = runs finished inside their window / all runs"),
        latency_interval=kept,
        errors_interval=broken,
    )


def sla_view(model: str, days: int = 7) -> SlaView:
    if any(item.name == model and item.kind is DeploymentKind.BATCH for item in MODELS):
        return _batch_view(model, days)
    points = []
    for i in range(12 * min(days, 7)):
        for version, share in (("3", 0.9), ("4", 0.1)):
            bad = version == "4" and 60 <= i < 64
            points.append(
                SlaPoint(
                    start=NOW - timedelta(hours=2 * (12 * min(days, 7) - i)),
                    version=version,
                    requests=int(600 * share),
                    errors=24 if bad else i % 3,
                    p50_ms=22.0 + (i % 5),
                    p95_ms=(160.0 if bad else 78.0) + (i % 7) * 2,
                    p99_ms=(240.0 if bad else 102.0) + (i % 9),
                    injected=40 if bad else 0,
                )
            )
    return SlaView(
        model=model,
        deployment=model,
        slot_minutes=120,
        points=tuple(points),
        level=ServiceLevel(p95_ms=120.0, error_rate=0.01, on_time_share=None),
        latency=Signal(
            state=Health.HEALTHY,
            value=84.0,
            unit="ms",
            sentence="p95 of 84 ms keeps the promise of 120 ms",
            n=50_400,
            as_of=NOW,
        ),
        errors=Signal(
            state=Health.WATCH,
            value=0.008,
            unit="share",
            sentence="0.8 % of requests failed; the promise is 1.0 %",
            n=50_400,
            as_of=NOW,
        ),
        adherence=0.976,
        slots=168,
        explanation=an_explanation("Share of two-hour slots in which p95 and error rate kept the promise"),
        latency_interval=Estimate(value=84.0, low=82.0, high=86.0),
        errors_interval=share_of(302, 50_400),
        adherence_interval=share_of(164, 168),
    )


def model_value(model: GovernedModel) -> ModelValue:
    vendor = model.kind is DeploymentKind.VENDOR
    days = tuple(
        CostDay(
            day=NOW.date() - timedelta(days=89 - i),
            compute=Decimal("0.91") + Decimal(i % 7) / 50,
            storage=Decimal("0.12"),
            serving=Decimal("1.40"),
            training=Decimal("0.31"),
            predictions=5_900 + (i % 7) * 240 if i != 30 else 0,
        )
        for i in range(0 if vendor else 90)
    )
    cost = sum((day.total for day in days), Decimal(0))
    benefits = (
        ()
        if vendor or model.tier is Tier.THREE
        else (
            BenefitLine(
                title="Right referrals instead of random checks",
                quantity="1,240 more correct referrals",
                unit_value="USD 38 each",
                amount=Decimal(47_120),
                low=Decimal(31_000),
                high=Decimal(58_900),
                n=9_400,
                assumed="38 USD per correct referral, stated by Ben Okafor",
                explanation=an_explanation("Correct referrals beyond the old rate times unit value"),
            ),
            BenefitLine(
                title="Rework avoided",
                quantity="310 cases",
                unit_value="USD 21 each",
                amount=Decimal(6_510),
                low=Decimal(5_900),
                high=Decimal(7_200),
                n=2_100,
                assumed="",
                explanation=an_explanation("Corrected share below the old share times reviewed cases"),
            ),
        )
    )
    benefit = sum((line.amount for line in benefits), Decimal(0)) if benefits else None
    return ModelValue(
        model=model.name,
        title=model.title,
        currency="USD",
        window="23 Aug to 20 Nov 2030, 90 days",
        days=days,
        cost=cost,
        predictions=sum(day.predictions for day in days),
        cost_per_thousand=Decimal("0.4312") if days else None,
        benefits=benefits,
        benefit=benefit,
        net=benefit - cost if benefit is not None else None,
        measures=()
        if vendor
        else (
            Measure(
                title="Rework rate",
                before="15 %",
                after="9 %",
                change="\u22126 pp",
                n=2_100,
                explanation=an_explanation("Corrected / reviewed"),
            ),
            Measure(
                title="Batch window",
                before="8 h",
                after="2 h",
                change="\u221275 %",
                n=None,
                explanation=an_explanation("Hours from one batch to the next"),
            ),
        ),
        state=Health.UNKNOWN if benefit is None else Health.HEALTHY,
        sentence="No benefit has been recorded, so nothing can be said about return"
        if benefit is None
        else "Net benefit is positive at the low end too",
        cost_explanation=an_explanation("Compute + storage + serving, divided by predictions, times 1,000"),
    )


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def at(hours_ago: float) -> datetime:
    return NOW - timedelta(hours=hours_ago)


def _group(attribute: str, group: str, n: int, rate: float, found: float, *, reference: bool = False) -> GroupRow:
    return GroupRow(
        attribute=attribute,
        group=group,
        n=n,
        measures=(
            GroupMeasure(title="Selected", unit="share", value=rate, low=rate - 0.02, high=rate + 0.02),
            GroupMeasure(title="Positives found", unit="share", value=found, low=None, high=None),
        ),
        reference=reference,
    )


EVALUATION = EvaluationDetail(
    bins=tuple(
        CalibrationBin(n=4_128, mean_score=score, observed=seen, low=seen - 0.015, high=seen + 0.015)
        for score, seen in (
            (0.03, 0.028), (0.07, 0.066), (0.11, 0.112), (0.16, 0.155), (0.21, 0.219),
            (0.28, 0.27), (0.36, 0.349), (0.46, 0.47), (0.6, 0.578), (0.81, 0.79),
        )
    ),
    groups=(
        _group("region", "north", 20_140, 0.13, 0.61, reference=True),
        _group("region", "south", 14_020, 0.124, 0.6),
        _group("age_band", "18 to 64", 30_900, 0.12, 0.6, reference=True),
        _group("age_band", "65 to 85", 10_339, 0.15, 0.62),
        _group("age_band", "over 85", 41, 0.29, 0.5),
    ),
    sha256="e7a1" * 16,
    read_at=NOW - timedelta(minutes=4),
)  # fmt: skip
