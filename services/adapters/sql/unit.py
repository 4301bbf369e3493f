"""The unit of work: one connection, on which the ledger and the stores of all slices write together.

`write` commits everything or nothing at the end of its block; `read` shows one consistent view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from services.adapters.sql.alerts import SqlAlerts
from services.adapters.sql.approvals import SqlRequests
from services.adapters.sql.batch_releases import SqlBatches
from services.adapters.sql.corrections import SqlCorrections
from services.adapters.sql.database import Database, lock_writers
from services.adapters.sql.emergency import SqlEmergencies
from services.adapters.sql.evidence import SqlEvidence
from services.adapters.sql.exceptions import SqlExceptions
from services.adapters.sql.fallbacks import SqlFallbacks
from services.adapters.sql.incidents import SqlIncidents
from services.adapters.sql.monitors import SqlMonitors
from services.adapters.sql.people_records import SqlPeopleRecords
from services.adapters.sql.policy import SqlPolicies
from services.adapters.sql.releases import SqlReleases
from services.adapters.sql.retirements import SqlRetirements
from services.adapters.sql.retraining import SqlRetrainingWriter
from services.adapters.sql.rollout import SqlRollouts
from services.adapters.sql.stewardship import SqlStewardship
from services.adapters.sql.training_sets import SqlTrainingSetWriter
from services.adapters.sql.value_reviews import SqlReviews
from services.adapters.sql.value_statements import SqlStatements
from services.attestation.ports import LedgerWriter


class SqlUnit:
    def __init__(self, connection: Connection, ledger: LedgerWriter) -> None:
        self.connection = connection
        self.ledger = ledger
        self.people = SqlPeopleRecords(connection)
        self.requests = SqlRequests(connection)
        self.rollouts = SqlRollouts(connection)
        self.releases = SqlReleases(connection)
        self.emergencies = SqlEmergencies(connection)
        self.batches = SqlBatches(connection)
        self.fallbacks = SqlFallbacks(connection)
        self.exceptions = SqlExceptions(connection)
        self.incidents = SqlIncidents(connection)
        self.alerts = SqlAlerts(connection)
        self.stewardship = SqlStewardship(connection)
        self.policies = SqlPolicies(connection)
        self.monitors = SqlMonitors(connection)
        self.statements = SqlStatements(connection)
        self.reviews = SqlReviews(connection)
        self.retirements = SqlRetirements(connection)
        self.evidence = SqlEvidence(connection)
        self.corrections = SqlCorrections(connection)
        self.retraining = SqlRetrainingWriter(connection)
        self.training_sets = SqlTrainingSetWriter(connection)


class SqlUnits:
    """Satisfies the narrower ports of approvals, rollout, exceptions and policy."""

    def __init__(self, database: Database, ledger_on: Callable[[Connection], LedgerWriter]) -> None:
        self._database = database
        self._ledger_on = ledger_on

    @contextmanager
    def write(self) -> Iterator[SqlUnit]:
        with self._database.write() as connection:
            # Before the first read: whoever waits here must then see what the one before has decided.
            lock_writers(connection)
            yield SqlUnit(connection, self._ledger_on(connection))

    @contextmanager
    def read(self) -> Iterator[SqlUnit]:
        with self._database.read() as connection:
            yield SqlUnit(connection, self._ledger_on(connection))
