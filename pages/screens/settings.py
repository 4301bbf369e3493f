"""People and keys, delegations, who may do what, the policies in force, what auditors looked at, the environment."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.components import (
    address,
    evidence,
    forms,
    notices,
    parts,
    people_cards,
    people_forms,
    reads,
    session,
    test_panel,
)
from pages.components.format import NOTHING, age, code, digest, md, when
from services.kernel.identity import Permission
from services.policy.models import PolicyView

me = session.enter("settings")
room = session.control_room()
TABS = {"people": "People and keys", "delegation": "Delegation", "policies": "Policies", "environment": "Environment"}
if room.people.may(me, Permission.VIEW_ACCESS_LOG):
    TABS["access"] = "Access log"
if test_panel.is_on():
    TABS["panel"] = "Test panel"


def _people() -> None:
    people_cards.ceremonies_card(me)
    people_cards.own_key_card(me)
    people_cards.people_card(me)
    people_cards.deployment_keys_card(me)
    people_cards.roles_card()


def _delegation() -> None:
    people_cards.delegations_card(me)


def _access() -> None:
    people_cards.views_card(me)


def _policies() -> None:
    for problem in reads.attempt("policies", room.policy.problems, key="policy-problems") or ():
        st.error(f"{md(problem)} Gates of this tier cannot be judged until it is corrected.", icon=":material/rule:")
    for view in reads.attempt("policies", room.policy.policies, key="policies") or ():
        _policy(view)


def _policy(view: PolicyView) -> None:
    note = f"{md(view.ref.name)} version {md(view.ref.version)}" if view.ref else "cannot be read"
    with parts.card(f"Tier {view.tier}", note):
        if view.problem:
            st.markdown(f":red[:material/error: {md(view.problem)}]")
            return
        for gate in view.gates:
            st.markdown(f":gray[:material/rule:] {md(gate)}")
        rows = [
            ("Signatures", md(evidence.quorum_words(view.quorum))),
            ("Traffic, real time", ", then ".join(f"{share} %" for share in view.realtime_shares) or NOTHING),
            ("Traffic, batch", ", then ".join(f"{share} %" for share in view.batch_shares) or NOTHING),
            ("A request stays open", f"{view.request_days} days"),
            ("An approval lasts", f"{view.approval_days} days"),
            ("File", code(view.file)),
        ]
        if view.ref:
            rows.append(("Digest", code(digest(view.ref.sha256, 32))))
        parts.facts(rows, alt=f"Policy of tier {view.tier}")


def _environment() -> None:
    operations = reads.operations()
    if operations is None:
        notices.remark("The state of the workspace cannot be read just now.", "help")
        return
    now, zone = session.now(), session.zone()
    with parts.card("Environment"):
        worker = (
            ":green-badge[:material/check_circle: Running]"
            if operations.worker_alive
            else ":orange-badge[:material/bedtime: Not running]"
        )
        parts.facts(
            [
                ("Environment", md(operations.environment)),
                ("Model registry", md(operations.registry)),
                ("Worker", f"{worker} :gray[last seen {age(operations.worker_seen, now)}]"),
                ("Prepared", when(operations.prepared_at, zone)),
                ("History replayed from", when(operations.replay_from, zone)),
                ("Your time zone", md(zone)),
            ],
            alt="Environment",
        )
        if operations.replay_from is not None:
            notices.remark(
                "History before the preparation was replayed in its own calendar; "
                "the first entry of the ledger says so."
            )
    with parts.card("Sources", "how old our copies are"):
        frame = pd.DataFrame(
            {
                "Source": [f"**{md(sync.source)}**" for sync in operations.syncs],
                "State": [
                    ":orange-badge[:material/cloud_off: Unreachable]"
                    if sync.error
                    else ":green-badge[:material/check_circle: Reached]"
                    if sync.last_success
                    else ":gray-badge[:material/help: Never read]"
                    for sync in operations.syncs
                ],
                "Last read": [age(sync.last_success, now) for sync in operations.syncs],
                "Last try": [age(sync.last_attempt, now) for sync in operations.syncs],
                "Problem": [md(sync.error) or NOTHING for sync in operations.syncs],
            }
        )
        parts.table(frame, alt="Sources")


def _panel() -> None:
    test_panel.section(me)


with parts.header(
    "Settings", ":gray[People change by signed ceremonies, policies are files; every change is in the ledger.]"
):
    pass
shown = address.one("show", {name: name for name in TABS}, "people")
st.segmented_control(
    "Show",
    list(TABS),
    format_func=TABS.__getitem__,
    key=address.follow("show", shown),
    on_change=address.writes("show"),
    required=True,
    label_visibility="collapsed",
)
{
    "people": _people,
    "delegation": _delegation,
    "policies": _policies,
    "environment": _environment,
    "access": _access,
    "panel": _panel,
}[shown]()
forms.show_open_dialog(people_forms.DIALOGS)
