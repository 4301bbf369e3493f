"""Segregation of duties: requester against signers for every promotion, delegations, and what was refused."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import asof, audit_ledger, exporting, notices, parts, session, tables
from pages.components.format import count, md, plural, role, utc, when
from services.audit.segregation import PromotionLine, RefusedLine, SegregationReport

if TYPE_CHECKING:
    from services.container import ControlRoom


def section(room: ControlRoom, chosen: date | None) -> None:
    report: SegregationReport = room.reports.segregation(chosen)
    with st.container(horizontal=True, vertical_alignment="bottom", key="asof-bar"):
        asof.picker(room, chosen)
    _verdict(report)
    _promotions(report, chosen)
    _refused(report, chosen)
    _delegations(report)


def _verdict(report: SegregationReport) -> None:
    asked = plural(len(report.promotions), "promotion")
    if report.breaches:
        st.error(
            f"**{plural(report.breaches, 'breach', 'breaches')} in {asked}.** Each is named in its line below.",
            icon=":material/gpp_bad:",
        )
    else:
        st.markdown(
            f":green[:material/verified_user:] **0 breaches** in {asked}, computed from the signed entries: nobody "
            "signed for a promotion they asked for, nobody filled two roles, and every order rests on a complete "
            f"quorum. {plural(len(report.refused), 'attempt was', 'attempts were')} refused."
        )


def _promotions(report: SegregationReport, chosen: date | None) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Requester against signers", anchor=False, width="content")
        exporting.popover(
            "segregation",
            lambda: [_promotion_row(line) for line in report.promotions],
            note=f"filter: every promotion; {asof.words(chosen)}",
            as_of=report.at,
        )
    if not report.promotions:
        notices.remark("No promotion was completed up to this moment.")
        return
    frame = pd.DataFrame(
        {
            "model": [line.model for line in report.promotions],
            "version": [f"v{line.version}" for line in report.promotions],
            "asked": [line.requester for line in report.promotions],
            "signers": [_signers(line) for line in report.promotions],
            "breach": [" ".join(line.breaches) or "none" for line in report.promotions],
            "when": [when(line.at, session.zone()) for line in report.promotions],
        }
    )
    config = {
        "model": tables.text("Model", width=150),
        "version": tables.text("Version", width=62),
        "asked": tables.text("Asked by", width=120),
        "signers": tables.text("Signed by", width=520),
        "breach": tables.text("Breaches", width=90),
        "when": tables.text("When", width=170),
    }
    row = parts.selectable(frame, config, key="segregation", alt="Promotions with requester and signers")
    if row is None:
        st.caption("Select a row to open its entries.")
        return
    line = report.promotions[row]
    with st.container(border=True, key="segregation-line"):
        st.markdown(f"**{md(line.model)} v{md(line.version)}** :gray[{utc(line.at)}]")
        for breach in line.breaches:
            st.markdown(f":red[:material/gpp_bad: {md(breach)}]")
        with st.container(horizontal=True):
            audit_ledger.open_entry(line.seq_request, f"Request, entry {line.seq_request}")
            for item in line.signers:
                audit_ledger.open_entry(item.seq, f"{md(item.name)}, entry {item.seq}")
            if line.seq_action is not None:
                audit_ledger.open_entry(line.seq_action, f"Order, entry {line.seq_action}")


def _signers(line: PromotionLine) -> str:
    return "; ".join(
        f"{item.name} ({role(item.role).lower()}{f', for {item.on_behalf_of}' if item.on_behalf_of else ''})"
        for item in line.signers
    )


def _refused(report: SegregationReport, chosen: date | None) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Refused attempts", anchor=False, width="content")
        exporting.popover(
            "refused-attempts",
            lambda: [_refused_row(line) for line in report.refused],
            note=f"filter: every refused attempt; {asof.words(chosen)}",
            as_of=report.at,
        )
    if not report.refused:
        notices.remark("No attempt was refused up to this moment.")
        return
    frame = pd.DataFrame(
        {
            "when": [when(line.at, session.zone()) for line in report.refused],
            "person": [line.person for line in report.refused],
            "role": [role(line.role) for line in report.refused],
            "what": [line.what for line in report.refused],
            "model": [line.model for line in report.refused],
            "reason": [line.reason for line in report.refused],
        }
    )
    config = {
        "when": tables.text("When", width=170),
        "person": tables.text("Who", width=130),
        "role": tables.text("Role", width=150),
        "what": tables.text("Tried", width=250),
        "model": tables.text("Model", width=150),
        "reason": tables.text("Why it was refused", width=300),
    }
    row = parts.selectable(frame, config, key="refused", alt="Refused attempts, newest first")
    if row is not None:
        line = report.refused[row]
        audit_ledger.open_entry(line.seq, f"Open entry {count(line.seq)}")


def _delegations(report: SegregationReport) -> None:
    st.header("Delegations", anchor=False)
    if not report.delegations:
        notices.remark("Nobody delegated a role up to this moment.")
        return
    parts.table(
        pd.DataFrame(
            [
                {
                    "From": md(line.from_name),
                    "To": md(line.to_name),
                    "Role": md(role(line.role)),
                    "What": "withdrawn" if line.op == "withdraw" else "granted",
                    "From day": md(line.since),
                    "Until": md(line.until),
                    "Entry": str(line.seq),
                    "Effect": f"void: {md(line.void)}" if line.void else "stands",
                }
                for line in report.delegations
            ]
        ),
        alt="Delegations",
    )


def _promotion_row(line: PromotionLine) -> dict[str, object]:
    return {
        "model": line.model,
        "version": line.version,
        "kind": line.kind,
        "at": utc(line.at),
        "requester": line.requester,
        "signers": _signers(line),
        "breaches": "; ".join(line.breaches) or "none",
        "request_entry": line.seq_request,
        "order_entry": line.seq_action if line.seq_action is not None else "",
        "applied": line.applied,
    }


def _refused_row(line: RefusedLine) -> dict[str, object]:
    return {
        "at": utc(line.at),
        "person": line.person,
        "role": line.role,
        "tried": line.what,
        "model": line.model,
        "reason": line.reason,
        "code": line.code,
        "entry": line.seq,
    }
