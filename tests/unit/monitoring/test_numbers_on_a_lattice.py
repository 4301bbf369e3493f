"""Numbers counted by the points of a lattice first: every value in the cell where a search of the edges puts it."""

from __future__ import annotations

import math
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Double, Integer, column

from services.adapters.warehouse import day_counts
from services.adapters.warehouse import duckdb as duckdb_adapter
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.adapters.warehouse.statements.dialects import compiled, duckdb_dialect
from services.adapters.warehouse.statements.lattice import CellOfKey, Lattice, every_key, laid, lattice_of
from services.monitoring.profile import DayProfile, Reference
from tests.unit.monitoring.facts_on_disk import predictions, write, write_reference

RANDOM = np.random.default_rng(12)
SHARES = (0.001, *(share / 10 for share in range(1, 10)), 0.999)
MANY = 270_000
"""So many rows that deciles are read off some of them."""
FIRST = date(2031, 3, 1)
SHAPES: dict[str, tuple[np.ndarray, tuple[float, ...]]] = {
    "around zero": (RANDOM.normal(0, 1, 5000), ()),
    "long tail": (RANDOM.lognormal(0, 1, 5000), ()),
    "long tail below": (-RANDOM.lognormal(0, 1, 5000), ()),
    "far from zero": (RANDOM.normal(1013, 10, 5000), ()),
    "very far": (RANDOM.normal(1.7e9, 1e5, 5000), ()),
    "large": (RANDOM.lognormal(10, 0.5, 5000), ()),
    "small": (RANDOM.normal(0, 1e-12, 5000), ()),
    "heavy values": (np.round(RANDOM.gamma(2, 20, 5000)), (10.0, 20.0)),
    "many zeros": (np.where(RANDOM.random(5000) < 0.45, 0.0, 0.1 + RANDOM.exponential(1, 5000)), (0.0,)),
}


def on_lattice(name: str) -> tuple[tuple[float, ...], Lattice]:
    values, atoms = SHAPES[name]
    found = laid(np.quantile(values, SHARES, method="inverted_cdf").tolist(), atoms)
    assert found is not None
    lattice = lattice_of(found[0])
    assert lattice is not None
    return found[0], lattice


def cells(values: np.ndarray, lattice: Lattice) -> list[int]:
    key = compiled(every_key(column("x", Double()), lattice), duckdb_dialect())
    cell = compiled(CellOfKey(column("k", Integer()), lattice), duckdb_dialect())
    given = pa.table({"place": np.arange(len(values)), "x": pa.array(values, from_pandas=False)})
    with duckdb.connect() as connection:
        connection.register("given", given)
        asked = f"SELECT {cell} FROM (SELECT place, {key} AS k FROM given) ORDER BY place"
        return [int(found) for (found,) in connection.execute(asked).fetchall()]


@pytest.mark.parametrize("name", SHAPES)
def test_every_edge_its_neighbours_and_the_ends_of_reach_land_where_a_search_puts_them(name: str) -> None:
    edges, lattice = on_lattice(name)
    found, ends = np.array(edges), np.array([-math.inf, math.inf, 1.7e308, -1.7e308, *lattice.reach, 0.0, -0.0])
    near = [found, np.nextafter(found, -np.inf), np.nextafter(found, np.inf), SHAPES[name][0] * 900]
    values = np.concatenate([SHAPES[name][0], *near, ends, np.nextafter(ends, -np.inf), np.nextafter(ends, np.inf)])

    assert cells(values, lattice) == np.searchsorted(found, values, side="left").tolist()


@pytest.mark.parametrize("name", SHAPES)
def test_a_row_is_rounded_twice_only_where_a_heavy_value_has_a_cell_of_its_own(name: str) -> None:
    edges, lattice = on_lattice(name)
    atoms = SHAPES[name][1]

    assert lattice.stepped is not bool(atoms)
    for atom in atoms:
        at = {place for place, edge in enumerate(edges) if edge in {math.nextafter(atom, -math.inf), atom}}
        assert len({lattice.ends[place] for place in at}) == 2


@pytest.mark.parametrize("name", SHAPES)
def test_deciles_moved_to_the_lattice_are_off_by_a_sixteenth_of_their_rows_at_most(name: str) -> None:
    values, atoms = SHAPES[name]
    knots = np.quantile(values, SHARES, method="inverted_cdf")

    found = laid(knots.tolist(), atoms)

    assert found is not None
    edges, moved = found
    assert set(moved) <= set(edges)
    assert all(math.nextafter(atom, -math.inf) in edges and atom in edges for atom in atoms)
    # A heavy value belongs to one decile or the next as a whole, wherever the edge lies.
    heaviest = max([0.0, *(float((values == value).mean()) for value in np.unique(values))])
    off = [float((values <= new).mean() - (values <= old).mean()) for old, new in zip(knots, moved, strict=True)]
    assert min(off) >= 0
    assert max(off) <= 0.1 / 16 + 0.004 + (heaviest if heaviest > 0.001 else 0.0)


