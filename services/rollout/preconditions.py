"""Finds out what decides about a step of a release, and refuses the step with the sentence why not.

Asked once before a person signs and once more inside the transaction that records the signature. What comes from
outside the database (files, the copies of requests) is asked before, because a transaction waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, RefusalError, UnavailableError
from services.kernel.health import Health
from services.people.service import PeopleService
from services.rollout import conditions
from services.rollout.checklist import people_checks
from services.rollout.conditions import Facts
from services.rollout.ports import ApprovalStanding, RolloutUnit
from services.rollout.release_models import Check, Release, ReleaseState, SameDecision, ShadowComparison, StageRules
from services.rollout.release_ports import Armed, Frozen, ShadowFacts

Judgement = Callable[[str], SameDecision]
"""Model -> when two answers to one request count as the same decision."""


class PreconditionError(RefusalError):
    """A step of a release was asked for before everything it needs is there."""

    code = "precondition"


class FreezeError(PreconditionError):
    """A freeze window stands: nothing new goes live."""

    code = "freeze"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What was found out before the transaction."""

    standing: str = ""
    comparison: ShadowComparison | None = None
    comparison_problem: str = ""


class Preconditions:
    def __init__(
        self,
        *,
        people: PeopleService,
        inventory: InventoryService,
        armed: Armed,
        frozen: Frozen,
        standing: ApprovalStanding,
        shadow: ShadowFacts,
        stage_rules: Callable[[Release], StageRules],
        judgement: Judgement,
        clock: Clock,
    ) -> None:
        self._people = people
        self._inventory = inventory
        self._armed = armed
        self._frozen = frozen
        self._standing = standing
        self._shadow = shadow
        self._stage_rules = stage_rules
        self._judgement = judgement
        self._clock = clock

    def checklist(self, model: str, version: str) -> tuple[Check, ...]:
        """What has to be there before this version receives anything: people first, then what watches."""
        governed = self._inventory.model(model)
        return (*people_checks(governed, self._people.people()), *self._armed(model, version))

    def hindrance(self, model: str, version: str, *, first: bool) -> str:
        """What keeps an approved version from starting by itself; empty when nothing does.

        A first version of a model has no past that could be watched; its approval names the fallback instead.
        """
        frozen = self._frozen(model)
        if frozen:
            return f"Nothing new is released now: {frozen}."
        missing = () if first else self.checklist(model, version)
        return next((f"{item.title}: {item.sentence}" for item in missing if item.state is not Health.HEALTHY), "")

    def armed(self, model: str, version: str) -> tuple[Check, ...]:
        """What has to watch this version."""
        return self._armed(model, version)

    def rules(self, release: Release) -> StageRules:
        return self._stage_rules(release)

    def frozen(self, model: str) -> str:
        return self._frozen(model)

    def outside(self, release: Release, *, known: Outside | None = None) -> Outside:
        """Asks the files and the inference log. What could not be found out is said and never taken as yes.

        With `known` only the approval is asked again; the comparison of answers is taken from there.
        """
        try:
            standing = self._standing(release.model, release.candidate)
        except UnavailableError as away:
            standing = f"It could not be checked just now. {away.message}"
        if known is not None:
            return replace(known, standing=standing)
        found = Outside(standing=standing)
        if release.shadow_since is None or release.base is None:
            return found
        same = self._judgement(release.model)
        try:
            comparison = self._shadow.compare(
                release.deployment,
                live=release.base,
                candidate=release.candidate,
                since=release.shadow_since,
                until=self._shadow_end(release),
                threshold=same.threshold,
                tolerance=same.tolerance,
            )
        except ControlRoomError as away:
            return replace(found, comparison_problem=away.message)
        return replace(found, comparison=replace(comparison, judged_by=same.sentence))

    def _shadow_end(self, release: Release) -> datetime:
        running = release.state in {ReleaseState.SHADOW, ReleaseState.PAUSED} and release.share == 0
        return self._clock.now() if running else release.stage_since

    def facts(self, unit: RolloutUnit, release: Release, outside: Outside) -> Facts:
        return Facts(
            now=self._clock.now(),
            checks=self.checklist(release.model, release.candidate),
            rules=self._stage_rules(release),
            frozen=self._frozen(release.model),
            standing=outside.standing or _revoked(unit, release),
            hindered=hindrances(unit, release.model, now=self._clock.now()),
            comparison=outside.comparison,
            comparison_problem=outside.comparison_problem,
            analysis=unit.releases.analysis(release.release_id),
        )

    def require(self, unit: RolloutUnit, release: Release, step: str, outside: Outside, *, reason: str = "") -> None:
        """Raises PreconditionError with the first sentence that stands in the way, FreezeError inside a window."""
        facts = self.facts(unit, release, outside)
        why = conditions.why_not(release, step, facts, low_evidence=reason)
        if not why:
            return
        if facts.frozen and facts.frozen in why:
            raise FreezeError(why, hint="A rollback is possible all the same.")
        raise PreconditionError(why, hint="The release page lists what is missing.")


def hindrances(unit: RolloutUnit, model: str, *, now: datetime) -> tuple[str, ...]:
    """What keeps anything new of this model from going live, whatever the release itself says."""
    found = [why] if (why := unit.rollouts.retiring(model)) else []
    found += unit.rollouts.overdue_reviews(model, now=now)
    row = unit.rollouts.deployment(model)
    if row is not None and row.barring:
        found.append(f"There is a change that nobody signed. {row.barring} Revert it or adopt it first.")
    if unit.rollouts.open_actions(model):
        found.append("Another action on this model is still running.")
    return tuple(found)


def _revoked(unit: RolloutUnit, release: Release) -> str:
    if release.candidate in unit.rollouts.revoked_versions(release.model):
        return f"The approval of version {release.candidate} was revoked."
    return ""
