"""One version of the history: fitted on what was known when it was made, measured on the rows right after.

A version sees only rows of earlier workspace days whose labels had arrived when it was made; the newest of them are
its holdout. Known times are compared in the calendar's own days, so the same versions come out whenever it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from services.adapters.local.estate import fitting, reports
from services.adapters.local.estate.calendar import ReplayCalendar
from services.adapters.local.estate.placed import PlacedCases, cases_of, timed
from services.adapters.local.estate.recipes import MODEL_PLANS, Learner, ModelPlan, Rule, VersionPlan
from services.evaluation.measures import calibration
from services.kernel.clock import require_utc


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A fitted version with what was measured on its holdout."""

    plan: VersionPlan
    model_plan: ModelPlan
    fitted: Any
    training: pd.DataFrame
    holdout: pd.DataFrame
    score: npt.NDArray[np.float64]
    metrics: dict[str, float]
    report: dict[str, Any]


def created_at(plan: VersionPlan, prepared_at: datetime) -> datetime:
    """When this version was made, in the workspace's calendar, UTC."""
    return ReplayCalendar(prepared_at=require_utc(prepared_at)).instant(plan.day, plan.at)


def train(plan: VersionPlan, *, scale: float = 1.0, champion: Trained | None = None) -> Trained:
    """Fits one version and measures it; `champion` is measured on the same holdout for comparison."""
    model_plan = MODEL_PLANS[plan.model]
    known, holdout = windows(cases_of(plan.model), plan, model_plan)
    training = (known if plan.keep is None else known.loc[plan.keep(known)]).tail(
        max(200, int(model_plan.train_rows * scale))
    )
    inputs = list(plan.inputs)
    if isinstance(plan.method, Rule):
        fitted = fitting.fit_rule(plan.method, training, training["label"])
    else:
        method = _smaller(plan.method, scale)
        fitted = fitting.fit_learner(method, model_plan.task, training[inputs], training["label"])
    manual = fitting.fit_rule(model_plan.manual, known, known["label"])
    score = fitting.predict(fitted, holdout[inputs])
    label = holdout["label"].to_numpy(dtype="float64")
    found = reports.measure(model_plan.task, label, score, model_plan.threshold)
    simple = reports.measure(model_plan.task, label, fitting.predict(manual, holdout), model_plan.threshold)
    metrics = {f"holdout_{name}": value for name, value in found.items()}
    metrics |= {f"baseline_{name}": value for name, value in simple.items()}
    return Trained(
        plan=plan,
        model_plan=model_plan,
        fitted=fitted,
        training=training,
        holdout=holdout,
        score=score,
        metrics=metrics,
        report=_report(plan, model_plan, holdout, score, champion),
    )


def windows(cases: PlacedCases, plan: VersionPlan, model_plan: ModelPlan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labelled rows known when the version was made: those before the holdout, and the holdout right after them."""
    rows = cases.rows
    made = pd.Timedelta(days=plan.day, hours=plan.at.hour, minutes=plan.at.minute)
    arrived = pd.to_timedelta(rows["day"], unit="D") + rows["clock"] + rows["waits"]
    known = rows.loc[(rows["day"] < plan.day) & rows["label"].notna() & (arrived <= made)]
    first_held_out = int(known["day"].max()) - model_plan.holdout_days + 1
    return known.loc[known["day"] < first_held_out], known.loc[known["day"] >= first_held_out]


def window_words(rows: pd.DataFrame, calendar: ReplayCalendar) -> str:
    """First and last day of the rows in the workspace's calendar: `2030-01-02 to 2030-02-03`."""
    ends = timed(rows.iloc[[0, -1]], calendar)["event_at"].dt.strftime("%Y-%m-%d")
    return f"{ends.iloc[0]} to {ends.iloc[1]}"


def _smaller(learner: Learner, scale: float) -> Learner:
    return learner if scale >= 1 else replace(learner, rounds=max(5, int(learner.rounds * scale)))


def _report(
    plan: VersionPlan,
    model_plan: ModelPlan,
    holdout: pd.DataFrame,
    score: npt.NDArray[np.float64],
    champion: Trained | None,
) -> dict[str, Any]:
    label = holdout["label"].to_numpy(dtype="float64")
    report: dict[str, Any] = {
        "format": reports.FORMAT,
        "task": str(model_plan.task),
        "unit": model_plan.unit,
        "threshold": model_plan.threshold,
        "slices": reports.slices(model_plan, holdout, label, score),
        "suspects": reports.suspects(holdout[list(plan.inputs)], label),
        "availability": reports.availability(model_plan, plan.inputs),
        "champion": None,
    }
    if model_plan.threshold is not None:
        report["reliability"] = calibration.reliability(label, score)
    if champion is not None:
        same_rows = fitting.predict(champion.fitted, holdout[list(champion.plan.inputs)])
        found = reports.measure(model_plan.task, label, same_rows, model_plan.threshold)
        report["champion"] = {
            "version": champion.plan.version,
            "metrics": {f"holdout_{name}": value for name, value in found.items()},
        }
    return report
