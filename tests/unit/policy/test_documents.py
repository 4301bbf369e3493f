"""Policy documents: a slip is named with its line and never relaxes a rule."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from services.inventory.models import DeploymentKind
from services.kernel.errors import InvalidPolicyError
from services.policy import json_schema
from services.policy.models import ShadowTerms
from services.policy.schema import parse
from tests.builders import DOCUMENTS, World, a_model, a_world

TIER_ONE = (DOCUMENTS / "tier-1.yaml").read_text()


def line_of(text: str, needle: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if needle in line)


def test_every_shipped_document_is_published_when_a_deployment_is_founded(world: World) -> None:
    assert world.policy.problems() == world.policy.unpublished() == ()
    assert [view.tier for view in world.policy.policies()] == [1, 2, 3]
    assert all(view.gates and view.ref and len(view.ref.sha256) == 64 for view in world.policy.policies())


def test_tier_one_asks_three_roles_and_goes_from_shadow_over_five_to_everything(tmp_path: Path) -> None:
    world = a_world(tmp_path, policies=DOCUMENTS)
    policy = world.policy.for_model(a_model())
    assert [(rule.role, rule.decision) for rule in policy.quorum] == [
        ("validator", "approve"),
        ("business_owner", "acknowledge"),
        ("compliance_officer", "approve"),
    ]
    assert policy.terms.shares == (5, 10, 20, 100)
    assert policy.terms.shadow == ShadowTerms(min_days=3, min_records=5000)
    assert [rule.measure for rule in policy.terms.rollback] == [
        "error_rate",
        "p95_ms",
        "error_evidence",
        "latency_evidence",
        "silence_minutes",
    ]
    assert policy.terms.rollback[2].sentence == (
        "Evidence for more errors than the version before above 250 with at least 20 requests"
    )
    batch = world.policy.for_model(a_model(kind=DeploymentKind.BATCH))
    assert (batch.terms.shadow, batch.terms.rollback) == (None, ())
    world.database.dispose()


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        ("approval_days: 90", "aproval_days: 90", "unknown key `aproval_days`"),
        ("at_least: 0.65", "at_leest: 0.65", "unknown key `at_leest`"),
        ("needed: 1, decision: acknowledge", "needed: 0, decision: acknowledge", "greater than or equal to 1"),
        ("realtime: [5, 10, 20, 100]", "realtime: [10, 90]", "end with 100"),
        ("above: 250", "above: 20", "by chance"),
        ("request_days: 14", "request_days: true", "request_days"),
        ("request_days: 14", "approval_days: 14", "given twice"),
        ("role: validator", "role: validater", "quorum"),
        ("at_least: 0.65", "at_least: .nan", "finite"),
    ],
)
def test_a_slip_is_named_with_its_line(good: str, bad: str, words: str) -> None:
    text = TIER_ONE.replace(good, bad, 1)
    with pytest.raises(InvalidPolicyError) as refused:
        parse(text, file="tier-1.yaml")
    assert words in refused.value.message
    assert f"tier-1.yaml line {line_of(text, bad)}:" in refused.value.message


def test_text_that_is_not_yaml_is_named_with_its_line() -> None:
    with pytest.raises(InvalidPolicyError, match="line 2"):
        parse("name: a\n  : [", file="x.yaml")
    with pytest.raises(InvalidPolicyError, match="empty"):
        parse("", file="x.yaml")


def test_the_published_schema_is_what_the_models_say() -> None:
    assert json_schema.FILE.read_text() == json_schema.schema_text(), "run: python -m services policy schema > the file"


def test_every_shipped_document_keeps_the_published_schema() -> None:
    schema = json.loads(json_schema.FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for file in sorted(DOCUMENTS.glob("*.yaml")):
        jsonschema.validate(json.loads(json.dumps(yaml.safe_load(file.read_text()), default=str)), schema)
    slip = yaml.safe_load(TIER_ONE) | {"aproval_days": 3}
    with pytest.raises(jsonschema.ValidationError, match="aproval_days"):
        jsonschema.validate(slip, schema)


def test_every_shipped_policy_states_its_gate_of_returns_and_riskier_tiers_ask_for_more() -> None:
    stated = [parse((DOCUMENTS / f"tier-{tier}.yaml").read_text(), file="").returns for tier in (1, 2, 3)]

    assert [line.net_per_month_at_least for line in stated if line] == [300, 200, 100]
    assert {line.missed_months for line in stated if line} == {2}
