"""What a model is worth, as people stand for it: signed statements, and months that finance attests or cuts.

Wiring: `StatementService(units=units, catalog=inventory, values=value, people=people, ledger=ledger, desk=signing,
attestations=attested, live=…, clock=clock)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Protocol

from services.attestation import documents
from services.attestation.documents import Change
from services.attestation.free_text import digest_of, salted
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock
from services.kernel.errors import ConflictError, InputError, RefusalError
from services.kernel.identity import Actor, Permission
from services.kernel.secret import Secret
from services.ledger import events
from services.ledger.service import LedgerService
from services.value import agreed, periods, statements
from services.value.models import ModelValue, ValueConfig
from services.value.periods import Act, AttestPeriod, Claim, PeriodRecord, PeriodState, ProposePeriod
from services.value.statement_ports import (
    Authority,
    LiveVersion,
    SignedEntries,
    StatementCatalog,
    StatementUnit,
    StatementUnits,
)
from services.value.statements import SignStatement, StatementVersion


class Values(Protocol):
    def between(self, name: str, start: date, end: date) -> ModelValue: ...

    def config(self, name: str) -> ValueConfig:
        """What figures are computed with now, signed or not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedStatement:
    """A version with what changed in it, and why its row cannot be trusted, if so."""

    item: StatementVersion
    problem: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementView:
    model: str
    config: ValueConfig
    """In force: of the newest version, or as it came with the catalog and signed by nobody."""
    versions: tuple[CheckedStatement, ...]
    """Newest first."""
    live: str

    @property
    def newest(self) -> StatementVersion | None:
        return self.versions[0].item if self.versions else None

    @property
    def sentence(self) -> str:
        """How much the baseline can be relied on."""
        if not self.versions:
            return "Nobody has signed these figures; they came with the catalog."
        if self.versions[0].problem:
            return self.versions[0].problem
        item = self.versions[0].item
        when = f"while version {item.live} was live" if item.live else "before go-live"
        return f"Version {item.version}, signed by {item.by_name} on {item.at:%d %b %Y}, {when}."


