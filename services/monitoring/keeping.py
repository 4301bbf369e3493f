"""Which days of figures are kept: older ones than the setting says go, and days that their source deleted.

A deleted day between days that are still listed was taken back: erased, or moved to other days. Days older than the
first one listed were not: their source keeps its rows for a while only, and a sketch is what remains of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from services.inventory.facts import Partition, Vanished, vanished
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.ports import MonitoringFacts, MonitoringStore

LONGEST_DELAY = timedelta(days=184)
"""Labels are looked for as long after a prediction as performance is drawn."""
_A_DAY = timedelta(days=1)
_log = logging.getLogger("countersign.monitoring")


class KeptDays:
    """The first day that is kept: `days` ago, or the beginning where that is 0."""

    def __init__(self, days: int, clock: Clock) -> None:
        self._days = days
        self._clock = clock
        self._forgotten = date.min

    @property
    def first(self) -> date:
        return self._clock.now().date() - timedelta(days=self._days) if self._days else date.min

    def forget_older(self, forget_before: Callable[[date], None]) -> None:
        """Once a day: nothing older is read meanwhile."""
        if self._forgotten < self.first:
            forget_before(self.first)
            self._forgotten = self.first


class Keeping:
    """Wiring: as the MonitoringService that uses it; `has_scores` tells which models are counted by score."""

    def __init__(self, *, facts: MonitoringFacts, store: MonitoringStore, has_scores: Callable[[str], bool]) -> None:
        self._facts = facts
        self._store = store
        self._has_scores = has_scores
        self._doubted: set[Vanished] = set()

    def forget_vanished(self, found: Sequence[Partition], broken: list[TelemetryUnavailableError]) -> int:
        """How many days were taken back; a source that cannot be asked again is added to `broken` and stays."""
        forgotten = 0
        for gone in vanished(found, self._store.seen()):
            if not gone.is_believable:
                self._doubt(gone)
                continue
            try:
                if gone.source == "labels":
                    self._count_without(gone, found)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
                continue
            self._store.forget_days(gone)
            forgotten += len(gone.days)
            _log.warning("%s. What was counted of them is deleted.", _words(gone))
        return forgotten

    def _count_without(self, gone: Vanished, found: Sequence[Partition]) -> None:
        """Nobody can ask a label that is gone what it spoke about: every day it may have spoken about is counted."""
        first, last = gone.days[0] - LONGEST_DELAY, gone.days[-1] + _A_DAY
        days = tuple(
            item.day
            for item in found
            if (item.source, item.owner) == ("predictions", gone.owner) and first <= item.day <= last
        )
        if days:
            rows = self._facts.labelled_days(gone.owner, days, scores=self._has_scores(gone.owner))
            self._store.replace_labelled(gone.owner, days, rows, ())

    def _doubt(self, gone: Vanished) -> None:
        if gone not in self._doubted:
            self._doubted.add(gone)
            _log.warning(
                "%s, and only %d are left. That looks like half an answer; what was counted of them stays.",
                _words(gone), gone.listed,
            )  # fmt: skip


def _words(gone: Vanished) -> str:
    return (
        f"{len(gone.days)} days of {gone.source} of {gone.owner} between {gone.days[0]} and {gone.days[-1]} are gone "
        "from their source"
    )
