"""Who is responsible, accountable, consulted and informed for each control; names come from the models' owners. Pure.

One accountable duty per control, never two: where two answer, nobody does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.inventory.models import GovernedModel
from services.inventory.owners import DUTIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    id: str
    title: str
    letters: Mapping[str, str]
    """By duty."""


def _control(ident: str, title: str, **letters: str) -> Control:
    return Control(id=ident, title=title, letters=letters)


CONTROLS = (
    _control("use-case", "Use case, label and limits", business_owner="A", data_science_lead="R",
             compliance_officer="C", sre="I"),
    _control("data", "Feature tables and sensitive columns", data_engineer="A", data_science_lead="R",
             compliance_officer="C", platform="I"),
    _control("registry", "Registry, naming and lineage", platform="A", data_science_lead="R", data_engineer="C",
             compliance_officer="I"),
    _control("evaluation", "Evaluation and gates", data_science_lead="A", compliance_officer="C", business_owner="I"),
    _control("approval", "Approval of a version", compliance_officer="A", data_science_lead="R", business_owner="C",
             sre="I"),
    _control("release", "Release and rollback", sre="A", platform="R", data_science_lead="C", business_owner="I"),
    _control("monitoring", "Drift, performance and alerts", data_science_lead="A", data_engineer="R", sre="C",
             business_owner="I"),
    _control("incident", "Incidents and on call", sre="A", data_science_lead="R", business_owner="C",
             compliance_officer="I"),
    _control("feedback", "Corrections and retraining", data_science_lead="A", business_owner="R", data_engineer="C",
             compliance_officer="I"),
    _control("value", "Cost, benefit and retirement", business_owner="A", cost_owner="R", data_science_lead="C",
             compliance_officer="I"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`name` is empty where nobody carries the duty. `stands` is False for a person who is not active any more."""

    letter: str
    duty: str
    name: str
    stands: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    control: Control
    cells: tuple[Cell, ...]

    @property
    def unanswered(self) -> bool:
        """Nobody is there who is accountable."""
        return any(cell.letter == "A" and not cell.stands for cell in self.cells)


def matrix(model: GovernedModel, *, orphaned: Iterable[str]) -> tuple[Line, ...]:
    """`orphaned`: duties of this model whose person is not active or holds no role."""
    gone = set(orphaned)
    return tuple(
        Line(
            control=control,
            cells=tuple(
                Cell(
                    letter=control.letters[duty.role], duty=duty.title, name=owner.name if owner else "",
                    stands=owner is not None and duty.role not in gone,
                )
                for duty in DUTIES
                if duty.role in control.letters
                for owner in [model.owner_of(duty.role)]
            ),
        )
        for control in CONTROLS
    )  # fmt: skip
