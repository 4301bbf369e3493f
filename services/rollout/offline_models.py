"""What is kept for the time without the database: where traffic may go back to, and what was done meanwhile. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from services.attestation import canonical
from services.kernel.clock import from_utc_text, utc_text
from services.kernel.errors import ForeignStatementError, TrustError

Routes = tuple[tuple[str, int], ...]

TARGETS = "countersign.rollback-targets/1"
LINE = "countersign.offline-rollback/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineTargets:
    """One model: what is served, and the versions the service would have offered to go back to."""

    model: str
    deployment: str
    kind: str
    served: Routes
    versions: tuple[str, ...]
    """Both approved and served before, files unchanged; the proposed one first."""
    on_call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsFile:
    written_at: datetime
    models: tuple[OfflineTargets, ...]

    def of(self, model: str) -> OfflineTargets | None:
        return next((item for item in self.models if item.model == model), None)


class LineState(StrEnum):
    BEGUN = "begun"
    """Written before traffic is touched."""
    DONE = "done"
    """Traffic was read back as ordered and, for a real-time deployment, answered by that version."""
    UNVERIFIED = "unverified"
    """The switch was sent; what is served could not be read back as ordered."""
    FAILED = "failed"
    """The platform refused the switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the journal. `previous` is the SHA-256 of the line before, empty on the first."""

    previous: str
    state: LineState
    op: str
    model: str
    version: str
    at: datetime
    account: str
    """The account of the operating system, and the host it was used on."""
    name: str
    """As given on the command line; nothing proves it."""
    reason: str
    before: Routes
    after: Routes
    generation: int
    targets_written_at: datetime
    why_away: str
    detail: str


class Seal(Protocol):
    """The machine's own key, as it lies in the key folder. Raises TrustError when there is none."""

    def sign(self, data: bytes) -> tuple[str, str]:
        """Key id and signature in hexadecimal digits."""
        ...

    def verifies(self, data: bytes, key_id: str, signature: str) -> bool: ...


def sealed(file: TargetsFile, seal: Seal) -> bytes:
    document = {
        "written_at": utc_text(file.written_at),
        "models": [
            {
                "model": item.model,
                "deployment": item.deployment,
                "kind": item.kind,
                "served": _pairs(item.served),
                "versions": list(item.versions),
                "on_call": item.on_call,
            }
            for item in file.models
        ],
    }
    key_id, signature = seal.sign(_signed_bytes(document))
    return canonical.to_bytes({"format": TARGETS, "document": document, "keyid": key_id, "sig": signature})


def opened(data: bytes, seal: Seal) -> TargetsFile:
    """Raises TrustError for a file that the machine's key of this deployment did not sign as it is."""
    try:
        outer = canonical.parse(data)
        document = outer["document"]
        genuine = outer["format"] == TARGETS and seal.verifies(
            _signed_bytes(document), str(outer["keyid"]), str(outer["sig"])
        )
        if not genuine:
            raise _not_genuine()
        return TargetsFile(
            written_at=from_utc_text(document["written_at"]),
            models=tuple(
                OfflineTargets(
                    model=item["model"],
                    deployment=item["deployment"],
                    kind=item["kind"],
                    served=_routes(item["served"]),
                    versions=tuple(item["versions"]),
                    on_call=item["on_call"],
                )
                for item in document["models"]
            ),
        )
    except (ForeignStatementError, KeyError, TypeError, ValueError) as broken:
        raise _not_genuine() from broken


def line_bytes(line: Line) -> bytes:
    """Without the line break. Its SHA-256 is the name of the line."""
    return canonical.to_bytes(
        {
            "format": LINE,
            "previous": line.previous,
            "state": line.state.value,
            "op": line.op,
            "model": line.model,
            "version": line.version,
            "at": utc_text(line.at),
            "account": line.account,
            "name": line.name,
            "reason": line.reason,
            "before": _pairs(line.before),
            "after": _pairs(line.after),
            "generation": line.generation,
            "targets_written_at": utc_text(line.targets_written_at),
            "why_away": line.why_away,
            "detail": line.detail,
        }
    )


def read_line(data: bytes) -> Line | None:
    """None for bytes that are no line of ours."""
    try:
        found: dict[str, Any] = canonical.parse(data)
        if found["format"] != LINE:
            return None
        line = Line(
            previous=found["previous"],
            state=LineState(found["state"]),
            op=found["op"],
            model=found["model"],
            version=found["version"],
            at=from_utc_text(found["at"]),
            account=found["account"],
            name=found["name"],
            reason=found["reason"],
            before=_routes(found["before"]),
            after=_routes(found["after"]),
            generation=int(found["generation"]),
            targets_written_at=from_utc_text(found["targets_written_at"]),
            why_away=found["why_away"],
            detail=found["detail"],
        )
        return line if line_bytes(line) == data else None
    except (ForeignStatementError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _signed_bytes(document: Any) -> bytes:
    # The first line keeps this signature from ever being one over a statement, which begins with "DSSEv1".
    return TARGETS.encode() + b"\n" + canonical.to_bytes(document)


def _not_genuine() -> TrustError:
    return TrustError(
        "The file of rollback targets is not as the machine of this deployment signed it; it is not used.",
        hint="Restore run/rollback-targets.json and keys/ of this workspace from one backup, or bring the database "
        "back. Nothing was changed.",
    )


def _pairs(routes: Routes) -> list[list[str | int]]:
    return [[version, share] for version, share in routes]


def _routes(pairs: Any) -> Routes:
    return tuple((str(version), int(share)) for version, share in pairs)
