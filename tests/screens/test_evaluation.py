"""The evaluation on screen: both versions side by side, small groups grey, one line per check, and the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from services.evaluation.harness.models import RunState
from services.kernel.errors import RefusalError
from tests.fakes import evaluation
from tests.fakes.harness import a_run
from tests.fakes.room import FakeRoom
from tests.fakes.room_sample import NOW
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
HERE = {"model": "claims_triage", "version": "5"}


def test_both_versions_stand_side_by_side_with_intervals(visit: Visit) -> None:
    app = visit(FakeRoom(), "evaluation", **HERE)

    table = next(item.value for item in app.table if "v5" in item.value)
    assert list(table.columns) == ["Measure", "v3 live", "v5", "Difference"]
    auc = table[table["Measure"] == "Discrimination \\(AUC\\)"].iloc[0]
    assert " to " in auc["v5"]
    assert "better" in auc["Difference"]
    assert crashed(app) == []


def test_every_interval_names_its_method(visit: Visit) -> None:
    app = visit(FakeRoom(), "evaluation", **HERE)

    methods = next(item.value for item in app.table if "Interval of the difference" in item.value)
    assert {"DeLong", "Wilson"} <= set(methods["Interval"])
    assert "nothing is copied from the training run" in words(app)


def test_first_version_has_one_column_and_says_why(visit: Visit) -> None:
    room = FakeRoom()
    alone = evaluation.a_report("claims_triage", "5", champion="")
    room.evaluation.facts = lambda model, version: evaluation.facts(model, version, alone)

    app = visit(room, "evaluation", **HERE)

    assert "no live version to compare with" in words(app)
    assert list(next(item.value for item in app.table if "v5" in item.value).columns) == ["Measure", "v5"]


def test_every_section_has_its_own_address(visit: Visit) -> None:
    charts = visit(FakeRoom(), "evaluation", show="charts", **HERE)
    groups = visit(FakeRoom(), "evaluation", show="groups", **HERE)
    checks = visit(FakeRoom(), "evaluation", show="checks", **HERE)

    assert len(charts.get("plotly_chart")) == 6
    assert "Fairness by age" in words(groups) or any("Fairness by age" in item.value for item in groups.header)
    assert "The scores are not between 0 and 1" in words(checks)
    assert [crashed(app) for app in (charts, groups, checks)] == [[], [], []]


def test_a_small_group_is_grey_and_never_a_pass(visit: Visit) -> None:
    app = visit(FakeRoom(), "evaluation", show="groups", **HERE)

    rows = [row for item in app.table for row in item.value.to_dict("records") if "over 85" in str(row.get("Group"))]
    assert rows
    assert all(row["Group"].startswith(":gray[") for row in rows)
    assert not any("Pass" in row["Verdict"] for row in rows)


def test_one_line_per_check_with_status_reason_and_sentence(visit: Visit) -> None:
    app = visit(FakeRoom(), "evaluation", show="checks", **HERE)

    checks = next(item.value for item in app.table if "Why" in item.value)
    assert list(checks.columns) == ["Check", "Status", "Why", "Result"]
    statuses = " ".join(checks["Status"])
    assert all(word in statuses for word in ("Measured", "Could not check", "Inconclusive", "Left out"))
    assert "Worst slice" in words(app)
    assert "settled\\_at" in words(app)


def test_text_of_the_narrator_is_marked(visit: Visit) -> None:
    room = FakeRoom()
    told = evaluation.a_report("claims_triage", "5", narrative="The model ranks well.")
    room.evaluation.facts = lambda model, version: evaluation.facts(model, version, told)

    app = visit(room, "evaluation", **HERE)

    assert "decided nothing" in words(app)
    assert "The model ranks well" in words(app)
    assert "language model" not in words(visit(FakeRoom(), "evaluation", **HERE))


def test_version_that_was_never_measured_says_so_and_offers_the_run(visit: Visit) -> None:
    room = FakeRoom(unevaluated={"5"})

    app = visit(room, "evaluation", "dana.datascience", **HERE)

    assert "No evaluation yet" in words(app)
    assert "never evaluated here" in words(app)
    assert not app.get("plotly_chart")
    assert [button.label for button in app.button if button.key == "evaluation-start"] == ["Run evaluation"]


def test_the_training_runs_own_figures_are_not_shown_as_an_evaluation(visit: Visit) -> None:
    room = FakeRoom(unevaluated={"5"})
    known = evaluation.facts("claims_triage", "5", evaluation.a_report())
    own = known.evaluation.replace("countersign.evaluation/2", "countersign.evaluation/1")
    room.evaluation.facts = lambda *_: evaluation.replaced(known, own)

    app = visit(room, "evaluation", **HERE)

    assert "No evaluation yet" in words(app)
    assert "figures of its own" in words(app)


def test_a_report_that_breaks_its_schema_is_not_drawn(visit: Visit) -> None:
    room = FakeRoom()
    known = evaluation.facts("claims_triage", "5", evaluation.a_report())
    room.evaluation.facts = lambda *_: evaluation.replaced(known, known.evaluation.replace('"mode"', '"mood"'))

    app = visit(room, "evaluation", **HERE)

    assert "cannot be used" in words(app)
    assert "No evaluation yet" in words(app)
    assert crashed(app) == []


def test_run_is_started_once_and_shows_how_far_it_is(visit: Visit) -> None:
    room = FakeRoom(unevaluated={"5"})
    app = visit(room, "evaluation", "dana.datascience", **HERE)

    app.button(key="evaluation-start").click().run()
    assert len(room.written) == 1
    assert "is queued" in words(app)
    room.harness.runs["claims_triage", "5"] = a_run("claims_triage", "5", at=NOW)
    app.run()

    assert "You may leave this page" in str([item.proto for item in app.get("progress")])
    assert "measured." in words(app)
    assert [button.key for button in app.button if button.key.startswith("evaluation-")] == ["evaluation-cancel"]
    assert crashed(app) == []


def test_cancelled_run_can_be_run_again(visit: Visit) -> None:
    room = FakeRoom(unevaluated={"5"})
    room.harness.runs["claims_triage", "5"] = a_run("claims_triage", "5", at=NOW)
    app = visit(room, "evaluation", "dana.datascience", **HERE)

    app.button(key="evaluation-cancel").click().run()

    assert room.harness.latest("claims_triage", "5").state is RunState.CANCELLED
    assert "Cancelled by Dana Petrov" in words(app)
    assert [button.label for button in app.button if button.key == "evaluation-start"] == ["Run again"]


def test_failed_run_says_why(visit: Visit) -> None:
    room = FakeRoom(unevaluated={"5"})
    failed = a_run("claims_triage", "5", at=NOW, state=RunState.FAILED, error="the model could not be loaded in time")
    room.harness.runs["claims_triage", "5"] = failed

    app = visit(room, "evaluation", "dana.datascience", **HERE)

    assert "The model could not be loaded in time." in words(app)
    assert "Failed" in words(app)


def test_refusal_of_the_service_is_said(visit: Visit) -> None:
    room = FakeRoom(unevaluated={"5"})
    app = visit(room, "evaluation", "dana.datascience", **HERE)
    room.refuse = RefusalError("This version is frozen.", hint="Ask tomorrow.")

    app.button(key="evaluation-start").click().run()

    assert "This version is frozen. Ask tomorrow." in words(app)
    assert room.harness.runs == {}


@pytest.mark.parametrize("who", ["clara.compliance", "otto.auditor", "sam.sre"])
def test_who_may_not_run_it_sees_no_button(visit: Visit, who: str) -> None:
    app = visit(FakeRoom(), "evaluation", who, **HERE)

    assert not [button for button in app.button if button.key.startswith("evaluation-")]
    assert "A data science lead or a validator can run the evaluation" in words(app)


def test_report_can_be_taken_away_as_json_and_html(visit: Visit) -> None:
    app = visit(FakeRoom(), "evaluation", "vera.validator", **HERE)

    assert [item.label for item in app.get("download_button")] == ["JSON", "HTML"]


def test_names_in_a_report_are_shown_as_typed(visit: Visit) -> None:
    for show in ("result", "charts", "groups", "checks"):
        app = visit(FakeRoom(hostile=True), "evaluation", show=show, **HERE)
        assert crashed(app) == []
        shown = words(app)
        assert "![x](" not in shown
        assert ":red[x]" not in shown
        assert "<b>" not in shown.replace("\\<b", "")


def test_model_page_and_request_lead_to_the_evaluation(visit: Visit) -> None:
    model = visit(FakeRoom(), "model", name="claims_triage", show="gates")
    request = visit(FakeRoom(), "approvals", request="req-0001", part="evaluation")

    assert any("Evaluation" in str(item.proto.label) for item in model.get("page_link"))
    assert any("Evaluation" in str(item.proto.label) for item in request.get("page_link"))
