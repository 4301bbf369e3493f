"""Follows what failed or looks wrong, step by step within a budget; every step says why it was taken and what it found.

Worst slice, since when, which input, which version brought it. It finds reasons and decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from services.evaluation.harness import rows as tables
from services.evaluation.harness.inquiry import About, Inquiry
from services.evaluation.harness.material import Material
from services.evaluation.harness.models import Budget
from services.evaluation.harness.ports import ScoringFailed
from services.evaluation.harness.trails import inputs, places, versions
from services.evaluation.harness.trails.common import Found
from services.kernel.errors import ControlRoomError


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    title: str
    because: str
    take: Callable[[], Found]


def investigate(
    material: Material, about: list[Inquiry], budget: Budget, *, clock: Callable[[], float] = time.monotonic
) -> list[dict[str, Any]]:
    """Each entry: step, because, did, found, seconds. The last one says when the budget ended it."""
    begun, taken = clock(), []
    waiting = [step for item in about for step in _steps(material, item)]
    for number, step in enumerate(waiting):
        spent = clock() - begun
        if number >= budget.steps or spent >= budget.seconds:
            what = f"{budget.steps} steps" if number >= budget.steps else f"{budget.seconds:.0f} seconds"
            left = len(waiting) - number
            taken.append(_entry("Stop", f"The budget of {what} is used up.", "", f"{left} steps were not taken.", 0.0))
            break
        started = clock()
        try:
            did, found = step.take()
        except (ScoringFailed, ControlRoomError) as failed:
            did, found = "Tried.", f"It could not be found out. {failed}"
        taken.append(_entry(step.title, step.because, did, found, clock() - started))
    return taken


def _steps(material: Material, item: Inquiry) -> Iterator[Step]:
    by_model = material.loaded is not None
    plans: dict[About, tuple[tuple[str, Callable[[], Found], bool], ...]] = {
        About.LEAKAGE: (
            ("Which input", lambda: inputs.which_leak(material), by_model),
            ("Which version brought it", lambda: versions.input_since(material), by_model),
        ),
        About.PERFORMANCE: (
            ("Which version brought it", lambda: versions.version(material, versions.main), by_model),
            ("Worst slice", lambda: places.worst(material, None), True),
            ("Since when", lambda: places.since_main(material), True),
            ("Which input", lambda: inputs.which_input(material), by_model),
        ),
        About.CALIBRATION: (
            ("Worst slice", lambda: places.worst(material, "gap"), True),
            ("Since when", lambda: places.since_gap(material), True),
            ("Which version brought it", lambda: versions.version(material, versions.gap), by_model),
        ),
        About.FAIRNESS: (
            ("Which version brought it", lambda: versions.group_version(material, item), by_model),
            ("Since when", lambda: places.since_group(material, item), True),
            ("Which input", lambda: inputs.group_input(material, item), by_model),
        ),
        About.STRESS: (("Which version brought it", lambda: versions.stress_version(material), by_model),),
        About.LATENCY: (("Which part is slow", lambda: _slow_part(material), by_model),),
        About.CLAIMS: (("Were other rows meant", lambda: _other_rows(material), True),),
    }
    for title, take, possible in plans[item.about]:
        if possible:
            yield Step(title=title, because=item.because, take=take)


def _slow_part(material: Material) -> Found:
    if material.loaded is None:
        raise ScoringFailed(material.mode_reason)
    requests = max(10, material.plan.latency_requests // 4)
    single = tables.taken(material.inputs, tables.evenly(material.rows.n, 1))
    began = time.perf_counter()
    for _ in range(requests):
        material.loaded.score(single)
    alone = (time.perf_counter() - began) / requests * 1000
    whole = material.metric("served_p50_ms") or 0.0
    where = "the model itself" if alone > whole / 2 else "reading the request and checking its schema"
    return (
        f"Asked the model directly {requests} times, without JSON.",
        f"{alone:.1f} ms of about {whole:.1f} ms: most of the time goes into {where}.",
    )


def _other_rows(material: Material) -> Found:
    logged, measured = material.logged.get("holdout_n"), float(material.rows.n)
    if logged is not None and logged != measured:
        return (
            "Compared the number of rows.",
            f"The run speaks of {logged:,.0f} rows, the logged file has {measured:,.0f}.",
        )
    return (
        "Compared the number of rows.",
        f"The run speaks of the same {measured:,.0f} rows: its figures are not those of these files.",
    )


def _entry(step: str, because: str, did: str, found: str, seconds: float) -> dict[str, Any]:
    return {"step": step, "because": because, "did": did, "found": found, "seconds": round(seconds, 3)}
