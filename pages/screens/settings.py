"""People and keys, delegations, who may do what, what auditors looked at, the environment."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.components import (
    address,
    forms,
    notices,
    parts,
    people_cards,
    people_forms,
    reads,
    session,
    test_panel,
)
from pages.components.format import NOTHING, age, md, when
from services.kernel.identity import Permission

me = session.enter("settings")
room = session.control_room()
TABS = {"people": "People and keys", "delegation": "Delegation", "environment": "Environment"}
if room.people.may(me, Permission.VIEW_ACCESS_LOG):
    TABS["access"] = "Access log"
if test_panel.is_on():
    TABS["panel"] = "Test panel"


def _people() -> None:
    people_cards.ceremonies_card(me)
    people_cards.own_key_card(me)
    people_cards.passkeys_card(me)
    people_cards.people_card(me)
    people_cards.deployment_keys_card(me)
    people_cards.roles_card()


def _delegation() -> None:
    people_cards.delegations_card(me)


def _access() -> None:
    people_cards.views_card(me)


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


with parts.header("Settings", ":gray[People change by signed ceremonies; every change is in the ledger.]"):
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
    "environment": _environment,
    "access": _access,
    "panel": _panel,
}[shown]()
forms.show_open_dialog(people_forms.DIALOGS)
