"""SQL that shows a column as a mask allows: the raw value never leaves the query.

Numbers of a mask are our own and rendered with an exponent, so that they are DOUBLE; everything else is bound.
"""

from __future__ import annotations

from services.adapters.warehouse.duckdb import number, quoted
from services.inventory.access import Mask, MaskKind

HIDDEN_WORD = "hidden"
MISSING_WORD = "missing"


def shown(column: str, mask: Mask) -> str:
    """A text expression. A hidden column does not even say whether a value was missing."""
    if mask.kind is MaskKind.HIDE:
        return f"'{HIDDEN_WORD}'"
    if mask.kind is MaskKind.NONE:
        return f"coalesce(CAST({quoted(column)} AS VARCHAR), '{MISSING_WORD}')"
    x, size = number(column), f"({float(mask.number):.17e})"
    if mask.kind is MaskKind.BAND:
        low = f"(floor({x} / {size}) * {size})"
        label = f"{_text(low)} || ' up to ' || {_text(f'({low} + {size})')}"
    else:
        label = f"CASE WHEN {x} >= {size} THEN {_text(size)} || ' and more' ELSE {_text(x)} END"
    return f"CASE WHEN {x} IS NULL OR NOT isfinite({x}) THEN '{MISSING_WORD}' ELSE {label} END"


def _text(value: str) -> str:
    """Six significant digits and no trailing `.0`: 30, 10.5."""
    return f"printf('%g', {value})"
