"""Forty numbers and ten categories of every awkward shape, seeded, as a recorded folder and one reference file."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST = date(2031, 3, 1)
NUMBERS, CATEGORIES = 40, (2, 3, 5, 8, 12, 20, 50, 100, 300, 900)


def prepare(folder: Path, *, reference_rows: int, rows: int, days: int) -> None:
    """Written once; a folder that carries the same sizes is used again."""
    mark = folder / "sizes.txt"
    sizes = f"{reference_rows} {rows} {days}"
    if mark.exists() and mark.read_text() == sizes:
        return
    (folder / "reference").mkdir(parents=True, exist_ok=True)
    _write(folder / "reference" / "m.parquet", np.random.default_rng(0), reference_rows, 0.0)
    for number in range(days):
        place = folder / "predictions" / "model=m" / f"date={FIRST + timedelta(days=number)}"
        place.mkdir(parents=True, exist_ok=True)
        _write(place / "part-0.parquet", np.random.default_rng(number + 1), rows // days, 0.05 + number / 100)
    mark.write_text(sizes)


def days_of(folder: Path) -> tuple[date, ...]:
    names = sorted(place.name for place in (folder / "predictions" / "model=m").iterdir())
    return tuple(date.fromisoformat(name.removeprefix("date=")) for name in names)


def _write(file: Path, random: np.random.Generator, rows: int, shift: float) -> None:
    columns: dict[str, Any] = {"role": pa.array(["live"] * rows).dictionary_encode()}
    for number in range(NUMBERS):
        columns[f"n{number:02d}"] = pa.array(_number(number, random, rows, shift), mask=random.random(rows) < 0.02)
    for number, many in enumerate(CATEGORIES):
        weights = 1 / np.arange(1, many + 1)
        chosen = random.choice(many, rows, p=weights / weights.sum())
        values = pa.array([f"v{n}" for n in range(many)])
        columns[f"c{number:02d}"] = pa.DictionaryArray.from_arrays(pa.array(chosen, pa.int32()), values)
    pq.write_table(pa.table(columns), file, compression="zstd", row_group_size=122_880)


def _number(number: int, random: np.random.Generator, rows: int, shift: float) -> Any:
    moved = shift if number % 4 == 0 else 0.0
    return [
        lambda: random.normal(moved, 1, rows),
        lambda: random.lognormal(moved, 1, rows),
        lambda: random.exponential(1 + moved, rows),
        lambda: random.uniform(moved, 1 + moved, rows),
        lambda: random.beta(2, 5 + moved, rows),
        lambda: random.poisson(0.5 + moved, rows) * random.exponential(1, rows),
        lambda: random.standard_t(3, rows) + moved,
        lambda: np.round(random.gamma(2 + moved, 20, rows), 0),
    ][number % 8]()
