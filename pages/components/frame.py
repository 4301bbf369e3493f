"""What stands around every screen: style, logo, who acts as what in which environment, and the sign-in screen."""

from __future__ import annotations

import gc
import re
from datetime import timedelta
from pathlib import Path

import streamlit as st

from pages.components import address, notices, oidc, places, platform_identity, reads, session
from pages.components.format import age, count, md, when
from pages.components.places import PLACES
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Role
from services.oversight.models import Operations
from services.people.models import DemoAccount

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
_WATCHED = "watched_view"
_SAME_VIEW = timedelta(seconds=60)
ENVIRONMENTS = {
    "embedded": "Embedded demonstration",
    "mlflow": "Own MLflow server",
    "databricks": "Databricks workspace",
}


@st.cache_resource(show_spinner=False)
def settle() -> bool:
    """Once per process: load the heavy libraries, then take them out of the garbage collector's rounds.

    Streamlit collects after every run; without this, walking over imported modules is most of its cost.
    """
    import pandas as pd
    import plotly.graph_objects as go
    import pyarrow as pa

    loaded = all((pd, go, pa))
    gc.collect()
    gc.freeze()
    return loaded


def begin() -> None:
    """Style and logo, drawn before anything else."""
    address.begin()
    st.html(Path(__file__).with_name("style.css"))
    words = "logo-dark.svg" if session.is_dark() else "logo.svg"
    st.logo(str(STATIC / words), icon_image=str(STATIC / "logo-mark.svg"), size="large")


def pages(me: Actor | None) -> dict[str, list[st.Page]]:
    """The navigation table. Pages a role may not use are left out of the list; opening one says why."""
    sections: dict[str, list[st.Page]] = {}
    allowed = session.control_room().people.permissions(me) if me is not None else frozenset()
    for place in PLACES.values():
        shown = place.listed and place.permission in allowed
        page = st.Page(
            ROOT / place.path,
            title=place.title,
            icon=place.icon,
            url_path="start" if place.stem == "overview" else place.stem,
            default=place.stem == "overview",
            visibility="visible" if shown else "hidden",
        )
        sections.setdefault(place.section, []).append(page)
    # The default page answers at the root only; its own name must lead there too, not to "page not found".
    start = PLACES["overview"]
    named = st.Page(_to_overview, title=start.title, url_path=start.stem, visibility="hidden")
    sections[start.section].append(named)
    return sections


def _to_overview() -> None:
    st.switch_page(ROOT / PLACES["overview"].path)


def sidebar(me: Actor) -> None:
    """Identity, role, environment and registry state in words; they are never left to guessing."""
    with st.sidebar, st.container(key="frame-foot", gap="xsmall"):
        st.markdown(f"**{md(me.name)}**")
        st.markdown(f":gray[{md(me.role.label)}]")
        for line in _state_lines(reads.operations()):
            st.markdown(f":gray[{line}]")
        st.button("Sign out", key="sign-out", icon=":material/logout:", type="tertiary", on_click=_sign_out)
        session.keep_cookie()


def _sign_out() -> None:
    session.sign_out()
    oidc.sign_out()


_REGISTRIES = {"databricks-uc": "Unity Catalog"}


def _state_lines(operations: Operations | None) -> list[str]:
    if operations is None:
        return [":material/help: The state of the workspace cannot be read"]
    now = session.now()
    registry_name = _REGISTRIES.get(operations.registry, f"MLflow registry ({operations.registry})")
    environment = ENVIRONMENTS.get(operations.environment, operations.environment)
    lines = [f":material/public: {md(environment)}"]
    registry = next((sync for sync in operations.syncs if sync.source == "registry"), None)
    if registry is None:
        lines.append(f":material/help: {md(registry_name)}, not read yet")
    elif registry.error:
        lines.append(
            f":material/cloud_off: {md(registry_name)} unreachable, last read {age(registry.last_success, now)}"
        )
    else:
        lines.append(f":material/database: {md(registry_name)}, read {age(registry.last_success, now)}")
    return lines


def bell(me: Actor) -> None:
    """The way to the notices with the number of unread ones, at the same place of every page.

    Whoever comes here through a notice has read it.
    """
    arrived = address.get("notice")
    if re.fullmatch(r"[0-9a-f]{16}", arrived):
        try:
            session.control_room().notices.mark_read((arrived,), actor=me)
            reads.forget()
        except ControlRoomError as problem:
            notices.show(problem)
        address.put(notice="")
    unread = reads.unread(me)
    icon = "notifications_off" if unread is None else "notifications_active" if unread else "notifications"
    words = (
        "Notices cannot be read" if unread is None else f"**{count(unread)} unread**" if unread else "Nothing unread"
    )
    with st.container(key="frame-bell"):
        st.page_link(places.path("notices"), label=words, icon=f":material/{icon}:")


