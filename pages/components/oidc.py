"""Signing in through an identity provider: the button, the roles to choose from, and every way it may say no.

Claims come from Streamlit's own login, which checked the token and keeps it in a signed cookie. They are believed
only where no other source of identity is switched on, and judged by the service before anything opens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.components import address, notices, places, session
from pages.components.format import md, when
from pages.components.places import PLACES
from services.kernel.errors import ControlRoomError, LoginRefusedError
from services.kernel.identity import Actor, Role
from services.people.sign_in import OidcSignIn, Welcome

WANTED = "countersign_wanted"
_SEEN, _RETURNED, _GO = "login_seen", "login_returned", "login_go"


def screen(sign_in: OidcSignIn) -> None:
    """What stands on the sign-in screen where a provider knows the people."""
    if not _configured(sign_in):
        return
    given = claims()
    if not given:
        _remember_wanted()
        _invite(sign_in)
        return
    try:
        used = sign_in.was_used(given, id_token=_id_token())
        welcome = None if used else sign_in.look(given, id_token=_id_token())
    except ControlRoomError as refused:
        _refused(sign_in, refused)
        return
    if welcome is None:
        _invite(sign_in)
    elif len(welcome.roles) == 1:
        _open(sign_in, welcome.roles[0])
    else:
        _choose(sign_in, welcome)


def claims() -> Mapping[str, Any]:
    """What the provider said about whoever sits there; empty when nobody logged in."""
    if st.get_option("server.trustedUserHeaders"):
        return {}
    return st.user.to_dict() if st.user.get("is_logged_in") is True else {}


def renew(me: Actor) -> None:
    """After a fresh login of the person who is signed in already: the session is as fresh as that login."""
    sign_in = session.control_room().logins
    given = claims() if sign_in is not None and me.login is not None else {}
    if sign_in is None or not given or st.session_state.get(_SEEN) == _stamp(given):
        return
    st.session_state[_SEEN] = _stamp(given)
    try:
        if not sign_in.was_used(given, id_token=_id_token()):
            fresh = sign_in.renew(given, token=session.token(), id_token=_id_token())
            session.look_again()
            _say_how_fresh(me, fresh)
            _return_to_wanted()
    except ControlRoomError as refused:
        notices.show(refused)


def _say_how_fresh(me: Actor, fresh: Actor) -> None:
    """A provider may answer from its old login, whatever it was asked for: then nothing is fresher than before."""
    if fresh.login is not None and fresh.login.is_newer_than(me.login):
        notices.flash(f"You logged in again as {me.name}; your signature can say so for a few minutes.")
        return
    since = fresh.login.auth_time if fresh.login is not None else None
    said = f"it says that you logged in at {when(since, session.zone())}" if since else "it does not say when"
    notices.caution(
        f"The provider let you in without a new login: {said}. What needs a fresh login cannot be signed. Ask whoever "
        "runs the provider to honour the demand for one (prompt=login, max_age=0) and to state the time (auth_time)."
    )


def again_button(key: str) -> None:
    """To the provider, which asks for password or key again, and back to this place."""
    sign_in = session.control_room().logins
    if sign_in is None or not sign_in.rules.step_up:
        notices.remark(
            "This deployment has no way to ask for a fresh login; an administrator has to set one up.", "key_off"
        )
        return
    _remember_wanted()
    words = f"Log in again with {md(sign_in.rules.name)}"
    st.button(words, key=key, icon=":material/login:", on_click=_login, args=(sign_in.rules.step_up,))


def go_on() -> None:
    """Once after a login: to the page that was asked for before it."""
    page = st.session_state.pop(_GO, "")
    if page:
        st.switch_page(places.path(page), query_params=dict(st.query_params))
    if st.session_state.get(_RETURNED) == "page":
        st.session_state[_RETURNED] = "cleared"
        _script(f"'{WANTED}=; path=/; SameSite=Lax; max-age=0'")


def sign_out() -> None:
    """Ends the login here as well; where the provider offers it, there too."""
    if session.control_room().logins is not None and claims():
        st.logout()


# parts


def _configured(sign_in: OidcSignIn) -> bool:
    if st.get_option("server.trustedUserHeaders"):
        notices.empty(
            "Nobody can sign in",
            "The option `server.trustedUserHeaders` is on, with which anybody who reaches the port could be anybody. "
            "Switch it off and start again.",
            icon="gpp_bad",
        )
        return False
    try:
        sections = dict(st.secrets.get("auth", {}))
    except (FileNotFoundError, ControlRoomError):
        sections = {}
    own = sections.get(sign_in.rules.provider, {}) if sign_in.rules.provider else sections
    if not own or own.get("client_id") != sign_in.rules.client_id:
        notices.empty(
            "Nobody can sign in yet",
            "The section of the identity provider in the secrets of Streamlit is missing, or names another client than "
            "COUNTERSIGN_OIDC_CLIENT_ID. See docs/operations.md, Sign-in.",
            icon="key_off",
        )
        return False
    return True


def _invite(sign_in: OidcSignIn) -> None:
    with st.container(key="sign-in-provider"):
        st.button(
            f"Sign in with {md(sign_in.rules.name)}",
            key="sign-in-oidc",
            type="primary",
            icon=":material/login:",
            on_click=_login,
            args=(sign_in.rules.provider,),
        )
    notices.remark(
        "Your provider says who you are. What you may do here is written in the ledger, by two administrators; a "
        "signature asks for your own passphrase besides.",
        "info",
    )


def _login(provider: str) -> None:
    if provider:
        st.login(provider)
    else:
        st.login()


def _choose(sign_in: OidcSignIn, welcome: Welcome) -> None:
    st.markdown(f"**{md(welcome.person.name)}**, in which role do you work now?")
    with st.container(horizontal=True, key="sign-in-roles"):
        for role in welcome.roles:
            if st.button(md(role.label), key=f"sign-in-as-{role.value}", icon=":material/badge:"):
                _open(sign_in, role)
    if welcome.withheld:
        names = ", ".join(role.label.lower() for role in welcome.withheld)
        notices.remark(f"Not offered, since the group is missing at the provider: {md(names)}.", "group_off")


def _open(sign_in: OidcSignIn, role: Role) -> None:
    try:
        st.session_state["token"] = sign_in.open(claims(), role=role, id_token=_id_token())
    except LoginRefusedError as refused:
        _refused(sign_in, refused)
        return
    except ControlRoomError as problem:
        notices.show(problem)
        return
    st.session_state[_SEEN] = _stamp(claims())
    _return_to_wanted()
    st.rerun()


def _refused(sign_in: OidcSignIn, refused: ControlRoomError) -> None:
    with st.container(border=True, key="sign-in-refused"):
        st.header("You are not signed in", anchor=False)
        notices.show(refused)
        st.markdown(":gray[The attempt is an entry of the ledger.]")
        with st.container(horizontal=True):
            provider = sign_in.rules.step_up or sign_in.rules.provider
            st.button("Sign in again", key="sign-in-oidc", icon=":material/login:", on_click=_login, args=(provider,))
            st.button("Use another account", key="sign-out-oidc", icon=":material/logout:", on_click=st.logout)


def _remember_wanted() -> None:
    """The wanted page goes through the login as a cookie of a few minutes; it only ever names one of our pages."""
    here = st.context.url or ""
    place = here.rstrip("/").rsplit("/", 1)[-1]
    wanted = {"page": place if place in PLACES else "", "about": dict(st.query_params)}
    if not wanted["page"] and not wanted["about"]:
        return
    _script(f"'{WANTED}={json.dumps(wanted).encode().hex()}; path=/; SameSite=Lax; max-age=600'")


def _script(cookie: str) -> None:
    script = f"document.cookie = {cookie} + (location.protocol === 'https:' ? '; Secure' : '');"
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


def _return_to_wanted() -> None:
    """Opens what was asked for before the login."""
    sent = st.context.cookies.get(WANTED, "")
    try:
        wanted = json.loads(bytes.fromhex(sent)) if isinstance(sent, str) and sent else {}
        page, about = str(wanted.get("page", "")), wanted.get("about", {})
    except (ValueError, AttributeError):
        return
    if not wanted or st.session_state.get(_RETURNED):
        return
    st.session_state[_RETURNED] = "page"
    address.put(**{str(name): str(value)[:200] for name, value in about.items()} if isinstance(about, dict) else {})
    if page in PLACES:
        st.session_state[_GO] = page


def _stamp(given: Mapping[str, Any]) -> str:
    return f"{given.get('iss')} {given.get('sub')} {given.get('iat')} {given.get('nonce')} {given.get('auth_time')}"


def _id_token() -> str:
    found = st.user.tokens.get("id", "") if "tokens" in st.user else ""
    return found if isinstance(found, str) else ""
