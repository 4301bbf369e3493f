"""Who answers for an alert, and how much the business loses: read once per round, then asked for each condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from services.alerts.models import About, AlertKind, Impact, Key
from services.alerts.ports import AboutModel
from services.incidents.on_call import OnCall
from services.inventory.models import GovernedModel
from services.kernel.errors import UnknownModelError
from services.kernel.identity import Role
from services.people.models import Person
from services.people.persons import Account

_BY_TIER = {1: Impact.HIGH, 2: Impact.MEDIUM, 3: Impact.LOW}
"""The risk tier is what people signed about how much depends on a model; it says what being wrong costs."""
_OF_THE_MODEL = frozenset({AlertKind.DRIFT, AlertKind.PERFORMANCE, AlertKind.DATA})
"""What the model or its data do is looked into by whoever made it; what serving does, by whoever is on call.

A budget is the business owner's."""


def _role(kind: AlertKind) -> Role:
    if kind is AlertKind.BUDGET:
        return Role.BUSINESS_OWNER
    return Role.DATA_SCIENCE_LEAD if kind in _OF_THE_MODEL else Role.SRE


class Answering:
    """`Answering(...)()` reads people and duties and gives the answer for each key."""

    def __init__(
        self,
        *,
        models: Callable[[], Iterable[GovernedModel]],
        people: Callable[[], Iterable[Person]],
        duties: Callable[[Sequence[str]], Sequence[OnCall]],
    ) -> None:
        self._models = models
        self._people = people
        self._duties = duties

    def __call__(self) -> AboutModel:
        models = {model.name: model for model in self._models()}
        able = {person.subject: person for person in self._people() if person.active and person.roles}
        duties = {item.model: item for item in self._duties(tuple(models))}

        def about(key: Key) -> About:
            model = models.get(key.model)
            if model is None:
                raise UnknownModelError(f"There is no model named {key.model}.", hint="Choose one from the list.")
            role = _role(key.kind)
            named = model.owner_of(role.value)
            person = able.get(named.subject) if named else None
            if role is Role.SRE:
                duty = duties.get(key.model)
                person = able.get(duty.subject) if duty and duty.name else None
            return About(
                tier=int(model.tier),
                impact=_BY_TIER.get(int(model.tier), Impact.HIGH),
                owner=Account(issuer=person.issuer, subject=person.subject, name=person.name) if person else None,
                owner_role=role.value,
            )

        return about
