"""How much of each retention class there is, how old it is, and what of it is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from services.audit import retention
from services.audit.history import History
from services.audit.ports import AccessLog, PredictionLog
from services.audit.retention import ClassState, Erasable, RetentionRule, Schedule
from services.kernel.errors import UnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    history: History
    items: tuple[Erasable, ...]
    predictions: PredictionLog
    access: AccessLog
    schedule: Schedule
    profiles: frozenset[str]
    today: date

    def state(self, rule: RetentionRule) -> ClassState:
        years = rule.period(self.profiles)
        standing = tuple(hold for hold in retention.holds(self.history) if hold.stands)
        known = {profile.id: profile for profile in self.schedule.profiles}
        records, oldest, problem = self._counted(rule)
        retired = retention.retired_on(self.history)
        mine = tuple(item for item in self.items if item.class_id == rule.id)
        free, held = retention.disposable(rule, mine, years=years, retired=retired, standing=standing, today=self.today)
        next_due, words = _next_due(rule, years, oldest, mine, retired)
        return ClassState(
            rule=rule,
            applies=rule.applies(self.profiles),
            years=years,
            reason=rule.reason(self.profiles, known),
            records=records,
            oldest=oldest,
            next_due=next_due,
            due_words=problem or words,
            erasable=len(mine),
            due_now=len(free),
            held=len(held),
            holds=tuple(hold for hold in standing if hold.scope_kind == "model" or hold.scope == rule.id),
        )

    def _counted(self, rule: RetentionRule) -> tuple[int, datetime | None, str]:
        """(records, oldest, what could not be counted). Days of the inference log count as one record each."""
        facts = [fact for fact in self.history.facts if retention.class_of(fact) == rule.id]
        count, oldest = len(facts), facts[0].at if facts else None
        try:
            if rule.id == "machine":
                for source in ("predictions", "requests"):
                    count, oldest = _with_days(count, oldest, *self.predictions.days(source))
            elif rule.id == "support":
                count, oldest = _with_days(count, oldest, *self.predictions.days("reviews"))
            elif rule.id == "access":
                views, first = self.access.view_count()
                count += views
                oldest = min((at for at in (oldest, first) if at is not None), default=None)
        except UnavailableError as away:
            return count, oldest, f"Not all could be counted: {away.message}"
        if rule.id == "drafts":
            forms = [item for item in self.items if item.class_id == "drafts"]
            return len(forms), forms[0].at if forms else None, ""
        return count, oldest, ""


def _with_days(count: int, oldest: datetime | None, days: int, first: date | None) -> tuple[int, datetime | None]:
    if first is None:
        return count, oldest
    at = datetime.combine(first, time.min, tzinfo=UTC)
    return count + days, at if oldest is None else min(oldest, at)


def _next_due(
    rule: RetentionRule,
    years: int,
    oldest: datetime | None,
    items: tuple[Erasable, ...],
    retired: Mapping[str, date],
) -> tuple[date | None, str]:
    if rule.start == "model-retired":
        dates = [
            due for item in items if (due := retention.due_day(rule, item, years=years, retired=retired)) is not None
        ]
        return (min(dates), "") if dates else (None, "Its period has not begun: no model is recorded as retired.")
    if oldest is None:
        return None, "No record of this class yet."
    return retention.years_after(oldest.date(), years), ""
