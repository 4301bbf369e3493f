"""What changed since the live version was approved, in groups; unchanged groups fold to one line. Pure."""

from __future__ import annotations

from services.approvals.models import ColumnFact, Comparison, DiffGroup, RollbackTerms
from services.inventory.access import ColumnHandling
from services.inventory.models import SensitiveColumn
from services.policy.evidence import Evidence
from services.policy.models import PolicyRef

_DATA, _COLUMNS, _SENSITIVE = "Data:", "Input columns", "Sensitive inputs"


def columns(
    inputs: tuple[str, ...],
    tags: tuple[SensitiveColumn, ...],
    suspicious: tuple[str, ...],
    handling: tuple[ColumnHandling, ...] = (),
) -> tuple[ColumnFact, ...]:
    """Inputs with a tag that is about people, and those that look so and have none, the problems first.

    An input without a tag never counts as masked, even while it is hidden: nobody decided that.
    """
    handled = {item.name: item for item in handling}
    by_name = {item.name: item for item in tags}
    missing = [
        ColumnFact(
            name=name,
            category="",
            tagged=False,
            masked=False,
            tagged_by="",
            basis="",
            problem="The name looks sensitive and nobody has tagged it.",
            mask=_mask(handled.get(name)),
            readable=_readable(handled.get(name)),
        )
        for name in suspicious
    ]
    tagged = [
        ColumnFact(
            name=name,
            category=tag.category,
            tagged=True,
            masked=name in handled and handled[name].mask.masks,
            tagged_by=tag.tagged_by or "with the catalog",
            basis=tag.basis,
            problem="",
            mask=_mask(handled.get(name)),
            readable=_readable(handled.get(name)),
        )
        for name in inputs
        if (tag := by_name.get(name)) is not None and tag.category != "not personal"
    ]
    return (*missing, *tagged)


def _mask(item: ColumnHandling | None) -> str:
    return item.mask.words if item else ""


def _readable(item: ColumnHandling | None) -> bool | None:
    return item.readable if item else None


def groups(
    lines: tuple[Comparison, ...],
    *,
    evidence: Evidence,
    base: Evidence | None,
    facts: tuple[ColumnFact, ...],
    policy: tuple[PolicyRef | None, PolicyRef],
    cost: tuple[str, str],
    rollback: tuple[RollbackTerms | None, RollbackTerms | None],
) -> tuple[DiffGroup, ...]:
    """`policy`, `cost` and `rollback` are pairs: as of the last approval, and now."""
    data = tuple(line for line in lines if line.title.startswith(_DATA))
    special = {_COLUMNS, _SENSITIVE}
    metrics = tuple(line for line in lines if line not in data and line.title not in special)
    return (
        _group("metrics", "Metrics", metrics, "No metric of this version was logged."),
        _group("data", "Data", data, "No data set is recorded for either version."),
        _features(evidence, base, tuple(line for line in lines if line.title == _COLUMNS)),
        _sensitive(facts, tuple(line for line in lines if line.title == _SENSITIVE)),
        _policy(*policy),
        _words("cost", "Benefit and cost", *cost),
        _words("rollback", "Rollback plan", _plan(rollback[0]), _plan(rollback[1])),
    )


def _group(key: str, title: str, lines: tuple[Comparison, ...], empty: str) -> DiffGroup:
    different = [line for line in lines if line.change not in {"", "none"}]
    if not lines:
        sentence = empty
    elif different:
        sentence = f"{len(different)} of {len(lines)} differ."
    elif any(line.champion for line in lines):
        sentence = "Nothing differs."
    else:
        sentence = "There is nothing to compare with: this is the first release."
    return DiffGroup(key=key, title=title, changed=bool(different), sentence=sentence, lines=lines)


def _features(evidence: Evidence, base: Evidence | None, lines: tuple[Comparison, ...]) -> DiffGroup:
    if base is None:
        sentence = f"{len(evidence.inputs)} input columns; there is no live version to compare with."
        return DiffGroup(key="features", title="Features", changed=False, sentence=sentence, lines=())
    changed = set(evidence.inputs) != set(base.inputs)
    sentence = lines[0].change.capitalize() + "." if changed and lines else "The same input columns."
    return DiffGroup(key="features", title="Features", changed=changed, sentence=sentence, lines=lines)


def _sensitive(facts: tuple[ColumnFact, ...], lines: tuple[Comparison, ...]) -> DiffGroup:
    missing = [item.name for item in facts if not item.tagged]
    changed = bool(missing) or any(line.change not in {"", "none"} for line in lines)
    masked = sum(item.masked for item in facts)
    sentence = f"{len(facts)} sensitive inputs, {masked} masked, {len(missing)} without a tag."
    if missing:
        sentence += f" Not tagged: {', '.join(missing)}."
    return DiffGroup(
        key="sensitive", title="Sensitive columns", changed=changed, sentence=sentence, lines=lines if changed else ()
    )


def _policy(before: PolicyRef | None, now: PolicyRef) -> DiffGroup:
    this = f"{now.name} version {now.version}"
    lines: tuple[Comparison, ...] = ()
    if before is None:
        sentence, changed = f"Judged under {this}.", False
    elif before.sha256 == now.sha256:
        sentence, changed = f"The same policy, {this}.", False
    else:
        earlier = f"{before.name} version {before.version}"
        sentence, changed = f"Now {this}; the live version was approved under {earlier}.", True
        lines = (Comparison(title="Policy", champion=earlier, candidate=this, change="changed", better=None),)
    return DiffGroup(key="policy", title="Policy", changed=changed, sentence=sentence, lines=lines)


def _words(key: str, title: str, before: str, now: str) -> DiffGroup:
    changed = bool(before) and before != now
    lines = (Comparison(title=title, champion=before, candidate=now, change="changed", better=None),) if changed else ()
    return DiffGroup(key=key, title=title, changed=changed, sentence=now or "Nothing is stated.", lines=lines)


def _plan(terms: RollbackTerms | None) -> str:
    if terms is None:
        return "No automatic rollback; a person decides."
    rules = "; or ".join(rule.sentence for rule in terms.rules)
    return f"The machine may roll back to version {terms.to} by itself: {rules}."
