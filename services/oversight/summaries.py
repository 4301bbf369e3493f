"""The prepared inventory line of a model: facts of the catalog, live shares as read back, drift, promise, open work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.inventory import metadata
from services.inventory.models import DeploymentKind, GovernedModel, InventoryRow
from services.kernel.health import Health, Signal
from services.kernel.identity import Role
from services.monitoring.models import DriftView
from services.oversight.models import ModelSummary, ServedModel

TREND_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What monitoring and reliability say about one model."""

    drift: Signal
    trend: tuple[float, ...]
    sla: Signal


def unwatched(kind: DeploymentKind) -> Watched:
    sentence = (
        "Runs at the supplier; nothing is recorded here."
        if kind is DeploymentKind.VENDOR
        else "No predictions are recorded."
    )
    unknown = Signal(state=Health.UNKNOWN, value=None, unit="", sentence=sentence)
    return Watched(drift=unknown, trend=(), sla=unknown)


def trend(view: DriftView) -> tuple[float, ...]:
    """The largest PSI of any judged distribution per day, oldest first, for the last 30 recorded days."""
    highest: dict[date, float] = {}
    for feature in view.features:
        for point in feature.series:
            highest[point.day] = max(point.value, highest.get(point.day, 0.0))
    return tuple(round(highest[day], 4) for day in sorted(highest)[-TREND_DAYS:])


def summary(
    model: GovernedModel,
    *,
    served: ServedModel | None,
    watched: Watched,
    versions: tuple[int, str],
    open_requests: int,
    findings: int,
    today: date,
) -> ModelSummary:
    owner = accountable(model)
    states = [watched.drift.state, watched.sla.state]
    if findings:
        states.append(Health.BREACH)
    row = InventoryRow(
        name=model.name, title=model.title, use_case=model.use_case, tier=model.tier, kind=model.kind,
        team=model.team, owner=owner, health=Health.worst(states),
        live=served.observed if served else (), live_as_of=served.observed_at if served else None,
        versions=versions[0], newest_version=versions[1], drift=watched.drift, drift_trend=watched.trend,
        sla=watched.sla, open_requests=open_requests, findings=findings, next_review=model.next_review,
        review_overdue=model.next_review < today, completeness=metadata.lint(model).percent,
    )  # fmt: skip
    words = [model.name, model.title, model.use_case, model.team, model.vendor, *(item.name for item in model.owners)]
    return ModelSummary(row=row, search_text=" ".join(word.casefold() for word in words if word))


def accountable(model: GovernedModel) -> str:
    """The business owner, or else the first person named; empty when nobody is."""
    named = model.owner_of(Role.BUSINESS_OWNER.value)
    return named.name if named else next((owner.name for owner in model.owners), "")
