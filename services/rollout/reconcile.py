"""The sentinel: compares what the ledger last ordered with what is served and what the registry shows.

Each distinct difference becomes one observation entry, and its end another. Nothing is repaired here: a change made
outside is shown to people, who put it back or adopt it. What could not be read neither makes nor ends a finding.

Models for which nothing signed was ever carried out are compared, too: once a minute those that are served, and
governed ones with the alias in the copy of the registry. Finding them costs one statement and one request, however
many there are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.attestation import statement
from services.attestation.models import Kind, Receipt, Subject
from services.attestation.ports import SigningDesk
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import InputError, ServingUnavailableError, UnknownModelError
from services.rollout import plan
from services.rollout.differences import SOURCES, Copies, Ordered, Seen, Source, compare, never_ordered, still_standing
from services.rollout.intents import ALIAS, routes_document
from services.rollout.mirror_steps import mirrored
from services.rollout.models import Deployment, Observed, UnsignedChange
from services.rollout.orders import Orders
from services.rollout.ports import AliasRegistry, Attestations, RolloutStore, RolloutUnit, RolloutUnits, ServingPlatform
from services.rollout.registry_sight import RegistrySight
from services.rollout.release_models import Release

STRANGERS_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look at one model: what was ordered when it began, and what was seen."""

    row: Deployment
    ordered: Ordered | None
    observed: Observed | None
    problem: str
    seen: Seen
    moving: tuple[tuple[str, int], ...]
    """The releases on their way when the look began, each with its revision."""


