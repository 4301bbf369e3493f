"""Estimated performance beside NannyML's CBPE, on the data that NannyML carries: `python -m
tests.benchmarks.cbpe_against_nannyml PEERS_PYTHON`, where that interpreter has nannyml 0.13 installed.

NannyML reads rows; ours are counts and sums in 1,000 score bins. Prints one row per data set and metric: the largest
difference over all chunks, and the mean distance of either estimate from what labels showed later.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.monitoring.cubes import Known, Scores
from services.monitoring.estimated import estimate, fitted
from services.monitoring.metrics import Metric
from services.monitoring.profile import SCORE_BINS

PEER = """
import json, sys, warnings
warnings.filterwarnings('ignore')
import numpy as np, nannyml as nml
from nannyml.datasets import load_synthetic_car_loan_dataset, load_us_census_ma_employment_data
from sklearn import metrics as sk
folder = sys.argv[1]
SETS = {
    'census employment': (load_us_census_ma_employment_data, 'predicted_probability', 'prediction', 'employed'),
    'car loan': (load_synthetic_car_loan_dataset, 'y_pred_proba', 'y_pred', 'repaid'),
}
NAMES = ['roc_auc', 'f1', 'accuracy', 'precision', 'recall']
out = {}
for name, (load, score, choice, truth) in SETS.items():
    reference, analysis, targets = load()
    if truth not in analysis.columns:
        analysis = analysis.merge(targets, on='id') if 'id' in targets.columns else analysis.join(targets)
    cbpe = nml.CBPE(y_pred_proba=score, y_pred=choice, y_true=truth, metrics=NAMES, chunk_size=5000,
                    problem_type='classification_binary').fit(reference)
    found = cbpe.estimate(analysis).filter(period='analysis').to_df()
    size = 5000
    starts = found[('chunk', 'start_index')].tolist(); ends = found[('chunk', 'end_index')].tolist()
    cut = float(reference.loc[reference[choice] == 1, score].min())
    np.savez(f'{folder}/{name}.npz', reference=reference[score], truth=reference[truth], analysis=analysis[score],
             later=analysis[truth], choice=analysis[choice])
    out[name] = {'starts': starts, 'ends': ends, 'cut': cut, 'calibrated': bool(cbpe.needs_calibration),
                 'values': {metric: found[(metric, 'value')].tolist() for metric in NAMES}}
    realised = {metric: [] for metric in NAMES}
    for start, end in zip(starts, ends):
        part = analysis.iloc[start:end + 1]
        y, c, s = part[truth], part[choice], part[score]
        realised['roc_auc'].append(sk.roc_auc_score(y, s)); realised['f1'].append(sk.f1_score(y, c))
        realised['accuracy'].append(sk.accuracy_score(y, c)); realised['precision'].append(sk.precision_score(y, c))
        realised['recall'].append(sk.recall_score(y, c))
    out[name]['realised'] = realised
print(json.dumps(out))
"""
METRICS = {
    "roc_auc": Metric.AUC,
    "f1": Metric.F1,
    "accuracy": Metric.ACCURACY,
    "precision": Metric.PRECISION,
    "recall": Metric.RECALL,
}


def binned(scores: np.ndarray) -> Scores:
    bins = np.clip(np.floor(scores * SCORE_BINS).astype(int), 0, SCORE_BINS - 1)
    return Scores(
        predicted=len(scores),
        unscored=0,
        counts=np.bincount(bins, minlength=SCORE_BINS),
        sums=np.bincount(bins, weights=scores, minlength=SCORE_BINS),
    )


def labelled(scores: np.ndarray, truth: np.ndarray) -> Known:
    positives, negatives = binned(scores[truth == 1]).counts, binned(scores[truth == 0]).counts
    error = scores - truth
    return Known(
        labelled=len(truth),
        n=len(truth),
        positives=positives,
        negatives=negatives,
        error=float(error.sum()),
        absolute=float(np.abs(error).sum()),
        square=float((error**2).sum()),
        fourth=float((error**4).sum()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Estimates of one metric over all chunks: largest difference, and mean distances from what labels showed."""

    data: str
    metric: str
    chunks: int
    threshold: float
    calibrated: bool
    difference: float
    off: float
    peer_off: float


def figures(peers_python: str) -> list[Beside]:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([peers_python, "-c", PEER, folder], capture_output=True, text=True, check=True)
        answers = json.loads(done.stdout.strip().splitlines()[-1])
        return [row for name, answer in answers.items() for row in _compared(name, answer, Path(folder))]


def _compared(name: str, answer: dict[str, Any], folder: Path) -> list[Beside]:
    data = np.load(folder / f"{name}.npz")
    reference = data["reference"].astype(float)
    score_map = fitted(labelled(reference, data["truth"].astype(float)), means=binned(reference).means)
    assert score_map is not None
    spans = list(zip(answer["starts"], answer["ends"], strict=True))
    rows = []
    for theirs, metric in METRICS.items():
        ours = []
        for start, end in spans:
            scores = binned(data["analysis"][start : end + 1].astype(float))
            found = estimate(metric, scores, score_map, threshold=answer["cut"])
            assert found is not None
            ours.append(found.value)
        peer, real = np.array(answer["values"][theirs]), np.array(answer["realised"][theirs])
        rows.append(
            Beside(
                data=name,
                metric=theirs,
                chunks=len(spans),
                threshold=answer["cut"],
                calibrated=answer["calibrated"],
                difference=float(np.max(np.abs(np.array(ours) - peer))),
                off=float(np.mean(np.abs(np.array(ours) - real))),
                peer_off=float(np.mean(np.abs(peer - real))),
            )
        )
    return rows


if __name__ == "__main__":
    for row in figures(sys.argv[1]):
        print(json.dumps(asdict(row)))
