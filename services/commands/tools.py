"""What every group of commands needs from the command line it is part of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from services.container import ControlRoom
    from services.kernel.identity import Actor


class SayReceipt(Protocol):
    def __call__(self, seq: int, leaf_hash: str, words: str, as_json: bool, **more: str) -> None: ...  # noqa: FBT001


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """`spoken` turns our errors into one line and an exit code."""

    spoken: Callable[[], AbstractContextManager[None]]
    room: Callable[[], ControlRoom]
    actor: Callable[[ControlRoom, str], Actor]
    receipt: SayReceipt
    print_json: Callable[[Any], None]
