"""The ledger: search it, read one entry with its signatures and receipt, export it, and verify the whole of it."""

from __future__ import annotations

import streamlit as st

from pages.components import address, notices, parts, places, reads, session, tables
from pages.components.format import NOTHING, code, count, digest, md, plural, seconds, utc, when
from services.attestation.models import Kind
from services.audit.models import EntryView, LedgerQuery, LedgerRow, Verification
from services.kernel.errors import ControlRoomError, InputError

PAGE_SIZE = 50
EXPORT_BATCH = 1000
KINDS = {kind.value: kind.value for kind in Kind}
_RESULT = "verification"

session.enter("audit")
room = session.control_room()


def _query() -> LedgerQuery:
    return LedgerQuery(
        text=address.get("q"),
        kinds=address.many("kind", KINDS),
        model=address.get("model"),
        offset=(address.number("page", 1, low=1, high=1_000_000) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def _all_rows(query: LedgerQuery) -> list[dict[str, object]]:
    rows: list[LedgerRow] = []
    while True:
        page = room.audit.entries(
            LedgerQuery(text=query.text, kinds=query.kinds, model=query.model, offset=len(rows), limit=EXPORT_BATCH)
        )
        rows += page.items
        if not page.items or len(rows) >= page.total:
            return tables.ledger_export(rows)


def _export(query: LedgerQuery) -> None:
    now = session.now()
    note = f"filter: text “{query.text}”, kinds {', '.join(query.kinds) or 'all'}, model {query.model or 'all'}"
    with st.popover("Export", icon=":material/download:"):
        st.caption("All entries of the current filter, with the time of the data.")
        st.download_button(
            "CSV",
            lambda: tables.to_csv(_all_rows(query), note=note, as_of=now),
            file_name=f"ledger-{now:%Y%m%d-%H%M}.csv",
            mime="text/csv",
            key="ledger-csv",
            on_click="ignore",
            width="stretch",
        )
        st.download_button(
            "JSON",
            lambda: tables.to_json(_all_rows(query), note=note, as_of=now),
            file_name=f"ledger-{now:%Y%m%d-%H%M}.json",
            mime="application/json",
            key="ledger-json",
            on_click="ignore",
            width="stretch",
        )


def _verify() -> None:
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
            st.error(
                "**The ledger is not intact.** Do not rely on entries from the first finding on.",
                icon=":material/gpp_bad:",
            )
        anchors = (
            plural(result.anchors_checked, "anchor")
            if result.anchors_checked
            else "no anchor outside this database, so a shortened ledger would not show"
        )
        st.markdown(
            f":gray[Root] {code(digest(result.root, 16))} :gray[· origin {md(result.origin)} · genesis] "
            f"{code(digest(result.genesis, 16))} "
            f":gray[· {md(anchors)} · {when(result.checked_at, session.zone())}]"
        )
        for finding in result.findings[:50]:
            colour = {"integrity": "red", "void": "orange", "finding": "orange"}.get(finding.severity, "gray")
            where = f"entry {finding.seq}: " if finding.seq is not None else ""
            st.markdown(f":{colour}-badge[:material/flag: {md(finding.severity)}] {md(where + finding.sentence)}")
        if not result.findings:
            notices.remark("No finding: every signature, every link and every decision stands.", "done_all")


def _ledger() -> None:
    query = _query()
    page = reads.attempt("the ledger", lambda: room.audit.entries(query), key=f"ledger-{query}")
    fact = (
        f"{plural(page.total, 'entry', 'entries')} match; nothing can be changed or removed."
        if page
        else "The ledger cannot be read just now."
    )
    with parts.header("Audit", f":gray[{fact}]"):
        _export(query)
        run = st.button("Verify", icon=":material/verified_user:", type="primary", key="verify")
    if run:
        _verify()
    if _RESULT in st.session_state:
        _result(st.session_state[_RESULT])
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        st.text_input(
            "Search",
            key=address.follow("q", query.text),
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
            key=address.follow("kind", list(query.kinds)),
            on_change=address.writes("kind", ",".join),
            label_visibility="collapsed",
        )
    if page is not None:
        _table(query, page.items, page.total)


def _table(query: LedgerQuery, rows: tuple[LedgerRow, ...], total: int) -> None:
    if not rows:
        notices.empty(
            "No entry matches", "Try fewer filters. Entries are never removed, so it was never written.", icon="history"
        )
        return
    frame, config = tables.ledger(rows, session.zone())
    chosen = parts.selectable(frame, config, key="entries", alt="Ledger entries, newest first")
    parts.paging(total, query.limit, key="ledger")
    if chosen is not None:
        st.switch_page(places.path("audit"), query_params={"entry": str(rows[chosen].seq)})
    st.caption("Select a row to read its signed statement. With the keyboard: arrow keys move, Shift and Space select.")


def _entry(seq: int) -> None:
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


wanted = address.number("entry", -1, low=0, high=2**53)
if wanted < 0:
    _ledger()
else:
    _entry(wanted)
