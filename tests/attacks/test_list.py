"""Every row of the attack list is tried by a test, or says why it is not."""

from __future__ import annotations

from tests.attacks.attack_list import BY_NAME, NOT_COVERED, ROWS, covered, defined


def test_every_row_is_tried_or_says_why_it_is_not() -> None:
    tried = covered()
    assert [row for row in range(1, 67) if row not in tried and row not in NOT_COVERED] == []


def test_tests_named_for_a_row_exist() -> None:
    known = defined()
    assert [name for names in BY_NAME.values() for name in names if name not in known] == []


def test_the_list_knows_its_rows_and_gives_reasons() -> None:
    assert sorted(ROWS) == list(range(1, 67))
    assert set(NOT_COVERED) <= set(ROWS)
    assert all(len(reason) > 30 for reason in NOT_COVERED.values())
