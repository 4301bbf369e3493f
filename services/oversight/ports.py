"""What oversight needs from the governance database: open work of every slice, read in a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from services.alerts.models import Alert
from services.approvals.models import EndingApproval, QueueCounts, QueueQuery, QueueRow
from services.data_health.models import Hurt
from services.exceptions.models import ExceptionState, ExceptionView
from services.incidents.models import Incident, OwedFollowUp
from services.incidents.on_call import OnCall
from services.inventory.models import SyncState
from services.inventory.owners import Orphan
from services.inventory.proposals import Proposal
from services.inventory.reviews import ReviewFact
from services.inventory.tables import CheckedTable
from services.kernel.identity import Actor
from services.kernel.page import Page
from services.oversight.models import ModelSummary, OpenAction, ServedModel, TimelineEvent
from services.rollout.batch_models import BatchRun
from services.rollout.emergency_models import EmergencyReview
from services.rollout.fallback_models import FallbackView
from services.rollout.job_findings import JobFinding
from services.rollout.release_models import ReleaseView
from services.value.review_service import ReturnReview


class Decisions(Protocol):
    """What the approvals service knows about open requests and approvals in force."""

    def queue(self, query: QueueQuery, *, actor: Actor) -> Page[QueueRow]:
        """Those that wait for the actor first."""
        ...

    def counts(self, actor: Actor) -> QueueCounts: ...

    def ending(self, now: datetime, within: timedelta) -> tuple[EndingApproval, ...]: ...


class Emergencies(Protocol):
    """Break-glass releases and their reviews."""

    def reviews(self, model: str = "", *, open_only: bool = False) -> tuple[EmergencyReview, ...]: ...


class Exceptions(Protocol):
    """Gates that may stay red for a while."""

    def all(self, model: str = "", states: tuple[ExceptionState, ...] = ()) -> tuple[ExceptionView, ...]: ...


class Incidents(Protocol):
    """What is wrong now, and who is there for it."""

    def open(self, model: str = "") -> tuple[Incident, ...]: ...

    def owed(self, subject: str = "") -> tuple[OwedFollowUp, ...]:
        """Follow-ups of closed incidents that are not done, those due first; of everybody when empty."""
        ...

    def duties(self, models: Sequence[str]) -> tuple[OnCall, ...]:
        """Who is on call for each; models nobody knows any more are left out."""
        ...


class Alerts(Protocol):
    def standing(self, model: str = "") -> tuple[Alert, ...]:
        """Opened and not over, the gravest first."""
        ...


class ReturnReviews(Protocol):
    def open(self, model: str = "", *, owner: str | None = None) -> tuple[ReturnReview, ...]:
        """Reviews of returns that wait for an answer, the most urgent first; those of one owner, or of nobody."""
        ...


class Releases(Protocol):
    """Releases on their way."""

    def waiting(self) -> tuple[ReleaseView, ...]:
        """Those before they answer anybody, held ones, and those that could not be verified."""
        ...


class BatchRuns(Protocol):
    def waiting(self) -> tuple[BatchRun, ...]:
        """Held ones, and those withheld lately by a trigger."""
        ...


class Fallbacks(Protocol):
    def view(self, model: str) -> FallbackView:
        """Raises UnknownModelError."""
        ...


class FeatureTables(Protocol):
    def tables(self) -> tuple[CheckedTable, ...]:
        """As last checked."""
        ...


class DataHealth(Protocol):
    def recent_hurt(self) -> tuple[Hurt, ...]:
        """Models that rest on a broken table or on a late or failed pipeline, at most seconds old."""
        ...


class Policies(Protocol):
    def problems(self) -> tuple[str, ...]:
        """A sentence per tier whose policy cannot be used."""
        ...

    def unpublished(self) -> tuple[str, ...]:
        """A sentence per policy file on disk that is not what was published."""
        ...


class Stewards(Protocol):
    """Owners and periodic reviews."""

    def orphans(self, model: str = "") -> tuple[Orphan, ...]: ...

    def call_reviews(self, facts: Sequence[ReviewFact]) -> int: ...


class TierProposals(Protocol):
    """Risk tiers that wait for a second person."""

    def undecided(self) -> tuple[Proposal, ...]: ...

    def refusal_to_decide(self, item: Proposal, *, actor: Actor) -> str: ...


class JobFindings(Protocol):
    """What stands against the decisions about deployment jobs."""

    def standing(self, model: str = "") -> tuple[JobFinding, ...]: ...


class OversightStore(Protocol):
    """Methods raise StorageUnavailableError."""

    def open_requests(self) -> Mapping[str, int]:
        """Number of requests that are open, sent back for changes, or approved and not yet acted upon, by model."""
        ...

    def served(self) -> tuple[ServedModel, ...]: ...

    def open_actions(self, since: datetime) -> tuple[OpenAction, ...]:
        """Actions in progress, and failed or conflicting ones created after `since`."""
        ...

    def unsubmitted(self) -> tuple[tuple[str, str, datetime], ...]:
        """(model, version, made at) of the newest version of each model when nobody ever asked for its release
        and it never served.
        """
        ...

    def deleted_but_served(self) -> tuple[tuple[str, str], ...]:
        """(model, version) that traffic or the champion names although the registry no longer has it."""
        ...

    def version_facts(self) -> Mapping[str, tuple[int, str]]:
        """Number of versions and the newest one, by model."""
        ...

    def watched_models(self) -> frozenset[str]:
        """Models with recorded predictions, requests or batch runs."""
        ...

    def put_summaries(self, summaries: tuple[ModelSummary, ...]) -> int:
        """Writes lines that changed and removes models that are gone; returns how many."""
        ...

    def heartbeat(self) -> datetime | None: ...

    def syncs(self) -> tuple[SyncState, ...]: ...

    def workspace_facts(self) -> Mapping[str, str]: ...

    def timeline(self, model: str, limit: int) -> tuple[TimelineEvent, ...]:
        """Newest first."""
        ...
