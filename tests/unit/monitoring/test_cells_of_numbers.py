"""Cells of a number: computed where the edges allow it, searched where they do not, and always the same."""

from __future__ import annotations

import math
from itertools import pairwise

import duckdb
import numpy as np
import pytest
from sqlalchemy import Double, column

from services.adapters.warehouse.cells import edges_of
from services.adapters.warehouse.statements.dialects import compiled, duckdb_dialect
from services.adapters.warehouse.statements.numeric_cell import ABOVE, BELOW, NumericCell
from services.adapters.warehouse.statements.runs import PARTS, runs

RANDOM = np.random.default_rng(11)
SHAPES = {
    "normal": RANDOM.normal(0, 1, 4000),
    "far from zero": RANDOM.normal(1.7e9, 1e3, 4000),
    "large": RANDOM.lognormal(200, 30, 4000),
    "small": RANDOM.normal(0, 1e-200, 4000),
    "beside zero": RANDOM.exponential(1, 4000),
    "whole numbers": RANDOM.integers(0, 300, 4000).astype(float),
    "narrow": 1 + RANDOM.integers(0, 400, 4000) * math.ulp(1.0),
}


def laid(values: np.ndarray, atoms: tuple[float, ...] = ()) -> tuple[float, ...]:
    knots = np.quantile(values, [0.001, *(share / 10 for share in range(1, 10)), 0.999], method="inverted_cdf")
    return edges_of([float(knot) for knot in knots], list(atoms))


def as_before(values: np.ndarray) -> tuple[float, ...]:
    """Edges as references carry them that were stored before cells were computed."""
    knots = sorted({float(k) for k in np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf")})
    inner = [low + (high - low) * part / 8 for low, high in pairwise(knots) for part in range(1, 8)]
    return tuple(sorted({*knots, *inner}))


def keys(values: np.ndarray, edges: tuple[float, ...], counts: tuple[int, ...] = ()) -> list[int]:
    text = compiled(NumericCell(column("x", Double()), edges, counts), duckdb_dialect())
    with duckdb.connect() as connection:
        connection.register("given", {"place": np.arange(len(values)), "x": values})
        return [int(key) for (key,) in connection.execute(f"SELECT {text} FROM given ORDER BY place").fetchall()]


def around(edges: tuple[float, ...]) -> np.ndarray:
    """Every edge, its neighbours on both sides, and some numbers between."""
    found = np.array(edges)
    near = [found, np.nextafter(found, -np.inf), np.nextafter(found, np.inf), (found[:-1] + np.diff(found) / 3)]
    return np.concatenate(near)


@pytest.mark.parametrize("name", SHAPES)
def test_every_edge_and_its_neighbours_land_where_a_search_puts_them(name: str) -> None:
    edges = laid(SHAPES[name])
    values = np.concatenate([around(edges), SHAPES[name]])

    assert keys(values, edges) == np.searchsorted(edges, values, side="left").tolist()


@pytest.mark.parametrize("name", SHAPES)
def test_edges_of_references_stored_before_are_read_as_they_were_meant(name: str) -> None:
    edges = as_before(SHAPES[name])
    values = around(edges)

    assert keys(values, edges) == np.searchsorted(edges, values, side="left").tolist()


def test_counts_of_the_reference_change_the_tree_and_no_answer() -> None:
    edges = laid(SHAPES["normal"])
    weights = tuple(int(n) for n in RANDOM.integers(0, 1000, len(edges) + 3))
    values = around(edges)

    assert keys(values, edges, weights) == keys(values, edges)


@pytest.mark.parametrize("name", ["normal", "far from zero", "large", "small", "beside zero"])
def test_between_all_knots_of_a_plain_number_cells_are_computed(name: str) -> None:
    computed = [run for run in runs(laid(SHAPES[name])) if run.slope]

    assert len(computed) == 10
    assert all(run.last - run.first + 1 == PARTS for run in computed)


def test_a_heavy_value_keeps_a_cell_of_its_own_and_the_rest_is_still_computed() -> None:
    values = np.where(RANDOM.random(4000) < 0.35, 0.0, RANDOM.exponential(1, 4000))
    edges = laid(values, (0.0,))

    assert keys(np.array([-1e-300, 0.0, 5e-324]), edges) == [0, 1, 2]
    assert sum(bool(run.slope) for run in runs(edges)) == 7


def test_infinities_are_told_apart_and_nan_and_missing_come_last() -> None:
    edges = laid(SHAPES["normal"])
    with duckdb.connect() as connection:
        text = compiled(NumericCell(column("x", Double()), edges), duckdb_dialect())
        given = "(VALUES ('inf'::DOUBLE), ('-inf'::DOUBLE), ('nan'::DOUBLE), (NULL), (1.7e308), (-1.7e308)) AS t(x)"
        found = [key for (key,) in connection.execute(f"SELECT {text} FROM {given}").fetchall()]

    assert found == [ABOVE, BELOW, len(edges) + 1, len(edges) + 2, len(edges), 0]
