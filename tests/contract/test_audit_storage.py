"""What reports read and what disposal erases, on SQLite and PostgreSQL; the inference log on real Parquet files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import insert, select

from services.adapters.local.inference_log import append_rows
from services.adapters.sql.ledger import SqlLedger
from services.adapters.sql.ledger_index import SqlLedgerIndex
from services.adapters.sql.retention import SqlDisposalUnits
from services.adapters.sql.schema import approvals as tables
from services.adapters.sql.schema import exceptions as exceptional
from services.adapters.warehouse.predictions import DuckDbPredictionLog
from services.audit.chronicle import Chronicle
from services.audit.models import LedgerQuery
from services.kernel.errors import TelemetryUnavailableError
from tests.contract.deployment import Deployment

NOON = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


def units(deployment: Deployment) -> SqlDisposalUnits:
    return SqlDisposalUnits(
        deployment.database, lambda connection: SqlLedger(connection, deployment.desk, deployment.clock)
    )


def a_request(deployment: Deployment, note: str, comment: str) -> None:
    text = dict.fromkeys(
        ("evidence_sha256", "manifest_sha256", "policy_sha256", "run_id", "leaf_hash", "statement_sha256"), "-"
    )
    with deployment.database.write() as connection:
        connection.execute(
            insert(tables.promotion_request).values(
                request_id="req-1", model="m", title="M", version="4", tier=1, state="open", requester_subject="dana",
                requester_issuer="i", requester="Dana", created_at=NOON, due_at=NOON, expires_at=NOON, revision=1,
                note=note, signed=0, needed=1, document="{}", seq=1, updated_at=NOON, **text,
            )
        )  # fmt: skip
        connection.execute(
            insert(tables.request_decision).values(
                seq=2, request_id="req-1", decision="approve", meaning="-", signer="Vera", subject="vera", issuer="i",
                role="validator", at=NOON, comment=comment, salt="s" * 32, reason_code="", key_id="k", leaf_hash="-",
                revision=1, void_reason="",
            )
        )  # fmt: skip


def test_texts_are_erased_with_their_salt_and_found_no_more(deployment: Deployment) -> None:
    a_request(deployment, "the note", "'; DROP TABLE log_entry; --")

    with units(deployment).write() as unit:
        items = unit.disposal.erasable()
        assert [item.kind for item in items] == ["decision-comment", "request-note"]
        assert unit.disposal.erase(items, words="[erased on 2038-01-01, entry 9]") == 2

    with units(deployment).read() as unit:
        assert unit.disposal.erasable() == ()
    with deployment.database.read() as connection:
        row = connection.execute(select(tables.request_decision.c.comment, tables.request_decision.c.salt)).one()
    assert tuple(row) == ("[erased on 2038-01-01, entry 9]", "")


def test_words_of_exceptions_and_emergencies_are_erased_too(deployment: Deployment) -> None:
    who = {"by_issuer": "i", "by_subject": "dana", "by_name": "Dana", "salt": "s", "seq": 1, "leaf_hash": "-"}
    with deployment.database.write() as connection:
        connection.execute(
            insert(exceptional.policy_exception).values(
                exception_id="exc-1", model="m", gate="psi", gate_title="PSI", control="Manual review.",
                control_salt="s", owner_issuer="i", owner_subject="clara", owner_name="Clara", until=NOON,
            )
        )  # fmt: skip
        connection.execute(
            insert(exceptional.exception_step).values(
                exception_id="exc-1", step="proposed", at=NOON, reason="Few rows.", **who
            )
        )
        connection.execute(
            insert(exceptional.emergency_review).values(
                review_id="rev-1", action_id="act-1", model="m", version="4", mode="forward", manifest_sha256="-",
                requester_issuer="", requester_subject="", at=NOON, reason_code="ERRORS", reason="Errors since noon.",
                review_by=NOON, conclusion="", **who,
            )
        )  # fmt: skip
        connection.execute(
            insert(exceptional.review_signature).values(
                review_id="rev-1", issuer="i", subject="vera", name="Vera", role="validator", conclusion="accepted",
                comment="Rightly done.", salt="s", at=NOON, seq=2, leaf_hash="-",
            )
        )  # fmt: skip

    with units(deployment).write() as unit:
        items = unit.disposal.erasable()
        assert {(item.kind, item.model) for item in items} == {
            ("exception-control", "m"),
            ("exception-reason", "m"),
            ("emergency-reason", "m"),
            ("review-comment", "m"),
        }
        assert unit.disposal.erase(items, words="[erased on 2038-01-01, entry 9]") == 4

    with units(deployment).read() as unit:
        assert unit.disposal.erasable() == ()
    with deployment.database.read() as connection:
        salts = connection.execute(select(exceptional.review_signature.c.salt)).scalars().all()
    assert salts == [""]


def test_a_disposal_that_fails_half_way_erases_nothing(deployment: Deployment) -> None:
    a_request(deployment, "the note", "the comment")

    def half_way() -> None:
        with units(deployment).write() as unit:
            unit.disposal.erase(unit.disposal.erasable(), words="[erased on 2038-01-01, entry 9]")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_way()

    with units(deployment).read() as unit:
        assert len(unit.disposal.erasable()) == 2


def test_reports_read_the_same_history_on_both_databases(deployment: Deployment) -> None:
    deployment.promote()
    chronicle = Chronicle(deployment.book)
    first = chronicle.history()
    deployment.event("later")

    history = chronicle.history()

    assert history.size == first.size + 1
    assert [fact.void for fact in history.facts if fact.void] == []
    assert history.facts[-2].event == "outcome:applied"


def test_the_ledger_is_searched_up_to_a_moment(deployment: Deployment) -> None:
    deployment.clock.set(deployment.clock.now() + timedelta(days=3))
    deployment.event("later")
    index = SqlLedgerIndex(deployment.database)
    before = deployment.clock.now() - timedelta(days=1)

    everything, past = index.search(LedgerQuery()), index.search(LedgerQuery(until=before))

    assert past.total == everything.total - 1
    assert [row.seq for row in index.rows(start=3, limit=2)] == [3, 4]


def test_a_prediction_is_found_by_its_exact_id(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "prediction_id": ["p-1", "p-2", "p-1"],
            "request_id": ["r"] * 3,
            "version": ["3", "3", "4"],
            "role": ["live", "live", "shadow"],
            "event_at": pd.to_datetime([NOON, NOON, NOON + timedelta(seconds=1)]),
            "score": [0.25, 0.5, 0.75],
        }
    )
    for model in ("m", "other"):
        append_rows(tmp_path, "predictions", model, rows, day_column="event_at", source=f"test-{model}")
    log = DuckDbPredictionLog(tmp_path)

    found = log.find("p-1", model="m")

    assert [(fact.version, fact.role, fact.score) for fact in found] == [("3", "live", 0.25), ("4", "shadow", 0.75)]
    assert found[0].event_at == NOON
    assert len(log.find("p-1")) == 4
    assert log.find("p-1' OR '1'='1") == ()
    assert log.days("predictions") == (2, date(2030, 1, 31))
    assert log.days("reviews") == (0, None)


def test_an_unreadable_inference_log_is_unavailable_not_empty(tmp_path: Path) -> None:
    folder = tmp_path / "predictions" / "model=m" / "date=2030-01-31"
    folder.mkdir(parents=True)
    (folder / "rows.parquet").write_bytes(b"not parquet")

    with pytest.raises(TelemetryUnavailableError):
        DuckDbPredictionLog(tmp_path).find("p-1")
