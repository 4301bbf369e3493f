"""Decision look-up: which version and whose signatures decided, at a moment or for one prediction."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
import streamlit as st

from pages.components import address, audit_ledger, notices, parts, reads, session
from pages.components.format import NOTHING, code, count, day, digest, md, number, role, routes, utc, version, when
from services.audit.lookup import Approval, LookUp
from services.inventory.access import MaskKind
from services.kernel.errors import InputError

if TYPE_CHECKING:
    from services.container import ControlRoom

WAYS = {"moment": "By model and moment", "prediction": "By prediction id"}


def section(room: ControlRoom) -> None:
    way = address.one("by", {name: name for name in WAYS}, "prediction" if address.get("prediction") else "moment")
    st.segmented_control(
        "Look up",
        list(WAYS),
        format_func=WAYS.__getitem__,
        key=address.follow("by", way),
        on_change=address.writes("by"),
        label_visibility="collapsed",
        required=True,
    )
    if way == "prediction":
        _by_prediction(room)
    else:
        _by_moment(room)


def _by_moment(room: ControlRoom) -> None:
    zone = _zone()
    models = room.reports.models()
    if not models:
        notices.empty("No model in the ledger yet", "Register a model or release one first.", icon="deployed_code")
        return
    first, last = room.reports.recorded()
    with st.container(horizontal=True, vertical_alignment="bottom", key="lookup-form"):
        model = address.one("model", {name: name for name in models}, models[0])
        st.selectbox("Model", models, key=address.follow("model", model), on_change=address.writes("model"), width=260)
        chosen = _day(first, last)
        st.date_input(
            "Day",
            key=address.follow("day", chosen),
            min_value=first,
            max_value=last,
            format="YYYY-MM-DD",
            on_change=address.writes("day", lambda value: value.isoformat()),
            width=150,
        )
        at_time = _time()
        st.time_input(
            f"Time ({zone.key.rpartition('/')[2].replace('_', ' ')})",
            key=address.follow("time", at_time),
            on_change=address.writes("time", lambda value: f"{value:%H:%M}"),
            step=60,
            width=150,
        )
    at = datetime.combine(chosen, at_time, tzinfo=zone).astimezone(UTC)
    st.markdown(f":gray[{when(at, session.zone())}, that is {utc(at)}]")
    _answer(room.reports.look_up(model, at))


def _by_prediction(room: ControlRoom) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="lookup-form"):
        st.text_input(
            "Prediction id",
            key=address.follow("prediction", address.get("prediction")),
            on_change=address.writes("prediction", lambda text: text.strip()),
            placeholder="As the endpoint or the batch run returned it",
            width=420,
        )
    wanted = address.get("prediction")
    if not wanted:
        notices.remark("Enter the id that came with the answer. The inference log then names the exact version.")
        return
    answers = room.reports.look_up_prediction(wanted)
    if len(answers) > 1:
        notices.remark(
            f"{count(len(answers))} answers are recorded under this id; each is shown. A batch run that is repeated "
            "answers again."
        )
    for position, found in enumerate(answers):
        _answer(found, position)
    for model in dict.fromkeys(found.model for found in answers):
        _inputs(room, model, wanted)


def _inputs(room: ControlRoom, model: str, prediction_id: str) -> None:
    """What the model was given, as the access rules let this person read it."""
    me = session.signed_in()
    shown = reads.attempt(
        "the recorded inputs",
        lambda: room.rows.inputs(model, prediction_id, actor=me),
        key=f"inputs-{model}-{prediction_id}",
    )
    if not shown:
        return
    with parts.card("What the model was given", "as the access rules let you read it"):
        for number_of, row in enumerate(shown):
            frame = pd.DataFrame(
                [
                    {
                        "Input": md(item.name),
                        "Value": f":gray[:material/visibility_off: {md(item.value)}]"
                        if item.mask.kind is MaskKind.HIDE
                        else md(item.value),
                        "For you": md(item.mask.words),
                        "Tag": md(item.category) or ":gray[none]",
                    }
                    for item in row.inputs
                ]
            )
            st.markdown(f"{version(md(row.version))} as {md(row.role)}, {when(row.event_at, session.zone())}")
            parts.table(frame, alt=f"Inputs {model} {number_of + 1}")


def _answer(found: LookUp, position: int = 0) -> None:
    for problem in found.problems:
        st.error(f"**Contradiction.** {md(problem)}", icon=":material/gpp_bad:")
    with parts.card(f"{md(found.model)} at {when(found.at, session.zone())}", key=f"lookup-answer-{position}"):
        rows = [("Moment", f"{when(found.at, session.zone())} :gray[{utc(found.at)}]")]
        if found.prediction is not None:
            score = f", score {number(found.prediction.score)}" if found.prediction.score is not None else ""
            rows.append(
                (
                    "Answered by",
                    (
                        f"**{version(md(found.prediction.version))}** as {md(found.prediction.role)}{score} "
                        ":gray[from the inference log]"
                    ),
                )
            )
        rows += [
            ("Traffic split", md(routes(found.routes)) if found.routes else "not known"),
            ("Answers for the model", md(version(found.champion)) if found.champion else "not known"),
            ("Since", when(found.since, session.zone()) if found.since else "not known"),
            ("Ordered by", md(found.ordered_by) or "not known"),
        ]
        parts.facts(rows, alt="What decided")
        with st.container(horizontal=True):
            if found.seq_action is not None:
                audit_ledger.open_entry(found.seq_action, f"Order, entry {found.seq_action}")
            if found.seq_outcome is not None:
                audit_ledger.open_entry(found.seq_outcome, f"Outcome, entry {found.seq_outcome}")
        for words in found.unknown:
            notices.remark(f"Not known: {md(words)}", "help")
    for approval in found.approvals:
        _approval(found, approval, position)


def _approval(found: LookUp, approval: Approval, position: int) -> None:
    with parts.card(
        f"What allowed {version(md(approval.version))}", key=f"lookup-approval-{position}-{approval.seq_request}"
    ):
        parts.facts(
            [
                ("Request", f"{md(approval.request_id)} :gray[asked by {md(approval.requester)}]"),
                (
                    "Policy",
                    (
                        f"{md(approval.policy_name) or 'not recorded'} version {md(approval.policy_version)} "
                        f"{code(digest(approval.policy_sha256, 16))}"
                    ),
                ),
                ("Files", code(digest(approval.manifest_sha256, 16))),
                ("Evaluation report", code(digest(approval.evaluation_sha256, 16))),
                ("Training run", code(approval.run_id)),
            ],
            alt=f"What allowed version {approval.version}",
        )
        if approval.signers:
            parts.table(
                pd.DataFrame(
                    [
                        {
                            "Signed by": md(item.name)
                            + (f" :gray[for {md(item.on_behalf_of)} by delegation]" if item.on_behalf_of else ""),
                            "Role": md(role(item.role)),
                            "Meaning": md(item.meaning),
                            "When": f"{when(item.at, session.zone())} :gray[{utc(item.at)}]",
                            "Entry": str(item.seq),
                        }
                        for item in approval.signers
                    ]
                ),
                alt=f"Signatures on version {approval.version} of {found.model}",
            )
        else:
            notices.remark("No signature is recorded on this request.", "help")
        if approval.gates:
            with st.expander(f"Thresholds and values of {len(approval.gates)} checks", icon=":material/rule:"):
                parts.table(
                    pd.DataFrame(
                        [
                            {
                                "Check": md(gate.gate),
                                "Rule": md(gate.rule) or NOTHING,
                                "Value": md(gate.observed) or NOTHING,
                                "Result": md(gate.result),
                            }
                            for gate in approval.gates
                        ]
                    ),
                    alt=f"Checks on version {approval.version}",
                )
        with st.container(horizontal=True):
            audit_ledger.open_entry(approval.seq_request, f"Request, entry {approval.seq_request}")
            for item in approval.signers:
                audit_ledger.open_entry(item.seq, f"{md(item.name)}, entry {item.seq}")


def _zone() -> ZoneInfo:
    try:
        return ZoneInfo(session.zone())
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _day(first: date, last: date) -> date:
    text = address.get("day")
    if not text:
        return last
    try:
        chosen = date.fromisoformat(text)
    except ValueError as wrong:
        raise InputError(f"“{text[:40]}” is not a day.", hint="Write it as 2026-11-12.") from wrong
    if not first <= chosen <= last:
        raise InputError(
            f"{day(chosen)} lies outside the recorded time.", hint=f"Choose a day from {day(first)} to {day(last)}."
        )
    return chosen


def _time() -> time:
    text = address.get("time")
    if not text:
        return (
            time(0, 0)
            if address.get("day")
            else session.now().astimezone(_zone()).time().replace(second=0, microsecond=0)
        )
    try:
        return time.fromisoformat(text)
    except ValueError as wrong:
        raise InputError(f"“{text[:40]}” is not a time.", hint="Write it as 14:20.") from wrong
