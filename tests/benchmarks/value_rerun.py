"""Rerun of the value screen over 10,000 models x 365 days of cost rows, beside an empty page of the app (CPU).

Cost rows are real rows of every day and model. Lines of the portfolio are computed for `COMPUTED` models, timed, and
copied under the other names: what is read is what costs. How the screens are asked for is told in `served`.

The reviews of the first `COMPUTED` models are opened as the worker opens them, so that the page has its list of them.
`python -m tests.benchmarks value --models 500` is a first look; what is going on is told on standard error.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from services.adapters.sql import heads
from services.adapters.sql.value_portfolio import SqlPortfolio
from services.kernel.health import Health
from services.value.models import Baseline, BenefitRule, ValueConfig
from services.value.portfolio import PortfolioQuery, Sort
from services.value.portfolio_service import Kept
from tests.benchmarks import big_registry, served
from tests.benchmarks.inventory_rerun import Figure, room_over

if TYPE_CHECKING:
    from services.container import ControlRoom

COMPUTED = 100
SCREENS: tuple[served.Screen, ...] = (
    ("value, portfolio", "value", {}),
    ("value, one model", "value", {"model": "model_00000"}),
)
CONFIG = ValueConfig(
    model="",
    benefits=(
        BenefitRule(
            id="rework", title="Rework avoided", quantity="avoided_rework", unit_value=Decimal(40),
            unit_low=Decimal(30), unit_high=Decimal(50), assumed="", source="Generated",
        ),
    ),
    baselines=(
        Baseline(id="override_rate", title="Rework", before=Decimal(15), unit="%", lower_is_better=True, source="-"),
    ),
    setup_cost=Decimal(9_000),
    monthly_cost_fixed=Decimal(300),
    cost_source="Generated",
    monthly_budget=Decimal(400),
)  # fmt: skip


def measure(folder: Path, *, models: int = 10_000, days: int = 365) -> Iterator[Figure]:
    told = _Told()
    told(f"a registry of {models:,} models")
    uri = big_registry.build(folder / "mlflow.db", models=models, versions=1)
    told("a founded room over it, and its first copy of the registry")
    room, _ = room_over(folder, uri, models, summaries=False)
    names = [f"model_{index:05d}" for index in range(models)]
    told(f"{models * days:,} cost rows")
    _fill(Path(room.database.url.database or ""), names, days)
    told(f"lines of {COMPUTED} models computed, of the others copied")
    seconds = _lines(room, names)
    told(f"reviews of {COMPUTED} models")
    opened = _reviews(room, names)
    yield Figure("computing one line of the portfolio", seconds * 1000, "ms CPU", f"mean of {COMPUTED} models")
    yield Figure("reviews of a return that wait on the page", opened, "")
    yield Figure("size", models, "models", f"x {days} days of cost rows")
    token = room.people.open_session(room.people.sign_in_demo("ben.business"))
    room.database.dispose()
    told("screens, warm and cold")
    yield from served.compared(folder, folder / "home", uri, token, SCREENS)
    told("done")


def _fill(file: Path, names: list[str], days: int) -> None:
    """Cost rows in one go; reviews of four months, so that there is a benefit; a statement from the catalog."""
    today = datetime.now(UTC).date()
    dates = [(today - timedelta(days=back)).isoformat() for back in range(days)]
    with sqlite3.connect(file) as base:
        base.execute("PRAGMA synchronous=OFF")
        base.executemany(
            "INSERT INTO usage_day(model, day, version, component, cpu_seconds, bytes, wall_seconds)"
            " VALUES (?, ?, '1', 'serving', ?, 2000000000, 1.0)",
            ((name, day, 900.0 + index % 700) for index, name in enumerate(names) for day in dates),
        )
        base.executemany(
            "INSERT INTO review_day(model, day, version, reason_code, reviewed, corrected)"
            " VALUES (?, ?, '1', 'X', ?, 2)",
            ((name, day, 10 + index % 20) for index, name in enumerate(names) for day in dates[:130:7]),
        )
        base.executemany(
            "INSERT INTO value_config(model, document) VALUES (?, ?)",
            ((name, json.dumps(asdict(replace(CONFIG, model=name)), default=str)) for name in names),
        )
        base.executemany(
            "INSERT INTO monitoring_head(model, part, head) VALUES (?, ?, 1)", ((name, heads.VALUE) for name in names)
        )


def _lines(room: ControlRoom, names: list[str]) -> float:
    """CPU seconds of one line; afterwards every model has one."""
    began = time.process_time()
    done = room.portfolio.refresh(tuple(names[:COMPUTED]))
    seconds = (time.process_time() - began) / done
    store, now = SqlPortfolio(room.database), room.clock.now()
    rows, _ = store.search(PortfolioQuery(sort=Sort.NAME, limit=COMPUTED))
    states = (Health.HEALTHY, Health.BREACH, Health.UNKNOWN, Health.WATCH)
    store.keep(
        tuple(
            Kept(
                model=name, day=now.date(), head=1, basis="copied", at=now,
                row=replace(
                    rows[index % len(rows)], model=name, title=f"Model {index}", state=states[index % 4],
                    net=Decimal(index * 7919 % 100_003), computed_at=now,
                ),
            )
            for index, name in enumerate(names)
        )
    )  # fmt: skip
    assert store.totals(date.today()).models == len(names)
    return seconds


def _reviews(room: ControlRoom, names: list[str]) -> int:
    """Opened by the service itself, from closed months under the gate of the shipped policy."""
    room.reviews._watched = lambda: tuple(names[:COMPUTED])
    return room.reviews.refresh()


class _Told:
    """Says on standard error what is being done and since when: the longest step takes minutes."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {what}", file=sys.stderr, flush=True)
