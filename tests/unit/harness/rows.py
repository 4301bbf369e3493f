"""Seeded rows of a made-up triage: two numbers, one code, one group; the label depends on the numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

INPUTS = ("severity", "visits", "region")
ATTRIBUTE = "sex"


def rows(seed: int, n: int, *, until: str = "2030-01-20") -> pd.DataFrame:
    """Three weeks up to the day `until`, ordered by time."""
    random = np.random.default_rng(seed)
    severity = random.normal(0.0, 1.0, n)
    visits = random.gamma(2.0, 1.5, n)
    region = random.integers(0, 4, n)
    sex = random.integers(0, 2, n)
    chance = 1 / (1 + np.exp(-(1.6 * severity + 0.25 * (visits - 3.0) - 0.4)))
    days = np.sort(random.uniform(0.0, 20.9, n))
    return pd.DataFrame(
        {
            "severity": severity,
            "visits": np.where(random.uniform(size=n) < 0.05, np.nan, visits),
            "region": region.astype("float64"),
            "sex_code": sex.astype("float64"),
            "label": (random.uniform(size=n) < chance).astype("float64"),
            "event_at": pd.Timestamp(until, tz="UTC") - pd.to_timedelta(20.9 - days, unit="D"),
            ATTRIBUTE: np.where(sex == 1, "female", "male"),
        }
    )
