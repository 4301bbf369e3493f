"""Copies of system tables on both databases: killed anywhere they have no gap and no double, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from services.adapters.sql.billing import BilledUsage, SqlRequestVolume
from services.adapters.sql.database import Database
from services.adapters.sql.mirror import SqlMirror
from services.adapters.sql.schema.mirror import mirror_usage
from services.adapters.sql.schema.value import usage_superseded
from services.adapters.sql.value import SqlValue
from services.adapters.sql.value_portfolio import SqlPortfolio
from services.kernel.clock import FrozenClock
from services.kernel.errors import InputError, TelemetryUnavailableError
from services.kernel.health import Health
from services.mirror.models import Record, Source
from services.mirror.service import MirrorService
from services.mirror.sources import chosen
from services.value.billing import NOBODY, Attribution, Job
from services.value.models import DataAge, Rates
from services.value.periods import PeriodState
from services.value.portfolio_service import PortfolioService
from services.value.service import ValueService
from tests.unit.monitoring.facts_on_disk import ACatalog, a_database, a_model, with_tables

NOW = datetime(2031, 3, 31, 12, tzinfo=UTC)
TODAY = NOW.date()
GROUPS = ("billing", "serving", "tags")
MODEL = "main.claims.delay"


@dataclass
class Platform:
    """What the system tables hold; `arrived` of a row is the day by which it is found."""

    held: dict[str, list[tuple[date, Record]]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    words: str = ""

    def scope(self, source: Source) -> str:
        return self.words if source.name == "usage" else ""

    def read(self, source: Source, first: date, last: date) -> tuple[Record, ...]:
        if source.name in self.away:
            raise TelemetryUnavailableError(f"{source.table} does not answer.")
        rows = self.held.get(source.name, [])
        return tuple(record for day, record in rows if source.whole or first <= day <= last)

    def use(self, key: str, quantity: str, *, day: date = TODAY, arrived: date | None = None, **more: Any) -> None:
        values = {
            "record_type": "ORIGINAL", "workspace_id": "1", "sku": "SERVING", "cloud": "AWS", "unit": "DBU",
            "quantity": quantity, "kind": "COMPUTE_TIME", "started_at": at(day), "ended_at": at(day), "day": day,
            "ingested": arrived or day, "product": "MODEL_SERVING", "endpoint": "delay", "job_id": "",
            "job_run_id": "", "serving_type": "", "tags": "{}",
        }  # fmt: skip
        self.held.setdefault("usage", []).append(
            (arrived or day, Record(key=key, at=at(day), values={**values, **more}))
        )

    def price(self, amount: str, *, key: str = "p", **more: Any) -> None:
        values = {"sku": "SERVING", "cloud": "AWS", "unit": "DBU", "currency": "USD", "price": amount,
                  "starts_at": at(date(2030, 1, 1)), "ends_at": None, **more}  # fmt: skip
        self.held["price"] = [(TODAY, Record(key=key, at=values["starts_at"], values=values))]

    def serve(self, endpoint: str, entity: str) -> None:
        values = {
            "served_entity_id": f"se-{endpoint}", "workspace_id": "1", "endpoint": endpoint,
            "entity_type": "CUSTOM_MODEL", "entity": entity, "version": "1", "config_version": 1,
            "changed_at": at(date(2031, 1, 1)), "deleted_at": None,
        }  # fmt: skip
        self.held.setdefault("served_entity", []).append(
            (TODAY, Record(key=endpoint, at=values["changed_at"], values=values))
        )

    def ask(self, day: date, requests: int) -> None:
        values = {"day": day, "workspace_id": "1", "served_entity_id": "se-delay", "requests": requests, "failed": 0,
                  "input_tokens": 0, "output_tokens": 0}  # fmt: skip
        rows = self.held.setdefault("endpoint_usage", [])
        rows[:] = [row for row in rows if row[0] != day] + [(day, Record(key=str(day), at=at(day), values=values))]

    def tag(self, *names: str) -> None:
        self.held["column_tag"] = [
            (TODAY, Record(key=name, at=None, values={"table_name": "t", "column_name": "c", "tag_name": name,
                                                      "tag_value": ""}))
            for name in names
        ]  # fmt: skip


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 10, tzinfo=UTC)


def filled(days: int = 40) -> Platform:
    platform = Platform()
    for back in range(days):
        day = TODAY - timedelta(days=back)
        platform.use(f"r{back}", str(back + 1), day=day)
        platform.ask(day, 100 + back)
    platform.use("r-late", "-3", day=TODAY - timedelta(days=30), record_type="RETRACTION", arrived=TODAY)
    platform.price("0.5")
    platform.serve("delay", MODEL)
    platform.tag("pii", "phi")
    return platform


def mirror(
    database: Database, platform: Platform, clock: FrozenClock | None = None, *, kept_days: int | None = None
) -> MirrorService:
    sources = chosen(GROUPS)
    if kept_days:
        sources = tuple(replace(one, kept_days=one.kept_days and kept_days) for one in sources)
    store = SqlMirror(database, at_once=3)
    return MirrorService(tables=platform, store=store, sources=sources, clock=clock or FrozenClock(NOW))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = a_database(tmp_path)
    yield made
    made.dispose()


@pytest.fixture
def either(database_url: str) -> Iterator[Database]:
    """One of each kind, where the kind matters."""
    made = with_tables(Database(database_url))
    yield made
    made.dispose()


def contents(database: Database) -> dict[str, Any]:
    store, found = SqlMirror(database), {}
    for source in chosen(GROUPS):
        rows = store.newest(source.name, 10_000)
        found[source.name] = sorted((row["key"], row["revision"], row["digest"], row["gone"]) for row in rows)
    return {**found, "reach": {name: (state.since, state.through) for name, state in store.states().items()}}


def killed_at(database_url: str, platform: Platform, statement: int) -> bool:
    """Whether a process that copies was still alive when this many statements had been sent."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            own, left = Database(database_url), [statement]

            def count(*_: Any) -> None:
                left[0] -= 1
                if left[0] <= 0:
                    os._exit(9)

            event.listen(own.writer_engine, "before_cursor_execute", count)
            mirror(own, platform, kept_days=20).refresh()
        except BaseException:  # noqa: BLE001 - a forked process must never return into the test run
            code = 1
        os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {0, 9}
    return os.waitstatus_to_exitcode(status) == 9


