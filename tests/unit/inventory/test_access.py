"""Masks follow tags and column rules; whatever is not stated, broken or untagged is hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapters.files.access import AccessFile, parse
from services.adapters.local.estate.catalog import load_catalog
from services.adapters.local.estate.declared import ACCESS_FILE
from services.adapters.local.estate.placed import FEATURES
from services.inventory.access import AccessRules, MaskKind
from services.inventory.models import GovernedModel, SensitiveColumn
from services.kernel.identity import Role
from tests.builders import a_model

RULES = """
format: countersign.access/1
tags:
  PII: {mask: hide}
  not personal: {mask: none}
columns:
  - {model: delay_claim_score, column: member_age, mask: band, width: 10, clear_for: [validator]}
serving:
  - {model: delay_claim_score, identity: "endpoint:x", reads: [member_age]}
"""


def people_model(*categories: str) -> GovernedModel:
    tags = tuple(SensitiveColumn(name=f"c{n}", category=word, basis="contract") for n, word in enumerate(categories))
    return a_model(sensitive=(SensitiveColumn(name="member_age", category="PII", basis="contract"), *tags))


def test_column_rule_wins_over_the_tag_and_the_tag_over_being_untagged() -> None:
    rules, model = parse(RULES), people_model("PII", "not personal")

    assert rules.mask(model, "member_age").words == "in bands of 10"
    assert rules.mask(model, "c0").kind is MaskKind.HIDE
    assert rules.mask(model, "c1").kind is MaskKind.NONE
    assert rules.mask(model, "nobody_tagged_this").kind is MaskKind.HIDE


def test_a_tag_without_a_rule_hides_and_a_model_without_people_hides_nothing() -> None:
    rules = parse(RULES)

    assert rules.mask(people_model("PHI"), "c0").kind is MaskKind.HIDE
    assert rules.mask(a_model(sensitive=()), "distance").kind is MaskKind.NONE


def test_only_the_named_role_reads_a_column_as_it_is() -> None:
    rules, model = parse(RULES), people_model()

    assert rules.mask(model, "member_age", role=Role.VALIDATOR).kind is MaskKind.NONE
    for role in set(Role) - {Role.VALIDATOR}:
        assert rules.mask(model, "member_age", role=role).kind is MaskKind.BAND


def test_what_the_serving_identity_reads_is_stated_or_not_known() -> None:
    rules, model = parse(RULES), people_model("PII")

    stated = {item.name: item.readable for item in rules.handling(model, ("member_age", "c0"))}
    unstated = parse(RULES.replace("delay_claim_score, identity", "another, identity")).handling(model, ("member_age",))

    assert stated == {"member_age": True, "c0": False}
    assert unstated[0].readable is None


@pytest.mark.parametrize(
    "wrong",
    [
        "format: countersign.access/2",
        RULES.replace("width: 10", "width: -1"),
        RULES.replace("mask: band, width: 10", "mask: band"),
        RULES.replace("mask: hide}", "mask: blur}"),
        RULES.replace("clear_for: [validator]", "clear_for: [everybody]"),
        RULES.replace("serving:", "serves:"),
        RULES.replace("PII:", "Pii:"),
        "columns: [",
        "",
        "just words",
    ],
)
def test_one_wrong_line_hides_every_column_and_says_why(wrong: str) -> None:
    rules = parse(wrong)

    assert rules.problem
    assert rules.mask(people_model("not personal"), "c0", role=Role.VALIDATOR).kind is MaskKind.HIDE


def test_a_changed_file_is_read_again_and_a_lost_one_hides_everything(tmp_path: Path) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(RULES)
    source, model = AccessFile(file), people_model()
    before = source.rules().mask(model, "member_age").kind

    file.write_text(RULES.replace("mask: band, width: 10", "mask: none"))
    changed = source.rules().mask(model, "member_age").kind
    file.unlink()

    assert (before, changed) == (MaskKind.BAND, MaskKind.NONE)
    assert source.rules().problem
    assert source.rules().mask(model, "member_age").kind is MaskKind.HIDE


def test_the_embedded_rules_mask_every_tagged_personal_input_and_state_every_serving_identity() -> None:
    rules: AccessRules = AccessFile(ACCESS_FILE).rules()

    assert not rules.problem
    for model in load_catalog():
        handling = rules.handling(model, FEATURES.get(model.name, ()))
        assert all(item.mask.masks for item in handling if item.is_personal), model.name
        assert all(item.readable is not None for item in handling), model.name
        known = set(FEATURES.get(model.name, ()))
        assert {rule.column for rule in rules.columns if rule.model == model.name} <= known
