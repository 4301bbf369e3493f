"""The governance database and the ledger in it: reachable, of this release, protected, continued and not cut off.

Nothing is written. The quick look at the ledger takes two entries; `python -m services verify` reads all of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from services.adapters.signing.anchors import Anchors
from services.adapters.signing.files import read_key_files
from services.adapters.sql import migrations, protection, wall_clock
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedgerReader
from services.adapters.sql.oversight import SqlOversight
from services.adapters.sql.policy import SqlPublishedPolicies
from services.adapters.sql.privileges import Rights, rights
from services.attestation.keys import PublicKey
from services.doctor.models import Result, State
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import BrokenChainError
from services.ledger import note
from services.ledger.vouching import require_history
from services.oversight.worker_health import worker_problems
from services.policy.schema import parse
from services.policy.sentences import signing_terms
from services.settings import Profile, Settings

_SLOW_MS = 250
_SKEW, _FAR = timedelta(seconds=30), timedelta(minutes=10)
_FAILING_SHOWN = 3
RESTORE = "Do not write. Restore the newest database, then compare with an audit pack (docs/operations.md)."


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLog:
    """Name and public key of the log, from the key files alone."""

    origin: str
    log_key: PublicKey


def held_log(keys_folder: Path) -> HeldLog:
    """Raises TrustError when a key file is missing, is no key, or can be read by others."""
    files = read_key_files(keys_folder)
    return HeldLog(origin=files.origin, log_key=files.log_key.public)


class Governance:
    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._reader = SqlLedgerReader(database)

    def reachable(self) -> Iterator[Result]:
        """Raises StorageUnavailableError."""
        began = time.perf_counter()
        with self._database.read() as connection:
            if self._database.dialect == "sqlite":
                found = "SQLite " + str(connection.exec_driver_sql("SELECT sqlite_version()").scalar())
            else:
                found = "PostgreSQL " + str(connection.exec_driver_sql("SHOW server_version").scalar()).split()[0]
        took = (time.perf_counter() - began) * 1000
        slow = took > _SLOW_MS
        yield Result(
            name="database",
            state=State.WARNING if slow else State.OK,
            found=f"{found} answered in {took:.0f} ms.",
            fix="Every screen waits for it: bring the database nearer, or look at its load." if slow else "",
        )

    def schema(self) -> Iterator[Result]:
        stored, newest = migrations.stored_revision(self._database), migrations.newest_revision()
        if stored == newest:
            yield Result(name="schema", state=State.OK, found=f"Revision {stored}, as this release needs it.")
        elif stored is None:
            yield Result(
                name="schema",
                state=State.FAULT,
                found="The database has no tables of Countersign.",
                fix="Found a deployment: python -m services found, or prepare for the embedded one.",
            )
        elif stored in migrations.known_revisions():
            yield Result(
                name="schema",
                state=State.FAULT,
                found=f"Revision {stored}; this release needs {newest}.",
                fix="Back up, then start the worker: it applies what is missing.",
            )
        else:
            yield Result(
                name="schema",
                state=State.FAULT,
                found=f"Revision {stored} of a newer release; this one knows {newest}.",
                fix="Start the newer release, or restore the copy from before the upgrade.",
            )

    def privileges(self) -> Iterator[Result]:
        with self._database.read() as connection:
            held = rights(connection)
        if held is None:
            yield Result(
                name="rights",
                state=State.OK,
                found="SQLite has no accounts: who can write the file can change it, and only anchors show that.",
            )
            return
        yield _judged(held)

    def triggers(self) -> Iterator[Result]:
        missing = self._reader.missing_triggers()
        if missing:
            yield Result(
                name="protections", state=State.FAULT, found=f"Missing or changed: {', '.join(missing)}.", fix=RESTORE
            )
            return
        yield Result(
            name="protections", state=State.OK, found=f"All {len(protection.INSERT_ONLY)} tables are insert-only."
        )

    def ledger(self) -> Iterator[Result]:
        """Raises BrokenChainError, SignatureMismatchError or TrustError for what is provably wrong."""
        head, newest = self._reader.head(), self._reader.checkpoint()
        if newest is None or not head.size:
            yield Result(
                name="ledger",
                state=State.FAULT,
                found="The ledger has no entry: nobody founded this deployment.",
                fix="python -m services found, or prepare for the embedded one.",
            )
            return
        keys = held_log(self._settings.keys_folder)
        require_history(((note.read(newest).size, newest),), "vouched for by its newest checkpoint",
                        keys=keys, book=self._reader)  # fmt: skip
        if note.read(newest).size != head.size:
            raise BrokenChainError(f"{head.size} entries, but the newest checkpoint ends before.", hint=RESTORE)
        yield Result(
            name="ledger",
            state=State.OK,
            found=f"{head.size:,} entries; the newest checkpoint verifies. Not every entry was read.",
        )

    def anchors(self) -> Iterator[Result]:
        """Raises BrokenChainError when the ledger is older than what was anchored, or differs from it."""
        notes = Anchors(self._settings.anchors_folder).notes()
        if not notes:
            yield Result(
                name="anchors",
                state=State.WARNING,
                found="No checkpoint is kept outside the database, so an older copy of it would not be noticed.",
                fix="Start the worker: it keeps one a minute while the ledger grows.",
            )
            return
        require_history(notes, "anchored", keys=held_log(self._settings.keys_folder), book=self._reader)
        yield Result(name="anchors", state=State.OK, found=f"Newest of {len(notes)}: {notes[-1][0]:,} entries, held.")

    def clock(self) -> Iterator[Result]:
        now = self._clock.now()
        with self._database.read() as connection:
            theirs = wall_clock.database_now(connection)
            newest: datetime | None = connection.execute(select(wall_clock.NEWEST)).scalar()
        if newest is not None and newest > now + _FAR:
            yield Result(
                name="clock",
                state=State.FAULT,
                found=f"This machine says {utc_text(now)}, the newest entry of the ledger {utc_text(newest)}.",
                fix="Correct the clock of this machine; nothing is signed until then.",
            )
        elif self._database.dialect == "sqlite":
            yield Result(name="clock", state=State.OK, found="Not behind the ledger; SQLite has no clock of its own.")
        else:
            yield skew("clock", theirs - now, "the database")

    def worker(self) -> Iterator[Result]:
        facts = SqlOversight(self._database)
        now, stale = self._clock.now(), timedelta(seconds=self._settings.worker_stale_seconds)
        syncs = facts.syncs()
        problems = worker_problems(facts.heartbeat(), syncs, now=now, stale=stale)
        if problems:
            yield Result(
                name="worker",
                state=State.FAULT,
                found=" ".join(problems),
                fix="Start it: python -m services worker. Signed decisions wait for it.",
            )
        else:
            yield Result(name="worker", state=State.OK, found="A worker runs, and none of its lanes hangs.")
        failing = [f"{sync.source.removeprefix('worker:')}: {sync.error}" for sync in syncs if sync.error]
        if failing:
            more = f" and {len(failing) - _FAILING_SHOWN} more" if len(failing) > _FAILING_SHOWN else ""
            yield Result(
                name="tasks",
                state=State.WARNING,
                found=f"Failed when they last ran: {'; '.join(failing[:_FAILING_SHOWN])}{more}",
                fix="The reason is in each line; the worker tries again.",
            )

    def second_factor(self) -> Iterator[Result]:
        """Whether the published policy of tier 1 asks for more than a passphrase. Raises InvalidPolicyError."""
        published = SqlPublishedPolicies(self._database).newest(1)
        if published is None:
            found, state = "No policy of tier 1 is published: nothing can be approved.", State.WARNING
        elif (asked := signing_terms(parse(published.text, file=published.file))) is not None:
            found, state = f"Tier 1: {asked.sentence}", State.OK
        elif self._settings.profile is Profile.EMBEDDED:
            found, state = "Signatures on tier 1 take a passphrase alone; this is a demonstration.", State.UNUSED
        else:
            found, state = "Signatures on tier 1 take a passphrase alone.", State.WARNING
        fix = "Publish a policy with `signing: {second_factor: passkey}` under Policies (docs/signing.md)."
        yield Result(name="second factor", state=state, found=found, fix="" if state is State.OK else fix)


def skew(name: str, ahead: timedelta, whose: str) -> Result:
    """`ahead`: how far the other clock is in front of ours."""
    seconds = ahead.total_seconds()
    found = f"{abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'} of this machine is the clock of {whose}."
    if abs(ahead) > _FAR:
        fix = "Correct the clock that is wrong; nothing is signed until then."
        return Result(name=name, state=State.FAULT, found=found, fix=fix)
    if abs(ahead) > _SKEW:
        return Result(name=name, state=State.WARNING, found=found, fix="Let both follow one time server.")
    return Result(name=name, state=State.OK, found=f"Within {max(abs(seconds), 0.1):.1f} s of {whose}.")


def _judged(held: Rights) -> Result:
    if held.lacks:
        return Result(
            name="rights",
            state=State.FAULT,
            found=f"The account {held.account} lacks {', '.join(held.lacks)}.",
            fix="Grant the account these rights on the tables named here.",
        )
    if held.is_superuser or held.owns:
        what = "is a superuser" if held.is_superuser else f"owns {', '.join(held.owns)}"
        return Result(
            name="rights",
            state=State.WARNING,
            found=f"The account {held.account} {what}: it could switch off the protections, which only anchors show.",
            fix="Let another account own the tables and this one use them; see docs/operations.md.",
        )
    if held.may_change:
        return Result(
            name="rights",
            state=State.WARNING,
            found=f"The account {held.account} holds {', '.join(held.may_change)}, which nothing needs.",
            fix="Revoke them; only triggers stand in the way now.",
        )
    return Result(name="rights", state=State.OK, found=f"The account {held.account} may read and add, no more.")
