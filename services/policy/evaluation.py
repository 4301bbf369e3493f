"""Judges evidence by a policy: pure, no reading of anything. What could not be measured is never a pass.

One function per gate kind; each gives one or more outcomes with value, rule, verdict and a sentence
that says why and, when it blocks, what would fix it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import assert_never

from services.policy import gates, measured, stewardship
from services.policy.evidence import Evidence
from services.policy.fairness import judge_fairness
from services.policy.gates import Gate
from services.policy.models import GateOutcome, GateReport, PolicyRef, Verdict
from services.policy.schema import PolicyDocument
from services.policy.wording import bound_words, outcome, shown


def evaluate(evidence: Evidence, policy: PolicyDocument, *, ref: PolicyRef) -> GateReport:
    outcomes = tuple(
        replace(result, holds=tuple(role.value for role in gate.holds), exceptable=gate.exceptable)
        for gate in policy.gates_for(evidence.model)
        if gate.task is None or gate.task == evidence.task
        for result in judge(gate, evidence, tier=policy.tier)
    )
    return GateReport(policy=ref, outcomes=outcomes, evidence_sha256=evidence.sha256)


def unreadable(evidence_sha256: str, *, problem: str) -> GateReport:
    """The report when the policy itself cannot be read: one outcome, error, which blocks."""
    broken = GateOutcome(
        gate="policy",
        title="Policy of this tier",
        group="documentation",
        value="not readable",
        rule="the policy document must be valid",
        verdict=Verdict.ERROR,
        sentence=f"The gates could not be evaluated because the policy is not valid. {problem}",
    )
    ref = PolicyRef(name="unreadable", version="0", sha256="0" * 64)
    return GateReport(policy=ref, outcomes=(broken,), evidence_sha256=evidence_sha256)


def judge(gate: Gate, evidence: Evidence, *, tier: int) -> Iterator[GateOutcome]:  # noqa: PLR0912, C901 - one line per kind
    match gate:
        case gates.MetricGate():
            yield _bounded(gate, evidence, group="performance", absolute=False)
        case gates.CalibrationGate():
            yield _bounded(gate, evidence, group="calibration", absolute=True)
        case gates.BaselineGate():
            yield _baseline(gate, evidence)
        case gates.DeltaGate():
            yield _delta(gate, evidence)
        case gates.FairnessGate():
            yield from judge_fairness(gate, evidence)
        case gates.LeakageGate():
            yield _leakage(gate, evidence)
        case gates.AvailabilityGate():
            yield _availability(gate, evidence)
        case gates.SensitiveGate():
            yield _sensitive(gate, evidence)
        case gates.DocumentationGate():
            yield _documentation(gate, evidence)
        case gates.SignatureGate():
            yield _signature(gate, evidence)
        case gates.DatasetGate():
            yield _dataset(gate, evidence)
        case gates.ManifestGate():
            yield _manifest(gate, evidence)
        case gates.LatencyGate():
            yield _latency(gate, evidence)
        case gates.ExpressionGate():
            yield measured.judge_expression(gate, evidence, tier=tier)
        case gates.HarnessGate():
            yield measured.judge_harness(gate, evidence)
        case gates.IntervalGate():
            yield measured.judge_interval(gate, evidence)
        case gates.MonitorsGate():
            yield stewardship.judge_monitors(gate, evidence)
        case gates.OwnersGate():
            yield stewardship.judge_owners(gate, evidence)
        case gates.CompletenessGate():
            yield stewardship.judge_completeness(gate, evidence)
        case gates.TablesGate():
            yield stewardship.judge_tables(gate, evidence)
        case gates.JoinGuardGate():
            yield stewardship.judge_join_guard(gate, evidence)
        case _:
            assert_never(gate)


def _holds(value: Decimal, at_least: Decimal | None, at_most: Decimal | None) -> bool:
    return value >= at_least if at_least is not None else at_most is not None and value <= at_most


def _count(evidence: Evidence) -> int | None:
    n = evidence.metric("holdout_n")
    return int(n) if n is not None else None


def _holdout(evidence: Evidence) -> str:
    found = next((data for data in evidence.datasets if data.context in {"holdout", "evaluation", "test"}), None)
    run = f"run {evidence.run_id[:12]}" if evidence.run_id else ""
    return f"{found.name} (digest {found.digest}), {run}" if found else run


def _not_measured(gate: Gate, evidence: Evidence, group: str, metric: str, rule: str) -> GateOutcome:
    return outcome(
        gate,
        group,
        value="not measured",
        rule=rule,
        verdict=Verdict.ERROR,
        sentence=(
            f"Neither the run nor the evaluation measured `{metric}`. Evaluate the version, or log it on the holdout "
            "data and register the version again."
        ),
        data=_holdout(evidence),
    )


def _bounded(
    gate: gates.MetricGate | gates.CalibrationGate, evidence: Evidence, *, group: str, absolute: bool
) -> GateOutcome:
    rule = bound_words(gate.at_least, gate.at_most)
    value = evidence.metric(gate.metric)
    if value is None:
        return _not_measured(gate, evidence, group, gate.metric, rule)
    good = _holds(abs(value) if absolute else value, gate.at_least, gate.at_most)
    fix = "Recalibrate on data the training did not see." if absolute else "Improve the model or its data."
    sentence = f"{gate.title} is {shown(value)}; the rule is {rule}."
    before = evidence.base_metric(gate.metric)
    return outcome(
        gate,
        group,
        value=shown(value),
        rule=rule,
        verdict=Verdict.PASSED if good else Verdict.FAILED,
        sentence=sentence if good else f"{sentence} {fix}",
        champion=shown(before) if before is not None else "",
        data=_holdout(evidence),
        n=_count(evidence),
    )


def _baseline(gate: gates.BaselineGate, evidence: Evidence) -> GateOutcome:
    rule = "at least as good as the simple rule"
    value, floor = evidence.metric(gate.metric), evidence.metric(gate.baseline)
    if value is None or floor is None:
        return _not_measured(gate, evidence, "performance", gate.metric if value is None else gate.baseline, rule)
    good = value >= floor if gate.better == "higher" else value <= floor
    sentence = f"{shown(value)} against {shown(floor)} for the simple rule on the same rows."
    return outcome(
        gate,
        "performance",
        value=shown(value),
        rule=f"{rule} ({shown(floor)})",
        verdict=Verdict.PASSED if good else Verdict.FAILED,
        sentence=sentence if good else f"{sentence} A model worse than the rule is not worth its risk.",
        data=_holdout(evidence),
        n=_count(evidence),
    )


def _delta(gate: gates.DeltaGate, evidence: Evidence) -> GateOutcome:
    side = "below" if gate.better == "higher" else "above"
    rule = f"at most {shown(gate.tolerance)} {side} the live version"
    if evidence.base is None:
        return outcome(
            gate,
            "performance",
            value="",
            rule=rule,
            verdict=Verdict.SKIPPED,
            sentence="No version is live yet, so there is nothing to compare with.",
        )
    value, before = evidence.metric(gate.metric), evidence.base_metric(gate.metric)
    if value is None:
        return _not_measured(gate, evidence, "performance", gate.metric, rule)
    if before is None:
        return outcome(
            gate,
            "performance",
            value=shown(value),
            rule=rule,
            verdict=Verdict.SKIPPED,
            sentence=f"Live version {evidence.base} logged no `{gate.metric}`, so there is nothing to compare with.",
        )
    worse = before - value if gate.better == "higher" else value - before
    good = worse <= gate.tolerance
    rows = "on the same rows" if evidence.base_on_same_rows else "each on its own holdout data"
    sentence = f"{shown(value)} against {shown(before)} of live version {evidence.base}, {rows}."
    return outcome(
        gate,
        "performance",
        value=shown(value),
        rule=rule,
        verdict=Verdict.PASSED if good else Verdict.FAILED,
        sentence=sentence if good else f"{sentence} Keep the live version or improve the candidate.",
        champion=shown(before),
        data=_holdout(evidence),
        n=_count(evidence),
    )


def _leakage(gate: gates.LeakageGate, evidence: Evidence) -> GateOutcome:
    rule = f"no single feature predicts the label with AUC above {shown(gate.at_most)}"
    if evidence.suspects is None:
        return outcome(
            gate,
            "data",
            value="not scanned",
            rule=rule,
            verdict=Verdict.ERROR,
            sentence="The evaluation report has no leakage scan. Run the evaluation again with the scan.",
        )
    ranked = sorted(evidence.suspects, key=lambda fact: -Decimal(fact.auc))
    over = [fact for fact in ranked if Decimal(fact.auc) > gate.at_most]
    value = f"{shown(Decimal(ranked[0].auc))} ({ranked[0].feature})" if ranked else "none"
    if not over:
        return outcome(
            gate, "data", value=value, rule=rule, verdict=Verdict.PASSED, sentence="No feature is a suspect."
        )
    names = ", ".join(fact.feature for fact in over)
    return outcome(
        gate,
        "data",
        value=value,
        rule=rule,
        verdict=Verdict.FAILED,
        sentence=f"{names} predicts the label almost alone and may know the answer. Remove it and train again.",
    )


def _availability(gate: gates.AvailabilityGate, evidence: Evidence) -> GateOutcome:
    rule = "every feature is known when the decision is made"
    if evidence.availability is None:
        return outcome(
            gate,
            "data",
            value="not checked",
            rule=rule,
            verdict=Verdict.ERROR,
            sentence="The evaluation report does not say when features become known. Add it and evaluate again.",
        )
    late = [fact for fact in evidence.availability if not fact.available]
    known = {fact.feature for fact in evidence.availability}
    unsaid = [name for name in evidence.inputs if name not in known]
    if late or unsaid:
        names = ", ".join([fact.feature for fact in late] + unsaid)
        why = "known only after the decision" if late else "without a stated time of availability"
        return outcome(
            gate,
            "data",
            value=f"{len(late) + len(unsaid)} of {max(len(known), len(evidence.inputs))} not available",
            rule=rule,
            verdict=Verdict.FAILED,
            sentence=f"{names}: {why}. Remove the feature or state when it is known.",
        )
    return outcome(
        gate,
        "data",
        value=f"all {len(evidence.availability)}",
        rule=rule,
        verdict=Verdict.PASSED,
        sentence="Every feature is known at the moment of the decision.",
    )


def without_tag(evidence: Evidence, words: Sequence[str]) -> tuple[str, ...]:
    """Inputs whose name holds one of these words and that nobody has tagged, in their order."""
    tagged = {fact.name for fact in evidence.sensitive}
    return tuple(
        name
        for name in evidence.inputs
        if name not in tagged and any(word in name.lower().split("_") or word == name.lower() for word in words)
    )


def _sensitive(gate: gates.SensitiveGate, evidence: Evidence) -> GateOutcome:
    rule = "every sensitive input is tagged in the inventory"
    suspicious = without_tag(evidence, gate.words)
    personal = {fact.name for fact in evidence.sensitive if fact.is_personal}
    used = [name for name in evidence.inputs if name in personal]
    value = f"{len(used)} sensitive inputs, {len(suspicious)} without a tag"
    if suspicious:
        return outcome(
            gate,
            "data",
            value=value,
            rule=rule,
            verdict=Verdict.FAILED,
            sentence=f"{', '.join(suspicious)} looks sensitive and has no tag. Tag it with category and basis.",
        )
    return outcome(
        gate,
        "data",
        value=value,
        rule=rule,
        verdict=Verdict.PASSED,
        sentence=f"All sensitive inputs are tagged ({', '.join(used)})." if used else "No sensitive input is used.",
    )


def _documentation(gate: gates.DocumentationGate, evidence: Evidence) -> GateOutcome:
    texts = dict(evidence.documentation)
    missing = [name for name in gate.fields if not texts.get(name, "").strip()]
    done = len(gate.fields) - len(missing)
    return outcome(
        gate,
        "documentation",
        value=f"{done} of {len(gate.fields)} fields",
        rule="every required field is filled in",
        verdict=Verdict.FAILED if missing else Verdict.PASSED,
        sentence=f"Missing: {', '.join(missing)}. Fill in the inventory entry."
        if missing
        else "Every required field is filled in.",
    )


def _signature(gate: gates.SignatureGate, evidence: Evidence) -> GateOutcome:
    lacking = [
        word
        for word, there in (
            ("input columns", bool(evidence.inputs)),
            ("output columns", bool(evidence.outputs)),
            ("an input example", evidence.has_input_example),
        )
        if not there
    ]
    return outcome(
        gate,
        "artifact",
        value=f"{len(evidence.inputs)} inputs" if evidence.inputs else "none",
        rule="signature and input example are stored with the version",
        verdict=Verdict.FAILED if lacking else Verdict.PASSED,
        sentence=f"The version has no {' and no '.join(lacking)}. Log the model again with them."
        if lacking
        else "Signature and input example are stored with the version.",
    )


def _dataset(gate: gates.DatasetGate, evidence: Evidence) -> GateOutcome:
    have = {data.context: data for data in evidence.datasets if data.digest}
    lacking = [context for context in gate.contexts if context not in have]
    return outcome(
        gate,
        "data",
        value=", ".join(f"{data.context}: {data.digest}" for data in evidence.datasets) or "none",
        rule=f"logged with digest: {', '.join(gate.contexts)}",
        verdict=Verdict.FAILED if lacking else Verdict.PASSED,
        sentence=f"The run logged no {' and no '.join(lacking)} dataset. Log it with mlflow.log_input and train again."
        if lacking
        else "The data of this run can be named exactly.",
    )


def _manifest(gate: gates.ManifestGate, evidence: Evidence) -> GateOutcome:
    rule = "every file of the version is hashed"
    if evidence.manifest_sha256:
        return outcome(
            gate,
            "artifact",
            value=evidence.manifest_sha256[:12],
            rule=rule,
            verdict=Verdict.PASSED,
            sentence="The files of this version were hashed; signatures are bound to this digest.",
        )
    why = evidence.missing or "They were not read yet."
    return outcome(
        gate,
        "artifact",
        value="none",
        rule=rule,
        verdict=Verdict.ERROR,
        sentence=f"The files of this version could not be hashed. {why} The worker tries again by itself.",
    )


def _latency(gate: gates.LatencyGate, evidence: Evidence) -> GateOutcome:
    if not evidence.latency_limit_ms:
        return outcome(
            gate,
            "latency",
            value="",
            rule="no latency is promised",
            verdict=Verdict.SKIPPED,
            sentence="The use case promises no response time.",
        )
    limit = Decimal(evidence.latency_limit_ms)
    rule = f"p95 at most {shown(limit)} ms"
    value = evidence.metric(gate.metric)
    if value is None:
        return outcome(
            gate,
            "latency",
            value="",
            rule=rule,
            verdict=Verdict.SKIPPED,
            sentence="No probe was logged with the run; latency is watched per version once traffic is served.",
        )
    good = value <= limit
    before = evidence.base_metric(gate.metric)
    sentence = f"95 % of probe requests took at most {shown(value)} ms; {shown(limit)} ms are promised."
    return outcome(
        gate,
        "latency",
        value=f"{shown(value)} ms",
        rule=rule,
        verdict=Verdict.PASSED if good else Verdict.FAILED,
        sentence=sentence if good else f"{sentence} Make the model lighter.",
        champion=f"{shown(before)} ms" if before is not None else "",
    )
