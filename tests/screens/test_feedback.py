"""The feedback screen: rates with denominators, reasons, and corrections handed in by form and by file."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from tests.fakes.room import FakeRoom
from tests.fakes.room_feedback import MODEL
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
DANA = "dana.datascience"
HEADER = "prediction_id,corrected_value,reason_code,reviewer"


def test_rates_stand_with_their_denominators_and_what_is_too_young(visit: Visit) -> None:
    app = visit(FakeRoom(), "feedback", model=MODEL)
    said = words(app)

    assert "People changed" in said
    assert "predictions; " in said
    assert "younger predictions are not judged yet" in said
    assert {metric.label for metric in app.metric} >= {"Rework rate", "Override rate", "Rework before", "Reviews take"}


def test_a_reason_narrows_the_list_to_its_predictions(visit: Visit) -> None:
    app = visit(FakeRoom(), "feedback", model=MODEL, reason="WRONG-DATA")

    listed = next(frame.value for frame in app.dataframe if "Prediction" in frame.value.columns)
    assert set(listed["Reason"]) == {"WRONG-DATA"}
    assert list(listed.columns) == ["Prediction", "Version", "Changed", "Reason", "Reviewer", "Reviewed"]


def test_a_model_without_reviews_says_so_and_claims_no_rate(visit: Visit) -> None:
    said = words(visit(FakeRoom(), "feedback", model="payout_forecast"))

    assert "No predictions recorded" in said
    assert "0.0 %" not in said


def test_a_correction_is_recorded_by_form_under_the_persons_own_id(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "feedback", DANA, model=MODEL)
    app.button(key="record-one").click().run()
    app.text_input(key="correction-id").set_value("clt-7")
    app.selectbox(key="correction-reason").set_value("WRONG-OUTCOME")
    app.text_input(key="correction-value").set_value("1")
    app.button(key="correction-go").click().run()

    assert crashed(app) == []
    assert [(row.prediction_id, row.reviewer) for row in room.written[0].rows] == [("clt-7", DANA)]


def test_each_fault_of_the_form_stands_there_and_nothing_is_written(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "feedback", DANA, model=MODEL)
    app.button(key="record-one").click().run()
    app.text_input(key="correction-id").set_value("clt-49")
    app.selectbox(key="correction-reason").set_value("WRONG-OUTCOME")
    app.text_input(key="correction-note").set_value("Mrs Smith called")
    app.button(key="correction-go").click().run()
    said = words(app)

    assert "was reviewed before" in said
    assert "seems to hold a person's name" in said
    assert room.written == []


def test_a_file_is_checked_first_and_its_faults_are_listed_by_line(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "feedback", DANA, model=MODEL)
    app.button(key="record-file").click().run()
    bad = f"{HEADER}\nclt-1,1,WRONG-OUTCOME,rev-1\nnobody,1,WRONG-OUTCOME,rev-1\n".encode()
    app.get("file_uploader")[0].set_value(("bad.csv", bad, "text/csv")).run()

    assert "Nothing was recorded." in " ".join(item.value for item in app.warning)
    faults = next(frame.value for frame in app.dataframe if "Line" in frame.value.columns)
    assert faults["Line"].tolist() == [3]
    assert room.written == []

    good = f"{HEADER}\nclt-1,1,WRONG-OUTCOME,rev-1\nclt-2,,CONFIRMED,rev-1\n".encode()
    app.get("file_uploader")[0].set_value(("good.csv", good, "text/csv")).run()
    assert "2 reviewed predictions" in words(app)
    app.button(key="corrections-go").click().run()

    assert crashed(app) == []
    assert [command.name for command in room.written] == ["good.csv"]


def test_who_may_not_correct_is_told_who_may(visit: Visit) -> None:
    assert "Business owners and data science leads hand in" in words(
        visit(FakeRoom(), "feedback", "sam.sre", model=MODEL)
    )


def test_the_calendar_says_what_is_due_missed_and_skipped_and_drafts_are_linked(visit: Visit) -> None:
    app = visit(FakeRoom(), "feedback", DANA, model=MODEL, show="retraining")
    said = words(app) + " ".join(str(item.value.to_numpy().tolist()) for item in app.table)

    assert "Next version due by" in said
    assert "missed without a reason" in said
    assert "Skipped by Dana Petrov" in said
    assert "cannot be submitted yet" in said
    assert {"Version 4 and its request", "Its evidence"} <= {link.proto.label for link in app.get("page_link")}


def test_a_set_is_proposed_and_a_month_skipped_from_here(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "feedback", DANA, model=MODEL, show="retraining")
    app.button(key="propose-set").click().run()
    app.text_input(key="set-reason").set_value("Codes of the new catalogue")
    app.button(key="set-go").click().run()
    app.button(key="skip-month").click().run()
    app.text_input(key="skip-reason").set_value("Too few labels came in")
    app.button(key="skip-go").click().run()

    assert crashed(app) == []
    assert [type(command).__name__ for command in room.written] == ["ProposeSet", "SkipMonth"]
