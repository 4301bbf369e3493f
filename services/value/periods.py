"""A month of benefit, proposed by the owner and attested or cut by finance. Pure.

What the owner claims and what finance stands for are two numbers: totals never mix them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from services.attestation.documents import DocumentKind
from services.kernel.errors import (
    AlreadyDecidedError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    SelfApprovalError,
)
from services.kernel.secret import Secret
from services.value.models import ModelValue

FORMAT = "countersign.value-period/1"
REASON_MIN, REASON_MAX = 3, 500


class Act(StrEnum):
    PROPOSED = "proposed"
    ATTESTED = "attested"
    CUT = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedLine:
    title: str
    amount: str
    low: str
    high: str
    n: int
    assumed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Figures of one calendar month as computed when they were proposed; amounts are decimal text."""

    model: str
    period: str
    """`2030-01`."""
    currency: str
    benefit: str
    low: str
    high: str
    cost: str
    lines: tuple[ClaimedLine, ...]
    statement: int
    """The version of the value statement it was computed with."""
    statement_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodRecord:
    """One signed act on one month, immutable. `amount` is what this act stands for."""

    model: str
    period: str
    number: int
    act: Act
    amount: Decimal
    text: str
    sha256: str
    at: datetime
    reason: str
    salt: str
    seq: int
    leaf_hash: str
    by_issuer: str
    by_subject: str
    by_name: str

    @property
    def claim(self) -> Claim:
        return read(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposePeriod:
    """Command of the owner. `seen` is the digest of the claim that was shown."""

    command_id: str
    model: str
    period: str
    seen: str
    passphrase: Secret
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestPeriod:
    """Command of finance: the claimed benefit, or less of it with a reason. `seen` is the digest of the claim."""

    command_id: str
    model: str
    period: str
    seen: str
    amount: str
    passphrase: Secret
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodState:
    """One month from its records: what is claimed and undecided, and what finance stands for."""

    period: str
    proposal: PeriodRecord | None
    decision: PeriodRecord | None
    """Of the newest proposal; None while it waits."""
    attested: Decimal | None
    """Of the last decision: it stands until the next one, also while a newer proposal waits."""
    currency: str = ""
    problem: str = ""
    """Why a row is not what the ledger says; such a month counts for nothing."""

    @property
    def waits(self) -> bool:
        return self.proposal is not None and self.decision is None

    @property
    def claimed(self) -> Decimal | None:
        """Proposed and undecided."""
        return self.proposal.amount if self.proposal is not None and self.waits else None


def claim_of(value: ModelValue, period: str, *, statement: int, statement_sha256: str) -> Claim:
    """Raises IllegalTransitionError when there is nothing to claim."""
    if value.benefit is None or value.returns is None or not value.benefits:
        raise IllegalTransitionError(
            f"No benefit of {value.model} is recorded in {period}: there is nothing to propose.",
            hint="Look at the benefit lines; each says what it is missing.",
        )
    return Claim(
        model=value.model,
        period=period,
        currency=value.currency,
        benefit=str(value.benefit),
        low=str(sum((line.low for line in value.benefits), Decimal(0))),
        high=str(sum((line.high for line in value.benefits), Decimal(0))),
        cost=str(value.cost),
        lines=tuple(
            ClaimedLine(
                title=line.title, amount=str(line.amount), low=str(line.low), high=str(line.high), n=line.n,
                assumed=line.assumed,
            )
            for line in value.benefits
        ),
        statement=statement,
        statement_sha256=statement_sha256,
    )  # fmt: skip


def document(claim: Claim) -> str:
    return _KIND.write(claim)


def read(text: str) -> Claim:
    """What `document` wrote. Raises InputError for anything else."""
    return _KIND.read(text)


def days_of(period: str) -> tuple[date, date]:
    """First and last day of `2030-01`. Raises InputError."""
    try:
        first = datetime.strptime(period, "%Y-%m").date()  # noqa: DTZ007 - a calendar month has no zone
    except ValueError as odd:
        raise InputError(f"{period[:20]!r} is not a month.", hint="Write it like 2030-01.") from odd
    if period != f"{first:%Y-%m}":
        raise InputError(f"{period[:20]!r} is not a month.", hint="Write it like 2030-01.")
    following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first, following - timedelta(days=1)


def ended(today: date, *, back: int) -> tuple[str, ...]:
    """The last months that are over, newest first."""
    found, first = list[str](), today.replace(day=1)
    for _ in range(back):
        first = (first - timedelta(days=1)).replace(day=1)
        found.append(f"{first:%Y-%m}")
    return tuple(found)


def states(records: Iterable[PeriodRecord], *, problem: str = "") -> tuple[PeriodState, ...]:
    """By month, newest first."""
    by_month: dict[str, list[PeriodRecord]] = {}
    for record in sorted(records, key=lambda item: (item.period, item.number)):
        by_month.setdefault(record.period, []).append(record)
    return tuple(_state(period, found, problem) for period, found in sorted(by_month.items(), reverse=True))


def _state(period: str, records: Sequence[PeriodRecord], problem: str) -> PeriodState:
    proposal = next((item for item in reversed(records) if item.act is Act.PROPOSED), None)
    decided = [item for item in records if item.act is not Act.PROPOSED]
    last = decided[-1] if decided else None
    decision = last if last and proposal and last.number > proposal.number else None
    return PeriodState(
        period=period,
        proposal=proposal,
        decision=decision,
        attested=last.amount if last else None,
        currency=proposal.claim.currency if proposal and not problem else "",
        problem=problem,
    )


def require_proposable(state: PeriodState | None, period: str, *, today: date, sha256: str, reason: str) -> None:
    """Raises IllegalTransitionError, AlreadyDecidedError, MissingReasonError."""
    _, last = days_of(period)
    if last >= today:
        raise IllegalTransitionError(
            f"{period} is not over: its benefit is not known before {last + timedelta(days=1):%d %b %Y}.",
            hint="Propose a month that has ended.",
        )
    if state is None or state.proposal is None:
        return
    if state.proposal.sha256 == sha256:
        raise AlreadyDecidedError(
            f"{period} was proposed with exactly these figures.",
            hint="Nothing was changed." if state.decision else "Finance decides next.",
        )
    require_reason(reason, "Why the figures of this month are proposed again")


def require_decidable(state: PeriodState | None, period: str, *, issuer: str, subject: str, seen: str) -> PeriodRecord:
    """The proposal to decide on. Raises IllegalTransitionError, AlreadyDecidedError, SelfApprovalError."""
    if state is None or state.proposal is None:
        raise IllegalTransitionError(f"Nobody proposed {period}.", hint="Its business owner does that first.")
    if state.decision is not None:
        raise AlreadyDecidedError(
            f"{state.decision.by_name} decided on {period} already: {state.decision.act.value}, "
            f"{state.decision.amount:,.2f}.",
            hint="A new proposal can be decided anew.",
        )
    if (state.proposal.by_issuer, state.proposal.by_subject) == (issuer, subject):
        raise SelfApprovalError(
            "Who proposes a benefit may not attest it.", hint="Another person of finance has to look at it."
        )
    if state.proposal.sha256 != seen:
        raise AlreadyDecidedError("The claim changed since you looked at it.", hint="Reload and look again.")
    return state.proposal


def amount_of(text: str, claimed: Decimal, reason: str) -> tuple[Act, Decimal]:
    """What finance stands for: everything, or less with a reason. Raises InputError, MissingReasonError."""
    try:
        amount = Decimal(text.strip().replace(",", ""))
    except InvalidOperation as odd:
        raise InputError("The amount is not a number.", hint="Write it like 1234.56.") from odd
    if not amount.is_finite() or amount != amount.quantize(Decimal("0.01")):
        raise InputError("The amount has at most two decimals.", hint="Write it like 1234.56.")
    if amount > claimed:
        raise InputError(
            f"Finance attests at most what was claimed: {claimed:,.2f}.",
            hint="A higher figure is proposed by the owner first.",
        )
    if amount < 0 <= claimed:
        raise InputError("A benefit is cut to zero at most.", hint="Costs are counted apart.")
    if amount == claimed:
        return Act.ATTESTED, amount
    require_reason(reason, "Why the claim is cut")
    return Act.CUT, amount


def require_reason(text: str, what: str) -> str:
    reason = text.strip()
    if len(reason) < REASON_MIN:
        raise MissingReasonError(f"{what} is not said yet.", hint="A sentence is enough; it stays in the history.")
    if len(reason) > REASON_MAX:
        raise InputError(f"The reason is longer than {REASON_MAX} characters.", hint="Shorten it.")
    return reason


def _claim(found: dict[str, Any]) -> Claim:
    lines = tuple(ClaimedLine(**{**line, "n": int(line["n"])}) for line in found.pop("lines"))
    return Claim(**{**found, "statement": int(found["statement"]), "lines": lines})


_KIND = DocumentKind(format=FORMAT, name="a benefit record", hint="Propose the month again.", build=_claim)
