"""Releases of a supplier's model: versions without files of ours; terms and documents are what is signed. Pure."""

from __future__ import annotations

import json
from datetime import datetime

from services.inventory.commands import RecordRelease
from services.inventory.models import DeploymentKind, GovernedModel, ModelVersion
from services.kernel.errors import InputError

_SOURCE = "vendor:"
_LABEL_MAX, _NOTE_MAX = 80, 500


def is_supplied(model: GovernedModel) -> bool:
    return model.kind is DeploymentKind.VENDOR


def release(
    model: GovernedModel, command: RecordRelease, *, known: tuple[ModelVersion, ...], by: str, at: datetime
) -> ModelVersion:
    """The next version of a supplier's model. Raises InputError."""
    label, note = command.label.strip(), command.note.strip()
    if not is_supplied(model):
        raise InputError(f"{model.name} does not run at a supplier.", hint="Its versions come from the registry.")
    if model.supplier is None or not model.supplier.contract:
        raise InputError("The supplier's contract is not written down.", hint="Fill it in on the metadata page first.")
    if not label or len(label) > _LABEL_MAX or len(note) > _NOTE_MAX:
        raise InputError("A release needs the supplier's own name for it.", hint=f"At most {_LABEL_MAX} characters.")
    source = f"{_SOURCE}{model.supplier.contract}/{label}"
    if any(item.source == source for item in known):
        raise InputError(f"Release {label} is on record already.", hint="Ask for its approval on the gates page.")
    number = max((int(item.version) for item in known if item.version.isdecimal()), default=0) + 1
    return ModelVersion(
        model=model.name,
        version=str(number),
        created_at=at.replace(microsecond=0),
        run_id="",
        model_id="",
        source=source,
        status="READY",
        description=f"Release {label} of {model.vendor or 'the supplier'}. {note}".strip(),
        author=by,
    )


def manifest(model: GovernedModel, version: ModelVersion) -> str:
    """What stands in for the files: release, contract, audit right, exit plan and every assessment document.

    A changed document or term changes the digest, and with it every approval that rests on it.
    """
    terms = model.supplier
    return json.dumps(
        {
            "release": version.source,
            "contract": terms.contract if terms else "",
            "until": terms.until.isoformat() if terms and terms.until else "",
            "auditRight": terms.audit_right if terms else "",
            "exitPlan": terms.exit_plan if terms else "",
            "promise": terms.promise if terms else "",
            "documents": [
                [paper.title, paper.reference, paper.day.isoformat(), paper.sha256]
                for paper in (terms.documents if terms else ())
            ],
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
