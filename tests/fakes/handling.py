"""Lineage, access rules, small cells and feature tables with nothing to object to, or with what a test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.inventory.access import AccessRules, ColumnHandling, Mask, MaskKind, ServingRight
from services.inventory.handling import DataEvidence
from services.inventory.models import GovernedModel, ModelVersion
from services.policy.evidence import CellFact, TableFact

HIDE_ALL = tuple((tag, Mask(kind=MaskKind.HIDE)) for tag in ("PII", "PHI", "quasi-identifier"))


@dataclass(slots=True)
class AccessMemory:
    """Implements inventory.access.AccessRuleSource."""

    kept: AccessRules = field(default_factory=lambda: AccessRules(by_tag=HIDE_ALL))

    def rules(self) -> AccessRules:
        return self.kept


@dataclass(slots=True)
class QuietHandling:
    """Implements evaluation.ports.DataFacts: every sensitive input masked, tables in order, nobody singled out."""

    small_cells: tuple[CellFact, ...] | None = ()
    tables: tuple[TableFact, ...] = (TableFact(name="features", owner="Dana Petrov", documented=True),)
    lineage_sha256: str = ""
    problem: str = ""

    def evidence(self, model: GovernedModel, version: ModelVersion) -> DataEvidence:
        personal = [item.name for item in self.columns(model, [name for name, _ in version.inputs]) if item.is_personal]
        return DataEvidence(
            masked=tuple(personal),
            readable=tuple(personal),
            small_cells=self.small_cells,
            tables=self.tables,
            lineage_sha256=self.lineage_sha256,
            problem=self.problem,
        )

    def columns(self, model: GovernedModel, inputs: Sequence[str]) -> tuple[ColumnHandling, ...]:
        serving = (ServingRight(model=model.name, identity=f"endpoint:{model.name}"),)
        return AccessRules(by_tag=HIDE_ALL, serving=serving).handling(model, inputs)
