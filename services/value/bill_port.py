"""What value needs where cost is a platform's bill and not measured use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Protocol

from services.value.models import DataAge


class Bill(Protocol):
    def age(self) -> DataAge: ...

    def requests(self, model: str, start: date, end: date) -> Mapping[date, int]:
        """Requests that the platform counted, by day: the volume where nobody logged predictions."""
        ...
