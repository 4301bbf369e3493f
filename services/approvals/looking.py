"""Looking: the queue, one request as one person sees it, and whether an approval stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from services.approvals import ahead, parts, rules
from services.approvals.context import Context, known, unsigned_change
from services.approvals.drafting import Drafted
from services.approvals.excepted import Exceptions, fallen
from services.approvals.models import (
    ApprovalStatus,
    EndingApproval,
    Purpose,
    QueueCounts,
    QueueQuery,
    QueueRow,
    RequestState,
    RequestView,
)
from services.approvals.ports import ApprovalUnit
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.standing import approval_status
from services.approvals.views import Reader, queue_row, request_view
from services.kernel.errors import ControlRoomError, StaleRequestError, TrustError
from services.kernel.identity import Actor, Permission
from services.kernel.page import Page


class Looking:
    def __init__(self, context: Context, exceptions: Exceptions) -> None:
        self._with = context
        self._exceptions = exceptions

    def queue(self, query: QueueQuery, *, actor: Actor) -> Page[QueueRow]:
        self._with.people.require(actor, Permission.VIEW)
        reader, now = self._reader(actor), self._with.clock.now()
        with self._with.units.read() as unit:
            found, total = unit.requests.find(
                query, role=actor.role.value, subject=actor.subject, now=now, lent=reader.lent
            )
            decided = unit.requests.decisions_of(tuple(item.request_id for item in found))
        items = tuple(queue_row(item, decided.get(item.request_id, ()), reader=reader, now=now) for item in found)
        return Page(items=items, total=total, offset=query.offset, limit=query.limit)

    def counts(self, actor: Actor) -> QueueCounts:
        now = self._with.clock.now()
        lent = self._reader(actor).lent
        with self._with.units.read() as unit:
            mine, overdue = unit.requests.count_mine(role=actor.role.value, subject=actor.subject, now=now, lent=lent)
            by_role = unit.requests.waiting_by_role(now)
        return QueueCounts(mine=mine, overdue=overdue, by_role=by_role)

    def requests_of(self, model: str) -> tuple[QueueRow, ...]:
        now = self._with.clock.now()
        with self._with.units.read() as unit:
            found = unit.requests.of_model(model)
            decided = unit.requests.decisions_of(tuple(item.request_id for item in found))
        return tuple(queue_row(item, decided.get(item.request_id, ()), reader=None, now=now) for item in found)

    def get(self, request_id: str, *, actor: Actor) -> RequestView:
        context = self._with
        context.people.require(actor, Permission.VIEW)
        with context.units.read() as unit:
            request = known(unit, request_id)
            decisions = unit.requests.decisions(request_id)
            trail = unit.requests.trail(request_id)
            seen = unit.requests.seen(request_id, actor=actor)
            moved = unsigned_change(request, unit.rollouts.deployment(request.model))
            promoted = request.purpose is Purpose.PROMOTION and rules.is_undecided(request)
            running = ahead.in_the_way(unit, request.model, request.version) if promoted else None
        drafted = context.drafting.again(request) if rules.is_undecided(request) else None
        return request_view(
            request,
            decisions,
            trail,
            now_frozen=drafted.frozen if drafted else request.frozen,
            stale=_stale(request, drafted, moved) if drafted else self._fallen(request),
            seen=seen,
            reader=self._reader(actor),
            now=context.clock.now(),
            said=self._said,
            freeze=drafted.freeze if drafted else "",
            not_yet=self._not_yet(request) if promoted else "",
            ahead=ahead.sentence(running),
        )

    def _not_yet(self, request: PromotionRequest) -> str:
        """What the release would wait for; a shadow run is told from the signed terms instead."""
        if request.base and request.frozen.terms.shadow:
            return ""
        try:
            return self._with.not_yet(request)
        except ControlRoomError as away:
            return f"Whether it could start could not be found out. {away.message}"

    def mark_seen(self, request_id: str, part: str, *, actor: Actor) -> None:
        self._with.people.require(actor, Permission.VIEW)
        with self._with.units.write() as unit:
            unit.requests.mark_seen(known(unit, request_id), part, actor=actor, at=self._with.clock.now())

    def ending(self, now: datetime, within: timedelta) -> tuple[EndingApproval, ...]:
        with self._with.units.read() as unit:
            return tuple(
                EndingApproval(
                    model=item.model,
                    version=item.version,
                    request_id=item.request_id,
                    valid_until=until,
                    ended=until < now,
                    serving=_serves(unit, item),
                )
                for item in unit.requests.ending(now + within)
                if (until := item.valid_until) is not None
                and item.purpose is not Purpose.RETIREMENT
                and not unit.requests.outlasted(item)
            )

    def approved(self, model: str, version: str) -> ApprovalStatus:
        """The newest request of this version that stands; else why the newest decided one does not."""
        with self._with.units.read() as unit:
            # Who agreed that a model goes did not approve its version for anything.
            mine = [item for item in unit.requests.of_model(model) if item.version == version]
            requests = [item for item in mine if item.purpose is not Purpose.RETIREMENT]
            decided = unit.requests.decisions_of(tuple(item.request_id for item in requests))
            manifest = dict(unit.rollouts.manifests(model)).get(version, "")
        answers = [self._status(model, version, item, decided.get(item.request_id, ()), manifest) for item in requests]
        for answer in answers:
            if answer.valid:
                return answer
        for request, answer in zip(requests, answers, strict=True):
            if request.approved_at is not None:
                return answer
        return answers[0] if answers else self._status(model, version, None, (), manifest)

    def signed_parts(self, model: str, version: str) -> Mapping[str, str]:
        """Parts and digests as the signed request of the approval that stands says them.

        Raises StaleRequestError when none stands, TrustError.
        """
        status = self.approved(model, version)
        if not status.valid or status.request_id is None:
            raise StaleRequestError(f"No approval of {model} version {version} stands. {status.reason}")
        with self._with.units.read() as unit:
            request = known(unit, status.request_id)
        asked = self._with.attestations.require_valid(request.seq, request.leaf_hash)
        return dict(asked.get("parts", {}))

    def _status(
        self,
        model: str,
        version: str,
        request: PromotionRequest | None,
        decisions: tuple[DecisionRecord, ...],
        manifest: str,
    ) -> ApprovalStatus:
        return approval_status(
            model,
            version,
            request=request,
            decisions=decisions,
            manifest_now=manifest,
            parts_now=self._parts_now(request),
            now=self._with.clock.now(),
            attestations=self._with.attestations,
            exceptions=self._exceptions.active(model),
        )

    def _parts_now(self, request: PromotionRequest | None) -> parts.Parts | None:
        """The evidence of a request that may stand, as it is now; None when it could not be found out."""
        if request is None or request.approved_at is None or not request.frozen.parts:
            return ()
        try:
            drafted = self._with.drafting.again(request)
        except ControlRoomError:
            return None
        return None if drafted.evidence.missing else drafted.frozen.parts

    def _fallen(self, request: PromotionRequest) -> str:
        """Why a complete approval has to be confirmed again, or empty."""
        if request.void_cause:
            return f"The approval turned void. {request.void_cause}"
        try:
            asked = self._with.attestations.require_valid(request.seq, request.leaf_hash)
        except TrustError as wrong:
            return f"The signed request does not verify. {wrong.message}"
        return fallen(asked, self._exceptions.active(request.model))

    def _reader(self, actor: Actor) -> Reader:
        return Reader(actor=actor, delegations=self._with.delegations(actor))

    def _said(self, record: DecisionRecord) -> Mapping[str, Any]:
        """What the signed entry itself says, for the printed block; empty when it does not verify."""
        try:
            return self._with.attestations.require_valid(record.seq, record.leaf_hash)
        except TrustError:
            return {}


def _stale(request: PromotionRequest, drafted: Drafted, moved: str) -> str:
    if request.state is not RequestState.OPEN:
        return ""
    again = f"{request.requester} has to submit it again."
    if request.void_cause:
        return f"The evidence changed since it was submitted. {request.void_cause} {again}"
    causes = parts.changed(request.frozen.parts, drafted.frozen.parts, complete=False)
    if causes:
        return f"The evidence changed since it was submitted. {' '.join(causes)} {again}"
    if moved:
        return f"What serves is not what was signed last. {moved} Nobody can sign until it is put back or adopted."
    missing = parts.unknown(drafted.frozen.parts)
    if missing:
        why = f" {drafted.unknown}" if drafted.job_unknown else ""
        return f"Not everything could be found out just now: {', '.join(missing)}.{why} Nobody can sign meanwhile."
    return ""


def _serves(unit: ApprovalUnit, request: PromotionRequest) -> bool:
    live = unit.rollouts.deployment(request.model)
    return live is not None and request.version in {live.champion, live.candidate}
