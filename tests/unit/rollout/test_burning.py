"""A fast burn calls once per fire, with the urgency of the gravest pair; it moves no traffic."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.kernel.clock import FrozenClock
from services.kernel.errors import StorageUnavailableError
from services.reliability.slo import BudgetView, Objective, Served, budget
from services.rollout.burning import BurnAlerts
from tests.builders import MODEL, NOON

HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Desk:
    opened: list[dict[str, Any]] = field(default_factory=list)

    def open_by_rule(self, **said: Any) -> str:
        self.opened.append(said)
        return f"inc-{len(self.opened)}"

    def mitigated_by_action(self, action_id: str, *, at: datetime, seq: int | None, sentence: str) -> None: ...


@dataclass(slots=True)
class Figures:
    failing: float = 0.0
    away: bool = False

    def budget_of(self, model: str) -> BudgetView | None:
        if self.away:
            raise StorageUnavailableError("The database is locked.")
        slots = [
            Served(start=NOON - back * HOUR, length=HOUR, requests=1000, failed=round(1000 * self.failing))
            for back in range(1, 25)
        ]
        return budget(Objective(target=0.99), slots, NOON)


def an_alarm() -> tuple[BurnAlerts, Figures, Desk]:
    figures, desk = Figures(), Desk()
    alerts = BurnAlerts(
        models=lambda: (MODEL,),
        budget_of=figures.budget_of,
        live=lambda _model: "3",
        incidents=desk,
        clock=FrozenClock(NOON),
    )
    return alerts, figures, desk


def test_a_quiet_budget_calls_nobody() -> None:
    alerts, _, desk = an_alarm()
    assert alerts.run() == 0
    assert desk.opened == []


def test_a_fast_burn_pages_and_a_slow_one_makes_a_ticket() -> None:
    alerts, figures, desk = an_alarm()
    figures.failing = 0.04
    assert alerts.run() == 1
    figures.failing = 0.5
    alerts.run()
    assert [(item["severity"], item["version"]) for item in desk.opened] == [(3, "3"), (2, "3")]
    assert "budget" in desk.opened[0]["sentence"]


def test_the_same_fire_calls_once_and_a_new_one_calls_again() -> None:
    alerts, figures, desk = an_alarm()
    for failing in (0.5, 0.5, 0.5, 0.0, 0.5):
        figures.failing = failing
        alerts.run()
    assert len(desk.opened) == 2


def test_figures_that_cannot_be_read_neither_begin_nor_end_a_fire() -> None:
    alerts, figures, desk = an_alarm()
    figures.failing = 0.5
    alerts.run()
    figures.away = True
    try:
        alerts.run()
    except StorageUnavailableError:
        figures.away = False
    assert alerts.run() == 1
    assert len(desk.opened) == 1
