"""Policies of the room made of memory: the shipped document of tier 1, one earlier version, real rehearsal."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.attestation.models import Receipt
from services.kernel.errors import StorageUnavailableError
from services.kernel.identity import Actor
from services.policy.evaluation import evaluate
from services.policy.first import read
from services.policy.models import PolicyRef, PolicyView
from services.policy.published import PublishedPolicy, digest
from services.policy.publishing import Proposal
from services.policy.rehearsal import PastDecision, Rehearsal, rehearse
from services.policy.sentences import gate_words, limit_words
from tests.fakes import room_sample as sample
from tests.fakes.room_sample import HOSTILE, NOW
from tests.unit.policy.evidence import evidence

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

# As version 5, whatever version is shipped: the tests name it.
TEXT = re.sub(
    r'^version: "\d+"',
    'version: "5"',
    (Path(__file__).resolve().parents[2] / "services/policy/documents/tier-1.yaml").read_text(),
    flags=re.MULTILINE,
)
_EARLIER = TEXT.replace('version: "5"', 'version: "4"').replace("at_least: 0.65", "at_least: 0.55")
HISTORY = tuple(
    PublishedPolicy(
        tier=1,
        name="tier-1",
        version=version,
        sha256=digest(text),
        text=text,
        at=NOW - timedelta(days=days),
        seq=seq,
        leaf_hash="ab12" * 16,
        by_issuer="demo" if by else "",
        by_subject="clara.compliance" if by else "",
        by_name=by,
        note=note,
    )
    for version, text, days, seq, by, note in (
        ("5", TEXT, 20, 31, "Clara Whitfield", "Agreed by the model risk committee."),
        ("4", _EARLIER, 200, 18, "", "The document this deployment began with."),
    )
)


class FakePolicy:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def policies(self) -> tuple[PolicyView, ...]:
        self._answer()
        document = read(TEXT)
        return (
            PolicyView(
                tier=1,
                ref=PolicyRef(name="tier-1", version="5", sha256=digest(TEXT)),
                file="tier-1.yaml",
                gates=(HOSTILE,) if self._room.hostile else tuple(gate_words(gate) for gate in document.gates),
                quorum=sample.QUORUM,
                realtime_shares=(10, 100),
                batch_shares=(100,),
                approval_days=30,
                request_days=14,
                limits=tuple(limit_words(line, document) for line in document.use_cases),
            ),
            PolicyView(
                tier=2,
                ref=None,
                file="tier-2.yaml",
                gates=(),
                quorum=(),
                realtime_shares=(),
                batch_shares=(),
                approval_days=0,
                request_days=0,
                problem="The stored text of tier-2 version 5 is not what was signed at entry 19.",
            ),
        )

    def history(self, tier: int) -> tuple[PublishedPolicy, ...]:
        self._answer()
        if tier != 1 or self._room.mode == "empty":
            return ()
        if self._room.hostile:
            return tuple(replace(item, by_name=HOSTILE, note=HOSTILE, text=f"# {HOSTILE}\n{TEXT}") for item in HISTORY)
        return HISTORY

    def problems(self) -> tuple[str, ...]:
        self._answer()
        return (self.policies()[1].problem,)

    def unpublished(self) -> tuple[str, ...]:
        self._answer()
        return ("tier-3.yaml on disk is not version 5 of tier-3, which is in force. It has no effect.",)

    def _answer(self) -> None:
        if self._room.mode == "unavailable":
            raise StorageUnavailableError("The governance database does not answer.")


class FakePublishing:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def check(self, text: str) -> Proposal:
        return Proposal(document=read(text), text=text, sha256=digest(text), replaces=HISTORY[0])

    def rehearse(self, text: str) -> Rehearsal:
        name = HOSTILE if self._room.hostile else "claims_triage"
        facts = evidence(model=name)
        ref = PolicyRef(name="tier-1", version="4", sha256=HISTORY[1].sha256)
        kept = PastDecision(
            request_id="req-0001",
            model=name,
            version="4",
            state="applied",
            at=NOW,
            report=evaluate(facts, read(TEXT), ref=ref),
            evidence=facts.document(),
        )
        lost = replace(kept, request_id="req-0002", evidence=None)
        return rehearse(read(text), (kept, lost), sha256=digest(text))

    def publish(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)
