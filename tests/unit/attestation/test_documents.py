"""What people signed keeps its digest, whatever the code around it becomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from services.attestation import documents
from services.kernel.errors import InputError
from services.monitoring import monitors
from services.value import periods, statements
from services.value.models import Baseline, BenefitRule, ValueConfig

MONITOR = monitors.Monitor(
    model="café",
    features=(monitors.Feature(column="a", title="A", kind=monitors.FeatureKind.NUMERIC),),
    thresholds=(monitors.Threshold(statistic="psi", watch=0.1, breach=0.25),),
    reference=monitors.ReferenceWindow(
        kind=monitors.ReferenceKind.DATES, start=date(2030, 1, 1), end=date(2030, 1, 31)
    ),
    label_delay_hours=24.0,
    slices=("region",),
    impact=monitors.BusinessImpact(breach_per_day=Decimal("120.50"), payer="Claims"),
)
STATEMENT = ValueConfig(
    model="m",
    benefits=(
        BenefitRule(
            id="b",
            title="B",
            quantity="avoided_rework",
            unit_value=Decimal("12.5"),
            unit_low=Decimal(10),
            unit_high=Decimal(15),
            assumed="said",
            source="invoice",
        ),
    ),
    baselines=(
        Baseline(
            id="override_rate",
            title="O",
            before=Decimal("0.2"),
            unit="%",
            lower_is_better=True,
            source="log",
            assumed=True,
        ),
    ),
    setup_cost=Decimal(1000),
    cost_source="x",
    monthly_budget=Decimal("99.9"),
)
CLAIM = periods.Claim(
    model="m",
    period="2030-01",
    currency="USD",
    benefit="10.00",
    low="9",
    high="11",
    cost="1",
    lines=(periods.ClaimedLine(title="B", amount="10.00", low="9", high="11", n=3, assumed=""),),
    statement=1,
    statement_sha256="a" * 64,
)


@pytest.mark.parametrize(
    ("text", "signed"),
    [
        (monitors.document(MONITOR), "8dbdbb0a45e0c0a8ff177eb3cffb3a352e8d767b6699a0a714259d002a1a5de7"),
        (statements.document(STATEMENT), "7cc4abe825c5885e319eaa073378322ad5fda5704cff274613dde853b27ae997"),
        (periods.document(CLAIM), "ff2569bf026b62646a46c7c0651fb9880fb037c9af13cfc9881c37b7b17e3c07"),
    ],
    ids=["monitor", "statement", "month"],
)
def test_a_document_that_was_signed_has_the_digest_it_was_signed_with(text: str, signed: str) -> None:
    assert documents.digest(text) == signed


def test_what_is_written_is_read_back() -> None:
    assert monitors.read(monitors.document(MONITOR)) == MONITOR
    assert statements.read(statements.document(STATEMENT)) == STATEMENT
    assert periods.read(periods.document(CLAIM)) == CLAIM


def test_a_document_of_another_kind_says_what_was_expected() -> None:
    with pytest.raises(InputError, match="not a value statement of this release") as refused:
        statements.read(monitors.document(MONITOR))

    assert "countersign.value-statement/1" in refused.value.hint


def test_a_document_that_lacks_something_says_what_to_do() -> None:
    text = periods.document(CLAIM).replace('"statement_sha256":', '"statement_sha257":')

    with pytest.raises(InputError, match=r"not a benefit record: .*statement_sha25") as refused:
        periods.read(text)

    assert refused.value.hint == "Propose the month again."


def test_changes_name_what_came_what_went_and_what_moved() -> None:
    found = documents.changes({"same": "1", "moved": "1", "went": "1"}, {"came": "1", "moved": "2", "same": "1"})

    assert [(change.what, change.before, change.after) for change in found] == [
        ("came", "", "1"),
        ("moved", "1", "2"),
        ("went", "1", ""),
    ]
    assert statements.differences(STATEMENT, replace(STATEMENT, note="x"))[0].what == "Note"
