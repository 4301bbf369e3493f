"""Versioned documents that people sign: canonical text, its digest, how it is read back, and what differs. Pure.

A kind of document is a format name and a way to build its value from what was parsed. Equal values have equal bytes,
so what a person signed is what is obeyed. Digests of records that exist rest on `plain`: it is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from services.attestation import canonical
from services.kernel.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind(Generic[T]):
    format: str
    """With its number: `countersign.monitor/1`."""
    name: str
    """With its article, as a refusal says it: `a monitor`."""
    hint: str
    """What to do with a text that is no such document."""
    build: Callable[[dict[str, Any]], T]
    """From the parsed document without its format. Raises any of the errors of a value that does not fit."""
    later: tuple[str, ...] = ()
    """Fields that came after the format; left out while they have their default, so that older texts keep their bytes.
    """

    def write(self, value: T) -> str:
        """Canonical text. Raises InputError for text that cannot be signed."""
        unset = {item.name for item in fields(value) if item.name in self.later and _is_default(value, item)}
        stated = {name: found for name, found in asdict(value).items() if name not in unset}
        return canonical.to_bytes({"format": self.format, **plain(stated)}).decode()

    def read(self, text: str) -> T:
        """What `write` wrote. Raises InputError for anything else."""
        try:
            found = canonical.parse(text.encode())
            if found.pop("format", "") != self.format:
                raise InputError(f"This is not {self.name} of this release.", hint=f"Its format must be {self.format}.")
            return self.build(found)
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as odd:
            raise InputError(f"This is not {self.name}: {odd}.", hint=self.hint) from odd


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs between two versions, in words."""

    what: str
    before: str
    after: str


def _is_default(value: object, item: Field[Any]) -> bool:
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    return bool(getattr(value, item.name) == default)


def digest(text: str) -> str:
    return canonical.sha256_hex(text.encode())


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """Of two versions put into words by name: what differs, new names first; empty when nothing does."""
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        Change(what=name, before=before.get(name, ""), after=after.get(name, ""))
        for name in names
        if before.get(name, "") != after.get(name, "")
    )


def plain(value: Any) -> Any:
    """Canonical documents know text, lists and mappings only: a number is its shortest decimal text."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)
