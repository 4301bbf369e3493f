"""What a model costs and what it brought, as recorded; unit values are assumptions and carry a name.

Wiring: `ValueService(facts=DuckDbUsageFacts(folder), store=SqlValue(database), catalog=inventory,
rates=Rates(currency=..., cpu_hour=settings.rate_cpu_hour, gb_month=settings.rate_gb_month), clock=clock)`.
The worker calls `refresh` after those of monitoring and feedback, whose counts the benefits are read from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType

from services.inventory.facts import by_owner, changed
from services.inventory.models import GovernedModel
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health
from services.value import budgets, calculation, returns
from services.value.agreed import Basis
from services.value.batch_size import Runs, spans_of
from services.value.bill_port import Bill
from services.value.explaining import cost_explanation
from services.value.measures import labour, measure
from services.value.models import (
    Baseline,
    BaselineId,
    BenefitLine,
    BenefitRule,
    CostDay,
    DataAge,
    ModelValue,
    Nobodys,
    Quantity,
    Rates,
    Tally,
    ValueConfig,
)
from services.value.ports import Catalog, UsageFacts, ValueStore

BUDGET_DAYS = 62
"""This month, and the last four weeks before it."""
LONGEST_DAYS = 1_096
"""The course of a model is drawn over three years at most."""


class ValueService:
    def __init__(
        self,
        *,
        facts: UsageFacts,
        store: ValueStore,
        catalog: Catalog,
        rates: Rates,
        clock: Clock,
        agreed: Callable[[str], Basis] = lambda _model: Basis(),
        bill: Bill | None = None,
        absent: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`agreed` gives the signed statement of a model; without one its catalog's figures count, signed by nobody.

        With a `bill` the facts are rows of a platform's bill, and not use that was measured here.
        `absent` names components that nothing in this deployment uses, each with the words to say so.
        """
        self._bill = bill
        self._absent = absent
        self._agreed = agreed
        self._facts = facts
        self._store = store
        self._catalog = catalog
        self._rates = rates
        self._clock = clock

    def register_value_config(self, configs: tuple[ValueConfig, ...]) -> None:
        self._store.put_configs(configs)

    def counted(self, *, days: int = 90) -> tuple[str, ...]:
        """Names with a value configuration, a signed statement or any recorded use, governed or not."""
        return self._store.counted_models(*self._window(days))

    def model(self, name: str, *, days: int = 90) -> ModelValue:
        """Raises UnknownModelError."""
        return self._value(self._catalog.model(name), *self._window(days))

    def between(self, name: str, start: date, end: date) -> ModelValue:
        """The same for any window, both ends included. Raises UnknownModelError."""
        return self._value(self._catalog.model(name), start, end)

    def what_if(self, config: ValueConfig, *, days: int = 90) -> ModelValue:
        """The recorded facts under other assumptions. Nothing is kept. Raises UnknownModelError."""
        return self._value(self._catalog.model(config.model), *self._window(days), config=config)

    def course(self, name: str) -> returns.Curve:
        """Cumulative net benefit from the first record on, the setup paid on that day. Raises UnknownModelError."""
        model = self._catalog.model(name)
        config = self.config(model.name)
        start, end = self._window(LONGEST_DAYS)
        lines, _ = self._benefits(config, start, end, "everything recorded")
        by_title = {line.title: line for line in lines}
        parts = []
        for rule in config.benefits:
            line, quantity = by_title.get(rule.title), _quantity(rule)
            baseline = config.baseline(calculation.NEEDED[quantity]) if quantity else None
            if line and quantity and baseline:
                found = self._store.tallies(quantity, model.name, start, end, config.decision_threshold)
                review = _review(config, quantity)
                parts.append(calculation.daily_benefit(rule, baseline, line, found, review=review))
        costs = self._costs(config, start, end)
        return returns.curve(config.setup_cost, calculation.together(parts), {day.day: day.total for day in costs})

    @property
    def currency(self) -> str:
        return self._rates.currency

    @property
    def rate_card(self) -> str:
        return f"{self._rates.currency} {self._rates.cpu_hour} {self._rates.gb_month}"

    def budget(self, name: str) -> budgets.BudgetView:
        """Money spent this month against the budget, forecast to its end. Raises UnknownModelError."""
        model, (start, end) = self._catalog.model(name), self._window(BUDGET_DAYS)
        config = self.config(model.name)
        return budgets.forecast(
            model.name,
            {day.day: day.total for day in self._costs(config, start, end) if self._is_recorded(config, day)},
            today=end,
            currency=self._rates.currency,
            budget=config.monthly_budget,
            alerts=config.budget_alerts,
        )

    @staticmethod
    def _is_recorded(config: ValueConfig, day: CostDay) -> bool:
        """Where a fixed cost runs every day has a figure; without one only days with use have."""
        return bool(config.monthly_cost_fixed) or day.total > 0 or day.predictions > 0

    def serving_seconds(self, name: str, *, days: int) -> float:
        """CPU seconds that serving used."""
        start, end = self._window(days)
        return sum(row.cpu_seconds for row in self._store.usage(name, start, end) if row.component == "serving")

    def batch_runs(self, name: str, *, days: int) -> Runs:
        """When batches ran, and the CPU seconds they used."""
        start, end = self._window(days)
        used = sum(row.cpu_seconds for row in self._store.usage(name, start, end) if row.component == "batch")
        return Runs(spans=spans_of(self._store.runs(name, start, end)), cpu_seconds=used)

    def of_nobody(self, name: str, *, days: int = 90) -> Nobodys:
        """Use under a name that no governed model has, measured or billed: shown, laid on nobody."""
        start, end = self._window(days)
        usage = self._store.usage(name, start, end)
        costs = calculation.cost_days(usage, {}, self._rates, monthly_fixed=Decimal(0), end=end)
        total = sum((day.total for day in costs), Decimal(0))
        return Nobodys(name=name, amount=calculation.cents(total), unpriced=calculation.unpriced(usage))

    def is_stated(self, name: str) -> bool:
        """Somebody stated what its value is made of, signed or not."""
        found = self._in_force(name)
        return found.config is not None or bool(found.problem)

    def decision_threshold(self, name: str) -> float | None:
        """At or above it a score is a positive decision; None where nobody recorded one."""
        config = self._agreed(name).config or self._store.config(name)
        return config.decision_threshold if config else None

    def config(self, name: str) -> ValueConfig:
        """What figures are computed with now, signed or not."""
        return self._in_force(name).config or ValueConfig(model=name)

    def _in_force(self, name: str) -> Basis:
        """A statement whose row was changed is no statement: nothing is counted with it, nor with what it replaced."""
        found = self._agreed(name)
        return found if found.config or found.problem else replace(found, config=self._store.config(name))

    def stated(self, name: str) -> str:
        """Agreed figures in one sentence, the same until somebody agrees on others; empty when nobody stated any."""
        config = self._in_force(name).config
        if config is None:
            return ""
        currency = self._rates.currency
        worth = "; ".join(
            f"{rule.title}: {rule.unit_value:,.2f} {currency} each ({rule.unit_low:,.2f} to {rule.unit_high:,.2f})"
            for rule in config.benefits
        )
        fixed = f"{config.monthly_cost_fixed:,.2f} {currency} a month"
        yearly = f"{config.monthly_cost_fixed * 12:,.2f} {currency} a year"
        return f"Stated cost {fixed} ({yearly}), set-up {config.setup_cost:,.2f} {currency}. {worth}".strip()

    def refresh(self) -> int:
        """Reads days that are new or changed; returns how many. Raises TelemetryUnavailableError at the end."""
        read, broken = 0, list[TelemetryUnavailableError]()
        for model, partitions in by_owner(changed(self._facts.partitions(), self._store.seen())).items():
            try:
                rows = self._facts.usage(model, tuple(partition.day for partition in partitions))
                self._store.replace_usage(model, rows, partitions)
                read += len(partitions)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
        if broken:
            raise broken[0]
        return read

    def _window(self, days: int) -> tuple[date, date]:
        today = self._clock.now().date()
        return today - timedelta(days=max(1, days) - 1), today

    def _costs(self, config: ValueConfig, start: date, end: date) -> tuple[CostDay, ...]:
        return calculation.cost_days(
            self._store.usage(config.model, start, end),
            self._volume(config.model, start, end),
            self._rates,
            monthly_fixed=config.monthly_cost_fixed,
            end=end,
            since=start if self._is_older(config, start) else None,
        )

    def _is_older(self, config: ValueConfig, start: date) -> bool:
        """In use before the window began; asked only where something is paid by the month."""
        used = self._store.used_since(config.model) if config.monthly_cost_fixed else None
        return used is not None and used < start

    def _volume(self, model: str, start: date, end: date) -> Mapping[date, int]:
        """Logged predictions; on days without any, the requests that the platform counted."""
        logged = self._store.predictions(model, start, end)
        return {**self._bill.requests(model, start, end), **logged} if self._bill else logged

    def age(self) -> DataAge | None:
        """How far the copied bill reaches; None where use is measured here."""
        return self._bill.age() if self._bill else None

    def _value(self, model: GovernedModel, start: date, end: date, *, config: ValueConfig | None = None) -> ModelValue:
        agreed = self._in_force(model.name) if config is None else Basis(config=config)
        config = agreed.config or ValueConfig(model=model.name)
        window = f"{start:%d %b %Y} to {end:%d %b %Y}"
        costs = self._costs(config, start, end)
        usage = self._store.usage(model.name, start, end)
        cost, predictions = sum((day.total for day in costs), Decimal(0)), sum(day.predictions for day in costs)
        lines, missing = self._benefits(config, start, end, window)
        span = _span(lines)
        state, sentence = calculation.verdict(
            cost,
            span.base if span else None,
            span.low if span else None,
            currency=self._rates.currency,
            missing=" ".join(missing),
        )
        age, unpriced = self.age(), calculation.unpriced(usage)
        doubts = [unpriced, age.sentence if age and age.state is not Health.HEALTHY else ""]
        if any(doubts):
            state, sentence = calculation.doubted(state), " ".join(filter(None, [sentence, *doubts]))
        if agreed.problem:
            state, sentence = Health.BREACH, agreed.problem
        first = self._first(config, costs, start, end) if lines else costs[0].day if costs else None
        found = returns.returns(
            setup=config.setup_cost or (Decimal(0) if config.cost_source else None),
            benefit=span,
            cost=cost if costs else None,
            days=(end - first).days + 1 if first else 0,
        )
        return ModelValue(
            model=model.name,
            title=model.title,
            currency=self._rates.currency,
            window=window,
            days=costs,
            cost=calculation.cents(cost),
            predictions=predictions,
            cost_per_thousand=cost * 1000 / predictions if predictions else None,
            benefits=lines,
            benefit=span.base if span else None,
            net=None if span is None else calculation.cents(span.base - cost),
            measures=tuple(
                measure(baseline, config, self._store, start=start, end=end, window=window)
                for baseline in config.baselines
            ),
            state=state,
            sentence=" ".join([sentence, *missing]) if lines else sentence,
            cost_explanation=cost_explanation(config, costs, self._rates, window=window, age=age, unpriced=unpriced),
            setup_cost=config.setup_cost or None,
            payback_months=calculation.tenth(found.payback.base) if found.payback else None,
            returns=found,
            versions=calculation.allocate(
                usage,
                self._store.predictions_by_version(model.name, start, end),
                self._rates,
                fixed=sum((day.fixed for day in costs), Decimal(0)),
            ),
            first=first,
            statement=agreed.version,
            last=max((row.day for row in usage), default=None),
            age=age,
            unpriced=unpriced,
            recorded=frozenset(row.component for row in usage),
            absent=tuple(self._absent.items()),
        )

    def _first(self, config: ValueConfig, costs: tuple[CostDay, ...], start: date, end: date) -> date | None:
        """The first day that anything was recorded: a pace counts from there, not from a window that was empty."""
        seen = [costs[0].day] if costs else []
        for quantity in {found for found in map(_quantity, config.benefits) if found is not None}:
            found = self._store.tallies(quantity, config.model, start, end, config.decision_threshold)
            seen += [day for day, tally in found.items() if tally.n]
        return min(seen, default=None)

    def _benefits(
        self, config: ValueConfig, start: date, end: date, window: str
    ) -> tuple[tuple[BenefitLine, ...], tuple[str, ...]]:
        """Lines that can be counted, and a sentence for each that cannot."""
        lines, missing = list[BenefitLine](), list[str]()
        for rule in config.benefits:
            quantity = _quantity(rule)
            baseline = config.baseline(calculation.NEEDED[quantity]) if quantity else None
            if quantity is None:
                missing.append(f"{rule.title}: {rule.quantity!r} is not recorded.")
            elif baseline is None:
                missing.append(f"{rule.title}: no figure before ({calculation.NEEDED[quantity]}) is stated.")
            elif quantity is Quantity.LABOUR_HOURS and _review(config, quantity) is None:
                missing.append(f"{rule.title}: nobody stated how many minutes a review takes.")
            else:
                line = calculation.benefit_line(
                    rule,
                    baseline,
                    self._tally(quantity, config, start, end),
                    currency=self._rates.currency,
                    window=window,
                    review=_review(config, quantity),
                )
                if line:
                    lines.append(line)
                else:
                    missing.append(_nothing(rule, quantity))
        return tuple(lines), tuple(missing) or (() if lines else ("nobody stated what a benefit is.",))

    def _tally(self, quantity: Quantity, config: ValueConfig, start: date, end: date) -> Tally:
        match quantity:
            case Quantity.CORRECT_REFERRALS:
                return self._store.referrals(config.model, start, end, config.decision_threshold)
            case Quantity.AVOIDED_REWORK:
                return self._store.reviews(config.model, start, end)
            case Quantity.ERROR_REDUCTION:
                return self._store.errors(config.model, start, end)
            case Quantity.LABOUR_HOURS:
                return labour(config, self._store, start, end)


def _quantity(rule: BenefitRule) -> Quantity | None:
    return Quantity(rule.quantity) if rule.quantity in set(Quantity) else None


def _review(config: ValueConfig, quantity: Quantity) -> Baseline | None:
    return config.baseline(BaselineId.MINUTES_PER_REVIEW) if quantity is Quantity.LABOUR_HOURS else None


def _span(lines: tuple[BenefitLine, ...]) -> returns.Span | None:
    """All lines together, their ends added as if all were at the same end at once; None without a line."""
    if not lines:
        return None
    low, base, high = (sum((getattr(line, end) for line in lines), Decimal(0)) for end in ("low", "amount", "high"))
    return returns.Span(low=low, base=base, high=high)


def _nothing(rule: BenefitRule, quantity: Quantity) -> str:
    what = {
        Quantity.CORRECT_REFERRALS: "no label has arrived for a referral",
        Quantity.AVOIDED_REWORK: "nothing was reviewed",
        Quantity.ERROR_REDUCTION: "no label has arrived for a forecast",
        Quantity.LABOUR_HOURS: "no review is recorded, so the hours people still spend are not known,",
    }[quantity]
    return f"{rule.title}: {what} in this window."
