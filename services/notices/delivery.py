"""Sending what people should hear outside: which channel, when, how often to try, and when to give up visibly.

A delivery is claimed before it is sent. A crash in between repeats it later with the same reference in its text: a
message may come twice, but none is lost in silence.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, InputError
from services.notices import quiet, wording
from services.notices.models import Announcement, Audience, Channel, ChannelHealth, NoticeKind, Severity
from services.notices.ports import Channels, Courier, Outbox
from services.people.models import Person

GIVE_UP_AFTER = timedelta(hours=24)
OLD_NEWS = timedelta(hours=24)
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
_CLAIM = timedelta(minutes=5)
_AT_ONCE = 20
_ORDER = (Severity.INFO, Severity.AMBER, Severity.RED)


def channels_for(
    announcement: Announcement, channels: tuple[Channel, ...], people: tuple[Person, ...]
) -> tuple[Channel, ...]:
    """A role's news goes to the channels of the role and of its holders; a person's own only to that person."""
    subjects = _subjects(announcement, people)
    roles = {announcement.audience.role} if announcement.audience.role else set()
    return tuple(
        channel
        for channel in channels
        if _ORDER.index(announcement.severity) >= _ORDER.index(channel.least)
        and (roles & set(channel.roles) or subjects & set(channel.people))
    )


def _subjects(announcement: Announcement, people: tuple[Person, ...]) -> set[str]:
    audience = announcement.audience
    if not audience.role:
        return {audience.subject}
    return {
        person.subject
        for person in people
        if person.active
        and audience.role in {role.value for role in person.roles}
        and (person.issuer, person.subject) != announcement.not_for
    }


def route(
    announcement: Announcement, *, channels: Channels, people: tuple[Person, ...], now: datetime
) -> tuple[tuple[str, datetime], ...]:
    """(channel, not before). What happened more than a day ago is on the screen and is not sent any more."""
    if now - announcement.at > OLD_NEWS:
        return ()
    hours = channels.quiet(announcement.tier)
    start = quiet.earliest(now, announcement.severity, hours)
    return tuple((channel.name, start) for channel in channels_for(announcement, channels.all(), people))


def wait_after(attempts: int) -> timedelta:
    """1, 2, 4 ... minutes, at most an hour."""
    doubled: int = 2 ** min(max(attempts - 1, 0), 10)
    return min(FIRST_WAIT * doubled, LONGEST_WAIT)


class Dispatcher:
    def __init__(self, *, outbox: Outbox, courier: Courier, channels: Channels, clock: Clock) -> None:
        self._outbox = outbox
        self._courier = courier
        self._channels = channels
        self._clock = clock

    def deliver(self) -> int:
        """Worker: sends what is due; how many went out. A channel that fails does not hold up the others."""
        sent, failing = 0, set[str]()
        for delivery in self._outbox.due(self._clock.now(), _AT_ONCE):
            # One failure per channel and round: a server that is away is not asked twenty times in a row.
            if delivery.channel in failing:
                continue
            now = self._clock.now()
            if not self._outbox.claim(delivery, until=now + _CLAIM):
                continue
            try:
                text = wording.message(delivery, base_url=self._channels.base_url)
                self._courier.send(delivery.channel, text)
            except ControlRoomError as problem:
                failing.add(delivery.channel)
                attempts = delivery.attempts + 1
                again = self._clock.now() + wait_after(attempts)
                over = isinstance(problem, InputError) or again - delivery.created_at >= GIVE_UP_AFTER
                self._outbox.failed(
                    delivery, at=self._clock.now(), error=problem.message, next_try_at=None if over else again
                )
                continue
            self._outbox.sent(delivery, at=self._clock.now())
            sent += 1
        return sent

    def health(self) -> dict[str, ChannelHealth]:
        return dict(self._outbox.health(self._clock.now()))


def failing_channels(health: dict[str, ChannelHealth], now: datetime) -> tuple[Announcement, ...]:
    """What administrators see on the screen when messages were given up."""
    return tuple(
        Announcement(
            key=f"channel/{item.name}/{item.failing_since:%Y%m%d%H%M%S}",
            kind=NoticeKind.CHANNEL_FAILING,
            severity=Severity.RED,
            at=now,
            audience=Audience(role="admin"),
            title=f"Notices by {item.name} could not be delivered",
            why=f"Since {item.failing_since:%d %b %Y, %H:%M} UTC: {item.error} Messages a day old were given up.",
            target=wording.target_of("notices", show="channels"),
            stands_while=f"channel/{item.name}/{item.failing_since:%Y%m%d%H%M%S}",
        )
        for item in health.values()
        if item.failing_since is not None and item.given_up
    )
