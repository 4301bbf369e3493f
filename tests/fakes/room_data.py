"""Lineage, access rules, small cells and feature tables of the fake room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.inventory.access import AccessRules, ColumnHandling, Mask, MaskKind, ServingRight
from services.inventory.guard import CellCount, Cells
from services.inventory.lineage import ColumnEdge, Declared, FrozenGraph, LineageChange, LineageGraph, build, diff
from services.inventory.models import GovernedModel, ModelVersion
from services.inventory.rows import ShownInput, ShownRow
from services.inventory.tables import CheckedTable, FeatureTable, QualityRule, RuleKind, RuleResult, unchecked
from services.kernel.health import Health
from tests.fakes import room_sample as sample
from tests.fakes.room_sample import HOSTILE, NOW

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

HIDE = Mask(kind=MaskKind.HIDE)
_RULES = (
    QualityRule(id="fresh", kind=RuleKind.FRESHNESS, columns=("event_at",), limit=24),
    QualityRule(id="age", kind=RuleKind.RANGE, columns=("birth_year",), low=1920, high=2010),
)


class FakeHandling:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.columns = room.measured(self._columns)
        self.graph = room.measured(self._graph)
        self.changes = room.measured(self._changes)
        self.kept: FrozenGraph | None = None
        """What a request cites, whatever the digest."""
        self.frozen = room.measured(lambda _sha256: self.kept)
        self.cells = room.measured(self._cells)
        self.tables = room.measured(self._tables)
        self.tables_of = room.measured(lambda model: tuple(t for t in self._tables() if model in t.table.models))

    @property
    def _typed(self) -> str:
        return HOSTILE if self._room.hostile else ""

    def _columns(self, model: GovernedModel, inputs: Sequence[str]) -> tuple[ColumnHandling, ...]:
        rules = AccessRules(
            by_tag=(("PHI", HIDE), ("quasi-identifier", Mask(kind=MaskKind.BAND, size="10"))),
            serving=(ServingRight(model=model.name, identity=f"job:{model.name}"),),
        )
        return rules.handling(model, inputs)

    def _graph(self, model: str, version: str) -> LineageGraph | None:
        governed = next((item for item in sample.MODELS if item.name == model), None)
        if governed is None or self._room.mode == "empty":
            return None
        found: ModelVersion = next(item for item in sample.some_versions(model) if item.version == version)
        typed = self._typed
        edges = (("raw.flights", "features.routes"), ("features.routes", model), (model, typed or f"endpoint:{model}"))
        columns = (
            ColumnEdge(source="raw.flights", column="miles", target="features.routes", feature="distance", how=typed),
            ColumnEdge(source="raw.flights", column="op", target="features.routes", feature="carrier", how="Same code"),
        )
        return build(governed, found, Declared(columns=columns, edges=edges))

    def _changes(self, model: str, base: str, version: str) -> tuple[LineageChange, ...] | None:
        before, after = self._graph(model, base), self._graph(model, version)
        return diff(before, after) if before and after else None

    def _cells(self, model: GovernedModel, version: ModelVersion) -> CellCount:
        if not model.sensitive:
            return CellCount(counted_at=NOW)
        cells = Cells(
            columns=(self._typed or "birth_year", "region"), groups=40, groups_below=3, people_below=7, smallest=1
        )
        return CellCount(people=5192, as_read=(cells,), as_served=(cells,), counted_at=NOW - timedelta(hours=2))

    def _tables(self) -> tuple[CheckedTable, ...]:
        if self._room.mode == "empty":
            return ()
        typed = self._typed
        claims = FeatureTable(
            name="claims_features", title=typed or "Claims features", owner=typed or "Dana Petrov",
            documentation=typed or "One row per claim.", models=("claims_triage",), rules=_RULES,
            recorded="claims_triage",
        )  # fmt: skip
        routes = FeatureTable(
            name="route_features", title="Route features", owner="", documentation="", models=("delay_claim_score",),
            rules=_RULES[:1], recorded="delay_claim_score",
        )  # fmt: skip
        checked = {"rows": 4120, "checked_at": NOW - timedelta(minutes=4)}
        results = (
            RuleResult(rule="fresh", words=_RULES[0].words, state=Health.HEALTHY, sentence="2 hours old.", **checked),
            RuleResult(
                rule="age", words=_RULES[1].words, state=Health.BREACH, sentence=typed or "3 of 4,120 rows outside.",
                **checked,
            ),
        )  # fmt: skip
        return (CheckedTable(table=claims, results=results), CheckedTable(table=routes, results=unchecked(routes)))


class FakeRows:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.inputs = room.measured(self._inputs)

    def _inputs(self, model: str, prediction_id: str, *, actor: Any) -> tuple[ShownRow, ...]:
        name = HOSTILE if self._room.hostile else "birth_year"
        shown = (
            ShownInput(name=name, value="1970 up to 1980", mask=Mask(kind=MaskKind.BAND, size="10"), category="PII"),
            ShownInput(name="distance", value=name, mask=Mask(kind=MaskKind.NONE), category=""),
        )
        return (ShownRow(version="3", role="live", event_at=NOW - timedelta(days=2), inputs=shown),)
