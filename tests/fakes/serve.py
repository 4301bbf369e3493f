"""The whole app on a port, in front of a room made of memory: `python -m tests.fakes.serve PORT [hostile] [bill]`.

For tests that need a real browser but no real workspace, and for looking at a screen while writing it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from streamlit.web import bootstrap

from pages.components import preparing
from services import container
from tests.fakes.room import FakeRoom

APP = Path(__file__).resolve().parents[2] / "app.py"


def main(port: int, *, hostile: bool, billed: bool) -> None:
    room = FakeRoom(hostile=hostile, billed=billed)
    container.open_control_room = lambda *_args, **_given: room  # type: ignore[assignment]  # a room of memory
    preparing.stands = lambda: True
    flags = {"server.port": port, "server.headless": True, "server.fileWatcherType": "none"}
    bootstrap.load_config_options(flags)
    bootstrap.run(str(APP), False, [], flags)


if __name__ == "__main__":
    main(int(sys.argv[1]), hostile="hostile" in sys.argv[2:], billed="bill" in sys.argv[2:])
