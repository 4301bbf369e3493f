"""Groups beside each other: every group of an attribute against the largest group of it.

A group under the minimum size is grey, with its size; only a policy that says `block` lets it block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import groupby

from services.policy.evidence import Evidence, FairnessFact, SliceFact
from services.policy.gates import FairnessGate
from services.policy.models import GateOutcome, Verdict
from services.policy.wording import bound_words, outcome, shown

# A share of positives needs fewer rows than a share of everybody, but not just a handful.
_POSITIVES_PART = 4

_MEASURES = {
    "rate_ratio": "selected, relative to the largest group",
    "tpr_gap": "share of positives found, distance to the largest group",
    "fpr_gap": "share of negatives selected, distance to the largest group",
    "error_gap": "mean error, distance to the largest group",
}


def judge_fairness(gate: FairnessGate, evidence: Evidence) -> Iterator[GateOutcome]:
    rule = f"{_MEASURES[gate.measure]}: {bound_words(gate.at_least, gate.at_most)}"
    compared = [fact for fact in evidence.fairness if fact.measure == gate.measure]
    if compared:
        sizes = {(fact.attribute, fact.group): fact for fact in evidence.slices}
        for fact in sorted(compared, key=lambda item: (item.attribute, item.group)):
            yield _compared(gate, fact, rule, sizes)
        return
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


def _compared(
    gate: FairnessGate, fact: FairnessFact, rule: str, sizes: Mapping[tuple[str, str], SliceFact]
) -> GateOutcome:
    """A comparison the harness made, with its interval. Too few rows or no interval is grey, never green."""
    value, few = _number(fact.value), _few(gate, fact, sizes)
    if few or value is None:
        blocks = gate.too_few == "block" or not few
        verdict = Verdict.INCONCLUSIVE if blocks else Verdict.SKIPPED
        sentence, words = few or "This group could not be compared. Evaluate again with more rows.", f"n = {fact.n}"
    else:
        size = abs(value) if gate.measure != "rate_ratio" else value
        good = _within(gate, size)
        verdict, words = Verdict.PASSED if good else Verdict.FAILED, shown(size)
        span = f", 95 % interval {shown(Decimal(fact.low))} to {shown(Decimal(fact.high))}" if fact.low else ""
        sentence = f"{shown(value)} against {fact.reference}{span}, n = {fact.n}."
        sentence = sentence if good else f"{sentence} Find the cause in data or threshold before release."
    return outcome(
        gate,
        "fairness",
        value=words,
        rule=rule,
        verdict=verdict,
        sentence=sentence,
        n=fact.n,
        suffix=f":{fact.attribute}={fact.group}",
        title=f"{gate.title}: {fact.attribute} = {fact.group}",
    )


def _few(gate: FairnessGate, fact: FairnessFact, sizes: Mapping[tuple[str, str], SliceFact]) -> str:
    """Why the comparison rests on too few rows, or empty; the reference is named with it."""
    group, reference = sizes.get((fact.attribute, fact.group)), sizes.get((fact.attribute, fact.reference))
    if reference is not None and reference.n < gate.min_n:
        return f"Too few: {reference.n} rows in {fact.reference}, {gate.min_n} are needed to compare with it."
    if fact.n < gate.min_n:
        return f"Too few: {fact.n} rows in this group, {gate.min_n} are needed to judge it."
    return _too_few(gate, group, group) if group is not None else ""


def _within(gate: FairnessGate, value: Decimal) -> bool:
    if gate.at_least is not None:
        return value >= gate.at_least
    return gate.at_most is not None and value <= gate.at_most


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
        good = _within(gate, value)
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
    if measure == "fpr_gap":
        return None  # only the harness counts negatives that were selected
    error, usual = _number(fact.error), _number(reference.error)
    return abs(error - usual) if error is not None and usual is not None else None


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None
