"""Keeps the newest checkpoint in registry tags and holds the log to what comes back. Runs in the worker.

Each round asks the registry itself first: a database that was restored brings back an older copy of the tags, and only
the registry still knows better. Nothing is written over a tag before what was found there is in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress

from services.attestation.canonical import sha256_hex
from services.kernel.clock import Clock
from services.kernel.errors import RegistryUnavailableError, UnknownVersionError
from services.ledger import note
from services.ledger.ports import CheckpointSigner, LedgerReader, ReadTag, RegistryAnchorStore, RegistryTags, TagPlace
from services.ledger.registry_anchors import CHECKPOINT_TAG, RegistryAnchors, TagProblem
from services.ledger.service import LedgerService

EVENT = "registry-anchor-differs"
_LONGEST_KEPT = 400
"""Characters of a tag that are copied: more than twice a checkpoint, so a longer text stays unreadable."""

Places = Callable[[], Iterable[TagPlace]]


class RegistryAnchoring:
    def __init__(
        self,
        *,
        registry: RegistryTags,
        store: RegistryAnchorStore,
        anchors: RegistryAnchors,
        ledger: LedgerService,
        book: LedgerReader,
        keys: CheckpointSigner,
        places: Places,
        clock: Clock,
    ) -> None:
        """`places` names every model that has a release, and its versions that serve."""
        self._registry = registry
        self._store = store
        self._anchors = anchors
        self._ledger = ledger
        self._book = book
        self._keys = keys
        self._places = places
        self._clock = clock

    def run(self) -> int:
        """Reads every tag back, then writes the newest checkpoint where it is not yet; the size written, or 0.

        Raises RegistryUnavailableError (which is remembered for readers, and holds up nothing else), BrokenChainError
        when a tag vouches for entries the database does not hold, TrustError, StorageUnavailableError.
        """
        self.compare()
        if self._is_news(self._anchors.standing().problems):
            # People see it before it is put right: the next round writes.
            return 0
        return self._write()

    def compare(self) -> None:
        """Reads every tag from the registry itself and holds the log to them. Raises as `run`."""
        self._read()
        self._ledger.require_trustworthy()

    def run_after_outcome(self) -> int:
        """As `run`, when a change of traffic ended since the newest anchoring; otherwise nothing is asked."""
        outcome = self._store.newest_outcome()
        if outcome is None or outcome < max(self._store.anchored().values(), default=0):
            return 0
        return self.run()

    def _read(self, written: Iterable[TagPlace] = ()) -> None:
        try:
            found = self._asked(frozenset(written))
        except RegistryUnavailableError as away:
            self._store.keep_problem(away.message, at=self._clock.now())
            raise
        self._store.keep_copy(found, at=self._clock.now())

    def _asked(self, written: frozenset[TagPlace]) -> tuple[ReadTag, ...]:
        # All models, not only those the database knows: an older database knows fewer.
        found = {
            TagPlace(model=model, version=version): text for model, version, text in self._registry.tags(CHECKPOINT_TAG)
        }
        tags = [ReadTag(place=place, text=text[:_LONGEST_KEPT]) for place, text in sorted(found.items())]
        # Asked one by one before anybody is told that it is missing: some registries leave tags out of lists.
        expected = self._store.anchored().keys() | written
        return (*tags, *(self._asked_at(place) for place in sorted(expected - found.keys())))

    def _asked_at(self, place: TagPlace) -> ReadTag:
        try:
            text = self._tag(place)
        except UnknownVersionError:
            return ReadTag(place=place, text=None, gone=True)
        return ReadTag(place=place, text=None if text is None else text[:_LONGEST_KEPT])

    def _tag(self, place: TagPlace) -> str | None:
        if place.version:
            return self._registry.version_tag(place.model, place.version, CHECKPOINT_TAG)
        return self._registry.model_tag(place.model, CHECKPOINT_TAG)

    def _is_news(self, problems: tuple[TagProblem, ...]) -> bool:
        """Puts what differs into the ledger, each difference once; True when it was not there before."""
        recorded = self._store.anchored()
        receipts = []
        for item in problems:
            seen = json.dumps([item.place.model, item.place.version, item.text, recorded.get(item.place, 0)])
            receipts.append(
                self._ledger.record_event(
                    event=EVENT,
                    actor=None,
                    model=item.place.model,
                    detail={"sentence": item.sentence},
                    idem=f"registry-anchor:{sha256_hex(seen.encode())}",
                )
            )
        return any(not receipt.repeated for receipt in receipts)

    def _write(self) -> int:
        newest, places = self._book.checkpoint(), sorted(set(self._places()))
        if newest is None or not places:
            return 0
        size, recorded = note.read(newest).size, self._store.anchored()
        if all(recorded.get(place, 0) >= size for place in places):
            return 0
        line = note.compact(newest, origin=self._keys.origin)
        written = tuple(place for place in places if self._wrote(place, line))
        if not written:
            return 0
        self._read(written)
        kept = {tag.place for tag in self._store.copy().tags if tag.text == line}
        if not kept.issuperset(written):
            lost = ", ".join(str(place) for place in written if place not in kept)
            raise RegistryUnavailableError(f"The registry did not keep the anchor of {lost}; it is written again.")
        self._store.add(size=size, places=written, note=newest, at=self._clock.now())
        return size

    def _wrote(self, place: TagPlace, line: str) -> bool:
        """False for what was deleted: the other places still vouch, and the deletion is a finding of its own."""
        with suppress(UnknownVersionError):
            if place.version:
                self._registry.set_version_tag(place.model, place.version, CHECKPOINT_TAG, line)
            else:
                self._registry.set_model_tag(place.model, CHECKPOINT_TAG, line)
            return True
        return False
