"""Sends the streams through the really served models: `HistoryReplay` for the past, `LiveReplay` from now on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

Progress = Callable[[str, float], None]


class HistoryReplay:
    def __init__(
        self, *, url: str, token_file: Path, journal: Path, inference: Path, prepared_at: datetime, share: float = 1.0
    ) -> None:
        raise NotImplementedError

    def replay(self, start: datetime, end: datetime, progress: Progress = lambda _text, _share: None) -> int:
        """Everything of [start, end), in order; returns the rows scored. Segments may follow each other."""
        raise NotImplementedError


class LiveReplay:
    def __init__(
        self, *, url: str, token_file: Path, journal: Path, inference: Path, state_file: Path, prepared_at: datetime
    ) -> None:
        raise NotImplementedError

    def tick(self, now: datetime) -> int:
        """Sends what is due, writes matured labels, compacts. Returns the rows scored; never raises for a gap."""
        raise NotImplementedError
