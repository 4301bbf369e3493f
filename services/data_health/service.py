"""Data and pipeline health: rules of feature tables judged per day, pipelines by their runs, and the models they hurt.

The worker calls `refresh` and `refresh_pipelines`; screens read what they stored. Wiring:
`DataHealthService(tables=catalog, rows=DuckDbTableRows(folder), store=SqlDataHealth(database), sources=(),
lineage=..., people=people, ledger=ledger, clock=clock)`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from services.attestation.models import Receipt
from services.data_health import impact, pipelines
from services.data_health.judging import judge, unknown_day
from services.data_health.models import HealthDay, Hurt, LastWord, PipelineHealth, PipelineRun, TableHealth
from services.data_health.ports import Authority, EventRecorder, HealthStore, Lineage, PipelineSource, TableRows
from services.data_health.recording import command_key, scanned_as, sentence_of
from services.data_health.rules import FIRST_DAYS, TableRules, changes, derived, require_sense
from services.data_health.standing import standings
from services.inventory.facts import Partition
from services.inventory.tables import ASKED_EVERY, FeatureTable, FeatureTableSource
from services.kernel.clock import Clock
from services.kernel.errors import (
    ConflictError,
    InputError,
    MissingReasonError,
    UnavailableError,
)
from services.kernel.health import Health, Signal
from services.kernel.identity import Actor, Permission

KEEP_DAYS = 180
"""Recorded rows are judged, and facts and results kept, for so long."""
KEEP_SNAPSHOTS = 1100
"""Tables whose days are not those of recording keep so many of their newest days."""
SHOWN_DAYS = 60
LAST_CHECK = timedelta(hours=1)
REASON_MIN = 10
_LONGEST_NAME = 200
PIPELINE_DAYS = 60
"""Long enough to judge a weekly job by its rhythm."""
_TOLD_FOR = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRules:
    """`rules` as they shall be; `rules.revision` is the revision that was looked at."""

    rules: TableRules
    reason: str
    command_id: str


class DataHealthService:
    def __init__(
        self,
        *,
        tables: FeatureTableSource,
        rows: TableRows,
        store: HealthStore,
        sources: Sequence[PipelineSource],
        lineage: Lineage,
        people: Authority,
        ledger: EventRecorder,
        clock: Clock,
    ) -> None:
        self._tables = tables
        self._rows = rows
        self._store = store
        self._sources = sources
        self._lineage = lineage
        self._people = people
        self._ledger = ledger
        self._clock = clock
        self._told: tuple[datetime, tuple[TableHealth, ...], tuple[Hurt, ...]] | None = None

    # Reading -----------------------------------------------------------------------------------------------------

    def tables(self) -> tuple[TableHealth, ...]:
        """Every declared table with the last word on each of its rules, the worst first."""
        order = [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY]
        edges, models, checked = self._lineage.edges(), self._lineage.models(), self._store.checked()
        words, revisions = self._store.last_words(), self._store.in_force()
        found = [
            self._standing(
                table,
                checked.get(table.name),
                impact.reached(filter(None, (table.name, table.table)), edges, models),
                word=words.get(table.name, _NOTHING_SAID),
                revision=revisions.get(table.name, 0),
            )
            for table in self._tables.tables()
        ]
        return tuple(sorted(found, key=lambda item: (order.index(item.state), item.title)))

    def days(self, table: str, *, back: int = SHOWN_DAYS) -> tuple[HealthDay, ...]:
        """Ordered by day. Raises InputError for a table nobody declared."""
        self._declared(table)
        return self._store.results(table, self._since(back))

    def rules(self, table: str) -> TableRules | None:
        """The revision in force; None while there are none. Raises InputError for a table nobody declared."""
        self._declared(table)
        return self._store.rules(table)

    def revisions(self, table: str) -> tuple[TableRules, ...]:
        """Newest first."""
        self._declared(table)
        return self._store.revisions(table)

    def pipelines(self, *, days: int = PIPELINE_DAYS) -> tuple[PipelineHealth, ...]:
        """The worst first; a pipeline without a run in the window is not there."""
        return self._judged(days)[0]

    def hurt(self, model: str = "", *, tables: tuple[TableHealth, ...] | None = None) -> tuple[Hurt, ...]:
        """Models that rest on a broken table or a late or failed pipeline, with since when; all models when empty."""
        lines, last = self._judged(PIPELINE_DAYS)
        found = impact.hurt(
            self.tables() if tables is None else tables,
            lines,
            runs=last,
            edges=self._lineage.edges(),
            models=self._lineage.models(),
        )
        return tuple(item for item in found if not model or item.model == model)

    def recent_hurt(self) -> tuple[Hurt, ...]:
        """The same for all models, at most fifteen seconds old: every page that lists findings asks for it."""
        return self._recent()[1]

    def _recent(self) -> tuple[tuple[TableHealth, ...], tuple[Hurt, ...]]:
        now = self._clock.now()
        if self._told is None or now - self._told[0] > _TOLD_FOR:
            tables = self.tables()
            self._told = (now, tables, self.hurt(tables=tables))
        return self._told[1:]

    def signal(self, model: str) -> Signal:
        """What the data behind one model says about it, at most fifteen seconds old."""
        tables, everybody = self._recent()
        hurt = tuple(item for item in everybody if item.model == model)
        mine = [item for item in tables if model in item.models]
        checked = [item.checked_at for item in mine if item.checked_at]
        as_of = min(checked) if checked else None
        if hurt:
            first = hurt[0]
            sentence = f"{first.title} since {first.since:%d %b %Y}: {first.sentence}"
            state = Health.worst([item.state for item in hurt])
            return Signal(state=state, value=float(len(hurt)), unit="broken", sentence=sentence, n=None, as_of=as_of)
        if not mine:
            words = "No feature table is declared for this model, so nothing is known about its data."
            return Signal(state=Health.UNKNOWN, value=None, unit="", sentence=words)
        state = Health.worst([item.state for item in mine])
        said = [s.result.sentence for item in mine for s in item.standings if s.result.state is state]
        problem = next((item.problem for item in mine if item.problem), "")
        words = "Every rule of its tables is kept." if state is Health.HEALTHY else problem or " ".join(said[:1])
        return Signal(state=state, value=0.0, unit="broken", sentence=words or "Not checked yet.", as_of=as_of)

    # Deciding ----------------------------------------------------------------------------------------------------

    def change_rules(self, command: ChangeRules, *, actor: Actor) -> Receipt:
        """A new revision, recorded with who and why. The next refresh judges by it. A refused attempt is an entry too.

        Raises RoleMissingError, InputError, MissingReasonError, ConflictError when the rules changed meanwhile.
        """
        self._people.require(actor, Permission.EDIT_METADATA)
        table = command.rules.table
        try:
            self._declared(table)
            after, said = self._revised(command, actor)
        except (InputError, ConflictError) as refused:
            self._ledger.record_event(
                event="data-rules-refused",
                actor=actor,
                detail={"target": f"change the data rules of {table[:_LONGEST_NAME]}", "code": refused.code},
            )
            raise
        return self._record(after, actor=actor, said=said, idem=command_key(actor, command.command_id))

    def _revised(self, command: ChangeRules, actor: Actor) -> tuple[TableRules, tuple[str, ...]]:
        """The new revision as it was kept, with what it changes. Raises why it cannot be."""
        wanted, reason = command.rules, command.reason.strip()
        before = self._store.rules(wanted.table)
        if len(reason) < REASON_MIN:
            raise MissingReasonError(
                "A change of data rules needs a reason.", hint=f"At least {REASON_MIN} characters."
            )
        require_sense(wanted)
        if before is None:
            raise InputError("This table has no rules yet.", hint="They are derived once enough days are known.")
        if before.revision != wanted.revision:
            raise ConflictError(
                f"The rules of {wanted.table} were changed meanwhile (revision {before.revision}).",
                hint="Nothing was changed. Look at the newest revision and try again.",
            )
        said = changes(before, wanted)
        if not said:
            raise InputError("This is what is in force already.", hint="Nothing was changed.")
        after = replace(
            wanted,
            revision=before.revision + 1,
            reason=reason,
            changed_by=actor.name,
            changed_at=self._clock.now(),
            source=before.source,
        )
        if not self._store.add_rules(after):
            raise ConflictError(f"The rules of {wanted.table} were changed meanwhile.", hint="Nothing was changed.")
        return after, tuple(said)

    # Refreshing --------------------------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Worker: profiles new and changed days and judges all of them; returns how many days were read.

        A table that cannot be read is recorded as such and the others go on. Raises the first such error at the end.
        """
        self._told = None
        read, broken = 0, list[UnavailableError]()
        for rules in self._store.unrecorded():
            self._record(rules, actor=None, said=(), idem=f"data-rules:{rules.table}:{rules.revision}")
        looked = self._store.checked()
        for table in self._tables.tables():
            now = self._clock.now()
            if table.table and table.name in looked and now - looked[table.name][0] < ASKED_EVERY:
                continue
            try:
                days, problem = self._refresh(table, now)
                read += days
            except UnavailableError as missing:
                broken.append(missing)
                problem = str(missing)
            self._store.record_check(table.name, at=now, problem=problem)
        if broken:
            raise broken[0]
        return read

    def refresh_pipelines(self) -> int:
        """Worker: copies the runs of the last sixty days from every platform that keeps them elsewhere."""
        self._told = None
        now, copied = self._clock.now(), 0
        since = now - timedelta(days=PIPELINE_DAYS)
        for source in self._sources:
            runs = source.runs(since)
            self._store.replace_runs(source.name, since, runs, at=now)
            copied += len(runs)
        return copied

    def _refresh(self, table: FeatureTable, now: datetime) -> tuple[int, str]:
        prints = _by_day(self._rows.partitions(table))
        rules = self._store.rules(table.name)
        if not prints:
            if rules is not None:
                lost = unknown_day(rules, now.date(), "The rows are not where they were.")
                self._store.put_results(table.name, (lost,), at=now)
                self._say(table, rules, self._store.results(table.name, self._said_since(table)))
                return 0, "The recorded rows are not where they were: nothing can be said about them."
            return 0, "No row of this table has been found yet."
        rules = rules or self._derive(table, tuple(sorted(prints)), now)
        suffix = scanned_as(rules)
        seen = self._store.fingerprints(table.name)
        first = self._since(KEEP_DAYS) if table.is_dated else sorted(prints)[-KEEP_SNAPSHOTS:][0]
        self._store.forget_before(table.name, first)
        fresh = {day: text + suffix for day, text in prints.items() if day >= first and seen.get(day) != text + suffix}
        if fresh:
            facts = self._rows.profile(table, tuple(sorted(fresh)), rules, now=now)
            self._store.put_days(table.name, {item.day: (fresh[item.day], item) for item in facts})
        if rules is None:
            return len(fresh), "Its rules are derived once fourteen days with rows are known."
        self._judge(table, rules, first, now)
        return len(fresh), ""

    def _judge(self, table: FeatureTable, rules: TableRules, first: date, now: datetime) -> None:
        known = {item.day: item for item in self._store.days(table.name, first)}
        if not known:
            self._say(table, rules, ())  # rows that are too old to be judged say nothing about now
            return
        oldest = min(known)
        span = range((now.date() - oldest).days + 1) if table.is_dated else ()
        days = sorted({*known, *(oldest + timedelta(days=n) for n in span)})
        before = {item.day: item for item in self._store.results(table.name, first)}
        results = [judge(rules, day, known.get(day), known=known, now=now) for day in days]
        changed = tuple(item for item in results if before.get(item.day) != item)
        if changed:
            self._store.put_results(table.name, changed, at=now)
        since = self._said_since(table)
        self._say(table, rules, [item for day, item in sorted({**before, **_by(results)}.items()) if day >= since])

    def _say(self, table: FeatureTable, rules: TableRules, days: Sequence[HealthDay]) -> None:
        """Keeps the last word on each rule, so that no screen reads sixty days of every table for it."""
        with_rows = [item.day for item in days if item.rows]
        word = LastWord(standings=standings(days, rules.kinds), last_day=max(with_rows, default=None))
        self._store.put_last_word(table.name, word)

    def _said_since(self, table: FeatureTable) -> date:
        return self._since(SHOWN_DAYS) if table.is_dated else date.min

    def _derive(self, table: FeatureTable, days: tuple[date, ...], now: datetime) -> TableRules | None:
        first = self._rows.profile(table, days[:FIRST_DAYS], None, now=now)
        rules = derived(table, self._rows.reference(table), first)
        if rules is None:
            return None
        rules = replace(
            rules, revision=1, changed_by="Countersign", changed_at=now, reason="Derived when the table was first read."
        )
        if not self._store.add_rules(rules):
            return self._store.rules(table.name)
        self._record(rules, actor=None, said=(), idem=f"data-rules:{table.name}:1")
        return rules

    def _record(self, rules: TableRules, *, actor: Actor | None, said: Sequence[str], idem: str) -> Receipt:
        receipt = self._ledger.record_event(
            event="data-rules-changed" if rules.revision > 1 else "data-rules-derived",
            actor=actor,
            detail={
                "table": rules.table,
                "revision": str(rules.revision),
                "reason": rules.reason,
                "changes": "; ".join(said),
                "rules": " ".join(rules.words(kind) for kind in rules.kinds),
                "sentence": sentence_of(rules, said),
            },
            idem=idem,
        )
        self._store.set_entry(rules.table, rules.revision, receipt.seq)
        return receipt

    def _standing(
        self,
        table: FeatureTable,
        checked: tuple[datetime, str] | None,
        ways: Mapping[str, tuple[str, ...]],
        *,
        word: LastWord,
        revision: int,
    ) -> TableHealth:
        at, problem = checked or (None, "Not checked yet.")
        if at is not None and self._clock.now() - at > LAST_CHECK:
            problem = f"Last checked on {at:%d %b %Y %H:%M} UTC, too long ago to rely on."
        return TableHealth(
            name=table.name,
            title=table.title,
            owner=table.owner,
            models=tuple(sorted({*table.models, *ways})),
            revision=revision,
            standings=word.standings,
            last_day=word.last_day,
            checked_at=at,
            problem=problem,
            catalog_name=table.table,
        )

    def _judged(self, days: int) -> tuple[tuple[PipelineHealth, ...], Mapping[str, PipelineRun]]:
        now = self._clock.now()
        runs = self._store.runs(now - timedelta(days=days))
        last = {run.pipeline: run for run in sorted(runs, key=lambda run: run.started_at)}
        edges, models = self._lineage.edges(), self._lineage.models()
        found = tuple(
            replace(line, models=_behind(line.models, last[line.pipeline], edges, models))
            for line in pipelines.judged(runs, days=days, now=now)
        )
        return found, last

    def _declared(self, name: str) -> FeatureTable:
        found = next((item for item in self._tables.tables() if item.name == name), None)
        if found is None:
            raise InputError(f"There is no feature table called {name!r}.", hint="Choose one from the list.")
        return found

    def _since(self, back: int) -> date:
        return self._clock.now().date() - timedelta(days=back)


def _behind(own: Sequence[str], run: PipelineRun, edges: impact.Edges, models: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({*own, *impact.reached([*own, *run.writes], edges, models)}))


_NOTHING_SAID = LastWord(standings=(), last_day=None)


def _by(results: Sequence[HealthDay]) -> dict[date, HealthDay]:
    return {item.day: item for item in results}


def _by_day(partitions: Sequence[Partition]) -> dict[date, str]:
    groups: dict[date, list[str]] = defaultdict(list)
    for item in partitions:
        groups[item.day].append(f"{item.source}:{item.fingerprint}")
    return {day: "+".join(sorted(texts)) for day, texts in groups.items()}
