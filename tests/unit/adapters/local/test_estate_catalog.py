"""The catalog of the workspace keeps its own rules: sheets give the tiers, and two facts are missing on purpose."""

from __future__ import annotations

from datetime import date

import pytest

from services.adapters.local.estate.catalog import load_catalog, load_use_cases
from services.inventory.metadata import lint
from services.inventory.models import DeploymentKind, GovernedModel
from services.inventory.tiering import assess, require_founded
from services.people.accounts import DEMO_ACCOUNTS

MODELS = {model.name: model for model in load_catalog(date(2030, 6, 15))}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_score_sheet_is_complete_founded_and_gives_the_registered_tier(model: GovernedModel) -> None:
    assert model.risk is not None
    require_founded(model.risk.levels, model=model)
    assert assess(model.risk.levels).tier == model.risk.computed == int(model.tier)


def test_payout_forecast_lacks_label_definition_and_latency_contract() -> None:
    found = lint(MODELS["payout_forecast"])

    assert found.percent == 82
    assert [item.title for item in found.missing] == ["Label definition", "Latency contract"]
    assert [name for name, model in MODELS.items() if lint(model).percent == 100] == [
        "delay_claim_score",
        "claims_triage",
        "plan_utilisation",
    ]


def test_one_use_case_is_served_in_real_time_and_in_batch_at_once() -> None:
    kinds = {model.kind for model in MODELS.values() if model.use_case_id == "delay-cover"}

    assert kinds == {DeploymentKind.REALTIME, DeploymentKind.BATCH}
    assert {model.use_case_id for model in MODELS.values()} == {item.id for item in load_use_cases()}


def test_every_owner_can_sign_in() -> None:
    subjects = {account.subject for account in DEMO_ACCOUNTS}

    assert {owner.subject for model in MODELS.values() for owner in model.owners} <= subjects
