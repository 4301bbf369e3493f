"""Whose row it is, which part, at which price; corrections are rows and nothing is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.files.billing import BillingFile, parse
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health
from services.value import billing, calculation
from services.value.billing import NOBODY, Attribution, BilledRow, Job, Price, PriceBook
from services.value.models import Rates, UsageDay

DAY = date(2031, 3, 30)
NOON = datetime(2031, 3, 30, 12, tzinfo=UTC)
ROW = BilledRow(
    day=DAY, ended_at=NOON, sku="SERVING", cloud="AWS", unit="DBU", quantity=Decimal(10), product="MODEL_SERVING",
    kind="COMPUTE_TIME", endpoint="delay",
)  # fmt: skip
JOB = replace(ROW, product="JOBS", endpoint="", job_id="77", sku="JOBS")
SAID = Attribution(endpoints={"delay": "m.by.endpoint"}, jobs={"77": Job(model="m.by.job", part="training")})
LIST = [
    Price(sku="SERVING", unit="DBU", cloud="AWS", amount=Decimal("0.07"), starts_at=NOON - timedelta(days=400)),
    Price(sku="JOBS", unit="DBU", amount=Decimal("0.15"), starts_at=NOON - timedelta(days=400)),
]
BOOK = PriceBook((), LIST)


@pytest.mark.parametrize(
    ("row", "owner", "part"),
    [
        (ROW, "m.by.endpoint", "serving"),
        (replace(ROW, kind="TOKEN"), "m.by.endpoint", "calls"),
        (replace(ROW, tags={"countersign_model": "m.by.tag"}), "m.by.tag", "serving"),
        (replace(ROW, endpoint="unmapped"), "m.served", "serving"),
        (replace(ROW, endpoint="shared"), f"{NOBODY}MODEL_SERVING endpoint shared", "serving"),
        (replace(ROW, endpoint="stranger"), f"{NOBODY}MODEL_SERVING endpoint stranger", "serving"),
        (JOB, "m.by.job", "training"),
        (replace(JOB, tags={"countersign_part": "evaluation"}), "m.by.job", "evaluation"),
        (replace(JOB, tags={"countersign_model": "x", "countersign_part": "gambling"}), "x", "training"),
        (replace(JOB, job_id="78", tags={"countersign_model": "x"}), "x", "compute"),
        (replace(JOB, job_id="78"), f"{NOBODY}JOBS job 78", "compute"),
        (replace(ROW, kind="STORAGE_SPACE", endpoint="", product="", sku="S3"), f"{NOBODY}no product", "storage"),
    ],
)
def test_a_row_belongs_to_its_tag_else_its_job_else_what_its_endpoint_serves(
    row: BilledRow, owner: str, part: str
) -> None:
    served = {"unmapped": ("m.served",), "shared": ("a", "b"), "delay": ("other",)}

    assert billing.owner_of(row, SAID, served) == (owner, part)


def test_a_price_counts_while_it_is_valid_and_the_accounts_own_goes_first() -> None:
    changed = NOON - timedelta(hours=1)
    listed = [
        replace(LIST[0], ends_at=changed),
        replace(LIST[0], starts_at=changed, amount=Decimal("0.08")),
    ]
    own = [replace(LIST[0], amount=Decimal("0.05"), cloud="", starts_at=NOON, ends_at=NOON + timedelta(hours=1))]

    book = PriceBook(own, listed)

    assert book.price(replace(ROW, ended_at=changed - timedelta(seconds=1))) == Decimal("0.07")
    assert book.price(replace(ROW, ended_at=changed)) == Decimal("0.08")
    assert book.price(ROW) == Decimal("0.05")
    assert book.price(replace(ROW, ended_at=NOON + timedelta(hours=1))) == Decimal("0.08")
    assert book.price(replace(ROW, cloud="AZURE", ended_at=changed)) is None
    assert book.price(replace(ROW, unit="GB")) is None


def test_a_retraction_takes_back_and_a_restatement_follows() -> None:
    rows = [ROW, replace(ROW, quantity=Decimal(-10)), replace(ROW, quantity=Decimal(4))]

    [day] = billing.costs(rows, SAID, {}, BOOK)["m.by.endpoint"]

    assert day.billed == Decimal("0.28")


def test_use_without_a_price_is_told_and_never_counted_as_free() -> None:
    rows = [ROW, replace(ROW, sku="NEW", quantity=Decimal("2.5"))]

    found = billing.costs(rows, SAID, {}, BOOK)["m.by.endpoint"]

    assert [(day.billed, day.unpriced) for day in found] == [(Decimal("0.70"), "2.5 DBU of NEW")]
    assert "On 1 days use was billed that has no price here" in calculation.unpriced(found)
    assert "2.5 DBU of NEW" in calculation.unpriced(found)
    assert calculation.doubted(Health.HEALTHY) is Health.UNKNOWN
    assert calculation.doubted(Health.BREACH) is Health.BREACH


quantities = st.decimals(-1000, 1000, places=6)
rows_of_a_bill = st.lists(
    st.builds(
        lambda row, quantity, back: replace(row, quantity=quantity, day=DAY - timedelta(days=back)),
        st.sampled_from([ROW, JOB, replace(ROW, endpoint="x"), replace(JOB, job_id="", kind="STORAGE_SPACE")]),
        quantities,
        st.integers(0, 2),
    ),
    max_size=30,
)


@given(rows=rows_of_a_bill)
def test_models_and_nobody_together_are_charged_what_the_bill_says(rows: list[BilledRow]) -> None:
    found = billing.costs(rows, SAID, {}, BOOK)

    total = sum((row.quantity * (BOOK.price(row) or 0) for row in rows), Decimal(0))
    assert sum((day.billed or 0 for days in found.values() for day in days), Decimal(0)) == total
    assert all(day.unpriced == "" for days in found.values() for day in days)


def billed(component: str, amount: str) -> UsageDay:
    return UsageDay(
        day=DAY, version="", component=component, cpu_seconds=0, bytes=0, wall_seconds=0, billed=Decimal(amount)
    )


def test_a_billed_day_has_the_parts_of_a_measured_one_and_an_idle_endpoint_is_floor() -> None:
    rates = Rates(currency="USD", cpu_hour=Decimal(100), gb_month=Decimal(100))
    usage = [
        billed("training", "1"), billed("features", "2"), billed("storage", "4"), billed("serving", "8"),
        billed("calls", "16"), billed("batch", "32"),
    ]  # fmt: skip

    [day] = calculation.cost_days(usage, {DAY: 10}, rates, monthly_fixed=Decimal(0), end=DAY)

    assert (day.compute, day.storage, day.serving, day.total) == (35, 4, 24, 63)
    assert (day.marginal, day.floor) == (48, 15)


def test_a_bill_knows_no_version_so_it_is_laid_on_versions_by_their_predictions() -> None:
    rates = Rates(currency="USD", cpu_hour=Decimal(1), gb_month=Decimal(1))

    shares = calculation.allocate([billed("serving", "8")], {"1": 30, "2": 10}, rates, fixed=Decimal(4))

    assert [(share.version, share.measured, share.allocated) for share in shares] == [("1", 0, 9), ("2", 0, 3)]


GOOD = """
format: countersign.billing/1
tags: {model: owner, part: purpose}
endpoints: {delay: m.a.b}
jobs: {1234: {model: m.a.b, part: training}}
products: [JOBS]
prices:
  - {sku: SERVING, unit: DBU, price: "0.055", from: 2031-01-01, until: 2032-01-01}
