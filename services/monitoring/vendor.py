"""Drift that Databricks' own data profiling computed. Shown with its name, never mixed with ours on one axis.

Its bin rules and the base of its Jensen-Shannon distance are not documented, so its figures and ours may differ
without either being wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

OWN = "Databricks' own"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorDrift:
    """One statistic of one column over one window, as the vendor computed it."""

    column: str
    statistic: str
    value: float
    start: datetime
    end: datetime
    granularity: str
    compared_with: str
    """`baseline`, or `previous window`."""
    p_value: float | None = None
    source: str = OWN

    @property
    def sentence(self) -> str:
        p = "" if self.p_value is None else f" (p {self.p_value:.3g})"
        return (
            f"{self.source}: {self.statistic} of {self.column} is {self.value:.4g}{p} for {self.start:%d %b %Y} to "
            f"{self.end:%d %b %Y} against the {self.compared_with}. Its bins are the vendor's; compare it with itself."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorProfile:
    """Counts of one column over one window, as the vendor computed them."""

    column: str
    start: datetime
    end: datetime
    rows: int
    missing: int
    mean: float | None
    source: str = OWN


class VendorMetrics(Protocol):
    """Raises TelemetryUnavailableError; a table without profiling is such a case and says so."""

    def drift(self, since: datetime) -> tuple[VendorDrift, ...]:
        """Whole-table figures, newest window first."""
        ...

    def profiles(self, since: datetime) -> tuple[VendorProfile, ...]: ...
