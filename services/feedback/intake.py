"""From the bytes of a CSV file to rows, and from rows to reviewed predictions or a sentence per faulty line. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite

from services.feedback.corrections import (
    CONFIRMED,
    LARGEST_FILE,
    LONGEST_NOTE,
    MOST_ROWS,
    Checked,
    CorrectionRow,
    Made,
    Reviewed,
    RowFault,
)
from services.kernel.errors import InputError
from services.kernel.personal_data import finding

REQUIRED = ("prediction_id", "corrected_value", "reason_code", "reviewer")
OPTIONAL = ("reviewed_at", "note")
_HEADER = f"The first line must be {','.join(REQUIRED)}, with {' and '.join(OPTIONAL)} if you have them."
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{1,39}")
_REVIEWER = re.compile(r"[a-z0-9][a-z0-9._-]{1,79}")


def read_csv(data: bytes) -> tuple[CorrectionRow, ...]:
    """Rows of a file in UTF-8, with commas or semicolons. Raises InputError for what is no such file."""
    text = _text(data)
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _require_header(header)
        rows = list[CorrectionRow]()
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(rows) == MOST_ROWS:
                raise InputError(
                    f"The file has more than {MOST_ROWS:,} lines.", hint="Split it; each part is recorded by itself."
                )
            rows.append(_row(header, cells, reader.line_num))
    except csv.Error as broken:
        raise InputError(
            f"Line {reader.line_num} is no CSV ({broken}). Nothing was recorded.", hint="Close quotes, then try again."
        ) from broken
    if not rows:
        raise InputError("The file has a header and no line under it.", hint="Nothing was recorded.")
    return tuple(rows)


def check(
    rows: Sequence[CorrectionRow],
    *,
    made: Mapping[str, Made],
    known: Collection[str],
    reasons: Collection[str],
    threshold: float | None,
    now: datetime,
) -> Checked:
    """Every line judged. `made`: recorded predictions by id; `known`: those reviewed before; `threshold`: where a
    score becomes a positive decision, None for a forecast of a number.
    """
    faults, reviewed = list[RowFault](), list[Reviewed]()
    first: dict[str, int] = {}
    for position, row in enumerate(rows, start=1):
        line = row.line or position
        found = _faults(row, line, made=made, known=known, reasons=reasons, first=first)
        first.setdefault(row.prediction_id.strip(), line)
        if not found:
            item, fault = _reviewed(row, line, made[row.prediction_id.strip()], threshold=threshold, now=now)
            found = [fault] if fault else []
            reviewed += [item] if item else []
        faults += found
    return Checked(rows=len(rows), reviewed=tuple(reviewed), faults=tuple(faults))


def _faults(
    row: CorrectionRow,
    line: int,
    *,
    made: Mapping[str, Made],
    known: Collection[str],
    reasons: Collection[str],
    first: Mapping[str, int],
) -> list[RowFault]:
    ident, code, reviewer, note = (
        text.strip() for text in (row.prediction_id, row.reason_code, row.reviewer, row.note)
    )
    found: list[tuple[str, str]] = []
    if not _ID.fullmatch(ident):
        found.append(("prediction_id", "The prediction id is empty or is no id."))
    elif ident in first:
        found.append(("prediction_id", f"This prediction stands in line {first[ident]} already; give it once."))
    elif ident not in made:
        found.append(("prediction_id", "No live prediction of this model has this id."))
    elif ident in known:
        found.append(("prediction_id", "This prediction was reviewed before; a second review is not counted."))
    if not _CODE.fullmatch(code):
        found.append(("reason_code", "The reason is a code in capitals, such as WRONG-OUTCOME."))
    elif code not in reasons:
        found.append(("reason_code", f"This reason is not known. Known are {', '.join(sorted(reasons))}."))
    if not _REVIEWER.fullmatch(reviewer):
        found.append(("reviewer", "The reviewer is an id such as reviewer-04, never a name or an address."))
    if len(note) > LONGEST_NOTE:
        found.append(("note", f"The note is longer than {LONGEST_NOTE} characters."))
    elif kind := finding(note):
        found.append(("note", f"The note seems to hold {kind}. Say it with a reason code, or leave the note out."))
    return [RowFault(line=line, column=column, sentence=sentence) for column, sentence in found]


def _reviewed(
    row: CorrectionRow, line: int, made: Made, *, threshold: float | None, now: datetime
) -> tuple[Reviewed | None, RowFault | None]:
    at, text = _moment(row.reviewed_at.strip(), now), row.corrected_value.strip()
    confirmed, value = row.reason_code.strip() == CONFIRMED, _number(text)
    odd = _time_fault(at, made, now) or _value_fault(text, value, made, threshold, confirmed=confirmed)
    if odd is not None or at is None:
        column, sentence = odd or ("reviewed_at", "")
        return None, RowFault(line=line, column=column, sentence=sentence)
    return (
        Reviewed(
            prediction_id=row.prediction_id.strip(), version=made.version, predicted=made.score, predicted_at=made.at,
            value=None if confirmed else value, corrected=not confirmed, reason_code=row.reason_code.strip(),
            reviewer=row.reviewer.strip(), reviewed_at=at, note=row.note.strip(),
        ),
        None,
    )  # fmt: skip


def _time_fault(at: datetime | None, made: Made, now: datetime) -> tuple[str, str] | None:
    if at is None:
        return "reviewed_at", "The time of the review is no time with a zone, such as 2031-03-31T12:00:00Z."
    if not made.at <= at <= now:
        return "reviewed_at", "The review lies before its prediction, or in the future."
    return None


def _value_fault(
    text: str, value: float | None, made: Made, threshold: float | None, *, confirmed: bool
) -> tuple[str, str] | None:
    if value is None and (text or not confirmed):
        said = "The corrected value is no number." if text else "A correction needs its value; else it is CONFIRMED."
        return "corrected_value", said
    agrees = value is None or (made.score is not None and _agrees(value, made.score, threshold))
    if confirmed and not agrees:
        return "corrected_value", "It is CONFIRMED, and yet the value differs from the prediction."
    if not confirmed and agrees:
        return "corrected_value", "The value leaves the decision as it was predicted. Hand it in as CONFIRMED."
    return None


def _agrees(value: float, score: float, threshold: float | None) -> bool:
    return value == score if threshold is None else (value >= threshold) == (score >= threshold)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _moment(text: str, now: datetime) -> datetime | None:
    if not text:
        return now
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at.tzinfo is None else at.astimezone(UTC)


def _text(data: bytes) -> str:
    if len(data) > LARGEST_FILE:
        raise InputError(f"The file is larger than {LARGEST_FILE // 1024**2} MB.", hint="Split it.")
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise InputError("The file is UTF-16. Nothing was recorded.", hint="Save it as CSV in UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as odd:
        line = data[: odd.start].count(b"\n") + 1
        raise InputError(
            f"Line {line} is not UTF-8. Nothing was recorded.", hint="Save the file as CSV in UTF-8 and try again."
        ) from odd
    if "\x00" in text:
        raise InputError("The file holds zero bytes and is no text. Nothing was recorded.", hint="Save it as CSV.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _require_header(header: Sequence[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    strange = [name for name in header if name not in {*REQUIRED, *OPTIONAL}]
    if missing:
        raise InputError(f"The column {missing[0]} is missing. Nothing was recorded.", hint=_HEADER)
    if strange:
        raise InputError(
            f"There are {len(strange)} columns that are not asked for. Nothing was recorded: they could say who "
            "somebody is.",
            hint=_HEADER,
        )
    if len(set(header)) != len(header):
        raise InputError("A column stands in the first line twice. Nothing was recorded.", hint=_HEADER)


def _row(header: Sequence[str], cells: Sequence[str], line: int) -> CorrectionRow:
    if len(cells) != len(header):
        raise InputError(
            f"Line {line} has {len(cells)} cells and the header {len(header)}. Nothing was recorded.",
            hint="A comma inside a cell needs quotes around it.",
        )
    return CorrectionRow(**dict(zip(header, cells, strict=True)), line=line)
