"""Numbers, times and words of other people are written one way everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pages.components import format as text

NOON = datetime(2030, 7, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "hostile",
    [
        "![x](http://evil.example/p.png)",
        ":red[alarm]",
        ":red without brackets",
        "<b>bold</b>",
        "$a$ and `code`",
        ":smile: :material/home:",
        "[link](javascript:x)",
        "https://evil.example",
        "www.evil.example",
        "1. first",
        "# title",
        "a -> b --> c",
    ],
)
def test_markdown_of_other_people_is_taken_apart(hostile: str) -> None:
    safe = text.md(hostile)

    for live in ("![", "](", ":red", "<b>", "$a$", ":smile:", ":material/home:", "https://", "www.", "->", "--"):
        assert live not in safe


def test_ordinary_names_stay_readable() -> None:
    assert text.md("claims_triage v4") == "claims\\_triage v4"
    assert text.md("Clara Whitfield") == "Clara Whitfield"
    assert text.md("two\nlines") == "two lines"
    assert text.md("at 14:00 by a:b").replace("\u2060", "") == "at 14:00 by a:b"


def test_code_cannot_be_left_from_inside() -> None:
    assert text.code("a`b") == "`a b`"


def test_times_are_written_in_the_zone_of_the_reader_with_its_name() -> None:
    assert text.when(NOON, "Europe/Berlin") == "1 Jul 2030, 14:00 CEST"
    assert text.when(NOON, "America/Sao_Paulo").endswith("UTC-03")
    assert text.when(NOON, "no/such zone") == "1 Jul 2030, 12:00 UTC"
    assert text.when(None, "UTC") == text.NOTHING


@pytest.mark.parametrize(
    ("hours", "words"), [(26, "26 h left"), (72, "3 days left"), (-2, "overdue by 2 h"), (0.5, "30 minutes left")]
)
def test_due_dates_say_how_long_is_left(hours: float, words: str) -> None:
    assert text.due(NOON + timedelta(hours=hours), NOON) == words


def test_age_is_rounded_so_that_a_person_can_say_it() -> None:
    assert text.age(NOON - timedelta(seconds=3), NOON) == "just now"
    assert text.age(NOON - timedelta(minutes=2), NOON) == "2 minutes ago"
    assert text.age(None, NOON) == "never"


def test_money_keeps_cents_only_where_they_matter() -> None:
    assert text.money(Decimal("1250.4"), "USD") == "USD 1,250"
    assert text.money(Decimal("12.345"), "USD") == "USD 12.35" or text.money(Decimal("12.345"), "USD") == "USD 12.34"
    assert text.money(Decimal("0.0431"), "USD") == "USD 0.0431"
    assert text.money(None, "USD") == text.NOTHING
    assert text.money(Decimal(-30), "USD").startswith(text.MINUS)


def test_unknown_numbers_are_a_dash_and_never_zero() -> None:
    assert {text.count(None), text.percent(None), text.number(None), text.milliseconds(None), text.seconds(None)} == {
        text.NOTHING
    }


def test_traffic_is_written_with_the_largest_share_first() -> None:
    assert text.routes((("4", 10), ("3", 90))) == "v3 90 %, v4 10 %"
    assert text.routes(()) == "no traffic"