def banner() -> None:
    """Says when the machinery that watches is not running, and how to start it."""
    operations = reads.operations()
    if operations is None:
        st.warning(
            "The governance database cannot be read just now. Pages show what they can.", icon=":material/cloud_off:"
        )
        return
    if not operations.worker_alive:
        seen = f"last seen {age(operations.worker_seen, session.now())}" if operations.worker_seen else "it never ran"
        st.warning(
            f"**The worker is not running** ({md(seen)}). Signed decisions are kept, but traffic does not move and "
            "measurements age. Start everything with `make run`, or only the worker with `python -m services worker`.",
            icon=":material/bedtime:",
        )


def watch(me: Actor, page: str) -> bool:
    """Keeps what an auditor opens, and says so. False when it could not be kept: then nothing is shown."""
    if me.role is not Role.AUDITOR:
        return True
    people = session.control_room().people
    screen = "overview" if page == "start" else page
    about = "&".join(f"{name}={st.query_params[name]}" for name in sorted(st.query_params))
    last = st.session_state.get(_WATCHED)
    now = session.now()
    try:
        if last is None or last[:2] != (screen, about) or now - last[2] > _SAME_VIEW:
            people.record_view(me, screen=screen, about=about)
            st.session_state[_WATCHED] = (screen, about, now)
        person = people.standing(me.issuer, me.subject)
    except ControlRoomError as problem:
        notices.show(problem, known="An auditor's views are recorded, and this one could not be.")
        return False
    until = person.access_until if person is not None else None
    ends = f"Access ends on {md(when(until, session.zone()))}." if until else "Access has no end date yet."
    st.markdown(
        f":blue-badge[:material/visibility: Read-only.] {ends} Your views are recorded.",
    )
    return True


def sign_in_screen() -> None:
    """The way to the identity provider, or demo accounts as cards; only the embedded profile has those."""
    with st.container(key="sign-in"):
        st.title("Sign in to Countersign", anchor=False)
        room = session.control_room()
        by_choosing = room.logins is None and room.platform is None
        choose = " Choose who you are; every role sees and signs something else." if by_choosing else ""
        st.markdown(f":gray[The control room for governed models.{choose}]")
        ended = session.why_signed_out()
        if ended:
            st.warning(md(ended), icon=":material/schedule:")
        problem = st.session_state.pop("sign_in_problem", "")
        if problem:
            st.warning(md(problem), icon=":material/block:")
        sign_in = session.control_room().logins
        if sign_in is not None:
            oidc.screen(sign_in)
            return
        platform = session.control_room().platform
        if platform is not None:
            platform_identity.screen(platform)
            return
        try:
            accounts = session.control_room().people.demo_accounts()
        except ControlRoomError as error:
            notices.show(error)
            return
        if not accounts:
            notices.empty(
                "No account to choose from",
                "This deployment has no demonstration accounts, and no identity provider is set up for it: an "
                "administrator sets COUNTERSIGN_SIGN_IN=oidc. See docs/operations.md, Sign-in.",
                icon="key",
            )
            return
        for start in range(0, len(accounts), 4):
            for column, account in zip(st.columns(4), accounts[start : start + 4], strict=False):
                with column:
                    _account(account)
        _newcomers()
        notices.remark(
            "These accounts exist only in the embedded workspace. Their passphrases are printed because this is a "
            "demonstration; each opens that person's own signing key at the moment of signing.",
            "info",
        )


def _newcomers() -> None:
    """People an administrator added; they chose their passphrase themselves, so none is printed."""
    try:
        people = session.control_room().people.newcomers()
    except ControlRoomError as error:
        notices.show(error)
        return
    if not people:
        return
    st.markdown(":gray[Added later]")
    with st.container(horizontal=True, key="newcomers"):
        for person in people:
            st.button(
                f"{md(person.name)}, {md(person.roles[0].label.lower())}",
                key=f"sign-in-{person.subject}",
                icon=":material/person:",
                on_click=session.sign_in,
                args=(person.subject,),
            )


def _account(account: DemoAccount) -> None:
    with st.container(border=True, height="stretch", key=f"account-{account.subject.replace('.', '-')}"):
        st.header(md(account.name), anchor=False)
        st.markdown(f":blue-badge[{md(account.role.label)}]")
        st.markdown(f":gray[{md(account.does)}]")
        st.markdown(f":gray[Passphrase] `{account.passphrase}`")
        st.button(
            f"Sign in as {md(account.name.split()[0])}",
            key=f"sign-in-{account.subject}",
            on_click=session.sign_in,
            args=(account.subject,),
            width="stretch",
        )
