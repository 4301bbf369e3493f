"""What the ledger says about batch runs: signed decisions of people, and what the machine found or did by itself."""

from __future__ import annotations

from datetime import datetime

from services.attestation.free_text import digest_of
from services.attestation.models import LogHead
from services.kernel.identity import Actor
from services.ledger import events
from services.rollout.batch_models import BatchRun

PUBLISHED = "batch-run-published"
QUARANTINED = "batch-run-quarantined"
HELD = "batch-run-held"
FAILED = "batch-run-failed"
RERUN_ORDERED = "batch-rerun-ordered"
REFUSED = "batch-run-refused"


def window_words(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def decision(
    event: str, run: BatchRun, *, actor: Actor, reason: str, salt: str, words: str, at: datetime, head: LogHead
) -> bytes:
    """Signed by the person afterwards. The reason itself stays in our tables."""
    detail = _facts(run) | {
        "reasonSha256": digest_of(salt, reason),
        "sentence": f"{actor.name} {words}.",
    }
    return events.payload(event, actor=actor, model=run.model, detail=detail, at=at, head=head, signed=True)


def finding(event: str, run: BatchRun, *, words: str, at: datetime, head: LogHead) -> bytes:
    """Signed by the service: what a trigger found, or that a run was published without a person."""
    return events.payload(
        event, actor=None, model=run.model, detail=_facts(run) | {"sentence": words}, at=at, head=head
    )


def _facts(run: BatchRun) -> dict[str, str]:
    return {
        "run": run.run_id,
        "version": run.version,
        "window": window_words(run.window_start),
        "rows": str(run.rows),
        "outputSha256": run.output_sha256,
        "crossed": ", ".join(item.id for item in run.crossed),
        "rerunOf": run.rerun_of or "",
    }
