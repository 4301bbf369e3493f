"""Somebody is called when an error budget burns fast: one incident per model and urgency, until the fire is out.

A burn rate pages and makes tickets; it moves no traffic. A fault that is still burning when its incident was closed
does not call again before it has stopped in between.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError
from services.reliability.slo import BudgetView, Burn, Urgency
from services.rollout.release_ports import IncidentDesk

_SEVERITY = {Urgency.PAGE: 2, Urgency.TICKET: 3}

_log = logging.getLogger(__name__)


class BurnAlerts:
    def __init__(
        self,
        *,
        models: Callable[[], Iterable[str]],
        budget_of: Callable[[str], BudgetView | None],
        live: Callable[[str], str],
        incidents: IncidentDesk,
        clock: Clock,
    ) -> None:
        """`live`: the version that answers most of a model's requests; empty when none does."""
        self._models = models
        self._budget_of = budget_of
        self._live = live
        self._incidents = incidents
        self._clock = clock
        self._burning: dict[str, Urgency] = {}

    def run(self) -> int:
        """How many models burn their budget fast. A model whose figures cannot be read neither begins nor ends."""
        broken = list[ControlRoomError]()
        for model in self._models():
            try:
                self._look(model)
            except ControlRoomError as away:
                _log.warning("error budget not read", extra={"model": model, "reason": str(away)})
                broken.append(away)
        if broken:
            raise broken[0]
        return len(self._burning)

    def _look(self, model: str) -> None:
        view = self._budget_of(model)
        burn = _gravest(view) if view is not None else None
        if view is None or burn is None:
            self._burning.pop(model, None)
            return
        if self._burning.get(model) is burn.pair.urgency:
            return
        self._incidents.open_by_rule(
            key=f"burn:{model}:{burn.pair.urgency}",
            model=model,
            severity=_SEVERITY[burn.pair.urgency],
            title=f"{model}: the error budget burns fast",
            sentence=f"{burn.sentence} {view.sentence}",
            version=self._live(model),
            rule=f"burn-{burn.pair.factor:g}",
            measured=f"{burn.long_rate or 0.0:.1f}",
            detected_at=self._clock.now(),
        )
        self._burning[model] = burn.pair.urgency


def _gravest(view: BudgetView) -> Burn | None:
    return next((burn for burn in view.burns if burn.firing), None)
