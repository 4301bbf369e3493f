"""Every fault of the list is shown by a test that exists."""

from __future__ import annotations

from tests.attacks.fault_list import FAULTS, unknown


def test_every_fault_names_tests_that_exist() -> None:
    assert unknown() == []
    assert all(fault.tests for fault in FAULTS.values())


def test_the_list_of_faults_is_whole() -> None:
    assert sorted(FAULTS) == list(range(1, 41))
