"""How gates print: limits, numbers and the outcome value, the same words for every kind."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from services.policy.gates import Gate
from services.policy.models import GateOutcome, GateReport, Verdict


def shown(value: Decimal) -> str:
    """Four decimals at most below 10, two at most above, no trailing zeros: enough to see why a limit was missed."""
    step = Decimal("0.0001") if abs(value) < 10 else Decimal("0.01")
    if abs(value) < Decimal(10) ** 20:
        value = value.quantize(step, rounding=ROUND_HALF_UP)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def bound_words(at_least: Decimal | None, at_most: Decimal | None) -> str:
    return f"at least {shown(at_least)}" if at_least is not None else f"at most {shown(at_most or Decimal(0))}"


def outcome(
    gate: Gate,
    group: str,
    *,
    value: str,
    rule: str,
    verdict: Verdict,
    sentence: str,
    champion: str = "",
    data: str = "",
    n: int | None = None,
    suffix: str = "",
    title: str = "",
) -> GateOutcome:
    return GateOutcome(
        gate=f"{gate.id}{suffix}",
        title=title or gate.title,
        group=group,
        value=value,
        rule=rule,
        verdict=verdict,
        sentence=sentence,
        champion=champion,
        data=data,
        n=n,
    )


def report_lines(report: GateReport) -> tuple[str, ...]:
    """What a build pipeline prints: how many lines fail, then each of them, then those an exception sets aside."""
    failing = [item for item in report.outcomes if item.stands_in_the_way]
    excepted = [item for item in report.outcomes if item.verdict.blocks and item.exception]
    head = f"{len(failing)} of {len(report.outcomes)} lines fail"
    if excepted:
        head += f", {len(excepted)} more would without a granted exception"
    return (
        f"{head}.",
        *(
            f"  {item.verdict.value:12} {item.gate}: {item.value} (rule: {item.rule}). {item.sentence}"
            for item in failing
        ),
        *(f"  {'excepted':12} {item.gate}: {item.value} (rule: {item.rule}). {item.exception}" for item in excepted),
    )
