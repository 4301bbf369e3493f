"""First thing on a request: what changed since the last approval, and what changed since the reader looked."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.components import evidence, notices, parts
from pages.components.format import md, plural, sentence, version
from pages.components.request_facts import since_words, unchanged_words
from services.approvals.models import Comparison, DiffGroup, RequestDraft, RequestState, RequestView

_LINES = 5
_SEEN = "request_seen"


def banners(view: RequestView, changed: Sequence[str]) -> None:
    """What a reader must know before anything else: changes since the last look, a stale submission, a fallen one."""
    if changed:
        things = plural(len(changed), "item")
        said = " ".join(sentence(md(item)) for item in changed)
        st.warning(f"**{things} changed since you looked.** {said}", icon=":material/sync_problem:")
    if view.stale:
        undecided = view.row.state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}
        lead = "Nobody can sign this now." if undecided else "This approval has to be confirmed again."
        st.warning(f"**{lead}** {md(sentence(view.stale))}", icon=":material/sync_problem:")
    for words in view.exceptions:
        st.markdown(f":orange-badge[:material/rule_settings: Exception] {md(words)}")


def remembered(view: RequestView, subject: str) -> tuple[str, ...]:
    """What changed since the last visit. Reading marks it as seen, so the words are kept while the page is open."""
    name = (view.row.request_id, subject)
    kept = st.session_state.get(_SEEN)
    if kept is None or kept[0] != name:
        kept = (name, ())
    changed = tuple(dict.fromkeys((*kept[1], *view.changed_since_seen)))
    st.session_state[_SEEN] = (name, changed)
    return changed


def card(view: RequestView) -> None:
    """Changed subjects with their lines; unchanged ones are one line of words."""
    moved = [group for group in view.diff if group.changed]
    note = f"{len(moved)} of {plural(len(view.diff), 'subject')} changed" if view.diff else ""
    with parts.card(since_words(view), note, key="changes"):
        if view.note:
            st.markdown(f":gray[:material/format_quote: {md(view.row.requester)}:] {md(view.note)}")
        if not view.diff:
            _lines(view)
            return
        if not view.row.base:
            notices.remark("There is no live version to compare with.", "help")
        _groups(view.diff, view.row.base, view.row.version)


def _lines(view: RequestView) -> None:
    """A request of an earlier release names its changes without subjects."""
    shown, hidden = _telling(view.changes, most=2 * _LINES - 2)
    evidence.changes(shown, view.row.base, view.row.version)
    if hidden:
        with st.expander(plural(len(hidden), "more line")):
            evidence.changes(hidden, view.row.base, view.row.version, alt="More changes")


def drafted(draft: RequestDraft) -> None:
    """The same card for a request that is not made yet."""
    title = f"Changed since {version(draft.base)}" if draft.base else "First release"
    moved = [group for group in draft.diff if group.changed]
    with parts.card(title, f"{len(moved)} of {plural(len(draft.diff), 'subject')} changed"):
        _groups(draft.diff, draft.base, draft.version)


def _groups(groups: Sequence[DiffGroup], base: str | None, candidate: str) -> None:
    rest = _table([group for group in groups if group.changed], base, candidate)
    if rest:
        with st.expander(plural(len(rest), "more line")):
            evidence.changes(rest, base, candidate, alt="More changes")
    same = unchanged_words(groups)
    if same:
        st.markdown(f":gray[:material/check: {md(same)}]")


def _table(groups: Sequence[DiffGroup], base: str | None, candidate: str) -> list[Comparison]:
    """Draws the most telling lines of every changed subject; returns the others."""
    rows: list[tuple[str, str, str, str, str]] = []
    rest: list[Comparison] = []
    for group in groups:
        shown, hidden = _telling(group.lines)
        rest += hidden
        if not shown:
            rows.append((f"**{md(group.title)}**", md(group.sentence), "", "", ""))
        for number, line in enumerate(shown):
            name = f"**{md(group.title)}**" if number == 0 else ""
            change = f"{evidence.direction(line)}{md(line.change)}"
            rows.append((name, md(line.title), md(line.champion), f"**{md(line.candidate)}**", change))
    if rows:
        old = f"{version(base)} live" if base else "live"
        columns = ["Subject", "Measure", old, version(candidate), "Change"]
        parts.table(pd.DataFrame(rows, columns=columns), alt="Changed since the live version")
    return rest


def _telling(lines: Sequence[Comparison], *, most: int = _LINES) -> tuple[list[Comparison], list[Comparison]]:
    """Lines that moved, worse ones first; lines that stayed are left out of the first view."""
    moved = [line for line in lines if line.change not in {"", "none"}] or list(lines)
    order = {False: 0, True: 1, None: 2}
    ordered = sorted(moved, key=lambda line: order[line.better])
    shown = ordered[:most]
    return shown, [line for line in lines if line not in shown]
