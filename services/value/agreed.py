"""Whether stored rows are what the ledger recorded: what was changed counts for nothing.

Wiring: `Agreed(newest=SqlStatementsInForce(database).newest, entries=attested)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.attestation import documents
from services.kernel.errors import ControlRoomError
from services.value.models import ValueConfig
from services.value.periods import Act, PeriodRecord
from services.value.statement_ports import EntryCheck
from services.value.statements import StatementVersion

SIGNED = "value-statement-signed"
REFUSED = "value-refused"
_EVENTS = {
    Act.PROPOSED: "value-period-proposed",
    Act.ATTESTED: "value-period-attested",
    Act.CUT: "value-period-cut",
}


def event_of(act: Act) -> str:
    return _EVENTS[act]


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The statement figures are computed with. `config` is None without one, or when its row was changed."""

    version: int = 0
    config: ValueConfig | None = None
    problem: str = ""


class Agreed:
    def __init__(self, *, newest: Callable[[str], StatementVersion | None], entries: EntryCheck) -> None:
        self._newest = newest
        self._entries = entries

    def __call__(self, model: str) -> Basis:
        item = self._newest(model)
        if item is None:
            return Basis()
        problem = statement_problem(item, self._entries)
        return Basis(version=item.version, config=None if problem else item.config, problem=problem)


def statement_problem(item: StatementVersion, entries: EntryCheck) -> str:
    """Why this row is not what its entry says; empty when text, number, model and signer agree."""
    said, problem = signed_entry(item.seq, item.leaf_hash, entries)
    if problem:
        return problem
    detail = said.get("detail", {})
    agrees = (
        said.get("event") == SIGNED
        and said.get("model") == item.model
        and detail.get("version") == str(item.version)
        and detail.get("statement") == item.sha256 == documents.digest(item.text)
        and detail.get("live") == item.live
        and _signed_by(said, item.by_issuer, item.by_subject)
    )
    return "" if agrees else f"The value statement is not what entry {item.seq} of the ledger recorded."


def period_problem(record: PeriodRecord, entries: EntryCheck) -> str:
    said, problem = signed_entry(record.seq, record.leaf_hash, entries)
    if problem:
        return problem
    detail = said.get("detail", {})
    agrees = (
        said.get("event") == event_of(record.act)
        and said.get("model") == record.model
        and detail.get("period") == record.period
        and detail.get("number") == str(record.number)
        and detail.get("amount") == str(record.amount)
        and detail.get("claim") == record.sha256 == documents.digest(record.text)
        and _signed_by(said, record.by_issuer, record.by_subject)
    )
    return "" if agrees else f"The benefit of {record.period} is not what entry {record.seq} of the ledger recorded."


def signed_entry(seq: int, leaf_hash: str, entries: EntryCheck) -> tuple[Mapping[str, Any], str]:
    """The predicate of the entry, or why it is not one that can be relied on."""
    try:
        return entries.require_valid(seq, leaf_hash), ""
    except ControlRoomError as refused:
        return {}, refused.message


def _signed_by(said: Mapping[str, Any], issuer: str, subject: str) -> bool:
    signer = said.get("signer") or {}
    return (signer.get("issuer"), signer.get("sub")) == (issuer, subject)
