"""What is checked before an action touches anything: signed record, approval, files, and what is there now."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from services.kernel.clock import Clock, from_utc_text
from services.kernel.errors import ArtifactMissingError, TrustError, UnknownModelError, UnknownVersionError
from services.rollout import plan
from services.rollout.intents import ALIAS, TAG, mirror_document, routes_document
from services.rollout.models import Action, ActionKind, ActionState
from services.rollout.ports import AliasRegistry, ApprovalStanding, Attestations, RolloutUnits, ServingPlatform
from services.rollout.stops import Halt

_RESTS_ON_APPROVAL = {ActionKind.SHADOW, ActionKind.START, ActionKind.ADVANCE, ActionKind.ADOPT}
_MOVES_FORWARD = {ActionKind.SHADOW, ActionKind.START, ActionKind.ADVANCE, ActionKind.EMERGENCY}


class Checks:
    """A rollback or an abort is checked for its signatures alone: nothing else may hold it up."""

    def __init__(
        self,
        *,
        units: RolloutUnits,
        serving: ServingPlatform,
        registry: AliasRegistry,
        attestations: Attestations,
        standing: ApprovalStanding,
        clock: Clock,
        note: Callable[[Action, str, str], None],
    ) -> None:
        self._units = units
        self._serving = serving
        self._registry = registry
        self._attestations = attestations
        self._standing = standing
        self._clock = clock
        self._note = note

    def require_allowed(self, action: Action) -> None:
        """Raises Halt when the action must end here, UnavailableError when something could not be found out."""
        self._verify(action)
        if action.kind in {ActionKind.ROLLBACK, ActionKind.ABORT}:
            return
        self._require_in_service(action)
        if action.kind in _RESTS_ON_APPROVAL:
            self._require_standing(action)
        self._rehash(action)
        if action.kind in _MOVES_FORWARD:
            self._expect_routes(action)
        if action.moves_traffic:
            self._expect_alias(action)

    def _verify(self, action: Action) -> None:
        """The signed entries are read back: the queue row alone allows nothing."""
        try:
            predicate = self._attestations.require_valid(action.seq_intent, action.leaf_intent)
            for seq, leaf in action.decisions:
                self._attestations.require_valid(seq, leaf)
        except TrustError as wrong:
            raise Halt(ActionState.FAILED, f"The signed record does not allow this. {wrong.message}") from wrong
        to = predicate.get("to") or {}
        signed = (
            predicate.get("id"),
            predicate.get("kind"),
            predicate.get("routes"),
            predicate.get("champion"),
            (predicate.get("from") or {}).get("version"),
            to.get("version"),
            to.get("digest"),
            predicate.get("mirror"),
        )
        asked = (
            action.action_id,
            action.kind.value,
            routes_document(action.routes),
            action.champion,
            action.from_version or "",
            action.to_version,
            {"sha256": action.manifest_sha256},
            mirror_document(action),
        )
        if signed != asked:
            raise Halt(ActionState.FAILED, "The queued action differs from the signed one; nothing was changed.")
        # The service's key alone must not break the glass: an entry that names a signer carries his signature too.
        if action.kind is ActionKind.EMERGENCY and ("emergency" not in predicate or predicate.get("signer") is None):
            raise Halt(ActionState.FAILED, "Nobody on call signed this release; nothing was changed.")
        forward = action.kind not in {ActionKind.ROLLBACK, ActionKind.ABORT}
        if forward and self._clock.now() > from_utc_text(str(predicate["notAfter"])):
            raise Halt(ActionState.FAILED, "The order was signed too long ago to be carried out; nothing was changed.")
        n = len(action.decisions)
        self._note(action, "verified", f"Signed intent in entry {action.seq_intent} and its {n} decisions checked.")

    def _require_in_service(self, action: Action) -> None:
        """Ordered before the model was retired, and carried out after: it ends here."""
        with self._units.read() as unit:
            why = unit.rollouts.retiring(action.model)
        if why:
            raise Halt(ActionState.FAILED, f"{why} Traffic was not changed.")

    def _require_standing(self, action: Action) -> None:
        reason = self._standing(action.model, action.to_version)
        if reason:
            raise Halt(
                ActionState.FAILED,
                f"The approval of version {action.to_version} does not stand any more. {reason} It goes no further.",
            )
        self._note(action, "approval", f"The approval of version {action.to_version} stands.")

    def _rehash(self, action: Action) -> None:
        try:
            found = hashlib.sha256(self._registry.manifest(action.model, action.to_version)).hexdigest()
        except ArtifactMissingError as gone:
            raise Halt(ActionState.FAILED, f"{gone.message} Nothing was changed.") from gone
        except (UnknownVersionError, UnknownModelError) as gone:
            raise Halt(
                ActionState.FAILED,
                f"Version {action.to_version} does not exist in the registry any more. Nothing was changed.",
            ) from gone
        if found != action.manifest_sha256:
            raise Halt(
                ActionState.FAILED,
                f"The files of version {action.to_version} are not the ones that were approved "
                f"({found[:12]} instead of {action.manifest_sha256[:12]}). Nothing was changed.",
            )
        self._note(action, "rehashed", f"Files of version {action.to_version} are the approved ones ({found[:12]}).")

    def _expect_routes(self, action: Action) -> None:
        """What serves must still be what was signed last: a change made outside is never covered up by the next one."""
        with self._units.read() as unit:
            row = unit.rollouts.deployment(action.model)
        if row is None or not row.desired:
            return
        observed = self._serving.observe(action.deployment)
        if observed.op == action.action_id or dict(observed.routes) == dict(row.desired):
            return
        raise Halt(
            ActionState.CONFLICT,
            f"{plan.words(observed.routes)} is served instead of {plan.words(row.desired)}: "
            "somebody changed it outside. Nothing was overwritten.",
        )

    def _expect_alias(self, action: Action) -> None:
        try:
            alias = self._registry.alias_target(action.model, ALIAS)
        except (UnknownModelError, UnknownVersionError):
            alias = None
        # Named by hand before anything was signed, and now approved: there is nothing that this would cover up.
        first = action.from_version is None and alias == action.champion
        if alias == action.from_version or first or self._already_moved(action, alias):
            return
        raise Halt(
            ActionState.CONFLICT,
            f"Alias `{ALIAS}` points at {alias or 'nothing'} instead of {action.from_version or 'nothing'}: "
            "somebody changed it outside. Nothing was overwritten.",
        )

    def _already_moved(self, action: Action, alias: str | None) -> bool:
        if alias != action.champion:
            return False
        if action.kind in {ActionKind.REVERT, ActionKind.ADOPT}:
            return True  # where the alias should be, whoever put it there
        return self._registry.version_tag(action.model, action.champion, TAG) == action.action_id
