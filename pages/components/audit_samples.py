"""Samples: drawn by seed, kept as a ledger entry, found again by link, each item with its fourteen parts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import address, audit_ledger, exporting, notices, parts, places, session, tables
from pages.components.format import code, count, day, digest, md, utc, when
from services.audit.completeness import Completeness, Item, Part
from services.audit.samples import DrawSample, SampleView
from services.audit.sampling import LARGEST, Population, Sample
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission
from services.kernel.ids import new_id

if TYPE_CHECKING:
    from services.container import ControlRoom

POPULATIONS = {
    Population.PROMOTIONS.value: "Promotions",
    Population.ROLLBACKS.value: "Rollbacks",
    Population.OVERRIDES.value: "Overrides (emergency, exception, adoption)",
    Population.REFUSED.value: "Refused attempts",
}
_MARKS = {
    Part.PRESENT: ":green[:material/check_circle:]",
    Part.MISSING: ":red[:material/cancel:]",
    Part.NOT_APPLICABLE: ":gray[:material/remove_circle:]",
}
_COMMAND = "sample-command"


def section(room: ControlRoom, me: Actor) -> None:
    wanted = address.number("sample", -1, low=0, high=2**53)
    if wanted >= 0:
        st.button("All samples", icon=":material/arrow_back:", key="all-samples", on_click=_back, type="tertiary")
        _sample(room.reports.samples.sample(wanted))
        return
    if room.people.may(me, Permission.DRAW_SAMPLE):
        _form(room, me)
    _list(room.reports.samples.samples())


def _back() -> None:
    address.put(sample="", item="")


def _form(room: ControlRoom, me: Actor) -> None:
    first, last = room.reports.recorded()
    with st.form("draw-sample", enter_to_submit=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            population = st.selectbox(
                "Drawn from", list(POPULATIONS), format_func=POPULATIONS.__getitem__, key="sample-population", width=300
            )
            since = st.date_input("From", value=max(first, last - timedelta(days=365)), key="sample-since", width=150)
            until = st.date_input("To", value=last, key="sample-until", width=150)
            seed = st.number_input(
                "Seed", min_value=0, max_value=2**52, value=2026, step=1, key="sample-seed", width=150
            )
            size = st.number_input(
                "Items", min_value=1, max_value=LARGEST, value=10, step=1, key="sample-size", width=110
            )
            go = st.form_submit_button("Draw sample", type="primary", icon=":material/casino:", key="sample-go")
        st.caption(
            "The same seed over the same entries always gives the same list: entries are ranked by SHA-256 of seed and "
            "entry hash. Drawing is recorded in the ledger."
        )
    if not go or not isinstance(since, date) or not isinstance(until, date):
        return
    # One id until a draw succeeds: a double click records one sample.
    command_id = st.session_state.setdefault(_COMMAND, new_id("cmd", session.now()))
    try:
        receipt = room.reports.samples.draw(
            DrawSample(
                command_id=command_id,
                population=Population(population),
                since=since,
                until=until,
                seed=int(seed),
                wanted=int(size),
            ),
            actor=me,
        )
    except ControlRoomError as error:
        notices.show(error, key="sample-again")
        return
    del st.session_state[_COMMAND]
    notices.flash("The sample is drawn and recorded.", receipt)
    address.put(sample=str(receipt.seq))
    st.rerun()


def _list(samples: tuple[Sample, ...]) -> None:
    st.header("Drawn before", anchor=False)
    if not samples:
        notices.remark("No sample was drawn yet.")
        return
    frame = pd.DataFrame(
        {
            "when": [when(item.at, session.zone()) for item in samples],
            "by": [item.drawn_by for item in samples],
            "what": [POPULATIONS[item.frame.population.value] for item in samples],
            "range": [f"{item.frame.since.isoformat()} to {item.frame.until.isoformat()}" for item in samples],
            "seed": [str(item.seed) for item in samples],
            "items": [f"{len(item.entries)} of {item.population_count}" for item in samples],
        }
    )
    config = {
        "when": tables.text("When", width=180),
        "by": tables.text("Drawn by", width=140),
        "what": tables.text("Drawn from", width=260),
        "range": tables.text("Dated", width=190),
        "seed": tables.text("Seed", width=90),
        "items": tables.text("Items", width=90),
    }
    row = parts.selectable(frame, config, key="samples", alt="Samples drawn before")
    if row is not None:
        st.page_link(
            places.path("audit"),
            label=f"Open sample {samples[row].seq}",
            icon=":material/arrow_forward:",
            query_params={"section": "samples", "sample": str(samples[row].seq)},
            width="content",
        )


def _sample(view: SampleView) -> None:
    sample = view.sample
    if view.problem:
        st.error(f"**Not the same.** {md(view.problem)}", icon=":material/gpp_bad:")
    else:
        st.markdown(":green[:material/verified_user:] **Drawn again: the same list from the same population.**")
    with parts.card(f"{POPULATIONS[sample.frame.population.value]}, seed {sample.seed}", key="sample-facts"):
        parts.facts(
            [
                ("Drawn", f"{when(sample.at, session.zone())} :gray[by {md(sample.drawn_by)}]"),
                ("Entries dated", f"{day(sample.frame.since)} to {day(sample.frame.until)}"),
                ("Items", f"{count(len(sample.entries))} of {count(sample.population_count)}"),
                ("Population digest", code(digest(sample.population_sha256, 16))),
            ],
            alt="How the sample was drawn",
        )
        with st.container(horizontal=True):
            audit_ledger.open_entry(sample.seq, f"The draw, entry {sample.seq}")
            exporting.popover(
                f"sample-{sample.seq}",
                lambda: [_row(rank, item) for rank, item in enumerate(view.items, start=1)],
                note=f"filter: sample of ledger entry {sample.seq}, seed {sample.seed}",
                as_of=sample.at,
            )
    _items(view)


def _items(view: SampleView) -> None:
    frame = pd.DataFrame(
        {
            "rank": list(range(1, len(view.items) + 1)),
            "entry": [item.fact.seq for item in view.items],
            "what": [item.fact.sentence for item in view.items],
            "when": [when(item.fact.at, session.zone()) for item in view.items],
            "complete": [complete_words(item) for item in view.items],
            "missing": [", ".join(item.missing) or "nothing" for item in view.items],
        }
    )
    config = {
        "rank": tables.numeric("Rank", "%d", width=60),
        "entry": tables.numeric("Entry", "%d", width=70),
        "what": tables.text("What", width=380),
        "when": tables.text("When", width=180),
        "complete": tables.text("Complete", width=230),
        "missing": tables.text("Missing", width=220),
    }
    row = parts.selectable(frame, config, key="sample-items", alt="Items of the sample in rank order")
    chosen = view.items[row] if row is not None else view.items[0] if view.items else None
    if chosen is not None:
        completeness(chosen)


def complete_words(item: Completeness) -> str:
    apart = len(item.items) - item.applicable
    rest = f", {apart} {'does' if apart == 1 else 'do'} not apply" if apart else ""
    return f"{item.present} of {len(item.items)}{rest}"


def completeness(item: Completeness) -> None:
    """The fourteen parts of one record, each with a way to open it."""
    with parts.card(
        f"Entry {item.fact.seq}: {complete_words(item)}", md(item.fact.sentence), key=f"complete-{item.fact.seq}"
    ):
        for part in item.items:
            _part(part)


def _part(part: Item) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"part-{part.key}"):
        st.markdown(f"{_MARKS[part.state]} **{part.title}** :gray[{part.state.value}.] {md(part.sentence)}")
        if part.target:
            file, asked = places.parse_target(part.target)
            st.page_link(file, label="Open", icon=":material/arrow_forward:", query_params=asked, width="content")


def _row(rank: int, item: Completeness) -> dict[str, object]:
    return {
        "rank": rank,
        "entry": item.fact.seq,
        "leaf_hash": item.fact.leaf_hash,
        "at": utc(item.fact.at),
        "what": item.fact.sentence,
        "present": item.present,
        "applicable": item.applicable,
        "missing": "; ".join(item.missing),
        **{part.key: part.state.value for part in item.items},
    }
