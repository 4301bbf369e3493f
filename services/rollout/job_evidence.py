"""The settings of deployment jobs as evidence: the worker reads them, people sign them, and no screen asks for them.

The part of the evidence is SHA-256 over the number of the job that is connected to the model and the SHA-256 of its
settings, or the statement that none is connected. What was not read lately is not known: nobody can sign on it, and
nothing that was signed falls because of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from services.attestation.canonical import sha256_hex, to_bytes
from services.inventory import vendors
from services.inventory.models import GovernedModel
from services.kernel.clock import Clock, from_utc_text, utc_text
from services.kernel.errors import ControlRoomError

PART = "job"
"""Name of the part in the evidence of a request."""
STALE = timedelta(minutes=30)
"""A sweep of a large registry may take ten minutes and the platform may be away for a while; then it is not known."""
_AGAIN = timedelta(seconds=50)
_MOST = 100
"""Jobs that are read in one round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPart:
    """`sha256` is empty when it is not known; then `sentence` says why."""

    sha256: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What the copy of the registry says about one model."""

    job: str
    """Number of the deployment job that is connected to it; empty when none is."""
    read_at: datetime | None


class Connections(Protocol):
    def connection(self, model: str) -> Connection | None:
        """None for a model that the copy does not hold."""
        ...

    def jobs(self) -> tuple[str, ...]:
        """Numbers of the jobs that are connected to models somebody governs."""
        ...


class SettingsReader(Protocol):
    def settings_of(self, job: str) -> str:
        """SHA-256 of the job's settings as they are now. Raises UnavailableError, InputError."""
        ...


class Memory(Protocol):
    def fact(self, name: str) -> str | None: ...

    def set_fact(self, name: str, value: str, *, at: datetime) -> None: ...


class _Seen(NamedTuple):
    settings_sha256: str
    read_at: datetime


def settings_digest(settings: Mapping[str, object]) -> str:
    """SHA-256 of the job's settings as canonical JSON: tasks, parameters, who it runs as, everything."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def part_digest(job: str, settings_sha256: str) -> str:
    """SHA-256 of canonical `{"is": [job, settings], "part": "job"}`; without a job `"is"` is null."""
    return sha256_hex(to_bytes({"part": PART, "is": [job, settings_sha256] if job else None}))


NONE = JobPart(sha256=part_digest("", ""), sentence="No deployment job is connected to this model.")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvidence:
    connections: Connections
    reader: SettingsReader
    memory: Memory
    clock: Clock
    _tried: dict[str, datetime] = field(default_factory=dict)

    def part(self, model: GovernedModel) -> JobPart:
        """From what the worker read; nothing is asked of the platform."""
        if vendors.is_supplied(model):
            return NONE  # it runs at the supplier and is not in this registry
        found, now = self.connections.connection(model.name), self.clock.now()
        if found is None or found.read_at is None:
            return _unknown("The copy of the registry does not say yet whether a deployment job is connected.")
        if now - found.read_at > STALE:
            return _unknown(f"Whether a deployment job is connected was last read at {_when(found.read_at)}.")
        return self._connected(found.job, now) if found.job else NONE

    def _connected(self, job: str, now: datetime) -> JobPart:
        seen = self._seen(job)
        if seen is None:
            return _unknown(f"The settings of deployment job {job} were never read.")
        if now - seen.read_at > STALE:
            return _unknown(f"The settings of deployment job {job} were last read at {_when(seen.read_at)}.")
        return JobPart(
            sha256=part_digest(job, seen.settings_sha256),
            sentence=f"Deployment job {job}, settings {seen.settings_sha256[:12]}.",
        )

    def refresh(self) -> int:
        """Reads every job that is due, the one not tried for longest first; the number read.

        One that cannot be read does not stop the others. Raises the first such fault after all were tried.
        """
        now, read, faults = self.clock.now(), 0, list[ControlRoomError]()
        for job in self._due(now)[:_MOST]:
            self._tried[job] = now
            try:
                settings = self.reader.settings_of(job)
            except ControlRoomError as fault:
                faults.append(fault)
                continue
            text = json.dumps({"settings_sha256": settings, "read_at": utc_text(now)})
            self.memory.set_fact(_name(job), text, at=now)
            read += 1
        if faults:
            raise faults[0]
        return read

    def _due(self, now: datetime) -> list[str]:
        due = [job for job in self.connections.jobs() if (at := self._tried.get(job)) is None or now - at >= _AGAIN]
        return sorted(due, key=lambda job: (self._tried[job].timestamp() if job in self._tried else 0.0, job))

    def _seen(self, job: str) -> _Seen | None:
        text = self.memory.fact(_name(job))
        if text is None:
            return None
        data = json.loads(text)
        return _Seen(settings_sha256=data["settings_sha256"], read_at=from_utc_text(data["read_at"]))


def _name(job: str) -> str:
    return f"job-settings:{job[:60]}"


def _unknown(why: str) -> JobPart:
    return JobPart(sha256="", sentence=why)


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
