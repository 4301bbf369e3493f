"""Whether a time that is written as text names its zone: `Z`, `+01`, `-0500`, `+05:30`, ` UTC`, ` Europe/Berlin`.

A text says so, must not say so, or is not written as a time: then neither holds, and nobody has to guess. Whether an
engine can read the text is another question, which it answers itself. No pattern needs a backslash.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, not_

from services.adapters.warehouse.statements.dialects import Found

_DATE = "([0-9]+[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{8})"
_CLOCK = "[0-9]{1,2}(:?[0-9]{2}(:?[0-9]{2}([.,][0-9]*)?)?)?( ?[AaPp][Mm])?"
_ZONE = "([A-Za-z]+([/_+-][A-Za-z0-9]+)*(:?[0-9]{2})?|[+-][0-9]{1,2}(:?[0-9]{2}(:?[0-9]{2})?)?)"
_SILENT = f"^ *{_DATE}([ T]+{_CLOCK})? *$"
_ZONED = f"^ *{_DATE}([ T]+{_CLOCK})? *{_ZONE} *$"


def is_silent(text: ColumnElement[Any]) -> ColumnElement[bool]:
    """A date, or a date and a time of day, and nothing behind it."""
    return Found(text, _SILENT)


def is_zoned(text: ColumnElement[Any]) -> ColumnElement[bool]:
    """An offset or a name behind date and time of day."""
    return and_(Found(text, _ZONED), not_(is_silent(text)))  # " PM" is no name of a zone
