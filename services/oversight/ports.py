"""What oversight needs from the governance database: open work of every slice, read in a few statements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from services.inventory.models import SyncState
from services.oversight.models import ModelSummary, OpenAction, ServedModel, TimelineEvent, WaitingRequest


class OversightStore(Protocol):
    """Methods raise StorageUnavailableError."""

    def waiting_requests(self) -> tuple[WaitingRequest, ...]:
        """Requests that are open, sent back for changes, or approved and not yet acted upon; earliest due first."""
        ...

    def served(self) -> tuple[ServedModel, ...]: ...

    def open_actions(self, since: datetime) -> tuple[OpenAction, ...]:
        """Actions in progress, and failed or conflicting ones created after `since`."""
        ...

    def unsubmitted(self) -> tuple[tuple[str, str, datetime], ...]:
        """(model, version, made at) of the newest version of each model when nobody ever asked for its release
        and it never served.
        """
        ...

    def deleted_but_served(self) -> tuple[tuple[str, str], ...]:
        """(model, version) that traffic or the champion names although the registry no longer has it."""
        ...

    def version_facts(self) -> Mapping[str, tuple[int, str]]:
        """Number of versions and the newest one, by model."""
        ...

    def watched_models(self) -> frozenset[str]:
        """Models with recorded predictions, requests or batch runs."""
        ...

    def put_summaries(self, summaries: tuple[ModelSummary, ...]) -> int:
        """Writes lines that changed and removes models that are gone; returns how many."""
        ...

    def heartbeat(self) -> datetime | None: ...

    def syncs(self) -> tuple[SyncState, ...]: ...

    def workspace_facts(self) -> Mapping[str, str]: ...

    def timeline(self, model: str, limit: int) -> tuple[TimelineEvent, ...]:
        """Newest first."""
        ...
