"""Who answers for an alert, and how much the business loses: read once per round, then asked for each condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from services.alerts.models import About, AlertKind, Condition, Impact, Stake
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

A budget is the business owner's, and so is naming another owner."""

_COSTS = _OF_THE_MODEL | {AlertKind.SERVICE_LEVEL, AlertKind.BURN_RATE, AlertKind.PIPELINE}
"""What takes away results or makes them wrong. A budget is money itself, a missing owner or a late rollback is not."""


def _role(kind: AlertKind) -> Role:
    if kind in {AlertKind.BUDGET, AlertKind.OWNERSHIP}:
        return Role.BUSINESS_OWNER
    return Role.DATA_SCIENCE_LEAD if kind in _OF_THE_MODEL else Role.SRE


_GRAVEST = (Impact.HIGH, Impact.MEDIUM, Impact.LOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """From how much stated money a day on the impact is high, or medium, whatever the tier says."""

    high: Decimal = Decimal(10_000)
    medium: Decimal = Decimal(1_000)
    currency: str = "USD"

    def impact(self, stake: Stake) -> Impact:
        """By the base of the range or by what a person stated, whichever is more.

        Amounts in another currency are not compared: no rate of exchange is known here.
        """
        known = ((stake.per_day, stake.currency), (stake.stated, stake.stated_currency))
        amounts = [amount for amount, currency in known if amount is not None and currency == self.currency]
        most = max(amounts, default=Decimal(0))
        return Impact.HIGH if most >= self.high else Impact.MEDIUM if most >= self.medium else Impact.LOW

    def words(self, stake: Stake) -> str:
        paid = f", paid by {stake.payer}" if stake.payer else ""
        stated = (
            f"{stake.stated:,.0f} {stake.stated_currency} a day in {stake.level}" if stake.stated is not None else ""
        )
        if stake.per_day is None:
            if not stated:
                return f"not known: {stake.problem}"
            return f"{stated}{paid} (assumption, {stake.stated_by}{self._other(stake.stated_currency)})"
        ends = f"{stake.per_day:,.2f} {stake.currency} a day in {stake.level}"
        if stake.low is not None and stake.high is not None:
            ends = (
                f"{stake.low:,.2f} to {stake.high:,.2f} {stake.currency} a day in {stake.level}, "
                f"{stake.per_day:,.2f} at the base"
            )
        beside = f"; {stated} as {stake.stated_by} assumes{self._other(stake.stated_currency)}" if stated else ""
        return f"{ends}{beside}{paid} ({stake.source}{self._other(stake.currency)})"

    def _other(self, currency: str) -> str:
        return "" if currency == self.currency else f"; not compared with the levels, which are in {self.currency}"


class Answering:
    """`Answering(...)()` reads people, duties and what monitors state, and gives the answer for each key."""

    def __init__(
        self,
        *,
        models: Callable[[], Iterable[GovernedModel]],
        people: Callable[[], Iterable[Person]],
        duties: Callable[[Sequence[str]], Sequence[OnCall]],
        stakes: Callable[[], Callable[[GovernedModel, Condition], Stake | None]] = lambda: _nothing_asked,
        levels: Levels | None = None,
    ) -> None:
        """`stakes` is read once per round and then asked for each condition; None: money was never asked for."""
        self._stakes = stakes
        self._levels = levels or Levels()
        self._models = models
        self._people = people
        self._duties = duties

    def __call__(self) -> AboutModel:
        models = {model.name: model for model in self._models()}
        able = {person.subject: person for person in self._people() if person.active and person.roles}
        duties = {item.model: item for item in self._duties(tuple(models))}
        stakes = self._stakes()

        def about(seen: Condition) -> About:
            key = seen.key
            model = models.get(key.model)
            if model is None:
                raise UnknownModelError(f"There is no model named {key.model}.", hint="Choose one from the list.")
            role = _role(key.kind)
            named = model.owner_of(role.value)
            person = able.get(named.subject) if named else None
            if role is Role.SRE:
                duty = duties.get(key.model)
                person = able.get(duty.subject) if duty and duty.name else None
            stake = stakes(model, seen) if key.kind in _COSTS else None
            if stake is not None and not stake.payer:
                stake = replace(stake, payer=_payer(model))
            impact = _BY_TIER.get(int(model.tier), Impact.HIGH)
            if stake is not None:
                impact = min(impact, self._levels.impact(stake), key=_GRAVEST.index)
            return About(
                tier=int(model.tier),
                impact=impact,
                at_risk=self._levels.words(stake) if stake is not None else "",
                owner=Account(issuer=person.issuer, subject=person.subject, name=person.name) if person else None,
                owner_role=role.value,
            )

        return about


def _payer(model: GovernedModel) -> str:
    """Who carries the loss where the monitor names nobody."""
    owner = model.owner_of("cost_owner") or model.owner_of("business_owner")
    return owner.name if owner else ""


def _nothing_asked(_model: GovernedModel, _seen: Condition) -> Stake | None:
    return None
