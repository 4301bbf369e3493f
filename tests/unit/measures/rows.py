"""Labelled rows made by Hypothesis and by a seed: ties, rare classes, constant scores."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from services.evaluation.measures.models import Floats

Rows = tuple[Floats, Floats]


@st.composite
def both_classes(draw: st.DrawFn, *, most: int = 60) -> Rows:
    """At least one row of each class; scores on a coarse grid, so that many are tied, or any number between 0 and 1."""
    n = draw(st.integers(2, most))
    one_score = draw(st.sampled_from([st.integers(0, 4).map(lambda step: step / 4), st.floats(0, 1)]))
    label = np.array([1, 0, *draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))], dtype=float)
    score = np.array(draw(st.lists(one_score, min_size=n, max_size=n)), dtype=float)
    return label, score


@st.composite
def amounts(draw: st.DrawFn) -> Rows:
    n = draw(st.integers(2, 60))
    one = st.floats(-1e4, 1e4).map(lambda value: round(value, 3))
    pick = st.lists(one, min_size=n, max_size=n)
    return np.array(draw(pick)), np.array(draw(pick))


def claims(n: int = 5_000, seed: int = 7) -> Rows:
    """Scores that are right on average."""
    generator = np.random.default_rng(seed)
    score = generator.beta(2, 5, n)
    return (generator.random(n) < score).astype(float), score
