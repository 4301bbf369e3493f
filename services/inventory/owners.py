"""Who answers for what of a model, and which owners are no longer there. Pure.

One person may carry several duties. A duty whose person was disabled or lost every role is orphaned: nobody answers
when the alarm rings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.inventory.models import GovernedModel, Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One line of the responsibility matrix. `letter`: Responsible, Accountable, Consulted or Informed."""

    role: str
    title: str
    letter: str
    answers_for: str


DUTIES = (
    Duty(role="business_owner", title="Business", letter="A", answers_for="Purpose, benefit and limits of use"),
    Duty(role="data_science_lead", title="Data science lead", letter="R", answers_for="Label, features and metrics"),
    Duty(role="data_engineer", title="Data engineer", letter="R", answers_for="Source data, feature tables, lineage"),
    Duty(role="sre", title="Site reliability", letter="R", answers_for="Serving, traffic and rollback"),
    Duty(role="platform", title="Platform", letter="C", answers_for="Registry, workspace and access"),
    Duty(role="compliance_officer", title="Compliance", letter="C", answers_for="Policy, approvals and records"),
    Duty(
        role="cost_owner", title="Cost", letter="I", answers_for="Run cost, and the damage when a threshold is passed"
    ),
)
_BY_ROLE = {duty.role: duty for duty in DUTIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A duty that nobody carries any more."""

    model: str
    duty: Duty
    name: str
    sentence: str

    @property
    def is_urgent(self) -> bool:
        """Work stops without an accountable or responsible person; advice and information can wait a day."""
        return self.duty.letter in {"A", "R"}


def duty_of(role: str) -> Duty:
    """The duty, or one that carries the word it was recorded under."""
    plain = role.replace("_", " ")
    return _BY_ROLE.get(role) or Duty(role=role, title=plain.capitalize(), letter="C", answers_for="")


def orphans(models: Iterable[GovernedModel], *, stands: Callable[[str], bool]) -> tuple[Orphan, ...]:
    """`stands` tells of a subject whether it is an active person with a role now."""
    return tuple(
        Orphan(model=model.name, duty=duty_of(owner.role), name=owner.name, sentence=_sentence(model, owner))
        for model in models
        for owner in model.owners
        if not stands(owner.subject)
    )


def with_owner(model: GovernedModel, owner: Owner) -> tuple[Owner, ...]:
    """The owners with this one in the place of whoever carried the duty before, in the order of the matrix."""
    order = [duty.role for duty in DUTIES]
    kept = [item for item in model.owners if item.role != owner.role]
    return tuple(sorted((*kept, owner), key=lambda item: order.index(item.role) if item.role in order else len(order)))


def _sentence(model: GovernedModel, owner: Owner) -> str:
    duty = duty_of(owner.role)
    return (
        f"{owner.name}, who answers for {model.name} as {duty.title.lower()}, is no longer an active person here. "
        "Name somebody else on the model's metadata page."
    )
