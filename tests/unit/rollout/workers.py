"""Workers in processes of their own, to be frozen or killed. They are forked from one that has imported everything:
sixty new interpreters would spend minutes on their imports, and a test of random moments would only ever hit those.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType

from services.kernel.clock import FrozenClock
from tests.builders import NOON, a_world

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["pytest", __name__, "tests.contract.replicas"])
_PATIENCE = 120.0


class Workers:
    """`end` leaves none behind, also none that is frozen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[ForkServerProcess] = []

    def start(self, work: Callable[..., None], *words: object) -> ForkServerProcess:
        process = FORKED.Process(target=work, args=(self.folder, *words))
        with no_main():
            process.start()
        self._started.append(process)
        return process

    def frozen_at(self, step: str) -> ForkServerProcess:
        process = self.start(freezes, step)
        wait_for(self.folder / "frozen", process)
        return process

    def end(self) -> None:
        for process in self._started:
            with suppress(ProcessLookupError):
                process.kill()
            process.join()


def wait_for(file: Path, process: ForkServerProcess) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not file.exists():
        assert process.is_alive(), "it ended before it came so far"
        assert time.monotonic() < deadline, f"{file.name} was not there after {_PATIENCE:.0f} s"
        time.sleep(0.01)


@contextmanager
def no_main() -> Iterator[None]:
    """A child runs the file of the main module first, and a test of a screen leaves the app itself as main module."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def goes_on(process: ForkServerProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)
    process.join(timeout=_PATIENCE)
    assert process.exitcode == 0, f"it ended with {process.exitcode}"


def dies(folder: Path, step: str) -> None:
    """Carries out what waits, until this step."""
    a_world(
        folder, after_step=lambda now: os.kill(os.getpid(), signal.SIGKILL) if now == step else None
    ).runner.run_pending()


def freezes(folder: Path, step: str) -> None:
    """The same, and goes on when somebody wakes it."""

    def freeze(now: str) -> None:
        if now == step:
            (folder / "frozen").write_text(step)
            os.kill(os.getpid(), signal.SIGSTOP)

    a_world(folder, after_step=freeze).runner.run_pending()


def works(folder: Path, minute: int) -> None:
    """Slowly and unevenly, so that a kill at any moment finds it somewhere else."""
    chance = random.Random(minute)
    world = a_world(
        folder,
        clock=FrozenClock(NOON + timedelta(minutes=minute)),
        after_step=lambda _step: time.sleep(chance.random() * 0.06),
    )
    (folder / "ready").write_text("")
    world.runner.run_pending()
