"""The command that measures what monitoring promises: it runs, and a promise that is missed is an error."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks import drift, drift_speed, drift_values
from tests.benchmarks.promised import Line


def asked(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> int:
    monkeypatch.setattr(drift_speed, "PLACE", folder)
    monkeypatch.setattr(drift_values, "PLACE", folder)
    monkeypatch.setattr(sys, "argv", ["drift", *words])
    return drift.main()


def test_small_sizes_are_measured_through_the_same_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, tmp_path, "scan", "day", "--rows", "3000", "--days", "3") == 0

    told = capsys.readouterr().out
    assert "inner_cpu of the profile to the scan" in told
    assert "one new day of 3,000 rows x 50 columns" in told
    assert "at most" not in told  # nothing is promised for this size


def test_values_keep_what_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, tmp_path, "exact") == 0

    assert capsys.readouterr().out.count("[holds: at most") == 3


def test_a_peer_that_cannot_be_asked_is_a_promise_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, tmp_path, "peers", "--rows", "3000", "--peer-python", "/usr/bin/false") == 1

    assert "evidently was not measured" in capsys.readouterr().out


@pytest.mark.parametrize(("value", "holds"), [(0.9, True), (1.0, True), (1.1, False), (float("nan"), False)])
def test_a_figure_holds_only_at_or_under_what_was_promised(value: float, holds: bool) -> None:
    line = Line(value=value, unit="ratio", words="of one to the other", at_most=1.0)

    assert line.holds is holds
    assert ("MISSED" in str(line)) is not holds
