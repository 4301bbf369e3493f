"""The policy of each tier: its rules in sentences, its text, every version with who signed it, and proposing the next.

`policies?tier=2&show=text&version=5` opens the text of one version.
"""

from __future__ import annotations

import streamlit as st

from pages.components import address, forms, parts, policy_document, policy_proposal, reads, session
from pages.components.format import md

TABS = {"rules": "Rules", "text": "Text", "versions": "Versions", "propose": "Propose"}
TIERS = {"1": 1, "2": 2, "3": 3}

me = session.enter("policies")
room = session.control_room()


def _choices() -> tuple[int, str]:
    tier = address.one("tier", TIERS, 1)
    shown = address.one("show", {name: name for name in TABS}, "rules")
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        st.segmented_control(
            "Tier",
            list(TIERS),
            format_func=lambda name: f"Tier {name}",
            key=address.follow("tier", str(tier)),
            on_change=address.writes("tier", resets=("version",)),
            required=True,
            label_visibility="collapsed",
        )
        st.segmented_control(
            "Show",
            list(TABS),
            format_func=TABS.__getitem__,
            key=address.follow("show", shown),
            on_change=address.writes("show", resets=("version",)),
            required=True,
            label_visibility="collapsed",
        )
    return tier, shown


with parts.header(
    "Policies",
    ":gray[What each risk tier demands before anybody may sign. A policy comes into force by a signature, is never "
    "changed afterwards, and stays with the requests made under it.]",
):
    pass
tier, shown = _choices()
for problem in reads.attempt("policies", room.policy.problems, key="policy-problems") or ():
    st.error(f"{md(problem)} Gates of this tier cannot be judged until it is corrected.", icon=":material/gavel:")
for sentence in reads.attempt("policy files", room.policy.unpublished, key="policy-files") or ():
    st.warning(md(sentence), icon=":material/draft:")
views = reads.attempt("policies", room.policy.policies, key="policies") or ()
history = reads.attempt("versions", lambda: room.policy.history(tier), key=f"policy-history-{tier}")
view = next((item for item in views if item.tier == tier), None)
if history is not None and view is not None:
    if shown == "rules":
        policy_document.rules(view)
    elif shown == "text":
        policy_document.text(history)
    elif shown == "versions":
        policy_document.versions(history)
    else:
        policy_proposal.section(room, me, history)
forms.show_open_dialog({"publish-policy": policy_proposal.publish_dialog})
