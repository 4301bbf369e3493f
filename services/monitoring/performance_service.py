"""Performance decay with late labels: confirmed and estimated figures as known on any day, from stored cubes alone.

Wiring: `PerformanceService(store=SqlPerformance(database), monitoring=SqlMonitoring(database), catalog=inventory,
business=..., clock=clock)`. Nothing here reads recorded facts; the worker does, through `CubeRefresh`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from services.inventory.models import Task
from services.kernel.clock import Clock
from services.kernel.errors import InputError
from services.monitoring import calibration, cohorts, decay, maturity
from services.monitoring import performance_words as words
from services.monitoring.calibration import Calibration
from services.monitoring.cohorts import Measuring
from services.monitoring.cubes import UNMATCHED, Arrival, ScoreDay, cube_of, scores_of
from services.monitoring.estimated import METHOD
from services.monitoring.maturity import Maturity
from services.monitoring.metrics import FORECAST, SCORED, WORDS, Metric, share
from services.monitoring.models import Expectation, MonitoringConfig
from services.monitoring.performance_models import (
    ALL_VERSIONS,
    Business,
    BusinessPoint,
    Cohort,
    DecayView,
    LabelSource,
    PerformanceQuery,
)
from services.monitoring.ports import BusinessFacts, Catalog, MonitoringStore, PerformanceStore

HISTORY = timedelta(days=400)
"""The reference and the maturity curve do not depend on the time range somebody looks at."""
_LEAD = timedelta(days=31)
_STALE_PERIODS = 3
PERIODS = (1, 7, 28)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What one question reads from the store."""

    config: MonitoringConfig
    arrivals: tuple[Arrival, ...]
    days: tuple[ScoreDay, ...]
    expected: Expectation | None
    version: str
    versions: tuple[str, ...]
    slices: tuple[str, ...]

    def chosen(self, version: str) -> bool:
        return version != UNMATCHED and self.version in {ALL_VERSIONS, version}


