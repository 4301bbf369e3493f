"""The recorded public data as data frames, in true order. Origin, licences and columns: docs/data.md."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

DATA_FOLDER = Path(__file__).parent.parent / "data"


@cache
def flights() -> pd.DataFrame:
    """Every flight that left New York in 2013. `departs` is New York wall clock; delays are minutes, or missing."""
    return pd.read_parquet(DATA_FOLDER / "flights.parquet")


@cache
def weather() -> pd.DataFrame:
    """Hourly observations at the three airports; `observed` is New York wall clock."""
    return pd.read_parquet(DATA_FOLDER / "weather.parquet")


@cache
def planes() -> pd.DataFrame:
    """Year of construction and seats by tail number."""
    return pd.read_parquet(DATA_FOLDER / "planes.parquet").set_index("tailnum")


@cache
def visits() -> pd.DataFrame:
    """Person-years 1984 to 1988 with doctor visits and hospital days."""
    return pd.read_parquet(DATA_FOLDER / "visits.parquet")


@cache
def contacts() -> pd.DataFrame:
    """Person-years of a health insurance experiment; `year` counts a person's years from 1."""
    return pd.read_parquet(DATA_FOLDER / "contacts.parquet")
