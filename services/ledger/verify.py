"""The whole log, checked from its bytes alone: tree, checkpoints, anchors, every signature, every rule.

Pure over what it is given, so an auditor's copy is verified by the same code as the live database. `intact` speaks of
tree, checkpoints, anchors and genesis; void entries and findings are listed beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.attestation import envelope, statement
from services.attestation.keys import PublicKey
from services.attestation.models import Kind
from services.kernel.clock import from_utc_text, utc_text
from services.kernel.errors import BrokenChainError, TrustError
from services.ledger import epochs, note
from services.ledger.keyring import VoidEntryError
from services.ledger.merkle import Frontier, leaf_hash
from services.ledger.ports import StoredEntry
from services.ledger.replay import Replay
from services.ledger.summary import model_and_version

LATE = timedelta(minutes=10)
INTEGRITY, VOID, FINDING, NOTE = "integrity", "void", "finding", "note"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    seq: int | None
    severity: str
    """`integrity`, `void`, `finding`, or `note` for what a reader must know without anything being wrong."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What the verifier holds independently of the log; empty parts are not compared."""

    genesis: str = ""
    """Leaf hash of the first entry, from paper."""
    origin: str = ""
    log_key: PublicKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    intact: bool
    entries: int
    root: str
    origin: str
    genesis: str
    problems: tuple[Problem, ...]
    anchors_checked: int


@dataclass(slots=True, kw_only=True)
class _Run:
    trusted: Trusted
    replay: Replay = field(default_factory=Replay)
    frontier: Frontier = field(default_factory=Frontier)
    roots: list[bytes] = field(default_factory=lambda: [Frontier().root])
    problems: list[Problem] = field(default_factory=list)
    origin: str = ""
    genesis: str = ""
    newest_at: datetime | None = None
    told: set[str] = field(default_factory=set)
    observed: list[tuple[int, str, str]] = field(default_factory=list)
    settled: dict[int, int] = field(default_factory=dict)

    def add(self, severity: str, seq: int | None, sentence: str) -> None:
        self.problems.append(Problem(seq=seq, severity=severity, sentence=sentence))

    def add_once(self, topic: str, seq: int | None, sentence: str) -> None:
        """One integrity problem per topic: the first break makes everything after it differ."""
        if topic not in self.told:
            self.told.add(topic)
            self.add(INTEGRITY, seq, sentence)

    def take(self, stored: StoredEntry) -> None:
        seq = self.frontier.size
        if stored.seq != seq:
            self.add_once("gap", seq, f"Entry {seq} is missing; the database continues with {stored.seq}.")
        leaf = leaf_hash(stored.envelope)
        self.frontier = self.frontier.push(leaf)
        self.roots.append(self.frontier.root)
        if leaf.hex() != stored.leaf_hash:
            self.add(INTEGRITY, seq, f"The bytes of entry {seq} are not the ones that were recorded.")
        if self.frontier.root.hex() != stored.root:
            sentence = f"The stored root at entry {seq} does not follow from the entries up to it."
            self.add_once("root", seq, sentence)
        try:
            self._judge(stored.envelope, seq, leaf.hex())
        except (TrustError, VoidEntryError) as void:
            words = void.message if isinstance(void, TrustError) else f"{void}."
            severity = INTEGRITY if seq == 0 else VOID
            self.add(severity, seq, f"Entry {seq} is void: {words[:1].lower()}{words[1:]}")

    def _judge(self, data: bytes, seq: int, leaf: str) -> None:
        read = envelope.read(data)
        said = statement.read(read.payload)
        if seq == 0:
            self.origin, self.genesis = said.head.origin, leaf
        if said.head.origin != self.origin:
            raise VoidEntryError(f"it was made for the log {said.head.origin}")
        self.replay.judge(read, said, seq=seq, leaf=leaf)
        # Only now, when its signatures hold: what a signer saw must be part of this history.
        if said.head.size > seq or self.roots[said.head.size].hex() != said.head.root:
            self.add_once("pin", seq, f"The signer of entry {seq} saw another history of this log.")
        if self.newest_at is not None and in_time_until(said) < self.newest_at:
            self.add(FINDING, seq, f"Entry {seq} is dated {utc_text(said.at)}, well before an earlier entry.")
        self.newest_at = said.at if self.newest_at is None else max(self.newest_at, said.at)
        self._follow_differences(said, seq)
        if seq == 0:
            self._note_profile(said)

    def _follow_differences(self, said: statement.Statement, seq: int) -> None:
        """What differed from the ledger stays open until a later look, or a change that was carried out, settles it."""
        # Registry and traffic are read back before an outcome says `applied`.
        changed = said.kind is Kind.OUTCOME and said.predicate["result"] == "applied"
        if said.kind is not Kind.OBSERVATION and not changed:
            return
        model = model_and_version(said)[0] if changed else str(said.predicate.get("model", ""))
        for earlier, about, _ in self.observed:
            if about == model:
                self.settled.setdefault(earlier, seq)
        if not changed and said.predicate.get("finding"):
            self.observed.append((seq, model, str(said.predicate["finding"])))

    def _note_profile(self, genesis: statement.Statement) -> None:
        if self.replay.keyring.embedded:
            sentence = "This is an embedded deployment: one administrator enrolled everybody, without a second one."
            self.add(NOTE, 0, sentence)
        if genesis.predicate["previous"] is not None:
            self.add(NOTE, 0, epochs.sentence(genesis.predicate["previous"]))
        span = genesis.predicate["replay"]
        if span is not None:
            self.add(NOTE, 0, f"Entries dated {span['from']} to {span['to']} replay history in its own calendar.")

    def check_notes(self, notes: Iterable[tuple[int, str]], *, what: str) -> int:
        kept = tuple(notes)
        for size, text in kept:
            self.check_note(size, text, what=what)
        return len(kept)

    def check_note(self, size: int, text: str, *, what: str) -> None:
        """Compares a signed checkpoint with the tree; problems of one kind of note are told once."""
        try:
            checkpoint = self._verified(text)
        except TrustError as broken:
            self.add_once(f"{what} signature", None, f"The {what} of size {size} cannot be trusted: {broken.message}")
            return
        if checkpoint.size != size:
            sentence = f"The {what} kept under size {size} speaks of {checkpoint.size} entries."
            self.add_once(f"{what} size", None, sentence)
        elif size > self.frontier.size:
            sentence = f"The {what} vouches for {size} entries; the database holds {self.frontier.size}."
            self.add_once(f"{what} longer", None, f"{sentence} Newer entries were removed.")
        elif self.roots[size] != checkpoint.root:
            self.add_once(f"{what} root", size - 1, f"The {what} of size {size} vouches for other entries.")

    def _verified(self, text: str) -> note.Checkpoint:
        keys = self.replay.keyring.log_keys
        if not keys:
            raise BrokenChainError("The log names no key for its checkpoints.")
        for key in keys[:-1]:
            with suppress(TrustError):
                return note.verify(text, origin=self.origin, key=key)
        return note.verify(text, origin=self.origin, key=keys[-1])

    def check_trusted(self) -> None:
        if self.trusted.genesis and self.genesis != self.trusted.genesis:
            self.add(INTEGRITY, 0, "The genesis entry is not the one you hold the fingerprint of.")
        if self.trusted.origin and self.origin != self.trusted.origin:
            self.add(INTEGRITY, 0, f"This is the log {self.origin!r}, not {self.trusted.origin!r}.")
        if self.trusted.log_key is not None and self.trusted.log_key not in self.replay.keyring.log_keys:
            self.add(INTEGRITY, 0, "The log names another log key than this deployment holds.")

    def check_state(self) -> None:
        if self.newest_at is not None:
            for seq, sentence in self.replay.emergencies.overdue(self.newest_at):
                self.add(FINDING, seq, sentence)
        for seq, _, finding in self.observed:
            by = self.settled.get(seq)
            ending = "" if by is None else f" Settled by entry {by}."
            self.add(FINDING if by is None else NOTE, seq, f"Entry {seq} observed: {finding}{ending}")
        for seq, name in self.replay.suspects():
            self.add(FINDING, seq, f"Entry {seq} was signed with a key of {name} that had been compromised.")


