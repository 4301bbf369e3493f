"""Numbers for the top of the page, each with what it is compared with; the last two depend on the role."""

from __future__ import annotations

from services.kernel.health import Health
from services.kernel.identity import Actor, Role
from services.oversight import trouble
from services.oversight.models import Tile
from services.oversight.todo import Situation


def tiles(situation: Situation, actor: Actor) -> tuple[Tile, ...]:
    return (
        _waiting(situation),
        _production(situation),
        _health(situation),
        _exceptions(situation),
        *_of_role(situation, actor),
        *trouble.tile(situation.troubles, actor),
    )


def _exceptions(situation: Situation) -> Tile:
    late = sum(item.late for item in situation.exceptions)
    soon = sum(not item.late for item in situation.exceptions)
    detail = f"{late} late, to be decided or closed" if late else f"{soon} to decide on or ending soon"
    state = Health.BREACH if late else Health.WATCH if situation.excepted else Health.HEALTHY
    return Tile(
        title="Exceptions in force", value=str(situation.excepted), detail=detail, state=state,
        target="audit?section=exceptions",
    )  # fmt: skip


def _waiting(situation: Situation) -> Tile:
    waiting = situation.waiting
    detail = f"{waiting.overdue} overdue" if waiting.overdue else _open_in_all(situation.open_requests)
    state = Health.BREACH if waiting.overdue else Health.WATCH if waiting.mine else Health.HEALTHY
    return Tile(
        title="Wait for your signature", value=str(waiting.mine), detail=detail, state=state, target="approvals?mine=1"
    )


def _open_in_all(number: int) -> str:
    return "1 request open in all" if number == 1 else f"{number} requests open in all"


def _production(situation: Situation) -> Tile:
    counts = situation.counts
    return Tile(
        title="In production", value=str(counts.in_production), detail=f"of {counts.models:,} models", state=None,
        target="inventory",
    )  # fmt: skip


def _health(situation: Situation) -> Tile:
    counts = situation.counts.by_health
    breach, watch = counts.get(Health.BREACH, 0), counts.get(Health.WATCH, 0)
    unknown = counts.get(Health.UNKNOWN, 0)
    states = [health for health, n in counts.items() if n]
    return Tile(
        title="Models in breach",
        value=str(breach),
        detail=f"{watch} to watch, {unknown} unknown",
        state=Health.worst(states),
        target="inventory?health=breach",
    )


def _of_role(situation: Situation, actor: Actor) -> tuple[Tile, ...]:
    match actor.role:
        case Role.BUSINESS_OWNER | Role.FINANCE:
            return (_net(situation),)
        case Role.DATA_SCIENCE_LEAD:
            n = len(situation.unsubmitted)
            return (
                Tile(
                    title="Not submitted", value=str(n), detail="newest versions nobody asked to release",
                    state=Health.WATCH if n else Health.HEALTHY, target="inventory",
                ),
            )  # fmt: skip
        case Role.SRE:
            running = [served for served in situation.served if served.candidate and served.plan]
            return (
                Tile(
                    title="Releases running", value=str(len(running)),
                    detail=", ".join(served.model for served in running) or "no canary has traffic", state=None,
                    target="rollouts",
                ),
                _findings(situation),
            )  # fmt: skip
        case Role.COMPLIANCE | Role.VALIDATOR | Role.AUDITOR:
            return (_reviews(situation), _findings(situation))
        case Role.ADMIN:
            alive = situation.worker_alive
            return (
                Tile(
                    title="Worker", value="running" if alive else "not running",
                    detail="synchronises, measures and acts", state=Health.HEALTHY if alive else Health.BREACH,
                    target="settings",
                ),
                _findings(situation),
            )  # fmt: skip


def _findings(situation: Situation) -> Tile:
    n = len(situation.findings)
    if not n and not situation.worker_alive:
        # Only the worker compares record and platform: without it nothing was found because nobody looked.
        return Tile(
            title="Findings", value="not known", detail="nothing is compared while the worker is not running",
            state=Health.UNKNOWN, target="rollouts",
        )  # fmt: skip
    worst = Health.worst([item.state for item in situation.findings]) if n else Health.HEALTHY
    return Tile(
        title="Findings", value=str(n), detail="differences between record and platform", state=worst, target="rollouts"
    )


def _reviews(situation: Situation) -> Tile:
    n = situation.counts.reviews_overdue
    return Tile(
        title="Reviews overdue", value=str(n), detail=f"of {situation.counts.models:,} models",
        state=Health.WATCH if n else Health.HEALTHY, target="inventory?sort=next_review",
    )  # fmt: skip


def _net(situation: Situation) -> Tile:
    found = situation.portfolio
    if found is None or not found.totals.known:
        return Tile(
            title="Net benefit", value="not recorded", detail="no benefit is recorded for any model",
            state=Health.UNKNOWN, target="value",
        )  # fmt: skip
    totals = found.totals
    return Tile(
        title="Net benefit",
        value=f"{totals.net:,.0f} {found.currency}",
        detail=f"last 90 days, {totals.known:,} of {totals.models:,} models with recorded benefit",
        state=Health.BREACH if totals.net < 0 else Health.WATCH if totals.red else None,
        target="value",
    )
