"""Policy exceptions in the governance database; works on the caller's connection."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, insert, or_, select, update

from services.adapters.sql.schema.exceptions import exception_step, policy_exception
from services.exceptions.models import PolicyException, Signed, Who


class SqlExceptions:
    """Implements exceptions.ports.ExceptionStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, item: PolicyException) -> None:
        self._connection.execute(
            insert(policy_exception).values(
                exception_id=item.exception_id,
                model=item.model,
                gate=item.gate,
                gate_title=item.gate_title,
                control=item.control,
                control_salt=item.control_salt,
                owner_issuer=item.owner.issuer,
                owner_subject=item.owner.subject,
                owner_name=item.owner.name,
                until=item.until,
                granted=None,
                noticed_at=None,
            )
        )
        self._add_step(item.exception_id, "proposed", item.proposed)

    def get(self, exception_id: str) -> PolicyException | None:
        found = self._read(select(policy_exception).where(policy_exception.c.exception_id == exception_id))
        return found[0] if found else None

    def all(self, model: str = "") -> tuple[PolicyException, ...]:
        query = select(policy_exception)
        if model:
            query = query.where(policy_exception.c.model == model)
        return tuple(sorted(self._read(query), key=lambda item: -item.proposed.seq))

    def undecided_or_granted(self, model: str = "") -> tuple[PolicyException, ...]:
        table = policy_exception.c
        ended = exists().where(exception_step.c.exception_id == table.exception_id, exception_step.c.step == "ended")
        query = select(policy_exception).where(or_(table.granted.is_(None), table.granted.is_(True)), ~ended)
        if model:
            query = query.where(table.model == model)
        return tuple(sorted(self._read(query), key=lambda item: item.proposed.seq))

    def decide(self, exception_id: str, step: Signed, *, granted: bool) -> bool:
        table = policy_exception.c
        done = self._connection.execute(
            update(policy_exception)
            .where(table.exception_id == exception_id, table.granted.is_(None))
            .values(granted=granted)
        )
        if done.rowcount != 1:
            return False
        self._add_step(exception_id, "decided", step)
        return True

    def end(self, exception_id: str, step: Signed) -> bool:
        mine = (exception_step.c.exception_id == exception_id, exception_step.c.step == "ended")
        if self._connection.execute(select(exception_step.c.seq).where(*mine)).first():
            return False
        self._add_step(exception_id, "ended", step)
        return True

    def notice(self, exception_id: str, *, at: datetime) -> None:
        self._connection.execute(
            update(policy_exception).where(policy_exception.c.exception_id == exception_id).values(noticed_at=at)
        )

    def _add_step(self, exception_id: str, word: str, step: Signed) -> None:
        self._connection.execute(
            insert(exception_step).values(
                exception_id=exception_id,
                step=word,
                by_issuer=step.by.issuer,
                by_subject=step.by.subject,
                by_name=step.by.name,
                at=step.at,
                reason=step.reason,
                salt=step.salt,
                seq=step.seq,
                leaf_hash=step.leaf_hash,
            )
        )

    def _read(self, query: Select[Any]) -> list[PolicyException]:
        rows = list(self._connection.execute(query))
        if not rows:
            return []
        ids = [row.exception_id for row in rows]
        steps: dict[str, dict[str, Signed]] = {name: {} for name in ids}
        for row in self._connection.execute(select(exception_step).where(exception_step.c.exception_id.in_(ids))):
            steps[row.exception_id][row.step] = _signed(row)
        return [_exception(row, steps[row.exception_id]) for row in rows]


def _signed(row: Row[Any]) -> Signed:
    return Signed(
        by=Who(issuer=row.by_issuer, subject=row.by_subject, name=row.by_name),
        at=row.at,
        reason=row.reason,
        salt=row.salt,
        seq=row.seq,
        leaf_hash=row.leaf_hash,
    )


def _exception(row: Row[Any], steps: dict[str, Signed]) -> PolicyException:
    return PolicyException(
        exception_id=row.exception_id,
        model=row.model,
        gate=row.gate,
        gate_title=row.gate_title,
        control=row.control,
        control_salt=row.control_salt,
        owner=Who(issuer=row.owner_issuer, subject=row.owner_subject, name=row.owner_name),
        until=row.until,
        proposed=steps["proposed"],
        granted=row.granted,
        decided=steps.get("decided"),
        ended=steps.get("ended"),
        noticed_at=row.noticed_at,
    )
