"""How a version does on held-out rows beside the live one: measures, charts, groups, checks, and the run itself."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    evaluation_findings,
    evaluation_report,
    evaluation_run,
    notices,
    parts,
    places,
    reads,
    request_evaluation,
    session,
)
from pages.components.evaluation_report import Found, Report
from pages.components.format import md, version
from services.evaluation.harness.models import HarnessRun
from services.inventory.models import DeploymentKind, GovernedModel
from services.kernel.errors import UnknownModelError
from services.kernel.identity import Permission
from services.policy.models import GateReport

me = session.enter("evaluation")
room = session.control_room()
SECTIONS = {"result": "Result", "charts": "Charts", "groups": "Groups", "checks": "Checks"}
MEASURED = {kind.value: kind.name for kind in (DeploymentKind.REALTIME, DeploymentKind.BATCH)}


def _version(name: str) -> str | None:
    found = reads.attempt("versions", lambda: room.inventory.versions(name), key=f"versions-{name}")
    if not found:
        if found is not None:
            notices.empty(
                "No version in the registry",
                "Training has not registered one for this name yet.",
                icon="deployed_code",
                page="inventory",
                link="Models",
            )
        return None
    by_number = {item.version: item for item in found}
    chosen = address.one("version", by_number, found[0])
    st.selectbox(
        "Version",
        list(by_number),
        format_func=version,
        width=160,
        key=address.follow("version", chosen.version),
        on_change=address.writes("version"),
    )
    return str(chosen.version)


def _body(name: str, number: str, found: Found) -> None:
    run = evaluation_run.latest(name, number)
    evaluation_run.show_problem()
    if found.problem:
        st.warning(f"The evaluation report cannot be used. {md(found.problem)}", icon=":material/error:")
    if found.report is None:
        _nothing_yet(name, number, run, found)
        return
    chosen = _section()
    if chosen == "result":
        _result(name, number, run, found, found.report)
    elif chosen == "charts":
        _charts(name, found.report)
    elif chosen == "groups":
        evaluation_findings.groups(found.report, _gates(name, number))
    else:
        _checks(found.report)


def _nothing_yet(name: str, number: str, run: HarnessRun | None, found: Found) -> None:
    left, right = st.columns([2, 1])
    with left:
        own = found.facts is not None and bool(found.facts.evaluation) and not found.problem
        also = " The training run logged figures of its own; they are on the model page." if own else ""
        notices.empty(
            "No evaluation yet",
            f"Nothing was measured for {version(number)} of {md(name)} by the harness, so nothing is shown.{also}",
            icon="fact_check",
        )
        _criteria(name, number)
    with right:
        evaluation_run.card(name, number, run, me=me, measured=False)


def _section() -> str:
    chosen = address.one("show", {key: key for key in SECTIONS}, "result")
    st.segmented_control(
        "Show",
        list(SECTIONS),
        format_func=SECTIONS.__getitem__,
        key=address.follow("show", chosen),
        on_change=address.writes("show"),
        label_visibility="collapsed",
        required=True,
    )
    return chosen


def _result(name: str, number: str, run: HarnessRun | None, found: Found, report: Report) -> None:
    left, right = st.columns([2, 1])
    with left:
        evaluation_report.two_columns(report)
        _criteria(name, number)
    with right:
        evaluation_run.card(name, number, run, me=me, measured=True)
        evaluation_report.basis(report, found)
        evaluation_findings.narrative(report)


def _criteria(name: str, number: str) -> None:
    report = _gates(name, number)
    if report is not None:
        request_evaluation.criteria_card(report, f"What the policy says about {version(number)}")


def _gates(name: str, number: str) -> GateReport | None:
    return reads.attempt("gates", lambda: room.evaluation.gates(name, number), key=f"gates-{name}-{number}")


def _charts(name: str, report: Report) -> None:
    evaluation_report.ranking(report)
    evaluation_report.calibration(report)
    left, right = st.columns(2)
    with left:
        evaluation_report.stability(report)
    with right:
        evaluation_report.latency(report, _model(name))


def _model(name: str) -> GovernedModel | None:
    try:
        return reads.attempt("the model", lambda: room.inventory.model(name), key=f"model-{name}")
    except UnknownModelError:
        return None


def _checks(report: Report) -> None:
    evaluation_findings.checks(report)
    evaluation_findings.investigation(report)
    left, right = st.columns([2, 1])
    with left:
        evaluation_findings.inputs(report)
    with right:
        evaluation_findings.files(report)


def _screen() -> None:
    place = st.container()
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        row = parts.model_picker(kinds=MEASURED)
    with right:
        number = _version(row.name) if row is not None else None
    found = evaluation_report.find(row.name, number) if row is not None and number is not None else Found()
    with place, parts.header("Evaluation", evaluation_report.fact_line(found)):
        if row is not None:
            st.page_link(
                places.path("model"),
                label="The model",
                icon=":material/deployed_code:",
                query_params={"name": row.name},
            )
        if found.report is not None and room.people.may(me, Permission.EXPORT):
            evaluation_report.downloads(found.report)
    if row is not None and number is not None:
        _body(row.name, number, found)


_screen()
