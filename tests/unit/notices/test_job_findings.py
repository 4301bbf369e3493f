"""An approval given in the workspace is told to those who watch, once, and folds when it no longer stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.kernel.clock import FrozenClock
from services.notices.facts import OpenJobFinding
from services.notices.models import NoticeKind, Severity
from tests.builders import MODEL, NOON, World, a_world
from tests.unit.notices.test_news import TODAY, Others, hearing, of


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = FrozenClock(NOON)
    made = a_world(tmp_path, clock=clock)
    clock.set(TODAY)  # the founding with its keys and roles is history by now
    yield made
    made.database.dispose()


def a_finding(*, stuck: bool = False) -> OpenJobFinding:
    return OpenJobFinding(
        model=MODEL, version="4", tier=1, sentence="Somebody approved it.", stuck=stuck, key="k1", at=TODAY
    )


@pytest.mark.parametrize(
    ("stuck", "kind", "severity"),
    [(False, NoticeKind.UNSIGNED_CHANGE, Severity.RED), (True, NoticeKind.NOT_APPLIED, Severity.AMBER)],
)
def test_a_finding_rings_for_those_who_watch_until_it_is_over(
    world: World, stuck: bool, kind: NoticeKind, severity: Severity
) -> None:
    others = Others()
    notices = hearing(world, others=others)
    others.jobs = (a_finding(stuck=stuck),)
    notices.refresh()
    notices.refresh()

    for subject in ("sam.sre", "clara.compliance"):
        [told] = [item for item in of(notices, world, subject) if item.kind is kind]
        assert (told.severity, told.model, told.why) == (severity, MODEL, "Somebody approved it.")
        assert told.target == f"model?name={MODEL}"
        assert told.done_when
    assert [item for item in of(notices, world, "vera.validator") if item.kind is kind] == []

    others.jobs = ()
    notices.refresh()

    assert [item for item in of(notices, world, "sam.sre") if item.kind is kind] == []
    assert [item.kind for item in of(notices, world, "sam.sre", done=True) if item.kind is kind] == [kind]


def test_what_comes_back_later_rings_again(world: World) -> None:
    others = Others()
    notices = hearing(world, others=others)
    others.jobs = (a_finding(),)
    notices.refresh()
    others.jobs = ()
    notices.refresh()
    others.jobs = (replace(a_finding(), at=TODAY + timedelta(hours=1)),)
    notices.refresh()

    assert [item.kind for item in of(notices, world, "sam.sre")] == [NoticeKind.UNSIGNED_CHANGE]
