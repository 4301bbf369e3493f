"""The checks of a run. Each takes the material of the run and gives what it adds to the report, or raises.

ScoringFailed and InputError become the state `error` of the check with their sentence; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable

from services.evaluation.harness.checks import files, groups, quality, stress
from services.evaluation.harness.material import Material
from services.evaluation.harness.models import CheckResult

CHECKS: dict[str, Callable[[Material], CheckResult]] = {
    "files": files.artifact,
    "signature": files.signature,
    "data": files.data,
    "performance": quality.performance,
    "claims": quality.claims,
    "champion": quality.champion,
    "calibration": quality.calibrated,
    "fairness": groups.fairness,
    "missing": stress.without_values,
    "noise": stress.disturbed,
    "latency": stress.latency,
    "stability": groups.stability,
    "leakage": groups.leakage,
    "reproducibility": stress.reproducible,
}
"""By the ids of the planner; `investigation` needs the verdict of the gates and is run apart."""
