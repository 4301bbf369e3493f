"""Makes the embedded workspace, once: data, models, people, and half a year of history through the real services."""

from __future__ import annotations

from collections.abc import Callable

from services.settings import Settings
from services.workspace.marker import PreparedFacts, is_prepared

__all__ = ["PreparedFacts", "is_prepared", "prepare", "reset"]

Progress = Callable[[str, float], None]


def prepare(settings: Settings, progress: Progress = lambda _text, _share: None) -> PreparedFacts:
    """Does nothing on a prepared workspace. A second starter waits for the first. Cleans up after an interrupted one."""
    raise NotImplementedError


def reset(settings: Settings) -> None:
    """Deletes the embedded workspace. Raises ConflictError while it is running."""
    raise NotImplementedError
