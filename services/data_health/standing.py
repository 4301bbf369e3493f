"""The last word on every rule of a table, and since when it stands. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.data_health.models import HealthDay, RuleKind, RuleResult, Standing
from services.kernel.health import Health


def standings(days: Sequence[HealthDay], kinds: Sequence[RuleKind]) -> tuple[Standing, ...]:
    """One per rule in force. `days` ordered by day; days of which a rule says nothing yet are passed over."""
    found = []
    for kind in kinds:
        said = [(day, result) for day in days if (result := day.result(kind)) is not None and _counts(result)]
        if not said:
            # Nothing was ever judged: the newest word, which is unknown, is the honest one.
            said = [(day, result) for day in days if (result := day.result(kind)) is not None][-1:]
        if said:
            last_day, last = said[-1]
            since = last_day.day
            for day, result in reversed(said):
                if result.state is not last.state:
                    break
                since = day.day
            found.append(Standing(result=last, day=last_day.day, since=since))
    return tuple(found)


def _counts(result: RuleResult) -> bool:
    """Settled, and not merely silent for want of rows: freshness and volume speak about days without rows, too."""
    silent = result.state is Health.UNKNOWN and result.n == 0
    return result.settled and not silent
