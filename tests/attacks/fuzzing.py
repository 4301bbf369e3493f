"""Calls every public method of every service of a control room with hostile text wherever it takes text.

Methods, commands and queries are found by their annotations, so what is added later is attacked as well.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from services.kernel.identity import Actor
from services.kernel.secret import Secret
from services.policy.service import Governed
from tests.builders import a_model

NOT_CALLED = {
    "EvaluationService.judge": "takes evidence that the service itself collected, never text of a person",
    "LedgerService.record_event": "called by services alone; its text goes through every other call",
    "LedgerService.record_signed_event": "called by services alone; its text goes through every other call",
}
_SCALARS: dict[Any, Any] = {
    int: 1,
    bool: False,
    float: 1.0,
    bytes: b"{}",
    Decimal: Decimal(1),
    date: date(2030, 1, 31),
    datetime: datetime(2030, 1, 31, 12, tzinfo=UTC),
    timedelta: timedelta(days=1),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    name: str
    make: Callable[[str, Actor, Secret], Callable[[], Any]]
    """Text, actor and his passphrase to the call itself."""


def calls(service: Any, *, named: str = "") -> Iterator[Call]:
    """Every public method that takes text somewhere, of the service and of the services it hands out."""
    label = named or type(service).__name__
    for name in dir(type(service)):
        method = getattr(type(service), name, None)
        if name.startswith("_") or not inspect.isfunction(method) or f"{label}.{name}" in NOT_CALLED:
            continue
        hints = typing.get_type_hints(method)
        wanted = {
            item.name: hints.get(item.name, str)
            for item in inspect.signature(method).parameters.values()
            if item.name != "self"
        }
        if any(_holds_text(hint) for hint in wanted.values()):
            yield Call(f"{label}.{name}", _caller(service, name, wanted))
    for name, value in vars(service).items() if hasattr(service, "__dict__") else ():
        if not name.startswith("_") and type(value).__name__.endswith("Service"):
            yield from calls(value, named=f"{label}.{name}")


def _caller(service: Any, name: str, wanted: dict[str, Any]) -> Callable[[str, Actor, Secret], Callable[[], Any]]:
    def make(text: str, actor: Actor, passphrase: Secret) -> Callable[[], Any]:
        given = {key: _value(hint, text, actor, passphrase) for key, hint in wanted.items()}
        method = getattr(service, name)
        positional = [
            given.pop(item.name)
            for item in inspect.signature(method).parameters.values()
            if item.kind is inspect.Parameter.POSITIONAL_ONLY
        ]
        return lambda: method(*positional, **given)

    return make


def _holds_text(hint: Any) -> bool:
    if hint is str:
        return True
    if typing.get_origin(hint) in {types.UnionType, typing.Union, tuple, collections.abc.Sequence}:
        return any(_holds_text(item) for item in typing.get_args(hint))
    if hint is Actor or not dataclasses.is_dataclass(hint):
        return False
    return any(_holds_text(item) for item in typing.get_type_hints(hint).values())


def _value(hint: Any, text: str, actor: Actor, passphrase: Secret) -> Any:
    if hint is str:
        return text
    if hint is Actor:
        return actor
    if hint is Secret:
        return passphrase
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        return _value(next(item for item in inner if item is not type(None)), text, actor, passphrase)
    if origin is collections.abc.Sequence:
        return (_value(inner[0], text, actor, passphrase),)
    if origin is tuple:
        kept = inner[:1] if inner[-1] is Ellipsis else inner
        return tuple(_value(item, text, actor, passphrase) for item in kept)
    if origin is collections.abc.Callable:
        return lambda *_args, **_given: None
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return next(iter(hint))
    if inspect.isclass(hint) and issubclass(hint, Path):
        return Path("/nonexistent")
    if dataclasses.is_dataclass(hint):
        fields = typing.get_type_hints(hint)
        names = [item.name for item in dataclasses.fields(hint) if item.init]
        return hint(**{name: _value(fields[name], text, actor, passphrase) for name in names})
    if hint is Governed:
        return a_model()
    return None
