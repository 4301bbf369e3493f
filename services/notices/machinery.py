"""Notices about the machinery that watches and acts: a release it holds, and the worker that does not run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from services.attestation.statement import Statement
from services.kernel.clock import utc_text
from services.kernel.identity import Role
from services.notices.models import Announcement, Audience, NoticeKind, Severity
from services.notices.wording import target_of

_ON_CALL = (Role.SRE, Role.DATA_SCIENCE_LEAD)
_KEEPERS = (Role.SRE, Role.ADMIN)
_BATCH = {
    "batch-run-held": (NoticeKind.BATCH_HELD, Severity.AMBER, "held"),
    "batch-run-quarantined": (NoticeKind.BATCH_WITHHELD, Severity.RED, "withheld"),
}
_GRAVE = {"no-data", "evidence", "difference"}


def news(statement: Statement, predicate: Mapping[str, Any], seq: int) -> Iterator[Announcement]:
    """Of an event entry; nothing for the events people made themselves."""
    detail = predicate.get("detail")
    detail = detail if isinstance(detail, Mapping) else {}
    if predicate.get("event") == "release-held" and not predicate.get("actor"):
        yield from _held(statement, str(predicate.get("model", "")), detail, seq)
    elif predicate.get("event") in _BATCH and not predicate.get("actor"):
        yield from _run(statement, str(predicate.get("event")), str(predicate.get("model", "")), detail, seq)
    elif predicate.get("event") == "watch-interrupted":
        yield from _interrupted(statement, detail, seq)


def worker_away(problems: tuple[str, ...], *, since: datetime | None, now: datetime) -> tuple[Announcement, ...]:
    """To whom it may concern while no worker runs that could say so."""
    silence = utc_text(since) if since else "never"
    return tuple(
        Announcement(
            key=f"worker/{silence}/{audience.word}",
            kind=NoticeKind.WORKER_AWAY,
            severity=Severity.RED,
            at=now,
            audience=audience,
            title="The worker does not run",
            why=f"{' '.join(problems)} Signed decisions are kept; nothing is carried out or watched.",
            target=target_of("settings"),
            stands_while=f"worker/{silence}",
        )
        for audience in (Audience(role=role.value) for role in _KEEPERS)
    )


def _held(statement: Statement, model: str, detail: Mapping[str, Any], seq: int) -> Iterator[Announcement]:
    version = str(detail.get("version", ""))
    for audience in (Audience(role=role.value) for role in _ON_CALL):
        yield Announcement(
            key=f"held/{seq}/{audience.word}",
            kind=NoticeKind.RELEASE_HELD,
            severity=Severity.RED if detail.get("hold") in _GRAVE else Severity.AMBER,
            at=statement.at,
            audience=audience,
            title=f"Release held: {model} version {version}",
            why=str(detail.get("sentence", "")),
            target=target_of("rollouts", model=model),
            model=model,
            version=version,
            seq=seq,
        )


def _run(statement: Statement, event: str, model: str, detail: Mapping[str, Any], seq: int) -> Iterator[Announcement]:
    """An output consumers do not read: the machine held or withheld it, and a person decides."""
    kind, severity, word = _BATCH[event]
    for audience in (Audience(role=role.value) for role in _ON_CALL):
        yield Announcement(
            key=f"batch/{seq}/{audience.word}",
            kind=kind,
            severity=severity,
            at=statement.at,
            audience=audience,
            title=f"Batch run {word}: {model}, window {detail.get('window', '')}",
            why=str(detail.get("sentence", "")),
            target=target_of("rollouts", model=model),
            model=model,
            version=str(detail.get("version", "")),
            seq=seq,
        )


def _interrupted(statement: Statement, detail: Mapping[str, Any], seq: int) -> Iterator[Announcement]:
    for audience in (Audience(role=role.value) for role in _KEEPERS):
        yield Announcement(
            key=f"interrupted/{seq}/{audience.word}",
            kind=NoticeKind.WORKER_AWAY,
            severity=Severity.RED,
            at=statement.at,
            audience=audience,
            title="Nobody watched for a while",
            why=str(detail.get("sentence", "")),
            target=target_of("audit", entry=str(seq)),
            seq=seq,
        )
