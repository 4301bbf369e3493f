"""Inventories in the shape a regulator asks for, from profile files and one as-of view. Pure.

A column names a fact; a fact nobody recorded is exported as such, never as an empty cell that looks fine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from services.audit.asof import AsOfView
from services.audit.controls import ControlLine
from services.audit.export_rows import Row, change_rows, control_row, model_row, total_row
from services.audit.history import History
from services.kernel.errors import InputError

PROFILES = Path(__file__).with_name("profiles")
ABSENT = "not recorded in Countersign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    title: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePart:
    id: str
    title: str
    rows: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportProfile:
    id: str
    title: str
    version: str
    date: str
    source: str
    note: str
    parts: tuple[ProfilePart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedPart:
    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One filled-in profile. The same ledger and day give the same export, wherever and whenever it is made."""

    profile: ExportProfile
    as_of: datetime
    entries: int
    filter: str
    parts: tuple[ExportedPart, ...]


@lru_cache(maxsize=4)
def load(folder: Path = PROFILES) -> tuple[ExportProfile, ...]:
    return tuple(_profile(yaml.safe_load(file.read_text(encoding="utf-8"))) for file in sorted(folder.glob("*.yaml")))


def _profile(given: dict[str, Any]) -> ExportProfile:
    parts = tuple(
        ProfilePart(
            id=str(part["id"]),
            title=part["title"],
            rows=part["rows"],
            columns=tuple(Column(title=column["title"], field=column["field"]) for column in part["columns"]),
        )
        for part in given.pop("parts")
    )
    return ExportProfile(**{**given, "date": str(given["date"]), "version": str(given["version"])}, parts=parts)


def profile_of(profile_id: str, folder: Path = PROFILES) -> ExportProfile:
    found = next((profile for profile in load(folder) if profile.id == profile_id), None)
    if found is None:
        raise InputError(f"There is no export profile {profile_id!r}.", hint="Choose one of the list.")
    return found


def fill(
    profile: ExportProfile,
    view: AsOfView,
    history: History,
    *,
    controls: tuple[ControlLine, ...],
    note_of: Callable[[str], str],
) -> Export:
    """`note_of` gives the requester's own words for a request id, or an empty text when they are gone."""
    past = history.until(view.at)
    makers: Mapping[str, Callable[[], list[Row]]] = {
        "total": lambda: [total_row(view, past)],
        "model": lambda: [model_row(model, past) for model in view.models],
        "high_risk_model": lambda: [model_row(model, past) for model in view.models if model.tier in {1, None}],
        "control": lambda: [control_row(line) for line in controls],
        "change": lambda: change_rows(past, note_of),
    }
    return Export(
        profile=profile,
        as_of=view.at,
        entries=view.entries,
        filter="all models of the inventory as of this time, vendor models included",
        parts=tuple(_part(part, makers[part.rows]()) for part in profile.parts),
    )


def _part(part: ProfilePart, rows: list[Row]) -> ExportedPart:
    return ExportedPart(
        id=part.id,
        title=part.title,
        columns=tuple(column.title for column in part.columns),
        rows=tuple(tuple(row.get(column.field, "") or ABSENT for column in part.columns) for row in rows),
    )
