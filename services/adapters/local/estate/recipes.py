"""How each version of the workspace's history is made: when, from which inputs and rows, with which method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from typing import Any

import pandas as pd

from services.adapters.local.estate.placed import FEATURES, WEATHER
from services.inventory.models import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Mean label per range of `column` (and per `group`), per unit of `times`."""

    column: str
    edges: tuple[float, ...]
    group: str = ""
    times: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """`kind`: `linear` or `boosted`; other fields are written to the run as parameters."""

    kind: str
    rounds: int = 60
    rate: float = 0.08
    leaves: int = 12
    leaf_rows: int = 60
    balanced: bool = False
    """Reweights the classes: finds more positives and ruins the probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPlan:
    """One version of the history: `day` is the workspace day of its creation (negative: before the replay)."""

    model: str
    version: str
    title: str
    day: int
    method: Rule | Learner
    inputs: tuple[str, ...]
    at: time = time(9, 30)
    keep: Callable[[pd.DataFrame], pd.Series] | None = None
    """Which training rows this version was given, or all."""
    flawed: bool = False
    """A version the gates must refuse: never the champion that later versions are compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """What is the same for all versions of a model. `manual` is the rule that people used before."""

    model: str
    task: Task
    unit: str
    manual: Rule
    holdout_days: int
    train_rows: int
    """At most this many of the newest known rows train a version."""
    threshold: float | None
    slices: tuple[tuple[str, Callable[[pd.DataFrame], pd.Series]], ...]
    unavailable: tuple[tuple[str, str], ...] = ()
    """Columns of the recorded data that are known only after the decision, and when."""


_DELAY = FEATURES["delay_claim_score"]
_CLAIMS = FEATURES["claims_triage"]
_PAYOUT = FEATURES["payout_forecast"]
_PLAN = FEATURES["plan_utilisation"]
_SCHEDULE = ("departure_minute", "weekday", "carrier", "origin", "distance", "scheduled_minutes")


def _without(names: tuple[str, ...], *dropped: str) -> tuple[str, ...]:
    return tuple(name for name in names if name not in dropped)


_LARGE_DESTINATIONS = frozenset(
    (
        *("ATL", "BNA", "BOS", "CLT", "DCA", "DEN", "DFW", "DTW", "FLL", "IAD", "IAH", "LAS", "LAX", "MCO", "MIA"),
        *("MSP", "ORD", "PBI", "RDU", "SFO", "SJU", "TPA"),
    )
)
"""Destinations with more than 5,000 flights from New York in 2013."""


def _destination(rows: pd.DataFrame) -> pd.Series:
    return rows["dest"].isin(_LARGE_DESTINATIONS).map({True: "large", False: "small"})


def _travel_day(rows: pd.DataFrame) -> pd.Series:
    return (rows["weekday"] >= 5).map({True: "weekend", False: "weekday"})


def _haul(rows: pd.DataFrame) -> pd.Series:
    bands = pd.cut(rows["distance"], [0, 500, 1500, 10_000], labels=["short", "medium", "long"])
    return bands.astype(str)


def _age(rows: pd.DataFrame) -> pd.Series:
    labels = ["under 18", "18-34", "35-49", "50 and over"]
    return pd.cut(rows["age"], [-1, 17.999, 34.999, 49.999, 200], labels=labels).astype(str)


def _named(column: str, names: dict[float, str]) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda rows: rows[column].map(names)


