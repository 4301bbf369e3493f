"""Those who call the models of a moved workspace: the decisions and batch jobs of the demonstration, sent from outside.

    python -m tests.journeys.callers URL HOME PREPARED_AT

They know the endpoint's address and key, and write which jobs ran, as a scheduler would. What was answered is taken
over by the product's worker; nothing is counted here.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from services.adapters.local.batch import write_runs
from services.adapters.local.live_replay import LIVE_EVERY, LiveReplay
from services.kernel.clock import SystemClock, from_utc_text
from services.kernel.errors import ServingUnavailableError


class Callers(LiveReplay):
    def tick(self, now: datetime) -> int:
        if now - self._position.sent_at < LIVE_EVERY:
            return 0
        day = asyncio.run(self._send(now))
        self._remember(replace(self._position, sent_at=now, jobs_at=now))
        write_runs(self._inference, day.runs, source=f"live {now.isoformat()}")
        return day.rows


def main(url: str, home: Path, prepared_at: datetime) -> None:
    callers = Callers(
        url=url,
        token_file=home / "keys" / "gateway.token",
        journal=home / "serving" / "journal",
        inference=home / "inference",
        state_file=home / "run" / "callers.json",
        prepared_at=prepared_at,
    )
    while True:
        with suppress(ServingUnavailableError):
            callers.tick(SystemClock().now())
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), from_utc_text(sys.argv[3]))
