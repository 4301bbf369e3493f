"""What stands against the decisions about deployment jobs: approved outside, changed since it was signed, stuck.

A finding is kept while each look sees it again, and ends with an entry of its own. A version that could not be looked
at keeps what was found about it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from services.attestation.models import Receipt
from services.kernel.clock import Clock, from_utc_text, utc_text
from services.kernel.identity import Actor

_STANDING = "deployment-job-findings"


class JobFindingKind(StrEnum):
    UNSIGNED = "unsigned"
    """An approval tag is there, and no approval of ours stands behind it."""
    CHANGED = "changed"
    """The job is not the one that was evaluated or signed; its run is not sent on."""
    STUCK = "stuck"
    """Sent on as often as it is, and the approval task fails all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one look saw. The same matter gives the same key in every look."""

    key: str
    kind: JobFindingKind
    model: str
    version: str
    task: str
    sentence: str
    detail: Mapping[str, str]
    """Besides version, task and sentence, what the entry of the ledger says: job, run, settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinding:
    key: str
    kind: JobFindingKind
    model: str
    version: str
    task: str
    sentence: str
    since: datetime


class Memory(Protocol):
    def fact(self, name: str) -> str | None: ...

    def set_fact(self, name: str, value: str, *, at: datetime) -> None: ...


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFindings:
    """One lane of the worker writes; screens and notices read. Methods raise StorageUnavailableError.

    The entry comes before what is remembered, under a key that counts how often the matter was over: a worker that is
    killed between the two writes no second entry, and what comes back later is told anew.
    """

    memory: Memory
    ledger: EventRecorder
    clock: Clock

    def standing(self, model: str = "") -> tuple[JobFinding, ...]:
        """In order of model, version and task; of every model when empty."""
        found = (_read(item) for item in json.loads(self.memory.fact(_STANDING) or "[]"))
        return tuple(item for item in found if not model or item.model == model)

    def see(self, sighting: Sighting) -> None:
        """Keeps what is new, with its entry; nothing for what stands already."""
        known = self.standing()
        if any(item.key == sighting.key for item in known):
            return
        self.ledger.record_event(
            event=f"deployment-job-{sighting.kind}",
            actor=None,
            model=sighting.model,
            detail={
                **sighting.detail,
                "version": sighting.version,
                "task": sighting.task,
                "sentence": sighting.sentence,
            },
            idem=self._idem(sighting.key),
        )
        fresh = JobFinding(
            key=sighting.key,
            kind=sighting.kind,
            model=sighting.model,
            version=sighting.version,
            task=sighting.task,
            sentence=sighting.sentence,
            since=self.clock.now(),
        )
        self._keep((*known, fresh))

    def end(self, *, but: AbstractSet[str], unclear: AbstractSet[tuple[str, str]]) -> int:
        """Ends what a whole look did not see again, except for versions that could not be looked at; the number ended.

        `but` are the keys that were seen, `unclear` (model, version).
        """
        known = self.standing()
        over = [item for item in known if item.key not in but and (item.model, item.version) not in unclear]
        for item in over:
            self.ledger.record_event(
                event="deployment-job-over",
                actor=None,
                model=item.model,
                detail={
                    "version": item.version,
                    "task": item.task,
                    "kind": item.kind.value,
                    "since": utc_text(item.since),
                    "sentence": f"This no longer stands: {item.sentence}",
                },
                idem=f"{self._idem(item.key)}:over",
            )
            # First forgotten, then counted: killed in between, the next time is told under a key that was used, and
            # stands all the same.
            known = tuple(other for other in known if other.key != item.key)
            self._keep(known)
            self.memory.set_fact(_times(item.key), str(self._ended(item.key) + 1), at=self.clock.now())
        return len(over)

    def _ended(self, key: str) -> int:
        return int(self.memory.fact(_times(key)) or 0)

    def _idem(self, key: str) -> str:
        times = self._ended(key)
        return f"deployment-job:{key}:{times}" if times else f"deployment-job:{key}"

    def _keep(self, found: tuple[JobFinding, ...]) -> None:
        ordered = sorted(found, key=lambda item: (item.model, item.version, item.task, item.key))
        self.memory.set_fact(_STANDING, json.dumps([_written(item) for item in ordered]), at=self.clock.now())


def short(*parts: str) -> str:
    """A key of fixed length for names of any length."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


def _times(key: str) -> str:
    return f"job-finding-over:{short(key)}"


def _written(item: JobFinding) -> dict[str, str]:
    return {
        "key": item.key,
        "kind": item.kind.value,
        "model": item.model,
        "version": item.version,
        "task": item.task,
        "sentence": item.sentence,
        "since": utc_text(item.since),
    }


def _read(data: dict[str, str]) -> JobFinding:
    return JobFinding(**{**data, "kind": JobFindingKind(data["kind"]), "since": from_utc_text(data["since"])})  # type: ignore[arg-type]
