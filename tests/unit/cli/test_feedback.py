"""Corrections from the command line: all lines or none, a sentence per fault, an exit code that says which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.__main__ import _print_json, _receipt, _spoken
from services.commands.feedback import feedback_app
from services.commands.tools import Tools
from tests.fakes.room import FakeRoom
from tests.fakes.room_feedback import MODEL

HEADER = "prediction_id,corrected_value,reason_code,reviewer\n"


@pytest.fixture
def room() -> FakeRoom:
    return FakeRoom()


def run(room: Any, file: Path, *more: str, subject: str = "dana.datascience") -> Result:
    tools = Tools(
        spoken=_spoken, room=lambda: room, actor=lambda known, name: known.people.sign_in_demo(name),
        receipt=_receipt, print_json=_print_json,
    )  # fmt: skip
    return CliRunner().invoke(feedback_app(tools), ["import", str(file), "--model", MODEL, "--as", subject, *more])


def test_a_good_file_is_recorded_and_its_entry_named(room: FakeRoom, tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text(f"{HEADER}clt-1,1,WRONG-OUTCOME,rev-1\nclt-2,,CONFIRMED,rev-1\n")

    dry, done = run(room, file, "--dry-run"), run(room, file)

    assert (dry.exit_code, done.exit_code) == (0, 0)
    assert "Nothing was recorded. The file holds 2 reviewed predictions" in dry.output
    assert "Ledger entry 41" in done.output
    assert [command.name for command in room.written] == ["reviews.csv"]


def test_faults_are_listed_by_line_and_nothing_is_recorded(room: FakeRoom, tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text(f"{HEADER}clt-1,1,WRONG-OUTCOME,rev-1\nnobody,1,WRONG-OUTCOME,rev-1\n")

    found = run(room, file)

    assert found.exit_code == 2
    assert "line 3: prediction_id: No live prediction" in found.output
    assert room.written == []


def test_a_file_that_is_not_there_and_a_person_who_may_not_have_their_own_codes(room: FakeRoom, tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    assert run(room, file).exit_code == 2

    file.write_text(f"{HEADER}clt-1,1,WRONG-OUTCOME,rev-1\n")
    assert run(room, file, subject="otto.auditor").exit_code == 3
    assert room.written == []
