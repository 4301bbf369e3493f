"""Keeping a model's record complete: fields, owners, use cases, reviews. Every change is an entry of the ledger.

Wiring: `StewardshipService(inventory=inventory, units=units, people=people, desk=signing, clock=clock)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory import changes, metadata, owners, reviews, vendors
from services.inventory.commands import AssignOwner, FillIn, MarkReviewed, RecordRelease, SaveUseCase
from services.inventory.governance import ReviewCall, UseCase
from services.inventory.models import GovernedModel, Owner
from services.inventory.ports import StewardshipUnits
from services.inventory.recording import Change, command_key, digest, record_change
from services.inventory.service import InventoryService
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import InputError
from services.kernel.identity import Actor, Permission
from services.ledger import events
from services.people.models import Person
from services.people.service import PeopleService

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_ID, _LONGEST_TITLE = 60, 200


class StewardshipService:
    def __init__(
        self,
        *,
        inventory: InventoryService,
        units: StewardshipUnits,
        people: PeopleService,
        desk: SigningDesk,
        clock: Clock,
    ) -> None:
        self._inventory = inventory
        self._units = units
        self._people = people
        self._desk = desk
        self._clock = clock

    # looking

    def completeness(self, model: str) -> metadata.Completeness:
        """Raises UnknownModelError."""
        return metadata.lint(self._inventory.model(model))

    def orphans(self, model: str = "") -> tuple[owners.Orphan, ...]:
        """Duties whose person is no longer active or holds no role; of every model when empty."""
        standing = {person.subject for person in self.candidates()}
        models = (self._inventory.model(model),) if model else self._inventory.models()
        return owners.orphans(models, stands=standing.__contains__)

    def candidates(self) -> tuple[Person, ...]:
        """People who may carry a duty, by name."""
        return tuple(person for person in self._people.people() if person.active and person.roles)

    # changing

    def fill_in(self, command: FillIn, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError (recorded), UnknownModelError, InputError, MissingReasonError."""
        self._people.require(actor, Permission.EDIT_METADATA)
        known = self._inventory.use_cases()
        return self._change(
            command.model,
            lambda model: changes.fill_in(model, command, by=actor.name, use_cases=known),
            actor=actor,
            idem=command_key("metadata", actor, command.command_id),
        )

    def assign_owner(self, command: AssignOwner, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError (recorded), UnknownModelError, InputError, MissingReasonError."""
        self._people.require(actor, Permission.ASSIGN_OWNER)
        person = self._person(command.subject)
        to = Owner(role=command.role, subject=person.subject, name=person.name)
        return self._change(
            command.model,
            lambda model: changes.assign(model, command, to=to, by=actor.name),
            actor=actor,
            idem=command_key("owner", actor, command.command_id),
        )

    def mark_reviewed(self, command: MarkReviewed, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError (recorded), UnknownModelError, MissingReasonError."""
        self._people.require(actor, Permission.REVIEW_MODEL)
        today = self._clock.now().date()
        return self._change(
            command.model,
            lambda model: changes.reviewed(model, command, by=actor.name, today=today),
            actor=actor,
            idem=command_key("review", actor, command.command_id),
        )

    def save_use_case(self, command: SaveUseCase, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError (recorded), InputError."""
        self._people.require(actor, Permission.EDIT_METADATA)
        item = self._use_case(command)
        idem = command_key("use-case", actor, command.command_id)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            is_known = any(other.id == item.id for other in unit.stewardship.use_cases())
            payload = events.payload(
                "use-case-changed" if is_known else "use-case-registered",
                actor=actor,
                model="",
                detail={
                    "useCase": item.id,
                    "title": item.title,
                    "purpose": item.purpose,
                    "owner": item.owner.subject if item.owner else "",
                    "sentence": f"{actor.name} {'changed' if is_known else 'wrote down'} the use case {item.title}.",
                },
                at=self._clock.now(),
                head=unit.ledger.head(),
            )
            receipt = unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)
            unit.stewardship.save_use_case(item)
            # Models show the title of their use case; it is the same words everywhere.
            for model in unit.stewardship.models_of(item.id):
                unit.stewardship.save(replace(model, use_case=item.title))
        return receipt

    def record_release(self, command: RecordRelease, *, actor: Actor) -> Receipt:
        """A release of a supplier's model. Raises RoleMissingError (recorded), UnknownModelError, InputError."""
        self._people.require(actor, Permission.EDIT_METADATA)
        model, now = self._inventory.model(command.model), self._clock.now()
        idem = command_key("vendor-release", actor, command.command_id)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            known = unit.stewardship.versions(model.name)
            version = vendors.release(model, command, known=known, by=actor.name, at=now)
            words = f"{actor.name} recorded version {version.version} of {model.name}. {version.description}"
            payload = events.payload(
                "vendor-release",
                actor=actor,
                model=model.name,
                detail={"version": version.version, "source": version.source, "sentence": words},
                at=now,
                head=unit.ledger.head(),
            )
            receipt = unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)
            unit.stewardship.add_version(version, at=now)
        return receipt

    def call_reviews(self, facts: Sequence[reviews.ReviewFact]) -> int:
        """Worker: models that something happened to are reviewed earlier; the number of models newly called."""
        today, count = self._clock.now().date(), 0
        for name in sorted({fact.model for fact in facts}):
            model = self._inventory.model(name)
            calls = reviews.calls_after(model, facts, today=today)
            new = [call for call in calls if call not in model.review_calls]
            if not new:
                continue
            words = " ".join(call.sentence for call in new)
            due = min(call.due for call in new)
            sentence = f"{name} is to be reviewed by {due:%d %b %Y}. {words}"
            known = ",".join(f"{call.kind}@{utc_text(call.at)}" for call in new)

            def change(
                before: GovernedModel, calls: tuple[ReviewCall, ...] = calls, sentence: str = sentence
            ) -> tuple[GovernedModel, str]:
                return replace(before, review_calls=calls), sentence

            idem = f"review-call:{digest(name, model.last_review.isoformat(), known)[:40]}"
            self._change(name, change, actor=None, idem=idem)
            count += 1
        return count

    def _change(self, name: str, change: Change, *, actor: Actor | None, idem: str) -> Receipt:
        known = self._inventory.model(name)
        with self._units.write() as unit:
            return record_change(
                unit, known=known, change=change, actor=actor, idem=idem, desk=self._desk, clock=self._clock
            )

    def _person(self, subject: str) -> Person:
        found = [person for person in self.candidates() if person.subject == subject]
        if len(found) != 1:
            raise InputError(
                f"{subject or 'Nobody'} is not an active person here.", hint="Name one person of the list."
            )
        return found[0]

    def _use_case(self, command: SaveUseCase) -> UseCase:
        title, purpose = command.title.strip(), command.purpose.strip()
        if not _ID.fullmatch(command.id) or len(command.id) > _LONGEST_ID:
            raise InputError(
                "The id of a use case is lower-case words joined by hyphens.", hint="For example delay-cover."
            )
        if not title or len(title) > _LONGEST_TITLE:
            raise InputError("A use case needs a short title.", hint=f"At most {_LONGEST_TITLE} characters.")
        if not changes.TEXT_MIN <= len(purpose) <= changes.TEXT_MAX:
            raise InputError("A use case needs its purpose in a sentence.", hint="Say what is decided, and for whom.")
        person = self._person(command.owner_subject)
        owner = Owner(role="business_owner", subject=person.subject, name=person.name)
        return UseCase(id=command.id, title=title, purpose=purpose, owner=owner)
