"""The theme reads well in both modes: contrast of every text pair, ten chart colours, own fonts."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
THEME = CONFIG["theme"]
NAMES = ("green", "orange", "yellow", "red", "blue", "violet", "gray")


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def faded(text: str, ground: str, share: float) -> str:
    """Captions are the text colour at 60 per cent on the page."""
    mixed = [round(int(text[i : i + 2], 16) * share + int(ground[i : i + 2], 16) * (1 - share)) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02X}" for part in mixed)


def pairs(mode: str) -> list[tuple[str, str, str]]:
    theme = THEME[mode]
    page, second = theme["backgroundColor"], theme["secondaryBackgroundColor"]
    found = [
        ("text on page", theme["textColor"], page),
        ("text on fields", theme["textColor"], second),
        ("text on sidebar", theme["textColor"], theme["sidebar"]["backgroundColor"]),
        ("caption on page", faded(theme["textColor"], page, 0.6), page),
        ("link on page", theme["linkColor"], page),
        ("code", theme["codeTextColor"], theme["codeBackgroundColor"]),
        ("table header", theme["dataframeHeaderTextColor"], theme["dataframeHeaderBackgroundColor"]),
        ("button label", "#FFFFFF", theme["primaryColor"]),
    ]
    for name in NAMES:
        found.append((f"{name} text on page", theme[f"{name}TextColor"], page))
        found.append((f"{name} badge", theme[f"{name}TextColor"], theme[f"{name}BackgroundColor"]))
        found.append((f"{name} chip", theme["textColor"], theme[f"{name}BackgroundColor"]))
    return found


@pytest.mark.parametrize(
    ("mode", "name", "text", "ground"), [(mode, *pair) for mode in ("light", "dark") for pair in pairs(mode)]
)
def test_text_has_enough_contrast(mode: str, name: str, text: str, ground: str) -> None:
    assert contrast(text, ground) >= 4.5, f"{name} in {mode}: {contrast(text, ground):.2f}"


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_chart_colours_are_exactly_ten(mode: str) -> None:
    for name in ("chartCategoricalColors", "chartSequentialColors", "chartDivergingColors"):
        assert len(THEME[mode][name]) == 10


def test_chart_inks_are_colours_of_the_theme() -> None:
    from pages.components import charts

    for mode, ink in (("light", charts.LIGHT), ("dark", charts.DARK)):
        assert ink.text == THEME[mode]["textColor"]
        assert ink.paper == THEME[mode]["backgroundColor"]
        assert list(ink.series) == THEME[mode]["chartCategoricalColors"][: len(ink.series)]
        for colour in (ink.text, ink.muted, ink.red, ink.orange):
            assert contrast(colour, ink.paper) >= 4.5


def test_fonts_are_served_from_this_host_with_their_licence() -> None:
    for face in THEME["fontFaces"]:
        assert (ROOT / "static" / face["url"].removeprefix("app/static/")).exists()
    assert "SIL OPEN FONT LICENSE" in (ROOT / "static" / "fonts" / "LICENSE-OFL.txt").read_text().upper()


def test_app_listens_on_localhost_and_tells_nobody() -> None:
    assert CONFIG["server"]["address"] == "localhost"
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["client"]["showErrorDetails"] == "none"
