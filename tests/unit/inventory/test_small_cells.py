"""Small cells counted in DuckDB agree with a count by hand in pandas, on any data and under any mask."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.adapters.warehouse.small_cells import DuckDbCells
from services.inventory.access import CLEAR, Mask, MaskKind
from services.inventory.guard import CellCount, Cells, K, facts, sets_of, worst
from services.kernel.errors import TelemetryUnavailableError
from tests.unit.monitoring.facts_on_disk import TODAY, write

BAND = Mask(kind=MaskKind.BAND, size="10")
TOP = Mask(kind=MaskKind.TOP, size="40")


def by_hand(frame: pd.DataFrame, masks: dict[str, Mask], names: tuple[str, ...]) -> tuple[int, int, int, int]:
    """Groups, groups below K, people in those, people in the smallest; the person is the entity."""
    seen = pd.DataFrame({name: frame[name].map(lambda value, mask=masks[name]: shown(value, mask)) for name in names})
    sizes = frame["entity"].groupby([seen[name] for name in names]).nunique()
    small = sizes[sizes < K]
    return len(sizes), len(small), int(small.sum()), int(sizes.min())


def shown(value: Any, mask: Mask) -> str:
    if pd.isna(value):
        return "missing"
    if mask.kind is MaskKind.BAND:
        return str(float(value) // 10)
    if mask.kind is MaskKind.TOP and float(value) >= 40:
        return "top"
    return str(value)


row = st.tuples(
    st.integers(0, 25),
    st.sampled_from([None, 25.0, 31.5, 39.0, 40.0, 44.0, -3.0]),
    st.sampled_from(["f", "m", "it's", 'a"b']),
    st.sampled_from([0.0, 1.0]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(row, min_size=1, max_size=80), st.sampled_from([CLEAR, BAND, TOP]))
def test_counts_agree_with_pandas(rows: list[tuple[int, float | None, str, float]], mask: Mask) -> None:
    frame = pd.DataFrame(rows, columns=["entity", "age", "se'x", "kids"]).assign(
        entity=lambda table: "member-" + table["entity"].astype(str),
        prediction_id=lambda table: [f"p{n}" for n in range(len(table))],
    )
    frame["age"] = frame["age"].astype("float64")
    masks = {"age": mask, "se'x": CLEAR, "kids": CLEAR}
    columns = tuple(masks.items())
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), "predictions", "m", TODAY, frame)
        people, counted = DuckDbCells(Path(folder)).count("m", columns, sets_of(columns), k=K)

    assert people == frame["entity"].nunique()
    assert [item.columns for item in counted] == list(sets_of(columns))
    for item in counted:
        found = (item.groups, item.groups_below, item.people_below, item.smallest)
        assert found == by_hand(frame, masks, item.columns), item.columns


def test_rows_from_before_serving_count_together_with_what_was_asked_later(tmp_path: Path) -> None:
    for source, day, person in (("features", date(2031, 1, 1), "a"), ("predictions", TODAY, "b")):
        frame = pd.DataFrame({"prediction_id": [person], "entity": [person], "age": [30.0]})
        write(tmp_path, source, "m", day, frame)

    people, (cells,) = DuckDbCells(tmp_path).count("m", (("age", CLEAR),), (("age",),), k=K)

    assert (people, cells.groups, cells.groups_below, cells.smallest) == (2, 1, 1, 2)


def test_a_hidden_column_makes_everybody_look_alike(tmp_path: Path) -> None:
    frame = pd.DataFrame({"prediction_id": list("abcdef"), "entity": list("abcdef"), "age": range(6)})
    write(tmp_path, "predictions", "m", TODAY, frame)

    _, (cells,) = DuckDbCells(tmp_path).count("m", (("age", Mask(kind=MaskKind.HIDE)),), (("age",),), k=K)

    assert (cells.groups, cells.groups_below) == (1, 0)


def test_nothing_recorded_or_a_missing_column_is_unavailable_never_zero(tmp_path: Path) -> None:
    with pytest.raises(TelemetryUnavailableError, match="recorded"):
        DuckDbCells(tmp_path).count("m", (("age", CLEAR),), (("age",),), k=K)
    write(tmp_path, "predictions", "m", TODAY, pd.DataFrame({"prediction_id": ["a"], "entity": ["a"]}))
    with pytest.raises(TelemetryUnavailableError, match="no column age"):
        DuckDbCells(tmp_path).count("m", (("age", CLEAR),), (("age",),), k=K)


def test_gate_gets_nothing_where_nothing_could_be_counted_and_the_worst_first_otherwise() -> None:
    calm = Cells(columns=("a",), groups=4, groups_below=0, people_below=0, smallest=9)
    bad = Cells(columns=("a", "b"), groups=9, groups_below=2, people_below=3, smallest=1)

    assert facts(CellCount(problem="No rows.")) is None
    assert facts(CellCount()) is None
    assert worst((calm, bad))[0] is bad


def test_combinations_are_every_one_two_and_three_columns_and_all_of_them() -> None:
    columns = tuple((name, CLEAR) for name in "abcde")

    found = sets_of(columns)

    assert len(found) == 5 + 10 + 10 + 1
    assert found[-1] == tuple("abcde")
    assert sets_of(()) == ()
