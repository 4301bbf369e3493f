"""The real reports over facts made by hand: one promotion, one refusal, one registration, one emergency, one hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from services.attestation.models import Kind
from services.audit.completeness import Shelf
from services.audit.history import Fact, History
from services.audit.keeping import RetentionService
from services.audit.lookup import PredictionFact
from services.audit.reports import ReportService
from services.audit.retention import Erasable
from services.audit.samples import SampleService
from services.kernel.errors import StorageUnavailableError
from tests.fakes.room_sample import MANIFEST, MODELS, NOW, at

BEGAN = NOW - timedelta(days=180)
_ISSUER = "countersign:demo"


class FakeChronicle:
    """Says what it is told; answers nothing while the room is unavailable."""

    def __init__(self, room: Any, hostile: str) -> None:
        self._room = room
        self._hostile = hostile

    def history(self) -> History:
        if self._room.mode == "unavailable":
            raise StorageUnavailableError("The governance database cannot be read.", hint="Try again.")
        facts = () if self._room.mode == "empty" else _facts(self._hostile if self._room.hostile else "")
        return History(facts=facts, size=len(facts), began=BEGAN)


class FakeUnits:
    """Three texts that may be erased one day."""

    def __init__(self, room: Any) -> None:
        self._room = room

    @contextmanager
    def read(self) -> Iterator[Any]:
        if self._room.mode == "unavailable":
            raise StorageUnavailableError("The governance database cannot be read.", hint="Try again.")
        items = (Erasable(kind="unused-form", ref="n1", model="", at=NOW - timedelta(days=500), class_id="drafts"),)
        yield SimpleNamespace(disposal=SimpleNamespace(erasable=lambda: items))

    write = read


class FakePredictions:
    def find(self, prediction_id: str, *, model: str = "") -> tuple[PredictionFact, ...]:
        if prediction_id != "p-1":
            return ()
        fact = PredictionFact(
            prediction_id="p-1",
            model=model or "delay_claim_score",
            version="4",
            role="live",
            event_at=at(1),
            score=0.7,
        )
        return (fact,)

    def days(self, source: str) -> tuple[int, date | None]:
        return 180, BEGAN.date()


def fake_reports(room: Any, *, hostile: str) -> ReportService:
    chronicle: Any = FakeChronicle(room, hostile)
    ledger: Any = SimpleNamespace(
        record_event=lambda **given: room.write(SimpleNamespace(command_id=given.get("idem") or "event", **given)),
        record_signed_event=lambda **given: _signed(room, given),
        require_trustworthy=lambda: None,
    )
    predictions = FakePredictions()
    return ReportService(
        chronicle=chronicle,
        samples=SampleService(
            chronicle=chronicle,
            people=room.people,
            ledger=ledger,
            clock=room.clock,
            shelf=lambda _fact: Shelf(run_id="run-4", datasets=(("flights", "aa11" * 8),), lineage=2, receipt=True),
        ),
        retention=RetentionService(
            chronicle=chronicle,
            units=FakeUnits(room),
            predictions=predictions,
            access=SimpleNamespace(view_count=lambda: (0, None)),
            people=room.people,
            ledger=ledger,
            desk=SimpleNamespace(),
            clock=room.clock,
            profiles=frozenset({"hipaa"}),
        ),
        predictions=predictions,
        people=room.people,
        ledger=ledger,
        clock=room.clock,
        note_of=lambda _request: "Retrained on the last window.",
        exception_words=lambda _exception: (hostile or "Age groups are small.", "Manual review of every case."),
    )


def _signed(room: Any, given: dict[str, Any]) -> Any:
    room.passphrase(given["actor"], given["passphrase"].reveal())
    return room.write(SimpleNamespace(command_id=given["idem"], **given))


def _person(subject: str, name: str, role: str) -> dict[str, str]:
    return {"issuer": _ISSUER, "sub": subject, "name": name, "role": role}


DANA = _person("dana.datascience", "Dana Petrov", "data_science_lead")
VERA = _person("vera.validator", "Vera Lindholm", "validator")
CLARA = _person("clara.compliance", "Clara Whitfield", "compliance_officer")
SAM = _person("sam.sre", "Sam Lindqvist", "sre")


def _fact(seq: int, kind: Kind, word: str, said: dict[str, Any], **given: Any) -> Fact:
    person = said.get("signer") or said.get("actor") or {}
    when: datetime = given.pop("when", NOW - timedelta(days=100 - seq))
    values: dict[str, Any] = {
        "seq": seq,
        "leaf_hash": f"{seq:02x}ab" * 16,
        "at": when,
        "kind": kind,
        "event": f"{kind.value}:{word}",
        "model": "delay_claim_score",
        "version": "4",
        "sha256": MANIFEST,
        "actor": person.get("name", "Countersign"),
        "role": person.get("role", ""),
        "sentence": f"Entry {seq} of kind {kind.value}.",
        "said": said,
    }
    return Fact(**(values | given))


def _facts(hostile: str) -> tuple[Fact, ...]:
    model = next(item for item in MODELS if item.name == "delay_claim_score")
    document = {
        "name": model.name,
        "title": hostile or model.title,
        "tier": 1,
        "kind": "realtime",
        "team": hostile or "Claims",
        "owners": [{"role": "business_owner", "sub": "ben", "name": hostile or "Ben Okafor"}],
        "reviewEveryDays": 90,
        "lastReview": BEGAN.date().isoformat(),
        "vendor": "",
        "purpose": hostile or "Finds late flights.",
        "lineage": [["flights", model.name]],
    }
    vendor = document | {"name": "damage_photo_vendor", "kind": "vendor", "vendor": hostile or "Clearview Ltd"}
    registered = {"event": "model-registered", "model": model.name, "actor": None}
    request = {
        "id": "req-0001",
        "signer": DANA | ({"name": hostile} if hostile else {}),
        "tier": "1",
        "title": hostile or model.title,
        "from": {"version": "3"},
        "to": {"version": "4"},
        "evidence": {
            "run": {"id": "run-4"},
            "policy": {"name": hostile or "tier-1", "version": "4", "digest": {"sha256": "77" * 32}},
            "gates": [{"id": hostile or "auc", "rule": "at least 0.55", "observed": "0.74", "result": "passed"}],
        },
        "quorum": [{"role": "validator", "needed": 1, "decision": "approve"}],
        "terms": {"approvalDays": 365},
    }
    decision = {
        "request": {"id": "req-0001", "entry": 3},
        "decision": "approve",
        "meaning": hostile or "I approve this version.",
        "signer": VERA,
    }
    action = {
        "id": "act-1",
        "kind": "start",
        "request": {"id": "req-0001", "entry": 3},
        "decisions": [{"entry": 4, "sha256": "04ab" * 16}],
        "from": {"version": "3"},
        "to": {"version": "4"},
        "routes": [{"version": "3", "share": 90}, {"version": "4", "share": 10}],
        "champion": "3",
        "rollback": None,
    }
    refused = {
        "event": "sign-off-refused",
        "model": model.name,
        "actor": DANA,
        "detail": {"target": hostile or "req-0001", "code": "self-approval", "decision": "approve"},
    }
    emergency = {
        "id": "act-2",
        "kind": "emergency",
        "signer": SAM,
        "request": None,
        "decisions": [],
        "rollback": None,
        "to": {"version": "4"},
        "emergency": {"mode": "forward", "reasonCode": hostile or "ERRORS", "reviewBy": "2030-10-01T00:00:00Z"},
    }
    hold = {
        "event": "hold-placed",
        "model": model.name,
        "actor": CLARA,
        "signer": CLARA,
        "detail": {"id": "hold-1", "scopeKind": "model", "scope": model.name, "reason": hostile or "Matter 2030-17."},
    }
    proposed = {"op": "propose", "id": "exc-1", "gate": hostile or "psi", "owner": CLARA, "signer": DANA}
    return (
        _fact(0, Kind.GENESIS, "founded", {}, model="", version="", when=BEGAN),
        _fact(1, Kind.EVENT, "model-registered", registered | {"detail": {"document": json.dumps(document)}}),
        _fact(
            2,
            Kind.EVENT,
            "model-registered",
            registered | {"detail": {"document": json.dumps(vendor)}},
            model="damage_photo_vendor",
        ),
        _fact(3, Kind.REQUEST, "recorded", request),
        _fact(4, Kind.DECISION, "approve", decision),
        _fact(5, Kind.ACTION, "start", action),
        _fact(6, Kind.OUTCOME, "applied", {"action": "act-1", "result": "applied", "after": {"version": "3"}}),
        _fact(7, Kind.EVENT, "sign-off-refused", refused),
        _fact(8, Kind.ACTION, "emergency", emergency),
        _fact(9, Kind.EXCEPTION, "propose", proposed),
        _fact(10, Kind.EVENT, "hold-placed", hold),
        _fact(
            11,
            Kind.EVENT,
            "sample-drawn",
            {
                "event": "sample-drawn",
                "actor": CLARA,
                "detail": {
                    "population": "promotions",
                    "since": BEGAN.date().isoformat(),
                    "until": NOW.date().isoformat(),
                    "size": "11",
                    "seed": "7",
                    "wanted": "1",
                    "entries": "5",
                    "populationCount": "1",
                    "populationSha256": "0" * 64,
                },
            },
            model="",
        ),
    )
