"""Reviews of models that stay under the gate of their return: opened by the worker, answered by the business owner.

Keep needs a reason and the next month that is judged; retire opens a request that others sign. Wiring:
`ReviewService(units=units, catalog=inventory, values=value, months=statements.months, people=people, ledger=ledger,
desk=signing, attestations=attested, gate=…, retire=…, request_state=…, retiring=…, clock=clock)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Protocol

from services.attestation import canonical
from services.attestation.free_text import digest_of, is_erased, salted
from services.attestation.models import Receipt
from services.attestation.ports import LedgerWriter, SigningDesk
from services.inventory.models import GovernedModel
from services.kernel.clock import Clock
from services.kernel.errors import (
    AlreadyDecidedError,
    ControlRoomError,
    InputError,
    RefusalError,
    StorageUnavailableError,
    UnknownModelError,
)
from services.kernel.identity import Actor, Permission, Role
from services.ledger import events
from services.ledger.service import LedgerService
from services.value import gate as rules
from services.value import periods
from services.value.agreed import signed_entry
from services.value.gate import Answer, AnswerKind, Figures, Gate, KeepModel, Month, RetireModel, Review
from services.value.models import ModelValue
from services.value.periods import PeriodState
from services.value.statement_ports import Authority, EntryCheck, SignedEntries

OPENED, KEPT, RETIRED, REFUSED = (
    "value-review-opened",
    "value-review-kept",
    "value-review-retire",
    "value-review-refused",
)
_ANSWERS = {AnswerKind.KEEP: KEPT, AnswerKind.RETIRE: RETIRED}
_RUNS = frozenset({"open", "changes_requested", "approved", "applied", "apply_failed"})
"""States of a retirement request in which its review waits for nobody."""
_BEFORE = timedelta(days=31)


class Values(Protocol):
    @property
    def currency(self) -> str: ...

    def between(self, name: str, start: date, end: date) -> ModelValue: ...


class Catalog(Protocol):
    def model(self, name: str) -> GovernedModel: ...

    def models(self) -> tuple[GovernedModel, ...]: ...


class ReviewStore(Protocol):
    """Inside a unit of work; rows are only ever added."""

    def reviews(self, model: str = "") -> tuple[Review, ...]:
        """Newest first."""
        ...

    def review(self, review_id: str) -> Review | None: ...

    def answers(self, review_id: str = "") -> tuple[Answer, ...]:
        """In the order in which they were given; of all reviews without an id."""
        ...

    def add(self, item: Review) -> None: ...

    def add_answer(self, item: Answer) -> None: ...


class ReviewUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def reviews(self) -> ReviewStore: ...


class ReviewUnits(Protocol):
    def write(self) -> AbstractContextManager[ReviewUnit]: ...

    def read(self) -> AbstractContextManager[ReviewUnit]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnReview:
    """A review with its answers. `open` also when the retirement it asked for was refused: then it waits again."""

    review: Review
    answers: tuple[Answer, ...]
    open: bool
    late: bool
    sentence: str
    problem: str = ""
    """Why a row is not what the ledger says; nothing of it is shown as fact then."""

    @property
    def last(self) -> Answer | None:
        return self.answers[-1] if self.answers else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """How a model stands against its gate now, and every review of it, newest first."""

    model: str
    gate: Gate
    months: tuple[Month, ...]
    sentence: str
    reviews: tuple[ReturnReview, ...]

    @property
    def open(self) -> ReturnReview | None:
        return next((item for item in self.reviews if item.open), None)


Retire = Callable[[RetireModel, Review, Actor], str]
"""Opens the signed retirement request and gives its id; refuses as approvals do."""


class ReviewService:
    def __init__(
        self,
        *,
        units: ReviewUnits,
        catalog: Catalog,
        values: Values,
        months: Callable[[str], tuple[PeriodState, ...]],
        people: Authority,
        ledger: LedgerService,
        desk: SigningDesk,
        attestations: SignedEntries,
        gate: Callable[[GovernedModel], Gate],
        retire: Retire,
        request_state: Callable[[str], str],
        retiring: Callable[[str], str],
        watched: Callable[[], tuple[str, ...]],
        clock: Clock,
    ) -> None:
        """`watched` names the models with a value configuration; `retiring` says that one is on its way out."""
        self._units = units
        self._catalog = catalog
        self._values = values
        self._months = months
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._attestations = attestations
        self._gate = gate
        self._retire = retire
        self._request_state = request_state
        self._retiring = retiring
        self._watched = watched
        self._clock = clock

    # looking

    def view(self, model: str) -> GateView:
        """Raises UnknownModelError, InvalidPolicyError."""
        governed = self._catalog.model(model)
        gate = self._gate(governed)
        months = self._closed(governed.name, gate)
        with self._units.read() as unit:
            reviews, answers = unit.reviews.reviews(governed.name), unit.reviews.answers()
        return GateView(
            model=governed.name,
            gate=gate,
            months=months,
            sentence=rules.sentence(months, gate),
            reviews=self._states(reviews, answers),
        )

    def open(self, model: str = "", *, owner: str | None = None) -> tuple[ReturnReview, ...]:
        """Those that wait for an answer, of one model or of all, the most urgent first.

        `owner` leaves those out that name somebody else; where nobody is named, every owner is asked. Each review that
        is given back was held against its entry of the ledger.
        """
        with self._units.read() as unit:
            reviews, answers = unit.reviews.reviews(model), unit.reviews.answers()
        if owner is not None:
            reviews = tuple(item for item in reviews if item.owner_subject in {"", owner})
        found = [state for state in self._states(reviews, answers) if state.open]
        return tuple(sorted(found, key=lambda state: (state.review.due, state.review.model)))

    # the worker

    def refresh(self) -> int:
        """Opens a review where the policy asks for one; how many. A model that cannot be read holds up no other."""
        opened, broken = 0, list[ControlRoomError]()
        for name in self._watched():
            try:
                opened += self._look(self._catalog.model(name))
            except StorageUnavailableError:
                raise
            except UnknownModelError:
                continue  # recorded under a name that left the catalog
            except ControlRoomError as away:
                broken.append(away)
        if broken:
            raise broken[0]
        return opened

    def _look(self, governed: GovernedModel) -> int:
        last = periods.ended(self._clock.now().date(), back=1)[0]
        with self._units.read() as unit:
            reviews, answers = unit.reviews.reviews(governed.name), unit.reviews.answers()
        states = self._states(reviews, answers)
        if any(state.open or state.review.period == last for state in states) or self._retiring(governed.name):
            return 0
        if any(_kept_until(state) > last for state in states):
            return 0
        gate = self._gate(governed)
        months = self._closed(governed.name, gate)
        if not rules.is_missed(months, gate.missed_months):
            return 0
        return self._open(governed, gate, months, last)

    def _open(self, governed: GovernedModel, gate: Gate, months: tuple[Month, ...], last: str) -> int:
        now, owner = self._clock.now(), governed.owner_of(Role.BUSINESS_OWNER.value)
        first, end = periods.days_of(last)
        figures = Figures(
            model=governed.name, gate=str(gate.amount), currency=gate.currency, source=gate.source, months=months,
            statement=self._values.between(governed.name, first, end).statement,
        )  # fmt: skip
        text = rules.FIGURES.write(figures)
        item = Review(
            review_id=f"roi-{hashlib.sha256(f'{governed.name}|{last}'.encode()).hexdigest()[:16]}",
            model=governed.name,
            period=last,
            at=now,
            due=rules.due(now, gate.review_days),
            owner_subject=owner.subject if owner else "",
            owner_name=owner.name if owner else "",
            text=text,
            sha256=canonical.sha256_hex(text.encode()),
            seq=0,
            leaf_hash="",
        )
        words = f"The return of {governed.name} is reviewed: {rules.sentence(months[: gate.missed_months], gate)}"
        detail = {
            "review": item.review_id, "period": last, "figures": item.sha256, "due": f"{item.due:%Y-%m-%d}",
            "owner": item.owner_subject, "sentence": f"{words} Due {item.due:%d %b %Y}.",
        }  # fmt: skip
        with self._units.write() as unit:
            if unit.reviews.review(item.review_id) is not None:
                return 0
            payload = events.payload(
                OPENED, actor=None, model=governed.name, detail=detail, at=now, head=unit.ledger.head()
            )
            receipt = unit.ledger.append(self._desk.sign_as_service(payload), idem=f"{OPENED}:{item.review_id}")
            unit.reviews.add(replace(item, seq=receipt.seq, leaf_hash=receipt.leaf_hash))
        return 1

    def _closed(self, model: str, gate: Gate) -> tuple[Month, ...]:
        """The last closed months, as many as the gate needs, newest first."""
        states = {state.period: state for state in self._months(model)}
        found = []
        for period in periods.ended(self._clock.now().date(), back=gate.missed_months):
            first, last = periods.days_of(period)
            value = self._values.between(model, first, last)
            began = self._values.between(model, first - _BEFORE, last).first
            whole = began is not None and began <= first
            found.append(rules.month_of(value, period, states.get(period), gate.amount, whole=whole))
        return tuple(found)

    # answering

    def keep(self, command: KeepModel, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError, MissingReasonError, InputError, AlreadyDecidedError, PassphraseError (recorded)."""
        self._people.require(actor, Permission.STATE_VALUE)
        with self._guarded(actor, command.review_id):
            review, idem, earlier = self._before(command.review_id, actor, command.command_id)
            if earlier is not None:
                return earlier
            reason = rules.require_words(command.reason_code, command.reason, rules.KEEP_REASONS)
            longest = self._gate(self._catalog.model(review.model)).longest_keep_months
            ahead = rules.require_next(command.next_period, today=self._clock.now().date(), longest=longest)
            return self._answer(
                review, AnswerKind.KEEP, command.reason_code, reason, actor, command.passphrase, idem, next_period=ahead
            )

    def retire(self, command: RetireModel, *, actor: Actor) -> Receipt:
        """Opens the retirement request and answers with it. Raises as `keep`, and as `approvals.submit`."""
        self._people.require(actor, Permission.REQUEST_RETIREMENT)
        with self._guarded(actor, command.review_id):
            review, idem, earlier = self._before(command.review_id, actor, command.command_id)
            if earlier is not None:
                return earlier
            # The request first: repeating the command after a crash finds it and adds the answer.
            request_id = self._retire(command, review, actor)
            reason = command.reason.strip()
            return self._answer(
                review, AnswerKind.RETIRE, command.reason_code, reason, actor, command.passphrase, idem,
                request_id=request_id,
            )  # fmt: skip

    def _before(self, review_id: str, actor: Actor, command_id: str) -> tuple[Review, str, Receipt | None]:
        about = f"{actor.issuer}\x1f{actor.subject}\x1f{command_id}"
        idem = f"value-review:{hashlib.sha256(about.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
        with self._units.read() as unit:
            review, earlier = unit.reviews.review(review_id), unit.ledger.find(idem)
            answers = unit.reviews.answers(review_id)
        if review is None:
            raise InputError("There is no such review.", hint="Open it from the page Value.")
        if earlier is not None:
            return review, idem, replace(earlier, repeated=True)
        state = self._states((review,), answers)[0]
        if state.problem:
            raise RefusalError(state.problem, hint="Restore the row before anybody answers.")
        if not state.open:
            raise AlreadyDecidedError(state.sentence, hint="Nothing was changed.")
        return review, idem, None

    def _answer(  # noqa: PLR0917 - two callers, just above
        self, review: Review, kind: AnswerKind, code: str, reason: str, actor: Actor, passphrase: Any, idem: str, *,
        next_period: str = "", request_id: str = "",
    ) -> Receipt:  # fmt: skip
        now = self._clock.now()
        salt, _ = salted(reason)
        with self._units.read() as unit:
            number = len(unit.reviews.answers(review.review_id)) + 1
            head = unit.ledger.head()
        item = Answer(
            review_id=review.review_id, number=number, answer=kind, reason_code=code, reason=reason, salt=salt,
            next_period=next_period, request_id=request_id, at=now, by_issuer=actor.issuer, by_subject=actor.subject,
            by_name=actor.name, seq=0, leaf_hash="",
        )  # fmt: skip
        payload = events.payload(
            _ANSWERS[kind],
            actor=actor,
            model=review.model,
            detail=_detail(item, review),
            at=now,
            head=head,
            signed=True,
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            if len(unit.reviews.answers(review.review_id)) + 1 != number:
                raise AlreadyDecidedError("Somebody answered meanwhile.", hint="Reload and look again.")
            receipt = unit.ledger.append(envelope, idem=idem)
            unit.reviews.add_answer(replace(item, seq=receipt.seq, leaf_hash=receipt.leaf_hash))
        return receipt

    # whether rows are what was recorded

    def _states(self, reviews: tuple[Review, ...], answers: tuple[Answer, ...]) -> tuple[ReturnReview, ...]:
        """Each held against its entry, in the order given."""
        of: dict[str, tuple[Answer, ...]] = {review.review_id: () for review in reviews}
        for item in answers:
            if item.review_id in of:
                of[item.review_id] += (item,)
        mine = [item.seq for answers in of.values() for item in answers]
        entries = self._attestations.ahead([*(item.seq for item in reviews), *mine])
        return tuple(self._state(item, of[item.review_id], entries) for item in reviews)

    def _state(self, review: Review, mine: tuple[Answer, ...], entries: EntryCheck) -> ReturnReview:
        problem = _problem(review, mine, entries)
        last, today = (mine[-1] if mine else None), self._clock.now().date()
        waits, words = self._waits(review, last)
        return ReturnReview(
            review=review, answers=mine, open=waits, late=waits and today > review.due, sentence=words, problem=problem
        )

    def _waits(self, review: Review, last: Answer | None) -> tuple[bool, str]:
        who = review.owner_name or "the business owner; nobody is named"
        if last is None:
            return True, f"Waits for {who} until {review.due:%d %b %Y}."
        if last.answer is AnswerKind.KEEP:
            return False, f"{last.by_name} kept it on {last.at:%d %b %Y}; judged again from {last.next_period} on."
        state = self._request_state(last.request_id)
        if state in _RUNS:
            return False, f"{last.by_name} asked on {last.at:%d %b %Y} to retire it: request {last.request_id}."
        ended = state.replace("_", " ") or "not found"
        return True, f"The request to retire it, {last.request_id}, is {ended}; {who} answers again."

    @contextmanager
    def _guarded(self, actor: Actor, review_id: str) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        self._ledger.require_trustworthy()
        try:
            yield
        except RefusalError as refused:
            with self._units.read() as unit:
                known = unit.reviews.review(review_id)
            self._ledger.record_event(
                event=REFUSED,
                actor=actor,
                model=known.model if known else "",
                detail={"target": known.review_id if known else "", "code": refused.code, "reason": refused.message},
            )
            raise


def _problem(review: Review, answers: tuple[Answer, ...], entries: EntryCheck) -> str:
    said, problem = signed_entry(review.seq, review.leaf_hash, entries)
    if problem:
        return problem
    detail = said.get("detail", {})
    agrees = (
        said.get("event") == OPENED
        and said.get("model") == review.model
        and detail.get("figures") == review.sha256 == canonical.sha256_hex(review.text.encode())
        and (detail.get("review"), detail.get("period")) == (review.review_id, review.period)
        and detail.get("due") == f"{review.due:%Y-%m-%d}"
    )
    if not agrees:
        return f"The review is not what entry {review.seq} of the ledger recorded."
    return next(filter(None, (_answer_problem(item, review, entries) for item in answers)), "")


def _answer_problem(item: Answer, review: Review, entries: EntryCheck) -> str:
    said, problem = signed_entry(item.seq, item.leaf_hash, entries)
    if problem:
        return problem
    detail, signer = said.get("detail", {}), said.get("signer") or {}
    wanted = _detail(item, review)
    # An erased reason leaves its digest in the entry, and nothing to compare it with.
    kept = [] if is_erased(item.salt, item.reason) else ["reason"]
    named = ["review", "number", "code", "next", "request", *kept]
    agrees = (
        said.get("event") == _ANSWERS[item.answer]
        and all(detail.get(name) == wanted[name] for name in named)
        and (signer.get("issuer"), signer.get("sub")) == (item.by_issuer, item.by_subject)
    )
    return "" if agrees else f"An answer is not what entry {item.seq} of the ledger recorded."


def _kept_until(state: ReturnReview) -> str:
    """The first month judged after a keep; empty for a review that was not kept."""
    return state.last.next_period if state.last is not None and state.last.answer is AnswerKind.KEEP else ""


def _detail(item: Answer, review: Review) -> dict[str, str]:
    words = (
        f"{item.by_name} keeps {review.model} in service; judged again from {item.next_period} on."
        if item.answer is AnswerKind.KEEP
        else f"{item.by_name} asks to retire {review.model}: request {item.request_id}."
    )
    return {
        "review": item.review_id,
        "number": str(item.number),
        "code": item.reason_code,
        "reason": digest_of(item.salt, item.reason) if item.reason else "",
        "next": item.next_period,
        "request": item.request_id,
        "sentence": words,
    }
