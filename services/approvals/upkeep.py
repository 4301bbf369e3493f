"""What the worker does about decisions: end what ran out, and void what no longer rests on what was signed.

Time running out never approves. What could not be found out changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from services.approvals import parts, rules
from services.approvals.completion import leave_out, save, stop_retirement
from services.approvals.context import Context, known, short_digest
from services.approvals.deciding import left_office
from services.approvals.models import Purpose
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.table import Step, after
from services.kernel.errors import ControlRoomError
from services.rollout import intents

LONGEST_ROUND = 4.0
"""Seconds for undecided requests in one round."""


class Upkeep:
    def __init__(self, context: Context, *, is_suspect: Callable[[DecisionRecord], bool]) -> None:
        """`is_suspect`: the signer's key was compromised before this signature was made."""
        self._with = context
        self._is_suspect = is_suspect
        self._last = ""

    def expire_due(self) -> int:
        context, now, count = self._with, self._with.clock.now(), 0
        with context.units.read() as unit:
            due = unit.requests.expired(now)
        for request in due:
            receipt = context.ledger.record_event(
                event="request-expired",
                actor=None,
                model=request.model,
                detail={"request": request.request_id},
                idem=f"expired:{request.request_id}:{request.revision}",
            )
            with context.units.write() as unit:
                current = known(unit, request.request_id)
                if rules.is_expired(current, now):
                    expired = replace(current, state=after(current.state, Step.EXPIRE))
                    save(unit, expired, unit.requests.decisions(current.request_id))
                    unit.requests.add_event(current.request_id, "Expired undecided.", seq=receipt.seq, at=now)
                    count += 1
        return count

    def revalidate(self) -> int:
        """The number of requests whose signatures turned void in this round.

        A round looks at everything that is approved, and at undecided requests for a few seconds, from where the last
        round stopped: thousands of them do not keep the worker from its other tasks. Nothing is signed or released on
        the strength of this look; signing and releasing collect the evidence themselves.
        """
        with self._with.units.read() as unit:
            watched = unit.requests.resting(self._with.clock.now())
        approved = [request for request in watched if not rules.is_undecided(request)]
        return sum(map(self._one, approved)) + self._undecided(
            sorted((request for request in watched if rules.is_undecided(request)), key=lambda item: item.request_id)
        )

    def _undecided(self, waiting: list[PromotionRequest]) -> int:
        start = next((place for place, item in enumerate(waiting) if item.request_id > self._last), 0)
        count, until = 0, time.monotonic() + LONGEST_ROUND
        for request in (*waiting[start:], *waiting[:start]):
            count += self._one(request)
            self._last = request.request_id
            if time.monotonic() > until:
                break
        return count

    def _one(self, request: PromotionRequest) -> bool:
        with self._with.units.read() as unit:
            decisions = rules.standing(unit.requests.decisions(request.request_id))
        complete = not rules.is_undecided(request)
        causes = [] if request.void_cause else list(self._evidence_causes(request, complete=complete))
        suspect = [item for item in decisions if self._is_suspect(item)]
        if complete:
            causes += [f"The key of {item.signer} was compromised before entry {item.seq}." for item in suspect]
        gone = [] if complete else [(item, cause) for item in decisions if (cause := left_office(self._with, item))]
        if not complete:
            gone += [(item, f"Void: the key of {item.signer} was compromised.") for item in suspect]
        if causes:
            return self._void(request, " ".join(causes), complete=complete)
        return self._leave_out(request, gone) if gone else False

    def _evidence_causes(self, request: PromotionRequest, *, complete: bool) -> tuple[str, ...]:
        if not request.frozen.parts or (complete and request.purpose is Purpose.RETIREMENT):
            return ()  # files of what goes away may go too
        try:
            drafted = self._with.drafting.again(request)
        except ControlRoomError:
            return ()
        if drafted.evidence.missing:
            return ()
        return parts.changed(request.frozen.parts, drafted.frozen.parts, complete=complete)

    def _void(self, request: PromotionRequest, cause: str, *, complete: bool) -> bool:
        """The ledger first, under a key of the cause: a crash in between repeats and doubles nothing."""
        now = self._with.clock.now()
        about = f"{request.model} version {request.version}"
        receipt = self._with.ledger.record_event(
            event="approval-void" if complete else "signatures-void",
            actor=None,
            model=request.model,
            detail={
                "request": request.request_id,
                "version": request.version,
                "cause": cause,
                "sentence": f"{'The approval' if complete else 'The signatures'} of {about} turned void. {cause}",
            },
            idem=f"void:{request.request_id}:{request.revision}:{short_digest(cause)}",
        )
        with self._with.units.write() as unit:
            current = known(unit, request.request_id)
            if current.revision != request.revision or current.state is not request.state or current.void_cause:
                return False
            unit.requests.void_decisions(request.request_id, reason=f"Void: {cause}", at=now)
            decisions = unit.requests.decisions(request.request_id)
            state = after(current.state, Step.VOID) if complete else current.state
            save(unit, replace(current, state=state, void_cause=cause), decisions)
            unit.requests.add_event(request.request_id, f"Signatures void. {cause}", seq=receipt.seq, at=now)
            if complete:
                stop_retirement(unit, request.request_id, why=f"Stopped: the approval turned void. {cause}")
                for action in unit.rollouts.open_actions(request.model):
                    if action.request_id == request.request_id:
                        intents.supersede(unit, self._with.desk, action, why="the approval turned void", at=now)
        return True

    def _leave_out(self, request: PromotionRequest, gone: list[tuple[DecisionRecord, str]]) -> bool:
        now = self._with.clock.now()
        with self._with.units.write() as unit:
            current = known(unit, request.request_id)
            if current.revision != request.revision or not rules.is_undecided(current):
                return False
            for item, cause in gone:
                leave_out(unit, self._with.desk, current, item, cause=cause, at=now)
            save(unit, current, unit.requests.decisions(request.request_id))
        return True
