"""Corrections are taken whole or not at all, say nothing about a person, and are counted when they can be."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from sqlalchemy import func, select

from services.adapters.sql.corrections import SqlCorrectionReads
from services.adapters.sql.schema.feedback import review_batch, review_row
from services.adapters.warehouse.corrections import ReviewParquet
from services.attestation.models import Receipt
from services.feedback import intake, rework
from services.feedback.correction_service import RECORDED, CorrectionService, digest_of
from services.feedback.corrections import (
    CONFIRMED,
    CorrectionRow,
    CorrectionsRefusedError,
    ImportFile,
    Made,
    RecordCorrections,
)
from services.feedback.rework import CohortDay, Predicted
from services.kernel.errors import InputError, RoleMissingError, UnknownModelError
from services.kernel.personal_data import finding
from tests.builders import MODEL, NOON, World, a_world
from tests.unit.monitoring.facts_on_disk import write

HEADER = "prediction_id,corrected_value,reason_code,reviewer"
DANA = "dana.datascience"
N = 40
DAY = NOON.date() - timedelta(days=10)


@dataclass
class Desk:
    world: World
    service: CorrectionService
    folder: Path

    def take(self, text: str | bytes, subject: str = DANA, *, command: str = "") -> Receipt:
        data = text.encode() if isinstance(text, str) else text
        given = ImportFile(command_id=command or secrets.token_hex(4), model=MODEL, name="x.csv", data=data)
        return self.service.import_file(given, actor=self.world.actor(subject))

    def cohorts(self) -> tuple[CohortDay, ...]:
        return SqlCorrectionReads(self.world.database).cohorts(MODEL, DAY)

    def kept(self) -> tuple[int, int]:
        with self.world.database.read() as connection:
            batches, rows = (
                connection.scalar(select(func.count()).select_from(table)) or 0 for table in (review_batch, review_row)
            )
            return batches, rows


def predictions(folder: Path, day: date, n: int, *, prefix: str = "p") -> None:
    at = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
    frame = pd.DataFrame(
        {"prediction_id": [f"{prefix}-{number}" for number in range(n)], "version": "1", "role": "live",
         "event_at": at, "score": 0.2, "carrier": ["UA", "US"] * (n // 2)}
    )  # fmt: skip
    write(folder, "predictions", MODEL, day, frame)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    folder = tmp_path
    world = a_world(folder)
    inference = folder / "inference"
    predictions(inference, DAY, N)
    return Desk(world, a_service(world, inference), inference)


def a_service(world: World, inference: Path) -> CorrectionService:
    return CorrectionService(
        units=world.units,
        store=SqlCorrectionReads(world.database),
        log=ReviewParquet(inference),
        catalog=world.inventory,
        people=world.people,
        ledger=world.ledger,
        desk=world.desk,
        threshold=lambda _model: 0.5,
        slices=lambda _model: (("carrier", ("UA",)),),
        delay=lambda _model: 48.0,
        clock=world.clock,
    )


def test_a_file_is_recorded_by_one_entry_and_counted_with_its_slice(desk: Desk) -> None:
    command, text = secrets.token_hex(4), f"{HEADER}\np-0,1,WRONG-OUTCOME,rev-1\np-1,,{CONFIRMED},rev-1\n"

    receipt = desk.take(text, command=command)
    again = desk.take(text, command=command)
    done = desk.service.refresh()

    assert again.repeated is True
    assert again.seq == receipt.seq
    assert desk.world.entries(f"event:{RECORDED}") == 1
    assert done == 2  # the batch, and the one day it touched
    batch = desk.service.batches(MODEL)[0]
    assert (batch.rows, batch.corrected, batch.published_at) == (2, 1, NOON)
    assert batch.sha256 == digest_of(SqlCorrectionReads(desk.world.database).rows(batch.id))
    counted = {(item.slice_key, item.reason_code): (item.reviewed, item.corrected) for item in desk.cohorts()}
    assert counted == {
        ("", ""): (1, 0),
        ("", "WRONG-OUTCOME"): (1, 1),
        ("carrier=UA", "WRONG-OUTCOME"): (1, 1),
    }
    files = str(desk.folder / "reviews" / "**" / "*.parquet")
    with duckdb.connect() as connection:
        recorded = connection.execute(
            "SELECT prediction_id, corrected, decision FROM read_parquet(?) ORDER BY 1", [files]
        ).fetchall()
    assert recorded == [("p-0", True, 1.0), ("p-1", False, 0.2)]
    assert desk.service.refresh() == 0


def test_what_was_handed_in_is_there_again_on_a_disk_that_did_not_last(desk: Desk, tmp_path: Path) -> None:
    desk.take(f"{HEADER}\np-0,1,WRONG-OUTCOME,rev-1\np-1,,{CONFIRMED},rev-1\n")
    desk.service.refresh()
    before = desk.cohorts()
    labels = set(ReviewParquet(desk.folder).labels(MODEL, DAY))
    shutil.rmtree(desk.folder / "reviews")
    [batch] = desk.service.batches(MODEL)

    assert desk.service.refresh() == 0, "a process looks once"
    started = a_service(desk.world, desk.folder)

    assert started.refresh() == 2  # the batch, and the one day it touched
    assert started.refresh() == 0
    assert set(ReviewParquet(desk.folder).labels(MODEL, DAY)) == labels
    assert len(labels) == 2
    assert desk.cohorts() == before
    assert desk.service.batches(MODEL) == (batch,), "published once, at the time it was"


def test_a_review_is_counted_once_whoever_hands_it_in(desk: Desk) -> None:
    first = f"{HEADER}\np-2,1,WRONG-OUTCOME,rev-1\n"
    desk.take(first)
    before = desk.kept()

    with pytest.raises(CorrectionsRefusedError, match="reviewed before"):
        desk.take(f"{HEADER}\np-3,1,WRONG-OUTCOME,rev-1\np-2,1,WRONG-OUTCOME,rev-2\n")

    assert desk.kept() == before


def test_reviews_that_systems_recorded_are_known_as_well(desk: Desk) -> None:
    frame = pd.DataFrame(
        {"prediction_id": ["p-9"], "version": "1", "reviewed_at": NOON - timedelta(days=9), "reviewer": "r",
         "decision": 1.0, "predicted": 0.2, "corrected": True, "reason_code": "CODING"}
    )  # fmt: skip
    write(desk.folder, "reviews", MODEL, DAY + timedelta(days=1), frame)

    with pytest.raises(CorrectionsRefusedError, match="reviewed before"):
        desk.take(f"{HEADER}\np-9,1,WRONG-OUTCOME,rev-1\n")


FAULTS = {
    "unknown id": ("nobody,1,WRONG-OUTCOME,rev-1", "No live prediction"),
    "twice in one file": ("p-5,1,WRONG-OUTCOME,rev-1\np-5,1,WRONG-OUTCOME,rev-1", "stands in line 2 already"),
    "reason in words": ("p-5,1,it was wrong,rev-1", "code in capitals"),
    "unknown reason": ("p-5,1,JANE-DOE,rev-1", "This reason is not known"),
    "reviewer by name": ("p-5,1,WRONG-OUTCOME,Jane Doe", "never a name"),
    "reviewer by address": ("p-5,1,WRONG-OUTCOME,jane@example.com", "never a name"),
    "value in words": ("p-5,high,WRONG-OUTCOME,rev-1", "no number"),
    "value not finite": ("p-5,nan,WRONG-OUTCOME,rev-1", "no number"),
    "correction without value": ("p-5,,WRONG-OUTCOME,rev-1", "needs its value"),
    "correction that agrees": ("p-5,0,WRONG-OUTCOME,rev-1", "Hand it in as CONFIRMED"),
    "confirmation that differs": (f"p-5,1,{CONFIRMED},rev-1", "the value differs"),
}


@pytest.mark.parametrize(("lines", "said"), FAULTS.values(), ids=FAULTS)
def test_one_faulty_line_refuses_the_whole_file_and_says_why(desk: Desk, lines: str, said: str) -> None:
    before = desk.kept()

    with pytest.raises(CorrectionsRefusedError) as refused:
        desk.take(f"{HEADER}\n{lines}\np-6,1,WRONG-OUTCOME,rev-1\n")

    assert said in str(refused.value)
    assert "Nothing was recorded" in str(refused.value)
    assert desk.kept() == before


FILES = {
    "latin-1": (f"{HEADER}\np-5,1,WRONG-OUTCOME,r\xe9v\n".encode("latin-1"), "Line 2 is not UTF-8"),
    "UTF-16": (f"{HEADER}\n".encode("utf-16"), "UTF-16"),
    "zero bytes": (b"\x00\x00", "zero bytes"),
    "empty": (b"", "prediction_id is missing"),
    "no lines": (HEADER.encode(), "no line under it"),
    "bad header": (b"id,value\n1,2\n", "prediction_id is missing"),
    "a column with names": (f"{HEADER},patient\np-5,1,X,r,Jane\n".encode(), "could say who"),
    "a column twice": (f"{HEADER},reviewer\np-5,1,X,r,r\n".encode(), "twice"),
    "a comma too many": (f"{HEADER}\np-5,1,X,r,more\n".encode(), "Line 2 has 5 cells"),
    "an open quote": (f'{HEADER}\n"p-5,1,X,r\n'.encode(), "no CSV"),
    "too many lines": (HEADER.encode() + b"\np,1,X,r" * 100_001, "more than 100,000 lines"),
}


@pytest.mark.parametrize(("data", "said"), FILES.values(), ids=FILES)
def test_what_is_no_such_file_is_refused_before_anything_is_looked_up(desk: Desk, data: bytes, said: str) -> None:
    before = desk.kept()

    with pytest.raises(InputError) as refused:
        desk.take(data)

    assert said in str(refused.value)
    assert desk.kept() == before


def test_semicolons_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    text = "\ufeff" + HEADER.replace(",", ";") + "\r\np-5;1;WRONG-OUTCOME;rev-1\r\n\r\n"

    (row,) = intake.read_csv(text.encode())

    assert row == CorrectionRow(
        prediction_id="p-5", corrected_value="1", reason_code="WRONG-OUTCOME", reviewer="rev-1", line=2
    )


def test_a_hundred_thousand_lines_have_a_report_of_every_faulty_one() -> None:
    rows = [
        CorrectionRow(prediction_id=f"p-{n}", corrected_value="1", reason_code="WRONG-OUTCOME", reviewer="rev-1")
        for n in range(100_000)
    ]
    made = {f"p-{n}": Made(version="1", score=0.2, at=NOON) for n in range(0, 100_000, 2)}

    found = intake.check(rows, made=made, known=(), reasons={"WRONG-OUTCOME"}, threshold=0.5, now=NOON)

    assert (found.rows, len(found.reviewed), len(found.faults)) == (100_000, 50_000, 50_000)
    assert found.faults[0].line == 2
    assert {fault.column for fault in found.faults} == {"prediction_id"}


def test_a_review_lies_between_its_prediction_and_now(desk: Desk) -> None:
    for at, said in (("2031-01-01", "no time with a zone"), ("2001-01-01T00:00:00Z", "before its prediction")):
        row = CorrectionRow(
            prediction_id="p-5", corrected_value="1", reason_code="WRONG-OUTCOME", reviewer="rev-1", reviewed_at=at
        )
        command = RecordCorrections(command_id=at, model=MODEL, rows=(row,))
        with pytest.raises(CorrectionsRefusedError, match=said):
            desk.service.record(command, actor=desk.world.actor(DANA))


PERSONAL = {
    "jane.doe@example.com said so": "an e-mail address",
    "Frau Özdemir called": "a person's name",
    "the claim of Jane Doe": "a person's name",
    "born 03/04/1971": "a date, such as a day of birth",
    "call +49 30 1234567": "a telephone number",
    "SSN 078-05-1120": "a social security number",
    "DE89 3704 0044 0532 0130 00": "an account number (IBAN)",
    "record MRN-00482911": "a long number, such as a record or policy number",
    "from 10.1.2.3": "a network address",
    "see https://example.com/x": "a web address",
}


@pytest.mark.parametrize(("note", "kind"), PERSONAL.items(), ids=PERSONAL.values())
def test_a_note_about_a_person_is_refused_by_its_kind_and_never_repeated(desk: Desk, note: str, kind: str) -> None:
    row = CorrectionRow(
        prediction_id="p-5", corrected_value="1", reason_code="WRONG-OUTCOME", reviewer="rev-1", note=note
    )

    with pytest.raises(CorrectionsRefusedError) as refused:
        desk.service.record(
            RecordCorrections(command_id=secrets.token_hex(4), model=MODEL, rows=(row,)), actor=desk.world.actor(DANA)
        )

    assert f"seems to hold {kind}" in str(refused.value)
    assert note not in str(refused.value)


@pytest.mark.parametrize("note", ["", "wrong diagnosis group", "Code 42 was used twice, n = 12", "Rule 7 changed"])
def test_a_note_in_plain_words_passes(note: str) -> None:
    assert finding(note) == ""


def test_who_may_not_correct_and_an_unknown_model_are_refused(desk: Desk) -> None:
    with pytest.raises(RoleMissingError):
        desk.take(f"{HEADER}\np-7,1,WRONG-OUTCOME,rev-1\n", "otto.auditor")
    with pytest.raises(UnknownModelError):
        desk.service.record(
            RecordCorrections(
                command_id="u",
                model="nobody",
                rows=(CorrectionRow(prediction_id="p", corrected_value="1", reason_code="X", reviewer="r"),),
            ),
            actor=desk.world.actor(DANA),
        )


# rates

TODAY = date(2031, 3, 31)


def cohort(
    back: int, reviewed: int, corrected: int, *, after: int = 2, key: str = "", reason: str = "CODING"
) -> CohortDay:
    made = TODAY - timedelta(days=back)
    return CohortDay(
        day=made + timedelta(days=after), predicted_day=made, version="1", slice_key=key, reason_code=reason,
        reviewed=reviewed, corrected=corrected,
    )  # fmt: skip


def made(back: int, n: int, key: str = "") -> Predicted:
    return Predicted(day=TODAY - timedelta(days=back), version="1", slice_key=key, n=n)


def test_rates_have_two_denominators_and_leave_young_predictions_out() -> None:
    cohorts = [cohort(40, 60, 0), cohort(10, 50, 20), cohort(10, 40, 15, key="carrier=UA"), cohort(1, 5, 5, after=0)]
    predicted = [made(40, 100), made(10, 200), made(10, 80, "carrier=UA"), made(1, 300)]

    found = rework.rates("m", cohorts, predicted, days=20, today=TODAY, stated_hours=None)

    assert found.delay.days == 2
    assert found.end == TODAY - timedelta(days=3)
    assert (found.override.hits, found.override.n, found.rework.n) == (20, 50, 200)
    assert found.override.estimate is not None
    assert found.rework.estimate is not None
    assert (found.override.estimate.value, found.rework.estimate.value) == (0.4, 0.1)
    assert (found.young_predictions, found.young_corrected) == (300, 5)
    assert found.reasons == (("CODING", 20),)
    assert [(item.slice_key, item.override.hits, item.rework.n) for item in found.slices] == [("carrier=UA", 15, 80)]
    assert [week.open for week in found.weeks][-1] is True


def test_without_a_known_delay_no_rate_is_stated() -> None:
    found = rework.rates("m", [cohort(3, 50, 5)], [made(3, 100)], days=20, today=TODAY, stated_hours=None)

    assert (found.override.estimate, found.rework.estimate) == (None, None)
    assert "Nobody can say" in found.delay.sentence


def test_predictions_that_nobody_reviewed_have_no_rework_rate_and_not_one_of_zero() -> None:
    found = rework.rates("m", [], [made(10, 400)], days=20, today=TODAY, stated_hours=48)

    assert (found.rework.n, found.rework.estimate, found.override.estimate) == (400, None, None)
    assert "no prediction of these days was reviewed" in found.rework_explained.note
    assert all(week.rework.estimate is None for week in found.weeks)


def test_too_few_reviews_are_unknown_and_not_zero() -> None:
    found = rework.rates("m", [cohort(10, 29, 0)], [made(10, 400)], days=20, today=TODAY, stated_hours=48)

    assert found.override.estimate is None
    assert found.rework.estimate is not None
    assert "30 are needed" in found.override_explained.note
