"""Override rate with its denominator, and corrections as codes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from services.adapters.sql.feedback import SqlFeedback
from services.adapters.warehouse.feedback import DuckDbReviewFacts
from services.feedback.service import FeedbackService
from services.kernel.clock import FrozenClock
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, a_database, at, write


def review(folder: Path, back: int, corrected: list[bool], reason: str = "CODING") -> None:
    day = TODAY - timedelta(days=back)
    n = len(corrected)
    frame = pd.DataFrame(
        {"prediction_id": [f"{back}-{number}" for number in range(n)], "version": "3", "reviewed_at": at(day, n),
         "reviewer": "r-1", "decision": 1.0, "predicted": 0.5, "corrected": corrected, "reason_code": reason}
    )  # fmt: skip
    write(folder, "reviews", "m", day, frame)


@pytest.fixture
def service(tmp_path: Path) -> FeedbackService:
    return FeedbackService(
        facts=DuckDbReviewFacts(tmp_path / "inference"),
        store=SqlFeedback(a_database(tmp_path)),
        clock=FrozenClock(NOON),
    )


def test_without_reviews_there_is_no_rate(service: FeedbackService) -> None:
    service.refresh()

    assert service.override_rate("m").rate is None
    assert service.recent("m") == ()


def test_the_rate_has_its_denominator_and_reasons(service: FeedbackService, tmp_path: Path) -> None:
    review(tmp_path / "inference", 1, [True, False, False, False])
    review(tmp_path / "inference", 2, [True, True, False, False], reason="SEGMENT")
    assert service.refresh() == 2

    found = service.override_rate("m")

    assert (found.reviewed, found.corrected, found.rate) == (8, 3, 0.375)
    assert found.by_reason == (("SEGMENT", 2), ("CODING", 1))


def test_reviews_before_the_window_are_left_out(service: FeedbackService, tmp_path: Path) -> None:
    review(tmp_path / "inference", 29, [True])
    review(tmp_path / "inference", 30, [False])
    service.refresh()

    assert service.override_rate("m", days=30).reviewed == 1


def test_recent_corrections_are_newest_first_and_limited(service: FeedbackService, tmp_path: Path) -> None:
    review(tmp_path / "inference", 3, [True, True])
    review(tmp_path / "inference", 1, [True])
    service.refresh()

    assert [item.prediction_id for item in service.recent("m", 2)] == ["1-0", "3-1"]


def test_a_changed_day_is_replaced_and_not_added(service: FeedbackService, tmp_path: Path) -> None:
    review(tmp_path / "inference", 1, [True, True])
    service.refresh()
    review(tmp_path / "inference", 1, [True])
    service.refresh()

    assert service.override_rate("m").reviewed == 1
    assert len(service.recent("m")) == 1
