# ruff: noqa: INP001
"""Which events of the recorded public data the monitors find, with dates, and how often they speak without a reason.

    python -m tools.find_events             # all recorded data, by recorded date
    python -m tools.find_events HOME        # a prepared workspace, by its own calendar: what its screen shows

The prepared workspace replays a part of the data in its own calendar. Here the same code reads all of it: flights by
their recorded date in 2013 with January as reference, the health registry in recorded order, each year of claims
spread over sixty days, with the year before the first as reference. Everything is written to a folder that is thrown
away. The figures stand in docs/monitoring.md.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from services.adapters.local.estate import flight_cases, health_cases
from services.adapters.local.estate.catalog import load_monitoring
from services.adapters.local.estate.placed import FEATURES
from services.adapters.sql.database import Database
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.kernel.health import Health
from services.monitoring import drift, events
from services.monitoring.definitions import Versus
from services.monitoring.drift import Question
from services.monitoring.models import MonitoringConfig
from services.monitoring.profile import DayProfile, Reference

STILL_DAYS = 90
DAYS_A_YEAR = 60
"""How many days a year of the registry takes; the prepared workspace replays it at the same pace."""
REGISTRY_START = date(2001, 1, 1)
"""Day one of the registry's sixty-day years; the registry itself knows years only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A model's inputs by day, and the rows its windows are compared with."""

    model: str
    rows: pd.DataFrame
    reference: pd.DataFrame
    what: str


def recorded() -> Iterator[Recorded]:
    flights = flight_cases.delay_cases()
    flights = flights.assign(day=flights["decided"].dt.date)
    flights = flights[flights["day"] >= date(2013, 1, 1)]
    first = flights["day"] < date(2013, 2, 1)
    yield Recorded(
        model="delay_claim_score", rows=flights, reference=flights[first], what="flights, January 2013 as reference"
    )
    claims = health_cases.claim_cases()
    years = claims["year"] - claims["year"].min()
    place = claims.groupby("year").cumcount() / claims.groupby("year")["year"].transform("size")
    number = (years * DAYS_A_YEAR + np.floor(place * DAYS_A_YEAR)).astype(int)
    claims = claims.assign(day=[REGISTRY_START + timedelta(days=int(day)) for day in number])
    yield Recorded(
        model="claims_triage", rows=claims, reference=claims[years == 0], what="registry, 1985 as reference, "
        + ", ".join(f"{claims['year'].min() + y} from {REGISTRY_START + timedelta(days=y * DAYS_A_YEAR):%d %b %Y}"
                    for y in range(1, 4)),
    )  # fmt: skip


def unchanged(source: Recorded, *, seed: int = 7) -> Recorded:
    """Ninety days without change: half of the reference rows as reference, days drawn from the other half."""
    random = np.random.default_rng(seed)
    shuffled = source.reference.sample(frac=1.0, random_state=seed)
    half = len(shuffled) // 2
    a_day = round(len(source.rows) / source.rows["day"].nunique())
    drawn = shuffled.iloc[half:].iloc[random.integers(0, len(shuffled) - half, a_day * STILL_DAYS)]
    number = np.arange(len(drawn)) // a_day
    return Recorded(
        model=source.model,
        rows=drawn.assign(day=[REGISTRY_START + timedelta(days=int(day)) for day in number]),
        reference=shuffled.iloc[:half],
        what=f"{STILL_DAYS} days of {a_day} rows drawn from one half of the reference, the other half as reference",
    )


def read(source: Recorded, folder: Path) -> tuple[Reference, tuple[DayProfile, ...], date]:
    """Through the same files and the same SQL as in the product."""
    inputs = list(FEATURES[source.model])
    (folder / "reference").mkdir(parents=True, exist_ok=True)
    source.reference[inputs].to_parquet(folder / "reference" / f"{source.model}.parquet")
    for day, rows in source.rows.groupby("day"):
        place = folder / "predictions" / f"model={source.model}" / f"date={day}"
        place.mkdir(parents=True, exist_ok=True)
        rows[inputs].assign(role="live").to_parquet(place / "part-0.parquet")
    facts = DuckDbMonitoringFacts(folder)
    reference = facts.fit_reference(source.model, "recorded")
    if reference is None:
        message = f"{source.model} has no rows to compare with"
        raise SystemExit(message)
    days = tuple(sorted(set(source.rows["day"])))
    profiles = sorted(facts.profile(reference, days), key=lambda profile: (profile.feature, profile.day))
    return reference, tuple(profiles), days[-1]


def told(
    config: MonitoringConfig,
    reference: Reference,
    profiles: Sequence[DayProfile],
    last: date,
    window_days: int,
    *,
    versus: Versus = Versus.REFERENCE,
) -> Iterator[str]:
    asked = Question(window_days=window_days, days=400, versus=versus)
    found = events.events(reference, config, profiles, asked, last)
    yield f"### Unusual windows of {window_days} day(s) against {versus}: {len(found)}"
    for event in sorted(found, key=lambda event: (event.first, event.feature)):
        yield f"- {event.first:%d %b} to {event.last:%d %b}: {event.sentence}"


def moved(
    config: MonitoringConfig,
    reference: Reference,
    profiles: Sequence[DayProfile],
    last: date,
    *,
    versus: Versus,
    window_days: int = 7,
) -> Iterator[str]:
    """States of every column and window, and since when each column is red."""
    asked = Question(window_days=window_days, days=400, versus=versus)
    found = drift.features(reference, config, profiles, asked, last)
    states = Counter(state for item in found for _, state in item.history)
    total = sum(states.values())
    yield f"### Windows of {window_days} days against {versus}: {total} column-windows, " + ", ".join(
        f"{states[state]} {state}" for state in Health
    )
    for item in found:
        red = [day for day, state in item.history if state is Health.BREACH]
        amber = [day for day, state in item.history if state is Health.WATCH]
        if red or amber:
            first = f"; first red window to {red[0]:%d %b %Y}" if red else ""
            yield f"- {item.title}: {len(red)} red, {len(amber)} amber of {len(item.history)}{first}"


def prepared(home: Path) -> None:
    """From the stored sketches, up to the last day that is over."""
    store = SqlMonitoring(Database(f"sqlite:///{home / 'governance.db'}"))
    for model in sorted(store.reference_digests()):
        reference, config, recorded_to = store.reference(model), store.config(model), store.last_day(model)
        if reference is None or config is None or recorded_to is None:
            continue
        last = recorded_to - timedelta(days=1)
        profiles = store.profiles(model, date.min, last)
        if profiles:
            say(f"## {model}: {min(profile.day for profile in profiles)} to {last}")
            for versus in Versus:
                for window_days in (1, 7):
                    say(*told(config, reference, profiles, last, window_days, versus=versus))


def main() -> None:
    if sys.argv[1:]:
        prepared(Path(sys.argv[1]))
        return
    configs = {config.model: config for config in load_monitoring()}
    for source in recorded():
        config = configs[source.model]
        with tempfile.TemporaryDirectory() as folder:
            say(f"## {source.model}: {source.what}")
            reference, profiles, last = read(source, Path(folder) / "all")
            for versus in Versus:
                say(*moved(config, reference, profiles, last, versus=versus))
            for window_days in (1, 7):
                say(*told(config, reference, profiles, last, window_days))
            still = unchanged(source)
            say(f"## {source.model} without change: {still.what}")
            reference, profiles, last = read(still, Path(folder) / "still")
            for window_days in (1, 7, 28):
                for versus in Versus:
                    say(*moved(config, reference, profiles, last, versus=versus, window_days=window_days))
            for window_days in (1, 7):
                say(*told(config, reference, profiles, last, window_days))


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
