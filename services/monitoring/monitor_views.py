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
    hindrance: str = ""
    """Why no release may rest on the version in force; empty where one may, and for batch models, where none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliance:
    """The monitor a release rests on. `version` None: nobody saved one."""

    version: int | None = None
    problem: str = ""
    watches_prediction: bool = False
    signed: bool = False
    """A person signed this version. It may have been loosened unseen where nobody did, before it guarded anything."""
    is_stated: bool = False
    """It says what a breach costs per day, and who pays."""

    @classmethod
    def of(cls, item: MonitorVersion, problem: str) -> Reliance:
        """Nothing that an altered row says is believed."""
        if problem:
            return cls(version=item.version, problem=problem)
        monitor = item.monitor
        return cls(
            version=item.version,
            watches_prediction=monitor.watches_prediction,
            signed=item.signed,
            is_stated=monitor.impact.is_stated,
        )

    @property
    def hindrance(self) -> str:
        """Why no release may rest on it, in words with the way out; empty when one may."""
        if self.problem:
            return f"The monitor in force cannot be relied on: {self.problem}"
        if self.version is None:
            return "No monitor is saved for this model. Propose one on the page Monitors; it takes one click."
        if not self.watches_prediction:
            return f"Version {self.version} of the monitor does not watch the prediction."
        if not self.is_stated:
            return (
                f"Version {self.version} of the monitor does not say what a breach costs per day and who pays. "
                "State both on the page Monitors under Change, and sign it."
            )
        if not self.signed:
            return (
                f"Nobody signed version {self.version} of the monitor, so anybody who may save one could have loosened "
                "it. A data science lead or an administrator reads and signs it on the page Monitors under Change."
            )
        return ""
