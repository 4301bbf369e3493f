"""Who is hurt: every model that is reached from a broken table or pipeline along the lineage, with the way. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time

from services.data_health.models import Hurt, PipelineHealth, PipelineRun, TableHealth
from services.kernel.health import Health

Edges = Collection[tuple[str, str]]


def reached(starts: Iterable[str], edges: Edges, models: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Models downstream of any start, each with its shortest way, the start included. A start may be a model."""
    following: dict[str, list[str]] = {}
    for source, target in sorted(set(edges)):
        following.setdefault(source, []).append(target)
    ways: dict[str, tuple[str, ...]] = {}
    waiting: deque[tuple[str, tuple[str, ...]]] = deque((start, (start,)) for start in dict.fromkeys(starts))
    seen = {start for start, _ in waiting}
    while waiting:
        node, way = waiting.popleft()
        if node in models:
            ways.setdefault(node, way)
        for target in following.get(node, ()):
            if target not in seen:
                seen.add(target)
                waiting.append((target, (*way, target)))
    return ways


def hurt(
    tables: Sequence[TableHealth],
    pipelines: Sequence[PipelineHealth],
    *,
    runs: Mapping[str, PipelineRun],
    edges: Edges,
    models: Collection[str],
) -> tuple[Hurt, ...]:
    """The gravest first. `runs`: the last run of each pipeline, which says what it writes."""
    found = [
        *(item for table in tables for item in _by_table(table, edges, models)),
        *(item for line in pipelines for item in _by_pipeline(line, runs.get(line.pipeline), edges, models)),
    ]
    return tuple(sorted(found, key=lambda item: (item.state is not Health.BREACH, item.model, item.since)))


def _by_table(table: TableHealth, edges: Edges, models: Collection[str]) -> list[Hurt]:
    broken = table.broken
    if not broken:
        return []
    since = min(item.since for item in broken)
    words = " ".join(item.result.sentence for item in broken[:2])
    ways = {name: (table.name, name) for name in table.models} | dict(reached(table.nodes, edges, models))
    return [
        Hurt(
            model=model, kind="table", subject=table.name, title=table.title, state=Health.BREACH,
            since=datetime.combine(since, time(), UTC), sentence=words, way=way,
        )
        for model, way in ways.items()
    ]  # fmt: skip


def _by_pipeline(line: PipelineHealth, run: PipelineRun | None, edges: Edges, models: Collection[str]) -> list[Hurt]:
    if line.since is None:
        return []
    own = run.models if run else ()
    ways = {name: (name,) for name in own} | dict(reached([*own, *(run.writes if run else ())], edges, models))
    return [
        Hurt(
            model=model, kind="pipeline", subject=line.pipeline, title=line.title, state=line.state, since=line.since,
            sentence=line.sentence, way=(line.title, *way),
        )
        for model, way in ways.items()
    ]  # fmt: skip
