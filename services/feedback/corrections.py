"""Corrections as people hand them in: one line per reviewed prediction, ids and codes only.

A line whose reason is `CONFIRMED` says that a person looked and left the prediction as it was. Without such lines a
rate would have no denominator.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.kernel.errors import InputError

CONFIRMED = "CONFIRMED"
REASONS = {
    CONFIRMED: "Looked at and left as it was",
    "WRONG-OUTCOME": "The prediction was wrong",
    "WRONG-DATA": "An input was wrong or late",
    "MISSING-DATA": "Something the model did not see decided",
    "RULE-CHANGED": "A rule changed and the model does not know it",
    "EXCEPTION": "Right in general, not in this case",
}
"""Codes everybody may use; those recorded for a model before are known for it as well."""
MOST_ROWS = 100_000
LARGEST_FILE = 32 * 1024**2
LONGEST_NOTE = 200


class Via(StrEnum):
    """How corrections came in."""

    FORM = "form"
    FILE = "file"
    CALL = "call"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRow:
    """One reviewed prediction as handed in, all of it text. `line` is where it stood in the file, from 1."""

    prediction_id: str
    corrected_value: str
    reason_code: str
    reviewer: str
    reviewed_at: str = ""
    """ISO 8601 with a zone; empty is now."""
    note: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCorrections:
    """Command: these predictions were reviewed. All of them are recorded, or none."""

    command_id: str
    model: str
    rows: tuple[CorrectionRow, ...]
    via: Via = Via.CALL


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFile:
    """Command: as RecordCorrections, with the bytes of a CSV file."""

    command_id: str
    model: str
    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFault:
    """Why one line cannot be taken. It names the column and never repeats what a free text said."""

    line: int
    column: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A prediction as recorded: live answers only."""

    version: str
    score: float | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """One reviewed prediction, checked and complete. `value` is None for one that was confirmed."""

    prediction_id: str
    version: str
    predicted: float | None
    predicted_at: datetime
    value: float | None
    corrected: bool
    reason_code: str
    reviewer: str
    reviewed_at: datetime
    note: str = ""

    @property
    def decision(self) -> float | None:
        """What holds after the review."""
        return self.value if self.corrected else self.predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Corrections that were recorded together, by one entry of the ledger."""

    id: str
    model: str
    via: Via
    name: str
    sha256: str
    """Of the rows in canonical form, as the entry has it."""
    rows: int
    corrected: int
    at: datetime
    by_issuer: str
    by_subject: str
    by_name: str
    seq: int
    leaf_hash: str
    published_at: datetime | None = None
    """When the rows were added to the recorded reviews, where every figure counts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a file or a list would do. With any fault nothing is recorded."""

    rows: int
    reviewed: tuple[Reviewed, ...]
    faults: tuple[RowFault, ...]

    @property
    def corrected(self) -> int:
        return sum(row.corrected for row in self.reviewed)


class CorrectionsRefusedError(InputError):
    """Nothing was recorded; `checked` has a fault per line."""

    code = "corrections-refused"

    def __init__(self, checked: Checked) -> None:
        shown = " ".join(f"Line {fault.line}: {fault.sentence}" for fault in checked.faults[:3])
        more = f" And {len(checked.faults) - 3:,} more." if len(checked.faults) > 3 else ""
        super().__init__(
            f"Nothing was recorded: {len(checked.faults):,} faults in {checked.rows:,} lines. {shown}{more}",
            hint="Correct these lines and hand in the whole list again.",
        )
        self.checked = checked
