"""Fallback cards, drills and switches in the governance database; works on the caller's connection."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select, update

from services.adapters.sql.schema.batch import fallback_card, fallback_drill, fallback_switch
from services.kernel.clock import from_utc_text, utc_text
from services.kernel.errors import StaleRequestError
from services.rollout.fallback_models import (
    Drill,
    DrillStep,
    FallbackCard,
    FallbackMode,
    FallbackStep,
    ModeCard,
    Switch,
    SwitchState,
)


class SqlFallbacks:
    """Implements rollout.fallback_ports.FallbackStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # cards

    def card(self, model: str) -> FallbackCard | None:
        table = fallback_card.c
        query = select(fallback_card).where(table.model == model).order_by(table.revision.desc()).limit(1)
        row = self._connection.execute(query).first()
        return _card(row) if row else None

    def add_card(self, card: FallbackCard) -> None:
        table = fallback_card.c
        newest: int = self._connection.execute(
            select(func.coalesce(func.max(table.revision), 0)).where(table.model == card.model)
        ).scalar_one()
        if card.revision != newest + 1:
            raise StaleRequestError("Somebody edited this card at the same moment.", hint="Open it again.")
        document = {"modes": [asdict(mode) for mode in card.modes], "consumers": card.consumers}
        self._connection.execute(
            insert(fallback_card).values(
                model=card.model,
                revision=card.revision,
                document=json.dumps(document | {"contact": card.contact}),
                edited_by=card.edited_by,
                edited_at=card.edited_at,
                seq=card.seq,
            )
        )

    # drills

    def drills(self, model: str, *, limit: int = 20) -> tuple[Drill, ...]:
        table = fallback_drill.c
        query = select(fallback_drill).where(table.model == model).order_by(table.started_at.desc(), table.seq.desc())
        return tuple(_drill(row) for row in self._connection.execute(query.limit(limit)))

    def drill(self, drill_id: str) -> Drill | None:
        query = select(fallback_drill).where(fallback_drill.c.drill_id == drill_id)
        row = self._connection.execute(query).first()
        return _drill(row) if row else None

    def save_drill(self, drill: Drill) -> Drill:
        saved = replace(drill, revision=drill.revision + 1)
        steps = [
            {"text": step.text, "owner": step.owner, "by": step.done_by, "at": _text(step.done_at)}
            for step in drill.steps
        ]
        self._save(fallback_drill, "drill_id", saved, {"mode": drill.mode.value, "steps": json.dumps(steps)})
        return saved

    # switches

    def switches(self, model: str, *, limit: int = 20) -> tuple[Switch, ...]:
        table = fallback_switch.c
        query = select(fallback_switch).where(table.model == model).order_by(table.ordered_at.desc(), table.seq.desc())
        return tuple(_switch(row) for row in self._connection.execute(query.limit(limit)))

    def switch(self, switch_id: str) -> Switch | None:
        query = select(fallback_switch).where(fallback_switch.c.switch_id == switch_id)
        row = self._connection.execute(query).first()
        return _switch(row) if row else None

    def open_switches(self) -> tuple[Switch, ...]:
        table = fallback_switch.c
        query = select(fallback_switch).where(table.state == SwitchState.ORDERED.value).order_by(table.seq)
        return tuple(_switch(row) for row in self._connection.execute(query))

    def save_switch(self, switch: Switch) -> Switch:
        saved = replace(switch, revision=switch.revision + 1)
        self._save(fallback_switch, "switch_id", saved, {"mode": switch.mode.value, "state": switch.state.value})
        return saved

    def _save(self, table: Table, key: str, item: Drill | Switch, encoded: dict[str, Any]) -> None:
        values = {column.name: getattr(item, column.name) for column in table.columns} | encoded
        if item.revision == 1:
            self._connection.execute(insert(table).values(**values))
            return
        same = (table.c[key] == values[key], table.c.revision == item.revision - 1)
        if self._connection.execute(update(table).where(*same).values(**values)).rowcount != 1:
            raise StaleRequestError("Somebody acted on this at the same moment.", hint="Look again.")


def _card(row: Row[Any]) -> FallbackCard:
    document = json.loads(row.document)
    return FallbackCard(
        model=row.model,
        modes=tuple(
            ModeCard(
                mode=FallbackMode(item["mode"]),
                consumers_get=item["consumers_get"],
                steps=tuple(FallbackStep(**step) for step in item["steps"]),
            )
            for item in document["modes"]
        ),
        consumers=tuple(document["consumers"]),
        contact=document["contact"],
        revision=row.revision,
        edited_by=row.edited_by,
        edited_at=row.edited_at,
        seq=row.seq,
    )


def _drill(row: Row[Any]) -> Drill:
    steps = tuple(
        DrillStep(text=step["text"], owner=step["owner"], done_by=step["by"], done_at=_time(step["at"]))
        for step in json.loads(row.steps)
    )
    fields = dict(row._mapping)  # noqa: SLF001 - public in SQLAlchemy
    return Drill(**(fields | {"mode": FallbackMode(row.mode), "steps": steps}))


def _switch(row: Row[Any]) -> Switch:
    fields = dict(row._mapping)  # noqa: SLF001 - public in SQLAlchemy
    return Switch(**(fields | {"mode": FallbackMode(row.mode), "state": SwitchState(row.state)}))


def _text(at: datetime | None) -> str:
    return utc_text(at) if at else ""


def _time(text: str) -> datetime | None:
    return from_utc_text(text) if text else None
