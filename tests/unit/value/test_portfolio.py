"""The portfolio from kept lines: the same sums whoever adds them, computed again only where records changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from services.adapters.sql.database import Database
from services.adapters.sql.schema.value import value_period
from services.adapters.sql.setup import create_schema
from services.adapters.sql.value_portfolio import SqlPortfolio
from services.inventory.facts import Partition
from services.kernel.health import Health
from services.oversight import board_export
from services.value import portfolio
from services.value.models import Nobodys, UsageDay
from services.value.portfolio import PortfolioQuery, PortfolioRow, Sort, Totals, WaitingMonth
from services.value.portfolio_service import Kept
from services.workspace import bookkeeping
from tests.fakes.room_sample import MODELS
from tests.fakes.room_value import a_value
from tests.unit.monitoring.facts_on_disk import TODAY
from tests.unit.value.boarded import CONFIG, MODEL, Boarded, boarded

NOW, DAY = datetime(2030, 11, 5, 9, 30, tzinfo=UTC), date(2030, 11, 5)


def a_row(model: str, **changes: Any) -> PortfolioRow:
    found = portfolio.row(a_value(MODELS[0].name), None, (), computed_at=NOW)
    return replace(found, model=model, **changes)


ROWS = (
    a_row("anna", state=Health.HEALTHY, net=Decimal("10.05"), benefit=Decimal("20.10"), cost=Decimal("10.05")),
    a_row("bert", state=Health.BREACH, net=Decimal("-7.00"), benefit=Decimal("1.00"), cost=Decimal("8.00")),
    a_row("carl", state=Health.UNKNOWN, net=None, benefit=None, cost=Decimal("3.33"), multiple=None,
          payback_months=None, setup=None, monthly_net=None),
    a_row("dora", state=Health.BREACH, net=Decimal("-2.00"), benefit=Decimal("0.00"), cost=Decimal("2.00"),
          attested=Decimal("5.50"), attested_months=1, claimed=Decimal("1.25"), problems=("A row was changed.",),
          waiting=(WaitingMonth(period="2030-10", amount=Decimal("1.25"), by_name="Ben", at=NOW),)),
    a_row("100%_a", state=Health.WATCH, net=Decimal("0.00"), benefit=Decimal("4.00"), cost=Decimal("4.00")),
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlPortfolio]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('lines') / 'lines.sqlite'}")
    create_schema(database)
    made = SqlPortfolio(database)
    made.keep(
        (
            *(Kept(model=row.model, day=DAY, head=1, basis="b", at=NOW, row=row) for row in ROWS),
            Kept(model="gone", day=DAY, head=1, basis="b", at=NOW, unallocated=GONE),
            Kept(model="nothing", day=DAY, head=1, basis="b", at=NOW),
        )
    )
    yield made
    database.dispose()


GONE = Nobodys(name="gone", amount=Decimal("14.20"), unpriced="3 DBU of NEW")


def names(store: SqlPortfolio, **asked: Any) -> list[str]:
    return [row.model for row in store.search(PortfolioQuery(**asked))[0]]


def test_what_is_kept_is_read_back_to_the_last_digit(store: SqlPortfolio) -> None:
    rows, matching = store.search(PortfolioQuery(sort=Sort.NAME))

    assert matching == len(ROWS)
    assert {row.model: row for row in rows} == {row.model: row for row in ROWS}


def test_the_sums_of_the_database_are_the_sums_of_the_lines(store: SqlPortfolio) -> None:
    found: Totals = store.totals(DAY)

    assert found == portfolio.totals(ROWS, (GONE,))
    assert (found.net, found.known, found.red) == (Decimal("1.05"), 4, 2)
    assert found.red_names == ("dora", "bert")
    assert (found.attested, found.claimed) == (Decimal("5.50"), Decimal("1.25"))
    assert found.unallocated == Decimal("14.20")
    assert store.nobodys(5) == (GONE,)
    assert store.nobodys(0) == ()


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (Sort.ATTENTION, ["dora", "bert", "100%_a", "carl", "anna"]),
        (Sort.NET, ["anna", "100%_a", "dora", "bert", "carl"]),
        (Sort.COST, ["anna", "bert", "100%_a", "carl", "dora"]),
        (Sort.NAME, ["100%_a", "anna", "bert", "carl", "dora"]),
    ],
)
def test_lines_are_sorted_by_the_database_and_what_is_unknown_comes_last(
    store: SqlPortfolio, sort: Sort, expected: list[str]
) -> None:
    assert names(store, sort=sort) == expected
    assert names(store, sort=sort, limit=2, offset=2) == expected[2:4]


def test_unknown_multiples_and_paybacks_come_last(store: SqlPortfolio) -> None:
    assert names(store, sort=Sort.MULTIPLE)[-1] == names(store, sort=Sort.PAYBACK)[-1] == "carl"


def test_filters_narrow_the_page_and_not_the_totals(store: SqlPortfolio) -> None:
    assert names(store, states=(Health.BREACH,)) == ["dora", "bert"]
    assert names(store, waiting=True) == ["dora"]
    assert names(store, text="AN") == ["anna"]
    assert names(store, text="%") == names(store, text="0%_") == ["100%_a"], "signs of a pattern are text"
    assert store.totals(DAY).models == len(ROWS)


def test_on_the_next_day_every_line_counts_as_behind(found: Boarded) -> None:
    found.room.portfolio.refresh()
    assert found.room.portfolio.page().totals.behind == 0

    now = found.clock.now()
    found.clock.set(now + timedelta(days=1))
    try:
        behind = found.room.portfolio.page().totals.behind
        moved = found.room.portfolio.refresh()
        left = found.room.portfolio.page().totals.behind
    finally:
        found.clock.set(now)

    assert (behind, moved, left) == (2, 2, 0), "the model, and the name nobody governs"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boarded]:
    made = boarded(tmp_path_factory.mktemp("portfolio"))
    made.sign()
    yield made
    made.room.database.dispose()


def test_the_page_the_export_and_the_board_of_the_model_agree(found: Boarded) -> None:
    found.room.portfolio.refresh()
    page, board = found.room.portfolio.page(), found.room.board.model(MODEL)
    document = board_export.of_portfolio(found.room.portfolio.everything())

    assert [row.model for row in page.rows] == [MODEL]
    for name in ("cost", "net"):
        assert getattr(page.totals, name) == board.figure(name).value == Decimal(document["models"][0][name])
        assert Decimal(document["totals"][name]) == getattr(page.totals, name)
    assert page.rows[0].state is Health.worst([board.value.state, board.budget.state])
    assert page.rows[0].multiple == board.figure("multiple").value


def test_kept_lines_are_what_computing_them_now_gives(found: Boarded) -> None:
    found.room.portfolio.refresh()
    kept, fresh = found.room.portfolio.everything(), found.room.portfolio.computed()

    assert kept.rows == fresh.rows
    assert kept.totals == fresh.totals


def test_only_a_model_whose_records_changed_is_computed_again(found: Boarded) -> None:
    found.room.portfolio.refresh()
    assert found.room.portfolio.refresh() == 0
    before, mark = found.room.portfolio.page(), found.room.portfolio.mark()

    day = TODAY - timedelta(days=2)
    used = UsageDay(day=day, version="9", component="training", cpu_seconds=7_200.0, bytes=0, wall_seconds=1.0)
    store: Any = found.room.value._store
    stored = store.usage(MODEL, day, day)
    read = (Partition(source="usage", owner=MODEL, day=day, fingerprint="again"),)
    store.replace_usage(MODEL, (*stored, used), read)

    assert found.room.portfolio.page().totals.behind == 1
    assert found.room.portfolio.refresh() == 1
    after = found.room.portfolio.page()
    assert after.totals.cost - before.totals.cost == Decimal("0.10")
    assert found.room.portfolio.mark() != mark
    store.replace_usage(MODEL, stored, read)


def test_who_writes_about_a_model_sees_it_in_the_portfolio_at_once(found: Boarded) -> None:
    found.sign(replace(CONFIG, note="Said again.", setup_cost=Decimal(10_000)))
    newest = found.room.statements.view(MODEL).newest

    (row,) = found.room.portfolio.page().rows
    assert newest is not None
    assert (row.statement, row.setup) == (newest.version, Decimal(10_000))
    assert found.room.portfolio.page().totals.behind <= 1, "the name nobody governs may wait for the worker"


def test_a_month_that_was_changed_in_place_is_told_and_counts_for_nothing(found: Boarded) -> None:
    (month,) = found.room.statements.proposable(MODEL, back=1)
    bookkeeping._propose(found.room, MODEL, month)
    claimed = found.room.portfolio.page().totals
    assert claimed.claimed > 0
    assert [item.period for item in found.room.portfolio.page().rows[0].waiting] == [month]

    with found.room.database.write() as connection:
        connection.execute(update(value_period).values(amount="99999"))
    found.room.portfolio.refresh()

    totals = found.room.portfolio.page().totals
    assert (totals.claimed, totals.waiting_months) == (0, 0)
    assert "is not what entry" in totals.problems[0]
    with found.room.database.write() as connection:
        connection.execute(update(value_period).values(amount=str(claimed.claimed)))


def test_an_amount_beyond_all_bounds_is_told_and_added_to_nothing() -> None:
    value = replace(a_value(MODELS[0].name), benefit=Decimal(10) ** 13)

    row = portfolio.row(value, None, (), computed_at=NOW)

    assert (row.benefit, row.net, row.state) == (None, None, Health.BREACH)
    assert "Check the digits" in row.sentence
