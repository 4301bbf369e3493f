"""Who is here and what they look at: the control room, the verified person, the reader's zone and the time.

Signing in survives reload and new tabs through one cookie that only names a server-side session; the session
itself is checked with the people service on every run.
"""

from __future__ import annotations

import gc
import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, cast

import streamlit as st

from pages.components import address, notices
from pages.components.places import PLACES
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor
from services.people.platform_headers import NAMES, Headers

if TYPE_CHECKING:
    from services.container import ControlRoom

COOKIE = "countersign_session"
_TOKEN = re.compile(r"[A-Za-z0-9_.~-]{8,512}")
_TWELVE_HOURS = 12 * 3600
_SIGNED_IN_AS, _ENDED, _KEPT, _CHECKED = "signed_in_as", "session_ended", "kept_typed", "session_checked"
_MOMENT = 1.0
"""Seconds for which a page that is being drawn believes its last look at the session, and at a mark."""
_MARKS = "marks_of_this_page"


def control_room() -> ControlRoom:
    """The shared control room. A test may place a prepared one in the session."""
    placed = st.session_state.get("control_room")
    return cast("ControlRoom", placed) if placed is not None else _open_control_room()


@st.cache_resource(show_spinner=False)
def _open_control_room() -> ControlRoom:
    from services import databases, observability
    from services.container import open_control_room
    from services.settings import read_settings

    settings = read_settings()
    databases.name_process("app")
    observability.write_logs(settings, everything=False)
    room = open_control_room(settings)
    if settings.metrics_app_port:
        observability.serve(
            settings,
            room.database,
            room.clock,
            port=settings.metrics_app_port,
            setting="COUNTERSIGN_METRICS_APP_PORT",
            leads=None,
        )
    # What is loaded by now stays: collections need not look through it again.
    gc.collect()
    gc.freeze()
    return room


def actor(*, active: bool = False) -> Actor | None:
    """The signed-in person as the people service knows them now, or None. `active`: the person just did something.

    Whatever else a page asks within a moment of that gets the same answer: one page asks dozens of times while it is
    drawn. Nothing is allowed by this answer alone; every write reads the person again (`people.require`).
    """
    token = st.session_state.get("token")
    if token is None:
        token = _cookie()
    if not token or not _TOKEN.fullmatch(token):
        return None
    if not active and (lately := _lately(token)) is not None:
        return lately
    people = control_room().people
    found = people.resume(token, active=active)
    if found is not None and not _is_still(found):
        people.sign_out(token)
        st.session_state[_ENDED] = "You were signed out: the workspace names somebody else for this browser now."
        return None
    if found is not None:
        st.session_state[_SIGNED_IN_AS] = (found.issuer, found.subject)
        st.session_state[_CHECKED] = (time.monotonic(), token, found)
        return found
    st.session_state.pop(_CHECKED, None)
    words = people.why_ended(token)
    if words:
        st.session_state[_ENDED] = words
    return None


def _lately(token: str) -> Actor | None:
    """Who this session was found to be, when that was a moment ago."""
    checked, of_token, found = st.session_state.get(_CHECKED, (0.0, "", None))
    return found if of_token == token and time.monotonic() - checked < _MOMENT else None


def look_again() -> None:
    """The session was just changed: the next question about it is asked of the service."""
    st.session_state.pop(_CHECKED, None)


def mark(key: str, ask: Callable[[], str]) -> str:
    """What names the state of figures, asked once while one page is drawn: all of it shows the same state."""
    known: dict[tuple[int, str], tuple[float, str]] = st.session_state.setdefault(_MARKS, {})
    place, now = (id(control_room()), key), time.monotonic()
    asked, found = known.get(place, (-_MOMENT, ""))
    if now - asked >= _MOMENT:
        found = ask()
        known[place] = (now, found)
    return found


def forget_marks() -> None:
    """A page begins, or something was written: marks are asked for again."""
    st.session_state.pop(_MARKS, None)


