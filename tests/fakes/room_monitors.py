"""Monitors of the room made of memory: two versions of one, a proposed default, and a table that can be imported."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from services.attestation.documents import digest
from services.attestation.models import Receipt
from services.inventory.models import DeploymentKind, GovernedModel
from services.kernel.errors import InputError, StorageUnavailableError, UnknownModelError
from services.kernel.health import Health
from services.kernel.identity import Actor
from services.monitoring import proposing
from services.monitoring.monitor_rules import ColumnKind, Problem, SourceFacts, problems
from services.monitoring.monitor_views import CheckedVersion, MonitorRow, MonitorView, Reliance
from services.monitoring.monitors import (
    BusinessImpact,
    ColumnMapping,
    Feature,
    FeatureKind,
    Monitor,
    MonitorVersion,
    Source,
    Threshold,
    diff,
    document,
)
from services.monitoring.sources import ColumnSummary, Places, Preview, SourceColumn
from tests.fakes import room_sample as sample
from tests.fakes.room_sample import HOSTILE, NOW

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

GUARDS = "It guards version 3, which is live under a policy with rollback rules."
_FEATURES = (
    Feature(column="departure_minute", title="Scheduled departure", kind=FeatureKind.NUMERIC),
    Feature(column="carrier", title="Carrier", kind=FeatureKind.CATEGORICAL),
    Feature(column="distance", title="Distance in miles", kind=FeatureKind.NUMERIC),
)
FIRST = Monitor(
    model="delay_claim_score",
    features=_FEATURES,
    thresholds=proposing.DEFAULT_THRESHOLDS,
    label_delay_hours=5.0,
    score_title="Probability of a late arrival",
)
SECOND = replace(
    FIRST,
    windows=(7, 28),
    slices=("carrier",),
    thresholds=(Threshold(statistic="psi", watch=0.08, breach=0.2), *proposing.DEFAULT_THRESHOLDS[1:]),
    impact=BusinessImpact(
        watch_per_day=Decimal(400), breach_per_day=Decimal(1850), payer="Ben Okafor, claims",
        basis="Needless payouts of the storm week in March, per day.",
    ),
)  # fmt: skip
COLUMNS = (
    SourceColumn(name="scored_at", kind=ColumnKind.TIME, type="TIMESTAMP WITH TIME ZONE"),
    SourceColumn(name="score", kind=ColumnKind.NUMBER, type="DOUBLE"),
    SourceColumn(name="label", kind=ColumnKind.BOOLEAN, type="BOOLEAN"),
    SourceColumn(name="carrier", kind=ColumnKind.TEXT, type="VARCHAR"),
    SourceColumn(name="distance", kind=ColumnKind.NUMBER, type="DOUBLE"),
    SourceColumn(name="member", kind=ColumnKind.TEXT, type="VARCHAR"),
)
_FIRST_DAY, _LAST_DAY = date(2030, 9, 1), date(2030, 11, 10)


def _version(monitor: Monitor, number: int, **changes: Any) -> MonitorVersion:
    text = document(monitor)
    values: dict[str, Any] = {
        "model": monitor.model, "version": number, "sha256": digest(text), "text": text,
        "at": NOW - timedelta(days=90 - 30 * number), "reason": "The monitor this deployment began with.", "salt": "",
        "signed": False, "guards": "", "seq": 8 + number, "leaf_hash": "ab12" * 16,
    }  # fmt: skip
    return MonitorVersion(**(values | changes))


HISTORY = (
    _version(
        SECOND, 2, reason="Storms moved the inputs before anybody was told.", signed=True, guards=GUARDS,
        by_issuer="countersign:demo", by_subject="dana.datascience", by_name="Dana Petrov",
    ),
    _version(FIRST, 1),
)  # fmt: skip


class FakeMonitors:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self._unsigned = False

    def unsign(self) -> None:
        """The version in force was saved without a signature."""
        self._unsigned = True

    def monitors(self) -> tuple[MonitorRow, ...]:
        self._answer()
        if self._room.mode == "empty":
            return ()
        return tuple(self._row(item) for item in sample.MODELS if item.kind is not DeploymentKind.VENDOR)

    def view(self, model: str) -> MonitorView:
        self._answer()
        found = next((item for item in sample.MODELS if item.name == model), None)
        if found is None:
            raise UnknownModelError(f"There is no model named {model}.", hint="Look at the list.")
        row = self._row(found)
        if row.version is None:
            return MonitorView(row=row, versions=())
        second, first = self._history()
        return MonitorView(
            row=row,
            versions=(
                CheckedVersion(item=second, problem=self._problem(), changes=diff(FIRST, SECOND)),
                CheckedVersion(item=first, problem="", changes=diff(None, FIRST)),
            ),
            hindrance=Reliance.of(second, self._problem()).hindrance,
        )

    def propose_default(self, model: str) -> Monitor:
        self._answer()
        title = HOSTILE if self._room.hostile else "Distance"
        return replace(
            SECOND, model=model, features=(Feature(column="distance", title=title, kind=FeatureKind.NUMERIC),)
        )

    def check(self, monitor: Monitor) -> tuple[Problem, ...]:
        self._answer()
        kinds = {item.name: item.kind for item in COLUMNS}
        kinds |= {"event_at": ColumnKind.TIME, "version": ColumnKind.TEXT, "entity": ColumnKind.TEXT}
        kinds |= {"departure_minute": ColumnKind.NUMBER}
        return problems(monitor, SourceFacts(columns=kinds, first=_FIRST_DAY, last=_LAST_DAY), guards="")

    def guards(self, model: str) -> str:
        return GUARDS if model == "delay_claim_score" else ""

    def places(self) -> Places:
        self._answer()
        return Places(folders=("/data/imports",), connections=("estate",))

    def columns(self, source: Source, *, actor: Actor) -> tuple[SourceColumn, ...]:
        if source.folder.startswith(".."):
            raise InputError(f"{source.folder} is not a folder under one that imports may read from.")
        return COLUMNS

    def preview(self, model: str, source: Source, mapping: ColumnMapping, *, actor: Actor) -> Preview:
        note = Problem(
            field="timestamp", what="The times in `scored_at` name no zone.", why="They are read as UTC.", next="Go on."
        )
        fault = Problem(field="source", what="There are no rows.", why="Nothing to compare.", next="Choose another.")
        empty = source.folder == "empty"
        value = HOSTILE if self._room.hostile else "UA"
        return Preview(
            rows=0 if empty else 41_280,
            first=None if empty else datetime.combine(_FIRST_DAY, NOW.timetz()),
            last=None if empty else NOW,
            days=0 if empty else 71,
            columns=tuple(
                ColumnSummary(
                    name=item.name, kind=item.kind, type=item.type, missing=None if empty else 0.012,
                    low="0.01" if item.kind is ColumnKind.NUMBER else "",
                    high="0.99" if item.kind is ColumnKind.NUMBER else "",
                    mask="hidden" if item.name == "member" else "as it is",
                )
                for item in COLUMNS
            ),
            sampled=tuple(item.name for item in COLUMNS),
            samples=() if empty else (("2030-11-10 06:00", "0.41", "true", value, "733", "hidden"),) * 3,
            faults=(fault,) if empty else (),
            notes=() if empty else (note,),
        )  # fmt: skip

    def propose_import(self, model: str, source: Source, mapping: ColumnMapping, *, actor: Actor) -> Monitor:
        found = next(item for item in sample.MODELS if item.name == model)
        return proposing.propose_import(
            found, source=source, mapping=mapping, columns=COLUMNS, history=(_FIRST_DAY, _LAST_DAY), inputs={},
            worth=proposing.Worth(per_day=Decimal(900), currency="USD", basis="Recorded benefit of 30 days."),
        )  # fmt: skip

    def save(self, command: Any, *, actor: Actor) -> Receipt:
        if command.passphrase is not None:
            self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def _row(self, model: GovernedModel) -> MonitorRow:
        known = model.name == "delay_claim_score" and self._room.mode != "empty"
        problem = self._problem() if known else ""
        version = self._history()[0] if known else None
        return MonitorRow(
            model=model.name,
            title=HOSTILE if self._room.hostile else model.title,
            tier=int(model.tier),
            state=Health.BREACH if problem else Health.HEALTHY if known else Health.UNKNOWN,
            sentence=problem
            or ("Sketched up to 10 Nov 2030." if known else "No monitor is saved; nothing says how it is watched."),
            version=version,
            last_day=_LAST_DAY if known else None,
            guards=GUARDS if known else "",
            monitor=version.monitor if version and not problem else None,
        )

    def _history(self) -> tuple[MonitorVersion, MonitorVersion]:
        if self._unsigned:
            return replace(HISTORY[0], signed=False), HISTORY[1]
        if not self._room.hostile:
            return HISTORY
        told = replace(
            SECOND, features=(replace(_FEATURES[0], title=HOSTILE),), impact=replace(SECOND.impact, payer=HOSTILE)
        )
        return _version(told, 2, reason=HOSTILE, by_name=HOSTILE, signed=True, guards=GUARDS), HISTORY[1]

    def _problem(self) -> str:
        broken = self._room.mode == "broken"
        return "Its stored text is not what entry 10 of the ledger recorded." if broken else ""

    def _answer(self) -> None:
        if self._room.mode == "unavailable":
            raise StorageUnavailableError("The governance database does not answer.")
