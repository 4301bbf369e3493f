"""A retraining set: what people say is right about predictions that were made, as one file with a digest. Pure.

The file holds ids, labels and codes. Inputs are joined by prediction id where the access rules of the inference log
hold; the registry gets no personal data with it. The same reviews always give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from services.kernel.clock import utc_text

COLUMNS = ("prediction_id", "version", "predicted", "label", "corrected", "reason_code", "reviewed_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """One reviewed prediction. `source` is the recorded day or the batch it came from."""

    prediction_id: str
    version: str
    predicted: float | None
    label: float | None
    corrected: bool
    reason_code: str
    reviewed_at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One source of a set, how many of its rows are in it, and the digest that says which state of it."""

    source: str
    rows: int
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    model: str
    number: int
    """1 for the first set of a model; never reused."""
    sha256: str
    """Of the content, as the ledger entry has it."""
    rows: int
    lineage: tuple[Origin, ...]
    reason: str
    salt: str
    at: datetime
    by_issuer: str
    by_subject: str
    by_name: str
    seq: int = 0
    leaf_hash: str = ""
    run_id: str = ""
    """The run of the registry that holds it; empty while it waits for the worker."""
    logged_at: datetime | None = None
    error: str = ""

    @property
    def name(self) -> str:
        return f"{self.model} corrections {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeSet:
    """Command: make a set of the reviews of the last `days` days."""

    command_id: str
    model: str
    reason: str
    days: int = 180


def content(rows: Iterable[LabelRow]) -> bytes:
    """Sorted by id, numbers in full precision, one line per row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda row: row.prediction_id):
        writer.writerow(
            (
                row.prediction_id,
                row.version,
                "" if row.predicted is None else repr(row.predicted),
                "" if row.label is None else repr(row.label),
                "true" if row.corrected else "false",
                row.reason_code,
                utc_text(row.reviewed_at),
            )
        )
    return text.getvalue().encode()


def origins(rows: Iterable[LabelRow], digests: dict[str, str]) -> tuple[Origin, ...]:
    counted = Counter(row.source for row in rows)
    return tuple(Origin(source=name, rows=counted[name], sha256=digests.get(name, "")) for name in sorted(counted))


def lineage_text(found: Sequence[Origin]) -> str:
    return json.dumps([asdict(item) for item in found], separators=(",", ":"), sort_keys=True)


def lineage_of(text: str) -> tuple[Origin, ...]:
    return tuple(Origin(**item) for item in json.loads(text))
