"""What was approved in the workspace and not here stands on the home page, on the model and where its traffic is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.format import md
from services.rollout.job_findings import JobFinding, JobFindingKind
from tests.fakes.room import FakeRoom
from tests.fakes.room_sample import at
from tests.screens.conftest import crashed
from tests.screens.conftest import words as said

Visit = Callable[..., AppTest]
MODEL = "claims_triage"


def a_finding(kind: JobFindingKind, sentence: str = "It carries the tag Approval_Check.") -> JobFinding:
    return JobFinding(
        key="k1", kind=kind, model=MODEL, version="4", task="Approval_Check", sentence=sentence, since=at(2)
    )


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        (JobFindingKind.UNSIGNED, "version 4 is approved in the workspace and not here"),
        (JobFindingKind.CHANGED, "the deployment job of version 4 is not what was signed or evaluated"),
        (JobFindingKind.STUCK, "the deployment job of version 4 does not get past its approval"),
    ],
)
@pytest.mark.parametrize(
    ("screen", "address"), [("overview", {}), ("model", {"name": MODEL}), ("rollouts", {"model": MODEL})]
)
def test_a_finding_about_a_deployment_job_is_on_every_screen_that_shows_findings(
    visit: Visit, screen: str, address: dict[str, str], kind: JobFindingKind, title: str
) -> None:
    page = visit(FakeRoom(job_findings=(a_finding(kind),)), screen, **address)
    assert crashed(page) == []
    shown = said(page) + "".join(link.proto.label for link in page.get("page_link"))
    assert title in shown
    assert md("It carries the tag Approval_Check.") in shown


def test_without_a_finding_the_traffic_of_a_model_has_no_such_card(visit: Visit) -> None:
    assert "Deployment job" not in said(visit(FakeRoom(), "rollouts", model=MODEL))


def test_names_of_tasks_are_text_and_no_markup(visit: Visit) -> None:
    hostile = a_finding(JobFindingKind.UNSIGNED, "It carries the tag approval **bold** [a](b).")
    page = said(visit(FakeRoom(job_findings=(hostile,)), "rollouts", model=MODEL))
    assert "**bold**" not in page
    assert md("**bold** [a](b)") in page
