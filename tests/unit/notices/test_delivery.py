"""Sending: to whom, when, how often, and giving up where everybody can see it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.approvals.models import Decision
from services.kernel.clock import FrozenClock
from services.kernel.errors import ChannelInvalidError, DeliveryFailedError
from services.notices.delivery import wait_after
from services.notices.models import Channel, NoticeKind, QuietHours, Severity
from services.notices.wording import HEADLINES, KIND_WORDS, link, name_outside, target_of
from tests.builders import NOON, World, a_world
from tests.unit.notices.test_news import TODAY, MemoryChannels, hearing, kinds

AWAY = DeliveryFailedError("The channel mail did not deliver: the service behind it cannot be reached.")
TO_VALIDATORS = Channel(name="mail", roles=("validator",))


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON)


@pytest.fixture
def world(tmp_path: Path, clock: FrozenClock) -> Iterator[World]:
    built = a_world(tmp_path, clock=clock)
    clock.set(TODAY)
    yield built
    built.database.dispose()


def test_role_news_goes_by_the_channels_of_the_role_and_its_holders_only(world: World) -> None:
    channels = MemoryChannels(
        TO_VALIDATORS,
        Channel(name="vera", people=("vera.validator",)),
        Channel(name="sre", roles=("sre",)),
        Channel(name="dana", people=("dana.datascience",)),
    )
    notices = hearing(world, channels)
    world.submit("1")
    notices.refresh()

    notices.deliver()

    sent = {(name, text.title.partition(" - ")[0]) for name, text in channels.outbox}
    asked = f"Countersign: {HEADLINES[NoticeKind.STEP_OPEN]}"
    assert sent == {
        ("mail", asked),
        ("vera", asked),
        ("dana", f"Countersign: {HEADLINES[NoticeKind.KEY_USED]}"),
    }


def test_message_holds_no_person_no_comment_and_no_figure(world: World) -> None:
    channels = MemoryChannels(Channel(name="dana", people=("dana.datascience",)))
    notices = hearing(world, channels)
    world.submit("1")
    request_id = world.request_of("1").request_id
    world.sign_off(
        request_id, "vera.validator", Decision.REQUEST_CHANGES, reason="METRICS", comment="AUC 0.74 of Jane Roe is poor"
    )
    notices.refresh()

    notices.deliver()

    everything = "\n".join(f"{text.title}\n{text.body}" for _, text in channels.outbox)
    assert HEADLINES[NoticeKind.CHANGES_REQUESTED] in everything
    for word in ("Vera", "Lindholm", "Dana", "Jane", "0.74", "METRICS", "dana.datascience"):
        assert word not in everything
    assert f"https://countersign.example/approvals?request={request_id}&notice=" in everything


def test_each_message_goes_out_once(world: World) -> None:
    channels = MemoryChannels(TO_VALIDATORS)
    notices = hearing(world, channels)
    world.submit("1")
    for _ in range(3):
        notices.refresh()
        notices.deliver()
    hearing(world, channels).deliver()

    assert len(channels.outbox) == 1


def test_failing_channel_is_tried_later_and_later_and_recovers(world: World, clock: FrozenClock) -> None:
    channels = MemoryChannels(TO_VALIDATORS)
    channels.broken = AWAY
    notices = hearing(world, channels)
    world.submit("1")
    notices.refresh()
    began = clock.now()
    assert notices.deliver() == 0
    assert notices.deliver() == 0

    shown = notices.channels(world.actor("ada.admin"))[0].health
    assert shown.failing_since == began
    assert "cannot be reached" in shown.error
    assert shown.waiting == 1
    channels.broken = None
    clock.set(began + timedelta(seconds=59))
    assert notices.deliver() == 0
    clock.set(began + timedelta(seconds=61))
    assert notices.deliver() == 1
    assert notices.channels(world.actor("ada.admin"))[0].health.failing_since is None


def test_after_a_day_the_message_is_given_up_and_administrators_are_told(world: World, clock: FrozenClock) -> None:
    channels = MemoryChannels(TO_VALIDATORS)
    channels.broken = AWAY
    notices = hearing(world, channels)
    world.submit("1")
    for hours in range(30):
        clock.set(TODAY + timedelta(hours=hours))
        notices.refresh()
        notices.deliver()

    shown = notices.channels(world.actor("ada.admin"))[0].health
    assert (shown.waiting, shown.given_up) == (0, 1)
    assert NoticeKind.CHANNEL_FAILING in kinds(notices, world, "ada.admin")
    # The notice itself stays where people look.
    assert NoticeKind.STEP_OPEN in kinds(notices, world, "vera.validator")


def test_unusable_address_is_given_up_at_once(world: World) -> None:
    channels = MemoryChannels(TO_VALIDATORS)
    channels.broken = ChannelInvalidError("The channel mail has no address.")
    notices = hearing(world, channels)
    world.submit("1")
    notices.refresh()

    notices.deliver()

    assert notices.channels(world.actor("ada.admin"))[0].health.given_up == 1


def test_one_failing_channel_does_not_hold_up_the_others(world: World) -> None:
    class HalfBroken(MemoryChannels):
        def send(self, channel: str, message: object) -> None:  # type: ignore[override]
            if channel == "mail":
                raise AWAY
            super().send(channel, message)  # type: ignore[arg-type]

    channels = HalfBroken(TO_VALIDATORS, Channel(name="chat", roles=("validator",)))
    notices = hearing(world, channels)
    world.submit("1")
    notices.refresh()

    assert notices.deliver() == 1
    assert [name for name, _ in channels.outbox] == ["chat"]


def test_what_was_done_meanwhile_is_not_sent_any_more(world: World) -> None:
    channels = MemoryChannels(TO_VALIDATORS)
    channels.broken = AWAY
    notices = hearing(world, channels)
    world.submit("1")
    notices.refresh()
    notices.deliver()
    world.sign_off(world.request_of("1").request_id, "vera.validator", Decision.APPROVE)
    notices.refresh()

    assert notices.channels(world.actor("ada.admin"))[0].health.waiting == 0


def test_quiet_hours_hold_messages_back_until_morning(world: World, clock: FrozenClock) -> None:
    channels = MemoryChannels(TO_VALIDATORS, hours=QuietHours(zone="UTC", start_minute=0, end_minute=18 * 60))
    notices = hearing(world, channels)
    world.submit("1")
    notices.refresh()

    assert notices.deliver() == 0
    clock.set(TODAY.replace(hour=18))
    assert notices.deliver() == 1


def test_nothing_is_sent_without_a_channel(world: World) -> None:
    channels = MemoryChannels()
    notices = hearing(world, channels)
    world.submit("1")
    notices.refresh()

    assert notices.deliver() == 0
    assert channels.outbox == []


def test_crash_after_sending_repeats_the_message_under_the_same_number(world: World, clock: FrozenClock) -> None:
    class Crashing(MemoryChannels):
        crashed = False

        def send(self, channel: str, message: object) -> None:  # type: ignore[override]
            super().send(channel, message)  # type: ignore[arg-type]
            if not self.crashed:
                self.crashed = True
                raise KeyboardInterrupt

    channels = Crashing(TO_VALIDATORS)
    notices = hearing(world, channels)
    world.submit("1")
    notices.refresh()
    with pytest.raises(KeyboardInterrupt):
        notices.deliver()
    assert notices.deliver() == 0

    clock.set(clock.now() + timedelta(minutes=6))
    assert notices.deliver() == 1
    assert channels.outbox[0] == channels.outbox[1]


def test_test_message_is_for_administrators_and_goes_through_the_same_way(world: World) -> None:
    from services.kernel.errors import InputError, RoleMissingError

    channels = MemoryChannels(TO_VALIDATORS)
    notices = hearing(world, channels)
    with pytest.raises(RoleMissingError):
        notices.send_test("mail", actor=world.actor("sam.sre"))
    with pytest.raises(InputError):
        notices.send_test("nosuch", actor=world.actor("ada.admin"))

    notices.send_test("mail", actor=world.actor("ada.admin"))

    assert notices.deliver() == 1
    assert HEADLINES[NoticeKind.CHANNEL_TEST] in channels.outbox[0][1].body


@given(st.integers(0, 10_000))
def test_waits_grow_to_an_hour_and_no_further(attempts: int) -> None:
    assert timedelta(minutes=1) <= wait_after(attempts) <= timedelta(hours=1)
    assert wait_after(attempts) <= wait_after(attempts + 1)


@given(st.text(max_size=300))
def test_name_outside_is_one_line_without_markup_and_nothing_to_click(text: str) -> None:
    shown = name_outside(text)

    assert len(shown.splitlines()) <= 1
    assert not set(shown) & set('<>[]{}()|*`~#$\\!&"\r\n\t')
    for clickable in ("://", "www.a", "@a"):
        assert clickable not in shown
    assert len(shown) <= 80


@given(st.text(max_size=80), st.text(max_size=80))
def test_link_stays_in_this_deployment_whatever_is_in_its_values(name: str, other: str) -> None:
    made = link("https://countersign.example", target_of("approvals", request=name, step=other))

    assert made.startswith("https://countersign.example/approvals")
    assert not set(made) & set(" <>\"'\r\n")
    assert "#" not in made


@pytest.mark.parametrize("base", ["", "javascript:alert(1)", "ftp://x", "https://x\nBcc: y", "https://x <b>", "//x"])
def test_no_link_is_made_from_a_bad_public_address(base: str) -> None:
    assert link(base, "notices") == ""


def test_every_kind_has_its_words() -> None:
    assert set(HEADLINES) == set(KIND_WORDS) == set(NoticeKind)
    assert {severity.value for severity in Severity} == {"red", "amber", "info"}
