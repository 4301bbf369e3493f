"""Which checks are made for one version, and why: by tier, task, data, what the policy limits, and what went wrong.

Pure: the same situation gives the same plan. A check that is left out stays in the plan with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.evaluation.harness.models import Budget, Incident, Mode, Plan, PlannedCheck

CLASSIFICATION = "classification"
TITLES = {
    "files": "Files and serialisation",
    "signature": "Signature and schema",
    "data": "Held-out rows",
    "performance": "Performance",
    "claims": "What the run says about itself",
    "champion": "Against the live version",
    "calibration": "Calibration",
    "fairness": "Groups",
    "missing": "Missing values",
    "noise": "Small disturbances",
    "latency": "Response time",
    "stability": "Stability over time",
    "leakage": "Leakage and availability",
    "reproducibility": "Reproducibility",
    "investigation": "Investigation",
}
"""Every check, in the order in which they are made: cheap ones that explain later faults come first."""

_STRESS_METRIC = {"missing": "robust_missing_drop", "noise": "robust_noise_drop"}
_BUDGETS = {1: Budget(steps=12, seconds=60.0), 2: Budget(steps=8, seconds=40.0), 3: Budget(steps=5, seconds=20.0)}
_ASK_MODEL = frozenset({"missing", "noise", "latency", "reproducibility"})
_REQUESTS = {"realtime": 100}
_REQUESTS_BATCH = 40
_ROWS_PERTURBED = {1: 2_000, 2: 1_500, 3: 1_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known before anything is measured."""

    tier: int
    task: str
    kind: str
    """`realtime`, `batch` or `vendor`."""
    mode: Mode
    mode_reason: str = ""
    """Why there is no model to measure with, in words."""
    champion: str | None = None
    has_times: bool = False
    attributes: tuple[str, ...] = ()
    tagged: tuple[str, ...] = ()
    """Inputs tagged as personal that have few values, so that they divide the rows into groups."""
    claims: int = 0
    """Measures that the run logged about its held-out rows."""
    limited: frozenset[str] = frozenset()
    """Metrics that the policy sets a limit on."""
    demanded: frozenset[str] = frozenset()
    """Checks that the policy does not allow to be left out."""
    incidents: tuple[Incident, ...] = ()
    earlier: tuple[str, ...] = ()
    """What the gates refused at an earlier version, as `version 5: calibration-error`."""
    earlier_groups: frozenset[str] = frozenset()
    """Groups and metrics of the gates that refused it: calibration, latency, robust_missing_drop, ..."""
    p95_ms: float | None = None


def plan(situation: Situation) -> Plan:
    checks = tuple(_planned(check, situation) for check in TITLES)
    doubled = _incident(situation, "LATENCY") is not None or "latency" in situation.earlier_groups
    requests = _REQUESTS.get(situation.kind, _REQUESTS_BATCH)
    return Plan(
        checks=checks,
        budget=_BUDGETS[situation.tier],
        latency_requests=requests * 2 if doubled else requests,
        rows_perturbed=_ROWS_PERTURBED[situation.tier],
    )


def _planned(check: str, situation: Situation) -> PlannedCheck:
    out = _left_out(check, situation)
    reason = out or _REASONS[check](situation)
    return PlannedCheck(id=check, title=TITLES[check], reason=reason, skipped=bool(out))


def _left_out(check: str, at: Situation) -> str:
    """Why a check is not made, or empty."""
    if check in {"files", "investigation"}:
        return ""
    if at.mode is Mode.METRICS and check != "claims":
        return f"There is nothing to measure with. {at.mode_reason}".strip()
    if at.mode is Mode.PREDICTIONS and check in _ASK_MODEL | {"signature", "champion"}:
        return f"Only logged predictions can be measured. {at.mode_reason}".strip()
    return _not_needed(check, at)


def _not_needed(check: str, at: Situation) -> str:
    reasons = {
        "claims": (not at.claims, "The run logged no measures of its held-out rows."),
        "champion": (at.champion is None, "No other version is live, so there is nothing to compare with."),
        "calibration": (at.task != CLASSIFICATION, "A forecast is no probability; its bias is measured instead."),
        "fairness": (
            not at.attributes and not at.tagged,
            "The held-out rows carry no group, and no input tagged as personal divides them.",
        ),
        "stability": (not at.has_times, "The held-out rows carry no time."),
    }
    if check in _STRESS_METRIC:
        calm = "Tier 3 asks for no stress test, its policy limits none, and nothing of the kind went wrong before."
        return "" if _stress_reason(check, at) else calm
    applies, reason = reasons.get(check, (False, ""))
    return reason if applies else ""


def _stress_reason(check: str, at: Situation) -> str:
    if _STRESS_METRIC[check] in at.limited or check in at.demanded:
        return "The policy asks for it."
    data = _incident(at, "DATA") or _incident(at, "QUALITY")
    if data is not None:
        return f"It went wrong before: {data.words}"
    if _STRESS_METRIC[check] in at.earlier_groups:
        return f"An earlier version failed here ({', '.join(at.earlier)})."
    if at.tier < 3:
        return f"Tier {at.tier} models must hold when an input is " + ("absent." if check == "missing" else "inexact.")
    return ""


def _fairness_reason(at: Situation) -> str:
    words = [f"The held-out rows carry {_listed(at.attributes)}."] if at.attributes else []
    if at.tagged:
        words.append(f"Inputs tagged as personal divide them too: {_listed(at.tagged)}.")
    return " ".join(words)


def _latency_reason(at: Situation) -> str:
    incident = _incident(at, "LATENCY")
    if incident is not None:
        return f"Twice as many requests, because of what happened before: {incident.words}"
    if at.p95_ms is not None:
        return f"The use case promises {at.p95_ms:g} ms for 95 of 100 requests."
    return "No response time is promised; it is measured so that a change is seen."


def _performance_reason(at: Situation) -> str:
    failed = f" An earlier version was refused ({', '.join(at.earlier)})." if at.earlier else ""
    return f"Every decision about a {at.task} model starts with it.{failed}"


def _leakage_reason(_at: Situation) -> str:
    return "An input that knows the answer, or comes too late, makes every other figure worthless."


_REASONS: dict[str, Callable[[Situation], str]] = {
    "files": lambda _: "What would run code when loaded, and what it depends on, is known without loading it.",
    "signature": lambda _: "A caller can send only what the signature says.",
    "data": lambda _: "A figure is worth as much as the rows it was measured on.",
    "performance": _performance_reason,
    "claims": lambda at: f"The run logged {at.claims} measures; they are measured again and never believed.",
    "champion": lambda at: f"Version {at.champion} is live: both are measured on the same rows.",
    "calibration": lambda _: "Its score is read as a probability.",
    "fairness": _fairness_reason,
    "missing": lambda at: _stress_reason("missing", at),
    "noise": lambda at: _stress_reason("noise", at),
    "latency": _latency_reason,
    "stability": lambda _: "One figure over all days can hide a bad week.",
    "leakage": _leakage_reason,
    "reproducibility": lambda _: "The same files on the same rows must give the same scores.",
    "investigation": lambda at: (
        f"What fails a limit or looks wrong is followed for at most {_BUDGETS[at.tier].steps} steps and "
        f"{_BUDGETS[at.tier].seconds:.0f} seconds (tier {at.tier})."
    ),
}


def _incident(at: Situation, code: str) -> Incident | None:
    return next((item for item in at.incidents if item.code == code), None)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)
