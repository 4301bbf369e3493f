"""Drift, performance with late labels, and batch runs, from daily profiles that are computed once.

Wiring: `MonitoringService(facts=DuckDbMonitoringFacts(folder), store=SqlMonitoring(database),
catalog=inventory, clock=clock)`. The worker calls `refresh` before that of reliability, feedback and value.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from services.inventory.facts import Partition, by_owner, changed
from services.inventory.models import Task
from services.kernel.clock import Clock
from services.kernel.errors import InputError, TelemetryUnavailableError, UnknownModelError
from services.kernel.health import Explanation, Health, Signal
from services.monitoring import performance, windows
from services.monitoring.models import (
    Distribution,
    DriftView,
    FeatureDrift,
    JobRun,
    MonitoringConfig,
    PerformanceView,
)
from services.monitoring.ports import Catalog, MonitoringFacts, MonitoringStore
from services.monitoring.profile import SCORE, Reference, reference_digest

TELEMETRY = "telemetry"
"""Name of the recorded inference facts in the list of copied sources."""
SERIES_DAYS = 90
PERFORMANCE_DAYS = 184
_SEVERITY = [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY]


class MonitoringService:
    def __init__(self, *, facts: MonitoringFacts, store: MonitoringStore, catalog: Catalog, clock: Clock) -> None:
        self._facts = facts
        self._store = store
        self._catalog = catalog
        self._clock = clock

    def register_config(self, configs: tuple[MonitoringConfig, ...]) -> None:
        self._store.put_configs(configs)

    def drift(self, model: str, *, window_days: int = 7) -> DriftView:
        """Every judged feature, worst first. Raises UnknownModelError."""
        self._catalog.model(model)
        config = self._config(model)
        reference, last = self._store.reference(model), self._store.last_day(model)
        features: tuple[FeatureDrift, ...] = ()
        if reference is not None and last is not None:
            features = self._features(reference, config, last, max(1, window_days))
        return DriftView(
            model=model,
            window_days=window_days,
            watch=config.watch,
            breach=config.breach,
            features=features,
            signal=self._drift_signal(features, reference, last, window_days),
            reference=_reference_words(config, reference),
            explanation=_drift_explanation(config, reference, last, window_days, features),
        )

    def distribution(self, model: str, feature: str, *, window_days: int = 7) -> Distribution:
        """Raises UnknownModelError, and InputError for a feature without a reference."""
        self._catalog.model(model)
        reference, last = self._store.reference(model), self._store.last_day(model)
        known = reference.feature(feature) if reference else None
        if known is None:
            raise InputError(
                f"{model} has no reference distribution of {feature!r}.", hint="Choose a feature of the drift table."
            )
        if last is None:
            return windows.distribution(known, None)
        profiles = self._store.profiles(model, windows.window_start(last, window_days), last, feature)
        found = windows.windows(profiles, days=window_days, since=last)
        return windows.distribution(known, found[-1] if found else None)

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

    def refresh(self) -> int:
        """Reads days that are new or changed; returns how many. A model that cannot be read does not stop the others.

        Raises the first TelemetryUnavailableError at the end, after recording it.
        """
        at, read, broken = self._clock.now(), 0, list[TelemetryUnavailableError]()
        try:
            found = self._facts.partitions()
        except TelemetryUnavailableError as missing:
            self._store.record_sync(TELEMETRY, at=at, error=str(missing))
            raise
        self._renew_references(found, broken)
        for model, partitions in by_owner(changed(found, self._store.seen())).items():
            try:
                read += self._refresh_model(model, partitions)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
        self._store.record_sync(TELEMETRY, at=at, error=str(broken[0]) if broken else "")
        if broken:
            raise broken[0]
        return read

    def _renew_references(self, found: tuple[Partition, ...], broken: list[TelemetryUnavailableError]) -> None:
        """A new reference window means new cells; every day of that model is then profiled again."""
        known = self._store.reference_digests()
        for partition in found:
            if partition.source != "reference":
                continue
            slices = self._config(partition.owner).slices
            digest = reference_digest(partition.fingerprint, slices)
            if known.get(partition.owner) == digest:
                continue
            try:
                reference = self._facts.fit_reference(partition.owner, digest, slices=slices)
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
        if days := tuple(sorted({*predicted, *spoken})):
            rows = self._facts.labelled_days(model, days, scores=self._has_scores(model))
            self._store.replace_labelled(model, days, rows, labels)
        elif labels:
            self._store.replace_labelled(model, (), (), labels)
        if predictions:
            reference = self._store.reference(model)
            profiles = self._facts.profile(reference, predicted) if reference else ()
            self._store.replace_profiles(model, predicted, profiles, predictions)
        return len(predictions) + len(labels) + len(by_source.get("jobs", ()))

    def _has_scores(self, model: str) -> bool:
        try:
            return self._catalog.model(model).task is Task.CLASSIFICATION
        except UnknownModelError:
            return False

    def _config(self, model: str) -> MonitoringConfig:
        return self._store.config(model) or MonitoringConfig(model=model)

    def _features(
        self, reference: Reference, config: MonitoringConfig, last: date, window_days: int
    ) -> tuple[FeatureDrift, ...]:
        since = last - timedelta(days=SERIES_DAYS - 1)
        stored = self._store.profiles(reference.model, windows.window_start(since, window_days), last)
        profiles = {name: tuple(group) for name, group in groupby(stored, key=lambda profile: profile.feature)}
        chosen = {column for column, _, _ in config.features} | {SCORE}
        drifts = [
            windows.feature_drift(
                feature,
                profiles.get(feature.feature, ()),
                title=config.score_title if feature.feature == SCORE else config.title(feature.column),
                days=window_days,
                since=since,
                watch=config.watch,
                breach=config.breach,
            )
            for feature in reference.features
            if not config.features or feature.feature in chosen
        ]
        return tuple(
            sorted(
                drifts,
                key=lambda drift: (_SEVERITY.index(drift.state), -(drift.latest.value if drift.latest else 0.0)),
            )
        )

    def _drift_signal(
        self, features: tuple[FeatureDrift, ...], reference: Reference | None, last: date | None, window_days: int
    ) -> Signal:
        as_of = datetime.combine(last, time(), UTC) if last else None
        if reference is None or last is None or not features:
            missing = "no reference window is recorded" if reference is None else "no predictions are recorded"
            return Signal(
                state=Health.UNKNOWN, value=None, unit="PSI", sentence=f"Drift is unknown: {missing}.", as_of=as_of
            )
        worst = features[0]
        age = (self._clock.now().date() - last).days
        if age > window_days:
            return Signal(
                state=Health.UNKNOWN,
                value=None,
                unit="PSI",
                sentence=f"Drift is unknown: the last prediction was recorded on {last:%d %b %Y}, {age} days ago.",
                as_of=as_of,
            )
        count = sum(1 for feature in features if feature.state in {Health.BREACH, Health.WATCH})
        summary = f"{count} of {len(features)} distributions moved" if count else "No distribution moved"
        return Signal(
            state=worst.state,
            value=worst.latest.value if worst.latest else None,
            unit="PSI",
            sentence=f"{summary}; first in the list: {worst.title}. {worst.sentence}",
            n=worst.latest.n if worst.latest else 0,
            as_of=as_of,
        )


def _reference_words(config: MonitoringConfig, reference: Reference | None) -> str:
    if reference is None:
        return "No reference window is recorded."
    return config.reference or f"Reference window of the live version, {reference.rows:,} predictions"


def _drift_explanation(
    config: MonitoringConfig,
    reference: Reference | None,
    last: date | None,
    window_days: int,
    features: tuple[FeatureDrift, ...],
) -> Explanation:
    latest = next((feature.latest for feature in features if feature.latest), None)
    return Explanation(
        formula="PSI = sum over bins of (current share - reference share) x ln(current share / reference share); bins "
        "are deciles of the reference for numbers and values for categories (rarer than 1 % together), plus one for "
        "missing values; an empty bin counts as half an observation.",
        source="Recorded live predictions; " + _reference_words(config, reference),
        window=f"{window_days} days, ending on the last recorded day",
        as_of=datetime.combine(last, time(), UTC) if last else None,
        n=latest.n if latest else None,
        note=f"Watch from {config.watch:g}, breach from {config.breach:g} (Siddiqi 2006). A verdict also needs to "
        "exceed the 99 % noise floor (1/n + 1/m) x chi-square of bins - 1 (Yurdakul and Naranjo 2020). A moved "
        "distribution is not yet a worse model: see performance.",
    )


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