def token() -> str:
    """What names the open session of this browser; empty when there is none."""
    return str(st.session_state.get("token") or _cookie())


def platform_headers() -> Headers:
    """What the platform's proxy sent: every value of each header, since the first one would hide a second."""
    return {name: tuple(st.context.headers.get_all(name)) for name in NAMES}


def _is_still(me: Actor) -> bool:
    """Where the platform says who people are, a session is of whoever it names now."""
    platform = control_room().platform
    return platform is None or platform.still(platform_headers(), me)


def _cookie() -> str:
    """What the browser sent when this tab connected."""
    sent = st.context.cookies.get(COOKIE, "")
    return sent if isinstance(sent, str) else ""


def signed_in() -> Actor:
    """The person, for code that runs only after `enter`; ends the run calmly when the session has just ended."""
    me = actor()
    if me is None:
        # The whole page runs again and asks to sign in; what was typed here would be lost by then.
        keep_typed()
        st.rerun()
    return me


def why_signed_out() -> str:
    """Why the session that was open here ended, once; empty when nobody was signed in."""
    return str(st.session_state.pop(_ENDED, ""))


def keep_typed() -> None:
    """Sets aside what the person of the ended session had typed, passphrases never, until they are back."""
    who = st.session_state.get(_SIGNED_IN_AS)
    if who is None or _KEPT in st.session_state:
        return
    typed = {
        key: value
        for key, value in st.session_state.items()
        if isinstance(key, str) and isinstance(value, str) and value and not _is_private(key)
    }
    st.session_state[_KEPT] = (who, typed)


def _is_private(key: str) -> bool:
    return "passphrase" in key or "secret" in key or key.startswith("at-") or key in {"token", _ENDED}


def _give_back_typed(who: tuple[str, str]) -> None:
    """What the same person had typed returns; somebody else finds neither text nor open dialog."""
    owner, typed = st.session_state.pop(_KEPT, (None, {}))
    if owner == who:
        for key, value in typed.items():
            st.session_state.setdefault(key, value)
    elif owner is not None:
        st.session_state.pop("open_dialog", None)


def enter(stem: str) -> Actor:
    """First line of every screen: a verified person who may open it, or a sentence that says why not."""
    forget_marks()
    me = signed_in()
    place = PLACES[stem]
    if not control_room().people.may(me, place.permission):
        notices.forbidden_page(place.title, me.role.label, str(place.permission).replace("_", " "))
        st.stop()
    notices.show_flash()
    return me


def sign_in(subject: str) -> None:
    """Callback of an account card."""
    people = control_room().people
    try:
        me = people.sign_in_demo(subject)
        st.session_state["token"] = people.open_session(me)
        _give_back_typed((me.issuer, me.subject))
    except ControlRoomError as problem:
        st.session_state["sign_in_problem"] = str(problem)


def sign_out() -> None:
    token = st.session_state.get("token") or _cookie()
    if token:
        control_room().people.sign_out(token)
    for key in list(st.session_state):
        if key != "control_room":
            del st.session_state[key]
    st.session_state["token"] = ""
    address.clear()


def keep_cookie() -> None:
    """Brings the browser's cookie in line with the session: set after signing in, removed after signing out."""
    token = st.session_state.get("token")
    if token is None or token == _cookie():
        return
    if token and not _TOKEN.fullmatch(token):
        return
    life = _TWELVE_HOURS if token else 0
    text = json.dumps(f"{COOKIE}={token}; path=/; SameSite=Strict; max-age={life}")
    script = f"document.cookie = {text} + (location.protocol === 'https:' ? '; Secure' : '');"
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


def zone() -> str:
    """The reader's time zone; the browser tells it, UTC otherwise."""
    return st.context.timezone or "UTC"


def now() -> datetime:
    return control_room().clock.now()


def is_dark() -> bool:
    return st.context.theme.type == "dark"
