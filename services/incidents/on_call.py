"""Who is on call for a model now. Pure: an owner who is a site reliability engineer, or whoever stands in for one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.inventory.models import GovernedModel
from services.kernel.identity import Role
from services.people.models import Delegation, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCall:
    """`name` is None when nobody is; `sentence` says who, or what to do about it."""

    model: str
    name: str | None
    subject: str
    sentence: str
    issuer: str = ""


def on_call(
    model: GovernedModel, *, people: Iterable[Person], delegations: Iterable[Delegation], now: datetime
) -> OnCall:
    """The model's engineer; while that person has lent the role, the one who holds it. `people` as they are now."""
    able = {person.subject: person for person in people if person.active and person.roles}
    owners = [owner for owner in model.owners if owner.role == Role.SRE.value]
    for owner in owners:
        for lent in delegations:
            if _covers(lent, owner.subject, model, now) and lent.to_subject in able:
                stand_in = able[lent.to_subject]
                return OnCall(
                    model=model.name,
                    name=stand_in.name,
                    subject=stand_in.subject,
                    issuer=stand_in.issuer,
                    sentence=f"{stand_in.name} is on call for {model.name}, for {owner.name} until "
                    f"{lent.until:%d %b %Y}.",
                )
        person = able.get(owner.subject)
        if person is not None and Role.SRE in person.roles:
            return OnCall(
                model=model.name,
                name=person.name,
                subject=person.subject,
                issuer=person.issuer,
                sentence=f"{person.name} is on call for {model.name}.",
            )
    return OnCall(model=model.name, name=None, subject="", sentence=_nobody(model, [owner.name for owner in owners]))


def _covers(lent: Delegation, subject: str, model: GovernedModel, now: datetime) -> bool:
    is_theirs = lent.from_subject == subject and lent.role == Role.SRE.value
    return is_theirs and lent.in_force(now) and lent.tier <= int(model.tier)


def _nobody(model: GovernedModel, owners: list[str]) -> str:
    if not owners:
        return (
            f"Nobody is on call for {model.name}: no site reliability engineer owns it. "
            "Name one on the model's page, under owners."
        )
    return (
        f"Nobody is on call for {model.name}: {' and '.join(owners)} can no longer act as site reliability engineer "
        "and lent the role to nobody. Name another owner on the model's page."
    )
