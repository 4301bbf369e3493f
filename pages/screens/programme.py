"""The first ninety days of a use case: what is proven, what is missing and where to mend it, and who answers."""

from __future__ import annotations

import streamlit as st

from pages.components import address, exporting, notices, parts, places, programme_facts, reads, session
from pages.components.format import day, md, plural
from services.programme.models import Board, Phase, TaskView

PARTS = {"board": "Board", "ownership": "Ownership"}
_SHOWN = 4

session.enter("programme")
room = session.control_room()


def _filters(cases: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        part = address.one("show", {name: name for name in PARTS}, "board")
        st.segmented_control(
            "Show",
            list(PARTS),
            format_func=PARTS.__getitem__,
            required=True,
            key=address.follow("show", part),
            on_change=address.writes("show"),
            label_visibility="collapsed",
        )
        titles = dict(cases)
        case = address.one("case", {ident: ident for ident in titles}, cases[0][0])
        if part == "board":
            st.selectbox(
                "Use case",
                list(titles),
                format_func=titles.__getitem__,
                key=address.follow("case", case),
                on_change=address.writes("case"),
                label_visibility="collapsed",
                width=320,
            )
    return part, case


def _export(board: Board) -> None:
    exporting.popover(
        f"programme-{board.use_case}",
        lambda: programme_facts.export(board),
        note=f"Board of {board.title}",
        key="board",
    )


def _board(board: Board) -> None:
    for phase in Phase:
        with parts.card(phase.words, programme_facts.progress(board, phase), key=f"phase-{phase.value}"):
            for task in board.of(phase):
                _task(task)


def _task(task: TaskView) -> None:
    with st.container(key=f"task-{task.id}", gap="xsmall"):
        st.markdown(f"{programme_facts.state(task)} **{md(task.title)}** :gray[· {programme_facts.owner(task)}]")
        since = f" since {day(task.since.date())}" if task.since else ""
        again = f", opened again {plural(task.reopened, 'time')}" if task.reopened else ""
        st.caption(f"Query {md(task.query)}: {md(task.reads)}{since}{again}")
        for number, answer in enumerate(task.missing[:_SHOWN]):
            file, query = places.parse_target(answer.fix)
            with st.container(horizontal=True, vertical_alignment="center", key=f"missing-{task.id}-{number}"):
                word = "not known" if answer.found is None else "missing"
                st.markdown(f":gray[{word}, {md(answer.model)}:] {md(answer.sentence)}", width="content")
                st.page_link(file, label="Go there", icon=":material/arrow_forward:", query_params=query)
        if len(task.missing) > _SHOWN:
            st.caption(f"and {plural(len(task.missing) - _SHOWN, 'model')} more; the export has all.")
        if not task.answers:
            st.caption("No model of this use case has to do this: a supplier runs them all.")
        if not task.missing and task.answers:
            st.caption(
                md(task.answers[0].sentence) + (f" And {len(task.answers) - 1} more." if task.answers[1:] else "")
            )


def _ownership() -> None:
    row = parts.model_picker()
    if row is None:
        return
    lines = reads.attempt(
        "who is responsible", lambda: room.programme.responsibilities(row.name), key=f"raci-{row.name}"
    )
    if lines is None:
        return
    gone = [line for line in lines if line.unanswered]
    if gone:
        st.warning(
            f"**Nobody is accountable** for {plural(len(gone), 'control')}: the person is gone or was never named. "
            "Name somebody on the model's metadata page. Where a named person is gone, an alert stands until then.",
            icon=":material/person_off:",
        )
    with parts.card("Who answers for what", "R responsible, A accountable, C consulted, I informed"):
        parts.table(programme_facts.raci(lines), alt="Responsibilities by control")
        with st.container(horizontal=True):
            st.page_link(
                places.path("model"),
                label="Name an owner",
                icon=":material/person_edit:",
                query_params={"name": row.name, "show": "metadata"},
            )
            exporting.popover(
                f"responsibilities-{row.name}",
                lambda: programme_facts.raci_export(row.name, lines),
                note=f"Responsibilities of {row.name}",
            )


place = st.container()
cases = reads.attempt(
    "the use cases",
    lambda: reads.kept("use cases", "", room.programme.mark(), room.programme.use_cases),
    key="use-cases",
)
if not cases:
    with place, parts.header("Programme", ":gray[No use case is known.]"):
        pass
    if cases is not None:
        notices.empty(
            "No use case yet",
            "The board begins with the first model in the inventory.",
            icon="checklist",
            page="inventory",
            link="Models",
        )
else:
    part, case = _filters(cases)
    board = (
        reads.attempt(
            "the board",
            lambda: reads.kept("programme", case, room.programme.mark(), lambda: room.programme.board(case)),
            key=f"board-{case}",
        )
        if part == "board"
        else None
    )
    fact = programme_facts.summary(board) if board else ":gray[Each control has one accountable duty.]"
    with place, parts.header("Programme", fact):
        if board:
            _export(board)
    if board:
        _board(board)
    elif part == "ownership":
        _ownership()