def test_killed_at_every_statement_the_copy_ends_as_if_nothing_had_happened(either: Database) -> None:
    platform, kills, url = filled(days=8), 0, either.url.render_as_string(hide_password=False)
    either.dispose()

    for statement in range(1, 100):
        if not killed_at(url, platform, statement):
            break
        kills += 1

    after = contents(either)
    assert mirror(either, platform, kept_days=20).refresh() == 0
    assert contents(either) == after
    assert kills > 8
    assert len(after["usage"]) == 9
    assert len(after["endpoint_usage"]) == 8
    assert {revision for name in ("usage", "endpoint_usage", "price") for _, revision, _, _ in after[name]} == {1}
    assert after["reach"]["usage"] == (TODAY - timedelta(days=20), TODAY)


def test_rows_that_come_late_are_found_and_none_is_kept_twice(either: Database) -> None:
    platform, clock = filled(), FrozenClock(NOW)
    assert mirror(either, platform, clock).refresh() == 41 + 1 + 1 + 40 + 2

    clock.set(NOW + timedelta(hours=30))
    platform.use("later", "5", day=TODAY, arrived=TODAY + timedelta(days=1))
    platform.use("same day", "5", day=TODAY)
    platform.ask(TODAY, 999)
    written = mirror(either, platform, clock).refresh()

    assert written == 3
    usage = SqlMirror(either).newest("endpoint_usage", 1)[0]
    assert (usage["requests"], usage["revision"]) == (999, 2)
    assert mirror(either, platform, clock).refresh() == 0


