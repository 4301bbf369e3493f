"""The app prepares its workspace in a process of its own and says what went wrong when it cannot."""

from __future__ import annotations

from pathlib import Path

from pages.components.preparing import Preparation
from services.settings import read_settings


def test_a_preparation_that_cannot_start_says_why(tmp_path: Path) -> None:
    in_the_way = tmp_path / "home"
    in_the_way.write_text("a file where the folder should be")
    run = Preparation()

    run.start(read_settings(home=in_the_way))
    assert run.thread is not None
    run.thread.join(timeout=60)

    assert not run.finished
    assert "cannot be used" in run.failed


def test_two_sessions_share_one_preparation(tmp_path: Path) -> None:
    in_the_way = tmp_path / "home"
    in_the_way.write_text("")
    run = Preparation()

    run.start(read_settings(home=in_the_way))
    first = run.thread
    run.start(read_settings(home=in_the_way))

    assert run.thread is first
    assert first is not None
    first.join(timeout=60)
