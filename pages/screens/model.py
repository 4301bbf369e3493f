"""One model: who owns it, what serves, its versions side by side, gate evidence, lineage, sensitive data, history."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.components import (
    address,
    badges,
    charts,
    decision_forms,
    emergency_forms,
    evidence,
    exception_forms,
    forms,
    notices,
    parts,
    places,
    reads,
    session,
)
from pages.components.format import (
    MINUS,
    NOTHING,
    code,
    day,
    digest,
    md,
    number,
    plural,
    promotion,
    routes,
    signed,
    size,
    version,
    when,
)
from services.inventory.models import DeploymentKind, GovernedModel, ModelVersion
from services.inventory.names import suspicion
from services.kernel.errors import UnknownModelError
from services.kernel.identity import Permission

me = session.enter("model")
room = session.control_room()
SECTIONS = ("Versions", "Gates", "Lineage and data", "History")


def _header(model: GovernedModel) -> None:
    row = reads.attempt("the model's summary", lambda: reads.find_models(model.name, 20), key=f"row-{model.name}")
    found = next((item for item in row[0] if item.name == model.name), None) if row else None
    health = f"{badges.badge(found.health)} " if found else ""
    live = f"{badges.badge(badges.PRODUCTION, routes(found.live))} " if found and found.live else ""
    words = f":gray[{md(model.title)}, {md(model.team)}]"
    fact = f"{health}{badges.badge(model.tier)} {badges.badge(model.kind)} {live}{words}"
    with parts.header(model.name, fact, back=("inventory", "All models")):
        st.page_link(
            places.path("drift"), label="Drift", icon=":material/monitoring:", query_params={"model": model.name}
        )
        st.page_link(
            places.path("rollouts"), label="Rollouts", icon=":material/alt_route:", query_params={"model": model.name}
        )
        st.page_link(
            places.path("value"), label="Value", icon=":material/payments:", query_params={"model": model.name}
        )


def _about(model: GovernedModel) -> None:
    with parts.card("About"):
        st.markdown(md(model.purpose))
        owners = " · ".join(f"{md(owner.name)} :gray[({md(owner.role.replace('_', ' '))})]" for owner in model.owners)
        overdue = model.next_review < session.now().date()
        parts.facts(
            [
                ("Use case", md(model.use_case)),
                ("Owners", owners or ":red[nobody]"),
                ("Label", md(model.label) if model.label else ":orange[:material/help: not written down]"),
                ("Limits of use", md(model.limits_of_use) or ":orange[:material/help: not written down]"),
                ("Fallback", md(model.fallback) or ":orange[:material/help: not written down]"),
                ("Promise", _promise(model)),
                (
                    "Next review",
                    parts.review_text(model.next_review, overdue=overdue) + f" :gray[last {day(model.last_review)}]",
                ),
                *([("Supplier", md(model.vendor))] if model.vendor else []),
            ],
            alt="Governance facts",
        )


def _promise(model: GovernedModel) -> str:
    level = model.service_level
    if level is None:
        return ":gray[:material/help: none on record]"
    words = [f"p95 of {level.p95_ms:.0f} ms or less"] if level.p95_ms is not None else []
    words.append(f"at most {level.error_rate * 100:g} % errors")
    if level.on_time_share is not None:
        words.append(f"{level.on_time_share * 100:g} % of runs on time")
    return md(", ".join(words))


def _traffic(model: GovernedModel) -> None:
    with parts.card("Live traffic"):
        if model.kind is DeploymentKind.VENDOR:
            notices.remark("Runs at the supplier; Countersign does not see its traffic.", "storefront")
            return
        view = reads.attempt("traffic", lambda: room.rollout.deployment(model.name), key=f"deployment-{model.name}")
        if view is None:
            return
        evidence.split(view, key="model-split")
    _next_steps(model)


def _next_steps(model: GovernedModel) -> None:
    requests = (
        reads.attempt("requests", lambda: room.approvals.requests_of(model.name), key=f"requests-{model.name}") or ()
    )
    findings = (
        reads.attempt("findings", lambda: room.oversight.findings(model.name), key=f"findings-{model.name}") or ()
    )
    with parts.card("Requests and findings"):
        for request in requests[:5]:
            st.page_link(
                places.path("approvals"),
                label=md(promotion(request.title, request.version)),
                icon=badges.icon(request.state),
                query_params={"request": request.request_id},
            )
        for finding in findings[:5]:
            st.markdown(f"{badges.badge(badges.FINDING)} **{md(finding.title)}** :gray[{md(finding.why)}]")
        if not requests and not findings:
            notices.remark("No request and no finding for this model.", "done_all")


def _versions(versions: tuple[ModelVersion, ...]) -> None:
    with parts.card("Versions", plural(len(versions), "version")):
        frame = pd.DataFrame(
            {
                "Version": [f"**{version(item.version)}**" for item in versions],
                "Alias": [
                    " ".join(badges.plain(alias, "blue", "bookmark") for alias in item.aliases) or ""
                    for item in versions
                ],
                "Registered": [when(item.created_at, session.zone()) for item in versions],
                "Run": [code(digest(item.run_id, 10)) for item in versions],
                "Training data": [
                    md(", ".join(f"{ref.name} ({ref.digest[:8]})" for ref in item.datasets)) for item in versions
                ],
                "Size": [size(item.size_bytes) for item in versions],
                "Remark": [
                    f":orange[:material/help: {md(item.missing)}]" if item.missing else md(item.description)
                    for item in versions
                ],
            }
        )
        parts.table(frame, alt="Versions")
    if len(versions) > 1:
        _side_by_side(versions)


def _side_by_side(versions: tuple[ModelVersion, ...]) -> None:
    by_number = {item.version: item for item in versions}
    champion = next((item for item in versions if "champion" in item.aliases), versions[-1])
    newest = next(item for item in versions if item is not champion)
    with parts.card("Side by side"):
        with st.container(horizontal=True, key="compare"):
            left = address.one("a", by_number, champion)
            right = address.one("b", by_number, newest)
            for name, chosen in (("a", left), ("b", right)):
                st.selectbox(
                    "Version" if name == "a" else "against",
                    list(by_number),
                    format_func=version,
                    width=160,
                    key=address.follow(name, chosen.version),
                    on_change=address.writes(name),
                )
        names = list(dict.fromkeys([name for name, _ in left.metrics] + [name for name, _ in right.metrics]))
        names.sort(key=lambda name: (not name.startswith("holdout"), name))
        rows = []
        for name in names:
            old, new = left.metric(name), right.metric(name)
            change = (
                signed(new - old, 0 if name.endswith("_n") else 3) if old is not None and new is not None else NOTHING
            )
            rows.append((md(name.replace("_", " ")), number(old), f"**{number(new)}**", change))
        rows += [("input columns", str(len(left.inputs)), f"**{len(right.inputs)}**", _columns(left, right))]
        parts.table(
            pd.DataFrame(rows, columns=["Measure", version(left.version), version(right.version), "Change"]),
            alt="Two versions side by side",
        )
        notices.remark(
            "As logged by the training runs on their hold-out rows. Gates below judge them under the policy."
        )


def _columns(left: ModelVersion, right: ModelVersion) -> str:
    old, new = {name for name, _ in left.inputs}, {name for name, _ in right.inputs}
    words = [f"+ {md(name)}" for name in sorted(new - old)] + [f"{MINUS} {md(name)}" for name in sorted(old - new)]
    return ", ".join(words) or "same columns"


def _gates(model: GovernedModel, versions: tuple[ModelVersion, ...]) -> None:
    by_number = {item.version: item for item in versions}
    chosen = address.one("v", by_number, versions[0])
    st.selectbox(
        "Version to judge",
        list(by_number),
        format_func=version,
        width=200,
        key=address.follow("v", chosen.version),
        on_change=address.writes("v"),
    )
    if room.people.may(me, Permission.REQUEST_PROMOTION):
        _draft(model, chosen)
        return
    report = reads.attempt(
        "gates", lambda: room.evaluation.gates(model.name, chosen.version), key=f"gates-{model.name}-{chosen.version}"
    )
    if report is not None:
        with parts.card(
            f"Gates for {version(chosen.version)}",
            f"policy {md(report.policy.name)} version {md(report.policy.version)}",
        ):
            evidence.gates(report)
    notices.remark("A data science lead can ask for the promotion of this version from here.")


def _draft(model: GovernedModel, chosen: ModelVersion) -> None:
    draft = reads.attempt(
        "the draft", lambda: room.approvals.draft(model.name, chosen.version, actor=me), key=f"draft-{chosen.version}"
    )
    if draft is None:
        return
    left, right = st.columns([2, 1])
    with left:
        with parts.card(f"Changed since {version(draft.base)}" if draft.base else "First release"):
            evidence.changes(draft.changes, draft.base, draft.version)
        with parts.card("Gates", f"policy {md(draft.report.policy.name)} version {md(draft.report.policy.version)}"):
            evidence.gates(draft.report)
    with right, parts.card("Request promotion"):
        quorum = evidence.quorum_words(draft.quorum)
        shares = ", then ".join(f"{share} %" for share in draft.terms.shares)
        st.markdown(
            f"**{version(draft.version)}** would replace **{version(draft.base)}**."
            if draft.base
            else "Nothing is live yet."
        )
        st.markdown(
            f"Needed: {md(quorum)}. Traffic: {md(shares)}. "
            f"The approval lasts {plural(draft.terms.approval_days, 'day')}."
        )
        for sentence in draft.blocked_by:
            st.markdown(f":red[:material/block: {md(sentence)}]")
        st.button(
            "Request promotion",
            type="primary",
            icon=":material/signature:",
            width="stretch",
            key="request-promotion",
            disabled=bool(draft.blocked_by),
            on_click=decision_forms.open_submit,
            args=(draft.model, draft.version, draft.evidence_sha256, quorum, shares),
        )
        if draft.blocked_by:
            notices.remark("It cannot be submitted until this is fixed in a new version or in the record.", "build")


def _lineage(model: GovernedModel) -> None:
    with parts.card("Lineage", "as far as it is known"):
        if model.lineage:
            edges = model.lineage[:60]
            figure = charts.lineage(
                edges, parts.ink(), marked=[node for edge in edges for node in edge if model.name in node]
            )
            parts.chart(
                figure, key="lineage", alt="From raw table to endpoint: " + "; ".join(f"{a} to {b}" for a, b in edges)
            )
        else:
            notices.remark("Nobody has recorded where this model's data comes from.", "help")
    with parts.card("Sensitive columns", plural(len(model.sensitive), "column")):
        if model.sensitive:
            frame = pd.DataFrame(
                [
                    (md(item.name), badges.plain(item.category, "violet", "shield_person"), md(item.basis))
                    for item in model.sensitive
                ],
                columns=["Column", "Category", "Basis"],
            )
            parts.table(frame, alt="Sensitive columns")
        else:
            notices.remark("No column is marked as sensitive.")


def _history(model: GovernedModel) -> None:
    events = reads.attempt("the timeline", lambda: room.oversight.timeline(model.name), key=f"timeline-{model.name}")
    with parts.card("History", "newest first"):
        if not events:
            notices.remark("Nothing has happened to this model yet.", "history")
            return
        for event in events[:100]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f":gray[{when(event.at, session.zone())}]", width=190)
                st.markdown(f"**{md(event.title)}** :gray[{md(event.detail)}]")
                evidence.entry_link(event.seq)


def _body(model: GovernedModel) -> None:
    if suspicion(model.name):
        st.warning(
            f"{md(suspicion(model.name))} Nothing of it can be asked for or released; what counts is the digest.",
            icon=":material/visibility_off:",
        )
    emergency_forms.banner(room, model.name)
    left, right = st.columns([3, 2])
    with left:
        _about(model)
    with right:
        _traffic(model)
        exception_forms.section(room, me, model.name)
    if model.kind is DeploymentKind.VENDOR:
        _lineage(model)
        _history(model)
        return
    names = {name.lower().split()[0]: name for name in SECTIONS}
    chosen = address.one("show", names, SECTIONS[0])
    short = {name: key for key, name in names.items()}
    st.segmented_control(
        "Show",
        list(names),
        format_func=names.__getitem__,
        key=address.follow("show", short[chosen]),
        on_change=address.writes("show"),
        label_visibility="collapsed",
        required=True,
    )
    if chosen == "Lineage and data":
        _lineage(model)
    elif chosen == "History":
        _history(model)
    else:
        _versions_or_gates(model, chosen)


def _versions_or_gates(model: GovernedModel, chosen: str) -> None:
    versions = reads.attempt("versions", lambda: room.inventory.versions(model.name), key=f"versions-{model.name}")
    if versions is None:
        return
    if not versions:
        notices.empty(
            "No version in the registry", "Training has not registered one for this name yet.", icon="deployed_code"
        )
    elif chosen == "Versions":
        _versions(versions)
    else:
        _gates(model, versions)


def _find() -> GovernedModel | None:
    name = address.get("name")
    try:
        return room.inventory.model(name) if name else None
    except UnknownModelError as error:
        with parts.header("Model", ":gray[This address leads to no model.]", back=("inventory", "All models")):
            pass
        notices.show(error)
        return None


found = _find()
if found is not None:
    _header(found)
    _body(found)
    forms.show_open_dialog({"submit": decision_forms.submit_dialog})
elif not address.get("name"):
    with parts.header("Model", ":gray[Choose one from the list of models.]", back=("inventory", "All models")):
        pass
    notices.empty(
        "No model chosen",
        "Open one from the list; its address can be shared.",
        icon="deployed_code",
        page="inventory",
        link="Models",
    )
