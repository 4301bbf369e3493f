"""What data health needs: declared tables, their rows as aggregates, runs of pipelines, lineage, a place to keep it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Protocol

from services.attestation.models import Receipt
from services.data_health.models import HealthDay, LastWord, PipelineRun, TableDay
from services.data_health.rules import TableRules
from services.inventory.facts import Partition
from services.inventory.tables import FeatureTable
from services.kernel.identity import Actor, Permission


class TableRows(Protocol):
    """Rows of feature tables. Answers are aggregates; rows stay where they are."""

    def partitions(self, table: FeatureTable) -> tuple[Partition, ...]:
        """Days on record. Empty when there is nothing, which is not the same as healthy."""
        ...

    def profile(
        self, table: FeatureTable, days: tuple[date, ...], rules: TableRules | None, *, now: datetime
    ) -> tuple[TableDay, ...]:
        """Days that have files, also when these hold no row. Without rules nothing is outside or repeated.

        Raises TelemetryUnavailableError.
        """
        ...

    def reference(self, table: FeatureTable) -> TableDay | None:
        """What the model learned from, as one day; None without one. Raises TelemetryUnavailableError."""
        ...


class PipelineSource(Protocol):
    """Jobs and pipelines of a platform. Embedded runs are recorded in the store already and have no source."""

    @property
    def name(self) -> str: ...

    def runs(self, since: datetime) -> tuple[PipelineRun, ...]:
        """Finished runs that started since then, each with `known_to`. Raises TelemetryUnavailableError."""
        ...


class Lineage(Protocol):
    def edges(self) -> Collection[tuple[str, str]]:
        """From data to data and into models, of all models together."""
        ...

    def models(self) -> Collection[str]: ...


class HealthStore(Protocol):
    """Methods raise StorageUnavailableError."""

    def rules(self, table: str) -> TableRules | None:
        """The newest revision."""
        ...

    def revisions(self, table: str) -> tuple[TableRules, ...]:
        """Newest first."""
        ...

    def add_rules(self, rules: TableRules) -> bool:
        """False when this revision is there already: somebody else was faster."""
        ...

    def unrecorded(self) -> tuple[TableRules, ...]:
        """Revisions whose entry in the ledger is not known."""
        ...

    def set_entry(self, table: str, revision: int, seq: int) -> None: ...

    def fingerprints(self, table: str) -> Mapping[date, str]: ...

    def put_days(self, table: str, days: Mapping[date, tuple[str, TableDay]]) -> None:
        """Fingerprint and facts by day; other days stay."""
        ...

    def days(self, table: str, since: date) -> tuple[TableDay, ...]: ...

    def put_results(self, table: str, results: tuple[HealthDay, ...], *, at: datetime) -> None: ...

    def results(self, table: str, since: date) -> tuple[HealthDay, ...]:
        """Ordered by day."""
        ...

    def put_last_word(self, table: str, word: LastWord) -> None:
        """Stays until the next one, also when a later look fails."""
        ...

    def last_words(self) -> Mapping[str, LastWord]:
        """Of all tables, in one question."""
        ...

    def in_force(self) -> Mapping[str, int]:
        """The newest revision of the rules of each table, in one question."""
        ...

    def forget_before(self, table: str, day: date) -> None:
        """Deletes facts and results of older days."""
        ...

    def checked(self) -> Mapping[str, tuple[datetime, str]]:
        """When each table was last looked at, and what could not be found out."""
        ...

    def record_check(self, table: str, *, at: datetime, problem: str) -> None: ...

    def replace_runs(self, source: str, since: datetime, runs: tuple[PipelineRun, ...], *, at: datetime) -> None: ...

    def runs(self, since: datetime) -> tuple[PipelineRun, ...]:
        """Copied runs and the recorded batch jobs of the workspace together."""
        ...


class Authority(Protocol):
    def require(self, actor: Actor, permission: Permission) -> object:
        """Raises RoleMissingError."""
        ...


class EventRecorder(Protocol):
    def record_event(
        self,
        *,
        event: str,
        actor: Actor | None,
        model: str = "",
        detail: Mapping[str, str],
        idem: str | None = None,
    ) -> Receipt: ...
