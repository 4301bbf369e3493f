"""How one command changes a model: pure functions from model and command to the new model and a sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from services.attestation.canonical import is_sha256
from services.inventory import metadata
from services.inventory.commands import AssignOwner, FillIn, MarkReviewed
from services.inventory.governance import UseCase
from services.inventory.models import DeploymentKind, GovernedModel, Owner, ServiceLevel
from services.inventory.owners import DUTIES, duty_of, with_owner
from services.kernel.errors import InputError, MissingReasonError

TEXT_MIN, TEXT_MAX = 10, 2000
TEXT_FIELDS = ("purpose", "label", "label_definition", "limits_of_use", "fallback")
SUPPLIER_FIELDS = ("contract", "audit_right", "assessment", "exit_plan")


def fill_in(
    model: GovernedModel, command: FillIn, *, by: str, use_cases: tuple[UseCase, ...]
) -> tuple[GovernedModel, str]:
    """Raises InputError for a field that is not filled in here or a value without sense, MissingReasonError."""
    item = metadata.requirement(command.field)
    if item is None or item.fix != "metadata":
        raise InputError(f"{command.field!r} is not a field of this form.", hint="Choose one from the list.")
    if command.field in TEXT_FIELDS:
        text = command.text.strip()
        _require_text(item.title, text)
        given: dict[str, Any] = {command.field: text}
        changed = replace(model, **given)
        is_empty = not text
    elif command.field == "use_case":
        changed, is_empty = _served(model, command.text, use_cases), not command.text
    elif command.field == "service_level":
        changed = replace(model, service_level=_promised(model, command.level))
        is_empty = command.level is None
    else:
        changed, is_empty = _supplied(model, command), command.supplier is None
    if is_empty and len(command.reason.strip()) < TEXT_MIN:
        raise MissingReasonError(
            f"Taking back {item.title.lower()} needs a reason.", hint=f"Write at least {TEXT_MIN} characters."
        )
    verb = "took back" if is_empty else "changed" if item.is_given(model) else "filled in"
    why = f": {command.reason.strip().rstrip('.')}" if command.reason.strip() else ""
    return changed, f"{by} {verb} the {item.title.lower()} of {model.name}{why}."


def assign(model: GovernedModel, command: AssignOwner, *, to: Owner, by: str) -> tuple[GovernedModel, str]:
    """Raises InputError for an unknown duty, MissingReasonError when somebody is replaced without a reason."""
    if command.role not in {duty.role for duty in DUTIES}:
        raise InputError(f"{command.role!r} is not a duty.", hint="Choose one from the list.")
    before, title = model.owner_of(command.role), duty_of(command.role).title.lower()
    if before is not None and len(command.reason.strip()) < TEXT_MIN:
        raise MissingReasonError("A change of owner needs a reason.", hint=f"Write at least {TEXT_MIN} characters.")
    instead = f" instead of {before.name}" if before is not None else ""
    why = f": {command.reason.strip().rstrip('.')}" if command.reason.strip() else ""
    sentence = f"{by} named {to.name} for {title} of {model.name}{instead}{why}."
    return replace(model, owners=with_owner(model, to)), sentence


def reviewed(model: GovernedModel, command: MarkReviewed, *, by: str, today: date) -> tuple[GovernedModel, str]:
    """Raises MissingReasonError without a note."""
    note = command.note.strip()
    if len(note) < TEXT_MIN:
        raise MissingReasonError("A review needs a note.", hint="Say what was looked at and what was found.")
    if len(note) > TEXT_MAX:
        raise InputError(f"The note is longer than {TEXT_MAX:,} characters.", hint="Shorten it.")
    done = replace(model, last_review=today, review_calls=())
    return done, f"{by} reviewed {model.name}; the next review is due on {done.next_review:%d %b %Y}. {note}"


def _require_text(title: str, text: str) -> None:
    if text and len(text) < TEXT_MIN:
        raise InputError(f"{title} needs a sentence.", hint=f"Write at least {TEXT_MIN} characters.")
    if len(text) > TEXT_MAX:
        raise InputError(f"{title} is longer than {TEXT_MAX:,} characters.", hint="Shorten it.")


def _served(model: GovernedModel, use_case_id: str, use_cases: tuple[UseCase, ...]) -> GovernedModel:
    if not use_case_id:
        return replace(model, use_case_id="", use_case="")
    found = next((item for item in use_cases if item.id == use_case_id), None)
    if found is None:
        raise InputError(f"There is no use case {use_case_id!r}.", hint="Choose one, or write it down first.")
    return replace(model, use_case_id=found.id, use_case=found.title)


def _promised(model: GovernedModel, level: ServiceLevel | None) -> ServiceLevel | None:
    if level is None:
        return None
    shares = [level.error_rate, *([level.on_time_share] if level.on_time_share is not None else [])]
    if not all(0 <= share <= 1 for share in shares):
        raise InputError("A share lies between 0 and 1.", hint="5 % is 0.05.")
    times = [value for value in (level.p95_ms, level.window_hours) if value is not None]
    if not all(0 < value < float("inf") for value in times):
        raise InputError("A time limit is more than zero.", hint="Give milliseconds, or hours.")
    if not metadata.has_latency_contract(replace(model, service_level=level)):
        words = "hours and share on time" if model.kind is DeploymentKind.BATCH else "the 95th percentile in ms"
        raise InputError(f"The latency contract of this model needs {words}.", hint="Fill in these fields.")
    return level


def _supplied(model: GovernedModel, command: FillIn) -> GovernedModel:
    if model.kind is not DeploymentKind.VENDOR:
        raise InputError(f"{model.name} does not run at a supplier.", hint="Choose another field.")
    terms = command.supplier
    if terms is not None:
        for text in (terms.contract, terms.audit_right, terms.exit_plan, terms.promise):
            if len(text) > TEXT_MAX:
                raise InputError("One of the texts is too long.", hint=f"At most {TEXT_MAX:,} characters each.")
        for paper in terms.documents:
            if paper.sha256 and not is_sha256(paper.sha256):
                raise InputError(f"The digest of {paper.title} is not a SHA-256.", hint="64 hexadecimal digits.")
    return replace(model, supplier=terms)
