"""The report as bytes: one text for one set of findings, checked against the published schema in this folder.

Keys are sorted and numbers carry six digits, so that the same findings give the same digest anywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import jsonschema

from services.kernel.errors import InputError

FORMAT = "countersign.evaluation/2"
SCHEMA = Path(__file__).with_name("evaluation-2.schema.json")
DIGITS = 6
_SHOWN = 5


def build(report: Mapping[str, Any]) -> bytes:
    """Canonical UTF-8 bytes. Raises InputError for a number that is not finite and for what the schema refuses."""
    plain = _plain({"format": FORMAT, **report}, "report")
    data = json.dumps(plain, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    validate(data)
    return data


def validate(data: bytes) -> None:
    """Raises InputError with the places that do not follow the schema."""
    found = problems(data)
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise InputError(f"The evaluation report does not follow its schema: {'; '.join(found[:_SHOWN])}{more}.")


def problems(data: bytes) -> tuple[str, ...]:
    """Each place that does not follow the schema with what is wrong there; nothing for a valid report."""
    try:
        report = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as broken:
        return (f"it is no JSON text ({broken})",)
    errors = sorted(_validator().iter_errors(report), key=lambda error: [str(part) for part in error.absolute_path])
    return tuple(f"{_place(error.absolute_path)}: {error.message[:200]}" for error in errors)


def read(data: bytes) -> dict[str, Any]:
    """The report behind valid bytes. Raises InputError."""
    validate(data)
    return cast("dict[str, Any]", json.loads(data))


def schema() -> dict[str, Any]:
    """The published JSON Schema."""
    return cast("dict[str, Any]", json.loads(SCHEMA.read_text(encoding="utf-8")))


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(schema())


def _place(path: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in path) or "report"


def _plain(value: Any, place: str) -> Any:
    """JSON values only: numbers of numpy become those of Python, floats are rounded, minus zero is zero."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}.{number}") for number, item in enumerate(value)]
    if hasattr(value, "tolist") and not isinstance(value, str | bytes):
        return _plain(value.tolist(), place)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{place} is not a finite number, so no report was written.")
        return round(value, DIGITS) + 0.0
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers must not see two reports in one text."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")
