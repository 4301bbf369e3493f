"""Reads that never take a page down: an unavailable source becomes a notice with the age of what is shown.

Caches live only here and in `session`, each with an age; `forget` empties them after a write. They are called with
names: of arguments without one Streamlit asks the signature of the function at each call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar, cast

import plotly.graph_objects as go
import streamlit as st

from pages.components import charts, notices, session
from services.inventory.models import InventoryCounts, InventoryQuery, InventoryRow, InventorySort, SyncState
from services.inventory.sweeping import Coverage
from services.kernel.errors import ControlRoomError, InputError, UnavailableError
from services.kernel.identity import Actor
from services.oversight.models import Operations

if TYPE_CHECKING:
    from services.container import ControlRoom

T = TypeVar("T")
_LAST = "last_good"
_KEPT = 40


def attempt(what: str, call: Callable[[], T], *, key: str = "") -> T | None:
    """The value; or the last known one with its age; or None, with the reason on screen.

    An InputError passes through: the screen knows which part of the address is wrong.
    """
    known: dict[str, tuple[object, datetime]] = st.session_state.setdefault(_LAST, {})
    try:
        value = call()
    except UnavailableError as problem:
        last = known.get(key or what)
        notices.show(problem, known=notices.stale(what, last[1] if last else None, session.now()))
        return cast("T", last[0]) if last else None
    except InputError:
        raise
    except ControlRoomError as problem:
        notices.show(problem, key=f"reload-{key or what}")
        return None
    known[key or what] = (value, session.now())
    while len(known) > _KEPT:
        del known[next(iter(known))]
    return value


def operations() -> Operations | None:
    """Age of everything a screen depends on; at most ten seconds old. None when it cannot be read."""
    room = session.control_room()
    try:
        return _operations(room_id=id(room), _room=room)
    except UnavailableError:
        return None


@st.cache_resource(ttl=10, show_spinner=False)
def _operations(room_id: int, _room: ControlRoom) -> Operations:  # noqa: ARG001  # the id is the cache key
    return _room.oversight.operations()


def copy() -> tuple[SyncState, Coverage | None] | None:
    """Age and completeness of the copy of the registry; at most ten seconds old. None when it cannot be read."""
    room = session.control_room()
    try:
        return _copy(room_id=id(room), _room=room)
    except ControlRoomError:
        return None


@st.cache_resource(ttl=10, show_spinner=False)
def _copy(room_id: int, _room: ControlRoom) -> tuple[SyncState, Coverage | None]:  # noqa: ARG001  # the id is the cache key
    return _room.inventory.sync_state(), _room.inventory.coverage()


def unread(me: Actor) -> int | None:
    """Unread notices of this person in this role; at most fifteen seconds old. None when they cannot be read."""
    room = session.control_room()
    try:
        return _unread(room_id=id(room), issuer=me.issuer, subject=me.subject, role=me.role.value, _room=room, _me=me)
    except ControlRoomError:
        return None


@st.cache_resource(ttl=15, max_entries=500, show_spinner=False)
def _unread(
    room_id: int,  # noqa: ARG001  # room, person and role are the cache key
    issuer: str,  # noqa: ARG001
    subject: str,  # noqa: ARG001
    role: str,  # noqa: ARG001
    _room: ControlRoom,
    _me: Actor,
) -> int:
    return _room.notices.unread(_me)


def counts() -> InventoryCounts:
    """Inventory totals, at most fifteen seconds old."""
    room = session.control_room()
    return _counts(room_id=id(room), _room=room)


@st.cache_resource(ttl=15, show_spinner=False)
def _counts(room_id: int, _room: ControlRoom) -> InventoryCounts:  # noqa: ARG001  # the id is the cache key
    return _room.inventory.counts()


def find_models(text: str, limit: int) -> tuple[tuple[InventoryRow, ...], int]:
    """Models by name for a picker, and how many there are; at most thirty seconds old."""
    room = session.control_room()
    return _find_models(room_id=id(room), text=text, limit=limit, _room=room)


@st.cache_resource(ttl=30, max_entries=200, show_spinner=False)
def _find_models(
    room_id: int,  # noqa: ARG001  # the id is the cache key
    text: str,
    limit: int,
    _room: ControlRoom,
) -> tuple[tuple[InventoryRow, ...], int]:
    page = _room.inventory.search(InventoryQuery(text=text, sort=InventorySort.NAME, limit=limit))
    return page.items, page.total


def figures(what: str, model: str, key: str, call: Callable[[], T]) -> T:
    """An answer that rests on stored sketches alone, kept while they and the day stay what they are.

    Asking for the mark is one small question; what it saves is reading and judging months of sketches at each click.
    """
    monitoring = session.control_room().monitoring
    return kept(what, f"{model} {key}", session.mark(f"monitoring {model}", lambda: monitoring.mark(model)), call)


def kept(what: str, key: str, mark: str, call: Callable[[], T]) -> T:
    """An answer kept while `mark`, which names the state of what it rests on, stays what it is."""
    return cast("T", _figures(room_id=id(session.control_room()), what=what, mark=mark, key=key, _call=call))


@st.cache_resource(ttl=3600, max_entries=300, show_spinner=False)
def _figures(
    room_id: int,  # noqa: ARG001  # all but the call are the cache key
    what: str,  # noqa: ARG001
    mark: str,  # noqa: ARG001
    key: str,  # noqa: ARG001
    _call: Callable[[], object],
) -> object:
    return _call()


def drawn(what: str, of: object, key: str, draw: Callable[[], go.Figure]) -> go.Figure:
    """A picture of a value, kept while it is a picture of the same object: `key` names how it is drawn.

    The value is kept with its picture, so no other object can take its place in memory.
    """
    return made(what, of, key, lambda: charts.Finished(draw()))


def made(what: str, of: object, key: str, make: Callable[[], T]) -> T:
    """The same for whatever else is made of a value: a table, for example. Nobody changes it afterwards."""
    return cast("T", _made(what=what, identity=id(of), key=key, _of=of, _make=make)[1])


@st.cache_resource(ttl=3600, max_entries=200, show_spinner=False)
def _made(
    what: str,  # noqa: ARG001  # these three are the cache key
    identity: int,  # noqa: ARG001
    key: str,  # noqa: ARG001
    _of: object,
    _make: Callable[[], object],
) -> tuple[object, object]:
    return _of, _make()


def forget() -> None:
    """After a write: the next read asks the services again."""
    for cached in (_operations, _copy, _counts, _find_models, _unread, _figures, _made):
        cached.clear()
    session.forget_marks()
