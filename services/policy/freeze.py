"""Freeze windows: days on which nothing new of some models is released. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from services.policy.schema import FreezeLine, PolicyDocument


class Freezable(Protocol):
    @property
    def name(self) -> str: ...


def active_freeze(policy: PolicyDocument, model: Freezable, at: datetime) -> FreezeLine | None:
    """The window the model is in at this moment, the one that ends last; None outside of all. Days are UTC days.

    Tags are those of the model where it has any (`tags`, words); a window without models and tags is for every model.
    """
    day = at.astimezone(UTC).date()
    tags = set(getattr(model, "tags", ()))
    found = [
        line
        for line in policy.freeze
        if line.since <= day <= line.until
        and (model.name in line.models or tags & set(line.tags) or not (line.models or line.tags))
    ]
    return max(found, key=lambda line: line.until, default=None)
