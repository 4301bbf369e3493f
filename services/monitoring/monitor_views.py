"""Monitors as people read them: which is in force, whether its signature holds, what is at risk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.attestation.documents import Change
from services.kernel.health import Health
from services.monitoring.monitors import Monitor, MonitorVersion, Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedVersion:
    """`problem`: why the stored text is not what was recorded; empty when entry, text and signer agree."""

    item: MonitorVersion
    problem: str
    changes: tuple[Change, ...] = ()
    """Against the version before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRow:
    model: str
    title: str
    tier: int
    state: Health
    sentence: str
    version: MonitorVersion | None
    last_day: date | None
    guards: str
    monitor: Monitor | None
    proposal: Proposal | None = None
    """What the worker proposes while nobody saved one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorView:
    row: MonitorRow
    versions: tuple[CheckedVersion, ...]
    """Newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliance:
    """The monitor a release rests on. `version` None: nobody saved one."""

    version: int | None = None
    problem: str = ""
    watches_prediction: bool = False

    @property
    def hindrance(self) -> str:
        """Why it watches nothing, in a sentence; empty when it does."""
        if self.problem:
            return f"The monitor in force cannot be relied on: {self.problem}"
        if self.version is None:
            return "No monitor is saved for this model. Propose one on the page Monitors; it takes one click."
        if not self.watches_prediction:
            return f"Version {self.version} of the monitor does not watch the prediction."
        return ""