class PerformanceService:
    def __init__(
        self,
        *,
        store: PerformanceStore,
        monitoring: MonitoringStore,
        catalog: Catalog,
        business: BusinessFacts,
        clock: Clock,
        tables: Mapping[str, LabelSource] | None = None,
    ) -> None:
        self._store = store
        self._monitoring = monitoring
        self._catalog = catalog
        self._business = business
        self._clock = clock
        self._tables = tables or {}

    def decay(self, query: PerformanceQuery) -> DecayView:
        """Raises UnknownModelError, and InputError for a metric, version, slice, period or day that is not there."""
        scored = self._catalog.model(query.model).task is Task.CLASSIFICATION
        known_on = self._known_on(query)
        threshold = self._business.threshold(query.model) if scored else None
        metrics = _metrics(scored=scored, threshold=threshold)
        metric = _metric(query, metrics)
        read = self._read(query, known_on, metric)
        at = known_on + timedelta(days=1)
        given = Measuring(
            cube=cube_of([item for item in read.arrivals if read.chosen(item.version)], scored=scored),
            days=[item for item in read.days if read.chosen(item.version)],
            maturity=_maturity(read, at, scored=scored),
            metric=metric,
            config=read.config,
            threshold=threshold,
            period_days=query.period_days,
            at=at,
        )
        return self._view(query, given, read, metrics)

    def _known_on(self, query: PerformanceQuery) -> date:
        today = self._clock.now().date()
        if query.period_days not in PERIODS:
            raise InputError(
                f"A period of {query.period_days} days is not offered.", hint="Choose a day, a week or four weeks."
            )
        if query.known_on is not None and query.known_on > today:
            raise InputError(
                f"{query.known_on:%d %b %Y} has not been yet, so nothing is known on it.",
                hint="Choose today or a day before it.",
            )
        return query.known_on or today

    def _read(self, query: PerformanceQuery, known_on: date, metric: Metric) -> _Read:
        since, before = known_on - HISTORY, known_on + timedelta(days=1)
        versions, slices = self._store.choices(query.model, before=before)
        version = query.version or (versions[-1] if versions else ALL_VERSIONS)
        asked_for = ((version, (*versions, ALL_VERSIONS), "version"), (query.slice_key, slices, "slice"))
        for asked, offered, word in asked_for:
            if asked and asked not in offered:
                raise InputError(
                    f"{query.model} has no predictions of {word} {asked!r} up to {known_on:%d %b %Y}.",
                    hint=f"Choose one of: {', '.join(offered) or f'all, as no {word} is counted apart'}.",
                )
        return _Read(
            config=self._config(query.model),
            arrivals=self._store.arrivals(query.model, since - _LEAD, before=before, slice_key=query.slice_key),
            days=self._store.scores(query.model, since, before=before, slice_key=query.slice_key),
            expected=self._expected(query, version, metric),
            version=version,
            versions=versions,
            slices=slices,
        )

    def _config(self, model: str) -> MonitoringConfig:
        """With the table that the settings map, if predictions come from one and the monitor points at no other."""
        config = self._monitoring.config(model) or MonitoringConfig(model=model)
        given = self._tables.get(model)
        if given is None or config.imported_from:
            return config
        return replace(config, imported_from=given.words, has_labels=given.labelled, arrivals_from=given.arrives)

    def _expected(self, query: PerformanceQuery, version: str, metric: Metric) -> Expectation | None:
        """Hold-out figures compare with the whole of the version they were measured on, with no slice of it."""
        expected = None if query.slice_key else self._monitoring.expectation(query.model, metric.value)
        return expected if expected is not None and expected.version == version else None

    def _view(self, query: PerformanceQuery, given: Measuring, read: _Read, metrics: tuple[Metric, ...]) -> DecayView:
        found, score_map, fitted_on = cohorts.cohorts_of(given)
        band = decay.band_of(decay.reference_cohorts(found))
        signal, judged_by = decay.judge(
            found,
            band,
            read.expected,
            metric=given.metric,
            too_few=words.needs(read.config, given.maturity),
            stale_before=_stale_before(given),
        )
        first = given.at - timedelta(days=max(1, query.days))
        shown = tuple(cohort for cohort in found if cohort.end >= first)
        whole = _calibration(given, shown)
        return DecayView(
            model=query.model,
            query=query,
            metric=given.metric,
            metrics=metrics,
            version=read.version,
            versions=read.versions,
            slices=read.slices,
            known_on=given.at - timedelta(days=1),
            cohorts=shown,
            maturity=given.maturity,
            band=band,
            signal=signal,
            judged_by=judged_by,
            estimate_method=METHOD if score_map else "",
            estimate_sentence=words.estimate_state(score_map, fitted_on, scored=given.scored),
            estimate_error=cohorts.estimate_error(found, fitted_on),
            calibration=whole,
            business=self._outcomes(query, read.version, given, shown),
            unmatched=sum(int(item.days[:, 1].sum()) for item in read.arrivals if item.version == UNMATCHED),
            assumption=words.assumed(read.config),
            **words.explanations(given, shown, score_map, whole, band),
        )

    def _outcomes(self, query: PerformanceQuery, version: str, given: Measuring, shown: Sequence[Cohort]) -> Business:
        if not shown:
            return Business(threshold=given.threshold, overrides=(), value=self._business.value(query.model))
        reviews = [
            item
            for item in self._business.reviews(query.model, shown[0].start)
            if item.day < given.at and version in {ALL_VERSIONS, item.version}
        ]
        points = []
        for cohort in shown if not query.slice_key else ():
            inside = [item for item in reviews if cohort.start <= item.day <= cohort.end]
            reviewed, corrected = sum(item.reviewed for item in inside), sum(item.corrected for item in inside)
            if reviewed:
                points.append(
                    BusinessPoint(
                        start=cohort.start,
                        end=cohort.end,
                        reviewed=reviewed,
                        corrected=corrected,
                        override=share(corrected, reviewed),
                    )
                )
        return Business(threshold=given.threshold, overrides=tuple(points), value=self._business.value(query.model))


def _maturity(read: _Read, at: date, *, scored: bool) -> Maturity:
    """From all versions together: how long labels take does not depend on the version that predicted."""
    cube = cube_of([item for item in read.arrivals if item.version != UNMATCHED], scored=scored)
    predicted: dict[date, int] = {}
    for item in read.days:
        predicted[item.day] = predicted.get(item.day, 0) + item.predicted
    return maturity.learned(cube, predicted, at=at, stated_hours=read.config.label_delay_hours)


def _metrics(*, scored: bool, threshold: float | None) -> tuple[Metric, ...]:
    """Without a recorded threshold nobody knows which scores were positive decisions."""
    if not scored:
        return FORECAST
    return tuple(metric for metric in SCORED if threshold is not None or not WORDS[metric].at_threshold)


def _metric(query: PerformanceQuery, offered: tuple[Metric, ...]) -> Metric:
    if query.metric is None:
        return offered[0]
    if query.metric not in offered:
        raise InputError(
            f"{WORDS[query.metric].title} cannot be measured for {query.model}.",
            hint="Choose one of: " + ", ".join(WORDS[metric].title for metric in offered) + ".",
        )
    return query.metric


def _stale_before(given: Measuring) -> date:
    if given.maturity.age is None:
        return date.min
    return given.at - timedelta(days=given.maturity.age + _STALE_PERIODS * given.period_days)


def _calibration(given: Measuring, shown: Sequence[Cohort]) -> Calibration | None:
    """Of all mature cohorts together, each at mature age."""
    mature = [cohort for cohort in shown if cohort.confirmed is not None]
    if not given.scored or not mature:
        return None
    first, last = mature[0].start, mature[-1].end
    known = given.known(first, last, given.maturity.age)
    return calibration.measured(known, means=scores_of(given.days, first=first, last=last).means)
