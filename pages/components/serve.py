"""The app, and its first visit: `python -m pages.components.serve [options of streamlit run]`.

Whoever starts `streamlit run app.py` by hand pays the first visit himself; services, containers and platforms start
this, so that a link in a mail works as the very first address that is asked for (see `components.first_visit`).
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from streamlit import config, runtime
from streamlit.web import cli

from pages.components import first_visit

APP = Path(__file__).resolve().parents[2] / "app.py"
PAID = "The first visit is paid; every address may be asked for."
_TRIES, _WAIT = 120, 0.5
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


def own_address() -> str:
    """Where this process answers itself. Read when the options of the command line are in force."""
    named = str(config.get_option("server.address") or "")
    host = "localhost" if named in _EVERYWHERE else named
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    address = f"http://{host}:{config.get_option('server.port')}"
    return f"{address}/{base}" if base else address


def _pay() -> None:
    for _ in range(_TRIES):
        time.sleep(_WAIT)
        if runtime.exists() and first_visit.main(own_address()) == 0:
            sys.stdout.write(f"{PAID}\n")
            sys.stdout.flush()
            return


def main(options: list[str]) -> None:
    """Returns when the server has ended."""
    threading.Thread(target=_pay, name="first-visit", daemon=True).start()
    cli.main(["run", str(APP), *options], standalone_mode=False)


if __name__ == "__main__":
    main(sys.argv[1:])
