"""Checkpoints that come back from registry tags, as the worker last read them, and what is wrong with them.

A tag counts only when the log's own key signed it. The copy lies in the database and is as old as the database:
whoever restores an older one restores the copy too, so the worker compares with the registry itself each round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.attestation import envelope, statement
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import SignatureMismatchError, TrustError
from services.ledger import epochs, note
from services.ledger.ports import CheckpointSigner, LedgerReader, ReadTag, RegistryAnchorStore, TagPlace
from services.ledger.vouching import vouched

CHECKPOINT_TAG = "countersign.checkpoint"
STALE = timedelta(minutes=15)
"""Three rounds of the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagProblem:
    place: TagPlace
    text: str
    sentence: str
    grave: bool = True
    """False for what needs to be known without being wrong: a version that was deleted took its tag along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryStanding:
    notes: tuple[tuple[int, str], ...]
    """(size, note) of tags the log key signed, smallest first; one per tag."""
    problems: tuple[TagProblem, ...]
    compared_at: datetime | None
    not_compared: str
    """Why the tags could not be compared, and since when; empty when they were."""


NO_REGISTRY = RegistryStanding(notes=(), problems=(), compared_at=None, not_compared="")


class RegistryAnchors:
    """Implements ledger.ports.AnchorReader on the copy of the tags; the registry itself is never asked here."""

    def __init__(self, *, store: RegistryAnchorStore, book: LedgerReader, keys: CheckpointSigner, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._keys = keys
        self._clock = clock

    def notes(self) -> tuple[tuple[int, str], ...]:
        return self._judged(self._store.copy().tags, {})[0]

    def standing(self) -> RegistryStanding:
        """Every tag of the copy, against the log key and against what was recorded. Raises StorageUnavailableError."""
        # What was recorded is read first: tags are copied before they are recorded, so it never runs ahead.
        recorded, copy = self._store.anchored(), self._store.copy()
        notes, problems = self._judged(copy.tags, recorded)
        if copy.read_at is not None:
            unseen = recorded.keys() - {tag.place for tag in copy.tags}
            problems += [_problem(ReadTag(place=place, text=None), recorded[place]) for place in sorted(unseen)]
        return RegistryStanding(
            notes=notes,
            problems=tuple(problems),
            compared_at=copy.read_at,
            not_compared=self._not_compared(copy.read_at, copy.problem, wanted=bool(recorded)),
        )

    def _judged(
        self, tags: tuple[ReadTag, ...], recorded: Mapping[TagPlace, int]
    ) -> tuple[tuple[tuple[int, str], ...], list[TagProblem]]:
        notes: list[tuple[int, str]] = []
        problems: list[TagProblem] = []
        for tag in tags:
            written = recorded.get(tag.place, 0)
            if tag.text is None:
                problems.append(_problem(tag, written))
                continue
            try:
                text = note.expanded(tag.text, origin=self._keys.origin)
                size = vouched(text, keys=self._keys, book=self._book).size
            except TrustError as wrong:
                earlier = self._of_log_before(tag)
                problems.append(earlier if earlier is not None else _problem(tag, written, wrong))
                continue
            notes.append((size, text))
            if size < written:
                problems.append(_set_back(tag, size, written))
        return tuple(sorted(notes)), problems

    def _of_log_before(self, tag: ReadTag) -> TagProblem | None:
        """A tag of the log this one goes on from; None for any other. It is replaced with the next round."""
        first = self._book.entry(0)
        if first is None:
            return None
        previous = statement.read(envelope.read(first.envelope).payload).predicate["previous"]
        size = epochs.size_before(previous, tag.text or "")
        if size is None:
            return None
        place = f"The registry tag {CHECKPOINT_TAG} of {tag.place}"
        more = size > previous["anchored"]["size"]
        sentence = f"{place} is of the log before, {previous['origin']}, and vouches for {size} of its entries."
        if more:
            sentence += f" That is more than the {previous['anchored']['size']} that were stated: more is lost."
        return TagProblem(place=tag.place, text=tag.text or "", sentence=sentence, grave=more)

    def _not_compared(self, read_at: datetime | None, problem: str, *, wanted: bool) -> str:
        late = read_at is None or self._clock.now() - read_at > STALE
        if not problem and not (late and (wanted or read_at is not None)):
            return ""
        since = f"since {utc_text(read_at)}" if read_at else "at any time so far"
        why = problem or "The worker has not read them; look whether it runs."
        return f"The anchors in the registry could not be compared {since}. {why}"


def _problem(tag: ReadTag, written: int, wrong: TrustError | None = None) -> TagProblem:
    place, before = f"the registry tag {CHECKPOINT_TAG} of {tag.place}", ""
    if written:
        before = f" The checkpoint of {written} entries was written there."
    if tag.gone:
        sentence = f"The registry no longer knows {tag.place}; its anchor went with it.{before}"
    elif wrong is None:
        sentence = f"Anchor removed: {place} is missing.{before}"
    elif isinstance(wrong, SignatureMismatchError):
        sentence = f"Forged anchor: {place} is not signed by the key of this log and is not trusted.{before}"
    else:
        sentence = f"Unreadable anchor: {place} is not a checkpoint of this log and is not trusted.{before}"
    return TagProblem(
        place=tag.place, text=tag.text or "", sentence=sentence, grave=not (tag.gone and tag.place.version)
    )


def _set_back(tag: ReadTag, size: int, written: int) -> TagProblem:
    sentence = (
        f"Anchor set back: the registry tag {CHECKPOINT_TAG} of {tag.place} vouches for {size} entries, although the "
        f"checkpoint of {written} entries was written there."
    )
    return TagProblem(place=tag.place, text=tag.text or "", sentence=sentence)
