"""Read-only: people and their roles, who may do what, the policies in force, keys, and facts of the environment."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.components import address, badges, evidence, notices, parts, reads, session
from pages.components.format import NOTHING, age, code, digest, md, when
from services.kernel.identity import ROLE_PERMISSIONS, Permission, Role
from services.policy.models import PolicyView

TABS = {"people": "People and roles", "policies": "Policies", "environment": "Environment"}

session.enter("settings")
room = session.control_room()


def _people() -> None:
    people = reads.attempt("people", room.people.people, key="people") or ()
    now = session.now()
    with parts.card("People and keys", f"{len(people)} people"):
        frame = pd.DataFrame(
            {
                "Name": [f"**{md(person.name)}**" for person in people],
                "Roles": [" ".join(badges.plain(role.label, "blue") for role in person.roles) for person in people],
                "Sign-in": [code(f"{person.issuer} {person.subject}") for person in people],
                "Active": [
                    ":green-badge[:material/check_circle: Active]"
                    if person.active
                    else ":gray-badge[:material/block: Inactive]"
                    for person in people
                ],
                "Signing key": [
                    _key(person.key_id, person.key_locked_until is not None and person.key_locked_until > now)
                    for person in people
                ],
            }
        )
        parts.table(frame, alt="People and keys")
    with parts.card("Who may do what"):
        matrix = pd.DataFrame(
            [
                [f"**{str(permission).replace('_', ' ').capitalize()}**"]
                + [
                    ":green[:material/check:]" if permission in ROLE_PERMISSIONS[role] else f":gray[{NOTHING}]"
                    for role in Role
                ]
                for permission in Permission
            ],
            columns=["Permission", *[role.label for role in Role]],
        )
        parts.table(matrix, alt="Permission matrix")
        notices.remark("What no role names belongs to nobody. The services check this again at every write.")


def _key(key_id: str | None, locked: bool) -> str:  # noqa: FBT001
    if key_id is None:
        return ":gray[none]"
    return code(digest(key_id)) + (" :red-badge[:material/lock: Locked]" if locked else "")


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


with parts.header(
    "Settings", ":gray[Read-only in this release. Policies are files, people come from the directory of the workspace.]"
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
{"people": _people, "policies": _policies, "environment": _environment}[shown]()
