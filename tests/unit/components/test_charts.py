"""Charts are pure, name their lines, write their limits in words and stay small."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from pages.components import charts

DAYS = [date(2030, 1, 1) + timedelta(days=i) for i in range(30)]


def _words(figure: object) -> list[str]:
    return [note.text for note in figure.layout.annotations]


@pytest.mark.parametrize("ink", [charts.LIGHT, charts.DARK])
def test_limits_and_line_ends_are_named_in_words(ink: charts.Ink) -> None:
    figure = charts.trend(
        [charts.Line(name="v4", x=DAYS, y=[0.1 + i / 100 for i in range(30)])],
        ink,
        limits=[charts.Limit(value=0.25, label="Breach, 0.25")],
    )

    assert _words(figure) == ["v4", "Breach, 0.25"]
    assert figure.layout.showlegend is False


def test_a_series_never_has_more_than_a_thousand_points() -> None:
    figure = charts.trend([charts.Line(name="p95", x=list(range(25_000)), y=[1.0] * 25_000)], charts.LIGHT)

    assert len(figure.data[0].x) <= charts.MAX_POINTS + 1
    assert figure.data[0].x[-1] == 24_999


def test_missing_values_break_the_line_instead_of_becoming_zero() -> None:
    figure = charts.trend([charts.Line(name="auc", x=DAYS[:3], y=[0.8, None, 0.7])], charts.LIGHT)

    assert figure.data[0].y[1] is None
    assert figure.data[0].connectgaps is False


def test_empty_series_still_make_a_figure() -> None:
    assert charts.trend([], charts.LIGHT).data == ()
    assert charts.trend([charts.Line(name="x", x=[], y=[])], charts.LIGHT) is not None
    assert charts.cost_and_volume([], [], [], charts.LIGHT, currency="USD") is not None
    assert charts.shares([], charts.LIGHT) is not None


def test_names_of_other_people_are_not_read_as_markup() -> None:
    figure = charts.trend([charts.Line(name="<a href='x'>v4</a>", x=DAYS[:2], y=[1.0, 2.0])], charts.LIGHT)

    assert "<a" not in figure.data[0].name
    assert all("<a" not in text for text in _words(figure))


def test_labels_at_one_height_do_not_cover_each_other() -> None:
    lines = [charts.Line(name=f"v{i}", x=DAYS[:2], y=[1.0, 1.0]) for i in range(3)]
    shifts = [note.yshift for note in charts.trend(lines, charts.LIGHT).layout.annotations]

    assert sorted(shifts) == [0, 15, 30]


def test_lineage_goes_from_source_to_endpoint_and_survives_a_circle() -> None:
    assert charts.layers([("raw", "features"), ("features", "model"), ("raw", "model")]) == {
        "raw": 0,
        "features": 1,
        "model": 2,
    }
    assert set(charts.layers([("a", "b"), ("b", "a")])) == {"a", "b"}
    assert charts.lineage([("a", "b"), ("b", "a")], charts.LIGHT) is not None


def test_every_theme_series_has_ten_or_fewer_colours_of_the_theme() -> None:
    assert len(set(charts.LIGHT.series)) == len(charts.LIGHT.series)
    assert len(set(charts.DARK.series)) == len(charts.DARK.series)


def test_a_finished_figure_is_sent_as_the_same_picture_and_made_once() -> None:
    figure = charts.trend([charts.Line(name="v4", x=DAYS, y=list(range(30)))], charts.LIGHT)

    finished = charts.Finished(figure)

    assert json.loads(finished.to_json()) == json.loads(figure.to_json())
    assert finished.to_dict() is finished.to_dict()
