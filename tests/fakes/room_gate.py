"""Returns under their gate and models on their way out, of the room made of memory."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from services.attestation import canonical
from services.attestation.models import Receipt
from services.kernel.errors import StorageUnavailableError
from services.kernel.identity import Actor
from services.rollout.retirement_models import Retirement, RetirementState
from services.value import gate as rules
from services.value.gate import Answer, AnswerKind, Figures, Gate, Month, Review, Standing
from services.value.review_service import GateView, ReturnReview
from tests.fakes.room_sample import HOSTILE, NOW

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

GATE = Gate(
    amount=Decimal(2_000), currency="USD", missed_months=2, review_days=30, longest_keep_months=6,
    source="the default, as tier-1 version 6 says nothing",
)  # fmt: skip
UNDER = tuple(
    Month(
        period=period, standing=Standing.UNDER, net=net, low=low, high=high, benefit=benefit, cost="310.00",
        source=source, n=412,
    )
    for period, net, low, high, benefit, source in (
        ("2030-10", "940.00", "120.00", "1790.00", "1250.00", "computed from the records, not attested"),
        ("2030-09", "1190.00", "1190.00", "1190.00", "1500.00", "attested by finance"),
    )
)  # fmt: skip
UNKNOWN = Month(
    period="2030-10", standing=Standing.UNKNOWN, net="", low="", high="", benefit="", cost="",
    source="cannot be computed: no benefit could be computed. Neither under the gate nor above it.",
)  # fmt: skip
OVER = Month(
    period="2030-09", standing=Standing.OVER, net="9200.00", low="7100.00", high="11300.00", benefit="9510.00",
    cost="310.00", source="attested by finance", n=980,
)  # fmt: skip


def a_review(model: str, *, hostile: bool = False) -> Review:
    figures = Figures(
        model=model, gate="2000", currency="USD", source=HOSTILE if hostile else GATE.source, months=UNDER, statement=1
    )
    text = rules.FIGURES.write(figures)
    return Review(
        review_id=f"roi-{model}", model=model, period="2030-10", at=NOW - timedelta(days=18), due=date(2030, 12, 2),
        owner_subject="ben.business", owner_name=HOSTILE if hostile else "Ben Okafor", text=text,
        sha256=canonical.sha256_hex(text.encode()), seq=61, leaf_hash="ab" * 32,
    )  # fmt: skip


def kept(model: str) -> Answer:
    return Answer(
        review_id=f"roi-{model}", number=1, answer=AnswerKind.KEEP, reason_code="SEASON",
        reason="Autumn is always slow.", salt="", next_period="2031-02", request_id="", at=NOW - timedelta(days=2),
        by_issuer="countersign:demo", by_subject="ben.business", by_name="Ben Okafor", seq=66, leaf_hash="ab" * 32,
    )  # fmt: skip


class FakeReviews:
    """`payout_forecast` waits for an answer, `plan_utilisation` was kept; the others are at or above their gate."""

    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.view = room.measured(self._view)
        self.open = room.measured(self._open)

    def _state(self, model: str) -> ReturnReview:
        answers = (kept(model),) if model == "plan_utilisation" else ()
        broken = self._room.mode == "broken"
        return ReturnReview(
            review=a_review(model, hostile=self._room.hostile),
            answers=answers,
            open=not answers,
            late=False,
            sentence="Ben Okafor kept it on 27 Nov 2030; judged again from 2031-02 on."
            if answers
            else "Waits for Ben Okafor until 02 Dec 2030.",
            problem="The review is not what entry 61 of the ledger recorded." if broken else "",
        )

    def _view(self, model: str) -> GateView:
        reviewed = model in {"payout_forecast", "plan_utilisation"}
        months = UNDER if reviewed else (UNKNOWN, OVER)
        return GateView(
            model=model, gate=GATE, months=months, sentence=rules.sentence(months, GATE),
            reviews=(self._state(model),) if reviewed else (),
        )  # fmt: skip

    def _open(self, model: str = "") -> tuple[ReturnReview, ...]:
        waits = self._room.mode != "empty" and model in {"", "payout_forecast"}
        return (self._state("payout_forecast"),) if waits else ()

    def keep(self, command: Any, *, actor: Actor) -> Receipt:
        rules.require_words(command.reason_code, command.reason, rules.KEEP_REASONS)
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)

    def retire(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)


class FakeRetirements:
    """`plan_utilisation` is switched off and waits for its window."""

    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def _all(self) -> tuple[Retirement, ...]:
        if self._room.mode == "unavailable":
            raise StorageUnavailableError("The governance database does not answer.")
        if self._room.mode == "empty":
            return ()
        return (
            Retirement(
                retirement_id="rtm-1", request_id="req-0006", model="plan_utilisation", deployment="plan_utilisation",
                kind="batch", version="3", state=RetirementState.QUIET, reason_code="ROI",
                consumers=() if self._room.hostile else ("capacity dashboard",), quiet_days=7,
                ordered_at=NOW - timedelta(days=3), ordered_seq=70, off_since=NOW - timedelta(days=3), looked_at=NOW,
                counted=0, counted_until=NOW, revision=4,
                detail=HOSTILE if self._room.hostile else "Switched off since 26 Nov 2030 10:00 UTC; nobody was "
                "answered up to 29 Nov 2030 10:00 UTC. Proven after 03 Dec 2030 10:00 UTC.",
            ),
            Retirement(
                retirement_id="rtm-0", request_id="req-0000", model="fraud_rules_2027", deployment="fraud_rules_2027",
                kind="realtime", version="2", state=RetirementState.RETIRED, reason_code="REPLACED", consumers=(),
                quiet_days=7, ordered_at=NOW - timedelta(days=90), ordered_seq=20, counted=0,
                off_since=NOW - timedelta(days=90), retired_at=NOW - timedelta(days=82), seq=25, revision=9,
                detail="Nobody was answered for 7 days and more, as counted in the log.",
            ),
        )  # fmt: skip

    def all(self) -> tuple[Retirement, ...]:
        return self._all()

    def of_model(self, model: str) -> Retirement | None:
        return next((item for item in self._all() if item.model == model), None)

    def of_request(self, request_id: str) -> Retirement | None:
        return next((item for item in self._all() if item.request_id == request_id), None)

    def kept_until(self, item: Retirement) -> date | None:
        return item.retired_at.date().replace(year=item.retired_at.year + 7) if item.retired_at else None
