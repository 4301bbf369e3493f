"""What a request rests on is kept as it was, under the digest the signatures cite."""

from __future__ import annotations

from sqlalchemy import update

from services.adapters.sql.evidence import SqlPackFacts
from services.adapters.sql.schema.approvals import version_evidence
from tests.builders import MODEL, World


def test_evaluation_report_stays_as_it_was_when_the_request_was_signed(world: World) -> None:
    world.submit("3")
    with world.database.write() as connection:
        connection.execute(update(version_evidence).values(evaluation='{"other": true}', evaluation_sha256="0" * 64))

    documents = SqlPackFacts(world.database).documents(MODEL)
    kept = {item.title: item.data for item in documents}

    reports = {item.title for item in documents if item.title.startswith("Evaluation") and b"slices" in item.data}
    assert reports == {f"Evaluation report of {MODEL} version 3"}
    assert f"List of the files of {MODEL} version 3" in kept
