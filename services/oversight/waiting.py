"""What waits for an engineer among releases, batch runs and fallbacks, as the home page shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.kernel.health import Health
from services.oversight.models import TodoItem
from services.rollout.batch_models import BatchRun, RunState
from services.rollout.fallback_models import FallbackView
from services.rollout.release_models import Release, ReleaseState, ReleaseView


def releases(found: Iterable[ReleaseView], *, busy: frozenset[str]) -> list[TodoItem]:
    """Planned, held, not verified, and shadow runs that may be closed. `busy`: models with an action under way."""
    items = []
    for view in found:
        if view.release.model in busy:
            continue
        item = _release(view)
        if item is not None:
            items.append(item)
    return items


def _release(view: ReleaseView) -> TodoItem | None:
    release, may = view.release, {offer.step for offer in view.offers if offer.enabled}
    name, since = f"{release.model} version {release.candidate}", f"since {release.stage_since:%d %b %H:%M} UTC"
    match release.state:
        case ReleaseState.PAUSED:
            why = f"{release.hold_reason} Held {since}; resume it or take it back."
            return _item(f"{name}: its release is held", why, release, Health.BREACH)
        case ReleaseState.FAILED:
            why = "What is served may be mixed. Roll back, or look at the endpoint."
            return _item(f"{name}: its traffic could not be verified", why, release, Health.BREACH)
        case ReleaseState.PLANNED:
            begin = "Start the shadow run" if release.shadow else "Start the release"
            first = next((offer for offer in view.offers if offer.step in {"start-shadow", "start-canary"}), None)
            blocked = first.reason if first is not None and not first.enabled else ""
            why = f"Approved and planned {since}; production is unchanged."
            return _item(f"{begin} of {name}", f"{why} {blocked}".strip(), release)
        case ReleaseState.SHADOW if "close-shadow" in may:
            return _item(f"Close the shadow run of {name}", "Its days and records are there; look and sign.", release)
        case ReleaseState.SHADOW if "start-canary" in may:
            return _item(f"Start the canary of {name}", f"Its shadow run is closed {since}.", release)
        case _:
            return None


def batch_runs(found: Iterable[BatchRun]) -> list[TodoItem]:
    """Outputs consumers do not read until a person decides."""
    return [
        TodoItem(
            title=f"{'Decide on' if run.state is RunState.HELD else 'Put right'} the batch run of {run.model} "
            f"for {run.window_start:%d %b %H:%M} UTC",
            why=f"Version {run.version}, {'held' if run.state is RunState.HELD else 'withheld'}. {run.reason}",
            state=Health.WATCH if run.state is RunState.HELD else Health.BREACH,
            due=None,
            target=f"rollouts?model={run.model}",
        )
        for run in found
    ]


def drills(found: Sequence[FallbackView]) -> list[TodoItem]:
    """Fallbacks nobody has rehearsed lately; those of less critical models together in one line."""
    items = [
        TodoItem(
            title=f"Rehearse the fallback of {view.model}",
            why=view.sentence,
            state=view.readiness,
            due=None,
            target=f"rollouts?model={view.model}",
        )
        for view in found
        if view.readiness in {Health.BREACH, Health.WATCH}
    ]
    never = [view.model for view in found if view.readiness is Health.UNKNOWN]
    if never:
        items.append(
            TodoItem(
                title=f"Fallbacks never rehearsed: {len(never)}",
                why=f"Nobody knows whether the steps work: {', '.join(never)}.",
                state=Health.UNKNOWN,
                due=None,
                target=f"rollouts?model={never[0]}",
            )
        )
    return items


def _item(title: str, why: str, release: Release, state: Health = Health.WATCH) -> TodoItem:
    return TodoItem(title=title, why=why, state=state, due=None, target=f"rollouts?model={release.model}")
