"""Groups beside each other: every group of an attribute against the largest group of it.

A group under the minimum size is grey, with its size; only a policy that says `block` lets it block.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby

from services.policy.evidence import Evidence, SliceFact
from services.policy.gates import FairnessGate
from services.policy.models import GateOutcome, Verdict
from services.policy.wording import bound_words, outcome, shown

# A share of positives needs fewer rows than a share of everybody, but not just a handful.
_POSITIVES_PART = 4

_MEASURES = {
    "rate_ratio": "selected, relative to the largest group",
    "tpr_gap": "share of positives found, distance to the largest group",
    "error_gap": "mean error, distance to the largest group",
}


def judge_fairness(gate: FairnessGate, evidence: Evidence) -> Iterator[GateOutcome]:
    rule = f"{_MEASURES[gate.measure]}: {bound_words(gate.at_least, gate.at_most)}"
    if not evidence.slices:
        yield outcome(
            gate,
            "fairness",
            value="not measured",
            rule=rule,
            verdict=Verdict.ERROR,
            sentence="The evaluation report compares no groups. Evaluate again with the groups of this use case.",
        )
        return
    ordered = sorted(evidence.slices, key=lambda fact: (fact.attribute, fact.group))
    for attribute, members in groupby(ordered, key=lambda fact: fact.attribute):
        yield from _attribute(gate, attribute, tuple(members), rule)


def _attribute(gate: FairnessGate, attribute: str, groups: tuple[SliceFact, ...], rule: str) -> Iterator[GateOutcome]:
    reference = max(groups, key=lambda fact: fact.n)
    for fact in groups:
        if fact is reference and len(groups) > 1:
            continue
        title = f"{gate.title}: {attribute} = {fact.group}"
        suffix = f":{attribute}={fact.group}"
        few = _too_few(gate, fact, reference)
        if few:
            yield outcome(
                gate,
                "fairness",
                value=f"n = {fact.n}",
                rule=rule,
                verdict=Verdict.INCONCLUSIVE if gate.too_few == "block" else Verdict.SKIPPED,
                sentence=few,
                n=fact.n,
                suffix=suffix,
                title=title,
            )
            continue
        value = _value(gate.measure, fact, reference)
        if value is None:
            yield outcome(
                gate,
                "fairness",
                value="not measured",
                rule=rule,
                verdict=Verdict.ERROR,
                sentence="The evaluation report lacks this measure for the group. Evaluate again.",
                n=fact.n,
                suffix=suffix,
                title=title,
            )
            continue
        low_ok = gate.at_least is None or value >= gate.at_least
        good = low_ok and (gate.at_most is None or value <= gate.at_most)
        span = f", 95 % interval of the rate {fact.rate_low} to {fact.rate_high}" if fact.rate_low else ""
        sentence = f"{shown(value)} against {reference.group} (n = {reference.n}){span}."
        yield outcome(
            gate,
            "fairness",
            value=shown(value),
            rule=rule,
            verdict=Verdict.PASSED if good else Verdict.FAILED,
            sentence=sentence if good else f"{sentence} Find the cause in data or threshold before release.",
            n=fact.n,
            suffix=suffix,
            title=title,
        )


def _too_few(gate: FairnessGate, fact: SliceFact, reference: SliceFact) -> str:
    """Why this group cannot be judged, or empty. The share found rests on the positives alone."""
    if fact.n < gate.min_n or reference.n < gate.min_n:
        return f"Too few: {fact.n} rows in this group, {gate.min_n} are needed to judge it."
    needed = max(1, gate.min_n // _POSITIVES_PART)
    if gate.measure == "tpr_gap" and fact.positives is not None and fact.positives < needed:
        return f"Too few: {fact.positives} positive cases in this group, {needed} are needed to judge it."
    return ""


def _value(measure: str, fact: SliceFact, reference: SliceFact) -> Decimal | None:
    if measure == "rate_ratio":
        rate, usual = _number(fact.rate), _number(reference.rate)
        return rate / usual if rate is not None and usual else None
    if measure == "tpr_gap":
        found, usual = _number(fact.tpr), _number(reference.tpr)
        return abs(found - usual) if found is not None and usual is not None else None
    error, usual = _number(fact.error), _number(reference.error)
    return abs(error - usual) if error is not None and usual is not None else None


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None
