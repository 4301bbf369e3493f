"""Performance expected from scores alone, before labels: confidence-based performance estimation (CBPE).

After the method of NannyML: scores are turned into probabilities with labels of an earlier time, and every prediction
then counts as that much of a positive and the rest of a negative. Only counts and sums per score bin are needed:

    expected positives in a bin = n * p(mean score of the bin),  expected negatives = n * (1 - p)

It assumes that the same score still means the same probability. When the meaning of the inputs changes (concept
drift), the estimate stays calm while the model fails; only labels can show that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.kernel.interval import Estimate
from services.monitoring.cubes import Known, Scores
from services.monitoring.metrics import MIDDLES, Metric, from_counts

Floats = NDArray[np.float64]

METHOD = "CBPE on 1,000 score bins"
ASSUMPTION = "Assumes no concept drift: a score still means the probability it meant when it was calibrated."
_LABELS = 200
"""With fewer labels a calibration is a guess."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreMap:
    """Probability by score: linear between the points of an isotonic fit over `n` labels."""

    x: Floats
    p: Floats
    n: int

    def probability(self, scores: Floats) -> Floats:
        return np.interp(scores, self.x, self.p)


def fitted(known: Known, *, means: Floats = MIDDLES) -> ScoreMap | None:
    """From labels of an earlier time; None with too few of them or only one kind."""
    positives, negatives = int(known.positives.sum()), int(known.negatives.sum())
    n = positives + negatives
    if n < _LABELS or not positives or not negatives:
        return None
    used = (known.positives + known.negatives) > 0
    x, p = isotonic(means[used], known.positives[used], (known.positives + known.negatives)[used])
    return ScoreMap(x=x, p=p, n=n)


def isotonic(x: Floats, hits: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Pool adjacent violators (Ayer et al. 1955): the closest shares that never fall as `x` rises."""
    blocks: list[tuple[float, float, int]] = []
    for hit, size in zip(hits.tolist(), sizes.tolist(), strict=True):
        blocks.append((hit, size, 1))
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last, before = blocks.pop(), blocks.pop()
            blocks.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    shares = np.array([hit / size for hit, size, _ in blocks])
    return x, np.repeat(shares, [width for _, _, width in blocks])


def estimate(metric: Metric, scores: Scores, score_map: ScoreMap, *, threshold: float) -> Estimate | None:
    """The metric expected of these predictions. The interval is that of sampling alone, as if labels were known."""
    means = scores.means
    probability = score_map.probability(means)
    return from_counts(
        metric,
        scores.counts * probability,
        scores.counts * (1 - probability),
        threshold=threshold,
        scores=means,
    )
