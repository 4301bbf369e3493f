"""Policies in sentences, as people read them: one per gate, limit of a use case, freeze window and shadow run. Pure."""

from __future__ import annotations

from services.policy import gates
from services.policy.gates import Gate
from services.policy.models import ShadowTerms, SigningTerms
from services.policy.schema import FreezeLine, LimitLine, PolicyDocument, RetrainingLine, ReturnLine
from services.policy.wording import bound_words, shown

_MODES = {
    "metrics": "at least from the run's metrics",
    "predictions": "at least from logged predictions",
    "model": "by running the model",
}


def gate_words(gate: Gate) -> str:
    words = f"{gate.title}: {_rule(gate)}" if _rule(gate) else gate.title
    words = f"{words} ({gate.task} only)" if gate.task else words
    if gate.holds:
        words += f"; holds the signature of: {', '.join(role.label.lower() for role in gate.holds)}"
    return f"{words}; an exception can be granted" if gate.exceptable else words


def _rule(gate: Gate) -> str:  # noqa: PLR0911 - one sentence per kind
    match gate:
        case gates.ExpressionGate():
            return f"the condition {gate.expression}"
        case gates.HarnessGate():
            return f"evaluated by Countersign {_MODES[gate.mode]}, with every planned check done"
        case gates.IntervalGate():
            of = "the difference to the live version" if gate.of == "difference" else "its value"
            end = "lower" if gate.end == "low" else "upper"
            return f"{end} end of the 95 % interval of {of} {bound_words(gate.at_least, gate.at_most)}"
        case gates.MonitorsGate():
            return f"set up are {', '.join(gate.needed)}"
        case gates.OwnersGate():
            return ", ".join(role.replace("_", " ") for role in gate.roles)
        case gates.CompletenessGate():
            return f"at least {shown(gate.at_least)} % filled in"
        case gates.JoinGuardGate():
            return f"every combination of identifying columns is shared by at least {gate.k} rows"
        case gates.DeltaGate():
            return f"at most {shown(gate.tolerance)} worse than the live version"
        case _:
            at_least, at_most = getattr(gate, "at_least", None), getattr(gate, "at_most", None)
            return bound_words(at_least, at_most) if at_least is not None or at_most is not None else ""


def limit_words(line: LimitLine, document: PolicyDocument) -> str:
    title = next((gate.title for gate in document.gates if gate.id == line.gate), line.gate)
    return f"For {', '.join(line.models)}, {title} is {bound_words(line.at_least, line.at_most)}"


def freeze_words(line: FreezeLine) -> str:
    about = ", ".join((*line.models, *(f"tag {tag}" for tag in line.tags))) or "every model of the tier"
    return f"{line.name}: nothing new is released {_days(line)} ({line.zone}); {about}"


def _days(line: FreezeLine) -> str:
    if line.month_end is None:
        return f"from {line.since:%d %b %Y} to {line.until:%d %b %Y}"
    first = line.month_end.first_days
    after = f" and the first {first} of the next" if first > 1 else " and the first of the next" if first else ""
    last = line.month_end.last_days
    return f"on the last {f'{last} days' if last > 1 else 'day'} of every month{after}"


def retraining_words(document: PolicyDocument) -> str:
    line = document.retraining or RetrainingLine()
    often = "every month" if line.every_months == 1 else f"every {line.every_months} months"
    extra = f", and within {line.extra_days} days when drift is red" if line.extra_on_drift else ""
    stated = "" if document.retraining else " (not stated; this is the default)"
    return f"{often}{extra}{stated}"


def return_words(document: PolicyDocument) -> str:
    line = document.returns or ReturnLine()
    stated = "" if document.returns else " (not stated; this is the default)"
    gate = f"{line.net_per_month_at_least:,.2f}"
    days = "1 day" if line.quiet_days == 1 else f"{line.quiet_days} days"
    return (
        f"net benefit of at least {gate} a month in the currency of the deployment; {line.missed_months} closed months "
        f"in a row under it open a review, due in {line.review_days} days; kept for {line.longest_keep_months} months "
        f"at most, retired after {days} in which nobody was answered{stated}"
    )


def shadow_words(document: PolicyDocument) -> str:
    shadow = document.release.shadow
    if shadow is None:
        return ""
    return ShadowTerms(min_days=shadow.min_days, min_records=shadow.min_records).sentence


def signing_terms(document: PolicyDocument) -> SigningTerms | None:
    asked = document.signing
    if asked is None or (asked.second_factor is None and asked.fresh_login_minutes is None):
        return None
    return SigningTerms(passkey=asked.second_factor == "passkey", fresh_login_minutes=asked.fresh_login_minutes)


def signing_words(document: PolicyDocument) -> str:
    terms = signing_terms(document)
    return terms.sentence if terms else ""
