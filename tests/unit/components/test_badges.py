"""Every status has one word, one icon and one colour."""

from __future__ import annotations

import pytest

from pages.components import badges
from services.approvals.models import Decision, RequestState
from services.exceptions.models import ExceptionState
from services.inventory.models import DeploymentKind, Tier
from services.kernel.health import Health
from services.policy.models import Verdict
from services.rollout.emergency_models import ReviewState
from services.rollout.models import ActionKind, ActionState
from services.rollout.release_models import ReleaseState
from services.rollout.release_models import Verdict as Look

COLOURS = {"red", "orange", "yellow", "blue", "green", "violet", "gray"}


@pytest.mark.parametrize(
    "kind",
    [
        Health,
        Verdict,
        RequestState,
        ActionState,
        ActionKind,
        Decision,
        Tier,
        DeploymentKind,
        ExceptionState,
        ReviewState,
        ReleaseState,
        Look,
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_status_has_word_icon_and_colour(kind: type) -> None:
    for value in kind:
        shown = badges.status(value)
        assert shown.word
        assert shown.icon
        assert shown.colour in COLOURS


def test_unknown_is_grey_inconclusive_its_own_colour_and_nothing_unknown_is_green() -> None:
    for value in (Health.UNKNOWN, Verdict.SKIPPED):
        assert badges.status(value).colour == "gray"
    for value in (Look.UNDECIDED, Look.NO_DATA, Look.INVALID, ReleaseState.FAILED):
        assert badges.status(value).colour != "green"
    assert badges.status(Verdict.INCONCLUSIVE).colour == "violet"
    assert badges.status(Verdict.ERROR).colour != "green"


def test_kinds_that_share_a_value_keep_their_own_words() -> None:
    assert Verdict.FAILED == ActionState.FAILED
    assert badges.word(Verdict.FAILED) == "Fail"
    assert badges.word(ActionState.FAILED) == "Failed"


def test_text_in_a_badge_is_escaped() -> None:
    assert "](" not in badges.badge(Health.BREACH, "x](http://evil.example)")
