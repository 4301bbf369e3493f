"""From rows of a platform's bill to the cost of models: whose row it is, which part, at which price. Pure.

A row belongs to the model its tag names, else to the one its job is mapped to, else to the one its endpoint serves.
What belongs to nobody keeps the name of its product and is laid on nobody. Corrections are rows like others: a
retraction is negative, a restatement follows it, and the sum of all is what was charged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from services.value.calculation import CALLS, STORAGE
from services.value.models import UsageDay

NOBODY = "unallocated: "
"""Beginning of the name that use without an owner is kept under; no model can be called so."""
PARTS = ("training", "evaluation", "features", "batch", "serving", STORAGE)
COMPUTE = "compute"
"""Work for a model that nobody said the purpose of."""
PRODUCTS = (
    "MODEL_SERVING", "AI_GATEWAY", "AI_FUNCTIONS", "VECTOR_SEARCH", "AGENT_EVALUATION", "DATA_QUALITY_MONITORING",
    "JOBS",
)  # fmt: skip
"""What is copied where nobody says otherwise; other products only where a row carries the tag of a model."""
_SERVING_PRODUCTS = frozenset({"MODEL_SERVING", "AI_GATEWAY", "AI_FUNCTIONS"})
_PER_CALL = frozenset({"TOKEN", "API_CALLS"})
_LONGEST = 200
_EXACT = Decimal("1e-12")


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledRow:
    """One record of the bill in its newest state."""

    day: date
    ended_at: datetime
    sku: str
    cloud: str
    unit: str
    quantity: Decimal
    product: str
    kind: str
    endpoint: str = ""
    job_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    sku: str
    unit: str
    amount: Decimal
    starts_at: datetime
    ends_at: datetime | None = None
    cloud: str = ""
    """Empty: on every cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    model: str
    part: str = COMPUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Who pays for what, as the deployment says. `endpoints` maps to models, `prices` are the account's own."""

    model_tag: str = "countersign_model"
    part_tag: str = "countersign_part"
    endpoints: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    products: tuple[str, ...] = PRODUCTS
    prices: tuple[Price, ...] = ()


class PriceBook:
    """Prices of one currency. The account's own go before the list, each for its own time."""

    def __init__(self, own: Iterable[Price], listed: Iterable[Price]) -> None:
        self._books = [_by_sku(own), _by_sku(listed)]

    def price(self, row: BilledRow) -> Decimal | None:
        """The price that was valid when the use ended; None where there is none."""
        for book in self._books:
            for price in book.get((row.sku, row.unit), ()):
                here = price.cloud in {"", row.cloud}
                if here and price.starts_at <= row.ended_at and (price.ends_at is None or row.ended_at < price.ends_at):
                    return price.amount
        return None


def _by_sku(prices: Iterable[Price]) -> dict[tuple[str, str], list[Price]]:
    """The latest first: of two that overlap the newer one counts."""
    found: dict[tuple[str, str], list[Price]] = defaultdict(list)
    for price in sorted(prices, key=lambda price: price.starts_at, reverse=True):
        found[price.sku, price.unit].append(price)
    return found


def owner_of(row: BilledRow, said: Attribution, served: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """(model, part). `served` maps endpoints to the models they were ever given; one of several is nobody's guess."""
    job = said.jobs.get(row.job_id)
    tagged = row.tags.get(said.model_tag, "")
    serves = [said.endpoints[row.endpoint]] if row.endpoint in said.endpoints else list(served.get(row.endpoint, ()))
    model = tagged or (job.model if job else "") or (serves[0] if len(serves) == 1 else "")
    if not model:
        named = f" endpoint {row.endpoint}" if row.endpoint else f" job {row.job_id}" if row.job_id else ""
        return f"{NOBODY}{row.product or 'no product'}{named}"[:_LONGEST], _part(row, "", None)
    return model[:_LONGEST], _part(row, row.tags.get(said.part_tag, ""), job)


def _part(row: BilledRow, tagged: str, job: Job | None) -> str:
    if row.kind == "STORAGE_SPACE":
        return STORAGE
    if row.endpoint or row.product in _SERVING_PRODUCTS:
        return CALLS if row.kind in _PER_CALL else "serving"
    return tagged if tagged in PARTS else job.part if job else COMPUTE


@dataclass(slots=True)
class _Sum:
    amount: Decimal = Decimal(0)
    unpriced: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))


def costs(
    rows: Iterable[BilledRow], said: Attribution, served: Mapping[str, Sequence[str]], book: PriceBook
) -> dict[str, tuple[UsageDay, ...]]:
    """Cost by owner: one row per day and part, exact. Use without a price is told beside, never counted as free."""
    sums: dict[tuple[str, date, str], _Sum] = defaultdict(_Sum)
    for row in rows:
        owner, part = owner_of(row, said, served)
        total, price = sums[owner, row.day, part], book.price(row)
        if price is None:
            total.unpriced[row.sku, row.unit] += row.quantity
        else:
            total.amount += row.quantity * price
    found: dict[str, list[UsageDay]] = defaultdict(list)
    for (owner, day, part), total in sorted(sums.items()):
        left = sorted((names, quantity) for names, quantity in total.unpriced.items() if quantity)
        found[owner].append(
            UsageDay(
                day=day, version="", component=part, cpu_seconds=0.0, bytes=0, wall_seconds=0.0,
                billed=total.amount.quantize(_EXACT),
                unpriced=", ".join(f"{quantity:f} {unit} of {sku}" for (sku, unit), quantity in left),
            )
        )  # fmt: skip
    return {owner: tuple(days) for owner, days in found.items()}