def test_nan_and_missing_have_cells_of_their_own() -> None:
    edges, lattice = on_lattice("around zero")
    key = compiled(every_key(column("x", Double()), lattice), duckdb_dialect())
    cell = compiled(CellOfKey(column("k", Integer()), lattice), duckdb_dialect())
    with duckdb.connect() as connection:
        given = "(VALUES (1, 'nan'::DOUBLE), (2, NULL)) AS t(place, x)"
        asked = f"SELECT {cell} FROM (SELECT place, {key} AS k FROM {given}) ORDER BY place"
        found = [place for (place,) in connection.execute(asked).fetchall()]

    assert found == [len(edges) + 1, len(edges) + 2]


@pytest.mark.parametrize(
    "edges",
    [
        tuple(sorted(RANDOM.normal(0, 1, 81).tolist())),
        (0.1, 0.2, 0.3),
        (0.0, 1e-9, 1.0),
        (1e300, 2e300),
        (-2.5, 0.5, sys.float_info.max),
        (-5e-324, 0.0, 0.35),
        (),
    ],
)
def test_other_edges_lie_on_no_lattice(edges: tuple[float, ...]) -> None:
    assert lattice_of(edges) is None


@pytest.mark.parametrize(
    "knots",
    [
        (1.0,),
        (5e-324, 1e-323, 1.5e-323),
        (-1e-300, 5e-324, 1e-300),
        (0.0, 5e-324, 1.0),
        (-sys.float_info.max, 0.0, sys.float_info.max),
        (1e307, sys.float_info.max),
    ],
)
def test_extreme_knots_are_laid_on_no_lattice(knots: tuple[float, ...]) -> None:
    assert laid(knots, (), (0.5,)) is None


def test_a_threshold_that_lies_on_no_lattice_is_still_an_edge(tmp_path: Path) -> None:
    write_reference(tmp_path, "m", pd.DataFrame({"score": RANDOM.random(MANY)}))
    facts = DuckDbMonitoringFacts(tmp_path)

    found = [facts.fit_reference("m", "d", threshold=threshold) for threshold in (0.35, 0.5)]

    for reference, threshold, quick in zip(found, (0.35, 0.5), (False, True), strict=True):
        assert reference is not None
        [score] = reference.features
        assert math.nextafter(threshold, -math.inf) in score.edges
        assert (lattice_of(score.edges) is not None) is quick


def inputs(n: int, seed: int, *, odd: bool) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    normal, tail = random.normal(0, 1, n), random.lognormal(0, 1, n)
    if odd:
        normal[:5] = [math.nan, math.inf, -math.inf, 1e9, -1e9]
        tail[:2] = [1e6, math.inf]
    zeros = np.where(random.random(n) < 0.45, 0.0, 0.1 + random.exponential(1, n))
    frame = pd.DataFrame({"normal": normal, "tail": tail, "zeros": zeros, "money": np.round(random.gamma(2, 20, n))})
    return frame.assign(origin=random.choice(["EWR", "JFK"], n))


def a_day(folder: Path, day: date, frame: pd.DataFrame, *, role: str = "live", name: str = "part-0") -> None:
    """Written through Arrow: pandas would store NaN as a missing value. Every 23rd number is missing."""
    file = write(folder, "predictions", "m", day, predictions(day, frame, np.zeros(len(frame)), role=role), name=name)
    table = pq.read_table(file, partitioning=None)
    for place, field in enumerate(table.schema.names):
        if field in frame and field != "origin":
            numbers = pa.array(frame[field].to_numpy(), mask=np.arange(len(frame)) % 23 == 22, from_pandas=False)
            table = table.set_column(place, field, numbers)
    pq.write_table(table, file)


def reference_for(folder: Path) -> tuple[DuckDbMonitoringFacts, Reference]:
    write_reference(folder, "m", inputs(MANY, 1, odd=False))
    facts = DuckDbMonitoringFacts(folder)
    reference = facts.fit_reference("m", "d")
    assert reference is not None
    return facts, reference


def by_feature(profiles: tuple[DayProfile, ...], day: date) -> dict[str, DayProfile]:
    return {one.feature: one for one in profiles if one.day == day and not one.slice_key}


@pytest.mark.parametrize("odd", [False, True])
def test_a_day_counts_what_its_rows_say(tmp_path: Path, odd: bool) -> None:
    facts, reference = reference_for(tmp_path)
    rows = inputs(3000, 2, odd=odd)
    a_day(tmp_path, FIRST, rows)

    found = by_feature(facts.profile(reference, (FIRST,)), FIRST)

    assert set(found) == {"normal", "tail", "zeros", "money", "origin"}
    for name in ("normal", "tail", "zeros", "money"):
        feature = reference.feature(name)
        assert feature is not None
        assert lattice_of(feature.edges) is not None, name
        values = rows[name].to_numpy()[np.arange(len(rows)) % 23 != 22]
        numbers = values[~np.isnan(values)]
        at = np.searchsorted(np.array(feature.edges), numbers, side="left")
        counts = np.bincount(at, minlength=len(feature.edges) + 1)
        finite = np.where(np.isinf(numbers), 0.0, numbers)
        assert found[name].counts.tolist() == [*counts, np.isnan(values).sum(), len(rows) - len(values)], name
        sums = np.bincount(at, weights=finite, minlength=len(feature.edges) + 1)
        np.testing.assert_allclose(found[name].sums[:-2], sums, rtol=1e-12, atol=1e-9)


