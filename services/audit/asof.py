"""The inventory of any past day, rebuilt from the ledger alone. What no entry says is reported as not recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from services.attestation.models import Kind
from services.audit.history import Fact, History, TrafficState, newest_traffic
from services.audit.standing import open_findings
from services.inventory.registration import CHANGED, REGISTERED
from services.kernel.errors import InputError

NOT_RECORDED = "not recorded in the ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerAsOf:
    role: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingAsOf:
    model: str
    sentence: str
    since: datetime
    seq: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAsOf:
    """One model as the ledger knew it. None and empty mean: no entry says so."""

    name: str
    title: str
    tier: int | None
    kind: str
    team: str
    owners: tuple[OwnerAsOf, ...]
    review_every_days: int | None
    next_review: date | None
    vendor: str
    live: tuple[tuple[str, int], ...]
    champion: str
    live_since: datetime | None
    seq_live: int | None
    seq_registered: int | None
    findings: tuple[FindingAsOf, ...]
    unknown: tuple[str, ...]
    """What the ledger does not say about it, in words."""
    document: Mapping[str, Any]
    """The registration as recorded; empty when none was."""

    @property
    def is_vendor(self) -> bool:
        return self.kind == "vendor"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOfView:
    day: date
    at: datetime
    """The last moment that counts: the end of the day in UTC, or now for today."""
    entries: int
    """Ledger entries up to that moment."""
    models: tuple[ModelAsOf, ...]
    notes: tuple[str, ...]

    @property
    def by_tier(self) -> Mapping[int | None, int]:
        tiers = sorted({model.tier for model in self.models}, key=lambda tier: (tier is None, tier or 0))
        return {tier: sum(model.tier == tier for model in self.models) for tier in tiers}

    @property
    def in_production(self) -> int:
        return sum(bool(model.live) for model in self.models)

    @property
    def vendors(self) -> int:
        return sum(model.is_vendor for model in self.models)

    @property
    def findings(self) -> tuple[FindingAsOf, ...]:
        return tuple(finding for model in self.models for finding in model.findings)


def moment_of(day: date, *, history: History, now: datetime) -> datetime:
    """The end of `day` in UTC, never later than now. Raises InputError outside the recorded time."""
    first, last = history.began.date(), now.date()
    if day < first:
        raise InputError(
            f"Nothing is recorded for {day.isoformat()}: the ledger begins on {first.isoformat()}.",
            hint=f"Choose a day from {first.isoformat()} to {last.isoformat()}.",
        )
    if day > last:
        raise InputError(
            f"{day.isoformat()} lies in the future; the ledger ends on {last.isoformat()}.",
            hint=f"Choose a day from {first.isoformat()} to {last.isoformat()}.",
        )
    end = datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC) - timedelta(seconds=1)
    return min(end, now)


def view(history: History, *, day: date, at: datetime) -> AsOfView:
    past = history.until(at)
    registered = registrations(past)
    serving = newest_traffic(past)
    findings = open_findings(past, at=at)
    requested = {fact.model: fact for fact in past.of(Kind.REQUEST)}
    names = sorted({*registered, *serving, *requested} - {""})
    models = tuple(
        _model(
            name,
            registered=registered.get(name),
            serving=serving.get(name),
            request=requested.get(name),
            findings=tuple(
                FindingAsOf(model=name, sentence=item.sentence, since=item.since, seq=item.seq, kind=item.kind)
                for item in findings
                if item.model == name
            ),
        )
        for name in names
    )
    return AsOfView(day=day, at=at, entries=len(past.facts), models=models, notes=_notes(past, models))


def registrations(history: History) -> Mapping[str, Fact]:
    """By model, the newest registration or change of it."""
    return {fact.model: fact for fact in history.events(REGISTERED, CHANGED)}


def registered_document(fact: Fact | None) -> Mapping[str, Any]:
    if fact is None:
        return {}
    try:
        found = json.loads(fact.detail.get("document", ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _model(
    name: str,
    *,
    registered: Fact | None,
    serving: TrafficState | None,
    request: Fact | None,
    findings: tuple[FindingAsOf, ...],
) -> ModelAsOf:
    facts = registered_document(registered)
    unknown: list[str] = []
    tier = facts.get("tier")
    if registered is None:
        unknown.append("its registration, so owner, team and review cadence")
        stated = request.text("tier") if request else ""
        tier = int(stated) if stated.isdecimal() else None
        if tier is not None and request is not None:
            unknown.append(f"its tier at registration; tier {tier} is what request entry {request.seq} states")
    cadence, reviewed = facts.get("reviewEveryDays"), facts.get("lastReview")
    if registered is not None and not reviewed:
        unknown.append("when it was last reviewed")
    if tier is None:
        unknown.append("its tier")
    due = date.fromisoformat(reviewed) + timedelta(days=cadence) if reviewed and isinstance(cadence, int) else None
    return ModelAsOf(
        name=name,
        title=str(facts.get("title") or (request.text("title") if request else "") or name),
        tier=tier if isinstance(tier, int) else None,
        kind=str(facts.get("kind", "")),
        team=str(facts.get("team", "")),
        owners=tuple(OwnerAsOf(role=str(item["role"]), name=str(item["name"])) for item in facts.get("owners", ())),
        review_every_days=cadence if isinstance(cadence, int) else None,
        next_review=due,
        vendor=str(facts.get("vendor", "")),
        live=serving.routes if serving else (),
        champion=serving.champion if serving else "",
        live_since=serving.at if serving else None,
        seq_live=serving.outcome.seq if serving else None,
        seq_registered=registered.seq if registered else None,
        findings=findings,
        unknown=tuple(unknown),
        document=facts,
    )


def _notes(past: History, models: tuple[ModelAsOf, ...]) -> tuple[str, ...]:
    notes = []
    if past.replayed is not None:
        notes.append(
            f"Entries dated {past.replayed[0]} to {past.replayed[1]} replay history in its own calendar, "
            "as the first entry of the ledger states."
        )
    if past.unreadable:
        numbers = ", ".join(map(str, past.unreadable[:10]))
        notes.append(f"These entries could not be read and are left out: {numbers}. Verify the ledger.")
    void = [fact.seq for fact in past.facts if fact.void]
    if void:
        notes.append(f"Void entries have no effect here: {', '.join(map(str, void[:10]))}.")
    if any(model.seq_registered is None for model in models):
        notes.append("Some models have no registration in the ledger up to this day; they are marked.")
    notes.append("Health, drift and cost are measurements, not ledger entries: they are not part of this view.")
    return tuple(notes)
