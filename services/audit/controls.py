"""The control matrix: each control with the entries that show it at work, counted and dated. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from services.audit.history import Fact, History

CONTROLS = Path(__file__).with_name("controls.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    id: str
    title: str
    evidence: tuple[str, ...]
    nist: str
    iso: str
    part11: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLine:
    """`newest` None means that no entry shows this control at work yet: not that it failed."""

    control: Control
    count: int
    newest: datetime | None
    seq: int | None


@lru_cache(maxsize=4)
def load(file: Path = CONTROLS) -> tuple[Control, ...]:
    given: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return tuple(Control(**{**item, "evidence": tuple(item["evidence"])}) for item in given["controls"])


def matrix(history: History, *, at: datetime, controls: Iterable[Control] = ()) -> tuple[ControlLine, ...]:
    by_tag: dict[str, list[Fact]] = defaultdict(list)
    for fact in history.facts:
        if fact.at <= at and not fact.void:
            by_tag[fact.event].append(fact)
    return tuple(_line(control, by_tag) for control in controls or load())


def _line(control: Control, by_tag: dict[str, list[Fact]]) -> ControlLine:
    shown = [
        fact
        for tag, facts in by_tag.items()
        if any(fnmatchcase(tag, pattern) for pattern in control.evidence)
        for fact in facts
    ]
    newest = max(shown, key=lambda fact: fact.seq, default=None)
    return ControlLine(
        control=control,
        count=len(shown),
        newest=newest.at if newest else None,
        seq=newest.seq if newest else None,
    )
