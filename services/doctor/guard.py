"""One part that cannot be looked at must not hide the others; why not is said in words, never by a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from services.doctor.models import Result, State
from services.kernel.errors import ControlRoomError, TrustError

Check = Callable[[], Iterable[Result]]


def looked_at(name: str, check: Check, *, away: State = State.UNKNOWN, fix: str) -> list[Result]:
    """`away`: what it means when the part does not answer. What is provably wrong is always a fault."""
    try:
        return list(check())
    except TrustError as wrong:
        return [Result(name=name, state=State.FAULT, found=wrong.message, fix=wrong.hint or fix)]
    except ControlRoomError as refused:
        return [Result(name=name, state=away, found=refused.message, fix=refused.hint or fix)]
    except Exception as unexpected:  # noqa: BLE001 - whatever a library raises, its words may hold what was configured
        words = f"Could not be found out ({type(unexpected).__name__})."
        return [Result(name=name, state=State.UNKNOWN, found=words, fix=fix)]
