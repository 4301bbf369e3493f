"""Drawing a sample, finding it again, and looking at each item's completeness. A draw is a ledger entry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from services.attestation.models import Kind, Receipt
from services.audit import completeness, sampling
from services.audit.chronicle import Chronicle
from services.audit.completeness import Completeness, Shelf
from services.audit.history import Fact
from services.audit.sampling import EVENT, Frame, Population, Sample
from services.kernel.clock import Clock
from services.kernel.errors import InputError
from services.kernel.identity import Actor, Permission
from services.ledger.service import LedgerService
from services.people.service import PeopleService

_LARGEST_SEED = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawSample:
    """Command. Days are inclusive and in UTC."""

    command_id: str
    population: Population
    since: date
    until: date
    seed: int
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleView:
    sample: Sample
    items: tuple[Completeness, ...]
    """In rank order."""
    problem: str
    """Why the list drawn again differs from the recorded one, or empty."""


class SampleService:
    def __init__(
        self,
        *,
        chronicle: Chronicle,
        people: PeopleService,
        ledger: LedgerService,
        clock: Clock,
        shelf: Callable[[Fact], Shelf],
    ) -> None:
        """`shelf` finds what is kept about an entry outside the ledger."""
        self._chronicle = chronicle
        self._people = people
        self._ledger = ledger
        self._clock = clock
        self._shelf = shelf

    def draw(self, command: DrawSample, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError, InputError for a range, number or seed that makes no sense."""
        self._people.require(actor, Permission.DRAW_SAMPLE)
        if command.since > command.until:
            raise InputError("The first day lies after the last one.", hint="Exchange them.")
        if not 1 <= command.wanted <= sampling.LARGEST:
            raise InputError(f"A sample has 1 to {sampling.LARGEST} items.", hint="Choose another number.")
        if not 0 <= command.seed < _LARGEST_SEED:
            raise InputError("The seed is a whole number from 0 to 2^53.", hint="Choose another seed.")
        history = self._chronicle.history()
        frame = Frame(population=command.population, since=command.since, until=command.until, size=history.size)
        population = sampling.members(history, frame)
        if not population:
            raise InputError(
                f"There are no {command.population.value} from {command.since} to {command.until}.",
                hint="Choose a longer range.",
            )
        chosen = sampling.draw(population, seed=command.seed, wanted=command.wanted)
        sample = Sample(
            seq=-1,
            at=self._clock.now(),
            drawn_by=actor.name,
            frame=frame,
            seed=command.seed,
            wanted=command.wanted,
            entries=tuple(fact.seq for fact in chosen),
            population_count=len(population),
            population_sha256=sampling.digest(population),
        )
        digest = hashlib.sha256(
            f"{actor.issuer}\x1f{actor.subject}\x1f{command.command_id}".encode("utf-8", "surrogatepass")
        ).hexdigest()
        return self._ledger.record_event(
            event=EVENT, actor=actor, detail=sampling.detail_of(sample), idem=f"sample:{digest}"
        )

    def samples(self) -> tuple[Sample, ...]:
        """Every draw, newest first."""
        return tuple(sampling.sample_of(fact) for fact in reversed(self._chronicle.history().events(EVENT)))

    def sample(self, seq: int) -> SampleView:
        """One draw with its items, drawn again and compared. Raises InputError for an entry that is no draw."""
        history = self._chronicle.history()
        fact = history.entry(seq)
        if fact is None or fact.event != f"event:{EVENT}" or fact.void:
            raise InputError(f"Entry {seq} is not a sample.", hint="Choose one from the list.")
        sample = sampling.sample_of(fact)
        population = sampling.members(history, sample.frame)
        again = tuple(item.seq for item in sampling.draw(population, seed=sample.seed, wanted=sample.wanted))
        problem = ""
        if sampling.digest(population) != sample.population_sha256:
            problem = (
                f"The population is not the one of the draw: {len(population)} entries now, "
                f"{sample.population_count} then. Verify the ledger."
            )
        elif again != sample.entries:
            problem = "The same seed gives another list than the recorded one. Verify the ledger."
        found = (history.entry(number) for number in sample.entries)
        return SampleView(
            sample=sample,
            items=tuple(self.completeness(item.seq) for item in found if item is not None),
            problem=problem,
        )

    def completeness(self, seq: int) -> Completeness:
        """Which of the fourteen parts the record of one entry has. Raises InputError."""
        history = self._chronicle.history()
        fact = history.entry(seq)
        if fact is None:
            raise InputError(f"The ledger has no entry {seq} that can be read.", hint="Choose one from the list.")
        if fact.kind is Kind.ACTION:
            return completeness.of_action(history, fact, self._shelf(fact))
        return completeness.of_entry(history, fact, self._shelf(fact))