"""


def test_the_file_says_who_pays_for_what() -> None:
    said = parse(GOOD)

    assert (said.model_tag, said.part_tag, said.products) == ("owner", "purpose", ("JOBS",))
    assert said.endpoints == {"delay": "m.a.b"}
    assert said.jobs == {"1234": Job(model="m.a.b", part="training")}
    assert [(price.amount, price.starts_at.year) for price in said.prices] == [(Decimal("0.055"), 2031)]


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("billing/1", "billing/2", "format must be"),
        ("training", "gambling", "part 'gambling' is none of training"),
        ('"0.055"', '"-1"', "0 or above"),
        ('"0.055"', '"NaN"', "0 or above"),
        ("2032-01-01", "2030-01-01", "ends before it begins"),
        ("products", "produce", "unknown key 'produce'"),
        ("{delay: m.a.b}", "[delay", "while parsing"),
    ],
)
def test_one_wrong_line_refuses_the_whole_file_and_names_it(tmp_path: Path, before: str, after: str, word: str) -> None:
    file = tmp_path / "billing.yaml"
    file.write_text(GOOD.replace(before, after))

    with pytest.raises(TelemetryUnavailableError, match=word) as refused:
        BillingFile(file).said()

    assert "billing.yaml" in refused.value.hint


def test_a_file_is_read_again_when_it_changed_and_missed_when_it_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "billing.yaml"
    file.write_text(GOOD)
    source = BillingFile(file)
    first = source.said()
    file.write_text(GOOD.replace("[JOBS]", "[JOBS, APPS]"))

    assert (first.products, source.said().products) == (("JOBS",), ("JOBS", "APPS"))
    file.unlink()
    with pytest.raises(TelemetryUnavailableError):
        source.said()
    assert BillingFile(None).said() == Attribution()
