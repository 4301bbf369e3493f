"""Columns that are watched and cannot be compared: unknown in every window, with the reason and what to do. Pure.

Left out, they would leave the model green although nobody looks at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from services.kernel.health import Health
from services.monitoring.models import FeatureDrift, MonitoringConfig
from services.monitoring.profile import SCORE, Reference, Uncompared, WhyNot

_ANOTHER_WINDOW = "choose a reference window in which it has values, or take the column out of the monitor"
_NEXT = {
    WhyNot.NO_VALUE: f"Find out why it was empty, {_ANOTHER_WINDOW}.",
    WhyNot.SCATTERED: "Watch a coarser column in its place, such as a group or the first characters of a code, or take "
    "it out of the monitor.",
    WhyNot.NO_DISTRIBUTION: "Watch a number or a category that is derived from it, such as an age or an hour, or take "
    "it out of the monitor.",
    WhyNot.NO_COLUMN: f"Correct its name, {_ANOTHER_WINDOW}.",
}


def drift_of(item: Uncompared, config: MonitoringConfig, reference: Reference, days: Sequence[date]) -> FeatureDrift:
    """Unknown in each of the windows that the other columns have."""
    title = config.score_title if item.feature == SCORE else config.title(item.column)
    return FeatureDrift(
        feature=item.feature,
        title=title,
        kind="prediction" if item.feature == SCORE else _kind(item, config),
        state=Health.UNKNOWN,
        latest=None,
        series=(),
        sentence=f"{title} cannot be compared: {_why(item, reference)}",
        history=tuple((day, Health.UNKNOWN) for day in days),
        next_step=_NEXT[item.why],
    )


def _why(item: Uncompared, reference: Reference) -> str:
    rows = f"the {reference.rows:,} rows of the reference"
    return {
        WhyNot.NO_VALUE: f"in {rows} it is always missing or infinite.",
        WhyNot.SCATTERED: f"it has {item.values:,} different values in {rows}, and those that are common hold too "
        "few of them to tell one day from another.",
        WhyNot.NO_DISTRIBUTION: "it is neither a number nor a category.",
        WhyNot.NO_COLUMN: f"{rows} have no such column.",
    }[item.why]


def _kind(item: Uncompared, config: MonitoringConfig) -> str:
    told = next((kind for column, _, kind in config.features if column == item.column), "")
    return told or ("categorical" if item.why is WhyNot.SCATTERED else "numeric")
