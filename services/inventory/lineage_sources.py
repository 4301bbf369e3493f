"""Everything that states a model's lineage, as one source: catalogs beside each other, and where its answers go.

    lineage = JoinedLineage(unity, catalog, answers=lambda model: (Way(place="endpoint:delay-claim-score"),))

Where answers go is known by whatever serves, not by whoever keeps tables. A place that is set for the model belongs to
every version, whether it serves or not: an edge that came with the first request to a version would change the graph
that was just signed. A place where somebody serves one version beside that belongs to this version alone. Where the
inventory entry of a model states where its answers go, that stands, and the place that is set for it is not added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.inventory.lineage import Declared, LineageSource
from services.inventory.models import GovernedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """`place`: `endpoint:NAME` or `job:NAME`. `version`: empty for all versions."""

    place: str
    version: str = ""


class JoinedLineage:
    """Implements inventory.lineage.LineageSource. What one source states is never taken back by another."""

    def __init__(self, *sources: LineageSource, answers: Callable[[GovernedModel], Iterable[Way]]) -> None:
        """`answers` raises UnavailableError while nobody can be asked: the last graphs stay then."""
        self._sources = sources
        self._answers = answers

    def declared(self, model: GovernedModel) -> Declared:
        """Raises UnavailableError when any source cannot be asked: half of a graph would look like a change."""
        found = [source.declared(model) for source in self._sources]
        is_stated = any(source == model.name and _is_place(target) for source, target in model.lineage)
        ways = [
            (f"{model.name} version {way.version}" if way.version else model.name, way.place)
            for way in self._answers(model)
            if way.version or not is_stated
        ]
        return Declared(
            columns=tuple(dict.fromkeys(item for each in found for item in each.columns)),
            edges=tuple(dict.fromkeys([*(edge for each in found for edge in each.edges), *ways])),
        )


def _is_place(name: str) -> bool:
    return name.startswith(("endpoint:", "job:"))
