"""The export of the platform's inference tables into the home folder, as a job there would make it.

    python -m tests.journeys.inference_export URL HOME

On this profile nothing of the product writes what a model answered. It reads columns of the home folder, so somebody
has to bring them there; here the log of what was answered is the endpoint's own.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from services.adapters.local.log_keeping import LogKeeper
from services.adapters.local.serving import LocalServing
from services.kernel.clock import SystemClock
from services.kernel.errors import ServingUnavailableError


def main(url: str, home: Path) -> None:
    endpoint = LocalServing(url, token_file=home / "keys" / "gateway.token")
    keeper = LogKeeper(endpoint, journal=home / "serving" / "journal", inference=home / "inference")
    while True:
        with suppress(ServingUnavailableError):
            keeper.tick(SystemClock().now())
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
