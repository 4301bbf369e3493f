"""Whether 95 % intervals hold the truth 93 to 97 times in a hundred: 1,000 repeats on rows whose truth is known.

The truth of a measure is its value on four million rows of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from services.evaluation.measures import fairness
from services.evaluation.measures.classification import intervals_classification, paired_classification
from services.evaluation.measures.models import Estimate, Floats
from services.evaluation.measures.regression import intervals_regression, paired_regression
from tests.benchmarks.inventory_rerun import Figure

REPEATS, ROWS, POPULATION = 1_000, 2_000, 4_000_000
THRESHOLD = 0.35
Estimates = Mapping[str, Estimate]
Study = Callable[[np.random.Generator, int], Estimates]


def measure(*, repeats: int = REPEATS, rows: int = ROWS) -> Iterator[Figure]:
    for title, study in STUDIES.items():
        for name, share in covered(study, repeats=repeats, rows=rows).items():
            note = f"{repeats:,} repeats of {rows:,} rows (bar 93 to 97 %)"
            yield Figure(f"coverage of 95 % intervals, {title}: {name}", 100 * share, "%", note)


def covered(study: Study, *, repeats: int, rows: int, population: int = POPULATION) -> dict[str, float]:
    """Share of the intervals that hold the truth, by measure; an interval that was not given holds nothing."""
    truth = study(np.random.default_rng(1), population)
    generator = np.random.default_rng(2)
    hits = dict.fromkeys(truth, 0)
    for _ in range(repeats):
        found = study(generator, rows)
        for name, true in truth.items():
            item = found[name]
            known = item.low is not None and item.high is not None and true.value is not None
            hits[name] += bool(known and item.low <= true.value <= item.high)
    return {name: count / repeats for name, count in hits.items()}


def single(generator: np.random.Generator, rows: int) -> Estimates:
    """A classifier whose scores are off, so that its calibration error is not zero."""
    label, score, _ = _classified(generator, rows)
    return intervals_classification(label, score, THRESHOLD)


def pair(generator: np.random.Generator, rows: int) -> Estimates:
    label, score, other = _classified(generator, rows)
    return paired_classification(label, score, other, THRESHOLD)


def regression(generator: np.random.Generator, rows: int) -> Estimates:
    label, prediction, _ = _amounts(generator, rows)
    return intervals_regression(label, prediction)


def regression_pair(generator: np.random.Generator, rows: int) -> Estimates:
    return paired_regression(*_amounts(generator, rows))


def groups(generator: np.random.Generator, rows: int) -> Estimates:
    label, score, _ = _classified(generator, rows)
    sex = generator.choice(["female", "male"], rows, p=[0.3, 0.7])
    found = fairness.compare(fairness.slices("sex", sex, label, score, THRESHOLD))
    errors = fairness.compare(fairness.slices("sex", sex, label, score, None))
    return {
        row["measure"]: Estimate(value=row["value"], low=row["low"], high=row["high"], method="")
        for row in (*found, *errors)
    }


STUDIES: dict[str, Study] = {
    "classifier": single,
    "two classifiers, same rows": pair,
    "regressor": regression,
    "two regressors, same rows": regression_pair,
    "groups": groups,
}


def _classified(generator: np.random.Generator, rows: int) -> tuple[Floats, Floats, Floats]:
    true = generator.beta(2, 4, rows)
    label = (generator.random(rows) < true).astype(float)
    return label, true**1.3, np.clip(true + generator.normal(0, 0.1, rows), 0.001, 0.999)


def _amounts(generator: np.random.Generator, rows: int) -> tuple[Floats, Floats, Floats]:
    label = generator.gamma(4, 50, rows)
    return label, label + generator.normal(3, 40, rows), label * generator.normal(1, 0.25, rows)
