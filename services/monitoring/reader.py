"""Reads stored profiles and answers what moved, how slices are mixed and what changed. Never looks at a row."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from services.kernel.clock import Clock
from services.kernel.errors import InputError
from services.kernel.health import Signal
from services.monitoring import changes, code_red, drift, events, verdicts, windows
from services.monitoring.changes import Change
from services.monitoring.definitions import Versus
from services.monitoring.drift import Question, judged_columns
from services.monitoring.events import Event
from services.monitoring.mix import MixShift, category_mix, mix_shift
from services.monitoring.models import Distribution, DriftView, FeatureDrift, MonitoringConfig, RedWindow, SliceDrift
from services.monitoring.ports import MonitoringStore
from services.monitoring.profile import DayProfile, Reference, column_and_value
from services.monitoring.versions import ROWS, ServedVersion, of_version, served, version_key


class DriftReader:
    def __init__(self, *, store: MonitoringStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def view(self, config: MonitoringConfig, asked: Question) -> DriftView:
        reference, last = self._store.reference(config.model), self._last(config.model, asked)
        found: tuple[FeatureDrift, ...] = ()
        red: Signal | None = None
        before: tuple[RedWindow, ...] = ()
        if reference is not None and last is not None:
            self._require_slice(reference, asked.slice_key)
            found = self._features(reference, config, asked, last)
            if asked.is_whole and asked.versus is Versus.REFERENCE:
                red, before = self._code_red(reference, config, asked, last, found)
        today = self._clock.now().date()
        return drift.view(
            config, reference, last, found, asked,
            today=today, red=red, red_windows=before, red_rule=code_red.watches(config),
        )  # fmt: skip

    def _code_red(
        self,
        reference: Reference,
        config: MonitoringConfig,
        asked: Question,
        last: date,
        found: tuple[FeatureDrift, ...],
    ) -> tuple[Signal | None, tuple[RedWindow, ...]]:
        """Of the last window, and of each window of the course."""
        needed = config.code_red_windows * asked.window_days
        longer = replace(asked, days=max(asked.days, needed))
        judged = found if longer == asked else self._features(reference, config, longer, last)
        mixes, length = self._mixes(reference, config, longer, last), asked.window_days
        course = code_red.course(config, judged, mixes, window_days=length)
        since = asked.since(last)
        return (
            code_red.code_red(config, judged, mixes, last, window_days=length),
            tuple(window for window in course if window.day >= since),
        )

    def distribution(self, model: str, feature: str, asked: Question) -> Distribution:
        """Reference, current and previous window of one column. Raises InputError for one without a reference."""
        reference, last = self._store.reference(model), self._last(model, asked)
        known = reference.feature(feature, asked.slice_key) if reference else None
        if known is None:
            raise InputError(
                f"{model} has no reference distribution of {feature!r}.", hint="Choose a feature of the drift table."
            )
        if last is None:
            return windows.distribution(known, None)
        days = asked.window_days
        start = windows.window_start(last, 2 * days)
        profiles = self._profiles(model, asked, start, last, feature)
        border = last - timedelta(days=days)
        return windows.distribution(
            known,
            windows.summed(profile for profile in profiles if profile.day > border),
            windows.summed(profile for profile in profiles if profile.day <= border),
        )

    def mixes(self, config: MonitoringConfig, asked: Question) -> tuple[MixShift, ...]:
        """One per column that splits the sketches."""
        reference, last = self._store.reference(config.model), self._store.last_day(config.model)
        return () if reference is None or last is None else self._mixes(reference, config, asked, last)

    def slices(self, config: MonitoringConfig, asked: Question) -> tuple[SliceDrift, ...]:
        """Every slice by its worst column, gravest first; the family level is shared by all slices together."""
        reference, last = self._store.reference(config.model), self._store.last_day(config.model)
        if reference is None or last is None or not reference.slices:
            return ()
        short = replace(asked, days=verdicts.ALERT_OF)
        stored = self._store.profiles(config.model, short.first_profile(last), last, slice_key=None)
        return drift.by_slice(reference, config, stored, short, last)

    def changes(self, config: MonitoringConfig, asked: Question, known: DriftView | None = None) -> tuple[Change, ...]:
        """Gravest first; empty when nothing changed, or when nothing is known: the view's signal tells which."""
        reference, last = self._store.reference(config.model), self._last(config.model, asked)
        if reference is None or last is None or not reference.features:
            return ()
        found = known.features if known is not None else self._features(reference, config, asked, last)
        start = last - timedelta(days=6 * asked.window_days)
        anchor = self._profiles(config.model, replace(asked, slice_key=""), start, last, reference.features[0].feature)
        labelled = self._store.labelled(config.model, start)
        mixes = () if not asked.is_whole else self._mixes(reference, config, asked, last)
        return changes.what_changed(found, mixes, changes.rows_by_day(anchor), labelled, asked=asked, last=last)

    def events(self, config: MonitoringConfig, asked: Question) -> tuple[Event, ...]:
        """Unusual windows of the course that are over, newest first."""
        reference, last = self._store.reference(config.model), self._last(config.model, asked)
        if reference is None or last is None:
            return ()
        self._require_slice(reference, asked.slice_key)
        last = min(last, self._clock.now().date() - timedelta(days=1))
        start = events.first_profile(asked, last)
        stored = self._profiles(config.model, asked, start, last)
        return events.events(reference, config, stored, asked, last)

    def slice_keys(self, model: str) -> tuple[str, ...]:
        """The slices that can be asked for, in the order of the reference."""
        reference = self._store.reference(model)
        return reference.slice_keys if reference else ()

    def versions(self, model: str) -> tuple[ServedVersion, ...]:
        """Those whose predictions can be told apart, the newest first; empty where the source does not name them."""
        return served(self._store.profiles(model, date.min, date.max, ROWS, slice_key=None))

    def _last(self, model: str, asked: Question) -> date | None:
        """The last recorded day of what is asked for. Raises InputError for a version that nothing is known of."""
        if not asked.version:
            return self._store.last_day(model)
        marks = self._store.profiles(model, date.min, date.max, ROWS, slice_key=version_key(asked.version))
        if not marks:
            raise InputError(
                f"No prediction of version {asked.version} of {model} is recorded.",
                hint="Choose a version of the list, or all of them.",
            )
        return marks[-1].day

    def _profiles(
        self, model: str, asked: Question, start: date, end: date, feature: str = ""
    ) -> tuple[DayProfile, ...]:
        """Ordered by column and day, both ends included."""
        if not asked.version:
            return self._store.profiles(model, start, end, feature, slice_key=asked.slice_key)
        key = version_key(asked.version)
        return of_version(
            asked.version,
            self._store.profiles(model, start, end, ROWS, slice_key=key),
            self._store.profiles(model, start, end, feature),
            self._store.profiles(model, start, end, feature, slice_key=key),
        )

    def _features(
        self, reference: Reference, config: MonitoringConfig, asked: Question, last: date
    ) -> tuple[FeatureDrift, ...]:
        stored = self._profiles(reference.model, asked, asked.first_profile(last), last)
        return drift.features(reference, config, stored, asked, last)

    def _mixes(
        self, reference: Reference, config: MonitoringConfig, asked: Question, last: date
    ) -> tuple[MixShift, ...]:
        columns = dict.fromkeys(column_and_value(key)[0] for key in reference.slice_keys)
        return (
            *self._category_mixes(reference, config, asked, last, without=frozenset(columns)),
            *self._slice_mixes(reference, config, asked, last, tuple(columns)),
        )

    def _category_mixes(
        self,
        reference: Reference,
        config: MonitoringConfig,
        asked: Question,
        last: date,
        *,
        without: frozenset[str],
    ) -> tuple[MixShift, ...]:
        """Text columns of the model that split nothing: their own counts are their mix."""
        chosen = [
            column
            for column in judged_columns(reference, config)
            if not column.numeric and not column.coded and column.column not in without
        ]
        return tuple(
            category_mix(
                column,
                config,
                self._store.profiles(reference.model, asked.first_profile(last), last, column.feature),
                asked,
                last,
            )
            for column in chosen
        )

    def _slice_mixes(
        self, reference: Reference, config: MonitoringConfig, asked: Question, last: date, columns: tuple[str, ...]
    ) -> tuple[MixShift, ...]:
        if not columns:
            return ()
        # Every column counts every row once, so any single one tells how many rows each slice has.
        anchor = reference.slices[0].feature
        stored: tuple[DayProfile, ...] = self._store.profiles(
            reference.model, asked.first_profile(last), last, anchor, slice_key=None
        )
        made = (mix_shift(column, config, reference, stored, asked=asked, last=last) for column in columns)
        return tuple(mix for mix in made if mix is not None)

    @staticmethod
    def _require_slice(reference: Reference, slice_key: str) -> None:
        if slice_key and slice_key not in reference.slice_keys:
            raise InputError(
                f"{reference.model} has no slice {slice_key!r}.", hint="Choose a slice of the list, or everything."
            )