def in_time_until(said: statement.Statement) -> datetime:
    """Until when an entry may be added without standing well behind the others."""
    # A change of keys waits for its second signature, and says itself for how long.
    if said.kind is Kind.KEYRING and "validUntil" in said.predicate:
        return from_utc_text(said.predicate["validUntil"])
    return said.at + LATE


def verify_log(
    entries: Iterable[StoredEntry],
    *,
    checkpoints: Iterable[tuple[int, str]],
    anchors: Iterable[tuple[int, str]] = (),
    tagged: Iterable[tuple[int, str]] = (),
    trusted: Trusted | None = None,
    total: int = 0,
    progress: Progress | None = None,
    growing_from: tuple[int, str] | None = None,
) -> LogReport:
    """Everything `entries` can be held to; `tagged` are anchors that came back from the registry.

    `progress(done, total)` is called about a hundred times.

    `growing_from` is the newest checkpoint read before the entries, for a log others add to meanwhile: it must hold,
    while checkpoints beyond the entries are then left for the next verification.
    """
    run = _Run(trusted=trusted or Trusted())
    step = max(1, total // 100)
    for stored in entries:
        run.take(stored)
        if progress is not None and run.frontier.size % step == 0:
            progress(run.frontier.size, max(total, run.frontier.size))
    size = run.frontier.size
    if size == 0:
        run.add(INTEGRITY, None, "The log is empty: not even its genesis is there.")
    newest = 0
    for place, text in checkpoints:
        if place > size and growing_from is not None:
            break
        run.check_note(place, text, what="checkpoint")
        newest = place
    if growing_from is not None:
        run.check_note(*growing_from, what="newest checkpoint")
    if newest < size:
        run.add(INTEGRITY, size - 1, f"No checkpoint vouches for the newest entries, from {newest} on.")
    checked = run.check_notes(anchors, what="anchor") + run.check_notes(tagged, what="anchor in the registry")
    run.check_trusted()
    run.check_state()
    if progress is not None:
        progress(size, size)
    return LogReport(
        intact=all(problem.severity != INTEGRITY for problem in run.problems),
        entries=size,
        root=run.frontier.root.hex(),
        origin=run.origin,
        genesis=run.genesis,
        problems=tuple(run.problems),
        anchors_checked=checked,
    )