def _column(column: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda rows: rows[column].astype(str)


MODEL_PLANS: dict[str, ModelPlan] = {
    plan.model: plan
    for plan in (
        ModelPlan(
            model="delay_claim_score",
            task=Task.CLASSIFICATION,
            unit="probability",
            manual=Rule(column="distance", edges=(), group="origin"),
            holdout_days=8,
            train_rows=90_000,
            threshold=0.05,
            slices=(("destination", _destination), ("travel day", _travel_day)),
            unavailable=(("departure_delay", "known at departure, an hour after the decision"),),
        ),
        ModelPlan(
            model="claims_triage",
            task=Task.CLASSIFICATION,
            unit="probability",
            manual=Rule(column="age", edges=(50.0,)),
            holdout_days=20,
            train_rows=6_000,
            threshold=0.12,
            slices=(
                ("sex", _named("female", {0.0: "male", 1.0: "female"})),
                ("age", _age),
                ("employment", _named("self", {0.0: "not self-employed", 1.0: "self-employed"})),
            ),
        ),
        ModelPlan(
            model="payout_forecast",
            task=Task.REGRESSION,
            unit="USD per route and day",
            manual=Rule(column="flights", edges=()),
            holdout_days=10,
            train_rows=40_000,
            threshold=None,
            slices=(("origin", _column("origin")), ("haul", _haul)),
        ),
        ModelPlan(
            model="plan_utilisation",
            task=Task.REGRESSION,
            unit="visits per person and year",
            manual=Rule(column="age", edges=(18.0,)),
            holdout_days=35,
            train_rows=8_000,
            threshold=None,
            slices=(("sex", _column("sex")), ("black", _named("black", {0.0: "no", 1.0: "yes"})), ("age", _age)),
        ),
    )
}

VERSION_PLANS: tuple[VersionPlan, ...] = (
    VersionPlan(
        model="delay_claim_score",
        version="1",
        title="Rule: share of late arrivals by time of departure",
        day=-1,
        at=time(18),
        method=Rule(column="departure_minute", edges=(600.0, 780.0, 900.0, 1020.0, 1140.0)),
        inputs=("departure_minute",),
    ),
    VersionPlan(
        model="delay_claim_score",
        version="2",
        title="Logistic regression on schedule and weather",
        day=16,
        method=Learner(kind="linear"),
        inputs=(*_SCHEDULE, "route_late_28d", *WEATHER),
    ),
    VersionPlan(
        model="delay_claim_score",
        version="3",
        title="Boosted trees with recent delays of airport and carrier",
        day=36,
        method=Learner(kind="boosted"),
        inputs=_without(_DELAY, "dest"),
    ),
    VersionPlan(
        model="delay_claim_score",
        version="4",
        title="Boosted trees, retrained on the most recent months",
        day=161,
        method=Learner(kind="boosted", rounds=80),
        inputs=_without(_DELAY, "dest"),
    ),
    VersionPlan(
        model="delay_claim_score",
        version="5",
        title="Boosted trees with the departure delay, which is not known in time",
        day=173,
        method=Learner(kind="boosted"),
        inputs=(*_without(_DELAY, "dest"), "departure_delay"),
        flawed=True,
    ),
    VersionPlan(
        model="delay_claim_score",
        version="6",
        title="Boosted trees, retrained on the autumn",
        day=177,
        method=Learner(kind="boosted", rounds=80),
        inputs=_without(_DELAY, "dest"),
    ),
    VersionPlan(
        model="claims_triage",
        version="1",
        title="Rule: share of high use by visits of the year before",
        day=-3,
        method=Rule(column="prior_docvis", edges=(1.0, 2.0, 4.0, 7.0, 12.0)),
        inputs=("prior_docvis",),
    ),
    VersionPlan(
        model="claims_triage",
        version="2",
        title="Logistic regression on member facts and visits of the year before",
        day=20,
        method=Learner(kind="linear"),
        inputs=_without(_CLAIMS, "hhninc", "self"),
    ),
    VersionPlan(
        model="claims_triage",
        version="3",
        title="Boosted trees on member facts, visits and hospital days of the year before",
        day=80,
        method=Learner(kind="boosted", rounds=45, leaves=8, leaf_rows=40),
        inputs=_without(_CLAIMS, "hhninc"),
    ),
    VersionPlan(
        model="claims_triage",
        version="4",
        title="Boosted trees, retrained on two more cohorts; adds household income",
        day=162,
        method=Learner(kind="boosted", rounds=45, leaves=8, leaf_rows=40),
        inputs=_CLAIMS,
    ),
    VersionPlan(
        model="claims_triage",
        version="5",
        title="Boosted trees with reweighted classes: finds more, scores too high",
        day=173,
        method=Learner(kind="boosted", rounds=45, leaves=8, leaf_rows=40, balanced=True),
        inputs=_without(_CLAIMS, "hhninc"),
        flawed=True,
    ),
    VersionPlan(
        model="payout_forecast",
        version="1",
        title="Rule: average payout per flight by airport and distance",
        day=-3,
        method=Rule(column="distance", edges=(300.0, 700.0, 1200.0), group="origin", times="flights"),
        inputs=("distance", "origin", "flights"),
    ),
    VersionPlan(
        model="payout_forecast",
        version="2",
        title="Ridge regression on schedule and recent delays",
        day=12,
        method=Learner(kind="linear"),
        inputs=_without(_PAYOUT, *WEATHER),
    ),
    VersionPlan(
        model="payout_forecast",
        version="3",
        title="Boosted trees with weather before dawn",
        day=44,
        method=Learner(kind="boosted", rate=0.06, leaf_rows=120),
        inputs=_PAYOUT,
    ),
    VersionPlan(
        model="payout_forecast",
        version="4",
        title="Boosted trees, retrained after the summer",
        day=128,
        method=Learner(kind="boosted", rate=0.06, leaf_rows=120),
        inputs=_PAYOUT,
    ),
    VersionPlan(
        model="payout_forecast",
        version="5",
        title="Boosted trees trained on storm days only: forecasts too much",
        day=150,
        method=Learner(kind="boosted", rate=0.06, leaf_rows=120),
        inputs=_PAYOUT,
        keep=lambda rows: (rows["airport_late_24h"] > 0.15) | (rows["precip"] > 0),
        flawed=True,
    ),
    VersionPlan(
        model="payout_forecast",
        version="6",
        title="Boosted trees, retrained on the autumn",
        day=176,
        method=Learner(kind="boosted", rate=0.06, leaf_rows=120),
        inputs=_PAYOUT,
    ),
    VersionPlan(
        model="plan_utilisation",
        version="1",
        title="Rule: average visits by visits of the year before",
        day=-3,
        method=Rule(column="prior_visits", edges=(1.0, 2.0, 4.0, 7.0, 12.0, 20.0)),
        inputs=("prior_visits",),
    ),
    VersionPlan(
        model="plan_utilisation",
        version="2",
        title="Boosted trees on plan terms, health status and visits of the year before",
        day=40,
        method=Learner(kind="boosted", rounds=45, leaves=8, leaf_rows=40),
        inputs=_PLAN,
    ),
    VersionPlan(
        model="plan_utilisation",
        version="3",
        title="Linear regression on adults with many visits only",
        day=120,
        method=Learner(kind="linear"),
        inputs=_without(_PLAN, "prior_visits"),
        keep=lambda rows: (rows["child"] == 0) & (rows["prior_visits"] > 2),
        flawed=True,
    ),
)


def parameters_of(plan: VersionPlan) -> dict[str, Any]:
    """The method as run parameters."""
    if isinstance(plan.method, Rule):
        return {"method": "rule", "column": plan.method.column, "group": plan.method.group or "none"}
    learner = plan.method
    shared = {"method": learner.kind, "inputs": len(plan.inputs), "class_weight_balanced": learner.balanced}
    if learner.kind == "linear":
        return shared
    return shared | {
        "rounds": learner.rounds,
        "learning_rate": learner.rate,
        "max_leaf_nodes": learner.leaves,
        "min_samples_leaf": learner.leaf_rows,
    }
