"""What hearing about things needs: the ledger, the state as facts, a place for notices, and ways out of the house."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.attestation.models import Receipt
from services.kernel.identity import Actor
from services.kernel.page import Page
from services.notices.entries import Requests
from services.notices.facts import (
    EndedRequest,
    EndingAccess,
    LockedKey,
    OpenAlert,
    OpenIncident,
    OpenJobFinding,
    OpenReview,
    OpenStep,
    RequestFacts,
    RunningException,
    ServingApproval,
    UnsignedChange,
    VoidSignature,
)
from services.notices.models import (
    Announcement,
    Channel,
    ChannelHealth,
    Delivery,
    Message,
    Notice,
    NoticeKind,
    NoticeQuery,
    QuietHours,
)

Route = Callable[[Announcement], tuple[tuple[str, datetime], ...]]
"""Channels an announcement goes out by, each with the moment from which it may."""


class StandingFacts(Requests, Protocol):
    """The state of requests, approvals, traffic and keys. Raises StorageUnavailableError."""

    def steps(self) -> tuple[OpenStep, ...]: ...

    def returned(self) -> tuple[RequestFacts, ...]: ...

    def completed(self, since: datetime) -> tuple[EndedRequest, ...]: ...

    def fallen(self, since: datetime) -> tuple[EndedRequest, ...]: ...

    def voided(self, since: datetime) -> tuple[VoidSignature, ...]:
        """Signatures that became void, of requests touched after `since`."""
        ...

    def serving_approvals(self, until: datetime) -> tuple[ServingApproval, ...]:
        """Approvals of versions that serve now and that end before `until`."""
        ...

    def unsigned_changes(self) -> tuple[UnsignedChange, ...]: ...

    def locked_keys(self, now: datetime) -> tuple[LockedKey, ...]: ...


class NeighbourFacts(Protocol):
    """Each method may raise UnavailableError on its own."""

    def reviews(self) -> tuple[OpenReview, ...]: ...

    def exceptions(self) -> tuple[RunningException, ...]:
        """Proposed and active ones."""
        ...

    def incidents(self) -> tuple[OpenIncident, ...]:
        """Those that are not closed."""
        ...

    def alerts(self) -> tuple[OpenAlert, ...]:
        """Those that wait for somebody."""
        ...

    def job_findings(self) -> tuple[OpenJobFinding, ...]: ...

    def access(self) -> tuple[EndingAccess, ...]:
        """People whose access ends at some time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What one transaction kept."""

    added: int
    closed: int


class NoticeStore(Protocol):
    """Raises StorageUnavailableError; each method is one transaction."""

    def begin(self, now: datetime) -> tuple[int, datetime]:
        """(next entry to read, moment from which things are news). Made at first use."""
        ...

    def unknown(self, keys: tuple[str, ...]) -> frozenset[str]:
        """Those of `keys` that were never announced, or whose notice was done and would be opened again."""
        ...

    def record(
        self,
        announcements: tuple[Announcement, ...],
        *,
        route: Route,
        now: datetime,
        cursor: int | None = None,
        tokens: frozenset[str] | None = None,
        unreadable: frozenset[str] = frozenset(),
    ) -> Recorded:
        """Keeps what is new, with its deliveries; the cursor moves with the last of them, never before.

        A key that is known is not added again, unless it stands, was done, and stands anew.
        """
        ...

    def find(self, query: NoticeQuery, *, issuer: str, subject: str, role: str, now: datetime) -> Page[Notice]:
        """What concerns this person in this role: unread first, then by severity, then newest first."""
        ...

    def unread(self, *, issuer: str, subject: str, role: str) -> int: ...

    def kinds(self, *, issuer: str, subject: str, role: str) -> tuple[NoticeKind, ...]:
        """Kinds this person has current notices of."""
        ...

    def mark_read(self, ids: tuple[str, ...] | None, *, issuer: str, subject: str, role: str, at: datetime) -> int:
        """Those of `ids` that concern the person, all current ones for None; how many were unread."""
        ...


class Outbox(Protocol):
    """Deliveries on their way. Raises StorageUnavailableError."""

    def due(self, now: datetime, limit: int) -> tuple[Delivery, ...]:
        """Waiting deliveries whose time has come, oldest first."""
        ...

    def claim(self, delivery: Delivery, *, until: datetime) -> bool:
        """False when somebody else has taken it. Counts the attempt."""
        ...

    def sent(self, delivery: Delivery, *, at: datetime) -> None: ...

    def failed(self, delivery: Delivery, *, at: datetime, error: str, next_try_at: datetime | None) -> None:
        """`next_try_at` None gives up."""
        ...

    def health(self, now: datetime) -> Mapping[str, ChannelHealth]: ...


class Courier(Protocol):
    """Carries a message out by one channel."""

    def send(self, channel: str, message: Message) -> None:
        """Raises DeliveryFailedError, ChannelInvalidError; neither repeats any part of the address."""
        ...


class Channels(Protocol):
    """The ways out, as configured."""

    @property
    def base_url(self) -> str:
        """Public address of this deployment for links; empty when not set."""
        ...

    def all(self) -> tuple[Channel, ...]: ...

    def quiet(self, tier: int) -> QuietHours | None: ...

    def transport(self, channel: str) -> str:
        """What kind of service it is, in words."""
        ...

    def problem(self, channel: str) -> str:
        """Why it cannot be used, in words; empty when it can."""
        ...

    def faults(self) -> tuple[str, ...]:
        """What is wrong with the configuration, in words without a secret."""
        ...


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...
