"""Who pays for what of a platform's bill, as a YAML file: read when it changed, refused as a whole for one wrong line.

format: countersign.billing/1
tags: {model: countersign_model, part: countersign_part}
endpoints: {delay-claim-score: main.claims.delay_claim_score}
jobs:
  "1234": {model: main.claims.claims_triage, part: training}
products: [MODEL_SERVING, JOBS]
prices:
  - {sku: ENTERPRISE_SERVERLESS_REAL_TIME_INFERENCE, unit: DBU, price: "0.055", from: 2026-01-01}
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from services.kernel.errors import TelemetryUnavailableError
from services.value.billing import COMPUTE, PARTS, PRODUCTS, Attribution, Job, Price

FORMAT = "countersign.billing/1"


class BillingFile:
    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._read: tuple[tuple[int, int], Attribution] | None = None

    def said(self) -> Attribution:
        """Without a file: tags, endpoints by what they serve, list prices. Raises TelemetryUnavailableError."""
        if self._file is None:
            return Attribution()
        try:
            facts = self._file.stat()
            version = (facts.st_mtime_ns, facts.st_size)
            if self._read is None or self._read[0] != version:
                self._read = (version, parse(self._file.read_text(encoding="utf-8")))
            return self._read[1]
        except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, InvalidOperation) as wrong:
            first = str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__
            raise TelemetryUnavailableError(
                f"The file that says who pays for what cannot be used: {first}.",
                hint=f"Correct {self._file.name}; the last known cost stays until then.",
            ) from wrong


def parse(text: str) -> Attribution:
    """Raises ValueError naming the first fault."""
    data = yaml.safe_load(text)
    _only(data, {"format", "tags", "endpoints", "jobs", "products", "prices"})
    if data.get("format") != FORMAT:
        raise ValueError(f"format must be {FORMAT}")
    tags = data.get("tags") or {}
    _only(tags, {"model", "part"})
    plain = Attribution()
    return Attribution(
        model_tag=str(tags.get("model", plain.model_tag)),
        part_tag=str(tags.get("part", plain.part_tag)),
        endpoints={str(name): str(model) for name, model in (data.get("endpoints") or {}).items()},
        jobs={str(number): _job(given) for number, given in (data.get("jobs") or {}).items()},
        products=tuple(str(name) for name in data.get("products") or PRODUCTS),
        prices=tuple(_price(given) for given in data.get("prices") or ()),
    )


def _job(given: dict[str, Any]) -> Job:
    _only(given, {"model", "part"})
    part = str(given.get("part", COMPUTE))
    if part not in {*PARTS, COMPUTE}:
        raise ValueError(f"part {part!r} is none of {', '.join(PARTS)}")
    return Job(model=str(given["model"]), part=part)


def _price(given: dict[str, Any]) -> Price:
    _only(given, {"sku", "unit", "cloud", "price", "from", "until"})
    amount = Decimal(str(given["price"]))
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"price {given['price']!r} must be a number, 0 or above")
    starts, ends = _at(given["from"]), _at(given["until"]) if given.get("until") else None
    if ends is not None and ends <= starts:
        raise ValueError(f"price of {given['sku']} ends before it begins")
    return Price(
        sku=str(given["sku"]), unit=str(given["unit"]), cloud=str(given.get("cloud", "")), amount=amount,
        starts_at=starts, ends_at=ends,
    )  # fmt: skip


def _at(day: Any) -> datetime:
    found = day if isinstance(day, date) and not isinstance(day, datetime) else date.fromisoformat(str(day)[:10])
    return datetime.combine(found, time(), UTC)


def _only(given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(str(name) for name in set(given) - known)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}")
