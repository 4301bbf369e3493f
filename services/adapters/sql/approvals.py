"""Promotion requests and decisions in the governance database; works on the caller's connection."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, exists, func, insert, or_, select, update

from services.adapters.sql.schema import approvals as tables
from services.approvals import frozen
from services.approvals.models import Decision, Purpose, QueueQuery, RequestState, TrailLine
from services.approvals.records import DecisionRecord, PromotionRequest
from services.kernel.identity import Actor

_requests = tables.promotion_request
_decisions = tables.request_decision
_waiting = tables.request_waiting
_COUNTING = (Decision.APPROVE.value, Decision.ACKNOWLEDGE.value)
_APPROVED = (RequestState.APPROVED.value, RequestState.APPLIED.value, RequestState.APPLY_FAILED.value)
_UNDECIDED = (RequestState.OPEN.value, RequestState.CHANGES_REQUESTED.value)


class SqlRequests:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, request: PromotionRequest, *, waiting: dict[str, int], needed: int) -> None:
        self._connection.execute(
            insert(_requests).values(
                request_id=request.request_id,
                **_values(request),
                signed=0,
                needed=needed,
                updated_at=request.created_at,
            )
        )
        self._wait_for(request.request_id, waiting)

    def get(self, request_id: str) -> PromotionRequest | None:
        row = self._connection.execute(select(_requests).where(_requests.c.request_id == request_id)).first()
        return _request(row) if row else None

    def save(self, request: PromotionRequest, *, waiting: dict[str, int], signed: int, needed: int) -> bool:
        done = self._connection.execute(
            update(_requests)
            .where(_requests.c.request_id == request.request_id, _requests.c.revision <= request.revision)
            .values(**_values(request), signed=signed, needed=needed)
        )
        self._wait_for(request.request_id, waiting)
        return done.rowcount == 1

    def _wait_for(self, request_id: str, waiting: dict[str, int]) -> None:
        self._connection.execute(delete(_waiting).where(_waiting.c.request_id == request_id))
        for role, missing in waiting.items():
            self._connection.execute(insert(_waiting).values(request_id=request_id, role=role, missing=missing))

    def decisions(self, request_id: str) -> tuple[DecisionRecord, ...]:
        rows = self._connection.execute(
            select(_decisions).where(_decisions.c.request_id == request_id).order_by(_decisions.c.seq)
        )
        return tuple(_decision(row) for row in rows)

    def decisions_of(self, request_ids: tuple[str, ...]) -> dict[str, tuple[DecisionRecord, ...]]:
        if not request_ids:
            return {}
        rows = self._connection.execute(
            select(_decisions).where(_decisions.c.request_id.in_(request_ids)).order_by(_decisions.c.seq)
        )
        found: dict[str, list[DecisionRecord]] = {}
        for row in rows:
            found.setdefault(row.request_id, []).append(_decision(row))
        return {request_id: tuple(items) for request_id, items in found.items()}

    def add_decision(self, decision: DecisionRecord) -> None:
        names = [column.name for column in _decisions.columns]
        values = {name: getattr(decision, name) for name in names} | {"decision": decision.decision.value}
        self._connection.execute(insert(_decisions).values(**values))

    def void_decisions(self, request_id: str, *, reason: str, at: datetime) -> int:
        done = self._connection.execute(
            update(_decisions)
            .where(_decisions.c.request_id == request_id, _decisions.c.void_reason == "")
            .where(_decisions.c.decision.in_(_COUNTING))
            .values(void_reason=reason, void_at=at)
        )
        return int(done.rowcount)

    def void_decision(self, seq: int, *, reason: str, at: datetime) -> None:
        self._connection.execute(
            update(_decisions)
            .where(_decisions.c.seq == seq, _decisions.c.void_reason == "")
            .values(void_reason=reason, void_at=at)
        )

    def add_event(self, request_id: str, sentence: str, *, seq: int | None, at: datetime) -> None:
        self._connection.execute(
            insert(tables.request_event).values(request_id=request_id, at=at, sentence=sentence, seq=seq)
        )

    def trail(self, request_id: str) -> tuple[TrailLine, ...]:
        table = tables.request_event
        rows = self._connection.execute(select(table).where(table.c.request_id == request_id).order_by(table.c.id))
        return tuple(TrailLine(at=row.at, sentence=row.sentence, seq=row.seq) for row in rows)

    def find(
        self,
        query: QueueQuery,
        *,
        role: str,
        subject: str,
        now: datetime,
        lent: tuple[tuple[str, int], ...] = (),
    ) -> tuple[tuple[PromotionRequest, ...], int]:
        mine = _mine(role, subject, now, lent)
        conditions = _conditions(query, mine=mine)
        total = self._connection.execute(select(func.count()).select_from(_requests).where(*conditions)).scalar_one()
        # In order without the documents: only those of the page are read.
        wanted: list[str] = list(
            self._connection.execute(
                select(_requests.c.request_id)
                .where(*conditions)
                .order_by(
                    case((mine, 0), else_=1),
                    _requests.c.due_at,
                    _requests.c.tier,
                    _requests.c.created_at,
                    _requests.c.request_id,
                )
                .offset(query.offset)
                .limit(query.limit)
            ).scalars()
        )
        rows = self._connection.execute(select(_requests).where(_requests.c.request_id.in_(wanted)))
        found = {row.request_id: _request(row) for row in rows}
        return tuple(found[request_id] for request_id in wanted), int(total)

    def count_mine(
        self, *, role: str, subject: str, now: datetime, lent: tuple[tuple[str, int], ...] = ()
    ) -> tuple[int, int]:
        late = func.sum(case((_requests.c.due_at < now, 1), else_=0))
        mine = _mine(role, subject, now, lent)
        row = self._connection.execute(select(func.count(), late).select_from(_requests).where(mine)).one()
        return int(row[0]), int(row[1] or 0)

    def latest(self, model: str, version: str) -> PromotionRequest | None:
        row = self._connection.execute(
            select(_requests)
            .where(_requests.c.model == model, _requests.c.version == version)
            .order_by(_requests.c.seq.desc())
            .limit(1)
        ).first()
        return _request(row) if row else None

    def of_model(self, model: str) -> tuple[PromotionRequest, ...]:
        rows = self._connection.execute(
            select(_requests).where(_requests.c.model == model).order_by(_requests.c.seq.desc())
        )
        return tuple(_request(row) for row in rows)

    def outlasted(self, request: PromotionRequest) -> bool:
        standing = (RequestState.APPROVED.value, RequestState.APPLIED.value)
        found = self._connection.execute(
            select(_requests.c.request_id)
            .where(
                _requests.c.model == request.model,
                _requests.c.version == request.version,
                _requests.c.request_id != request.request_id,
                _requests.c.purpose != Purpose.RETIREMENT.value,
                _requests.c.state.in_(standing),
                _requests.c.valid_until > request.valid_until,
            )
            .limit(1)
        ).first()
        return found is not None

    def waiting_by_role(self, now: datetime) -> tuple[tuple[str, int, int], ...]:
        late = func.sum(case((_requests.c.due_at < now, 1), else_=0))
        rows = self._connection.execute(
            select(_waiting.c.role, func.count(), late)
            .join(_requests, _requests.c.request_id == _waiting.c.request_id)
            .where(_requests.c.state == RequestState.OPEN.value, _requests.c.expires_at >= now, _waiting.c.missing > 0)
            .group_by(_waiting.c.role)
            .order_by(_waiting.c.role)
        )
        return tuple((row[0], row[1], int(row[2] or 0)) for row in rows)

    def ending(self, before: datetime) -> tuple[PromotionRequest, ...]:
        rows = self._connection.execute(
            select(_requests)
            .where(_requests.c.state.in_(_APPROVED), _requests.c.valid_until < before)
            .order_by(_requests.c.valid_until)
        )
        return tuple(_request(row) for row in rows)

    def mark_seen(self, request: PromotionRequest, part: str, *, actor: Actor, at: datetime) -> None:
        table = tables.request_seen
        sha256 = dict(request.frozen.parts).get(part, request.evidence_sha256)
        mine = (
            table.c.request_id == request.request_id,
            table.c.issuer == actor.issuer,
            table.c.subject == actor.subject,
            table.c.revision == request.revision,
            table.c.part == part,
        )
        if self._connection.execute(select(table.c.part).where(*mine)).first() is None:
            self._connection.execute(
                insert(table).values(
                    request_id=request.request_id,
                    issuer=actor.issuer,
                    subject=actor.subject,
                    revision=request.revision,
                    part=part,
                    sha256=sha256,
                    at=at,
                )
            )

    def seen(self, request_id: str, *, actor: Actor) -> dict[str, str]:
        table = tables.request_seen
        rows = self._connection.execute(
            select(table.c.part, table.c.sha256)
            .where(
                table.c.request_id == request_id,
                table.c.issuer == actor.issuer,
                table.c.subject == actor.subject,
            )
            .order_by(table.c.revision)
        )
        return {row.part: row.sha256 for row in rows}

    def resting(self, now: datetime) -> tuple[PromotionRequest, ...]:
        approved = and_(_requests.c.state.in_(_APPROVED), _requests.c.valid_until >= now)
        rows = self._connection.execute(
            select(_requests).where(or_(_requests.c.state.in_(_UNDECIDED), approved)).order_by(_requests.c.request_id)
        )
        return tuple(_request(row) for row in rows)

    def expired(self, now: datetime) -> tuple[PromotionRequest, ...]:
        rows = self._connection.execute(
            select(_requests).where(_requests.c.state.in_(_UNDECIDED), _requests.c.expires_at < now)
        )
        return tuple(_request(row) for row in rows)


def _conditions(query: QueueQuery, *, mine: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.text.strip():
        text = f"%{_escaped(query.text.strip().lower())}%"
        columns = (_requests.c.model, _requests.c.title, _requests.c.requester, _requests.c.request_id)
        found.append(or_(*(func.lower(column).like(text, escape="\\") for column in columns)))
    if query.tiers:
        found.append(_requests.c.tier.in_(query.tiers))
    if query.states:
        found.append(_requests.c.state.in_([state.value for state in query.states]))
    if query.model:
        found.append(_requests.c.model == query.model)
    if query.purposes:
        found.append(_requests.c.purpose.in_([purpose.value for purpose in query.purposes]))
    if query.mine_only:
        found.append(mine)
    return found


def _mine(role: str, subject: str, now: datetime, lent: tuple[tuple[str, int], ...]) -> ColumnElement[bool]:
    """A role I fill, my own or a lent one, is waited for and I have not signed; or my request waits for changes."""
    fills = [_waiting.c.role == role]
    fills += [and_(_waiting.c.role == word, _requests.c.tier >= tier) for word, tier in lent]
    awaited = exists().where(_waiting.c.request_id == _requests.c.request_id, or_(*fills))
    signed = exists().where(
        _decisions.c.request_id == _requests.c.request_id,
        _decisions.c.subject == subject,
        _decisions.c.void_reason == "",
        _decisions.c.revision == _requests.c.revision,
    )
    to_sign = and_(
        _requests.c.state == RequestState.OPEN.value,
        _requests.c.requester_subject != subject,
        awaited,
        ~signed,
        _requests.c.void_cause == "",  # last: SQLite keeps it behind the document, which is dear to step over
    )
    to_change = and_(
        or_(
            _requests.c.state == RequestState.CHANGES_REQUESTED.value,
            and_(_requests.c.state == RequestState.OPEN.value, _requests.c.void_cause != ""),
        ),
        _requests.c.requester_subject == subject,
    )
    return and_(or_(to_sign, to_change), _requests.c.expires_at >= now)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _decision(row: Row[Any]) -> DecisionRecord:
    return DecisionRecord(**{**row._mapping, "decision": Decision(row.decision)})  # noqa: SLF001 - public in SQLAlchemy


def _request(row: Row[Any]) -> PromotionRequest:
    values = dict(row._mapping)  # noqa: SLF001 - public in SQLAlchemy
    for name in ("document", "signed", "needed", "updated_at", "state", "purpose"):
        values.pop(name)
    return PromotionRequest(
        **values, state=RequestState(row.state), purpose=Purpose(row.purpose), frozen=frozen.from_text(row.document)
    )


def _values(request: PromotionRequest) -> dict[str, Any]:
    left_out = {"request_id", "document", "signed", "needed", "updated_at", "state"}
    names = [column.name for column in _requests.columns if column.name not in left_out]
    values: dict[str, Any] = {name: getattr(request, name) for name in names}
    return values | {
        "purpose": request.purpose.value,
        "state": request.state.value,
        "document": frozen.to_text(request.frozen),
    }