class Reconciler:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        serving: ServingPlatform,
        inventory: InventoryService,
        registry: AliasRegistry,
        attestations: Attestations,
        desk: SigningDesk,
        clock: Clock,
    ) -> None:
        self._units = units
        self._serving = serving
        self._sight = RegistrySight(inventory=inventory, registry=registry)
        self._orders = Orders(attestations)
        self._inventory = inventory
        self._desk = desk
        self._clock = clock
        self._strangers_at: datetime | None = None

    def run(self) -> int:
        """Looks at every deployment; the number of models with a difference standing."""
        with self._units.read() as unit:
            rows = unit.rollouts.deployments()
        now, last = self._clock.now(), self._strangers_at
        if last is not None and timedelta() <= now - last < STRANGERS_EVERY:
            # Nothing of ours serves them, so nothing changes but the alias: with thousands of models that can wait.
            waits = [row.finding_kind == "alias" and not row.was_ordered for row in rows]
            return sum(is_waiting or self._one(row) for row, is_waiting in zip(rows, waits, strict=True))
        self._strangers_at = now
        strangers = self._strangers({row.model for row in rows})
        return sum(self._one(row) for row in rows) + sum(self._one(row, is_new=True) for row in strangers)

    def _strangers(self, known: Collection[str]) -> tuple[Deployment, ...]:
        """Models without a row that are served, or governed with an alias."""
        with self._units.read() as unit:
            kinds = dict(unit.rollouts.unordered(ALIAS))
        try:
            served = self._serving.deployments()
        except ServingUnavailableError:
            served = ()
        for name in {*served} - {*known} - kinds.keys():
            try:
                kinds[name] = self._inventory.model(name).kind.value
            except UnknownModelError:
                continue  # a deployment that is named like no model: nothing here could be asked for it
        return tuple(Deployment(model=name, deployment=name, kind=kind) for name, kind in sorted(kinds.items()))

    def _one(self, row: Deployment, *, is_new: bool = False) -> bool:
        look = self._look(row)
        with self._units.write() as unit:
            # Read again inside the transaction: an action may have begun or finished since.
            current = unit.rollouts.deployment(row.model) or (row if is_new else None)
            if current is None:
                return False
            fresh = not look.problem and current.observed_at == row.observed_at
            changed = current
            if fresh or look.problem:
                changed = replace(
                    current,
                    observed=look.observed,
                    observed_at=current.observed_at if look.problem or not look.observed else look.observed.at,
                    problem=look.problem,
                )
            if self._is_quiet(unit.rollouts, look, current):
                changed = self._judged(unit, changed, look, fresh=fresh)
            if changed != current and (not is_new or changed.finding_digest):
                unit.rollouts.save_deployment(changed, at=self._clock.now())
        return bool(changed.finding_digest)

    def _look(self, row: Deployment) -> _Look:
        observed, problem = row.observed, ""
        # Before the platform is asked: a release that moves while we look must not accuse anybody.
        with self._units.read() as unit:
            running = unit.releases.running_releases(row.model)
        try:
            observed = self._serving.observe(row.deployment)
        except (ServingUnavailableError, InputError) as away:
            # InputError: the platform knows no deployment of this name, or one that must not be touched.
            problem = away.message
        with self._units.read() as unit:
            ordered = self._orders.last(unit.rollouts, row.model)
            digests = unit.rollouts.manifests(row.model)
        seen = Seen(
            routes=observed.routes if observed and not problem else None,
            operation=observed.op if observed else "",
            digests=digests,
            copies=Copies(ordered=mirrored(running), there=observed.mirror)
            if observed and not problem and row.kind != "batch"
            else None,
        )
        seen = self._with_registry(row, ordered, seen) if ordered else self._with_alias(row, seen)
        moving = _revisions(running)
        return _Look(row=row, ordered=ordered, observed=observed, problem=problem, seen=seen, moving=moving)

    def _with_registry(self, row: Deployment, ordered: Ordered, seen: Seen) -> Seen:
        versions = [item.version for item in ordered.versions]
        copied = self._sight.copied(row.model, versions)
        batch, pending = row.kind == "batch", row.alias_pending
        suspects = copied is None or _of(
            Source.REGISTRY, compare(ordered, Seen(registry=copied), batch=batch, alias_pending=pending)
        )
        if suspects or _of(Source.REGISTRY, row.changes):
            copied = self._sight.asked(row.model, versions)
        return replace(seen, registry=copied)

    def _with_alias(self, row: Deployment, seen: Seen) -> Seen:
        """The registry is asked when the copy says something new, not once for each model at each look."""
        copied = self._sight.copied(row.model, ())
        standing = next((change.version for change in row.changes if change.kind == "alias"), None)
        if copied is not None and copied.alias != standing:
            copied = self._sight.asked(row.model, ())
        return replace(seen, registry=copied)

    def _is_quiet(self, rollouts: RolloutStore, look: _Look, current: Deployment) -> bool:
        """False while an action of ours is under way or was since the look began: then nothing can be compared."""
        if rollouts.open_actions(current.model) or current.epoch != look.row.epoch:
            return False
        return self._orders.last(rollouts, current.model) == look.ordered

    def _judged(self, unit: RolloutUnit, row: Deployment, look: _Look, *, fresh: bool) -> Deployment:
        seen = look.seen if fresh else replace(look.seen, routes=None, copies=None)
        if look.moving != _revisions(unit.releases.running_releases(row.model)):
            seen = replace(seen, copies=None)
        batch = row.kind == "batch"
        if look.ordered is not None:
            found = compare(look.ordered, seen, batch=batch, alias_pending=row.alias_pending)
        else:
            approved = unit.rollouts.approved_versions(row.model)
            alias = seen.registry.alias if seen.registry else None
            found = never_ordered(seen.routes, alias, approved=approved, batch=batch)
            if not look.moving:
                row = replace(row, problem="")  # nothing of ours was to be read back
        changes = still_standing(row.changes, found, read=_read(seen, look.ordered))
        if seen.registry is not None:
            row = replace(row, alias_champion=seen.registry.alias, alias_read_at=self._clock.now())
        if not changes:
            return self._ended(unit, row)
        digest = _digest(changes)
        if digest == row.finding_digest:
            return row
        receipt = self._observed(unit, row, changes, seen, digest)
        return replace(
            row,
            finding=f"{' '.join(change.sentence for change in changes)} (entry {receipt.seq})",
            finding_digest=digest,
            finding_kind=changes[0].kind,
            finding_since=row.finding_since if row.finding_digest else self._clock.now(),
            finding_seq=receipt.seq,
            finding_leaf=receipt.leaf_hash,
            changes=changes,
        )

    def _observed(
        self, unit: RolloutUnit, row: Deployment, changes: tuple[UnsignedChange, ...], seen: Seen, digest: str
    ) -> Receipt:
        predicate = {
            "model": row.model,
            "aliases": {f"{row.model}@{ALIAS}": seen.registry.alias or ""} if seen.registry else {},
            "routes": routes_document(seen.routes or ()),
            "detail": {
                "desired": plan.words(row.desired),
                "kind": changes[0].kind,
                "by": " ".join(dict.fromkeys(change.by for change in changes if change.by)),
            },
            "finding": " ".join(change.sentence for change in changes),
        }
        return self._append(unit, row, predicate, digest, idem=f"observation:{row.model}:{row.finding_round}:{digest}")

    def _ended(self, unit: RolloutUnit, row: Deployment) -> Deployment:
        """Findings of failed actions carry no digest and stay until the next action; ours end by comparison."""
        if not row.finding_digest:
            return row
        sentence = f"What was different is as signed again; the observation in entry {row.finding_seq} ends."
        predicate = {
            "model": row.model,
            "detail": {"closes": str(row.finding_seq), "desired": plan.words(row.desired), "sentence": sentence},
        }
        idem = f"observation:{row.model}:{row.finding_round}:ended"
        self._append(unit, row, predicate, row.finding_digest, idem=idem)
        return replace(
            row,
            finding="",
            finding_digest="",
            finding_kind="",
            finding_since=None,
            finding_seq=None,
            finding_leaf="",
            finding_round=row.finding_round + 1,
            changes=(),
        )

    def _append(
        self, unit: RolloutUnit, row: Deployment, predicate: Mapping[str, object], digest: str, *, idem: str
    ) -> Receipt:
        payload = statement.build(
            Kind.OBSERVATION,
            subjects=(Subject(name=f"deployment:/{row.deployment}", sha256=digest),),
            predicate=dict(predicate),
            at=self._clock.now(),
            head=unit.ledger.head(),
        )
        return unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)


def _digest(changes: tuple[UnsignedChange, ...]) -> str:
    """Of what is different, not of who is named: the same difference is one finding."""
    return hashlib.sha256(json.dumps([(item.kind, item.signed, item.there) for item in changes]).encode()).hexdigest()


def _revisions(running: tuple[Release, ...]) -> tuple[tuple[str, int], ...]:
    return tuple((item.release_id, item.revision) for item in running)


def _of(source: Source, changes: tuple[UnsignedChange, ...]) -> bool:
    return any(SOURCES[change.kind] is source for change in changes)


def _read(seen: Seen, ordered: Ordered | None) -> set[Source]:
    found = {Source.RECORD}
    if seen.routes is not None:
        found.add(Source.PLATFORM)
    if seen.copies is not None:
        found.add(Source.COPIES)
    if seen.registry is not None:
        found.add(Source.REGISTRY)
    if ordered is None or all(seen.digests.get(item.version) for item in ordered.versions):
        found.add(Source.FILES)
    return found
