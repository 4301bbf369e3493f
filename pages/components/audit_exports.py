"""Regulator-shaped exports: choose a profile, see it filled in, take it away as CSV, JSON or HTML."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import address, asof, notices, parts
from pages.components.format import md, plural, utc
from services.audit.exports import ABSENT, Export
from services.audit.rendering import FORMATS, MIME
from services.kernel.identity import Actor, Permission

if TYPE_CHECKING:
    from services.container import ControlRoom


def section(room: ControlRoom, me: Actor, chosen: date | None) -> None:
    profiles = {profile.id: profile for profile in room.reports.profiles()}
    profile = address.one("profile", profiles, next(iter(profiles.values())))
    with st.container(horizontal=True, vertical_alignment="bottom", key="asof-bar"):
        st.selectbox(
            "Profile",
            list(profiles),
            format_func=lambda name: profiles[name].title,
            key=address.follow("profile", profile.id),
            on_change=address.writes("profile"),
            width=460,
        )
        asof.picker(room, chosen)
    export: Export = room.reports.preview(profile.id, chosen)
    missing = sum(text == ABSENT for part in export.parts for row in part.rows for text in row)
    st.markdown(
        f":gray[Profile version {md(profile.version)}, dated {md(profile.date)} · as of {utc(export.as_of)} · "
        f"{plural(missing, 'field')} exported as “{ABSENT}”]"
    )
    notices.remark(f"{md(profile.note)} Source: {md(profile.source)}.")
    _downloads(room, me, export)
    for part in export.parts:
        with parts.card(md(part.title), plural(len(part.rows), "row"), key=f"part-{part.id}"):
            if not part.rows:
                notices.remark("Nothing to list up to this moment.")
                continue
            frame = pd.DataFrame(part.rows, columns=list(part.columns))
            st.dataframe(frame, hide_index=True, key=f"export-{part.id}", alt=part.title)


def _downloads(room: ControlRoom, me: Actor, export: Export) -> None:
    if not room.people.may(me, Permission.EXPORT):
        return
    stamp = f"{export.as_of:%Y%m%d}"
    with st.container(horizontal=True, key="export-buttons"):
        for kind in FORMATS:
            st.download_button(
                kind.upper(),
                partial(room.reports.export, export, kind, actor=me),
                file_name=f"{export.profile.id}-{stamp}.{kind}",
                mime=MIME[kind],
                icon=":material/download:",
                key=f"regulator-{kind}",
                on_click="ignore",
            )
    st.caption(f"Taking it away is recorded in the ledger with the digest of the file, as {md(me.name)}.")
