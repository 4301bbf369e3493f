"""Log lines: plain words or one JSON object each, with what they belong to, and without any secret.

    with about(correlation="3fa9c1", page="approvals"):
        log.info("command recorded")   {"at": ..., "message": "command recorded", "correlation": "3fa9c1", ...}

Everything written inside the block carries the facts, also lines of code that knows nothing of them, so that one click
or one round of a task can be followed through the log. No line names a person; the ledger does that.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_ABOUT: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("countersign_log_about", default=())
_OWN = "countersign"
_turn = threading.Lock()


@contextmanager
def about(**facts: str) -> Iterator[None]:
    """Adds these facts to every line of this thread inside the block."""
    token = _ABOUT.set((*_ABOUT.get(), *facts.items()))
    try:
        yield
    finally:
        _ABOUT.reset(token)


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, what it belongs to and whatever the call added."""

    _PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **dict(_ABOUT.get()),
            **{key: str(value) for key, value in vars(record).items() if key not in self._PLAIN},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # Masked value by value: a secret with a quote or a line break in it is spelt differently in JSON.
        return json.dumps({key: self._mask(value) for key, value in line.items()}, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """The same for people: one line of words, what it belongs to in brackets."""

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        added = {key: str(value) for key, value in vars(record).items() if key not in JsonLines._PLAIN}  # noqa: SLF001
        facts = " ".join(f"{key}={value}" for key, value in {**dict(_ABOUT.get()), **added}.items())
        return self._mask(super().format(record) + (f" [{facts}]" if facts else ""))


def configure(*, as_json: bool, mask: Callable[[str], str], everything: bool) -> logging.Handler:
    """Sends log lines to standard error in the chosen form; doing it again replaces what was there.

    `everything` also takes the lines of libraries. Without it only our own are formatted: a framework around us has
    handlers of its own.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(mask) if as_json else PlainLines(mask))
    logger = logging.getLogger() if everything else logging.getLogger(_OWN)
    with _turn:
        for old in list(logger.handlers):
            logger.removeHandler(old)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        if not everything:
            logger.propagate = False
    return handler
