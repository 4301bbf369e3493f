"""Gates over what Countersign measured by itself: that it did, for these files, and the ends of intervals."""

from __future__ import annotations

from decimal import Decimal

from services.policy.evidence import CheckFact, Evidence
from services.policy.expressions.language import UnansweredError, compiled
from services.policy.gates import ExpressionGate, HarnessGate, IntervalGate
from services.policy.models import GateOutcome, Verdict
from services.policy.wording import bound_words, outcome, shown

_MODES = ("", "metrics", "predictions", "model")
_MODE_WORDS = {
    "metrics": "from the metrics of the run alone",
    "predictions": "from logged predictions",
    "model": "by running the model",
}


def judge_harness(gate: HarnessGate, evidence: Evidence) -> GateOutcome:
    rule = f"evaluated {_MODE_WORDS[gate.mode]}, with every planned check done"
    value, verdict, sentence = _harness(gate, evidence)
    return outcome(gate, "artifact", value=value, rule=rule, verdict=verdict, sentence=sentence)


def _harness(gate: HarnessGate, evidence: Evidence) -> tuple[str, Verdict, str]:
    again = "Start the evaluation of this version again."
    if evidence.measured not in _MODES[1:]:
        return "not evaluated", Verdict.ERROR, "Countersign did not evaluate this version. Start its evaluation."
    value = f"evaluated {_MODE_WORDS[evidence.measured]}"
    if _MODES.index(evidence.measured) < _MODES.index(gate.mode):
        return value, Verdict.FAILED, f"It was evaluated {_MODE_WORDS[evidence.measured]}, which is not enough. {again}"
    if evidence.measured == "model" and (
        not evidence.manifest_sha256 or evidence.measured_manifest != evidence.manifest_sha256
    ):
        return value, Verdict.FAILED, f"The files evaluated are not the files of this version now. {again}"
    known = {fact.id: fact for fact in evidence.checks}
    absent = [name for name in gate.checks if known.get(name, _ABSENT).status == "skipped"]
    broken = [fact for fact in evidence.checks if fact.status not in {"done", "skipped", "inconclusive"}]
    if absent or broken or not evidence.checks:
        left_out = [f"{name} was left out" for name in absent]
        faults = [*left_out, *(f"{fact.id}: {fact.sentence.rstrip('.')}" for fact in broken)]
        return value, Verdict.ERROR, f"{'; '.join(faults) or 'No check is reported'}. {again}"
    open_ = [fact for fact in evidence.checks if fact.status == "inconclusive"]
    if open_:
        words = "; ".join(f"{fact.id}: {fact.sentence.rstrip('.')}" for fact in open_)
        return value, Verdict.INCONCLUSIVE, f"Not every check could say something. {words}."
    done = sum(fact.status == "done" for fact in evidence.checks)
    return f"{value}, {done} checks done", Verdict.PASSED, "Countersign evaluated exactly these files."


_ABSENT = CheckFact(id="", status="skipped")


def judge_interval(gate: IntervalGate, evidence: Evidence) -> GateOutcome:
    side = "lower" if gate.end == "low" else "upper"
    about = "the difference to the live version" if gate.of == "difference" else "the metric"
    rule = f"{side} end of the 95 % interval of {about}: {bound_words(gate.at_least, gate.at_most)}"
    if gate.of == "difference" and evidence.base is None:
        return outcome(
            gate,
            "performance",
            value="",
            rule=rule,
            verdict=Verdict.SKIPPED,
            sentence="No version is live yet, so there is nothing to compare with.",
        )
    # A difference to a version that is not live any more says nothing about the live one.
    paired = evidence.paired if evidence.base_on_same_rows else ()
    facts = paired if gate.of == "difference" else evidence.intervals
    fact = next((item for item in facts if item.metric == gate.metric), None)
    text = "" if fact is None else fact.low if gate.end == "low" else fact.high
    if fact is None or not text:
        return outcome(
            gate,
            "performance",
            value="not measured",
            rule=rule,
            verdict=Verdict.ERROR,
            sentence=f"No interval of `{gate.metric}` was measured. Start the evaluation of this version.",
        )
    end = Decimal(text)
    good = end >= gate.at_least if gate.at_least is not None else gate.at_most is not None and end <= gate.at_most
    span = f"{shown(Decimal(fact.low))} to {shown(Decimal(fact.high))}" if fact.low and fact.high else shown(end)
    sentence = f"With 95 % confidence {about} lies in {span}."
    return outcome(
        gate,
        "performance",
        value=shown(end),
        rule=rule,
        verdict=Verdict.PASSED if good else Verdict.FAILED,
        sentence=sentence if good else f"{sentence} Improve the model, or measure it on more rows.",
    )


def judge_expression(gate: ExpressionGate, evidence: Evidence, *, tier: int) -> GateOutcome:
    try:
        good = compiled(gate.expression).answer(evidence, tier=tier)
    except UnansweredError as unanswered:
        return outcome(
            gate,
            gate.group,
            value="cannot be answered",
            rule=gate.expression,
            verdict=Verdict.ERROR,
            sentence=f"{unanswered} Measure it, then the condition can be judged.",
        )
    return outcome(
        gate,
        gate.group,
        value="true" if good else "false",
        rule=gate.expression,
        verdict=Verdict.PASSED if good else Verdict.FAILED,
        sentence="The condition holds." if good else f"The condition does not hold. {gate.fix}",
    )
