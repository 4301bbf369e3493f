"""The statistics of drift by name: what each one is, where it comes from, and from where on it means something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Statistic(StrEnum):
    PSI = "psi"
    JENSEN_SHANNON = "js"
    KS = "ks"
    WASSERSTEIN = "w1"
    MISSING = "missing"
    UNSEEN = "unseen"
    ALERTS = "alerts"
    """Only of a score with a decision threshold that is an edge of its cells."""
    CHI_SQUARED = "chi2"


class Versus(StrEnum):
    """What a window is compared with."""

    REFERENCE = "reference"
    PREVIOUS = "previous"
    """The window of the same length that ends where this one begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    watch: float
    breach: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """`limits` is None for a statistic that only informs. A share is written in percent."""

    title: str
    short: str
    formula: str
    source: str
    limits: Limits | None
    numeric: bool = True
    categorical: bool = True
    share: bool = False

    def applies_to(self, *, numeric: bool) -> bool:
        return self.numeric if numeric else self.categorical


DEFINITIONS: Mapping[Statistic, Definition] = {
    Statistic.PSI: Definition(
        title="Population stability index",
        short="PSI",
        formula="Sum over bins of (share now - share before) x ln(share now / share before); bins are deciles of the "
        "reference for numbers and values for categories (rarer than 1 % together), plus one for missing values; an "
        "empty bin counts as half an observation.",
        source="Siddiqi, Credit Risk Scorecards (2006)",
        limits=Limits(watch=0.10, breach=0.25),
    ),
    Statistic.JENSEN_SHANNON: Definition(
        title="Jensen-Shannon distance",
        short="JS",
        formula="Square root of the mean relative entropy, to base 2, of both distributions against their average; the "
        "same bins as PSI. 0 is equal, 1 is disjoint.",
        source="Lin (1991); Endres and Schindelin (2003)",
        limits=Limits(watch=0.12, breach=0.20),
    ),
    Statistic.KS: Definition(
        title="Kolmogorov-Smirnov statistic",
        short="KS",
        formula="Largest gap between the two distribution functions, read at the edges of the counted cells: never too "
        "high, too low by at most the largest cell's share.",
        source="Smirnov (1939)",
        limits=Limits(watch=0.10, breach=0.20),
        categorical=False,
    ),
    Statistic.WASSERSTEIN: Definition(
        title="Wasserstein distance in standard deviations",
        short="W1/sd",
        formula="Area between the two distribution functions, from counts and sums per cell, divided by the standard "
        "deviation of the reference.",
        source="Vallender (1974); normalised as in Evidently 0.7",
        limits=Limits(watch=0.10, breach=0.25),
        categorical=False,
    ),
    Statistic.MISSING: Definition(
        title="Change of the missing share",
        short="missing",
        formula="Absolute difference between the shares of missing values (NULL or not a number).",
        source="Agresti and Caffo (2000) for what chance can do",
        limits=Limits(watch=0.05, breach=0.10),
        share=True,
    ),
    Statistic.UNSEEN: Definition(
        title="Share of unseen values",
        short="unseen",
        formula="How much more often a value occurs that the reference does not list.",
        source="Agresti and Caffo (2000) for what chance can do",
        limits=Limits(watch=0.01, breach=0.05),
        numeric=False,
        share=True,
    ),
    Statistic.ALERTS: Definition(
        title="Shift of the alert rate",
        short="alert rate",
        formula="Absolute difference between the shares of predictions at or above the decision threshold, divided by "
        "the share before (an empty share counts as half an observation). Only predictions with a score; counted at a "
        "cell edge that lies exactly at the threshold, never interpolated.",
        source="Agresti and Caffo (2000) for what chance can do",
        limits=Limits(watch=0.25, breach=0.50),
        categorical=False,
        share=True,
    ),
    Statistic.CHI_SQUARED: Definition(
        title="Chi-squared statistic",
        short="χ²",
        formula="Sum of (observed - expected)² / expected over both rows of the table of the same bins as PSI. Grows "
        "with the sample for the same shift, so it informs and does not judge.",
        source="Pearson (1900)",
        limits=None,
    ),
}

CODE_RED = Limits(watch=0.10, breach=0.25)
"""Amber and red of what is watched most closely, unless a monitor says otherwise: the usual levels of PSI."""
JUDGING = (Statistic.PSI, Statistic.MISSING, Statistic.UNSEEN, Statistic.ALERTS)
"""What a verdict about a column rests on unless its monitor says otherwise; each where it applies."""


_PLAINLY = {
    Statistic.PSI: "PSI",
    Statistic.JENSEN_SHANNON: "the Jensen-Shannon distance",
    Statistic.KS: "the Kolmogorov-Smirnov statistic",
    Statistic.WASSERSTEIN: "the Wasserstein distance",
    Statistic.MISSING: "the missing share",
    Statistic.UNSEEN: "unseen values",
    Statistic.ALERTS: "the alert rate",
    Statistic.CHI_SQUARED: "chi-squared",
}


def plainly(statistics: Sequence[Statistic]) -> str:
    """Several statistics in a sentence: `PSI, the missing share and unseen values`."""
    words = [_PLAINLY[item] for item in dict.fromkeys(statistics)]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def limits_of(statistic: Statistic, *, watch: float, breach: float) -> Limits | None:
    """The limits of one monitor: its own for PSI, the usual ones for the others."""
    return Limits(watch=watch, breach=breach) if statistic is Statistic.PSI else DEFINITIONS[statistic].limits
