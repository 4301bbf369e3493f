"""Audit packs: choose a scope, watch it being built, find it again with its digest, take it away.

The pack is built in the background; leaving the page does not stop it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import address, audit_ledger, notices, parts, reads, session
from pages.components.format import NOTHING, code, count, digest, md, plural, seconds, size, utc, when
from services.audit.pack.models import PackInfo, PackJob, PackScope, PackState
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission

if TYPE_CHECKING:
    from services.container import ControlRoom

PAGE_SIZE = 20
_EVERYTHING = "The whole deployment"
_LIMIT = 200


def section(room: ControlRoom, me: Actor) -> None:
    if room.people.may(me, Permission.BUILD_PACK):
        _form(room, me)
        _building(room, me)
    _list(room, me)
    _how_to_check()


def _form(room: ControlRoom, me: Actor) -> None:
    found = reads.attempt("the list of models", lambda: reads.find_models("", _LIMIT))
    names = [row.name for row in found[0]] if found else []
    wanted = address.get("model")
    today = session.now().date()
    with st.form("build-pack", enter_to_submit=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.selectbox(
                "Scope",
                [_EVERYTHING, *names],
                index=names.index(wanted) + 1 if wanted in names else 0,
                key="pack-model",
                width=300,
            )
            since = st.date_input("From (optional)", value=None, max_value=today, key="pack-since", width=170)
            until = st.date_input("To (optional)", value=None, max_value=today, key="pack-until", width=170)
            go = st.form_submit_button("Build pack", type="primary", icon=":material/inventory_2:", key="pack-go")
        st.caption(
            "Pages, proofs and evidence of the chosen scope, the whole signed log, and a verifier that needs neither "
            "this app nor a network. Days are days in UTC. The pack is recorded in the ledger."
        )
    if go:
        model = "" if chosen in {None, _EVERYTHING} else str(chosen)
        try:
            room.packs.start(PackScope(model=model, since=_start(since), until=_end(until)), actor=me)
        except ControlRoomError as error:
            notices.show(error, key="pack-again")


def _start(day: object) -> datetime | None:
    return datetime.combine(day, time.min, tzinfo=UTC) if isinstance(day, date) else None


def _end(day: object) -> datetime | None:
    # The last second of the day: entries state whole seconds.
    return (
        datetime.combine(day, time.min, tzinfo=UTC) + timedelta(days=1, seconds=-1) if isinstance(day, date) else None
    )


def _building(room: ControlRoom, me: Actor) -> None:
    running = any(job.state is PackState.RUNNING for job in room.packs.jobs(me))
    st.fragment(_progress, run_every=1 if running else None)(room, me, watching=running)


def _progress(room: ControlRoom, me: Actor, *, watching: bool) -> None:
    jobs = room.packs.jobs(me)
    for job in jobs[:3]:
        _job(job)
    if watching and all(job.state is not PackState.RUNNING for job in jobs):
        # The list below, and the calm rhythm of the page, come with a run of the whole page.
        st.rerun()


def _job(job: PackJob) -> None:
    about = job.scope.model or _EVERYTHING.lower()
    if job.state is PackState.RUNNING:
        st.progress(job.share, text=f"Pack of {md(about)}: {md(job.step)}. You may leave this page.")
    elif job.state is PackState.FAILED:
        st.warning(f"The pack of {md(about)} was not built. {md(job.step)}", icon=":material/error:")
    elif job.info is not None:
        notices.remark(
            f"Pack of {md(about)} built in {seconds(job.info.seconds)}, ledger entry {count(job.info.seq)}.", "check"
        )


def _list(room: ControlRoom, me: Actor) -> None:
    number = address.number("page", 1, low=1, high=1_000_000)
    page = room.packs.packs(me, offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    if not page.items:
        notices.empty(
            "No pack yet", "A pack that was built stays here, with its digest and its maker.", icon="inventory_2"
        )
        return
    frame = pd.DataFrame([_row(info) for info in page.items])
    chosen = parts.selectable(frame, {}, key="packs", alt="Audit packs, newest first")
    parts.paging(page.total, PAGE_SIZE, key="packs")
    st.caption("Select a pack to download it. The file is compared with the digest in the ledger first.")
    if chosen is not None:
        _one(room, me, page.items[chosen])


def _row(info: PackInfo) -> dict[str, str]:
    return {
        "Made": when(info.built_at, session.zone()),
        "By": info.built_by,
        "Scope": _words(info.scope),
        "Log": plural(info.entries, "entry", "entries"),
        "Decisions": count(info.decisions),
        "Verifier says": info.verdict,
        "Size": size(info.bytes),
        "SHA-256": digest(info.sha256, 16),
        "File": "here" if info.available else "no longer here",
    }


def _words(scope: PackScope) -> str:
    since = f" from {scope.since:%d %b %Y}" if scope.since else ""
    until = f" to {scope.until:%d %b %Y}" if scope.until else ""
    return f"{scope.model or _EVERYTHING}{since}{until}"


def _one(room: ControlRoom, me: Actor, info: PackInfo) -> None:
    with parts.card(md(_words(info.scope)), f"{utc(info.built_at)}, {seconds(info.seconds)}"):
        parts.facts(
            [
                ("SHA-256", code(info.sha256)),
                ("Files", count(info.files)),
                ("Verifier says", md(info.verdict)),
                ("Not in this pack", "  \n".join(map(md, info.missing)) or NOTHING),
            ],
            alt="This pack",
        )
        with st.container(horizontal=True):
            audit_ledger.open_entry(info.seq)
            if info.available and room.people.may(me, Permission.EXPORT):
                st.download_button(
                    "Download pack",
                    lambda: room.packs.read(info.pack_id, me),
                    file_name=info.file_name,
                    mime="application/zip",
                    icon=":material/download:",
                    key="pack-download",
                    on_click="ignore",
                )


def _how_to_check() -> None:
    with st.expander("How somebody else checks a pack", icon=":material/verified_user:"):
        st.markdown(
            "With Python 3.11 or newer and the library `cryptography`, on any machine, without a network:\n\n"
            "    python verify.py PACK.zip --pin FINGERPRINT\n\n"
            "The fingerprint is that of the first entry, as it was handed out when this log was founded. "
            "A verifier they hold already is better than the copy inside the pack."
        )
