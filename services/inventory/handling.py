"""Where data comes from, who reads it and how good it is: refreshed by the worker, read by screens and gates.

Wiring: `DataHandling(inventory=inventory, store=SqlLineage(database), access=AccessFile(file), lineage=catalog,
tables=catalog, facts=DuckDbTableFacts(folder), counter=DuckDbCells(folder), clock=clock)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from services.attestation.canonical import sha256_hex, to_bytes
from services.inventory import guard
from services.inventory.access import AccessRules, AccessRuleSource, ColumnHandling
from services.inventory.guard import CellCount, CellCounter
from services.inventory.lineage import FrozenGraph, LineageChange, LineageGraph, LineageSource, build, diff, read
from services.inventory.models import GovernedModel, ModelVersion
from services.inventory.ports import Catalog
from services.inventory.tables import (
    ASKED_EVERY,
    CheckedTable,
    FeatureTable,
    FeatureTableSource,
    RuleResult,
    TableFacts,
    judge,
    unchecked,
)
from services.kernel.clock import Clock
from services.kernel.errors import UnavailableError
from services.kernel.health import Health
from services.policy.evidence import CellFact, TableFact

COUNT_AGAIN = timedelta(hours=6)
LAST_CHECK = timedelta(hours=26)
"""A result older than a day is no longer an answer."""


class HandlingStore(Protocol):
    """Methods raise StorageUnavailableError."""

    def lineage(self, model: str, version: str) -> tuple[str, bytes] | None: ...

    def digests(self, model: str) -> dict[str, str]: ...

    def save_lineage(self, model: str, version: str, *, sha256: str, document: bytes, at: datetime) -> None: ...

    def frozen(self, sha256: str) -> tuple[bytes, datetime] | None:
        """The document a request cited by this digest, and when it was kept for it."""
        ...

    def cells(self, model: str, version: str) -> CellCount | None: ...

    def save_cells(self, model: str, version: str, count: CellCount, *, at: datetime) -> None: ...

    def tables(self) -> tuple[CheckedTable, ...]: ...

    def replace_tables(self, tables: tuple[CheckedTable, ...]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DataEvidence:
    """What gates and signers need to know. `problem`: what could not be found out, or empty."""

    masked: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    small_cells: tuple[CellFact, ...] | None = None
    tables: tuple[TableFact, ...] = ()
    lineage_sha256: str = ""
    problem: str = ""


class DataHandling:
    def __init__(
        self,
        *,
        inventory: Catalog,
        store: HandlingStore,
        access: AccessRuleSource,
        lineage: LineageSource,
        tables: FeatureTableSource,
        facts: TableFacts,
        counter: CellCounter,
        clock: Clock,
    ) -> None:
        self._inventory = inventory
        self._store = store
        self._access = access
        self._lineage = lineage
        self._tables = tables
        self._facts = facts
        self._counter = counter
        self._clock = clock

    # Reading -----------------------------------------------------------------------------------------------------

    def rules(self) -> AccessRules:
        return self._access.rules()

    def columns(self, model: GovernedModel, inputs: Sequence[str]) -> tuple[ColumnHandling, ...]:
        """Every input with its tag, its mask and whether the serving identity reads it."""
        return self._access.rules().handling(model, inputs)

    def graph(self, model: str, version: str) -> LineageGraph | None:
        """As last put together; None while the worker has not looked at the version."""
        found = self._store.lineage(model, version)
        return read(found[1]) if found else None

    def frozen(self, sha256: str) -> FrozenGraph | None:
        """The graph that a request cites, as it was then; None where nothing is kept under the digest."""
        found = self._store.frozen(sha256)
        if found is None:
            return None
        try:
            return FrozenGraph(graph=read(found[0]), kept_at=found[1])
        except ValueError:
            return None  # a digest of something else

    def changes(self, model: str, base: str, version: str) -> tuple[LineageChange, ...] | None:
        """From the base version to this one; None when one of the graphs is not known."""
        before, after = self.graph(model, base), self.graph(model, version)
        return diff(before, after) if before and after else None

    def cells(self, model: GovernedModel, version: ModelVersion) -> CellCount:
        """The last count of what people can join on; a count under other rules or tags is no answer."""
        rules = self._access.rules()
        if rules.problem:
            return CellCount(problem=rules.problem)
        names = _inputs(version)
        count = self._store.cells(model.name, version.version)
        if count is not None and count.basis == _basis(rules, model, names):
            return count
        if not guard.linkable(rules.handling(model, names)):
            return CellCount(counted_at=self._clock.now())
        return CellCount(problem="Small groups were not counted for these columns yet.")

    def tables(self) -> tuple[CheckedTable, ...]:
        """As last checked; results that are too old are unknown."""
        now = self._clock.now()
        return tuple(_aged(item, now) for item in self._store.tables())

    def tables_of(self, model: str) -> tuple[CheckedTable, ...]:
        return tuple(item for item in self.tables() if model in item.table.models)

    def evidence(self, model: GovernedModel, version: ModelVersion) -> DataEvidence:
        rules = self._access.rules()
        personal = [item for item in rules.handling(model, _inputs(version)) if item.is_personal]
        lineage = self._store.digests(model.name).get(version.version, "")
        problems = [rules.problem, "" if lineage else "Its lineage was not put together yet."]
        return DataEvidence(
            masked=tuple(item.name for item in personal if item.mask.masks and not rules.problem),
            readable=tuple(item.name for item in personal if item.readable),
            small_cells=guard.facts(self.cells(model, version)),
            tables=tuple(
                TableFact(
                    name=item.table.name,
                    owner=item.table.owner,
                    documented=bool(item.table.documentation),
                    problems=item.problems,
                )
                for item in self.tables_of(model.name)
            ),
            lineage_sha256=lineage,
            problem=" ".join(problem for problem in problems if problem),
        )

    # What the worker does ----------------------------------------------------------------------------------------

    def refresh_lineage(self) -> int:
        """Puts the graph of every version together again and keeps what differs; the number of new graphs.

        Raises UnavailableError when the source cannot be asked: the last graphs stay.
        """
        fresh = 0
        for model in self._inventory.models():
            known, declared = self._store.digests(model.name), self._lineage.declared(model)
            for version in self._inventory.versions(model.name):
                graph = build(model, version, declared)
                if known.get(version.version) != graph.sha256:
                    self._store.save_lineage(
                        model.name, version.version, sha256=graph.sha256, document=graph.document, at=self._clock.now()
                    )
                    fresh += 1
        return fresh

    def refresh_cells(self, *, again: bool = True) -> int:
        """Counts small cells for versions without a count, and `again` where rows came since; how many were counted.

        Raises the first TelemetryUnavailableError at the end, after recording it.
        """
        rules, counted, broken = self._access.rules(), 0, list[UnavailableError]()
        if rules.problem:
            return 0
        for model in self._inventory.models():
            done: dict[str, CellCount] = {}
            for version in self._inventory.versions(model.name):
                names = _inputs(version)
                if not guard.linkable(rules.handling(model, names)) or not self._due(
                    model, version, rules, again=again
                ):
                    continue
                key = ",".join(sorted(names))
                try:
                    done[key] = done.get(key) or self._count(rules, model, names)
                except UnavailableError as missing:
                    broken.append(missing)
                    continue
                self._store.save_cells(model.name, version.version, done[key], at=self._clock.now())
                counted += 1
        if broken:
            raise broken[0]
        return counted

    def refresh_tables(self) -> int:
        """Checks every declared table; how many break a rule. One that cannot be read does not stop the others."""
        known = {item.table: item for item in self._store.tables()}
        found = tuple(self._check(table, known.get(table)) for table in self._tables.tables())
        self._store.replace_tables(found)
        return sum(item.state is Health.BREACH for item in found)

    def _check(self, table: FeatureTable, known: CheckedTable | None) -> CheckedTable:
        """Tables in a warehouse, which costs money while it is awake, keep what was found some minutes ago."""
        now = self._clock.now()
        if table.table and known and known.checked_at and now - known.checked_at < ASKED_EVERY:
            return known
        try:
            return CheckedTable(table=table, results=judge(table, self._facts.measure(table, now=now), now=now))
        except UnavailableError as missing:
            return CheckedTable(table=table, results=unchecked(table, str(missing)))

    def _due(self, model: GovernedModel, version: ModelVersion, rules: AccessRules, *, again: bool) -> bool:
        count = self._store.cells(model.name, version.version)
        if count is None or count.counted_at is None or count.basis != _basis(rules, model, _inputs(version)):
            return True
        old = self._clock.now() - count.counted_at >= COUNT_AGAIN
        return again and old and count.rows != self._counter.fingerprint(model.name)

    def _count(self, rules: AccessRules, model: GovernedModel, names: Sequence[str]) -> CellCount:
        as_read, as_served = guard.plan(rules, model, names)
        if len(as_served) > guard.MOST_COLUMNS:
            problem = f"{len(as_served)} identifying columns are more than can be combined ({guard.MOST_COLUMNS})."
            return CellCount(problem=problem, basis=_basis(rules, model, names))
        people, read_cells = self._counter.count(model.name, as_read, guard.sets_of(as_read), k=guard.K)
        _, raw_cells = self._counter.count(model.name, as_served, guard.sets_of(as_served), k=guard.K)
        return CellCount(
            people=people,
            as_read=read_cells,
            as_served=guard.worst(raw_cells),
            counted_at=self._clock.now(),
            basis=_basis(rules, model, names),
            rows=self._counter.fingerprint(model.name),
        )


def _inputs(version: ModelVersion) -> tuple[str, ...]:
    return tuple(name for name, _ in version.inputs)


def _basis(rules: AccessRules, model: GovernedModel, inputs: Sequence[str]) -> str:
    """Of what is judged: the columns that people can read, as they read them. A hidden one changes nothing there."""
    as_read, _ = guard.plan(rules, model, inputs)
    return sha256_hex(
        to_bytes({"columns": [[name, mask.kind.value, mask.size] for name, mask in as_read], "k": guard.K})
    )


def _aged(item: CheckedTable, now: datetime) -> CheckedTable:
    return replace(item, results=tuple(_unless_old(result, now) for result in item.results))


def _unless_old(result: RuleResult, now: datetime) -> RuleResult:
    if result.checked_at is None or now - result.checked_at <= LAST_CHECK:
        return result
    return replace(result, state=Health.UNKNOWN, sentence=f"Last checked too long ago. {result.sentence}")
