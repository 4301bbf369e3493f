"""What is measured already, in the words of alerts: one condition per feature, metric, promise, budget and deployment.

A source judges nothing: states and sentences are those of the slice that measured, and each condition names the chart
that shows it. What a slice calls unknown stays unknown here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from services.alerts.models import AlertKind, Condition, Key, Part
from services.alerts.ports import Report, Source
from services.data_health.models import PipelineHealth, TableHealth
from services.inventory.models import DeploymentKind, GovernedModel
from services.inventory.owners import Orphan, duty_of
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import UnavailableError, UnknownModelError
from services.kernel.health import Health, Signal
from services.kernel.targets import target_of
from services.monitoring.definitions import Statistic
from services.monitoring.metrics import WORDS as METRICS
from services.monitoring.models import DriftView, FeatureDrift
from services.monitoring.performance_models import DecayView
from services.reliability.models import SlaView
from services.reliability.slo import BudgetView, Urgency
from services.rollout.models import Action, ActionKind
from services.rollout.ports import RolloutUnits
from services.value.portfolio import PortfolioRow

_Kept = tuple[str, datetime, tuple[Condition, ...]]
"""The mark a model was judged under, when, and what was said."""
Models = Callable[[], Iterable[GovernedModel]]
View = TypeVar("View")

ROLLBACK_WITHIN = timedelta(minutes=2)
"""A rollback is an intent in the ledger that the worker carries out within seconds; longer means it does not happen."""
_BRINGS_BACK = frozenset({ActionKind.ROLLBACK, ActionKind.REVERT, ActionKind.EMERGENCY, ActionKind.ABORT})
_OLDEST_LINE = timedelta(days=2)
_MEASUREMENT = "measurement"
_NAMED = 4
"""Columns that are named in a sentence."""
COLUMNS = "columns"
"""The subject of the drift alert of a model; its columns are parts of it."""
CODE_RED = "code-red"


class Seldom:
    """Asks a source at most every so often and repeats its answer in between: windows of a day do not change by the
    minute. An answer with a gap in it is not kept.
    """

    def __init__(self, source: Source, *, every: timedelta, clock: Clock) -> None:
        self.name = source.name
        self.kinds = source.kinds
        self._source = source
        self._every = every
        self._clock = clock
        self._kept: tuple[datetime, Report] | None = None

    def report(self) -> Report:
        now = self._clock.now()
        # A clock that was set back does not make an old answer new.
        if self._kept is not None and timedelta() <= now - self._kept[0] < self._every:
            return self._kept[1]
        self._kept = None
        report = replace(self._source.report(), asked_at=now)
        if not report.failed:
            self._kept = (now, report)
        return report


class AtOnce:
    """A slice that answers for everything in one question."""

    def __init__(self, *, name: str, kinds: frozenset[AlertKind], ask: Callable[[], tuple[Condition, ...]]) -> None:
        self.name = name
        self.kinds = kinds
        self._ask = ask

    def report(self) -> Report:
        return Report(conditions=self._ask())


class PerModel:
    """Asks one slice about every model; one that cannot be read does not silence the others."""

    def __init__(
        self,
        *,
        name: str,
        kinds: frozenset[AlertKind],
        models: Models,
        ask: Callable[[GovernedModel], tuple[Condition, ...]],
    ) -> None:
        self.name = name
        self.kinds = kinds
        self._models = models
        self._ask = ask

    def models(self) -> Iterator[GovernedModel]:
        return (model for model in self._models() if model.kind is not DeploymentKind.VENDOR)

    def ask(self, model: GovernedModel, failed: dict[str, str]) -> tuple[Condition, ...] | None:
        """None for a model that cannot be read, which is then named in `failed`, or that is gone."""
        try:
            return self._ask(model)
        except UnavailableError as away:
            failed[model.name] = str(away)
        except UnknownModelError:
            # It left the inventory between two questions; the next round does not ask about it.
            pass
        return None

    def report(self) -> Report:
        failed = dict[str, str]()
        answers = [self.ask(model, failed) for model in self.models()]
        return Report(conditions=tuple(item for answer in answers for item in answer or ()), failed=failed)


class WhenChanged:
    """Asks about a model only when what it is judged by has changed since the last pass, and at least once an hour.

    `marks` says in one question, for all models, which state of the figures a verdict would rest on; a model without
    a mark, or one that could not be read, is asked each time. What is judged against the calendar changes with the day.
    """

    def __init__(
        self,
        source: PerModel,
        *,
        marks: Callable[[], Mapping[str, str]],
        clock: Clock,
        at_most: timedelta = timedelta(hours=1),
    ) -> None:
        self.name = source.name
        self.kinds = source.kinds
        self._source = source
        self._marks = marks
        self._clock = clock
        self._at_most = at_most
        self._kept: dict[str, _Kept] = {}

    def report(self) -> Report:
        now, marks = self._clock.now(), self._marks()
        found, failed, kept = list[Condition](), dict[str, str](), dict[str, _Kept]()
        for model in self._source.models():
            mark = f"{marks[model.name]} {now.date()}" if model.name in marks else ""
            known = self._kept.get(model.name)
            # A clock that was set back does not make an old answer new.
            if known and mark and known[0] == mark and timedelta() <= now - known[1] < self._at_most:
                kept[model.name] = known
                found += known[2]
                continue
            answer = self._source.ask(model, failed)
            if answer is not None:
                kept[model.name] = (mark, now, answer)
                found += answer
        self._kept = kept
        return Report(conditions=tuple(found), failed=failed)


def drift(view: DriftView) -> tuple[Condition, ...]:
    """One for all columns together, one for whether anything is measured at all, and one for code red where something
    is watched that closely; nothing if never recorded.
    """
    if view.signal.as_of is None:
        return ()
    # Old figures are no verdict about now: with the measurement every feature becomes unknown.
    blind = view.signal.n is None
    days = [item.latest.day for item in view.features if item.latest]
    together = Condition(
        key=Key(model=view.model, kind=AlertKind.DRIFT, subject=COLUMNS),
        state=Health.UNKNOWN,
        title="Drift of",
        sentence=view.signal.sentence,
        window=max(days).isoformat() if days else "",
        target=_chart(view),
        as_of=view.signal.as_of,
        unit="PSI",
        n=view.signal.n,
        noun="column",
        parts=tuple(
            Part(
                name=item.feature,
                title=item.title,
                state=Health.UNKNOWN if blind else _sustained(item),
                sentence=view.signal.sentence if blind else item.sentence,
                target=_chart(view, feature=item.feature),
                value=item.latest.value if item.latest else None,
                measure=_measure(item),
            )
            for item in view.features
        ),
    )
    return (
        *((together,) if view.features else ()),
        *_code_red(view, together),
        _measurement(view, view.signal.as_of, blind=blind),
    )


def _measurement(view: DriftView, as_of: datetime, *, blind: bool) -> Condition:
    """One for the model, however many columns are watched in vain; only columns that a monitor names are a gap."""
    silent = view.uncompared if view.is_named and not blind else ()
    title, sentence = "Drift is not measured", view.signal.sentence if blind else "Drift is measured."
    if silent:
        title = f"Drift of {silent[0].title if len(silent) == 1 else f'{len(silent)} columns'} is not measured"
        others = ", ".join(item.title for item in silent[1:_NAMED])
        more = f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else ""
        also = f" The same holds for {others}{more}: each says why on its page." if len(silent) > 1 else ""
        sentence = f"{silent[0].sentence} {silent[0].next_step}{also}"
    return Condition(
        key=Key(model=view.model, kind=AlertKind.DRIFT, subject=_MEASUREMENT),
        state=Health.UNKNOWN if blind or silent else Health.HEALTHY,
        title=title,
        sentence=sentence,
        window=utc_text(as_of),
        target=_chart(view, feature=silent[0].feature if silent else ""),
        as_of=as_of,
        alarms_unknown=True,
    )


def _chart(view: DriftView, **place: str) -> str:
    """With the window that was judged, so that the screen shows the same figures whatever it would open with."""
    return target_of("drift", model=view.model, window=str(view.window_days), **place)


def _code_red(view: DriftView, together: Condition) -> tuple[Condition, ...]:
    """A mix may be red although no column is. Where a red column says it already, its alert is told and no second one.

    Amber is not told: it is what a first red window looks like.
    """
    red = view.code_red
    if red is None:
        return ()
    told = any(part.state is Health.BREACH for part in together.parts)
    state = Health.HEALTHY if red.state is Health.WATCH or (red.state is Health.BREACH and told) else red.state
    if view.signal.n is None:  # Old figures are no verdict about now.
        state = Health.UNKNOWN
    return (
        Condition(
            key=Key(model=view.model, kind=AlertKind.DRIFT, subject=CODE_RED),
            state=state,
            title="Code red",
            sentence=red.sentence,
            window=together.window or (utc_text(red.as_of) if red.as_of else ""),
            target=_chart(view, show="slices"),
            as_of=red.as_of,
            n=view.signal.n,
            measure=Statistic.PSI.value,
        ),
    )


def _measure(item: FeatureDrift) -> str:
    """The statistic that its state rests on."""
    found = (reading for reading in item.readings if reading.judges and reading.state is item.state)
    return next((reading.statistic.value for reading in found), "")


def _sustained(item: FeatureDrift) -> Health:
    """Red in one window may be the noise of one in a hundred; in two of three it is not."""
    return Health.WATCH if item.state is Health.BREACH and not item.sustained else item.state


def performance(view: DecayView) -> tuple[Condition, ...]:
    """Of the version that answers now, as judged: confirmed where labels are mature, else as estimated."""
    if not view.cohorts:
        return ()
    signal, words = view.signal, METRICS[view.metric]
    return (
        Condition(
            key=Key(model=view.model, kind=AlertKind.PERFORMANCE, subject=view.metric.value),
            state=signal.state,
            title=f"{words.title} of {view.model}",
            sentence=signal.sentence,
            window=utc_text(signal.as_of) if signal.as_of else view.cohorts[-1].end.isoformat(),
            target=target_of("performance", model=view.model, metric=view.metric.value),
            as_of=signal.as_of,
            value=signal.value,
            unit=signal.unit,
            n=signal.n,
        ),
    )


def tables(found: Iterable[TableHealth]) -> tuple[Condition, ...]:
    """All rules of a feature table together, for every model that rests on it: one cause, one alert."""
    return tuple(
        Condition(
            key=Key(model=model, kind=AlertKind.DATA, subject=table.name),
            state=Health.UNKNOWN,
            title=f"{table.title}:",
            sentence=table.problem,
            window=max(standing.day for standing in table.standings).isoformat(),
            target=target_of("data_health", table=table.name, model=model),
            as_of=table.checked_at,
            noun="rule",
            parts=tuple(
                Part(
                    name=standing.result.kind.value,
                    title=standing.result.kind.value,
                    state=Health.UNKNOWN if table.problem else standing.result.state,
                    sentence=table.problem or standing.result.sentence,
                    target=target_of("data_health", table=table.name, model=model),
                    value=standing.result.value,
                )
                for standing in table.standings
            ),
        )
        for table in found
        if table.standings
        for model in table.models
    )


def pipelines(found: Iterable[PipelineHealth]) -> tuple[Condition, ...]:
    """How the last run of each pipeline went, for every model that rests on it; a missing run is a window too."""
    return tuple(
        Condition(
            key=Key(model=model, kind=AlertKind.PIPELINE, subject=pipeline.pipeline),
            state=pipeline.state,
            title=f"Runs of {pipeline.title}",
            sentence=pipeline.sentence,
            window=_run_window(pipeline),
            target=target_of("data_health", pipeline=pipeline.pipeline, model=model),
            as_of=pipeline.explanation.as_of,
            n=pipeline.runs,
        )
        for pipeline in found
        for model in pipeline.models
    )


def _run_window(pipeline: PipelineHealth) -> str:
    overdue = "overdue after " if pipeline.state is Health.BREACH and pipeline.last and pipeline.last.ok else ""
    return f"{overdue}{pipeline.last.run_id[-60:] if pipeline.last else ''}"


def promise_days(model: GovernedModel) -> int:
    """A week of batch runs is too few to say whether a promise of one in a hundred is kept."""
    return 30 if model.kind is DeploymentKind.BATCH else 7


def promise(view: SlaView, model: GovernedModel) -> tuple[Condition, ...]:
    """Latency and errors of an endpoint, lateness and failures of batch runs; nothing where nothing is promised."""
    if view.level is None:
        return ()
    batch = model.kind is DeploymentKind.BATCH
    first, second = ("Late runs", "Failed runs") if batch else ("Latency", "Errors")
    # The screen of a batch model shows its runs, whatever the window.
    days = "" if batch else str(promise_days(model))
    target = target_of("reliability", model=view.model, days=days)
    return (
        _promised(view, "latency", f"{first} of {model.name}", view.latency, target),
        _promised(view, "errors", f"{second} of {model.name}", view.errors, target),
    )


def _promised(view: SlaView, subject: str, title: str, signal: Signal, target: str) -> Condition:
    return Condition(
        key=Key(model=view.model, kind=AlertKind.SERVICE_LEVEL, subject=subject),
        state=signal.state,
        title=title,
        sentence=signal.sentence,
        window=utc_text(signal.as_of) if signal.as_of else "",
        target=target,
        as_of=signal.as_of,
        value=signal.value,
        unit=signal.unit,
        n=signal.n,
        measure=subject,
    )


class Budgets:
    """Forecasts to month end from the kept lines of the portfolio; nothing where nobody set a budget.

    Each day is a window, a new month a new subject. A line is computed anew when its records change and on every day;
    one that is older than two days could not be computed, and says nothing about today.
    """

    name = "budgets"
    kinds = frozenset({AlertKind.BUDGET})

    def __init__(self, lines: Callable[[], Iterable[PortfolioRow]], *, clock: Clock) -> None:
        self._lines = lines
        self._clock = clock

    def report(self) -> Report:
        found, failed, now = list[Condition](), dict[str, str](), self._clock.now()
        for line in self._lines():
            if line.budget is None:
                continue
            if now - line.computed_at > _OLDEST_LINE:
                failed[line.model] = f"Its cost was last computed at {utc_text(line.computed_at)}."
            else:
                found.append(_budget(line))
        return Report(conditions=tuple(found), failed=failed)


def _budget(line: PortfolioRow) -> Condition:
    return Condition(
        key=Key(model=line.model, kind=AlertKind.BUDGET, subject=line.budget_month),
        state=line.budget_state,
        title=f"Budget of {line.model} in {line.budget_month}",
        sentence=line.budget_sentence,
        window=line.budget_day,
        target=target_of("value", model=line.model, show="cost"),
        value=float(line.budget_share) if line.budget_share is not None else None,
        unit="of the budget",
        n=line.budget_n,
    )


def ownership(models: Iterable[GovernedModel], orphans: Iterable[Orphan]) -> tuple[Condition, ...]:
    """Each duty somebody was named for. Work stops without who is accountable or responsible; advice can wait."""
    gone = {(item.model, item.duty.role): item for item in orphans}
    return tuple(
        Condition(
            key=Key(model=model.name, kind=AlertKind.OWNERSHIP, subject=owner.role),
            state=Health.HEALTHY if found is None else Health.BREACH if found.is_urgent else Health.WATCH,
            title=f"{duty_of(owner.role).title} of {model.name}",
            sentence=found.sentence if found else f"{owner.name} is there.",
            window=f"{'gone' if found else 'here'}:{owner.subject}",
            target=target_of("programme", show="ownership", model=model.name),
        )
        for model in models
        for owner in model.owners
        for found in [gone.get((model.name, owner.role))]
    )


def burn(view: BudgetView, model: str, *, now: datetime) -> tuple[Condition, ...]:
    """The rule that watches the budget opens the incident and calls people; the alert is where it is found."""
    firing = next((item for item in view.burns if item.firing), None)
    measured = any(item.long_rate is not None for item in view.burns)
    state = Health.HEALTHY if measured else Health.UNKNOWN
    if firing is not None:
        state = Health.BREACH if firing.pair.urgency is Urgency.PAGE else Health.WATCH
    hour = now.replace(minute=0, second=0, microsecond=0)
    return (
        Condition(
            key=Key(model=model, kind=AlertKind.BURN_RATE, subject="errors"),
            state=state,
            title=f"Error budget of {model}",
            sentence=f"{firing.sentence} {view.sentence}" if firing else view.sentence,
            window=utc_text(hour),
            target=target_of("reliability", model=model),
            as_of=now,
            value=firing.long_rate if firing else None,
            unit="times too fast" if firing else "",
            n=view.requests,
            measure="errors",
            incident_key=f"burn:{model}:{firing.pair.urgency.value}" if firing else "",
        ),
    )


class WaitingRollbacks:
    """Rollbacks that were asked for and not carried out; who waits for one believes that traffic is back."""

    name = "rollbacks"
    kinds = frozenset({AlertKind.ROLLBACK})

    def __init__(self, *, units: RolloutUnits, clock: Clock) -> None:
        self._units = units
        self._clock = clock

    def report(self) -> Report:
        with self._units.read() as unit:
            rows = unit.rollouts.deployments()
            waiting = unit.rollouts.open_actions()
        return Report(
            conditions=tuple(rollbacks([row.model for row in rows], waiting, now=self._clock.now())),
        )


def rollbacks(models: Iterable[str], waiting: Iterable[Action], *, now: datetime) -> Iterator[Condition]:
    late: dict[str, Action] = {}
    for action in waiting:
        if action.kind in _BRINGS_BACK and now - action.created_at > ROLLBACK_WITHIN:
            known = late.get(action.model)
            late[action.model] = min(known, action, key=lambda item: item.created_at) if known else action
    for model in sorted({*models, *late}):
        found = late.get(model)
        yield Condition(
            key=Key(model=model, kind=AlertKind.ROLLBACK, subject="waiting"),
            state=Health.BREACH if found else Health.HEALTHY,
            title=f"A rollback of {model} is not carried out",
            sentence=_waits(found) if found else "No rollback waits.",
            window=found.action_id if found else "",
            target=target_of("rollouts", model=model),
            as_of=now,
            urgent=True,
        )


def _waits(action: Action) -> str:
    return (
        f"{action.requested_by} asked at {utc_text(action.created_at)} for version {action.to_version}; it is still "
        f"{action.state.value}. Traffic is not known to be back. See whether the worker runs and the platform answers."
    )
