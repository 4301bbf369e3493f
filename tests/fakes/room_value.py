"""Value of the room made of memory: one signed statement, a month that waits and one that was cut, a whole board."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from services.attestation import documents
from services.attestation.models import Receipt
from services.data_health.models import PipelineHealth
from services.feedback.rework import Rework
from services.incidents.models import Summary
from services.inventory.models import DeploymentKind
from services.kernel.errors import UnknownModelError
from services.kernel.health import Health
from services.kernel.identity import Actor
from services.monitoring.models import DriftView, PerformanceView
from services.oversight import board_money, board_running
from services.oversight.board_models import ModelBoard
from services.reliability.models import MonthsView, SlaView
from services.value import budgets, periods, portfolio, returns, statements
from services.value.billing import NOBODY
from services.value.explaining import cost_explanation
from services.value.models import Baseline, BenefitRule, DataAge, ModelValue, Nobodys, Rates, ValueConfig
from services.value.periods import Act, Claim, PeriodRecord, PeriodState
from services.value.portfolio import Portfolio, PortfolioQuery, PortfolioRow
from services.value.returns import Span
from services.value.statement_service import CheckedStatement, StatementView
from services.value.statements import StatementVersion
from tests.fakes import room_sample as sample
from tests.fakes.room_sample import HOSTILE, NOW

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

CONFIG = ValueConfig(
    model="claims_triage",
    benefits=(
        BenefitRule(
            id="referrals", title="Right referrals instead of random checks", quantity="correct_referrals",
            unit_value=Decimal(38), unit_low=Decimal(25), unit_high=Decimal(47),
            assumed="38 USD per correct referral, stated by Ben Okafor", source="Recoveries of 2029",
        ),
    ),
    baselines=(
        Baseline(
            id="override_rate", title="Rework rate", before=Decimal(15), unit="%", lower_is_better=True,
            source="Review log of 2029",
        ),
    ),
    setup_cost=Decimal(90_000),
    monthly_cost_fixed=Decimal(120),
    cost_source="Project ledger",
    monthly_budget=Decimal(200),
)  # fmt: skip


def a_config(model: str, *, hostile: bool = False) -> ValueConfig:
    if model == "damage_photo_vendor":
        return ValueConfig(model=model)
    config = replace(CONFIG, model=model)
    if not hostile:
        return config
    rule, baseline = config.benefits[0], config.baselines[0]
    return replace(
        config,
        cost_source=HOSTILE,
        note=HOSTILE,
        benefits=(replace(rule, title=HOSTILE, assumed=HOSTILE, source=HOSTILE),),
        baselines=(replace(baseline, title=HOSTILE, unit=HOSTILE, source=HOSTILE),),
    )


def what_if(config: ValueConfig) -> ModelValue:
    """The sample's records with the setup, fixed cost and unit values of `config`."""
    value = a_value(config.model)
    if not value.benefits or not config.benefits:
        return value
    factor = config.benefits[0].unit_value / CONFIG.benefits[0].unit_value
    lines = tuple(
        replace(line, amount=line.amount * factor, low=line.low * factor, high=line.high * factor)
        for line in value.benefits
    )
    fixed = (config.monthly_cost_fixed - CONFIG.monthly_cost_fixed) * 3
    return _returned(replace(value, benefits=lines, cost=value.cost + fixed), config.setup_cost)


def a_value(model: str) -> ModelValue:
    found = sample.model_value(next(item for item in sample.MODELS if item.name == model))
    days = tuple(replace(day, marginal=day.serving, fixed=Decimal(4)) for day in found.days)
    cost = sum((day.total for day in days), Decimal(0))
    value = replace(
        found, days=days, cost=cost, statement=1, last=days[-1].day if days else None,
        recorded=frozenset({"training", "serving", "batch"}), absent=(("features", "no feature job runs here"),),
    )  # fmt: skip
    return _returned(value, CONFIG.setup_cost if days else None)


AGE = DataAge(
    state=Health.WATCH,
    sentence="The platform's bill: rows up to 04 Nov 2030 18:00 UTC, copied 05 Nov 2030 06:10 UTC. It is still "
    "catching up.",
    up_to=NOW - timedelta(hours=15),
    copied_at=NOW - timedelta(hours=3),
)
NOBODYS = (
    Nobodys(name=f"{NOBODY}JOBS job 918273645", amount=Decimal("1840.75")),
    Nobodys(name=f"{NOBODY}VECTOR_SEARCH endpoint policy-documents-search", amount=Decimal("412.20")),
    Nobodys(
        name=f"{NOBODY}AI_GATEWAY endpoint chat", amount=Decimal(0),
        unpriced="On 12 days use was billed that has no price here, so the cost is too low: 120.5 DBU of "
        "ENTERPRISE_SERVERLESS_REAL_TIME_INFERENCE_US_EAST.",
    ),
    Nobodys(name="claims_triage_old", amount=Decimal("14.20")),
)  # fmt: skip


