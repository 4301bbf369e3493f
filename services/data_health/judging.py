"""The rules of a table held against one of its days. Pure; what could not be measured is unknown, never kept.

A rule without tolerance (a declared range, a key) is judged on any number of rows: one repeated key is repeated. A rule
about a share needs twenty rows, and is broken only where the interval of the share lies beyond the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

from services.data_health.models import ColumnFact, HealthDay, RuleKind, RuleResult, TableDay, Zones
from services.data_health.rules import ColumnRule, TableRules
from services.data_health.volume import expectation, start_of
from services.kernel.health import Health
from services.kernel.interval import share_of

LEAST_ROWS = 20
HALF, DOUBLE = 0.5, 1.8
"""Rows beyond the band are watched; fewer than half or nearly twice the usual are a breach."""
_NAMED = 3


def judge(
    rules: TableRules, day: date, facts: TableDay | None, *, known: Mapping[date, TableDay], now: datetime
) -> HealthDay:
    """`known`: every profiled day of the table, this one included. `facts` None: the day has no rows."""
    ends = start_of(day + timedelta(days=1), rules.zone)
    over = ends <= now
    results = []
    for kind in rules.kinds:
        if kind is RuleKind.FRESHNESS:
            results.append(_freshness(rules, day, facts, known, asked=min(now, ends)))
        elif kind is RuleKind.VOLUME:
            results.append(_volume(rules, day, facts, known, over=over))
        elif facts is None or not facts.all_rows:
            results.append(_unknown(kind, "There is no row to look at."))
        else:
            result = _on_rows(kind, rules, facts)
            # Too few rows on a day that is not over is no verdict: more may come.
            results.append(replace(result, settled=over or result.state is not Health.UNKNOWN))
    return HealthDay(
        table=rules.table,
        day=day,
        revision=rules.revision,
        results=tuple(results),
        rows=facts.rows if facts else 0,
    )


def unknown_day(rules: TableRules, day: date, sentence: str) -> HealthDay:
    """A day about which nothing can be said, for example because the rows are gone."""
    return HealthDay(
        table=rules.table,
        day=day,
        revision=rules.revision,
        results=tuple(_unknown(kind, sentence) for kind in rules.kinds),
        rows=None,
    )


def _on_rows(kind: RuleKind, rules: TableRules, facts: TableDay) -> RuleResult:
    if kind is RuleKind.SCHEMA:
        return _schema(rules, facts)
    if kind is RuleKind.NULLS:
        return _nulls(rules, facts)
    if kind is RuleKind.RANGE:
        return _range(rules, facts)
    return _unique(rules, facts)


def _freshness(
    rules: TableRules, day: date, facts: TableDay | None, known: Mapping[date, TableDay], *, asked: datetime
) -> RuleResult:
    kind, limit = RuleKind.FRESHNESS, rules.fresh_hours or 0.0
    if facts is not None and facts.zones is Zones.MIXED:
        return _unknown(kind, f"Some times in {rules.time_column} state a zone and some do not.", n=facts.all_rows)
    if facts is not None and facts.all_rows and facts.zones is Zones.NONE:
        words = f"No value of {rules.time_column} can be read as a time." if rules.time_column else "No time column."
        return _unknown(kind, words, n=facts.all_rows)
    times = [item.newest for at, item in known.items() if at <= day and item.newest is not None]
    newest = max((at for at in times if at <= asked), default=None)
    rows = facts.all_rows if facts else 0
    if newest is None:
        return _unknown(kind, "No row with a time has been seen.", n=rows)
    hours = (asked - newest).total_seconds() / 3600
    state = Health.BREACH if hours > limit else Health.HEALTHY
    sentence = f"The newest row is {_age(hours)} old; {_age(limit)} are allowed."
    if facts is not None and (facts.future or facts.undated):
        state = Health.BREACH if state is Health.BREACH else Health.WATCH
        odd = [f"{facts.future:,} rows carry a time in the future"] if facts.future else []
        odd += [f"{facts.undated:,} rows carry no time"] if facts.undated else []
        sentence = f"{' and '.join(odd)}; they say nothing about age. {sentence}"
    return RuleResult(kind=kind, state=state, sentence=sentence, n=rows, value=hours)


def _volume(
    rules: TableRules, day: date, facts: TableDay | None, known: Mapping[date, TableDay], *, over: bool
) -> RuleResult:
    rows = facts.rows if facts else 0
    usual = expectation(day, {at: item.rows for at, item in known.items() if at < day}, rules.zone)
    if usual is None:
        words = f"{rows:,} rows; too few days of the same weekday are known to say how many are usual."
        return _unknown(RuleKind.VOLUME, words, n=rows)
    low, high = usual.band(rules.deviations or 0.0)
    words = f"{rows:,} rows; {low:,.0f} to {high:,.0f} are usual for the weekday (median {usual.rows:,.0f})"
    state = Health.HEALTHY
    if rows < low:
        state = Health.BREACH if rows < HALF * usual.rows else Health.WATCH
    elif rows > high:
        state = Health.BREACH if rows > DOUBLE * usual.rows and usual.rows > 0 else Health.WATCH
    if not over and rows <= high:
        return RuleResult(
            kind=RuleKind.VOLUME, state=Health.UNKNOWN, sentence=f"{words}; the day is not over.", n=rows,
            value=float(rows), settled=False,
        )  # fmt: skip
    return RuleResult(kind=RuleKind.VOLUME, state=state, sentence=f"{words}.", n=rows, value=float(rows))


def _schema(rules: TableRules, facts: TableDay) -> RuleResult:
    """A column without any value has no type to compare."""
    there = {item.name: item for item in facts.columns}
    gone = [item for item in rules.columns if item.name not in there]
    expected = {item.name for item in rules.columns}
    new = [item for item in facts.columns if item.name not in expected and item.name not in {"date", "model"}]
    other = [
        f"{item.name} is {there[item.name].family} ({there[item.name].type}) instead of {item.family}"
        for item in rules.columns
        if item.name in there
        and there[item.name].family is not item.family
        and there[item.name].missing < facts.all_rows
    ]
    said = [*_gone(gone, new), *other[:_NAMED], *_new(gone, new)]
    if facts.zones is Zones.MIXED:
        said.append(f"{rules.time_column} mixes times with and without a zone")
    broken = bool(gone or other or facts.zones is Zones.MIXED)
    state = Health.BREACH if broken else Health.WATCH if new else Health.HEALTHY
    sentence = "; ".join(said) or f"All {len(rules.columns)} columns are there with their types"
    value = float(len(gone) + len(other) + len(new))
    return RuleResult(kind=RuleKind.SCHEMA, state=state, sentence=f"{sentence}.", n=facts.all_rows, value=value)


def _gone(gone: list[ColumnRule], new: list[ColumnFact]) -> list[str]:
    """One column gone and one of its type new: most likely renamed, which is said as a guess."""
    if len(gone) == 1 and len(new) == 1 and gone[0].family is new[0].family:
        return [f"{gone[0].name} is gone and {new[0].name} is new, of the same type: perhaps renamed"]
    return [f"{_names([item.name for item in gone])} {'is' if len(gone) == 1 else 'are'} gone"] if gone else []


def _new(gone: list[ColumnRule], new: list[ColumnFact]) -> list[str]:
    if not new or (len(gone) == 1 and len(new) == 1 and gone[0].family is new[0].family):
        return []
    return [f"{_names([item.name for item in new])} {'is' if len(new) == 1 else 'are'} new"]


def _nulls(rules: TableRules, facts: TableDay) -> RuleResult:
    judged = [
        (_share(fact.missing, facts.all_rows, rule.most_missing), f"{rule.name} is missing in", fact.missing)
        for rule in rules.columns
        if rule.most_missing is not None and (fact := facts.column(rule.name)) is not None
    ]
    return _worst(RuleKind.NULLS, judged, facts.all_rows, "Every column is filled as much as its limit asks")


def _range(rules: TableRules, facts: TableDay) -> RuleResult:
    judged = [
        (
            _outside(rule, fact, facts.all_rows),
            f"{rule.name} is outside{_span(rule)} in",
            fact.outside,
        )
        for rule in rules.columns
        if rule.bounded and (fact := facts.column(rule.name)) is not None
    ]
    return _worst(RuleKind.RANGE, judged, facts.all_rows, "Every value lies within its bounds")


def _unique(rules: TableRules, facts: TableDay) -> RuleResult:
    key = ", ".join(rules.key)
    if facts.repeated is None:
        return _unknown(RuleKind.UNIQUE, f"The key {key} is not among the columns.", n=facts.all_rows)
    state = Health.BREACH if facts.repeated else Health.HEALTHY
    words = f"{facts.repeated:,} of {facts.all_rows:,} rows repeat a key" if facts.repeated else f"{key} is unique"
    return RuleResult(
        kind=RuleKind.UNIQUE, state=state, sentence=f"{words}.", n=facts.all_rows, value=facts.repeated / facts.all_rows
    )


def _outside(rule: ColumnRule, fact: ColumnFact, n: int) -> Health:
    state = _share(fact.outside, n, rule.most_outside)
    return Health.WATCH if state is Health.BREACH and not rule.stated else state


def _share(bad: int, n: int, limit: float) -> Health:
    estimate = share_of(bad, n)
    if estimate is None:
        return Health.UNKNOWN
    if limit == 0:
        return Health.BREACH if bad else Health.HEALTHY
    if n < LEAST_ROWS:
        return Health.UNKNOWN
    if estimate.low > limit:
        return Health.BREACH
    return Health.WATCH if estimate.value > limit else Health.HEALTHY


def _worst(kind: RuleKind, judged: list[tuple[Health, str, int]], n: int, kept: str) -> RuleResult:
    """The worst column speaks; how many others are with it is said. Columns that are gone are the schema's business."""
    if not judged:
        return _unknown(kind, "None of its columns is there.", n=n)
    state = Health.worst([item[0] for item in judged])
    value = max(bad for *_, bad in judged) / n
    if state is Health.HEALTHY:
        return RuleResult(kind=kind, state=state, sentence=f"{kept}.", n=n, value=value)
    if state is Health.UNKNOWN:
        return _unknown(kind, f"{n} rows are too few to judge a share.", n=n)
    same = sorted((item for item in judged if item[0] is state), key=lambda item: item[2], reverse=True)
    more = f"; {len(same) - _NAMED} more columns" if len(same) > _NAMED else ""
    said = "; ".join(f"{words} {bad:,} of {n:,} rows ({bad / n:.1%})" for _, words, bad in same[:_NAMED])
    return RuleResult(kind=kind, state=state, sentence=f"{said}{more}.", n=n, value=value)


def _span(rule: ColumnRule) -> str:
    low, high = ("any" if bound is None else f"{bound:g}" for bound in (rule.low, rule.high))
    return f" {low} to {high}"


def _unknown(kind: RuleKind, sentence: str, *, n: int = 0) -> RuleResult:
    return RuleResult(kind=kind, state=Health.UNKNOWN, sentence=sentence, n=n)


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _age(hours: float) -> str:
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"
