"""The board of the first ninety days and the responsibility matrix, as frames, words and export rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pages.components import badges
from pages.components.format import md, plural
from services.inventory.owners import DUTIES, duty_of
from services.programme.models import Board, Phase, TaskState, TaskView
from services.programme.raci import Cell, Line

_STATES = {
    TaskState.CLOSED: ("Closed", "green", "check_circle"),
    TaskState.OPEN: ("Open", "gray", "radio_button_unchecked"),
    TaskState.REOPENED: ("Open again", "red", "undo"),
    TaskState.UNKNOWN: ("Not known", "gray", "help"),
}


def state(task: TaskView) -> str:
    return badges.plain(*_STATES[task.state])


def owner(task: TaskView) -> str:
    return duty_of(task.owner_role).title


def summary(board: Board) -> str:
    """Our Markdown."""
    lost = sum(task.state is TaskState.REOPENED for task in board.tasks)
    unknown = sum(task.state is TaskState.UNKNOWN for task in board.tasks)
    more = f" :red[{plural(lost, 'task')} open again: the evidence is gone.]" if lost else ""
    more += f" {plural(unknown, 'task')} not known." if unknown else ""
    done = f"{board.closed} of {plural(len(board.tasks), 'task')} closed by evidence"
    return f":gray[{done}, for {plural(len(board.models), 'model')}.{more}]"


def progress(board: Board, phase: Phase) -> str:
    tasks = board.of(phase)
    return f"{sum(task.state is TaskState.CLOSED for task in tasks)} of {len(tasks)} closed"


def export(board: Board) -> list[dict[str, object]]:
    return [
        {
            "use_case": board.use_case,
            "phase": task.phase.value,
            "task": task.id,
            "title": task.title,
            "owner": task.owner_role,
            "state": task.state.value,
            "query": task.query,
            "model": answer.model,
            "evidence": {True: "found", False: "missing", None: "unknown"}[answer.found],
            "sentence": answer.sentence,
        }
        for task in board.tasks
        for answer in task.answers
    ]


def raci(lines: Sequence[Line]) -> pd.DataFrame:
    """Controls down, duties across; a letter with the name under it."""
    rows = []
    for line in lines:
        by_duty = {cell.duty: cell for cell in line.cells}
        title = f"**{md(line.control.title)}**"
        rows.append(
            [f":red[:material/person_off:] {title}" if line.unanswered else title]
            + [_cell(by_duty.get(duty.title)) for duty in DUTIES]
        )
    return pd.DataFrame(rows, columns=["Control", *(duty.title for duty in DUTIES)])


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if not cell.name:
        return f"**{cell.letter}** :gray[nobody]"
    return f"**{cell.letter}** {md(cell.name)}" if cell.stands else f"**{cell.letter}** :red[{md(cell.name)}, gone]"


def raci_export(model: str, lines: Sequence[Line]) -> list[dict[str, object]]:
    return [
        {
            "model": model,
            "control": line.control.id,
            "duty": cell.duty,
            "letter": cell.letter,
            "name": cell.name,
            "active": cell.stands,
        }
        for line in lines
        for cell in line.cells
    ]
