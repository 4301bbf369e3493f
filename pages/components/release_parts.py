"""A running release for readers: where it stands, what the watcher sees, what a step needs, what shadow showed."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.components import badges, evidence, notices, parts, places, reads, release_charts, session
from pages.components.format import NOTHING, age, count, md, milliseconds, percent, plural, signed, span, version, when
from services.inventory.models import ServiceLevel
from services.kernel.health import Explanation, Health
from services.rollout.release_models import (
    Analysis,
    Check,
    Reading,
    Release,
    ReleaseEvent,
    ReleaseState,
    ReleaseView,
    ShadowComparison,
)

_A_MILLION = 1e6
_TITLES = {
    "errors": "Failed requests",
    "latency": "Response time",
    "share": "Share of requests",
    "scores": "Scores",
    "business": "Business metric",
}


def headline(release: Release) -> str:
    """`Canary 10 %`, `Shadow`, `Held at 10 %`: the badge of one release."""
    share = f" {release.share} %" if release.state is ReleaseState.CANARY else ""
    held = f" at {release.share} %" if release.state is ReleaseState.PAUSED and release.share else ""
    return badges.badge(release.state, f"{badges.word(release.state)}{share}{held}" if share or held else "")


def heartbeat() -> str:
    """How long ago the worker, who watches, was last alive; a dead one is red, never silent."""
    known = reads.operations()
    if known is None or known.worker_seen is None:
        return ":red[:material/heart_broken: the watcher never ran]"
    seen = age(known.worker_seen, session.now())
    if known.worker_alive:
        return f":green[:material/favorite:] watcher {seen}"
    return f":red[:material/heart_broken: no watcher, last seen {seen}]"


def steps(view: ReleaseView) -> None:
    """The whole way in one line, where it stands, and how long it has been there."""
    release = view.release
    replaces = f" replaces {version(release.base)}" if release.base else ", the first version of this deployment"
    st.markdown(f"**{version(release.candidate)}**{replaces}")
    st.markdown(" → ".join(_steps(release)))
    st.progress(_way(release))
    st.markdown(f":gray[In this stage since {when(release.stage_since, session.zone())}.] {_dwell(view)}")
    if release.state is ReleaseState.PAUSED:
        st.warning(
            f"**Held.** {md(release.hold_reason)} Traffic stays as it is; the way back is open.",
            icon=":material/pause_circle:",
        )
    if release.state is ReleaseState.FAILED:
        st.error(
            "A change of traffic could not be verified: what is served may be mixed. The worker keeps trying; "
            "roll back, or look at the endpoint.",
            icon=":material/error:",
        )
    notices.remark(f"On call: {md(view.on_call)}." if view.on_call else "Nobody is on call for this model.", "call")


def _steps(release: Release) -> list[str]:
    words = ["Shadow"] if release.shadow else []
    words += [f"{share} %" for share in release.plan]
    here = _here(release)
    shown = []
    for number, word in enumerate(words):
        if number < here:
            shown.append(f":green[:material/check: {word}]")
        elif number == here:
            shown.append(f"**{word}**")
        else:
            shown.append(f":gray[{word}]")
    return shown


def _here(release: Release) -> int:
    """Index of the present step among shadow and shares; -1 before the first."""
    state = release.resumes_to if release.state is ReleaseState.PAUSED and release.resumes_to else release.state
    offset = 1 if release.shadow else 0
    if state is ReleaseState.SHADOW:
        return 0
    if release.share:
        return offset + sum(share < release.share for share in release.plan)
    return -1


def _way(release: Release) -> float:
    total = len(release.plan) + (1 if release.shadow else 0)
    return max(0.0, min(1.0, (_here(release) + 1) / total)) if total else 0.0


def _dwell(view: ReleaseView) -> str:
    until = view.dwell_until
    if until is None:
        return ""
    now = session.now()
    if until <= now:
        return ":green[:material/timer: The shortest time of this stage is over.]"
    return f":material/timer: Next step in {span(until - now)} at the earliest, {when(until, session.zone())}."


def checklist(checks: Sequence[Check]) -> None:
    """What a step needs, computed from state; a line that could not be found out is grey and lets nothing through."""
    missing = sum(check.state is not Health.HEALTHY for check in checks)
    with parts.card("Before the next step", "all in place" if not missing else f"{missing} open", key="checklist"):
        if not checks:
            notices.remark("No step is waiting.", "done_all")
        for check in checks:
            with st.container(gap=None):
                st.markdown(f"{_mark(check.state)} **{md(check.title)}** :gray[{md(check.sentence)}]")
                if check.target and check.state is not Health.HEALTHY:
                    page, query = places.parse_target(check.target)
                    st.page_link(page, label="Put right", icon=":material/build:", query_params=query, width="content")


def _mark(state: Health) -> str:
    if state is Health.HEALTHY:
        return ":green[:material/check_circle:]"
    if state is Health.UNKNOWN:
        return ":gray[:material/help:]"
    return ":red[:material/cancel:]" if state is Health.BREACH else ":orange[:material/warning:]"


def stop_rules(view: ReleaseView) -> None:
    """When the machine brings traffic back by itself, under which plan, and who signed it."""
    with parts.card("Stop rules", "signed with the approval"):
        if not view.plan_sentences:
            notices.remark("No signed plan: only a site reliability engineer brings traffic back.", "front_hand")
            return
        for line in view.plan_sentences:
            st.markdown(f":material/undo: {md(line)}")
        st.markdown(f":gray[Plan {md(view.plan_id)}, signed by {md(', '.join(view.plan_signers))}.]")


def analysis(view: ReleaseView, looks: Sequence[Analysis], level: ServiceLevel | None) -> None:
    """What the watcher sees: verdict, both versions on one axis with the limit, and each test with its evidence."""
    found, release = view.analysis, view.release
    note = f"looked {age(found.at, session.now())}" if found else "not looked at yet"
    with parts.card("Canary against champion" if release.share else "What the watcher sees", note, key="analysis"):
        if found is None:
            notices.remark("The watcher has not looked at this stage yet.", "help")
            return
        st.markdown(f"{badges.badge(found.verdict)} {md(found.sentence)}")
        if found.detectable:
            st.markdown(f":gray[{md(found.detectable)}]")
        _charts(looks, release, level)
        _readings(found.readings)
        parts.explain(_explanation(found), key="explain-analysis")


def _charts(looks: Sequence[Analysis], release: Release, level: ServiceLevel | None) -> None:
    if not any(look.arms for look in looks):
        notices.remark("No request was recorded in this stage yet.", "help")
        return
    ink, base = parts.ink(), release.base or ""
    st.markdown("**Failed requests** :gray[share of the requests between two looks]")
    limit = level.error_rate if level else None
    figure = release_charts.errors(looks, ink, candidate=release.candidate, base=base, limit=limit)
    parts.chart(figure, key="canary-errors", alt="Failed requests of canary and champion with the promise")
    st.markdown("**Response time p95** :gray[milliseconds, of the requests between two looks]")
    limit = level.p95_ms if level else None
    figure = release_charts.latency(looks, ink, candidate=release.candidate, base=base, limit=limit)
    parts.chart(figure, key="canary-latency", alt="p95 latency of canary and champion with the promise")


def _readings(readings: Sequence[Reading]) -> None:
    rows = [
        (
            f"{badges.mark(item.verdict)} {md(item.title or _TITLES.get(item.metric, item.metric))}",
            _counted(item.canary_events, item.canary_n),
            _counted(item.control_events, item.control_n),
            _evidence(item),
            f"{badges.word(item.verdict)}: {md(item.sentence)}",
        )
        for item in readings
    ]
    columns = ["Test", "Canary", "Champion", "Evidence", "What it says"]
    parts.table(pd.DataFrame(rows, columns=columns), alt="Tests of the running stage")


def _counted(events: int, n: int) -> str:
    return f"{count(events)} of {count(n)}" if n else "none yet"


def _evidence(item: Reading) -> str:
    if item.evidence is None or item.limit is None:
        return NOTHING
    word = {"roll-back": "rolls back", "hold": "holds"}.get(item.action, "goes on")
    shown = "over a million" if item.evidence > _A_MILLION else f"{item.evidence:,.2f}"
    return f"{shown} :gray[{word} at {item.limit:,.0f}]"


def _explanation(found: Analysis) -> Explanation:
    return Explanation(
        formula="Each test asks from which version the bad requests came, given the share each really had. Its "
        "evidence is an e-value, the mean of likelihood ratios (mixture SPRT): under two equal versions it exceeds 1/a "
        "with a chance of at most a, however often one looks (Ville's inequality). Errors count once per caller.",
        source="Recorded live requests of both versions over the same time; probes are left out",
        window=f"Since the stage began, {when(found.stage_since, session.zone())}",
        as_of=found.watermark,
        n=sum(item.canary_n + item.control_n for item in found.readings if item.metric == "errors"),
        note="Only errors, response time, hard limits and silence roll back by themselves; the rest holds the release "
        "and asks. Missing or old data never counts as good.",
    )


def shadow(found: ShadowComparison, release: Release) -> None:
    """The candidate's answers beside the live ones, to the same requests; nobody got them."""
    terms = release.shadow
    note = f"{md(found.method)}, {found.days:.1f} days, {count(found.records)} records"
    with parts.card("Shadow run", note, key="shadow"):
        if terms:
            part = min(found.days / terms.min_days if terms.min_days else 1.0, 1.0)
            rows = min(found.records / terms.min_records if terms.min_records else 1.0, 1.0)
            left, right = st.columns(2)
            left.progress(part, text=f"{found.days:.1f} of {plural(terms.min_days, 'day')}")
            right.progress(rows, text=f"{count(found.records)} of {count(terms.min_records)} records")
        if not found.records:
            notices.remark("No request was answered by both versions yet.", "help")
            return
        of = f":gray[of {plural(found.requests, 'request')}]"
        between = f"95 % interval {percent(found.agreement_low, 1)} to {percent(found.agreement_high, 1)}"
        judged = f"; {md(found.judged_by)}" if found.judged_by else ""
        parts.facts(
            [
                ("Same decision", f"**{percent(found.agreement, 1)}** :gray[{between}{judged}]"),
                ("Mean difference", f"{signed(found.mean_difference)} :gray[candidate minus live]"),
                ("Score shift (PSI)", "not enough records" if found.psi is None else f"{found.psi:.3f}"),
                ("p95 live, shadow", f"{milliseconds(found.live_p95_ms)}, **{milliseconds(found.candidate_p95_ms)}**"),
                ("Failed live, shadow", f"{count(found.live_errors)}, **{count(found.candidate_errors)}** {of}"),
                ("Copies dropped", f"{count(found.dropped)} :gray[so that no caller waited]"),
            ],
            alt="Shadow comparison",
        )
        for line in found.would_breach:
            st.markdown(f":red[:material/error:] Would have broken a promise: {md(line)}")
        if not found.would_breach:
            st.markdown(":green[:material/check_circle:] No promise would have been broken.")
        if found.histogram:
            figure = release_charts.scores(
                found.histogram, parts.ink(), candidate=release.candidate, base=release.base or ""
            )
            parts.chart(figure, key="shadow-scores", alt="Scores of the live version and of the shadow")


def events(lines: Sequence[ReleaseEvent]) -> None:
    with parts.card("This release so far", "newest first"):
        if not lines:
            notices.remark("Nothing has happened yet.", "history")
        for line in reversed(lines[-12:]):
            with st.container(gap=None):
                st.markdown(f"{badges.mark(line.state)} {md(line.sentence)}")
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.caption(f"{when(line.at, session.zone())}, {md(line.actor)}", width="content")
                    evidence.entry_link(line.seq)
