"""Making and checking the governance database: tables, protections, the first entries.

Start-up order: `create_schema`; then, for an empty log, `KeyDesk.create` and `found_deployment`; else `KeyDesk`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from sqlalchemy import func, select

from services.adapters.sql import migrations, privileges, protection
from services.adapters.sql.database import Database, lock_writers
from services.adapters.sql.ledger import SqlLedger, SqlLedgerBook
from services.adapters.sql.people_projection import deployment_keys_known, project_deployment_keys
from services.adapters.sql.schema.ledger import log_entry
from services.adapters.sql.unit import SqlUnits
from services.attestation import envelope, statement
from services.attestation.ports import LedgerWriter
from services.kernel.clock import Clock
from services.kernel.identity import Role
from services.ledger.epochs import Loss
from services.ledger.founding import NewPerson, Replay, enrol_machine, found_log
from services.ledger.ports import FoundingDesk
from services.ledger.replay import replayed_people
from services.policy.first import FirstSigner, publish_first


def create_schema(database: Database) -> None:
    """Brings the database to this release's tables and protections; doing it twice changes nothing.

    Raises NewerDatabaseError for a database of a newer release, StorageUnavailableError.
    """
    migrations.load_schema()
    migrations.require_known_revision(database)
    migrations.upgrade(database)
    with database.write() as connection:
        lock_writers(connection)
        # Only before the first entry: protections that disappear later are reported, not quietly put back.
        if connection.execute(select(func.count()).select_from(log_entry)).scalar_one() == 0:
            protection.install(connection)
        privileges.grant(connection)


def is_founded(database: Database) -> bool:
    """True once the log has its first entry."""
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(log_entry)).scalar_one() > 0


def bring_people_up_to_date(database: Database, desk: FoundingDesk, *, clock: Clock) -> None:
    """For a log of an earlier release: notes the keys of the deployment, and enrols the machine where it has no key.

    Doing it twice changes nothing.
    """
    book = SqlLedgerBook(database, desk, clock)
    entries = book.people_entries()
    if not entries:
        return
    with database.write() as connection:
        lock_writers(connection)
        if not deployment_keys_known(connection):
            for entry in entries:
                said = statement.read(envelope.read(entry.envelope).payload)
                project_deployment_keys(connection, said, seq=entry.seq)
    if not replayed_people(entries).keyring.has_machine:
        enrol_machine(desk, book.writing, clock=clock)


def found_deployment(
    database: Database,
    desk: FoundingDesk,
    *,
    clock: Clock,
    profile: str,
    people: tuple[NewPerson, ...],
    replay: Replay | None = None,
    policies: Iterable[bytes] = (),
    after: Loss | None = None,
) -> str:
    """Genesis and the first people, with their keys and roles; the genesis fingerprint (leaf hash) to pin.

    `policies` are the documents it begins with, signed by the first compliance officer among the people. `after` is
    the loss of the log before, which the administrators state.
    Raises ConflictError when the log already has entries, InputError without an administrator, InvalidPolicyError.
    """
    book = SqlLedgerBook(database, desk, clock)

    def writing() -> AbstractContextManager[LedgerWriter]:
        return book.writing()

    genesis = found_log(desk, writing, clock=clock, profile=profile, people=people, replay=replay, after=after)
    publish_policies(database, desk, policies, clock=clock, people=people)
    return genesis


def publish_policies(
    database: Database,
    desk: FoundingDesk,
    policies: Iterable[bytes],
    *,
    clock: Clock,
    people: tuple[NewPerson, ...] = (),
) -> int:
    """Publishes the documents of tiers that have none; how many. Without a compliance officer the service signs."""
    officer = next((somebody for somebody in people if Role.COMPLIANCE in somebody.roles), None)
    signer = None
    if officer is not None:
        signer = FirstSigner(
            issuer=officer.issuer, subject=officer.subject, name=officer.name, passphrase=officer.passphrase
        )
    units = SqlUnits(database, lambda connection: SqlLedger(connection, desk, clock))
    return publish_first(desk, units, (data.decode() for data in policies), clock=clock, signer=signer)
