"""Conditions in CEL: what a policy may say, what is refused when it is read, and that the unknown never passes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import InvalidPolicyError
from services.policy.evaluation import evaluate
from services.policy.evidence import CheckFact, FairnessFact, IntervalFact, OwnerFact, PairedFact
from services.policy.expressions.checking import RefusedExpressionError
from services.policy.expressions.language import LONGEST, UnansweredError, compiled
from services.policy.expressions.names import NAMES
from services.policy.models import PolicyRef, Verdict
from services.policy.schema import parse
from tests.unit.policy.evidence import evidence
from tests.unit.policy.texts import one_gate

RICH: dict[str, Any] = {
    "measured": "model",
    "intervals": (IntervalFact(metric="holdout_auc", low="0.71", high="0.77", method="DeLong"),),
    "paired": (PairedFact(metric="holdout_auc", delta="0.01", low="-0.005", high="0.025"),),
    "fairness": (FairnessFact(attribute="a", measure="rate_ratio", group="x", reference="y", value="0.9", n=200),),
    "checks": (CheckFact(id="leakage", status="done"),),
    "owners": (OwnerFact(role="sre", name="Sam", active=True),),
}


def answer(text: str, **changes: Any) -> bool:
    return compiled(text).answer(evidence(**(RICH | changes)), tier=1)


@pytest.mark.parametrize(
    "text",
    [
        "metrics.holdout_auc >= 0.7 && metrics['holdout_ece'] <= 0.05",
        "base == '' || metrics.holdout_auc - base_metrics.holdout_auc > -0.02",
        "intervals.holdout_auc.low > 0.7 && intervals.holdout_auc.method == 'DeLong'",
        "paired.holdout_auc.high > 0.0",
        "slices.all(s, s.n < 100 || s.rate > 0.1)",
        "fairness.filter(f, f.measure == 'rate_ratio').all(f, f.value >= 0.8)",
        "slices.exists(s, fairness.exists(f, f.attribute == 'a') && s.n > 10)",
        "datasets.exists(d, d.context == 'holdout' && d.digest != '')",
        "size(inputs) <= 20 && inputs.size() > 0 && 'distance' in inputs",
        "'purpose' in documentation && checks.leakage.status == 'done'",
        "!has(metrics.not_measured) || metrics.not_measured < 1.0",
        "tier == 1 ? task in ['classification', 'regression'] : false",
        "owners.exists_one(o, o.role == 'sre' && o.active)",
        "double(slices[0].n) / 2.0 > 100.0 && model.startsWith('m')",
        "suspects.map(s, s.auc).all(a, a < 0.9)",
    ],
)
def test_a_sound_condition_is_answered(text: str) -> None:
    assert answer(text) is True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("metrix.holdout_auc > 0.5", "`metrix` is not known"),
        ("slices.all(s, s.size > 3)", "no field `size`"),
        ("metrics.holdout_auc > 'high'", "do not go together"),
        ("metrics.holdout_auc > 1", "as in 1.0"),
        ("metrics.holdout_auc", "must answer true or false"),
        ("metrics", "must answer true or false"),
        ("metrics == base_metrics", "compare the parts"),
        ("task && true", "must be bool"),
        ("!task", "does not apply"),
        ("inputs[0] + 'x' == ''", "cannot be calculated with"),
        ("task.matches('(a+)+$')", "cannot be asked"),
        ("timestamp(task) < timestamp(task)", "no function `timestamp`"),
        ("open('/etc/passwd') == ''", "no function `open`"),
        ("metrics.holdout_auc.__class__ == 1", "has no field"),
        ("model.__class__.__mro__ == ''", "has no field"),
        ("slices.all(s, s.__init__ == 1)", "no field `__init__`"),
        ("__import__ == 1", "not known"),
        ("slices.all(metrics, true)", "needs a new name"),
        ("slices.all(a, slices.all(b, slices.all(c, a.n > c.n)))", "deeper than 2"),
        ("{'a': 1}.a == 1", "not part of the language"),
        ("null == null", "not part of the language"),
        ("b'x' == b'x'", "not part of the language"),
        ("Model{name: 'x'} == 1", "not part of the language"),
        ("1 +", "not CEL"),
        ("true; false", "not CEL"),
        ("(" * 40 + "true" + ")" * 40, "deeper than 16"),
        ("true || " * 200 + "true", "at most"),
    ],
)
def test_an_unsound_condition_is_refused_before_it_judges_anything(text: str, why: str) -> None:
    with pytest.raises(RefusedExpressionError) as refused:
        compiled(text)
    assert why in str(refused.value)


@given(st.text(max_size=60))
def test_any_text_is_either_refused_or_answered(text: str) -> None:
    try:
        expression = compiled(text)
    except RefusedExpressionError:
        return
    assert isinstance(expression.answer(evidence(**RICH), tier=1), bool)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_documented_name_has_a_value(name: str) -> None:
    """A name that is listed but never filled in would make every rule over it unanswerable."""
    kind = NAMES[name]
    text = {"string": f"{name} == {name}", "int": f"{name} == {name}", "bool": f"{name} == {name}"}.get(
        str(kind), f"size({name}) >= 0"
    )
    assert answer(text, monitors=("drift",))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("metrics.never_logged < 0.5", "metrics.never_logged"),
        ("metrics.never_logged < 0.5 || true", "metrics.never_logged"),
        ("slices.exists(s, s.error > 1.0)", "not measured"),
        ("slices[99].n > 1", "not measured"),
        ("size(monitors) > 0", "not measured"),
        ("slices[0].n / 0 > 1", "not measured"),
    ],
)
def test_a_missing_value_cannot_be_answered(text: str, why: str) -> None:
    with pytest.raises(UnansweredError, match=why):
        answer(text)


def test_a_loop_over_too_much_is_not_started() -> None:
    many = evidence().slices * 400
    with pytest.raises(UnansweredError, match="too often"):
        answer("slices.all(a, slices.exists(b, a.n == b.n))", slices=many)


def test_an_expression_is_compiled_once() -> None:
    text = "metrics.holdout_auc > 0.123456"
    assert compiled(text) is compiled(text)
    assert len(text) < LONGEST


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("metrics.holdout_auc > 0.7", Verdict.PASSED),
        ("metrics.holdout_auc > 0.9", Verdict.FAILED),
        ("metrics.unheard_of > 0.9", Verdict.ERROR),
    ],
)
def test_an_expression_gate_passes_fails_or_errs(expression: str, verdict: Verdict) -> None:
    text = one_gate(f'kind: expression, id: odd, title: "An odd rule", group: data, expression: "{expression}"')
    text = text.replace('"}', '", fix: "Measure the thing first."}')
    report = evaluate(evidence(), parse(text, file="p.yaml"), ref=PolicyRef(name="p", version="1", sha256="0" * 64))
    assert report.outcomes[0].verdict is verdict
    assert report.passed == (verdict is Verdict.PASSED)
    assert report.outcomes[0].rule == expression


def test_a_slip_in_an_expression_is_named_with_file_and_line() -> None:
    text = one_gate('kind: expression, id: odd, title: "An odd rule", group: data, expression: "metrix.auc > 0.5"')
    text = text.replace('0.5"}', '0.5", fix: "Measure the thing first."}')
    with pytest.raises(InvalidPolicyError) as refused:
        parse(text, file="tier-1.yaml")
    line = next(number for number, words in enumerate(text.splitlines(), 1) if "metrix" in words)
    assert f"tier-1.yaml line {line}:" in refused.value.message
    assert "`metrix` is not known" in refused.value.message
