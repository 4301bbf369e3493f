"""One tier's policy: rules in sentences, the exact text with its digest, and the history of versions."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.components import address, evidence, notices, parts, places, session
from pages.components.format import NOTHING, code, count, digest, md, when
from services.policy.models import PolicyView
from services.policy.published import PublishedPolicy


def rules(view: PolicyView) -> None:
    note = f"{md(view.ref.name)} version {md(view.ref.version)}" if view.ref else "cannot be used"
    with parts.card(f"Tier {view.tier}", note, key="policy-rules"):
        if view.problem:
            st.markdown(f":red[:material/error: {md(view.problem)}]")
            return
        for gate in view.gates:
            st.markdown(f":gray[:material/rule:] {md(gate)}")
        for sentence in view.limits:
            st.markdown(f":gray[:material/tune:] {md(sentence)}")
        for sentence in view.freeze:
            st.markdown(f":gray[:material/ac_unit:] {md(sentence)}")
    with parts.card("Signatures, release and time", key="policy-terms"):
        rows = [
            ("Signatures", md(evidence.quorum_words(view.quorum))),
            ("Shadow run", md(view.shadow) or "not asked for"),
            ("Signatures", md(view.signing) or "the passphrase of the signer's own key"),
            ("Traffic, real time", ", then ".join(f"{share} %" for share in view.realtime_shares) or NOTHING),
            ("Traffic, batch", ", then ".join(f"{share} %" for share in view.batch_shares) or NOTHING),
            ("Retraining", md(view.retraining) or NOTHING),
            ("Return", md(view.returns) or NOTHING),
            ("A request stays open", f"{view.request_days} days"),
            ("An approval lasts", f"{view.approval_days} days"),
            ("Longest exception", f"{view.longest_exception_days} days"),
            ("Review of an emergency", f"within {view.review_days} days"),
            ("The machine rolls back on", "; ".join(md(rule.sentence) for rule in view.rollback) or "nothing"),
        ]
        if view.ref:
            rows.append(("Digest", code(digest(view.ref.sha256, 32))))
        parts.facts(rows, alt=f"Terms of tier {view.tier}")


def text(history: Sequence[PublishedPolicy]) -> None:
    item = _chosen(history)
    if item is None:
        _none()
        return
    with parts.card(f"{md(item.name)} version {md(item.version)}", f"sha256 {digest(item.sha256)}", key="policy-text"):
        if item != history[0]:
            notices.remark(f"This is an earlier version; version {md(history[0].version)} is in force.", "history")
        st.markdown(f":gray[SHA-256] {code(item.sha256)}")
        st.code(item.text, language="yaml", line_numbers=True)
        st.download_button(
            "Download",
            item.text,
            file_name=f"tier-{item.tier}-version-{item.version}.yaml",
            mime="application/yaml",
            key="policy-download",
            icon=":material/download:",
            on_click="ignore",
        )


def versions(history: Sequence[PublishedPolicy]) -> None:
    if not history:
        _none()
        return
    zone = session.zone()
    with parts.card("Versions", f"{count(len(history))} published", key="policy-versions"):
        frame = pd.DataFrame(
            {
                "Version": [_link(item, newest=item is history[0]) for item in history],
                "Published": [when(item.at, zone) for item in history],
                "Signed by": [md(item.by_name) or "Countersign, when the deployment began" for item in history],
                "Why": [md(item.note) or NOTHING for item in history],
                "Entry": [f"{count(item.seq)} {code(digest(item.leaf_hash))}" for item in history],
                "Digest": [code(digest(item.sha256)) for item in history],
            }
        )
        parts.table(frame, alt="Versions of the policy")
        with st.container(horizontal=True, gap="small"):
            for item in history[:10]:
                st.page_link(
                    places.path("policies"),
                    label=f"Text of version {md(item.version)}",
                    icon=":material/description:",
                    query_params={"tier": str(item.tier), "show": "text", "version": item.version},
                )
                evidence.entry_link(item.seq)


def _link(item: PublishedPolicy, *, newest: bool) -> str:
    return f"**{md(item.version)}**" + (" :green-badge[:material/check_circle: In force]" if newest else "")


def _chosen(history: Sequence[PublishedPolicy]) -> PublishedPolicy | None:
    if not history:
        return None
    return address.one("version", {item.version: item for item in history}, history[0])


def _none() -> None:
    notices.empty(
        "No policy of this tier was published", "A compliance officer proposes one and signs it.", icon="gavel"
    )
