"""Sentences about a request: counts agree with the rows, and nothing that is missing reads as fine."""

from __future__ import annotations

from dataclasses import replace

from pages.components import queue_tables, request_facts
from services.approvals.models import ColumnFact, Purpose, RequestState
from services.evaluation.detail import criteria
from services.policy.models import Verdict
from tests.fakes import room_sample as sample
from tests.fakes.room import FakeRoom
from tests.fakes.room_requests import ROLLBACK

CLARA = FakeRoom().people.sign_in_demo("clara.compliance")


def _column(name: str, *, tagged: bool = True, masked: bool = True) -> ColumnFact:
    return ColumnFact(
        name=name, category="PHI", tagged=tagged, masked=masked, tagged_by="", basis="", problem="", readable=True
    )  # fmt: skip


def test_sensitive_inputs_are_counted_and_the_one_without_tag_is_named_apart() -> None:
    columns = (*(_column(f"c{n}") for n in range(5)), _column("birth_year", tagged=False, masked=False))

    words = request_facts.column_words(columns)

    assert words == "6 sensitive inputs, 5 masked, 6 readable by the serving identity, 1 without tag"
    assert [item.name for item in request_facts.untagged(columns)] == ["birth_year"]


def test_groups_with_too_few_rows_are_said_and_not_counted_as_passing() -> None:
    few = replace(sample.GOOD_REPORT.outcomes[4], gate="found:sex=x", verdict=Verdict.SKIPPED)
    lines = criteria(replace(sample.GOOD_REPORT, outcomes=(sample.GOOD_REPORT.outcomes[0], few)))

    assert request_facts.criteria_words(lines) == "1 of 2 criteria pass, 1 with too few rows"


def test_nothing_evaluated_is_not_a_pass() -> None:
    assert request_facts.criteria_words(()) == "Nothing was evaluated"


def test_a_request_without_earlier_version_says_that_there_is_nothing_to_go_back_to() -> None:
    assert "No earlier version" in request_facts.rollback_words(None)
    assert "people roll back to v3 by hand" in request_facts.rollback_words(None, "3")
    assert request_facts.rollback_words(ROLLBACK) == "Back to v3; the machine may do it by 2 rules"
    assert request_facts.rollback_words(replace(ROLLBACK, rules=())) == "Back to v3, only by hand"


def test_a_part_no_panel_knows_is_shown_under_what_is_signed() -> None:
    assert request_facts.panel_of("metrics") == "evaluation"
    assert request_facts.panel_of("something new") == "signed"


def test_what_is_late_is_red_and_what_is_escalated_is_said_in_the_queue() -> None:
    rows = tuple(FakeRoom().approvals._rows(CLARA))
    frame, config = queue_tables.queue(rows, sample.NOW)
    colours = {item["value"]: item["color"] for item in config["due"]["type_config"]["options"]}

    assert frame["due"][3] == ["overdue by 30 h", "Escalated"]
    assert colours["overdue by 30 h"] == "red"
    assert colours["26 h left"] == "gray"
    assert frame["due"][1] == []


def test_every_purpose_has_a_sign_and_a_word_in_the_queue() -> None:
    rows = tuple(FakeRoom().approvals._rows(CLARA))
    frame, _ = queue_tables.queue(rows, sample.NOW)

    assert set(queue_tables.SIGNS) == set(Purpose)
    assert frame["purpose"][4] == "\u21bb Re-attestation"
    assert frame["what"][4] == "Approve Delay claim score v3 again"


def test_the_export_of_the_queue_keeps_every_row_with_its_purpose_and_due_time() -> None:
    rows = queue_tables.export(FakeRoom().approvals._rows(CLARA))

    assert len(rows) == 5
    assert rows[3]["overdue"] is True
    assert rows[4]["purpose"] == "reattestation"
    assert str(rows[0]["due_at"]).endswith("UTC")
    assert {row["state"] for row in rows} >= {RequestState.OPEN.value, RequestState.APPLIED.value}