def billed(value: ModelValue) -> ModelValue:
    """The same use as a bill says it."""
    return replace(
        value,
        age=AGE,
        unpriced=NOBODYS[2].unpriced if value.model == "claims_triage" else "",
        cost_explanation=cost_explanation(
            CONFIG, value.days, Rates(currency="USD", cpu_hour=Decimal(0), gb_month=Decimal(0)), window=value.window,
            age=AGE,
        ),
    )  # fmt: skip


def _returned(value: ModelValue, setup: Decimal | None) -> ModelValue:
    ends = [sum((getattr(line, end) for line in value.benefits), Decimal(0)) for end in ("low", "amount", "high")]
    span = Span(low=ends[0], base=ends[1], high=ends[2]) if value.benefits else None
    found = returns.returns(
        setup=setup, benefit=span, cost=value.cost if value.days else None, days=len(value.days) or 0
    )
    return replace(
        value,
        returns=found,
        setup_cost=setup,
        benefit=span.base if span else None,
        net=span.base - value.cost if span else None,
    )


def _curve(value: ModelValue) -> returns.Curve:
    days = [day.day for day in value.days]
    n = Decimal(len(days) or 1)
    daily = {}
    if value.benefits:
        low, base, high = (
            sum((getattr(x, e) for x in value.benefits), Decimal(0)) / n for e in ("low", "amount", "high")
        )
        daily = dict.fromkeys(days, Span(low=low, base=base, high=high))
    return returns.curve(Decimal(40_000), daily, {day.day: day.total for day in value.days})


