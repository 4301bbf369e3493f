"""How long tasks, commands and pages take in this process, and how they end. Only the process that runs them knows.

Names are those of our own tasks, dialogs and pages; nothing that a person typed becomes a label.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from services.kernel.errors import ControlRoomError, UnavailableError

_SECONDS = (0.01, 0.05, 0.25, 1, 5, 30, 120, 600)


class Durations(Collector):
    """`outcome` is done, refused (a rule said no), unavailable (something did not answer) or failed."""

    def __init__(self) -> None:
        self._kinds = {
            kind: Histogram(
                f"countersign_{kind}_seconds", words, (kind, "outcome"), buckets=_SECONDS, registry=None
            )
            for kind, words in (
                ("task", "How long a task of the worker took"),
                ("command", "How long a command of a person took, from the click to the receipt"),
                ("page", "How long a run of a page took"),
            )
        }  # fmt: skip

    def observe(self, kind: str, name: str, seconds: float, outcome: str) -> None:
        self._kinds[kind].labels(name, outcome).observe(seconds)

    def task(self, name: str, seconds: float, failed: bool) -> None:  # noqa: FBT001 - the worker's hook
        self.observe("task", name, seconds, "failed" if failed else "done")

    @contextmanager
    def measured(self, kind: str, name: str) -> Iterator[None]:
        """Around the work; what it raises goes on. An exception that only steers the framework counts as done."""
        began, outcome = time.monotonic(), "done"
        try:
            yield
        except Exception as error:
            outcome = outcome_of(error)
            raise
        finally:
            self.observe(kind, name, time.monotonic() - began, outcome)

    def collect(self) -> Iterable[Metric]:
        for histogram in self._kinds.values():
            yield from histogram.collect()

    def describe(self) -> Iterable[Metric]:
        for histogram in self._kinds.values():
            yield from histogram.describe()


def outcome_of(error: Exception) -> str:
    if isinstance(error, UnavailableError):
        return "unavailable"
    return "refused" if isinstance(error, ControlRoomError) else "failed"


DURATIONS = Durations()
"""One for the process, as its threads share the pages and tasks they run."""
