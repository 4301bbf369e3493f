"""A change of columns is a fact with a sentence."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.monitoring.recorded_schema import SchemaWord, schema_changes

DAY = date(2031, 3, 29)
COLUMNS = {"amount": "number", "origin": "text"}


def changes(*days: dict[str, str]) -> list[tuple[date, str, SchemaWord]]:
    found = schema_changes([(DAY + timedelta(days=number), columns) for number, columns in enumerate(days)])
    assert all(change.column in change.sentence for change in found)
    return [(change.day, change.column, change.change) for change in found]


def test_the_first_day_and_an_equal_day_change_nothing() -> None:
    assert changes(COLUMNS, COLUMNS) == []


@pytest.mark.parametrize(
    ("after", "column", "word"),
    [
        (COLUMNS | {"height": "number"}, "height", SchemaWord.ADDED),
        ({"amount": "number"}, "origin", SchemaWord.REMOVED),
        ({"sum": "number", "origin": "text"}, "sum", SchemaWord.RENAMED),
        (COLUMNS | {"amount": "text"}, "amount", SchemaWord.RETYPED),
    ],
)
def test_every_kind_of_change_is_named_on_its_day(after: dict[str, str], column: str, word: SchemaWord) -> None:
    assert changes(COLUMNS, after, after) == [(DAY + timedelta(days=1), column, word)]


def test_a_number_for_a_text_is_no_rename() -> None:
    assert changes(COLUMNS, {"amount": "number", "place": "number"}) == [
        (DAY + timedelta(days=1), "origin", SchemaWord.REMOVED),
        (DAY + timedelta(days=1), "place", SchemaWord.ADDED),
    ]


def test_of_several_new_columns_the_one_that_looks_alike_is_the_successor() -> None:
    after = {"amount_eur": "number", "zone": "text", "origin": "text", "speed": "number"}

    assert (DAY + timedelta(days=1), "amount_eur", SchemaWord.RENAMED) in changes(COLUMNS, after)


def test_a_day_on_which_everything_is_missing_says_nothing_about_the_kind() -> None:
    empty = COLUMNS | {"amount": "empty"}

    assert changes(COLUMNS, empty, COLUMNS) == []
    assert changes(COLUMNS, empty, COLUMNS | {"amount": "text"}) == [
        (DAY + timedelta(days=2), "amount", SchemaWord.RETYPED)
    ]