def test_exact_deciles_of_a_smaller_reference_are_not_moved(tmp_path: Path) -> None:
    frame = inputs(4000, 1, odd=False)
    write_reference(tmp_path, "m", frame)

    reference = DuckDbMonitoringFacts(tmp_path).fit_reference("m", "d")

    assert reference is not None
    feature = reference.feature("normal")
    assert feature is not None
    exact = np.quantile(frame["normal"], SHARES[1:-1], method="inverted_cdf")
    assert feature.deciles == tuple(exact.tolist())
    assert lattice_of(feature.edges) is None


def test_days_together_and_each_day_alone_give_the_same(tmp_path: Path) -> None:
    facts, reference = reference_for(tmp_path)
    days = tuple(FIRST + timedelta(days=number) for number in range(3))
    for number, day in enumerate(days):
        a_day(tmp_path, day, inputs(900, number + 5, odd=number == 1))

    together, alone = facts.profile(reference, days), [facts.profile(reference, (day,)) for day in days]

    for day, profiles in zip(days, alone, strict=True):
        one, other = by_feature(together, day), by_feature(profiles, day)
        assert one.keys() == other.keys()
        for name, profile in one.items():
            assert profile.counts.tolist() == other[name].counts.tolist(), (day, name)
            np.testing.assert_allclose(profile.sums, other[name].sums, rtol=1e-12, atol=1e-9)


def test_words_nobody_knew_and_missing_ones_are_counted_apart(tmp_path: Path) -> None:
    facts, reference = reference_for(tmp_path)
    frame = inputs(400, 7, odd=False)
    frame.loc[:9, "origin"] = None
    frame.loc[10:29, "origin"] = [f"new {number % 7}" for number in range(20)]
    frame.loc[30:34, "origin"] = ""
    a_day(tmp_path, FIRST, frame)

    [found] = [one for one in facts.profile(reference, (FIRST,)) if one.feature == "origin"]

    feature = reference.feature("origin")
    assert feature is not None
    told = frame["origin"].value_counts()
    known = [int(told[value]) for value in feature.values]  # noqa: PD011 - of the reference, no frame
    assert found.counts.tolist() == [*known, 25, 10]
    assert not found.sums.any()


def test_a_day_of_one_row_between_large_days_is_counted_as_if_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files are copied and large ones are not, days of few rows are asked together and others alone."""
    facts, reference = reference_for(tmp_path)
    sizes = (3000, 1, 4000, 2)
    days = tuple(FIRST + timedelta(days=number) for number in range(len(sizes)))
    for number, (day, size) in enumerate(zip(days, sizes, strict=True)):
        a_day(tmp_path, day, inputs(size, number + 5, odd=False))
    usual = facts.profile(reference, days)
    monkeypatch.setattr(duckdb_adapter, "_SMALL_BYTES", 40_000)
    monkeypatch.setattr(day_counts, "_WORTH_ALONE", 1000)

    found = facts.profile(reference, days)

    assert {(one.day, one.feature): one.counts.tolist() for one in found} == {
        (one.day, one.feature): one.counts.tolist() for one in usual
    }
    assert {day: int(by_feature(found, day)["normal"].counts.sum()) for day in days} == dict(
        zip(days, sizes, strict=True)
    )


def test_only_live_rows_count_whether_the_footer_says_so_or_every_row_is_asked(tmp_path: Path) -> None:
    facts, reference = reference_for(tmp_path)
    live, mirror = inputs(500, 3, odd=False), inputs(400, 4, odd=False)
    a_day(tmp_path, FIRST, live)
    mixed = FIRST + timedelta(days=1)
    a_day(tmp_path, mixed, live, name="live")
    a_day(tmp_path, mixed, mirror, role="mirror", name="mirror")
    both = FIRST + timedelta(days=2)
    frame = pd.concat([predictions(both, live, np.zeros(500)), predictions(both, mirror, np.zeros(400), role="zzz")])
    write(tmp_path, "predictions", "m", both, frame)

    found = facts.profile(reference, (FIRST, mixed, both))

    assert {(one.day, int(one.counts.sum())) for one in found} == {(FIRST, 500), (mixed, 500), (both, 500)}


def test_a_day_without_live_rows_has_no_profile(tmp_path: Path) -> None:
    facts, reference = reference_for(tmp_path)
    a_day(tmp_path, FIRST, inputs(50, 3, odd=False), role="mirror")

    assert facts.profile(reference, (FIRST,)) == ()
