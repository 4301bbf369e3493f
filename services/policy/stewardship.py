"""Gates over what surrounds a model: owners, monitors, metadata, feature tables, re-identifying combinations."""

from __future__ import annotations

from decimal import Decimal

from services.policy.evidence import Evidence
from services.policy.gates import CompletenessGate, Gate, JoinGuardGate, MonitorsGate, OwnersGate, TablesGate
from services.policy.models import GateOutcome, Verdict
from services.policy.wording import outcome, shown


def _judged(gate: Gate, group: str, *, value: str, rule: str, problem: str, fine: str) -> GateOutcome:
    return outcome(
        gate,
        group,
        value=value,
        rule=rule,
        verdict=Verdict.FAILED if problem else Verdict.PASSED,
        sentence=problem or fine,
    )


def _unknown(gate: Gate, group: str, rule: str, sentence: str) -> GateOutcome:
    return outcome(gate, group, value="not known", rule=rule, verdict=Verdict.ERROR, sentence=sentence)


def judge_monitors(gate: MonitorsGate, evidence: Evidence) -> GateOutcome:
    rule = f"set up: {', '.join(gate.needed)}"
    if evidence.monitors is None:
        return _unknown(gate, "data", rule, "It is not known which monitors are set up. Look at the worker's state.")
    lacking = [name for name in gate.needed if name not in evidence.monitors]
    return _judged(
        gate,
        "data",
        value=f"{len(gate.needed) - len(lacking)} of {len(gate.needed)}",
        rule=rule,
        problem=f"Not set up: {', '.join(lacking)}. Set it up before the version is asked for." if lacking else "",
        fine="Every monitor the tier asks for is set up.",
    )


def judge_owners(gate: OwnersGate, evidence: Evidence) -> GateOutcome:
    named = {fact.role: fact for fact in evidence.owners}
    nobody = [role for role in gate.roles if role not in named]
    gone = [named[role] for role in gate.roles if role in named and not named[role].active]
    words = [f"nobody is named for {role.replace('_', ' ')}" for role in nobody]
    words += [f"{fact.name} ({fact.role.replace('_', ' ')}) is not an active person" for fact in gone]
    return _judged(
        gate,
        "documentation",
        value=f"{len(gate.roles) - len(words)} of {len(gate.roles)}",
        rule=f"named and active: {', '.join(role.replace('_', ' ') for role in gate.roles)}",
        problem=f"{'; '.join(words).capitalize()}. Name an active person in the inventory." if words else "",
        fine="Every role names an active person.",
    )


def judge_completeness(gate: CompletenessGate, evidence: Evidence) -> GateOutcome:
    rule = f"at least {shown(gate.at_least)} % of the required metadata"
    if not evidence.metadata_percent:
        return _unknown(gate, "documentation", rule, "The metadata was not checked. Open the model's inventory entry.")
    percent = Decimal(evidence.metadata_percent)
    missing = ", ".join(evidence.metadata_missing)
    return _judged(
        gate,
        "documentation",
        value=f"{shown(percent)} %",
        rule=rule,
        problem="" if percent >= gate.at_least else f"Missing: {missing}. Fill in the inventory entry.",
        fine=f"Complete enough; still missing: {missing}." if missing else "Nothing is missing.",
    )


def judge_tables(gate: TablesGate, evidence: Evidence) -> GateOutcome:
    rule = "every feature table has an owner and documentation and keeps its data-quality rules"
    if not evidence.tables:
        return _unknown(gate, "data", rule, "The feature tables this version reads are not known. Record its lineage.")
    words = []
    for table in evidence.tables:
        faults = [*table.problems] or [
            words_
            for words_, there in (("it has no owner", table.owner), ("it is not documented", table.documented))
            if not there
        ]
        words += [f"{table.name}: {fault.rstrip('.')}" for fault in faults]
    return _judged(
        gate,
        "data",
        value=f"{len(evidence.tables)} tables, {len(words)} problems",
        rule=rule,
        problem=f"{'; '.join(words)}. Ask the owner of the table." if words else "",
        fine="Every feature table is owned, documented and in order.",
    )


def judge_join_guard(gate: JoinGuardGate, evidence: Evidence) -> GateOutcome:
    rule = f"every combination of identifying columns is shared by at least {gate.k} rows"
    if evidence.small_cells is None:
        return _unknown(gate, "data", rule, "Small groups of people were not counted. Start the evaluation again.")
    small = [fact for fact in evidence.small_cells if fact.groups_below]
    weak = [fact for fact in evidence.small_cells if fact.k < gate.k]
    if weak:
        return _unknown(
            gate, "data", rule, f"Groups were counted for k = {min(fact.k for fact in weak)}. Count again for {gate.k}."
        )
    words = "; ".join(f"{' + '.join(fact.columns)}: {fact.groups_below} groups below {fact.k}" for fact in small)
    return _judged(
        gate,
        "data",
        value=f"{sum(fact.groups_below for fact in small)} small groups",
        rule=rule,
        problem=f"{words}. Leave out or coarsen one of these columns, or ask for a signed exception." if small else "",
        fine="No combination of columns singles out a few people.",
    )
