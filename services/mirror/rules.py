"""Which days are read next, and how a copy stands. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from services.kernel.health import Health
from services.mirror.models import Gap, Late, MirrorState, Piece, Plan, Source, Standing

FIRST_DAYS = 365
"""How far a first copy looks back where the platform names no limit."""
SOON_DAYS = 7
"""Rows that expire within a week are a breach: one broken week more, and they are lost."""
_DAY = timedelta(days=1)


def plan(source: Source, state: MirrorState | None, *, scope: str, now: datetime) -> Plan:
    """From the overlap before the last day that was read up to today; all there is where nothing was, or other rows.

    Days that the platform deleted in between are a gap.
    """
    today = now.date()
    if source.whole:
        return Plan(pieces=(Piece(first=today, last=today),))
    oldest = today - timedelta(days=source.kept_days or FIRST_DAYS)
    if state is None or state.through is None or state.scope != scope:
        return Plan(pieces=_pieces(oldest, today, source.step_days))
    through = min(state.through, today)
    first, gap = through - timedelta(days=source.overlap_days), None
    if source.kept_days is not None:
        first = max(first, oldest)
        if through + _DAY < oldest:
            gap = Gap(source=source.name, first=through + _DAY, last=oldest - _DAY, found_at=now)
    return Plan(
        pieces=_pieces(first, today, source.step_days),
        deep=_deep(source, state, first - _DAY, oldest, now),
        gap=gap,
    )


def _deep(source: Source, state: MirrorState, last: date, oldest: date, now: datetime) -> tuple[Piece, ...]:
    """Once a week, with the first copy after Monday 00:00 UTC: days before `last` that may have got further rows."""
    if not source.deep_days or state.copied_at is None or state.through is None:
        return ()
    if state.copied_at.isocalendar()[:2] == now.isocalendar()[:2]:
        return ()
    return _pieces(max(oldest, state.through - timedelta(days=source.deep_days)), last, source.step_days)


def _pieces(first: date, last: date, step: int) -> tuple[Piece, ...]:
    found, start = list[Piece](), first
    while start <= last:
        end = min(start + timedelta(days=step - 1), last)
        found.append(Piece(first=start, last=end))
        start = end + _DAY
    return tuple(found)


def standing(
    source: Source,
    state: MirrorState | None,
    gaps: Iterable[Gap],
    *,
    now: datetime,
    rows: int = 0,
    late: Late | None = None,
) -> Standing:
    """Unknown before the first copy, a breach where rows are lost or about to be, watched where the copy is old."""
    state = state or MirrorState(source=source.name)
    lost = tuple(gap for gap in gaps if gap.source == source.name)
    expires = _expires_in(source, state, now)
    health, words = _judged(source, state, lost, expires, now)
    if late is not None:
        words += (
            f" {late.rows:,} rows arrived more than {source.overlap_days} days late, the newest of them found "
            f"{late.found_at:%d %b %Y}."
        )
    return Standing(
        source=source, state=health, sentence=words, copied=state, expires_in=expires, gaps=lost, rows=rows, late=late
    )  # fmt: skip


def _expires_in(source: Source, state: MirrorState, now: datetime) -> int | None:
    """Days until the first day that was not copied leaves the platform."""
    if source.kept_days is None or state.through is None:
        return None
    return (state.through - now.date()).days + source.kept_days


def _judged(
    source: Source, state: MirrorState, lost: tuple[Gap, ...], expires: int | None, now: datetime
) -> tuple[Health, str]:
    broken = f" The last attempt failed: {state.error}" if state.error else ""
    if state.copied_at is None or state.through is None:
        return Health.UNKNOWN, f"{source.table} was never copied.{broken}"
    told = f"{source.table}: {_reach(state)}"
    if lost:
        days = sum((gap.last - gap.first).days + 1 for gap in lost)
        spans = ", ".join(f"{gap.first:%d %b %Y} to {gap.last:%d %b %Y}" for gap in lost)
        return (
            Health.BREACH,
            f"{told} {days} days were deleted by the platform before they were copied: {spans}.{broken}",
        )
    if expires is not None and expires <= SOON_DAYS:
        return Health.BREACH, f"{told} Rows that were not copied yet are deleted in {max(expires, 0)} days.{broken}"
    age = now - state.copied_at
    if age > timedelta(hours=source.stale_hours):
        late = f" The copy is {_lasting(age)} old; it should be no older than {source.stale_hours} hours."
        return Health.WATCH, f"{told}{late}{_kept(source, expires)}{broken}"
    if state.through < now.date() - _DAY:
        return Health.WATCH, f"{told} It is still catching up.{broken}"
    return Health.HEALTHY, f"{told}{_kept(source, expires)}{broken}"


def _reach(state: MirrorState) -> str:
    newest = f"rows up to {state.newest:%d %b %Y %H:%M} UTC, " if state.newest else "no row yet, "
    return f"{newest}copied {state.copied_at:%d %b %Y %H:%M} UTC."


def _kept(source: Source, expires: int | None) -> str:
    if source.kept_days is None:
        return ""
    return (
        f" The platform keeps rows for {source.kept_days} days; without another copy the first are lost in {expires}."
    )


def _lasting(age: timedelta) -> str:
    hours = round(age.total_seconds() / 3600)
    return f"{hours} hours" if hours < 72 else f"{hours // 24} days"
