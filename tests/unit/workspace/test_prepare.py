"""Starting, waiting, starting over and deleting a workspace; the story as a plan. The whole is a journey."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from services.kernel.errors import ConflictError, ControlRoomError, SettingsError, StorageUnavailableError
from services.settings import Settings, read_settings
from services.workspace import marker, prepare
from services.workspace.history import settle
from services.workspace.marker import PreparedFacts
from services.workspace.story import beats, disturbance

END = datetime(2030, 1, 31, 15, tzinfo=UTC)
START = marker.replay_start(END)
FACTS = PreparedFacts(prepared_at=END, replay_from=START, genesis="ab" * 32, seconds=120.0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(home=tmp_path / "home")


def test_a_prepared_workspace_is_not_touched_again(settings: Settings) -> None:
    settings.home.mkdir()
    marker.write_facts(settings, FACTS)
    steps: list[str] = []

    assert prepare.prepare(settings, lambda words, _share: steps.append(words)) == FACTS
    assert steps == []


def test_the_second_starter_waits_and_takes_what_the_first_prepared(settings: Settings) -> None:
    settings.home.mkdir()
    answers: list[PreparedFacts] = []
    with FileLock(settings.home / marker.LOCK_NAME):
        second = threading.Thread(target=lambda: answers.append(prepare.prepare(settings)))
        second.start()
        second.join(0.3)
        assert second.is_alive()
        marker.write_facts(settings, FACTS)
    second.join(10)

    assert answers == [FACTS]


def test_what_an_interrupted_preparation_left_is_cleared_and_locks_are_kept(settings: Settings) -> None:
    (settings.home / "inference" / "requests").mkdir(parents=True)
    (settings.home / "governance.db").write_text("half")
    for name in (marker.LOCK_NAME, marker.RUNNING_LOCK, marker.RUNNING_NOTE):
        (settings.home / name).touch()

    marker.clear(settings)

    assert {entry.name for entry in settings.home.iterdir()} == {
        marker.LOCK_NAME,
        marker.RUNNING_LOCK,
        marker.RUNNING_NOTE,
    }


def test_the_marker_is_complete_or_absent(settings: Settings) -> None:
    settings.home.mkdir()
    marker.marker_file(settings).with_suffix(".draft").write_text('{"prepared')

    assert not marker.is_prepared(settings)
    assert marker.read_facts(settings) is None


def test_an_unreadable_marker_is_said_and_not_prepared_over(settings: Settings) -> None:
    settings.home.mkdir()
    marker.marker_file(settings).write_text("{")

    with pytest.raises(StorageUnavailableError, match="cannot be read"):
        prepare.prepare(settings)


@pytest.mark.parametrize("lock", [marker.LOCK_NAME, marker.RUNNING_LOCK])
def test_a_workspace_in_use_is_not_deleted(settings: Settings, lock: str) -> None:
    settings.home.mkdir()
    marker.write_facts(settings, FACTS)

    with FileLock(settings.home / lock), pytest.raises(ConflictError, match="in use"):
        prepare.reset(settings)
    assert marker.is_prepared(settings)


def test_reset_leaves_nothing_of_the_workspace(settings: Settings) -> None:
    settings.home.mkdir()
    marker.write_facts(settings, FACTS)

    prepare.reset(settings)

    assert not marker.is_prepared(settings)
    prepare.reset(read_settings(home=settings.home / "never-made"))


def test_the_story_is_in_order_and_inside_the_replayed_time() -> None:
    story = beats(lambda _model, _version: START + timedelta(days=40), start=START, end=END)

    times = [beat.at for beat in story]
    assert times == sorted(times)
    assert times[0] > START
    assert times[-1] <= END


def test_the_disturbance_lies_inside_the_last_weeks_and_says_that_it_was_made() -> None:
    fault = disturbance(END)

    assert START < fault.start < fault.end < END
    assert "demonstration" in fault.label


class _NeverDone:
    """A room whose action stays pending."""

    class runner:  # noqa: N801
        @staticmethod
        def run_pending() -> int:
            return 0

    class rollout:  # noqa: N801
        @staticmethod
        def actions(**_given: object) -> tuple[object, ...]:
            from types import SimpleNamespace

            from services.rollout.models import ActionState

            return (SimpleNamespace(state=ActionState.PENDING, detail="Version 4 is still loading."),)


def test_an_action_that_never_finishes_stops_the_preparation_with_its_reason() -> None:
    from services.kernel.clock import FrozenClock

    with pytest.raises(ControlRoomError, match="still loading"):
        settle(_NeverDone(), FrozenClock(END))  # type: ignore[arg-type]


def test_the_demonstration_never_writes_into_another_registry(tmp_path: Path) -> None:
    elsewhere = Settings(home=tmp_path / "home", mlflow_uri="http://127.0.0.1:9")
    with pytest.raises(SettingsError, match="another registry"):
        prepare.prepare(elsewhere)
