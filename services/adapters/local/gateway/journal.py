"""The inference log as it is written: one JSON line and one write() per request, before the caller has an answer.

A segment that is being written is called `open-...jsonl`; closing it is a rename to `closed-...jsonl`, and only
closed segments may be taken away. Segments left open by a gateway that died are closed at the next start.
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import datetime
from pathlib import Path

SEGMENT_BYTES = 16 * 1024 * 1024
BEAT = "complete-up-to"


class Journal:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for left in sorted(folder.glob("open-*.jsonl")):
            _close(left)
        self._file: Path | None = None
        self._fd = -1
        self._written = 0

    def append(self, lines: bytes) -> None:
        """Whole lines, in one write. Raises OSError when the disk does not take them."""
        if self._file is None or self._written > SEGMENT_BYTES:
            self.rotate()
            self._open()
        view = memoryview(lines)
        while view:
            # A regular file takes everything at once; the loop is for a full disk, where the rest raises.
            view = view[os.write(self._fd, view) :]
        self._written += len(lines)

    def rotate(self) -> tuple[Path, ...]:
        """Closes the segment being written, if it has lines. Returns every closed segment, oldest first."""
        if self._file is not None:
            os.close(self._fd)
            _close(self._file)
            self._file, self._fd, self._written = None, -1, 0
        return closed_segments(self._folder)

    def beat(self, now: datetime) -> None:
        """Notes that every answer given up to `now` is in the log: silence then means no calls, not no gateway."""
        draft = self._folder / f"{BEAT}.draft"
        draft.write_text(now.isoformat(timespec="microseconds"), encoding="ascii")
        draft.replace(self._folder / BEAT)

    def _open(self) -> None:
        name = f"{time.time_ns():020d}-{secrets.token_hex(3)}"
        self._file = self._folder / f"open-{name}.jsonl"
        self._fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._written = 0


def closed_segments(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("closed-*.jsonl")))


def _close(file: Path) -> None:
    file.rename(file.with_name(file.name.replace("open-", "closed-", 1)))