class StatementService:
    def __init__(
        self,
        *,
        units: StatementUnits,
        catalog: StatementCatalog,
        values: Values,
        people: Authority,
        ledger: LedgerService,
        desk: SigningDesk,
        attestations: SignedEntries,
        live: LiveVersion,
        clock: Clock,
        changed: Callable[[str], None] = lambda _model: None,
    ) -> None:
        """`changed` is told the model after each write that stands; it never raises."""
        self._changed = changed
        self._units = units
        self._catalog = catalog
        self._values = values
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._attestations = attestations
        self._live = live
        self._clock = clock

    # looking

    def view(self, model: str) -> StatementView:
        """Raises UnknownModelError."""
        name = self._catalog.model(model).name
        with self._units.read() as unit:
            history = unit.statements.history(name)
        before = [*history[1:], None][: len(history)]
        versions = tuple(self._checked(item, older) for item, older in zip(history, before, strict=True))
        return StatementView(model=name, config=self._values.config(name), versions=versions, live=self._live(name))

    def _checked(self, item: StatementVersion, older: StatementVersion | None) -> CheckedStatement:
        problem = agreed.statement_problem(item, self._attestations)
        changes = () if problem else statements.differences(_config_of(older), item.config)
        return CheckedStatement(item=item, problem=problem, changes=changes)

    def months(self, model: str) -> tuple[PeriodState, ...]:
        """Months that were proposed, newest first. A row that was changed makes its month count for nothing."""
        name = self._catalog.model(model).name
        with self._units.read() as unit:
            records = unit.statements.periods(name)
        return self._states(records)

    def proposable(self, model: str, *, back: int = 6) -> tuple[str, ...]:
        """Months that are over and were never proposed, newest first."""
        known = {state.period for state in self.months(model)}
        return tuple(month for month in periods.ended(self._today(), back=back) if month not in known)

    def claim(self, model: str, period: str) -> Claim:
        """What a proposal of this month would stand for. Raises UnknownModelError, RefusalError, InputError."""
        name = self._catalog.model(model).name
        first, last = periods.days_of(period)
        with self._units.read() as unit:
            newest = unit.statements.newest(name)
        if newest is None:
            raise RefusalError(
                f"Nobody has signed what {name} is measured against.",
                hint="Its business owner signs the value statement first.",
            )
        problem = agreed.statement_problem(newest, self._attestations)
        if problem:
            raise RefusalError(problem, hint="Restore the row, or sign a new version.")
        value = self._values.between(name, first, last)
        return periods.claim_of(value, period, statement=newest.version, statement_sha256=newest.sha256)

    # signing

    def sign(self, command: SignStatement, *, actor: Actor) -> Receipt:
        """A new version, in force at once.

        Raises RoleMissingError, InputError for a statement with faults, MissingReasonError, ConflictError,
        PassphraseError, KeyLockedError. Refusals are recorded.
        """
        self._people.require(actor, Permission.STATE_VALUE)
        with self._guarded(actor, command.config.model, "statement"):
            return self._sign(command, actor)

    def propose(self, command: ProposePeriod, *, actor: Actor) -> Receipt:
        """The owner stands for one month that is over. Raises as `sign`, and what `require_proposable` raises."""
        self._people.require(actor, Permission.STATE_VALUE)
        with self._guarded(actor, command.model, command.period):
            return self._propose(command, actor)

    def attest(self, command: AttestPeriod, *, actor: Actor) -> Receipt:
        """Finance stands for the month, or for less of it. Raises as `sign`, and what `require_decidable` raises."""
        self._people.require(actor, Permission.ATTEST_VALUE)
        with self._guarded(actor, command.model, command.period):
            return self._attest(command, actor)

    def _sign(self, command: SignStatement, actor: Actor) -> Receipt:
        idem = _key("statement", actor, command.command_id)
        model = self._catalog.model(command.config.model).name
        with self._units.read() as unit:
            earlier, newest = unit.ledger.find(idem), unit.statements.newest(model)
        if earlier is not None:
            return replace(earlier, repeated=True)
        reason = periods.require_reason(command.reason, "Why the figures change")
        faults = statements.problems(command.config)
        if faults:
            raise InputError(" ".join(faults), hint="Nothing was signed.")
        text = statements.document(command.config)
        _require_new(command, newest, text)
        salt, reason_sha256 = salted(reason)
        item = StatementVersion(
            model=model, version=(newest.version if newest else 0) + 1, sha256=documents.digest(text), text=text,
            at=self._clock.now(), reason=reason, salt=salt, live=self._live(model), seq=0, leaf_hash="",
            by_issuer=actor.issuer, by_subject=actor.subject, by_name=actor.name,
        )  # fmt: skip
        detail = _statement_detail(item, newest, reason_sha256)
        envelope = self._envelope(agreed.SIGNED, model, detail, actor, command.passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: somebody may have signed meanwhile.
            _require_new(command, unit.statements.newest(model), text)
            receipt = unit.ledger.append(envelope, idem=idem)
            unit.statements.add(replace(item, seq=receipt.seq, leaf_hash=receipt.leaf_hash))
        return receipt

    def _propose(self, command: ProposePeriod, actor: Actor) -> Receipt:
        idem = _key("propose", actor, command.command_id)
        earlier = self._earlier(idem)
        if earlier is not None:
            return earlier
        claim = self.claim(command.model, command.period)
        text = periods.document(claim)
        sha256 = documents.digest(text)

        def act(state: PeriodState | None) -> tuple[Act, Decimal, str]:
            periods.require_proposable(state, command.period, today=self._today(), sha256=sha256, reason=command.reason)
            if command.seen != sha256:
                raise ConflictError("The figures changed since you looked at them.", hint="Reload and look again.")
            return Act.PROPOSED, Decimal(claim.benefit), text

        return self._record(idem, claim.model, command.period, act, command.reason, actor, command.passphrase)

    def _attest(self, command: AttestPeriod, actor: Actor) -> Receipt:
        idem = _key("attest", actor, command.command_id)
        earlier = self._earlier(idem)
        if earlier is not None:
            return earlier
        model = self._catalog.model(command.model).name
        periods.days_of(command.period)

        def act(state: PeriodState | None) -> tuple[Act, Decimal, str]:
            if state is not None and state.problem:
                raise RefusalError(state.problem, hint="Restore the row, or let the owner propose the month again.")
            proposal = periods.require_decidable(
                state, command.period, issuer=actor.issuer, subject=actor.subject, seen=command.seen
            )
            done, amount = periods.amount_of(command.amount, proposal.amount, command.reason)
            return done, amount, proposal.text

        return self._record(idem, model, command.period, act, command.reason, actor, command.passphrase)

    def _record(  # noqa: PLR0917 - two callers, just above
        self, idem: str, model: str, period: str, act: _Decide, reason: str, actor: Actor, passphrase: Secret
    ) -> Receipt:
        with self._units.read() as unit:
            record = self._next(unit, model, period, act, reason, actor)
        reason_sha256 = digest_of(record.salt, record.reason) if record.reason else ""
        detail = _period_detail(record, reason_sha256)
        envelope = self._envelope(agreed.event_of(record.act), model, detail, actor, passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            again = self._next(unit, model, period, act, reason, actor)
            if (again.number, again.act, again.amount, again.sha256) != (
                record.number, record.act, record.amount, record.sha256,
            ):  # fmt: skip
                raise ConflictError("Somebody acted on this month meanwhile.", hint="Reload and look again.")
            receipt = unit.ledger.append(envelope, idem=idem)
            unit.statements.add_period(replace(record, seq=receipt.seq, leaf_hash=receipt.leaf_hash))
        return receipt

    def _next(  # noqa: PLR0917 - one caller, just above
        self, unit: StatementUnit, model: str, period: str, act: _Decide, reason: str, actor: Actor
    ) -> PeriodRecord:
        rows = tuple(item for item in unit.statements.periods(model) if item.period == period)
        state = next(iter(self._states(rows)), None)
        done, amount, text = act(state)
        said = periods.require_reason(reason, "Why") if reason.strip() else ""
        salt, _ = salted(said) if said else ("", "")
        return PeriodRecord(
            model=model, period=period, number=max((item.number for item in rows), default=0) + 1, act=done,
            amount=amount, text=text, sha256=documents.digest(text), at=self._clock.now(), reason=said, salt=salt,
            seq=0, leaf_hash="", by_issuer=actor.issuer, by_subject=actor.subject, by_name=actor.name,
        )  # fmt: skip

    def _states(self, records: tuple[PeriodRecord, ...]) -> tuple[PeriodState, ...]:
        by_month: dict[str, list[PeriodRecord]] = {}
        for record in records:
            by_month.setdefault(record.period, []).append(record)
        found = list[PeriodState]()
        for rows in by_month.values():
            problem = next(filter(None, (agreed.period_problem(item, self._attestations) for item in rows)), "")
            found += periods.states(rows, problem=problem)
        return tuple(sorted(found, key=lambda state: state.period, reverse=True))

    def _earlier(self, idem: str) -> Receipt | None:
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
        return None if earlier is None else replace(earlier, repeated=True)

    def _envelope(self, event: str, model: str, detail: Mapping[str, str], actor: Actor, passphrase: Secret) -> bytes:
        payload = events.payload(
            event, actor=actor, model=model, detail=detail, at=self._clock.now(), head=self._ledger.head(), signed=True
        )
        return self._desk.sign_as_person(payload, subject=actor.subject, passphrase=passphrase)

    @contextmanager
    def _guarded(self, actor: Actor, model: str, target: str) -> Iterator[None]:
        self._ledger.require_trustworthy()
        try:
            yield
            self._changed(model)
        except RefusalError as refused:
            self._ledger.record_event(
                event=agreed.REFUSED,
                actor=actor,
                model=model,
                detail={"target": f"value of {model}: {target}", "code": refused.code},
            )
            raise

    def _today(self) -> date:
        return self._clock.now().date()


class _Decide(Protocol):
    def __call__(self, state: PeriodState | None) -> tuple[Act, Decimal, str]:
        """The act, its amount and the text of the claim; raises when the month does not allow it."""
        ...


def _config_of(item: StatementVersion | None) -> ValueConfig | None:
    """None also for a row whose text is not the one that was signed."""
    return item.config if item is not None and documents.digest(item.text) == item.sha256 else None


def _require_new(command: SignStatement, newest: StatementVersion | None, text: str) -> None:
    current = newest.version if newest else 0
    if command.based_on != current:
        raise ConflictError(
            f"Version {current} of this statement is in force, and you looked at version {command.based_on}.",
            hint="Look at what changed and sign again.",
        )
    if newest is not None and newest.text == text:
        raise ConflictError(f"This is version {newest.version}, which is in force already.", hint="Nothing was signed.")


def _statement_detail(item: StatementVersion, before: StatementVersion | None, reason_sha256: str) -> dict[str, str]:
    old = _config_of(before)
    changed = statements.differences(old, item.config) if old else ()
    what = f" Changed: {', '.join(change.what.lower() for change in changed[:8])}." if changed else ""
    live = f" Version {item.live} of the model was live." if item.live else " The model was not live."
    return {
        "statement": item.sha256,
        "version": str(item.version),
        "replaces": before.sha256 if before else "",
        "live": item.live,
        "reason": reason_sha256,
        "sentence": f"{item.by_name} signed version {item.version} of the value statement of {item.model}.{what}{live}",
    }


def _period_detail(record: PeriodRecord, reason_sha256: str) -> dict[str, str]:
    claim = record.claim
    words = {
        Act.PROPOSED: "proposed a benefit of",
        Act.ATTESTED: "attested the benefit of",
        Act.CUT: f"cut the claimed {Decimal(claim.benefit):,.2f} to",
    }[record.act]
    return {
        "period": record.period,
        "number": str(record.number),
        "amount": str(record.amount),
        "currency": claim.currency,
        "claim": record.sha256,
        "statement": claim.statement_sha256,
        "reason": reason_sha256,
        "sentence": f"{record.by_name} {words} {record.amount:,.2f} {claim.currency} by {record.model} "
        f"in {record.period}.",
    }


def _key(kind: str, actor: Actor, command_id: str) -> str:
    about = f"{actor.issuer}\x1f{actor.subject}\x1f{command_id}"
    return f"value:{kind}:{hashlib.sha256(about.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
