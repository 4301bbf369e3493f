"""Differences between what was decided and what the world shows, in words."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, quote

from services.data_health.models import Hurt
from services.inventory.owners import Orphan
from services.inventory.tables import CheckedTable
from services.kernel.health import Health
from services.oversight.models import OpenAction, ServedModel, TodoItem
from services.rollout.emergency_models import EmergencyReview
from services.rollout.job_findings import JobFinding, JobFindingKind


def findings(
    served: Sequence[ServedModel], deleted: Sequence[tuple[str, str]], actions: Sequence[OpenAction]
) -> tuple[TodoItem, ...]:
    items = [item for model in served for item in _of_model(model)]
    items += [
        TodoItem(
            title=f"{model}: version {version} is gone from the registry",
            why="It serves or is champion, but the registry no longer has it. Roll back to a version that exists.",
            state=Health.BREACH,
            due=None,
            target=f"rollouts?model={model}",
        )
        for model, version in deleted
    ]
    items += [
        TodoItem(
            title=f"{action.model}: {action.kind} to version {action.to_version} did not succeed",
            why=action.detail or f"It ended as {action.state}.",
            state=Health.BREACH,
            due=None,
            target=f"rollouts?model={action.model}",
        )
        for action in actions
        if action.state in {"failed", "conflict"}
    ]
    return tuple(items)


def _of_model(served: ServedModel) -> list[TodoItem]:
    target = f"rollouts?model={served.model}"
    if served.finding:
        never = not served.champion and not served.desired
        return [
            TodoItem(
                title=f"{served.model}: {'serves without any signed approval' if never else 'unsigned change'}",
                why=served.finding,
                state=Health.BREACH,
                due=None,
                target=target,
            )
        ]
    moved = served.alias_champion not in {None, served.champion} and not served.alias_pending and served.champion
    if moved:
        why = f"The champion alias names version {served.alias_champion}; signed was version {served.champion}."
        title = f"{served.model}: alias moved outside Countersign"
        return [TodoItem(title=title, why=why, state=Health.BREACH, due=None, target=target)]
    if served.problem:
        title = f"{served.model}: traffic cannot be read back"
        return [TodoItem(title=title, why=served.problem, state=Health.UNKNOWN, due=None, target=target)]
    return []


def unreviewed(reviews: Sequence[EmergencyReview]) -> tuple[TodoItem, ...]:
    """Break-glass releases that hold up whatever is new: reviewed too late, or to be rolled back and still serving."""
    return tuple(
        TodoItem(
            title=f"{item.model}: break-glass release of version {item.version} holds up new versions",
            why=item.blocks,
            state=Health.BREACH,
            due=item.review_by,
            target=f"rollouts?model={item.model}&emergency={item.id}",
        )
        for item in reviews
        if item.blocks
    )


_OF_JOBS = {
    JobFindingKind.UNSIGNED: ("version {} is approved in the workspace and not here", Health.BREACH),
    JobFindingKind.CHANGED: ("the deployment job of version {} is not what was signed or evaluated", Health.BREACH),
    JobFindingKind.STUCK: ("the deployment job of version {} does not get past its approval", Health.WATCH),
}


def of_jobs(found: Sequence[JobFinding]) -> tuple[TodoItem, ...]:
    """Approvals that were given in the workspace, and deployment jobs that are not sent on."""
    return tuple(
        TodoItem(
            title=f"{item.model}: {_OF_JOBS[item.kind][0].format(item.version)}",
            why=f"{item.sentence} First seen {item.since:%d %b %Y %H:%M} UTC.",
            state=_OF_JOBS[item.kind][1],
            due=None,
            target=f"model?name={quote(item.model)}",
        )
        for item in found
    )


def broken_tables(tables: Sequence[CheckedTable]) -> tuple[TodoItem, ...]:
    """One per model that rests on a feature table whose rows break a rule."""
    return tuple(
        TodoItem(
            title=f"{model}: feature table {item.table.name} breaks {len(item.failing)} of {len(item.results)} rules",
            why=f"{item.failing[0].words}: {item.failing[0].sentence}",
            state=Health.BREACH,
            due=None,
            target=f"tables?table={quote(item.table.name)}&model={quote(model)}",
        )
        for item in tables
        if item.failing
        for model in item.table.models
    )


def hurt(found: Sequence[Hurt], *, told: Sequence[CheckedTable]) -> tuple[TodoItem, ...]:
    """One per model and broken table or pipeline; tables whose declared rules are told already are left out."""
    known = {item.table.name for item in told if item.failing}
    return tuple(
        TodoItem(
            title=f"{item.model}: {item.kind} {item.title} is {_TROUBLE[item.kind]} since {item.since:%d %b %Y}",
            why=item.sentence,
            state=item.state,
            due=None,
            target=f"data_health?{'table' if item.kind == 'table' else 'pipeline'}={quote(item.subject)}"
            f"&model={quote(item.model)}",
        )
        for item in found
        if item.subject not in known
    )


_TROUBLE = {"table": "broken", "pipeline": "late or failing"}


def of_policies(problems: Sequence[str], unpublished: Sequence[str]) -> tuple[TodoItem, ...]:
    """A tier without a usable policy stops its requests; a file that differs stops nothing and is told."""
    return tuple(
        TodoItem(title=title, why=sentence, state=state, due=None, target="policies")
        for title, state, sentences in (
            ("A policy cannot be used", Health.BREACH, problems),
            ("A policy file differs from what is in force", Health.WATCH, unpublished),
        )
        for sentence in sentences
    )


def orphaned(orphans: Sequence[Orphan]) -> tuple[TodoItem, ...]:
    return tuple(
        TodoItem(
            title=f"{item.model}: nobody carries {item.duty.title.lower()} any more",
            why=item.sentence,
            state=Health.BREACH if item.is_urgent else Health.WATCH,
            due=None,
            target=f"model?name={item.model}&show=metadata&fix=owner_{item.duty.role}",
        )
        for item in orphans
    )


def model_of(item: TodoItem) -> str:
    """The model a finding is about, from its address."""
    named = dict(parse_qsl(item.target.partition("?")[2]))
    return named.get("model") or named.get("name", "")