def test_what_a_whole_table_no_longer_holds_stays_and_comes_back(database: Database) -> None:
    platform, store = filled(), SqlMirror(database)
    mirror(database, platform).refresh()
    platform.tag("pii")
    mirror(database, platform).refresh()
    without = store.count("column_tag"), [row["gone"] for row in store.newest("column_tag", 9)]
    platform.tag("pii", "phi")
    mirror(database, platform).refresh()

    assert without == (1, [True, False])
    assert [(row["revision"], row["gone"]) for row in store.newest("column_tag", 9)] == [(3, False), (1, False)]


def test_a_table_that_suddenly_answers_nothing_is_not_believed(database: Database) -> None:
    platform = filled()
    mirror(database, platform).refresh()
    platform.held["column_tag"] = []

    with pytest.raises(TelemetryUnavailableError, match="without a row, though rows of it are known"):
        mirror(database, platform).refresh()

    assert SqlMirror(database).count("column_tag") == 2


def test_one_table_that_is_away_keeps_no_other_waiting_and_says_so(database: Database) -> None:
    platform = filled()
    platform.away = {"usage"}

    with pytest.raises(TelemetryUnavailableError, match=r"billing\.usage does not answer"):
        mirror(database, platform).refresh()

    found = {item.source.name: item for item in mirror(database, platform).standing()}
    assert found["usage"].state is Health.UNKNOWN
    assert "does not answer" in found["usage"].sentence
    assert found["price"].state is Health.HEALTHY
    assert found["endpoint_usage"].rows == 40
    assert found["endpoint_usage"].expires_in == 90


def test_days_the_platform_deleted_meanwhile_are_a_gap_for_ever(database: Database) -> None:
    platform, clock = filled(), FrozenClock(NOW)
    mirror(database, platform, clock).refresh()
    clock.set(NOW + timedelta(days=100))

    for _ in range(2):
        mirror(database, platform, clock).refresh()

    age = mirror(database, platform, clock).age("endpoint_usage")
    assert age is not None
    assert [(gap.first, gap.last) for gap in age.gaps] == [(date(2031, 4, 1), date(2031, 4, 9))]
    assert age.state is Health.BREACH
    assert mirror(database, platform, clock).age("audit") is None
    with pytest.raises(InputError, match="audit is not copied"):
        mirror(database, platform, clock).newest("audit")


# The bill -----------------------------------------------------------------------------------------------------------


@dataclass
class Books:
    """A copy, and the value service that reads its bill."""

    database: Database
    platform: Platform
    clock: FrozenClock = field(default_factory=lambda: FrozenClock(NOW))
    said: Attribution = field(default_factory=Attribution)
    value: ValueService = field(init=False)

    def __post_init__(self) -> None:
        self.value = ValueService(
            facts=BilledUsage(self.database, said=lambda: self.said, currency="USD"),
            store=SqlValue(self.database),
            catalog=ACatalog(a_model(MODEL)),
            rates=Rates(currency="USD", cpu_hour=Decimal(1), gb_month=Decimal(1)),
            clock=self.clock,
            bill=self,
        )

    def age(self) -> DataAge:
        found = mirror(self.database, self.platform, self.clock).age("usage")
        assert found is not None
        return DataAge(state=found.state, sentence=found.sentence, up_to=found.copied.newest)

    def requests(self, model: str, start: date, end: date) -> Any:
        return SqlRequestVolume(self.database, said=lambda: self.said)(model, start, end)

    def copy(self) -> int:
        self.clock.set(self.clock.now() + timedelta(minutes=1))
        mirror(self.database, self.platform, self.clock).refresh()
        return self.value.refresh()

    def cost(self, day: date) -> Decimal:
        return self.value.between(MODEL, day, day).cost


