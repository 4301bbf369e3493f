"""How the cost of a model is computed, for those who ask. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time

from services.kernel.health import Explanation
from services.value.models import CostDay, DataAge, Rates, ValueConfig

_NOTHING = "Nothing was recorded in this window: the cost is not zero, it is unknown."
_REQUESTS = "On days without a logged prediction the volume is the requests that the platform counted."


def cost_explanation(
    config: ValueConfig,
    costs: tuple[CostDay, ...],
    rates: Rates,
    *,
    window: str,
    age: DataAge | None = None,
    unpriced: str = "",
) -> Explanation:
    """With an `age` the cost is a platform's bill; without one use was measured here and the rate card counts."""
    fixed = (
        f" plus a stated {config.monthly_cost_fixed:,.2f} {rates.currency} a month ({config.cost_source})"
        if config.monthly_cost_fixed
        else ""
    )
    nothing = "" if costs else _NOTHING
    if age is None:
        last = costs[-1].day if costs else None
        return Explanation(
            formula=f"Measured CPU seconds x {rates.cpu_hour} {rates.currency} per CPU hour + bytes at the end of the "
            f"day x {rates.gb_month} {rates.currency} per GB and month of 30 days{fixed}",
            source="CPU time and file sizes recorded by the serving, batch, training and evaluation processes; rates "
            "from the configuration",
            window=window,
            as_of=datetime.combine(last, time(), UTC) if last else None,
            n=len(costs),
            note=nothing,
        )
    return Explanation(
        formula=f"Billed quantity x the price valid when the use ended, in {rates.currency}; retractions and "
        f"restatements are summed with the originals{fixed}",
        source="Billing table of the platform, laid on models by tag, job and endpoint; prices of the account where "
        "they are given, else the price list",
        window=window,
        as_of=age.up_to,
        n=len(costs),
        note=" ".join(filter(None, [nothing, unpriced, age.sentence, _REQUESTS])),
    )
