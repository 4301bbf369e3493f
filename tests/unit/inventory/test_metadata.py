"""What a tier requires to be written down, what is missing, and where it is filled in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inventory.governance import VendorTerms
from services.inventory.metadata import REQUIREMENTS, fix_target, follows_naming, lint, requirement
from services.inventory.models import DeploymentKind, GovernedModel, Owner, ServiceLevel, Tier
from services.inventory.owners import DUTIES
from tests.builders import a_model


def everybody() -> tuple[Owner, ...]:
    return tuple(Owner(role=duty.role, subject="dana.datascience", name="Dana Petrov") for duty in DUTIES)


def complete(**changes: object) -> GovernedModel:
    facts: dict[str, object] = {
        "tier": Tier.TWO,
        "use_case_id": "delay-cover",
        "label_definition": "Actual minus scheduled arrival of the flight, final when it lands.",
        "owners": everybody(),
    }
    return a_model(**(facts | changes))


def missing(model: GovernedModel) -> list[str]:
    return [item.field for item in lint(model).missing]


def test_two_of_eleven_missing_fields_of_tier_two_are_82_percent() -> None:
    model = complete(label_definition="", service_level=None)

    assert lint(model).percent == 82
    assert missing(model) == ["label_definition", "service_level"]


def test_a_complete_model_has_100_percent_and_nothing_to_fix() -> None:
    assert (lint(complete()).percent, missing(complete())) == (100, [])


def test_lineage_that_is_kept_as_a_graph_counts_and_its_requirement_says_where_it_is_declared() -> None:
    bare = complete(tier=Tier.ONE, lineage=())

    assert "lineage" in missing(bare)
    assert "lineage" not in missing(replace(bare, traced=True))
    wanted = requirement("lineage")
    assert wanted is not None
    assert "COUNTERSIGN_CATALOG_FILE" in wanted.what


def test_a_batch_model_owes_the_hours_in_which_a_run_is_finished() -> None:
    open_ended = ServiceLevel(p95_ms=None, error_rate=0.01, on_time_share=0.98)
    model = complete(kind=DeploymentKind.BATCH, service_level=open_ended)

    assert missing(model) == ["service_level"]
    assert missing(replace(model, service_level=replace(open_ended, window_hours=2.0))) == []


def test_a_stricter_tier_never_requires_less() -> None:
    bare = a_model(purpose="", label="", limits_of_use="", fallback="", owners=(), service_level=None, lineage=())
    wanted = [{item.field for item in lint(replace(bare, tier=tier)).required} for tier in Tier]

    assert wanted[0] > wanted[1] > wanted[2]


def test_a_suppliers_model_owes_contract_and_audit_right_instead_of_the_label_definition() -> None:
    vendor = complete(kind=DeploymentKind.VENDOR, label_definition="")
    assert set(missing(vendor)) == {"contract", "audit_right", "assessment", "exit_plan"}

    terms = VendorTerms(contract="KI-1", until=None, audit_right="On site, once a year", exit_plan="", promise="")
    assert set(missing(replace(vendor, supplier=terms))) == {"assessment", "exit_plan"}


@pytest.mark.parametrize("name", ["payout_forecast", "m2", "claims_triage_v2", "main.claims-eu.payout_forecast"])
def test_names_by_the_standard_are_accepted(name: str) -> None:
    assert follows_naming(name)


@pytest.mark.parametrize(
    "name",
    [
        "Payout",
        "payout-forecast",
        "2nd_model",
        "a__b",
        "_a",
        "a_",
        "päyout",
        "x" * 61,
        "",
        "a.b",
        "a.b.",
        "a.b.C",
        "..c",
        "a.b.c.d",
    ],
)
def test_names_beside_the_standard_are_missing_metadata(name: str) -> None:
    assert not follows_naming(name)
    assert "name" in missing(complete(name=name))


def test_every_field_a_person_can_fill_in_has_an_address() -> None:
    targets = {item.field: fix_target("m", item) for item in REQUIREMENTS}

    assert targets.pop("name") == ""  # a registered name cannot be changed
    assert all(target.startswith("model?name=m&show=") for target in targets.values())
    assert targets["label_definition"] == "model?name=m&show=metadata&fix=label_definition"
    assert requirement("label_definition") in REQUIREMENTS
    assert requirement("no such field") is None


@given(given_fields=st.sets(st.sampled_from(["purpose", "label", "limits_of_use", "fallback", "label_definition"])))
def test_percent_is_100_exactly_when_nothing_is_missing(given_fields: set[str]) -> None:
    empty = dict.fromkeys(("purpose", "label", "limits_of_use", "fallback", "label_definition"), "")
    found = lint(complete(**(empty | dict.fromkeys(given_fields, "said"))))

    assert (found.percent == 100) is (len(given_fields) == 5)
    assert 0 <= found.percent <= 100
