"""The lineage of all models as one set of edges: what the catalog declares and what was put together per version.

Implements data_health.ports.Lineage. Edges into one version of a model count as edges into the model: a table that one
version reads hurts the model. They are read once a minute; a broken table does not become harmless in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from services.inventory.lineage import LineageGraph
from services.inventory.models import GovernedModel
from services.kernel.clock import Clock

_VERSION = re.compile(r"^(?P<model>.+) version \S+$")
_FRESH = timedelta(minutes=1)


class CatalogLineage:
    def __init__(
        self,
        *,
        models: Callable[[], Collection[GovernedModel]],
        graph_of: Callable[[str], LineageGraph | None],
        clock: Clock,
    ) -> None:
        """`graph_of`: the graph of a model's newest version, as last put together."""
        self._models = models
        self._graph_of = graph_of
        self._clock = clock
        self._read: tuple[datetime, frozenset[tuple[str, str]], frozenset[str]] | None = None

    def edges(self) -> Collection[tuple[str, str]]:
        return self._known()[1]

    def models(self) -> Collection[str]:
        return self._known()[2]

    def _known(self) -> tuple[datetime, frozenset[tuple[str, str]], frozenset[str]]:
        now = self._clock.now()
        if self._read is None or now - self._read[0] > _FRESH:
            found = tuple(self._models())
            names = frozenset(model.name for model in found)
            edges: set[tuple[str, str]] = set()
            for model in found:
                graph = self._graph_of(model.name)
                ways = (*model.lineage, *(graph.edges if graph else ()))
                edges |= {(_plain(source, names), _plain(target, names)) for source, target in ways}
            self._read = (now, frozenset(edge for edge in edges if edge[0] != edge[1]), names)
        return self._read


def _plain(node: str, models: Collection[str]) -> str:
    """The model, for one of its versions."""
    found = _VERSION.match(node)
    return found["model"] if found and found["model"] in models else node
