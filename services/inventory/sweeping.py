"""Copying a registry of thousands of models: list, then read what changed, then what was not read for long.

A list of the platform says when a model last changed, and is not trusted with more than that: whether setting an alias
counts as a change is undocumented. So every model is read again after `full_every` even when nothing is said to have
changed. Of models that somebody governs the head is read in every sweep (aliases, tags, deployment job: one request),
and everything when that differs from what is kept, or after `GOVERNED_EVERY`: tags of a version set outside, which no
head shows, are found after that at the latest. Each batch is stored with its marks in one transaction: a
sweep that is killed goes on where it was, and reads nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from services.inventory.models import ModelVersion
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, InputError, UnavailableError, UnknownModelError

T = TypeVar("T")
LONGEST_NAME = 200
"""Characters of a name that the copy can hold."""
FULL_EVERY = timedelta(hours=6)
GOVERNED_EVERY = timedelta(minutes=10)
"""Versions of a governed model are read again after so long though its head is as before: 2 + versions requests."""
_BATCH = 25
_READERS = 8
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the registry's list. `mark` differs when the registry says that the model changed."""

    name: str
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What one request tells about a model."""

    aliases: tuple[tuple[str, str, str], ...]
    """(model, alias, version), in order."""
    tags: tuple[tuple[str, str], ...] = ()
    deployment_job: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One model as it was read, with all its versions."""

    name: str
    versions: tuple[ModelVersion, ...]
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the copy remembers about a model it has."""

    mark: str
    read_at: datetime | None
    error: str = ""
    """Why the last attempt to read it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How complete the copy is: every number is counted, none is inferred from a sweep that went well."""

    models: int
    read: int
    failing: int
    oldest_reading: datetime | None
    """When the model that was not read for longest was read; None when one was never read, or there is none."""
    due: int = 0
    """Were read, and so long ago that they are to be read again."""
    named: tuple[str, ...] = ()
    """The first of those that could not be read at the last try, by name."""

    @property
    def never_read(self) -> int:
        return self.models - self.read


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    complete: bool
    """Everything that is listed and due was read."""
    read: int
    gone: int
    error: str = ""


class SweptRegistry(Protocol):
    """A registry that can be read model by model. Every method raises RegistryUnavailableError."""

    def listed(self) -> tuple[Listed, ...]: ...

    def read_model(self, name: str, known: Mapping[str, ModelVersion]) -> Reading:
        """`known` are versions as they were read before. Raises UnknownModelError when the model is gone."""
        ...

    def head(self, name: str) -> Head:
        """Raises UnknownModelError when the model is gone."""
        ...

    def exists(self, name: str) -> bool: ...


class SweepStore(Protocol):
    """Where marks and readings are kept. Every method raises StorageUnavailableError."""

    def kept(self) -> Mapping[str, Kept]:
        """By name, without those that are gone."""
        ...

    def watched(self) -> frozenset[str]:
        """Models that somebody governs."""
        ...

    def heads(self, names: tuple[str, ...]) -> Mapping[str, Head]:
        """As last read; without those that were never read."""
        ...

    def known_versions(self, names: tuple[str, ...]) -> Mapping[str, Mapping[str, ModelVersion]]: ...

    def note(self, listed: tuple[Listed, ...]) -> None:
        """Remembers names that were never seen before, unread."""
        ...

    def take(self, readings: tuple[tuple[Reading, str], ...], at: datetime) -> None:
        """Stores readings with their marks, in one transaction."""
        ...

    def fail(self, errors: Mapping[str, str]) -> None: ...

    def lose(self, names: tuple[str, ...], at: datetime) -> None:
        """Marks models and their versions as gone."""
        ...

    def coverage(self, *, due_before: datetime) -> Coverage: ...

    def reading(self, name: str) -> Kept | None:
        """What is remembered about one model; None for one that is not in the list, or gone."""
        ...


def due(
    listed: Iterable[Listed], kept: Mapping[str, Kept], *, watched: frozenset[str], now: datetime, full_every: timedelta
) -> tuple[Listed, ...]:
    """What has to be read whole now: governed models first, then changed ones, then those not read for longest."""
    found = []
    for item in listed:
        before = kept.get(item.name)
        read_at = before.read_at if before is not None else None
        changed = before is None or read_at is None or before.mark != item.mark or bool(before.error)
        every = min(GOVERNED_EVERY, full_every) if item.name in watched else full_every
        old = read_at is not None and now - read_at >= every
        if changed or old:
            rank = 0 if item.name in watched else 1 if changed else 2
            found.append(((rank, read_at.timestamp() if read_at is not None else 0.0, item.name), item))
    return tuple(item for _, item in sorted(found, key=lambda pair: pair[0]))


def refused_listing(listed: tuple[Listed, ...], kept: Mapping[str, Kept]) -> str:
    """Why a list is not believed, or an empty text. A right that was taken away looks like an empty registry."""
    if listed or not kept:
        return ""
    return f"The registry lists no model at all, and {len(kept):,} were known; the list is not believed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    registry: SweptRegistry
    store: SweepStore
    clock: Clock
    full_every: timedelta = FULL_EVERY
    limit: timedelta = timedelta(minutes=10)
    """After so long the sweep stops between two batches; the next one goes on."""
    after_batch: Callable[[], None] = lambda: None

    def run(self) -> Swept:
        """One sweep. Never raises what the registry does; StorageUnavailableError passes."""
        began = self.clock.now()
        try:
            listed = self.registry.listed()
        except UnavailableError as away:
            return Swept(complete=False, read=0, gone=0, error=str(away))
        kept = self.store.kept()
        unbelieved = refused_listing(listed, kept)
        if unbelieved:
            return Swept(complete=False, read=0, gone=0, error=unbelieved)
        self.store.note(tuple(item for item in listed if item.name not in kept and _fits(item.name)))
        read, failed = 0, {item.name[:60]: _TOO_LONG for item in listed if not _fits(item.name)}
        fitting = [item for item in listed if _fits(item.name)]
        watched = self.store.watched()
        waiting = due(fitting, kept, watched=watched, now=began, full_every=self.full_every)
        whole = {item.name for item in waiting}
        moved, errors, stop = self._moved(item for item in fitting if item.name in watched - whole)
        if stop:
            return Swept(complete=False, read=read, gone=0, error=stop)
        waiting, failed = (*moved, *waiting), failed | errors
        for batch in _batches(waiting):
            if self.clock.now() - began > self.limit:
                return Swept(complete=False, read=read, gone=0, error=_words(failed))
            done, errors, stop = self._read(batch)
            self.store.take(done, self.clock.now())
            read += len(done)
            failed |= errors
            self.store.fail(errors)
            self.after_batch()
            if stop:
                return Swept(complete=False, read=read, gone=0, error=stop)
        gone, unclear = self._missing(kept, {item.name for item in listed})
        error = unclear or _words(failed)
        return Swept(complete=not error, read=read, gone=gone, error=error)

    def coverage(self) -> Coverage:
        return self.store.coverage(due_before=self.clock.now() - self.full_every)

    def _moved(self, items: Iterable[Listed]) -> tuple[tuple[Listed, ...], dict[str, str], str]:
        """(models whose head is not as kept, what could not be read, why to stop)."""
        moved, failed = list[Listed](), dict[str, str]()
        for batch in _batches(tuple(items)):
            kept = self.store.heads(tuple(item.name for item in batch))
            done, errors, stop = self._asked(batch, self.registry.head)
            moved += [item for item, head in done if kept.get(item.name) != head]
            failed |= errors
            self.store.fail(errors)
            if stop:
                return (), failed, stop
        return tuple(moved), failed, ""

    def _read(self, batch: tuple[Listed, ...]) -> tuple[tuple[tuple[Reading, str], ...], dict[str, str], str]:
        """(what was read with its mark, what could not be, why to stop)."""
        known = self.store.known_versions(tuple(item.name for item in batch))
        done, errors, stop = self._asked(batch, lambda name: self.registry.read_model(name, known.get(name, {})))
        return tuple((reading, item.mark) for item, reading in done), errors, stop

    def _asked(
        self, batch: tuple[Listed, ...], ask: Callable[[str], T]
    ) -> tuple[tuple[tuple[Listed, T], ...], dict[str, str], str]:
        """(answers, what could not be read, why to stop)."""
        done, errors = list[tuple[Listed, T]](), dict[str, str]()
        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            pending = [(item, pool.submit(ask, item.name)) for item in batch]
            for item, answer in pending:
                try:
                    done.append((item, answer.result()))
                except UnknownModelError:
                    continue  # deleted since the list was made; the next list will not hold it
                except (UnavailableError, InputError) as away:
                    errors[item.name] = str(away)
        # One that fails is that model's; a whole batch is the platform's.
        all_fail = len(errors) == len(batch) >= _NAMED
        stop = next(iter(errors.values())) if all_fail else ""
        return tuple(done), errors, stop

    def _missing(self, kept: Mapping[str, Kept], seen: set[str]) -> tuple[int, str]:
        """Models that are not listed any more are asked for by name: pages may skip a line while others are added."""
        gone = []
        for name in sorted(set(kept) - seen):
            try:
                if not self.registry.exists(name):
                    gone.append(name)
            except ControlRoomError as away:
                self.store.lose(tuple(gone), self.clock.now())
                return len(gone), f"{name} is not listed any more, and it is not clear whether it exists. {away}"
        self.store.lose(tuple(gone), self.clock.now())
        return len(gone), ""


_TOO_LONG = f"Its name has more than {LONGEST_NAME} characters and cannot be kept."


def _fits(name: str) -> bool:
    return len(name) <= LONGEST_NAME


def _batches(items: tuple[Listed, ...]) -> Iterator[tuple[Listed, ...]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def _words(failed: Mapping[str, str]) -> str:
    if not failed:
        return ""
    named = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:_NAMED])
    more = f", and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return f"{len(failed)} models could not be read ({named}{more})."
