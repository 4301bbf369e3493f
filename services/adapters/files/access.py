"""Access rules as a YAML file: read when it changed, refused as a whole when one line is wrong."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from services.inventory.access import AccessRules, ColumnRule, Mask, MaskKind, ServingRight
from services.inventory.models import COLUMN_CATEGORIES
from services.kernel.identity import Role

FORMAT = "countersign.access/1"
_SIZED = {MaskKind.BAND: "width", MaskKind.TOP: "at"}


class AccessFile:
    """Implements inventory.access.AccessRuleSource."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read: tuple[tuple[int, int], AccessRules] | None = None

    def rules(self) -> AccessRules:
        try:
            facts = self._file.stat()
            version = (facts.st_mtime_ns, facts.st_size)
            if self._read is None or self._read[0] != version:
                self._read = (version, parse(self._file.read_text(encoding="utf-8")))
            return self._read[1]
        except OSError as gone:
            return AccessRules(problem=f"The access rules cannot be read ({type(gone).__name__}).")


def parse(text: str) -> AccessRules:
    """Rules, or why there are none: half of a rule file would show what the other half hides."""
    try:
        return _rules(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, InvalidOperation) as wrong:
        first = str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__
        return AccessRules(problem=f"The access rules are not valid: {first}.")


def _rules(data: dict[str, Any]) -> AccessRules:
    _only(data, {"format", "tags", "untagged", "columns", "serving"})
    if data.get("format") != FORMAT:
        raise ValueError(f"format must be {FORMAT}")
    tags = data.get("tags") or {}
    _only(tags, set(COLUMN_CATEGORIES))
    return AccessRules(
        by_tag=tuple((name, _mask(given)) for name, given in tags.items()),
        untagged=_mask(data.get("untagged") or {"mask": "hide"}),
        columns=tuple(_column(given) for given in data.get("columns") or ()),
        serving=tuple(_right(given) for given in data.get("serving") or ()),
    )


def _column(given: dict[str, Any]) -> ColumnRule:
    _only(given, {"model", "column", "mask", "width", "at", "clear_for"})
    return ColumnRule(
        model=str(given["model"]),
        column=str(given["column"]),
        mask=_mask({key: given[key] for key in ("mask", "width", "at") if key in given}),
        clear_for=tuple(Role(name) for name in given.get("clear_for") or ()),
    )


def _right(given: dict[str, Any]) -> ServingRight:
    _only(given, {"model", "identity", "reads"})
    reads = given["reads"]
    named = None if reads == "inputs" else tuple(str(name) for name in reads)
    return ServingRight(model=str(given["model"]), identity=str(given["identity"]), reads=named)


def _mask(given: dict[str, Any]) -> Mask:
    _only(given, {"mask", "width", "at"})
    kind = MaskKind(given["mask"])
    wanted = _SIZED.get(kind)
    if set(given) - {"mask"} != ({wanted} if wanted else set()):
        raise ValueError(f"mask {kind.value} needs {wanted or 'nothing else'}")
    if wanted is None:
        return Mask(kind=kind)
    size = Decimal(str(given[wanted]))
    if not size.is_finite() or size <= 0:
        raise ValueError(f"{wanted} must be a number above 0")
    return Mask(kind=kind, size=f"{size.normalize():f}")


def _only(given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(str(name) for name in set(given) - known)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}")