class FakeStatements:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.claim = room.measured(self._claim)

    def view(self, model: str) -> StatementView:
        config = a_config(model, hostile=self._room.hostile)
        text, broken = statements.document(config), self._room.mode == "broken"
        item = StatementVersion(
            model=model, version=1, sha256=documents.digest(text), text=text, at=NOW - timedelta(days=120),
            reason=HOSTILE if self._room.hostile else "Agreed with finance before go-live.", salt="", live="", seq=7,
            leaf_hash="ab12" * 16, by_issuer="countersign:demo", by_subject="ben.business", by_name="Ben Okafor",
        )  # fmt: skip
        problem = "The value statement is not what entry 7 of the ledger recorded." if broken else ""
        checked = (CheckedStatement(item=item, problem=problem, changes=statements.differences(None, config)),)
        return StatementView(
            model=model, config=config, versions=() if model == "damage_photo_vendor" else checked, live="3"
        )

    def months(self, model: str) -> tuple[PeriodState, ...]:
        if model == "damage_photo_vendor":
            return ()
        rows = [
            self._record(model, "2030-09", 1, Act.PROPOSED, "16000.00"),
            self._record(model, "2030-09", 2, Act.CUT, "12500.00"),
            self._record(model, "2030-10", 1, Act.PROPOSED, "17880.00"),
        ]
        return periods.states(rows)

    def sign(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        periods.require_reason(command.reason, "Why the figures change")
        return self._room.write(command)

    def propose(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def attest(self, command: Any, *, actor: Actor) -> Receipt:
        periods.amount_of(command.amount, Decimal("17880.00"), command.reason)
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def _claim(self, model: str, period: str) -> Claim:
        return periods.claim_of(a_value(model), period, statement=1, statement_sha256="ab12" * 16)

    def _record(self, model: str, period: str, number: int, act: Act, amount: str) -> PeriodRecord:
        claim = replace(
            self._claim(model, period), benefit="17880.00" if period == "2030-10" else "16000.00"
        ) if sample.model_value(next(m for m in sample.MODELS if m.name == model)).benefits else Claim(
            model=model, period=period, currency="USD", benefit=amount, low=amount, high=amount, cost="10", lines=(),
            statement=1, statement_sha256="ab12" * 16,
        )  # fmt: skip
        text = periods.document(claim)
        who = ("ben.business", "Ben Okafor") if act is Act.PROPOSED else ("fiona.finance", "Fiona Abara")
        return PeriodRecord(
            model=model, period=period, number=number, act=act, amount=Decimal(amount), text=text,
            sha256=documents.digest(text), at=NOW - timedelta(days=5), reason="", salt="", seq=30 + number,
            leaf_hash="ab12" * 16, by_issuer="countersign:demo", by_subject=who[0],
            by_name=HOSTILE if self._room.hostile else who[1],
        )  # fmt: skip


class _Facts:
    """What the other fakes measured, asked as the board asks."""

    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def sla(self, model: str, days: int) -> SlaView:
        return self._room.reliability.sla(model, days=days)  # type: ignore[no-any-return]

    def months(self, model: str) -> MonthsView:
        return self._room.reliability.months(model, back=6)  # type: ignore[no-any-return]

    def drift(self, model: str) -> DriftView:
        found: DriftView = self._room.monitoring.drift(model)
        return found

    def incidents(self, model: str) -> Summary:
        return self._room.incidents.summary(model)

    def reviews(self, model: str) -> Rework:
        return self._room.corrections.rework(model)

    def pipelines(self, days: int) -> tuple[PipelineHealth, ...]:
        found: tuple[PipelineHealth, ...] = self._room.data_health.pipelines(days=days)
        return found

    def performance(self, model: str) -> PerformanceView:
        return self._room.monitoring.performance(model)  # type: ignore[no-any-return]


class FakePortfolio:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.page = room.measured(self._page)
        self.everything = room.measured(lambda: self._page(PortfolioQuery(limit=1_000)))
        self.search = room.measured(self._search)

    def mark(self) -> str:
        return str(len(self._room.written))

    def noticed(self, model: str) -> None: ...

    def _search(self, query: PortfolioQuery) -> tuple[tuple[PortfolioRow, ...], int]:
        found = self._page(query)
        return found.rows, found.matching

    def _page(self, query: PortfolioQuery | None = None) -> Portfolio:
        query, behind = query or PortfolioQuery(), 0
        models = () if self._room.mode == "empty" else sample.MODELS
        rows = [self._row(model.name) for model in models]
        rows.sort(key=portfolio.attention)
        found = [
            row
            for row in rows
            if query.text.lower() in row.model
            and (not query.models or row.model in query.models)
            and (not query.states or row.state in query.states)
            and (row.waiting or not query.waiting)
        ]
        nobodys = NOBODYS if self._room.billed else NOBODYS[-1:]
        return Portfolio(
            rows=tuple(found[query.offset : query.offset + query.limit]),
            matching=len(found),
            totals=portfolio.totals(rows, nobodys, behind=behind),
            currency="USD",
            window=rows[0].window if rows else "last 90 days",
            nobodys=nobodys,
            age=AGE if self._room.billed else None,
        )

    def _row(self, name: str) -> PortfolioRow:
        value = billed(a_value(name)) if self._room.billed else a_value(name)
        months = self._room.statements.months(name) if name == "claims_triage" else ()
        row = portfolio.row(value, _budget(value), months, computed_at=NOW - timedelta(minutes=4))
        return replace(row, sentence=HOSTILE, problems=(HOSTILE,)) if self._room.hostile else row


class FakeBoard:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.model = room.measured(self._model)

    def mark(self, name: str) -> str:
        return f"{name} {len(self._room.written)}"

    def _model(self, name: str, *, days: int = 90) -> ModelBoard:
        if name not in {model.name for model in sample.MODELS} or self._room.mode == "empty":
            raise UnknownModelError(f"There is no model named {name}.", hint=f"Looked back {days} days.")
        value = billed(a_value(name)) if self._room.billed else a_value(name)
        if self._room.hostile:
            value = replace(value, sentence=HOSTILE)
        view, months = self._room.statements.view(name), self._room.statements.months(name)
        curve, budget = _curve(value), _budget(value)
        vendor = next(model for model in sample.MODELS if model.name == name).kind is DeploymentKind.VENDOR
        running = (
            board_running.figures(_Facts(self._room), name, before=board_running.Before(override=0.15), now=NOW)
            if not vendor
            else ()
        )
        return ModelBoard(
            value=value,
            curve=curve,
            statement=view,
            months=months,
            proposable=() if vendor else ("2030-08", "2030-07"),
            budget=budget,
            advice=budgets.right_size(
                budgets.Traffic(
                    hours=336, busy_hours=90, requests=50_400, busiest=900, cpu_seconds=9_000.0, p95_ms=118.0
                ),
                cpus=Decimal(1), cpu_hour=Decimal("0.048"), currency="USD",
            ),
            money=board_money.figures(
                value, curve, view, months, budget,
                unallocated=board_money.Unallocated(
                    amount=Decimal("14.20"), of=Decimal(4_000), window="08 Aug 2030 to 05 Nov 2030"
                ),
            ),
            running=running,
        )  # fmt: skip


def _budget(value: ModelValue) -> budgets.BudgetView:
    return budgets.forecast(
        value.model,
        {day.day: day.total for day in value.days},
        today=date(NOW.year, NOW.month, NOW.day),
        currency="USD",
        budget=None if value.model == "plan_utilisation" else Decimal(180),
        alerts=CONFIG.budget_alerts,
    )
