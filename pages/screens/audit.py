"""What an auditor reads, one section at a time: `audit?section=…`. Only the chosen section runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import streamlit as st

from pages.components import (
    address,
    asof,
    audit_access,
    audit_asof,
    audit_controls,
    audit_exceptions,
    audit_exports,
    audit_ledger,
    audit_lookup,
    audit_pack,
    audit_retention,
    audit_samples,
    audit_segregation,
    notices,
    parts,
    session,
)
from services.kernel.errors import ControlRoomError, InputError

me = session.enter("audit")
room = session.control_room()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    title: str
    fact: str
    show: Callable[[date | None], None]
    follows: bool = False
    """True when it shows the day that was chosen."""


SECTIONS = {
    "ledger": Section(
        title="Ledger",
        fact="Every decision, act and refusal, in order.",
        show=lambda _day: None,
        follows=True,
    ),
    "asof": Section(
        title="Any day",
        fact="The inventory as the ledger recorded it.",
        show=lambda day: audit_asof.section(room, day),
        follows=True,
    ),
    "lookup": Section(
        title="Decisions",
        fact="Which version and whose signatures decided, at a moment or for one prediction.",
        show=lambda _day: audit_lookup.section(room),
    ),
    "segregation": Section(
        title="Segregation",
        fact="Who asked against who signed, and every attempt that was refused.",
        show=lambda day: audit_segregation.section(room, day),
        follows=True,
    ),
    "exceptions": Section(
        title="Exceptions",
        fact="Where the ordinary rule was set aside, by whom, until when, and what was done instead.",
        show=lambda day: audit_exceptions.section(room, day),
        follows=True,
    ),
    "retention": Section(
        title="Retention",
        fact="How long each class of record is kept, what a legal hold keeps longer, and what was disposed of.",
        show=lambda _day: audit_retention.section(room, me),
    ),
    "samples": Section(
        title="Samples",
        fact="Draw a sample that anybody can draw again, and see what each record is made of.",
        show=lambda _day: audit_samples.section(room, me),
    ),
    "controls": Section(
        title="Controls",
        fact="Each control with the entries that show it at work.",
        show=lambda day: audit_controls.section(room, day),
        follows=True,
    ),
    "exports": Section(
        title="Exports",
        fact="The inventory in the shape a regulator asks for.",
        show=lambda day: audit_exports.section(room, me, day),
        follows=True,
    ),
    "packs": Section(
        title="Packs",
        fact="Everything an auditor takes away, verifiable without this app.",
        show=lambda _day: audit_pack.section(room, me),
    ),
    "access": Section(
        title="Access",
        fact="Which pages an auditor opened, and when.",
        show=lambda _day: audit_access.section(room, me),
    ),
}


def _page(day: date | None) -> None:
    key = address.one("section", {name: name for name in SECTIONS}, "ledger")
    chosen = SECTIONS[key]
    asof.banner(day, follows=chosen.follows)
    asked = audit_ledger.query(room, day) if key == "ledger" else None
    with parts.header("Audit", f":gray[{chosen.fact}]"):
        if asked is not None:
            audit_ledger.actions(room, asked, day)
    st.segmented_control(
        "Section",
        list(SECTIONS),
        format_func=lambda name: SECTIONS[name].title,
        key=address.follow("section", key),
        on_change=address.writes("section", resets=("page", "sample", "q", "kind", "day", "time", "prediction", "by")),
        label_visibility="collapsed",
        required=True,
    )
    try:
        if asked is not None:
            audit_ledger.section(room, asked)
        else:
            chosen.show(day)
    except InputError as error:
        notices.show(error)
    except ControlRoomError as error:
        notices.show(error, known=notices.stale("this section", None, session.now()), key="section-again")


wanted = address.number("entry", -1, low=0, high=2**53)
if wanted >= 0:
    audit_ledger.entry(room, wanted)
else:
    _page(asof.chosen(room))
