"""The demonstration people doing their work through the services, at the replay clock's time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from services.approvals.models import Decision, Purpose, QueueRow, RequestState, SignOff, SubmitRequest
from services.container import ControlRoom
from services.evaluation.harness.models import RunState, StartEvaluation
from services.kernel.clock import FrozenClock
from services.kernel.errors import ControlRoomError, RefusalError
from services.kernel.identity import Actor
from services.kernel.ids import new_id
from services.kernel.secret import Secret
from services.rollout.models import Advance, RollBack
from services.rollout.release_models import StepCommand

logger = logging.getLogger(__name__)

DANA, VERA, BEN, CLARA, SAM = "dana.datascience", "vera.validator", "ben.business", "clara.compliance", "sam.sre"
CARL, VIKTOR = "carl.compliance", "viktor.validator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    room: ControlRoom
    clock: FrozenClock
    settle: Callable[[], None]
    """Runs the outbox until nothing is pending; raises when an action fails."""
    measure: Callable[[str], None]
    """Judges the running release of a model by what was replayed, and keeps that look."""

    def evaluate(self, model: str, version: str) -> None:
        """Dana has the version measured, unless it was. The worker's part is done here: nothing else runs yet."""
        known = self.room.harness.latest(model, version)
        if known is not None and known.state is RunState.DONE:
            return
        command = StartEvaluation(command_id=self.command(), model=model, version=version)
        run_id = self.room.harness.start(command, actor=self.actor(DANA))
        self.room.harness.work()
        ended = self.room.harness.state(run_id)
        if ended.state is not RunState.DONE:
            raise ControlRoomError(f"{model} version {version} could not be evaluated in the story. {ended.error}")
        self.clock.set(self.clock.now() + timedelta(seconds=1))

    def request(self, model: str, version: str, note: str, purpose: Purpose = Purpose.PROMOTION) -> None:
        self.evaluate(model, version)
        actor = self.actor(DANA)
        draft = self.room.approvals.draft(model, version, actor=actor, purpose=purpose)
        self.room.approvals.submit(
            SubmitRequest(
                command_id=self.command(),
                model=model,
                version=version,
                note=note,
                seen_evidence=draft.evidence_sha256,
                passphrase=self.passphrase(DANA),
                purpose=purpose,
            ),
            actor=actor,
        )

    def try_request(self, model: str, version: str, note: str) -> None:
        """A request that the gates refuse; the refusal is recorded. Anything but a refusal is an error."""
        try:
            self.request(model, version, note)
        except RefusalError as refused:
            logger.info("refused as expected: %s", refused.message)
            return
        raise ControlRoomError(f"{model} version {version} should have been refused by its gates and was not.")

    def validate(self, model: str, version: str) -> None:
        self.decide(VERA, model, version, Decision.APPROVE, comment="Metrics recomputed on the holdout; they agree.")

    def acknowledge(self, model: str, version: str) -> None:
        """Does nothing where the tier's policy asks for no acknowledgement."""
        self.decide(BEN, model, version, Decision.ACKNOWLEDGE, comment="Benefit and limits are understood.")

    def approve(self, model: str, version: str) -> None:
        self.decide(CLARA, model, version, Decision.APPROVE, comment="Evidence complete; limits of use are stated.")

    def decide(
        self, subject: str, model: str, version: str, decision: Decision, *, reason: str = "", comment: str = ""
    ) -> None:
        actor = self.actor(subject)
        request_id = self.waiting_request(model, version).request_id
        view = self.room.approvals.get(request_id, actor=actor)
        if decision not in view.allowed and decision in {Decision.APPROVE, Decision.ACKNOWLEDGE}:
            return  # this tier's quorum does not ask this role
        review = self.room.approvals.open_review(request_id, actor=actor)
        self.room.approvals.sign_off(
            SignOff(
                command_id=self.command(),
                request_id=request_id,
                decision=decision,
                reason_code=reason,
                comment=comment,
                challenge=review.challenge,
                passphrase=self.passphrase(subject),
            ),
            actor=actor,
        )
        self.settle()

    def withdraw(self, model: str, version: str, comment: str) -> None:
        self.decide(DANA, model, version, Decision.WITHDRAW, reason="OTHER", comment=comment)

    def take(self, model: str, step: str) -> None:
        """One step of the release on its way, signed by Sam."""
        actor = self.actor(SAM)
        view = self.room.releases.view(model)
        if view is None:
            raise ControlRoomError(f"No release of {model} is on its way in the story.")
        self.room.releases.take(
            StepCommand(
                command_id=self.command(),
                model=model,
                release_id=view.release.release_id,
                step=step,
                reason="",
                challenge=self.room.releases.plan(step, model, actor=actor),
                passphrase=self.passphrase(SAM),
            ),
            actor=actor,
        )
        self.settle()

    def advance(self, model: str, share: int) -> None:
        """The hours of the replay are sparse, so the analysis rarely decides: Sam signs why that is enough."""
        self.measure(model)
        actor = self.actor(SAM)
        self.room.rollout.advance(
            Advance(
                command_id=self.command(),
                model=model,
                share=share,
                challenge=self.room.rollout.plan_advance(model, actor=actor),
                passphrase=self.passphrase(SAM),
                reason="A day at this share, and the shadow run agreed; traffic is too low for the tests to decide.",
            ),
            actor=actor,
        )
        self.settle()

    def roll_back(self, model: str, target: str, reason_code: str, reason: str) -> None:
        actor = self.actor(SAM)
        plan = self.room.rollout.plan_rollback(model, actor=actor)
        self.room.rollout.roll_back(
            RollBack(
                command_id=self.command(),
                model=model,
                target=target,
                reason_code=reason_code,
                reason=reason,
                model_confirmation=model,
                challenge=plan.challenge,
                passphrase=self.passphrase(SAM),
            ),
            actor=actor,
        )
        self.settle()

    def waiting_request(self, model: str, version: str) -> QueueRow:
        waiting = [
            row
            for row in self.room.approvals.requests_of(model)
            if row.version == version and row.state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}
        ]
        if not waiting:
            raise ControlRoomError(f"No open request for {model} version {version} in the story.")
        return waiting[0]

    def actor(self, subject: str) -> Actor:
        return self.room.people.sign_in_demo(subject)

    def passphrase(self, subject: str) -> Secret:
        accounts = {account.subject: account.passphrase for account in self.room.people.demo_accounts()}
        return Secret(accounts[subject])

    def command(self) -> str:
        return new_id("cmd", self.clock.now())
