"""The ledger: search it, read one entry with its signatures and receipt, and verify the whole of it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import streamlit as st

from pages.components import address, asof, exporting, notices, parts, places, reads, session, tables
from pages.components.format import NOTHING, code, count, digest, md, plural, seconds, utc, when
from services.attestation.models import Kind
from services.audit.models import EntryView, LedgerQuery, LedgerRow, Verification
from services.kernel.errors import ControlRoomError, InputError

if TYPE_CHECKING:
    from services.container import ControlRoom

PAGE_SIZE = 50
EXPORT_BATCH = 500
KINDS = {kind.value: kind.value for kind in Kind}
_RESULT = "verification"
_COLOURS = {"integrity": "red", "void": "orange", "finding": "orange"}


def query(room: ControlRoom, day: date | None) -> LedgerQuery:
    return LedgerQuery(
        text=address.get("q"),
        kinds=address.many("kind", KINDS),
        model=address.get("model"),
        until=room.reports.moment(day) if day else None,
        offset=(address.number("page", 1, low=1, high=1_000_000) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def actions(room: ControlRoom, asked: LedgerQuery, day: date | None) -> None:
    """Export and verify, at the right of the page header."""
    note = (
        f"filter: text “{asked.text}”, kinds {', '.join(asked.kinds) or 'all'}, model {asked.model or 'all'}; "
        f"{asof.words(day)}"
    )
    exporting.popover("ledger", lambda: _all_rows(room, asked), note=note, as_of=asked.until)
    if st.button("Verify", icon=":material/verified_user:", type="primary", key="verify"):
        st.session_state["verify-now"] = True


def section(room: ControlRoom, asked: LedgerQuery) -> None:
    if st.session_state.pop("verify-now", False):
        _verify(room)
    result: Verification | None = st.session_state.get(_RESULT)
    if result is not None:
        _result(result)
    page = reads.attempt("the ledger", lambda: room.audit.entries(asked), key=f"ledger-{asked}")
    if page is not None:
        st.markdown(f":gray[{plural(page.total, 'entry', 'entries')} match; nothing can be changed or removed.]")
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        st.text_input(
            "Search",
            key=address.follow("q", asked.text),
            on_change=address.writes("q"),
            placeholder="Person, model or sentence",
            icon=":material/search:",
            label_visibility="collapsed",
            width=280,
        )
        st.segmented_control(
            "Kind",
            list(KINDS),
            selection_mode="multi",
            format_func=str.capitalize,
            key=address.follow("kind", list(asked.kinds)),
            on_change=address.writes("kind", ",".join),
            label_visibility="collapsed",
        )
    if page is not None:
        _table(asked, page.items, page.total, result)


def _all_rows(room: ControlRoom, asked: LedgerQuery) -> list[dict[str, object]]:
    rows: list[LedgerRow] = []
    while True:
        page = room.audit.entries(
            LedgerQuery(
                text=asked.text,
                kinds=asked.kinds,
                model=asked.model,
                until=asked.until,
                offset=len(rows),
                limit=EXPORT_BATCH,
            )
        )
        rows += page.items
        if not page.items or len(rows) >= page.total:
            return tables.ledger_export(rows)


def _verify(room: ControlRoom) -> None:
    bar = st.progress(0.0, text="Reading the ledger")

    def progress(done: int, total: int) -> None:
        bar.progress(done / total if total else 1.0, text=f"{done:,} of {total:,} entries checked")

    try:
        st.session_state[_RESULT] = room.audit.verify(progress)
    except ControlRoomError as error:
        notices.show(error, key="verify-again")
    bar.empty()


def _result(result: Verification) -> None:
    """Says exactly what was checked; an intact ledger may still hold void entries."""
    with st.container(border=True, key="verification"):
        if result.intact:
            st.markdown(
                f":green[:material/verified_user:] **The ledger is intact.** {count(result.entries)} entries, "
                f"checked in {seconds(result.seconds)}."
            )
        else:
            _broken(result)
        parts.facts(_checked(result), alt="What was checked")
        for finding in result.findings[:50]:
            colour = _COLOURS.get(finding.severity, "gray")
            where = f"entry {finding.seq}: " if finding.seq is not None else ""
            st.markdown(f":{colour}-badge[:material/flag: {md(finding.severity)}] {md(where + finding.sentence)}")
        if len(result.findings) > 50:
            st.markdown(f":gray[{len(result.findings) - 50} more findings; the command line lists them all.]")
        if not result.findings:
            notices.remark("No finding: every signature, every link and every decision stands.", "done_all")


def _broken(result: Verification) -> None:
    first = result.broken_at
    if first is None:
        st.error(
            "**The ledger is not intact.** No single entry can be named: see the findings below, and rely on no "
            "entry until they are explained.",
            icon=":material/gpp_bad:",
        )
        return
    several = "," in result.broken_field
    field = f" {'These fields differ' if several else 'This field differs'}: **{md(result.broken_field)}**."
    if not result.broken_field:
        field = ""
    after = result.entries - 1 - first
    later = f"The {plural(after, 'later entry', 'later entries')} are untrusted." if after > 0 else "It is the newest."
    st.error(
        f"**The ledger is not intact: entry {first} was changed.**{field} {later} Do not rely on entries from "
        f"{first} on.",
        icon=":material/gpp_bad:",
    )


def _checked(result: Verification) -> list[tuple[str, str]]:
    checkpoint = f"of {count(result.checkpoint_size)} entries" if result.checkpoint_size else "none"
    return [
        ("Events", count(result.entries)),
        ("Checkpoint used", checkpoint),
        ("Anchors", md(_anchors(result))),
        *[("Not compared", md(sentence)) for sentence in result.not_compared],
        ("Time taken", seconds(result.seconds)),
        ("Checked", when(result.checked_at, session.zone())),
        ("Root", code(digest(result.root, 16))),
        ("Log", f"{md(result.origin)} :gray[genesis] {code(digest(result.genesis, 16))}"),
    ]


def _anchors(result: Verification) -> str:
    """How many, and where they are kept."""
    if not result.anchors_checked:
        return "no anchor outside this database, so a shortened ledger would not show"
    kept = f"files {count(result.anchors_in_files)}, registry {count(result.anchors_in_registry)}"
    read = f"; registry read {when(result.registry_read_at, session.zone())}" if result.registry_read_at else ""
    return f"{plural(result.anchors_checked, 'anchor')} ({kept}{read})"


def _table(asked: LedgerQuery, rows: tuple[LedgerRow, ...], total: int, result: Verification | None) -> None:
    if not rows:
        notices.empty(
            "No entry matches", "Try fewer filters. Entries are never removed, so it was never written.", icon="history"
        )
        return
    untrusted = result.broken_at if result is not None and not result.intact else None
    frame, config = tables.ledger(rows, session.zone())
    if untrusted is not None:
        frame.insert(1, "trust", ["untrusted" if row.seq >= untrusted else "before the break" for row in rows])
        config = {"trust": tables.text("Trust", width=110), **config}
    chosen = parts.selectable(frame, config, key="entries", alt="Ledger entries, newest first")
    parts.paging(total, asked.limit, key="ledger")
    if chosen is None:
        st.caption("Select a row to open the entry. With the keyboard: arrow keys move, Shift and Space select.")
        return
    row = rows[chosen]
    with st.container(border=True, key="chosen-entry"):
        st.markdown(f"**{md(row.sentence)}** :gray[{when(row.at, session.zone())}]")
        open_entry(row.seq, f"Open entry {row.seq}")


def open_entry(seq: int, label: str = "") -> None:
    st.page_link(
        places.path("audit"),
        label=label or f"Entry {seq}",
        icon=":material/receipt_long:",
        query_params={"entry": str(seq)},
        width="content",
    )


def entry(room: ControlRoom, seq: int) -> None:
    """One entry on a page of its own."""
    try:
        view = reads.attempt(f"entry {seq}", lambda: room.audit.entry(seq), key=f"entry-{seq}")
    except InputError as error:
        with parts.header("Audit", ":gray[This address leads to no entry.]", back=("audit", "The ledger")):
            pass
        notices.show(error)
        return
    if view is None:
        with parts.header(f"Entry {seq}", ":gray[It cannot be read just now.]", back=("audit", "The ledger")):
            pass
        return
    _entry_page(view)


def _entry_page(view: EntryView) -> None:
    row = view.row
    fact = f":blue-badge[:material/receipt_long: {md(row.event)}] :gray[{when(row.at, session.zone())} · {utc(row.at)}]"
    with parts.header(f"Entry {row.seq}", fact, back=("audit", "The ledger")):
        st.download_button(
            "Download receipt",
            view.receipt,
            file_name=f"entry-{row.seq}.tlog-proof",
            mime="text/plain",
            icon=":material/download:",
            key="receipt-download",
            on_click="ignore",
        )
    st.markdown(f"**{md(row.sentence)}**")
    left, right = st.columns([3, 2])
    with left, parts.card("Signed statement"):
        st.code(view.statement, language=None, height=420, wrap_lines=True)
    with right:
        with parts.card("Signatures", plural(len(view.signatures), "signature")):
            for key_id, owner, verifies in view.signatures:
                sign = (
                    ":green[:material/verified:] verifies" if verifies else ":red[:material/gpp_bad:] does not verify"
                )
                st.markdown(f"**{md(owner)}** {sign}")
                st.markdown(f":gray[key] {code(digest(key_id, 16))}")
        with parts.card("Place in the ledger"):
            parts.facts(
                [
                    ("Entry", count(row.seq)),
                    ("Leaf hash", code(row.leaf_hash)),
                    ("About", md(row.subject) or NOTHING),
                    ("Who", f"{md(row.actor) or 'Countersign'} :gray[{md(row.role)}]"),
                ],
                alt="Place in the ledger",
            )
        with parts.card("Receipt", "proves this entry without the database"):
            st.code(view.receipt, language=None, height=160)
