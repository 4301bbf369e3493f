"""Figures of the platform's own monitoring: kept by their newest window, and kept when the platform is away."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.adapters.sql.vendor import SqlVendor
from services.adapters.warehouse.routed import RoutedFacts, RoutedPerformance
from services.inventory.facts import Partition
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.vendor_service import VendorService, VendorSource
from tests.fakes.room_vendor import Figures
from tests.unit.monitoring.facts_on_disk import a_database

NOON = datetime(2031, 3, 5, 12, tzinfo=UTC)
UNTIL = datetime(2031, 3, 5, tzinfo=UTC)


def test_what_was_read_is_kept_with_its_newest_windows_while_the_platform_is_away(tmp_path: Path) -> None:
    figures, clock = Figures(UNTIL), FrozenClock(NOON)
    service = VendorService(
        metrics={"m": VendorSource(table="main.ml.scored", metrics=figures)}, store=SqlVendor(a_database(tmp_path)),
        clock=clock,
    )  # fmt: skip
    assert service.view("other") is None
    first = service.view("m")
    assert first is not None
    assert first.read_at is None, "nothing was read yet"

    assert service.refresh() == 1
    read = service.view("m")
    figures.away = "The warehouse sleeps."
    with pytest.raises(TelemetryUnavailableError):
        service.refresh()
    away = service.view("m")

    assert read is not None
    assert (read.read_at, read.until, read.error) == (NOON, UNTIL, "")
    assert [(item.statistic, item.end, item.p_value) for item in read.drift] == [
        ("Jensen-Shannon distance", UNTIL, None),
        ("Kolmogorov-Smirnov statistic", UNTIL, 0.004),
    ]
    profile = read.profile(read.drift[0])
    assert profile is not None
    assert profile.rows == 851
    assert read.profile(replace(read.drift[0], start=UNTIL - timedelta(days=7))) is None, "other rows"
    assert away == replace(read, error="The warehouse sleeps.")


def test_figures_of_a_table_that_is_not_mapped_any_more_are_not_shown(tmp_path: Path) -> None:
    store, clock = SqlVendor(a_database(tmp_path)), FrozenClock(NOON)
    for table in ("main.ml.old", "main.ml.new"):
        service = VendorService(
            metrics={"m": VendorSource(table=table, metrics=Figures(UNTIL))}, store=store, clock=clock
        )
        found = service.view("m")
        assert found is not None
        assert (found.table, found.read_at) == (table, None)
        service.refresh()


class Facts:
    """Partitions of some models; `away` cannot be read."""

    def __init__(self, *owners: str, away: bool = False) -> None:
        self.owners, self.away = owners, away

    def partitions(self) -> tuple[Partition, ...]:
        if self.away:
            raise TelemetryUnavailableError("The warehouse sleeps.")
        return tuple(
            Partition(source="predictions", owner=owner, day=date(2031, 3, 4), fingerprint="f") for owner in self.owners
        )


@pytest.mark.parametrize(
    ("kind", "unreadable"), [(RoutedFacts, "reference"), (RoutedPerformance, "labels")], ids=["drift", "performance"]
)
def test_a_mapped_model_is_read_from_its_table_alone_and_one_that_is_away_stops_no_other(
    kind: Any, unreadable: str
) -> None:
    routed = kind(Facts("here", "mapped"), {"mapped": Facts("mapped"), "gone": Facts(away=True)})

    found = {(item.source, item.owner): item.fingerprint for item in routed.partitions()}

    assert found == {
        ("predictions", "here"): "f",
        ("predictions", "mapped"): "f",
        (unreadable, "gone"): "cannot-be-read",
    }
