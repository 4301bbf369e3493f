"""The lines of the portfolio: sorted, filtered, paged and added up by the database; only a page travels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, insert, or_, select, union

from services.adapters.sql import heads
from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.schema.inventory import governed_model, registry_version
from services.adapters.sql.schema.monitoring import monitoring_head
from services.adapters.sql.schema.value import value_portfolio
from services.kernel.health import Health
from services.value.models import Nobodys
from services.value.portfolio import ORDER, PortfolioQuery, PortfolioRow, Sort, Totals, WaitingMonth
from services.value.portfolio_service import Inputs, Kept

_MODEL, _UNALLOCATED, _EMPTY = "model", "unallocated", "empty"
_LINE = value_portfolio.c
_NAMED, _PROBLEMS = 3, 20
_MONEY = (
    "cost", "cost_per_thousand", "benefit", "benefit_low", "benefit_high", "net", "setup", "monthly_net", "multiple",
    "payback_months", "budget", "budget_share", "forecast", "attested", "claimed",
)  # fmt: skip
_STATES = ("state", "value_state", "budget_state")
_SORTS: Mapping[Sort, ColumnElement[Any]] = {
    Sort.NET: _LINE.net.desc().nulls_last(),
    Sort.COST: _LINE.cost.desc(),
    Sort.MULTIPLE: _LINE.multiple.desc().nulls_last(),
    Sort.PAYBACK: _LINE.payback.asc().nulls_last(),
}


class SqlPortfolio:
    """Implements value.portfolio_service.PortfolioStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def inputs(self, models: tuple[str, ...] = ()) -> Mapping[str, Inputs]:
        counted = select(monitoring_head.c.model, monitoring_head.c.head).where(monitoring_head.c.part == heads.VALUE)
        catalog = _of(select(governed_model.c.name), governed_model.c.name, models)
        registry = _of(select(registry_version.c.model), registry_version.c.model, models)
        with self._database.read() as connection:
            found = fetched(connection, _of(counted, monitoring_head.c.model, models))
            known = {name for (name,) in fetched(connection, union(catalog, registry))}
        return {name: Inputs(head=int(head), is_governed=name in known) for name, head in found}

    def bases(self, models: tuple[str, ...] = ()) -> Mapping[str, str]:
        with self._database.read() as connection:
            found = fetched(connection, _of(select(_LINE.model, _LINE.basis), _LINE.model, models))
        return {name: basis for name, basis in found}  # noqa: C416 - rows are not pairs for dict()

    def oldest(self, number: int) -> tuple[str, ...]:
        query = select(_LINE.model).order_by(_LINE.computed_at, _LINE.model).limit(number)
        with self._database.read() as connection:
            return tuple(name for (name,) in fetched(connection, query))

    def keep(self, items: tuple[Kept, ...]) -> None:
        if not items:
            return
        with self._database.write() as connection:
            heads.moved(connection, "", heads.PORTFOLIO)
            connection.execute(delete(value_portfolio).where(_LINE.model.in_([item.model for item in items])))
            connection.execute(insert(value_portfolio), [_values(item) for item in items])

    def drop(self, models: tuple[str, ...]) -> None:
        with self._database.write() as connection:
            heads.moved(connection, "", heads.PORTFOLIO)
            connection.execute(delete(value_portfolio).where(_LINE.model.in_(models)))

    def head(self) -> int:
        return heads.head(self._database, heads.PORTFOLIO, "")

    def search(self, query: PortfolioQuery) -> tuple[tuple[PortfolioRow, ...], int]:
        found = [_LINE.kind == _MODEL]
        if query.text.strip():
            found.append(func.lower(_LINE.model).contains(query.text.strip().lower(), autoescape=True))
        if query.models:
            found.append(_LINE.model.in_(query.models))
        if query.states:
            found.append(_LINE.rank.in_([ORDER.index(state) for state in query.states]))
        if query.waiting:
            found.append(_LINE.waiting_months > 0)
        # Names first, from an index where there is one: documents are read for the page alone.
        names = select(_LINE.model).where(*found).order_by(*_order(query.sort)).limit(query.limit).offset(query.offset)
        with self._database.read() as connection:
            matching = connection.scalar(select(func.count()).select_from(value_portfolio).where(*found))
            page = [name for (name,) in fetched(connection, names)]
            lines = fetched(connection, select(_LINE.model, _LINE.document).where(_LINE.model.in_(page)))
        documents = {name: document for name, document in lines}  # noqa: C416 - rows are not pairs for dict()
        return tuple(_row(documents[name]) for name in page if name in documents), int(matching or 0)

    def nobodys(self, limit: int) -> tuple[Nobodys, ...]:
        query = select(_LINE.model, _LINE.cost, _LINE.document).where(_LINE.kind == _UNALLOCATED)
        with self._database.read() as connection:
            found = fetched(connection, query.order_by(_LINE.cost.desc(), _LINE.model).limit(limit))
        return tuple(Nobodys(name=name, amount=_amount(cost), unpriced=told) for name, cost, told in found)

    def spent(self) -> tuple[Decimal, Decimal]:
        is_model = _LINE.kind == _MODEL
        query = select(func.sum(case((is_model, _LINE.cost), else_=0)), func.sum(case((is_model, 0), else_=_LINE.cost)))
        with self._database.read() as connection:
            ((owned, nobodys),) = fetched(connection, query)
        return _amount(owned), _amount(nobodys)

    def totals(self, today: date) -> Totals:
        is_model, known = _LINE.kind == _MODEL, _LINE.benefit.is_not(None)
        with self._database.read() as connection:
            (sums,) = fetched(
                connection,
                select(
                    func.sum(case((is_model, 1), else_=0)).label("models"),
                    func.sum(case((is_model & known, 1), else_=0)).label("known"),
                    func.sum(case((is_model & (_LINE.rank == 0), 1), else_=0)).label("red"),
                    func.sum(case((is_model, _LINE.cost), else_=0)).label("cost"),
                    func.sum(case((is_model, 0), else_=_LINE.cost)).label("unallocated"),
                    *(
                        func.sum(case((is_model & known, _LINE[name]), else_=0)).label(name)
                        for name in ("benefit", "net", "setup", "monthly_net")
                    ),
                    *(
                        func.sum(_LINE[name]).label(name)
                        for name in ("attested", "claimed", "attested_months", "waiting_months", "has_problem")
                    ),
                    func.min(case((is_model, _LINE.computed_at))).label("oldest"),
                ),
            )
            red = select(_LINE.model).where(is_model, _LINE.rank == 0).order_by(*_order(Sort.ATTENTION)).limit(_NAMED)
            faulty = select(_LINE.document).where(is_model, _LINE.has_problem > 0)
            faulty = faulty.order_by(*_order(Sort.ATTENTION)).limit(_PROBLEMS)
            behind = connection.scalar(_behind(today))
            names = tuple(name for (name,) in fetched(connection, red)) if sums.red else ()
            told = [_row(text) for (text,) in fetched(connection, faulty)] if sums.has_problem else []
        return Totals(
            models=int(sums.models or 0),
            known=int(sums.known or 0),
            red=int(sums.red or 0),
            red_names=names,
            cost=_amount(sums.cost),
            unallocated=_amount(sums.unallocated),
            benefit=_amount(sums.benefit),
            net=_amount(sums.net),
            setup=_amount(sums.setup),
            monthly_net=_amount(sums.monthly_net),
            attested=_amount(sums.attested),
            claimed=_amount(sums.claimed),
            attested_months=int(sums.attested_months or 0),
            waiting_months=int(sums.waiting_months or 0),
            problems=tuple(dict.fromkeys(problem for row in told for problem in row.problems))[:_PROBLEMS],
            oldest=sums.oldest,
            behind=int(behind or 0),
        )


