"""A model's governance facts: who owns it, what it promises, what serves now."""

from __future__ import annotations

import streamlit as st

from pages.components import badges, copy_age, evidence, model_metadata, notices, parts, places, reads, session
from pages.components.format import day, md, routes
from services.inventory.metadata import lint
from services.inventory.models import DeploymentKind, GovernedModel
from services.rollout.models import DeploymentView


def header(model: GovernedModel) -> None:
    row = reads.attempt("the model's summary", lambda: reads.find_models(model.name, 20), key=f"row-{model.name}")
    found = next((item for item in row[0] if item.name == model.name), None) if row else None
    health = f"{badges.badge(found.health)} " if found else ""
    live = f"{badges.badge(badges.PRODUCTION, routes(found.live))} " if found and found.live else ""
    words = f":gray[{md(model.title)}, {md(model.team)}]"
    percent = model_metadata.badge(lint(model).percent)
    known = copy_age.of_model(model.name)
    fact = f"{health}{badges.badge(model.tier)} {badges.badge(model.kind)} {percent} {live}{words} {known}"
    with parts.header(model.name, fact, back=("inventory", "All models")):
        for stem, label, icon in (
            ("drift", "Drift", "monitoring"),
            ("performance", "Performance", "insights"),
            ("data_health", "Data", "health_metrics"),
            ("rollouts", "Rollouts", "alt_route"),
            ("value", "Value", "payments"),
        ):
            st.page_link(places.path(stem), label=label, icon=f":material/{icon}:", query_params={"model": model.name})


def about(model: GovernedModel) -> None:
    with parts.card("About"):
        st.markdown(md(model.purpose))
        owners = " · ".join(f"{md(owner.name)} :gray[({md(owner.role.replace('_', ' '))})]" for owner in model.owners)
        overdue = model.next_review < session.now().date()
        missing = ":orange[:material/help: not written down]"
        parts.facts(
            [
                ("Use case", md(model.use_case)),
                ("Owners", owners or ":red[nobody]"),
                ("Label", md(model.label) if model.label else missing),
                ("Label definition", md(model.label_definition) or missing),
                ("Limits of use", md(model.limits_of_use) or missing),
                ("Fallback", md(model.fallback) or missing),
                ("Promise", _promise(model)),
                ("Data", _data(model)),
                (
                    "Next review",
                    parts.review_text(model.next_review, overdue=overdue) + f" :gray[last {day(model.last_review)}]",
                ),
                *([("Supplier", md(model.vendor))] if model.vendor else []),
            ],
            alt="Governance facts",
        )


def _data(model: GovernedModel) -> str:
    signal = reads.attempt(
        "the data behind it", lambda: session.control_room().data_health.signal(model.name), key=f"data-{model.name}"
    )
    if signal is None:
        return ":gray[:material/help: not known just now]"
    return f"{badges.badge(signal.state)} :gray[{md(signal.sentence)}]"


def traffic(model: GovernedModel) -> DeploymentView | None:
    """Draws desired and actual traffic; gives what was read, for the rest of the page."""
    with parts.card("Live traffic"):
        if model.kind is DeploymentKind.VENDOR:
            notices.remark("Runs at the supplier; Countersign does not see its traffic.", "storefront")
            return None
        view = reads.attempt(
            "traffic", lambda: session.control_room().rollout.deployment(model.name), key=f"deployment-{model.name}"
        )
        if view is not None:
            evidence.split(view, key="model-split")
        return view


def _promise(model: GovernedModel) -> str:
    level = model.service_level
    if level is None:
        return ":gray[:material/help: none on record]"
    words = [f"p95 of {level.p95_ms:.0f} ms or less"] if level.p95_ms is not None else []
    words.append(f"at most {level.error_rate * 100:g} % errors")
    if level.on_time_share is not None:
        words.append(f"{level.on_time_share * 100:g} % of runs on time")
    return md(", ".join(words))