def test_a_correction_of_last_month_changes_that_day_and_keeps_what_was_shown(either: Database) -> None:
    books, day = Books(either, filled()), TODAY - timedelta(days=30)
    books.copy()
    before = books.cost(day)
    books.clock.set(NOW + timedelta(days=2))
    books.platform.use("back", "-31", day=day, record_type="RETRACTION", arrived=TODAY + timedelta(days=1))
    books.platform.use("anew", "20", day=day, record_type="RESTATEMENT", arrived=TODAY + timedelta(days=1))

    assert books.copy() == 1

    assert (before, books.cost(day)) == (Decimal("14.00"), Decimal("8.50"))
    with either.read() as connection:
        kept = connection.execute(select(usage_superseded.c.day, usage_superseded.c.billed)).all()
        rows = connection.scalar(select(func.count()).select_from(mirror_usage).where(mirror_usage.c.day == day))
    assert [(row.day, row.billed) for row in kept] == [(day, Decimal(14))]
    assert rows == 4
    assert books.copy() == 0


def test_cost_volume_and_age_of_the_bill_reach_the_value_of_the_model(database: Database) -> None:
    books = Books(database, filled())
    books.copy()

    found = books.value.between(MODEL, TODAY - timedelta(days=9), TODAY)

    assert found.cost == Decimal("27.50")
    assert found.predictions == sum(range(100, 110))
    assert found.cost_per_thousand == Decimal(27500) / found.predictions
    assert "Billed quantity x the price valid when the use ended" in found.cost_explanation.formula
    assert "rows up to 31 Mar 2031 10:00 UTC, copied 31 Mar 2031 12:01 UTC" in found.cost_explanation.note
    books.clock.set(NOW + timedelta(hours=40))
    assert "40 hours old" in books.value.model(MODEL).sentence
    assert books.value.model(MODEL).state is not Health.HEALTHY


class _NoMonths:
    def months(self, model: str) -> tuple[PeriodState, ...]:
        return ()


def test_what_nobody_owns_is_shown_and_moves_when_somebody_does(database: Database) -> None:
    books = Books(database, filled())
    books.platform.use("job", "100", day=TODAY, product="JOBS", endpoint="", job_id="7")
    books.platform.use("odd", "3", day=TODAY, endpoint="stranger", sku="NEW")
    books.copy()
    lines = PortfolioService(
        values=books.value, statements=_NoMonths(), store=SqlPortfolio(database), clock=books.clock
    )
    lines.refresh()
    before = lines.page()

    books.said = replace(books.said, jobs={"7": Job(model=MODEL, part="training")})
    books.value.refresh()
    lines.refresh()

    assert [(item.name, item.amount) for item in before.nobodys] == [
        (f"{NOBODY}JOBS job 7", Decimal(50)), (f"{NOBODY}MODEL_SERVING endpoint stranger", 0)
    ]  # fmt: skip
    assert "3 DBU of NEW" in before.nobodys[1].unpriced
    assert (before.totals.unallocated, lines.page().totals.unallocated) == (Decimal(50), Decimal(0))
    day = books.value.model(MODEL, days=1).days[0]
    assert (day.compute, day.serving) == (Decimal(50), Decimal("0.5"))


def test_a_new_price_list_and_another_currency_are_told(database: Database) -> None:
    books = Books(database, filled())
    books.copy()
    books.platform.price("0.6")
    books.copy()
    dearer = books.cost(TODAY)
    books.platform.price("0.7", currency="EUR", key="p-eur")
    books.platform.use("eur", "2", day=TODAY, sku="ONLY-EUR")
    books.copy()
    found = books.value.model(MODEL, days=1)

    # A price that left the list was valid when it was copied: it goes on for its own time.
    assert (dearer, found.cost) == (Decimal("0.60"), Decimal("0.60"))
    assert "2 DBU of ONLY-EUR" in found.unpriced
    assert found.state is not Health.HEALTHY
