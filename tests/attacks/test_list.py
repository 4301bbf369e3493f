"""Every row of the attack list is tried by a test, or says why it is not."""

from __future__ import annotations

import ast

from tests.attacks.attack_list import BY_NAME, NOT_COVERED, NOTHING_TO_TAKE_OUT, ROWS, covered, defined
from tests.attacks.removed_defences import REMOVALS, ROOT, without


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


def test_every_row_that_is_tried_names_a_defence_that_can_be_taken_out() -> None:
    taken_out = {row for removal in REMOVALS for row in removal.rows}
    assert sorted(set(ROWS) - set(NOT_COVERED) - taken_out) == sorted(NOTHING_TO_TAKE_OUT)


def test_every_defence_that_is_taken_out_is_there_and_its_test_exists() -> None:
    known = {id_ for ids in defined().values() for id_ in ids}
    for removal in REMOVALS:
        for file, text in without(removal).items():
            ast.parse(text, filename=f"{file} without: {removal.defence}")
        file, _, name = removal.test.partition("::")
        assert (ROOT / file).exists()
        assert not name or removal.test in known, removal.test
