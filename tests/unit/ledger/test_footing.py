"""Whether a worker may go on by itself: asked of the anchors before anything else, and again every minute."""

from __future__ import annotations

import pytest

from services.kernel.errors import (
    BrokenChainError,
    RegistryUnavailableError,
    SignatureMismatchError,
    StorageUnavailableError,
)
from services.ledger.footing import Footing

SHORT = BrokenChainError("The ledger holds 3 entries, but 5 were anchored: newer ones are missing.")


class Outside:
    """Anchors and registry as they answer now, and what was told."""

    def __init__(self) -> None:
        self.history: Exception | None = None
        self.registry: Exception | None = None
        self.asked = 0
        self.told: list[str] = []
        self.now = 0.0
        self.footing = Footing(
            history=self._history,
            ask_registry=self._registry,
            refused=lambda: self.told.append("refused"),
            held=lambda: self.told.append("held"),
            monotonic=lambda: self.now,
        )

    def _history(self) -> None:
        self.asked += 1
        if self.history is not None:
            raise self.history

    def _registry(self) -> None:
        if self.registry is not None:
            raise self.registry


def test_the_anchors_are_asked_once_a_minute_and_again_by_whoever_begins_to_lead() -> None:
    outside = Outside()
    for _ in range(5):
        outside.footing.require()
    assert outside.asked == 1
    outside.now = 60.0
    outside.footing.require()
    assert outside.asked == 2
    outside.footing.begin()
    outside.footing.require()
    assert outside.asked == 3


def test_a_shorter_ledger_is_refused_until_it_is_whole_again() -> None:
    outside = Outside()
    outside.history = SHORT
    for _ in range(3):
        with pytest.raises(BrokenChainError, match="newer ones are missing"):
            outside.footing.require()
    assert outside.told == ["refused"]
    outside.history, outside.now = None, 61.0
    outside.footing.require()
    assert outside.told == ["refused", "held"]


def test_whoever_moves_forward_waits_until_anchors_and_registry_were_asked() -> None:
    outside = Outside()
    assert not outside.footing.firm
    outside.footing.require()
    assert not outside.footing.firm
    outside.footing.compare()
    assert outside.footing.firm
    outside.footing.begin()
    assert not outside.footing.firm


def test_a_registry_that_vouches_for_more_refuses_what_the_folder_allowed() -> None:
    """The folder of anchors was restored together with the database: only the registry knows better."""
    outside = Outside()
    outside.footing.require()
    outside.registry = SHORT
    with pytest.raises(BrokenChainError):
        outside.footing.compare()
    with pytest.raises(BrokenChainError):
        outside.footing.require()
    assert not outside.footing.firm


def test_a_registry_that_does_not_answer_holds_up_nothing() -> None:
    outside = Outside()
    outside.registry = RegistryUnavailableError("The registry does not answer.")
    outside.footing.require()
    with pytest.raises(RegistryUnavailableError):
        outside.footing.compare()
    assert outside.footing.firm


def test_a_forged_anchor_neither_stops_a_worker_nor_sets_it_going_again() -> None:
    outside = Outside()
    outside.history = SignatureMismatchError("The anchor is not signed by the log.")
    outside.footing.require()
    outside.footing.begin()
    outside.history = SHORT
    with pytest.raises(BrokenChainError):
        outside.footing.require()
    outside.history, outside.now = SignatureMismatchError("The anchor is not signed by the log."), 61.0
    with pytest.raises(BrokenChainError):
        outside.footing.require()


def test_a_database_that_does_not_answer_decides_nothing() -> None:
    outside = Outside()
    outside.history = StorageUnavailableError("The database does not answer.")
    with pytest.raises(StorageUnavailableError):
        outside.footing.require()
    outside.history = None
    outside.footing.require()
    assert outside.told == ["held"]
