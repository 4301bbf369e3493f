"""The people a release cannot do without, as lines of its checklist. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from services.inventory.models import GovernedModel
from services.kernel.health import Health
from services.kernel.identity import Role
from services.people.models import Person
from services.rollout.release_models import Check

_ROLES = (("business_owner", "Business owner"), ("sre", "On call"))


def people_checks(model: GovernedModel, people: Iterable[Person]) -> tuple[Check, ...]:
    """Owner and on-call engineer: named, active, and still in a role that lets them act."""
    active = {person.subject: person for person in people if person.active}
    return tuple(_check(model, role, title, active) for role, title in _ROLES)


def _check(model: GovernedModel, role: str, title: str, active: dict[str, Person]) -> Check:
    owner, target = model.owner_of(role), f"model?name={model.name}&show=metadata"
    if owner is None:
        words = "nobody is named. Name somebody on the model's page, under owners."
        return Check(id=role, title=title, state=Health.BREACH, sentence=words, target=target)
    person = active.get(owner.subject)
    if person is None or not person.roles:
        words = f"{owner.name} can no longer act. Name somebody else on the model's page."
        return Check(id=role, title=title, state=Health.BREACH, sentence=words, target=target)
    if role == Role.SRE.value and Role.SRE not in person.roles:
        words = f"{owner.name} is not a site reliability engineer any more. Name another one."
        return Check(id=role, title=title, state=Health.BREACH, sentence=words, target=target)
    return Check(id=role, title=title, state=Health.HEALTHY, sentence=f"{owner.name}.", target=target)
