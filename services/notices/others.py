"""Facts of neighbouring slices in the words of notices: emergency reviews, exceptions, access that ends."""

from __future__ import annotations

from collections.abc import Callable

from services.alerts.service import AlertService
from services.alerts.threads import threads
from services.exceptions.models import ExceptionState
from services.exceptions.service import ExceptionService
from services.incidents import rules
from services.incidents.on_call import OnCall
from services.incidents.service import IncidentService
from services.kernel.clock import Clock
from services.kernel.identity import Role
from services.notices.facts import (
    EndingAccess,
    OpenAlert,
    OpenIncident,
    OpenJobFinding,
    OpenReview,
    RunningException,
)
from services.people.service import PeopleService
from services.rollout.emergency import EmergencyService
from services.rollout.job_findings import JobFinding, JobFindingKind

_RUNNING = {ExceptionState.PROPOSED: "proposed", ExceptionState.ACTIVE: "active"}


class OtherFacts:
    """Each method may raise UnavailableError on its own; the others then still say what they know."""

    def __init__(
        self,
        *,
        people: PeopleService,
        exceptions: ExceptionService,
        emergency: EmergencyService,
        incidents: IncidentService,
        clock: Clock,
        alerts: AlertService | None = None,
        jobs: Callable[[], tuple[JobFinding, ...]] = tuple,
        tier: Callable[[str], int] = lambda _model: 0,
    ) -> None:
        """`jobs` stand against the decisions about deployment jobs; `tier` is 0 for a model nobody governs."""
        self._jobs = jobs
        self._tier = tier
        self._alerts = alerts
        self._incidents = incidents
        self._clock = clock
        self._people = people
        self._exceptions = exceptions
        self._emergency = emergency

    def reviews(self) -> tuple[OpenReview, ...]:
        found = self._emergency.reviews(open_only=True)
        issuers = self._issuers() if found else {}
        return tuple(
            OpenReview(
                review_id=item.id,
                model=item.model,
                version=item.version,
                by=item.by_name,
                by_issuer=issuers.get(item.by_subject, ""),
                by_subject=item.by_subject,
                at=item.at,
                review_by=item.review_by,
                seq=item.seq,
            )
            for item in found
        )

    def exceptions(self) -> tuple[RunningException, ...]:
        found = [item for item in self._exceptions.all() if item.state in _RUNNING]
        issuers = self._issuers() if found else {}
        return tuple(
            RunningException(
                exception_id=item.id,
                model=item.model,
                gate=item.gate_title,
                state=_RUNNING[item.state],
                owner_issuer=issuers.get(item.owner_subject, ""),
                owner_subject=item.owner_subject,
                until=item.until,
                at=item.proposed_at,
            )
            for item in found
        )

    def incidents(self) -> tuple[OpenIncident, ...]:
        found = self._incidents.open()
        duties = {item.model: item for item in self._incidents.duties(sorted({item.model for item in found}))}
        now = self._clock.now()
        # Engineers hear of it by their role; a stand-in in another role only by name.
        engineers = {person.subject for person in self._people.holders(Role.SRE)}
        return tuple(
            OpenIncident(
                incident_id=item.incident_id,
                model=item.model,
                version=item.version,
                severity=item.severity,
                detected_at=item.times.detected,
                late_at=rules.unacknowledged_since(item, now=now),
                on_call=_stand_in(duties.get(item.model), engineers),
                seq=item.opened_seq,
            )
            for item in found
        )

    def alerts(self) -> tuple[OpenAlert, ...]:
        found = self._alerts.standing() if self._alerts is not None else ()
        return tuple(
            OpenAlert(
                thread=item.thread,
                model=item.model,
                tier=item.tier,
                severity=item.severity,
                wakes=item.wakes,
                title=item.title,
                sentence=item.sentence,
                target=item.target,
                since=item.since,
                late_at=item.late_at,
                owner=(item.owner.issuer, item.owner.subject) if item.owner else None,
                owner_role=item.owner_role,
                at_risk=item.at_risk,
            )
            for item in threads(found, now=self._clock.now())
        )

    def job_findings(self) -> tuple[OpenJobFinding, ...]:
        return tuple(
            OpenJobFinding(
                model=item.model,
                version=item.version,
                tier=self._tier(item.model),
                sentence=item.sentence,
                stuck=item.kind is JobFindingKind.STUCK,
                key=item.key,
                at=item.since,
            )
            for item in self._jobs()
        )

    def access(self) -> tuple[EndingAccess, ...]:
        return tuple(
            EndingAccess(issuer=person.issuer, subject=person.subject, name=person.name, until=person.access_until)
            for person in self._people.people()
            if person.active and person.access_until is not None
        )

    def _issuers(self) -> dict[str, str]:
        return {person.subject: person.issuer for person in self._people.people()}


def _stand_in(duty: OnCall | None, engineers: set[str]) -> tuple[str, str] | None:
    if duty is None or duty.name is None or duty.subject in engineers:
        return None
    return duty.issuer, duty.subject
