"""Policy documents: a slip is named with its line and never relaxes a rule."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from services.kernel.errors import InvalidPolicyError
from services.policy import json_schema
from services.policy.schema import parse
from tests.builders import POLICIES, World, a_model

TIER_ONE = (POLICIES / "tier-1.yaml").read_text()


def line_of(text: str, needle: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if needle in line)


def test_every_shipped_document_is_published_when_a_deployment_is_founded(world: World) -> None:
    assert world.policy.problems() == world.policy.unpublished() == ()
    assert [view.tier for view in world.policy.policies()] == [1, 2, 3]
    assert all(view.gates and view.ref and len(view.ref.sha256) == 64 for view in world.policy.policies())


def test_tier_one_asks_three_roles_and_starts_with_ten_percent(world: World) -> None:
    policy = world.policy.for_model(a_model())
    assert [(rule.role, rule.decision) for rule in policy.quorum] == [
        ("validator", "approve"),
        ("business_owner", "acknowledge"),
        ("compliance_officer", "approve"),
    ]
    assert policy.terms.shares == (10, 100)


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        ("approval_days: 90", "aproval_days: 90", "unknown key `aproval_days`"),
        ("at_least: 0.65", "at_leest: 0.65", "unknown key `at_leest`"),
        ("needed: 1, decision: acknowledge", "needed: 0, decision: acknowledge", "greater than or equal to 1"),
        ("realtime: [10, 100]", "realtime: [10, 90]", "end with 100"),
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
    for file in sorted(POLICIES.glob("*.yaml")):
        jsonschema.validate(json.loads(json.dumps(yaml.safe_load(file.read_text()), default=str)), schema)
    slip = yaml.safe_load(TIER_ONE) | {"aproval_days": 3}
    with pytest.raises(jsonschema.ValidationError, match="aproval_days"):
        jsonschema.validate(slip, schema)
