"""Any past day's inventory: counts, tiers, owners, live versions and findings as the ledger recorded them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from pages.components import asof, audit_ledger, badges, exporting, notices, parts, session, tables
from pages.components.format import NOTHING, count, day, md, plural, routes, sentence, utc, when
from services.audit.asof import NOT_RECORDED, AsOfView, ModelAsOf
from services.inventory.models import DeploymentKind, Tier

if TYPE_CHECKING:
    from services.container import ControlRoom


def section(room: ControlRoom, chosen: date | None) -> None:
    view: AsOfView = room.reports.as_of(chosen or room.reports.recorded()[1])
    with st.container(horizontal=True, vertical_alignment="bottom", key="asof-bar"):
        asof.picker(room, chosen)
        _export(view)
    inventory(view)


def inventory(view: AsOfView) -> None:
    """Totals and the list; also the inventory screen in the historical view."""
    _totals(view)
    if not view.models:
        notices.empty(
            "No model up to this day", "No entry of the ledger names one. Choose a later day.", icon="inventory_2"
        )
        return
    frame, config = _frame(view.models)
    chosen = parts.selectable(frame, config, key="asof-models", alt=f"Models on {view.day.isoformat()}")
    if chosen is None:
        st.caption("Select a row to see what the ledger says about it, and what it does not say.")
    else:
        _detail(view.models[chosen])
    _findings(view)
    for note in view.notes:
        notices.remark(md(note))


def _totals(view: AsOfView) -> None:
    tiers = view.by_tier
    unknown = f", {tiers[None]} not recorded" if tiers.get(None) else ""
    spread = ", ".join(f"tier {tier}: {tiers.get(tier, 0)}" for tier in (1, 2, 3))
    moment = f"rebuilt from {count(view.entries)} entries up to {utc(view.at)}"
    for column, (title, value, detail) in zip(
        st.columns(4),
        (
            ("Models", count(len(view.models)), f"{spread}{unknown}"),
            ("With live traffic", count(view.in_production), f"of {plural(len(view.models), 'model')}"),
            ("Vendor models", count(view.vendors), "run at the supplier"),
            ("Open findings", count(len(view.findings)), "standing in the ledger that day"),
        ),
        strict=True,
    ):
        with column:
            parts.tile(title, value, detail)
    st.markdown(f":gray[{md(sentence(moment))}]")


def _frame(models: Sequence[ModelAsOf]) -> tuple[pd.DataFrame, dict[str, Any]]:
    frame = pd.DataFrame(
        {
            "model": [model.name for model in models],
            "tier": [[badges.word(Tier(model.tier))] if model.tier in set(Tier) else [] for model in models],
            "live": [live_words(model) for model in models],
            "owner": [", ".join(owner.name for owner in model.owners) or NOT_RECORDED for model in models],
            "review": [review_words(model) for model in models],
            "findings": [len(model.findings) for model in models],
            "unknown": [len(model.unknown) for model in models],
        }
    )
    config = {
        "model": tables.text("Model", width=165),
        "tier": tables.chips("Risk", badges.chips(list(Tier)), width=80),
        "live": tables.text("Live versions and traffic", width=160),
        "owner": tables.text("Owners", width=235),
        "review": tables.text("Review", width=255),
        "findings": tables.numeric("Findings", "%d", width=75),
        "unknown": tables.numeric("Not recorded", "%d", width=100, help_text="Facts no ledger entry states."),
    }
    return frame, config


def live_words(model: ModelAsOf) -> str:
    if model.is_vendor:
        return "at the supplier"
    return routes(model.live) if model.live else "nothing live"


def review_words(model: ModelAsOf) -> str:
    if not model.review_every_days:
        return NOT_RECORDED
    due = f", next {model.next_review.isoformat()}" if model.next_review else ", last review not recorded"
    return f"every {model.review_every_days} days{due}"


def _detail(model: ModelAsOf) -> None:
    with st.container(border=True, key="asof-model"):
        st.header(md(model.name), anchor=False)
        tier = badges.badge(Tier(model.tier)) if model.tier in set(Tier) else badges.plain("tier not recorded")
        kind = badges.badge(DeploymentKind(model.kind)) if model.kind in set(DeploymentKind) else ""
        st.markdown(f"{tier} {kind} {md(model.title)}")
        owners = ", ".join(f"{md(owner.name)} :gray[{md(owner.role.replace('_', ' '))}]" for owner in model.owners)
        parts.facts(
            [
                ("Owners", owners or NOT_RECORDED),
                ("Team", md(model.team) or NOT_RECORDED),
                ("Live", md(live_words(model))),
                ("Live since", when(model.live_since, session.zone()) if model.live_since else NOTHING),
                ("Review", md(review_words(model))),
                ("Not recorded", md("; ".join(model.unknown)) or "nothing is missing"),
            ],
            alt=f"{model.name} on that day",
        )
        with st.container(horizontal=True):
            if model.seq_registered is not None:
                audit_ledger.open_entry(model.seq_registered, f"Registration, entry {model.seq_registered}")
            if model.seq_live is not None:
                audit_ledger.open_entry(model.seq_live, f"Last change of traffic, entry {model.seq_live}")


def _findings(view: AsOfView) -> None:
    if not view.findings:
        notices.remark("No finding stood in the ledger that day.", "done_all")
        return
    with parts.card("Open findings", "as far as the ledger says"):
        for finding in view.findings:
            st.markdown(
                f"{badges.badge(badges.FINDING)} **{md(finding.model)}** {md(finding.sentence)} "
                f":gray[since {when(finding.since, session.zone())}]"
            )
            audit_ledger.open_entry(finding.seq)


def _export(view: AsOfView) -> None:
    exporting.popover(
        f"inventory-{view.day.isoformat()}",
        lambda: [
            {
                "model": model.name,
                "title": model.title,
                "tier": model.tier if model.tier is not None else NOT_RECORDED,
                "kind": model.kind or NOT_RECORDED,
                "owners": "; ".join(f"{owner.name} ({owner.role})" for owner in model.owners) or NOT_RECORDED,
                "live": live_words(model),
                "live_since": utc(model.live_since) if model.live_since else "",
                "review": review_words(model),
                "findings": "; ".join(finding.sentence for finding in model.findings),
                "not_recorded": "; ".join(model.unknown),
                "registered_in_entry": model.seq_registered if model.seq_registered is not None else NOT_RECORDED,
            }
            for model in view.models
        ],
        note=f"filter: none; inventory of {day(view.day)}",
        as_of=view.at,
        key="asof-export",
    )
