"""Sentences about a request, made of its view. Pure: no Streamlit; everything typed by people is escaped here."""

from __future__ import annotations

from collections.abc import Sequence

from pages.components.format import md, plural, role, version
from services.approvals.models import (
    ColumnFact,
    Decision,
    DiffGroup,
    Purpose,
    RequestView,
    RollbackTerms,
    StageView,
    StepView,
)
from services.evaluation.detail import Criterion
from services.policy.models import ReleaseTerms, Verdict

# Which panel shows which part of the evidence: looking at the panel counts as reading the part.
PANEL_OF_PART = {
    "metrics": "evaluation",
    "evaluation": "evaluation",
    "gates": "evaluation",
    "policy": "evaluation",
    "data": "data",
    "datasets": "data",
    "features": "data",
    "inputs": "data",
    "sensitive": "data",
    "columns": "data",
    "lineage": "data",
    "access": "data",
    "rollback": "rollback",
    "benefit": "purpose",
    "cost": "purpose",
    "risk": "purpose",
    "documentation": "purpose",
    "purpose": "purpose",
}
PANELS = {
    "evaluation": "Evaluation",
    "data": "Data",
    "rollback": "Rollback plan",
    "purpose": "Purpose and cost",
    "signed": "What is signed",
}


def panel_of(part: str) -> str:
    return PANEL_OF_PART.get(part, "signed")


def since_words(view: RequestView) -> str:
    """What the changes are counted from."""
    if view.purpose is Purpose.REATTESTATION:
        return "Changed since the last approval"
    return f"Changed since {version(view.row.base)}" if view.row.base else "First release"


def column_words(columns: Sequence[ColumnFact]) -> str:
    """`6 sensitive inputs, 5 masked, 6 readable by the serving identity, 1 without tag`. Masks are for people."""
    if not columns:
        return "No sensitive input is used"
    masked = sum(item.masked for item in columns)
    missing = sum(not item.tagged for item in columns)
    stated = [item.readable for item in columns if item.readable is not None]
    serving = f"{sum(stated)} readable by the serving identity" if stated else "serving identity not stated"
    words = [plural(len(columns), "sensitive input"), f"{masked} masked", serving]
    return ", ".join(words + ([f"{missing} without tag"] if missing else []))


def untagged(columns: Sequence[ColumnFact]) -> tuple[ColumnFact, ...]:
    return tuple(item for item in columns if not item.tagged or item.problem)


def criteria_words(lines: Sequence[Criterion]) -> str:
    """`15 of 17 criteria pass, 1 fails, 1 has too few rows`."""
    if not lines:
        return "Nothing was evaluated"
    counts = {verdict: sum(line.verdict is verdict for line in lines) for verdict in Verdict}
    words = [f"{counts[Verdict.PASSED]} of {plural(len(lines), 'criterion', 'criteria')} pass"]
    few = [line.verdict for line in lines if is_too_few(line)]
    skipped = counts[Verdict.SKIPPED] - few.count(Verdict.SKIPPED)
    inconclusive = counts[Verdict.INCONCLUSIVE] - few.count(Verdict.INCONCLUSIVE)
    for number, word in (
        (counts[Verdict.FAILED], "failed"),
        (counts[Verdict.ERROR], "could not be checked"),
        (inconclusive, "inconclusive"),
        (len(few), "with too few rows"),
        (skipped, "not applicable"),
    ):
        if number:
            words.append(f"{number} {word}")
    return ", ".join(words)


def is_too_few(line: Criterion) -> bool:
    """A group with too few rows is skipped or held by the policy; on screen it is called what it is."""
    return line.verdict in {Verdict.SKIPPED, Verdict.INCONCLUSIVE} and line.group == "fairness"


def rollback_words(terms: RollbackTerms | None, base: str | None = None) -> str:
    if terms is None and base:
        return f"None is signed with this request; people roll back to {version(base)} by hand"
    if terms is None:
        return "No earlier version to go back to; the stated fallback applies"
    rules = plural(len(terms.rules), "rule")
    if not terms.rules:
        return f"Back to {version(terms.to)}, only by hand"
    return f"Back to {version(terms.to)}; the machine may do it by {rules}"


def release_words(view: RequestView, terms: ReleaseTerms) -> str:
    """What completing the request does to traffic, and how long the approval lasts."""
    lasts = f"approval lasts {plural(terms.approval_days, 'day')}"
    if view.retirement is not None:
        days = plural(view.retirement.quiet_days, "day")
        return f"Traffic goes to zero; it closes after {days} in which nobody was answered, as counted"
    if view.purpose is not Purpose.PROMOTION or not terms.shares:
        return f"Traffic stays as it is; {lasts}"
    return f"{_capital(way_words(terms, view.row.base))} of traffic; {lasts}"


def way_words(terms: ReleaseTerms, base: str | None) -> str:
    """`a shadow run (3 days ...), then 5 %, then 100 %`: the way of a release as the policy has it."""
    shares = [f"{share} %" for share in (terms.shares if base else terms.shares and (100,))]
    if terms.shadow and base:
        shares.insert(0, f"a shadow run ({terms.shadow.sentence})")
    return ", then ".join(shares)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def unchanged_words(groups: Sequence[DiffGroup]) -> str:
    names = [group.title.lower() if not group.title.isupper() else group.title for group in groups if not group.changed]
    return f"Unchanged: {', '.join(names)}." if names else ""


def step_of(stages: Sequence[StageView], name: str) -> StepView | None:
    return next((step for stage in stages for step in stage.steps if step.role == name), None)


def roles_of(stages: Sequence[StageView]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.role for stage in stages for step in stage.steps))


def after_words(view: RequestView) -> str:
    """What is still missing after the reader has signed."""
    left = max(view.row.needed - view.row.signed - 1, 0)
    if not left:
        return "After you the quorum is complete."
    return f"After you, {plural(left, 'more signature')} {'is' if left == 1 else 'are'} needed."


def verb_of(step: StepView) -> Decision:
    return Decision.ACKNOWLEDGE if step.decision == Decision.ACKNOWLEDGE.value else Decision.APPROVE


def step_title(step: StepView) -> str:
    """`Independent validator, 1 of 2`; the count only where more than one person is needed."""
    word = md(role(step.role))
    return f"{word}, {step.have} of {step.needed}" if step.needed > 1 else word
