"""What the drift screen is asked for. All of it stands in the address, so a link shows the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import streamlit as st

from pages.components import address
from pages.components.format import plural, short_day, visible
from pages.components.format import version as version_words
from services.monitoring.definitions import DEFINITIONS, Statistic, Versus
from services.monitoring.models import FeatureDrift
from services.monitoring.monitor_rules import LONGEST_WINDOW
from services.monitoring.versions import ServedVersion

RANGES = (30, 90, 180, 365)
EVERYTHING = "Everything"
_JUDGED = [item for item in Statistic if DEFINITIONS[item].limits is not None]
_VERSUS = {Versus.REFERENCE: "Reference", Versus.PREVIOUS: "Previous window"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    statistic: Statistic
    versus: Versus
    slice_key: str
    days: int
    window_days: int
    usual_days: int = 7
    """Of the window that the monitor judges by."""
    version: str = ""
    """The predictions of one version alone; empty for all of them."""

    @property
    def against(self) -> str:
        return "reference" if self.versus is Versus.REFERENCE else f"the {plural(self.window_days, 'day')} before"

    @property
    def key(self) -> str:
        """Names a reading of this choice."""
        return f"{self.statistic}-{self.versus}-{self.slice_key}-{self.days}-{self.window_days}-{self.version}"

    @property
    def part(self) -> str:
        """Which predictions are looked at, in words; empty for all."""
        return version_words(self.version) if self.version else self.slice_key


def chosen(slice_keys: Sequence[str], windows: Sequence[int], versions: Sequence[ServedVersion]) -> Choice:
    """The reading of the address; an unknown value gives the default and a notice.

    Slices are counted over all versions together, so a chosen version goes before a slice.
    `windows` are the lengths that the monitor names, the one it judges by first. An address may ask for another.
    """
    version = address.one("version", {item.version: item.version for item in versions}, "")
    return Choice(
        version=version,
        statistic=address.one("statistic", {item.value: item for item in _JUDGED}, Statistic.PSI),
        versus=address.one("versus", {item.value: item for item in Versus}, Versus.REFERENCE),
        slice_key="" if version else address.one("slice", {key: key for key in slice_keys}, ""),
        days=address.one("days", {str(days): days for days in RANGES}, 90),
        window_days=address.number("window", windows[0], low=1, high=LONGEST_WINDOW),
        usual_days=windows[0],
    )


def window_day(features: Sequence[FeatureDrift]) -> date | None:
    """The window of the address, by its last day; None for none."""
    if not address.get("day"):
        return None
    days = {day.isoformat(): day for item in features for day, _ in item.history}
    return address.one("day", days, None)


def controls(
    choice: Choice, slice_keys: Sequence[str], windows: Sequence[int], versions: Sequence[ServedVersion]
) -> None:
    """The widgets of the choice; each one writes its own parameter."""
    judged = {item.value: DEFINITIONS[item].title for item in _JUDGED}
    slices = {"": EVERYTHING, **{key: visible(key.replace("=", ": ", 1)) for key in slice_keys}}
    lengths = {str(days): plural(days, "day") for days in dict.fromkeys((*windows, choice.window_days))}
    ranges = {str(days): f"Last {days} days" for days in RANGES}
    with st.container(horizontal=True, vertical_alignment="bottom", key="drift-controls"):
        _select("statistic", "Statistic", judged, choice.statistic.value, width=250)
        _select(
            "versus",
            "Compared with",
            {item.value: word for item, word in _VERSUS.items()},
            choice.versus.value,
            width=150,
        )
        if versions:
            _select("version", "Version", _versions(versions), choice.version, width=150, help_=_VERSION_HELP)
        if slice_keys and not choice.version:
            _select("slice", "Slice", slices, choice.slice_key, width=180)
        _select("window", "Window", lengths, str(choice.window_days), width=110)
        _select("days", "Time range", ranges, str(choice.days), width=140)


NO_VERSIONS = (
    "The recorded predictions do not name the version that made them, so all versions are shown together. For an "
    "imported table the monitor can name the column that holds it."
)
_VERSION_HELP = (
    "One version alone is compared with the same reference. Slices are counted over all versions together, so both "
    "cannot be chosen at once."
)


def _versions(versions: Sequence[ServedVersion]) -> dict[str, str]:
    newest = max(item.last for item in versions)
    words = {
        item.version: version_words(item.version) + ("" if item.last == newest else f", to {short_day(item.last)}")
        for item in versions
    }
    return {"": "All versions", **{name: visible(word) for name, word in words.items()}}


SECTIONS = {
    "": "What moved",
    "column": "One column",
    "slices": "Slices and mix",
    "days": "Unusual days",
    "fleet": "All models",
}


def section() -> str:
    """Which part of the screen is open; only that part is read and drawn."""
    current = address.one("show", {name: name for name in SECTIONS if name}, "")
    st.segmented_control(
        "Part of the screen",
        list(SECTIONS),
        key=address.follow("show", current),
        on_change=address.writes("show"),
        format_func=lambda name: SECTIONS[name],
        label_visibility="collapsed",
        required=True,
    )
    return current


def column(features: Sequence[FeatureDrift], chosen: FeatureDrift) -> None:
    titles = {item.feature: visible(item.title) for item in features}
    _select("feature", "Column", titles, chosen.feature, width=320)


def _select(name: str, label: str, words: dict[str, str], value: str, *, width: int, help_: str | None = None) -> None:
    st.selectbox(
        label,
        list(words),
        key=address.follow(name, value),
        on_change=address.writes(name),
        format_func=lambda option: words[option],
        width=width,
        help=help_,
    )


def link(model: str, choice: Choice, **changes: str) -> dict[str, str]:
    """The address of this picture with something changed; defaults are left out."""
    given = {
        "model": model,
        "statistic": "" if choice.statistic is Statistic.PSI else choice.statistic.value,
        "versus": "" if choice.versus is Versus.REFERENCE else choice.versus.value,
        "version": choice.version,
        "slice": choice.slice_key,
        "window": "" if choice.window_days == choice.usual_days else str(choice.window_days),
        "days": "" if choice.days == 90 else str(choice.days),
        **changes,
    }
    return {name: text for name, text in given.items() if text}