def _of(query: Any, column: ColumnElement[Any], models: tuple[str, ...]) -> Any:
    return query.where(column.in_(models)) if models else query


def _order(sort: Sort) -> tuple[ColumnElement[Any], ...]:
    if sort is Sort.ATTENTION:
        return (_LINE.rank.asc(), func.coalesce(_LINE.net, 0).desc(), _LINE.model.asc())
    return (*((_SORTS[sort],) if sort in _SORTS else ()), _LINE.model.asc())


def _behind(today: date) -> Any:
    table = monitoring_head.c
    return (
        select(func.count())
        .select_from(monitoring_head.outerjoin(value_portfolio, table.model == _LINE.model))
        .where(table.part == heads.VALUE)
        .where(or_(_LINE.model.is_(None), _LINE.head != table.head, _LINE.day != today))
    )


def _values(item: Kept) -> dict[str, Any]:
    row, other = item.row, item.unallocated
    kind = _MODEL if row else _UNALLOCATED if other else _EMPTY
    return {
        "model": item.model, "kind": kind, "day": item.day, "head": item.head, "basis": item.basis,
        "computed_at": item.at, "rank": ORDER.index(row.state) if row else len(ORDER),
        "cost": _in_cents(row.cost if row else other.amount if other else Decimal(0)),
        "benefit": _in_cents(row.benefit if row else None), "net": _in_cents(row.net if row else None),
        "setup": _in_cents(row.setup if row else None), "monthly_net": _in_cents(row.monthly_net if row else None),
        "attested": _in_cents(row.attested) if row else 0, "claimed": _in_cents(row.claimed) if row else 0,
        "attested_months": row.attested_months if row else 0, "waiting_months": len(row.waiting) if row else 0,
        "multiple": float(row.multiple) if row and row.multiple is not None else None,
        "payback": float(row.payback_months) if row and row.payback_months is not None else None,
        "has_problem": int(bool(row and row.problems)),
        "document": _document(row) if row else other.unpriced if other else "",
    }  # fmt: skip


def _in_cents(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount.scaleb(2).to_integral_value())


def _amount(total: Any) -> Decimal:
    return Decimal(int(total or 0)).scaleb(-2)


def _document(row: PortfolioRow) -> str:
    return json.dumps(asdict(row), default=str, ensure_ascii=False)


def _row(text: str) -> PortfolioRow:
    found: dict[str, Any] = json.loads(text)
    for name in _MONEY:
        found[name] = None if found[name] is None else Decimal(found[name])
    for name in _STATES:
        found[name] = Health(found[name])
    found["waiting"] = tuple(
        WaitingMonth(
            period=item["period"], amount=Decimal(item["amount"]), by_name=item["by_name"],
            at=datetime.fromisoformat(item["at"]),
        )
        for item in found["waiting"]
    )  # fmt: skip
    found["problems"] = tuple(found["problems"])
    found["last"] = date.fromisoformat(found["last"]) if found["last"] else None
    found["computed_at"] = datetime.fromisoformat(found["computed_at"])
    return PortfolioRow(**found)
