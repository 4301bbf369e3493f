"""What a decision rests on, drawn the same way everywhere: changes, gates, quorum, signatures, traffic split."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.components import badges, charts, notices, parts, places, session
from pages.components.format import age, code, digest, md, plural, role, routes, version, when
from services.approvals.models import Comparison, QuorumProgress, SignatureView, TrailLine
from services.policy.models import QuorumRule
from services.rollout.models import DeploymentView


def changes(
    items: Sequence[Comparison], base: str | None, candidate: str, *, alt: str = "Changed since the live version"
) -> None:
    if not items:
        notices.remark("There is no live version to compare with.", "help")
        return
    old = f"{version(base)} live" if base else "live"
    rows = [
        (md(item.title), md(item.champion), f"**{md(item.candidate)}**", f"{direction(item)}{md(item.change)}")
        for item in items
    ]
    parts.table(pd.DataFrame(rows, columns=["Measure", old, version(candidate), "Change"]), alt=alt)


def direction(item: Comparison) -> str:
    if item.better is None:
        return ""
    return ":green[:material/thumb_up:] " if item.better else ":orange[:material/warning:] "


def quorum_words(rules: Sequence[QuorumRule]) -> str:
    return ", ".join(f"{plural(rule.needed, role(rule.role).lower())} ({rule.decision})" for rule in rules) or "nobody"


def signatures(quorum: Sequence[QuorumProgress], signed: Sequence[SignatureView]) -> None:
    """Each step of the quorum with who signed it, then decisions outside the quorum."""
    shown: set[int] = set()
    for step in quorum:
        word = role(step.rule.role)
        mine = [item for item in signed if item.role in {word, step.rule.role}]
        for item in mine:
            shown.add(item.seq)
            _signature(item, word)
        if not step.complete:
            with st.container(key=f"waiting-{step.rule.role}", gap=None):
                st.markdown(f"**{md(word)}**")
                missing = plural(step.rule.needed - step.have, "signature")
                st.markdown(f":gray[:material/schedule: Waiting; {missing} to {md(step.rule.decision)}]")
    for item in signed:
        if item.seq not in shown:
            _signature(item, role(item.role))


def _signature(item: SignatureView, word: str) -> None:
    name = "signed" if item.valid and not item.void_reason else "void"
    with st.container(key=f"{name}-{item.seq}-{item.subject.replace('.', '-')}", gap=None):
        sign = badges.mark(item.decision) if name == "signed" else ":red[:material/gpp_bad:]"
        strike = "~~" if name == "void" else ""
        st.markdown(f"**{md(word)}** {sign} {badges.word(item.decision)}")
        st.markdown(f"{strike}{md(item.signer)}{strike}, :gray[{when(item.at, session.zone())}]")
        if item.comment:
            st.markdown(f"“{md(item.comment)}”")
        if item.void_reason or not item.valid:
            st.markdown(f":red[Void: {md(item.void_reason or 'the signature does not verify')}]")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(code(digest(item.leaf_hash)), width="content")
            entry_link(item.seq)


def trail(lines: Sequence[TrailLine]) -> None:
    for line in sorted(lines, key=lambda item: item.at, reverse=True):
        with st.container(gap=None):
            st.markdown(md(line.sentence))
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(when(line.at, session.zone()), width="content")
                entry_link(line.seq)


def entry_link(seq: int | None) -> None:
    if seq is not None:
        st.page_link(
            places.path("audit"),
            label=f"entry {seq}",
            icon=":material/receipt_long:",
            query_params={"entry": str(seq)},
            width="content",
        )


def split(view: DeploymentView, *, key: str) -> None:
    """Desired and actual traffic side by side; the actual one is what the platform answered, with its age."""
    rows = [("Desired", [(version(name), float(share)) for name, share in view.desired])]
    if view.observed is not None:
        rows.append(("Actual", [(version(name), float(share)) for name, share in view.observed.routes]))
    if any(shown for _, shown in rows):
        ink = parts.ink()
        names = {name for _, shown in rows for name, _ in shown}
        colours = dict.fromkeys(names, ink.accent)
        if len(names) > 1:
            colours[version(view.champion)] = ink.muted
        words = f"Desired {routes(view.desired)}; actual {routes(view.observed.routes) if view.observed else 'unknown'}"
        parts.chart(charts.shares(rows, ink, height=30 + 38 * len(rows), colours=colours), key=key, alt=words)
    else:
        notices.remark("No version carries traffic yet.", "help")
    if view.observed is None:
        seen = f"; last read {age(view.observed_at, session.now())}" if view.observed_at else ""
        st.markdown(f":gray[:material/help: Actual traffic is unknown: {md(view.problem.rstrip('.'))}{seen}]")
    else:
        st.caption(
            f"Read back from the platform {age(view.observed.at, session.now())}, "
            f"generation {view.observed.generation}."
        )
        if dict(view.observed.routes) != dict(view.desired):
            st.markdown(":orange[:material/warning: What is served differs from what was asked for.]")
    if view.finding:
        st.markdown(f"{badges.badge(badges.FINDING)} {md(view.finding)}")
