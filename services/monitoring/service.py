"""Drift, performance with late labels, and batch runs, from daily profiles that are computed once.

Wiring: `MonitoringService(facts=DuckDbMonitoringFacts(folder), store=SqlMonitoring(database),
catalog=inventory, clock=clock)`. The worker calls `refresh` before that of reliability, feedback and value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby

from services.inventory.facts import Partition, by_owner, changed, kept_from
from services.inventory.models import DeploymentKind, Task
from services.kernel.clock import Clock
from services.kernel.errors import InputError, TelemetryUnavailableError, UnknownModelError
from services.kernel.health import Explanation, Health
from services.monitoring import performance
from services.monitoring.changes import Change, schema_fact
from services.monitoring.definitions import Statistic, Versus
from services.monitoring.drift import Question
from services.monitoring.events import Event
from services.monitoring.fleet import DriftVerdict, FleetRow, Judged, verdicts_of
from services.monitoring.keeping import Keeping, KeptDays
from services.monitoring.mix import MixShift
from services.monitoring.models import Distribution, DriftView, JobRun, MonitoringConfig, PerformanceView, SliceDrift
from services.monitoring.ports import FleetCatalog, MonitoringFacts, MonitoringStore, RecordedColumns
from services.monitoring.profile import reference_digest
from services.monitoring.reader import DriftReader
from services.monitoring.recorded_schema import Columns, SchemaChange
from services.monitoring.versions import ServedVersion

TELEMETRY = "telemetry"
"""Name of the recorded inference facts in the list of copied sources."""
SERIES_DAYS = 90
PERFORMANCE_DAYS = 184
DAYS_AT_ONCE = 60
SCHEMA_DAYS = 30
"""A change of columns stands among what changed for so long."""


class MonitoringService:
    def __init__(
        self,
        *,
        facts: MonitoringFacts,
        store: MonitoringStore,
        catalog: FleetCatalog,
        clock: Clock,
        columns: RecordedColumns | None = None,
        keep_days: int = 0,
        threshold: Callable[[str], float | None] = lambda _model: None,
    ) -> None:
        """`columns` tells which columns were recorded; figures older than `keep_days` are deleted, 0 keeps all.

        `threshold` is where the score of a model becomes a positive decision, where somebody recorded it.
        """
        self._threshold = threshold
        self._facts = facts
        self._columns = columns
        self._kept = KeptDays(keep_days, clock)
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._drift = DriftReader(store=store, clock=clock)
        self._keeping = Keeping(facts=facts, store=store, has_scores=self._has_scores)

    def register_config(self, configs: tuple[MonitoringConfig, ...]) -> None:
        """Raises InputError for one that nothing could be judged by."""
        for config in configs:
            _require_usable(config)
        self._store.put_configs(configs)

    def drift(
        self,
        model: str,
        *,
        window_days: int | None = None,
        days: int = SERIES_DAYS,
        statistic: Statistic = Statistic.PSI,
        versus: Versus = Versus.REFERENCE,
        slice_key: str = "",
        version: str = "",
    ) -> DriftView:
        """Every judged feature, worst first. Raises UnknownModelError, and InputError for an unknown slice or version.

        `version` looks at the predictions of one version alone, against the same reference, and not inside a slice.
        Here and below `window_days` None is the window that the monitor of the model judges by.
        """
        config = self._known(model)
        asked = Question(
            window_days=_length(config, window_days),
            days=days,
            statistic=statistic,
            versus=versus,
            slice_key=slice_key,
            version=version,
        )
        return self._drift.view(config, asked)

    def drift_versions(self, model: str) -> tuple[ServedVersion, ...]:
        """Versions that drift can be asked for, the newest first; empty where the source names none.

        Raises UnknownModelError.
        """
        self._catalog.model(model)
        return self._drift.versions(model)

    def windows(self, model: str) -> tuple[int, ...]:
        """Lengths of the current window in days, the one that judges first. Raises UnknownModelError."""
        return self._known(model).current_days

    def mark(self, model: str) -> str:
        """Names the state of the stored figures and the day: answers about drift are the same while it is."""
        return f"{self._store.head(model)} {self._clock.now().date()}"

    def fleet(self, *, days: int = SERIES_DAYS) -> tuple[FleetRow, ...]:
        """Every model with its stored verdicts, the gravest first: three questions for all of them, and no sketch."""
        today = self._clock.now().date()
        heads, judged = self._store.heads(), self._store.judged()
        by_model: dict[str, list[DriftVerdict]] = {}
        for item in self._store.verdicts(today - timedelta(days=days)):
            by_model.setdefault(item.model, []).append(item)
        rows = [
            FleetRow(
                model=model.name,
                verdicts=tuple(by_model.get(model.name, ())),
                judged_at=known.at if known else None,
                window_days=known.window_days if known else None,
                is_current=known is not None and known.head == heads.get(model.name, 0),
            )
            for model in self._catalog.models()
            if model.kind is not DeploymentKind.VENDOR
            for known in (judged.get(model.name),)
        ]
        order = [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY]
        return tuple(sorted(rows, key=lambda row: (order.index(row.state(today)), row.model)))

    def fleet_mark(self) -> str:
        """Names the state of everything `fleet` answers from: it is the same while this is."""
        models = hash(tuple((model.name, model.kind) for model in self._catalog.models()))
        return f"{self._store.verdicts_mark()} {models} {self._clock.now().date()}"

    def distribution(
        self, model: str, feature: str, *, window_days: int | None = None, slice_key: str = "", version: str = ""
    ) -> Distribution:
        """Reference, current and previous window. Raises UnknownModelError, and InputError without a reference."""
        asked = Question(window_days=_length(self._known(model), window_days), slice_key=slice_key, version=version)
        return self._drift.distribution(model, feature, asked)

    def mixes(self, model: str, *, window_days: int | None = None, days: int = SERIES_DAYS) -> tuple[MixShift, ...]:
        """How predictions spread over the slices, one answer per splitting column. Raises UnknownModelError."""
        config = self._known(model)
        return self._drift.mixes(config, Question(window_days=_length(config, window_days), days=days))

    def changes(
        self,
        model: str,
        *,
        window_days: int | None = None,
        versus: Versus = Versus.REFERENCE,
        slice_key: str = "",
        version: str = "",
        known: DriftView | None = None,
    ) -> tuple[Change, ...]:
        """What is different now, gravest first. Raises UnknownModelError.

        `known` is the answer of `drift` to the same question, if the caller has it already.
        """
        config = self._known(model)
        asked = Question(window_days=_length(config, window_days), versus=versus, slice_key=slice_key, version=version)
        found = self._drift.changes(config, asked, known)
        last = self._store.last_day(model)
        recorded = self._store.schema_changes(model, last - timedelta(days=SCHEMA_DAYS)) if last else ()
        return (*(schema_fact(change) for change in recorded), *found)

    def slices(
        self, model: str, *, window_days: int | None = None, versus: Versus = Versus.REFERENCE
    ) -> tuple[SliceDrift, ...]:
        """Every slice by its worst column, gravest first. Raises UnknownModelError."""
        config = self._known(model)
        return self._drift.slices(config, Question(window_days=_length(config, window_days), versus=versus))

    def events(
        self,
        model: str,
        *,
        window_days: int = 1,
        days: int = SERIES_DAYS,
        versus: Versus = Versus.REFERENCE,
        slice_key: str = "",
        version: str = "",
    ) -> tuple[Event, ...]:
        """Days that moved further than the column usually moves, newest first. Raises UnknownModelError.

        A day that is not over is left out: its first hours are not like a whole day.
        """
        asked = Question(
            window_days=max(1, window_days), days=days, versus=versus, slice_key=slice_key, version=version
        )
        return self._drift.events(self._known(model), asked)

    def slice_keys(self, model: str) -> tuple[str, ...]:
        """Slices that drift can be asked for, as `column=value`. Raises UnknownModelError."""
        self._catalog.model(model)
        return self._drift.slice_keys(model)

    def performance(self, model: str) -> PerformanceView:
        """Raises UnknownModelError."""
        governed, config = self._catalog.model(model), self._config(model)
        scores = governed.task is Task.CLASSIFICATION
        today = self._clock.now().date()
        metric, unit = ("auc", "AUC") if scores else ("mae", "MAE")
        days = self._store.labelled(model, today - timedelta(days=PERFORMANCE_DAYS))
        points = performance.weekly(days, scores=scores, config=config)
        expected = self._store.expectation(model, metric)
        signal = performance.judge(points, expected, config, higher=scores, unit=unit, today=today)
        return PerformanceView(
            model=model,
            metric=metric,
            title=config.metric_title or ("Area under the ROC curve" if scores else "Mean absolute error"),
            higher_is_better=scores,
            points=points,
            baseline=expected.baseline if expected else None,
            baseline_name=config.baseline_name,
            signal=signal,
            explanation=_performance_explanation(config, scores=scores, n=signal.n, as_of=signal.as_of),
            expected=expected.value if expected else None,
        )

    def job_runs(self, model: str, limit: int = 60) -> tuple[JobRun, ...]:
        """Newest first. Raises UnknownModelError."""
        self._catalog.model(model)
        return self._store.job_runs(model, limit)

    def schema_changes(self, model: str, *, days: int = SERIES_DAYS) -> tuple[SchemaChange, ...]:
        """Columns that appeared, went, were renamed or became another kind, newest first. Raises UnknownModelError."""
        self._catalog.model(model)
        return self._store.schema_changes(model, self._clock.now().date() - timedelta(days=days))

    def all_schema_changes(self, *, days: int) -> tuple[tuple[str, SchemaChange], ...]:
        """The same of all models with their names, in one question."""
        return self._store.all_schema_changes(self._clock.now().date() - timedelta(days=days))

    def refresh(self) -> int:
        """Reads days that are new, changed or gone; returns how many. An unreadable model does not stop the others.

        Raises the first TelemetryUnavailableError at the end, after recording it.
        """
        at, read, broken = self._clock.now(), 0, list[TelemetryUnavailableError]()
        try:
            found = kept_from(self._kept.first, self._facts.partitions())
        except TelemetryUnavailableError as missing:
            self._store.record_sync(TELEMETRY, at=at, error=str(missing))
            raise
        self._kept.forget_older(self._store.forget_before)
        read += self._keeping.forget_vanished(found, broken)
        self._renew_references(found, broken)
        for model, partitions in by_owner(changed(found, self._store.seen())).items():
            try:
                read += self._refresh_model(model, partitions)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
        self._judge_changed(at)
        self._store.record_sync(TELEMETRY, at=at, error=str(broken[0]) if broken else "")
        if broken:
            raise broken[0]
        return read

    def _judge_changed(self, at: datetime) -> None:
        """Verdicts of the models whose figures changed since they were judged, so that no screen has to judge them."""
        judged = self._store.judged()
        for model, head in self._store.heads().items():
            known = judged.get(model)
            if known is not None and known.head == head:
                continue
            config = self._config(model)
            asked = Question(window_days=_length(config, None), days=SERIES_DAYS)
            view = self._drift.view(config, asked)
            found = verdicts_of(model, view.features, view.red_windows)
            self._store.put_verdicts(model, found, Judged(head=head, window_days=asked.window_days, at=at))

    def _renew_references(self, found: tuple[Partition, ...], broken: list[TelemetryUnavailableError]) -> None:
        """A new reference window means new cells; every day of that model is then profiled again."""
        known = self._store.reference_digests()
        for partition in found:
            if partition.source != "reference":
                continue
            slices = self._config(partition.owner).slices
            threshold = self._threshold(partition.owner) if self._has_scores(partition.owner) else None
            digest = reference_digest(partition.fingerprint, slices, threshold)
            if known.get(partition.owner) == digest:
                continue
            try:
                reference = self._facts.fit_reference(partition.owner, digest, slices=slices, threshold=threshold)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
                continue
            if reference is not None:
                self._store.put_reference(reference)

    def _refresh_model(self, model: str, partitions: tuple[Partition, ...]) -> int:
        by_source = {
            source: tuple(group)
            for source, group in groupby(sorted(partitions, key=lambda item: item.source), key=lambda item: item.source)
        }
        predictions, labels = by_source.get("predictions", ()), by_source.get("labels", ())
        if jobs := by_source.get("jobs", ()):
            self._store.replace_jobs(model, self._facts.job_runs(model, tuple(item.day for item in jobs)), jobs)
        predicted = tuple(item.day for item in predictions)
        spoken = self._facts.labelled_on(model, tuple(item.day for item in labels)) if labels else ()
        if days := tuple(sorted({*predicted, *(day for day in spoken if day >= self._kept.first)})):
            rows = self._facts.labelled_days(model, days, scores=self._has_scores(model))
            self._store.replace_labelled(model, days, rows, labels)
        elif labels:
            self._store.replace_labelled(model, (), (), labels)
        self._sketch(model, predictions)
        return len(predictions) + len(labels) + len(by_source.get("jobs", ()))

    def _sketch(self, model: str, predictions: tuple[Partition, ...]) -> None:
        """One scan per new or changed day, committed in batches: after a kill only the unfinished batch is done again.

        Columns are recorded first. A day counts as read once its sketches are kept, so neither can be missing alone.
        """
        reference = self._store.reference(model)
        for start in range(0, len(predictions), DAYS_AT_ONCE):
            batch = predictions[start : start + DAYS_AT_ONCE]
            days = tuple(item.day for item in batch)
            if self._columns is not None:
                self._note_columns(model, days, self._columns.columns_by_day(model, days))
            profiles = self._facts.profile(reference, days) if reference else ()
            self._store.replace_profiles(model, days, profiles, batch)

    def _note_columns(self, model: str, days: tuple[date, ...], found: Sequence[tuple[date, Columns]]) -> None:
        """At first, a table that tells its columns for the newest day alone had them before, as far as is known."""
        if found and not self._store.has_columns(model):
            first, columns = found[0]
            found = (*((day, columns) for day in days if day < first), *found)
        self._store.put_columns(model, tuple(found))

    def _has_scores(self, model: str) -> bool:
        try:
            return self._catalog.model(model).task is Task.CLASSIFICATION
        except UnknownModelError:
            return False

    def _known(self, model: str) -> MonitoringConfig:
        self._catalog.model(model)
        return self._config(model)

    def _config(self, model: str) -> MonitoringConfig:
        return self._store.config(model) or MonitoringConfig(model=model)


def _require_usable(config: MonitoringConfig) -> None:
    known = {item.value for item in Statistic}
    strangers = [name for name in (*config.statistics, *(name for name, *_ in config.limits)) if name not in known]
    if strangers:
        raise InputError(
            f"{strangers[0]!r} is not a statistic that {config.model} could be judged by.",
            hint=f"Choose among {', '.join(sorted(known))}.",
        )
    if not config.current_days or min(config.current_days) < 1:
        raise InputError(f"{config.model} has no current window.", hint="Name at least one length in days.")


def _length(config: MonitoringConfig, window_days: int | None) -> int:
    """Days of the window that is asked for: the monitor's own unless somebody looks at another."""
    return config.current_days[0] if window_days is None else max(1, window_days)


def _performance_explanation(
    config: MonitoringConfig, *, scores: bool, n: int | None, as_of: datetime | None
) -> Explanation:
    delay = f" Labels typically take {config.label_delay_hours:g} hours." if config.label_delay_hours else ""
    return Explanation(
        formula="Area under the ROC curve from labels counted in 1,000 score bins; interval after Hanley and McNeil "
        "(1982)."
        if scores
        else "Mean of |forecast - label|; 95 % interval from its spread (normal approximation).",
        source="Recorded live predictions joined with the labels that arrived for them",
        window="Calendar weeks by day of prediction",
        as_of=as_of,
        n=n,
        note=f"A week is judged from {config.minimum_labels} labels and {config.minimum_coverage:.0%} coverage on, "
        f"because early labels are not a fair sample.{delay}",
    )
