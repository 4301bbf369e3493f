"""What can be said before a row is scored: files, signature, and the held-out rows themselves."""

from __future__ import annotations

from datetime import date
from typing import Any

from services.evaluation.harness import rows as tables
from services.evaluation.harness.material import Material
from services.evaluation.harness.models import CheckResult, Mode, Status
from services.evaluation.harness.ports import ScoringFailed, SignatureColumn
from services.evaluation.harness.rows import Array

_MEGABYTE = 1_000_000
_TEXT, _TIME = {"string"}, {"datetime"}
_NUMBERS = {"double", "float"}
_WHOLE = {"long", "integer"}


def artifact(material: Material) -> CheckResult:
    """Size, dependencies, and every file that would run code when it is read."""
    if material.files is None:
        return CheckResult(status=Status.ERROR, sentence=material.files_problem or "The files were not read.")
    facts = material.files.facts
    unpinned = [item for item in facts.dependencies if item.problem]
    words = [f"{facts.files} files, {facts.size_bytes / _MEGABYTE:.2f} MB."]
    words.append(
        f"{len(facts.unsafe)} would run code when loaded: {', '.join(item.path for item in facts.unsafe[:3])}."
        if facts.unsafe
        else "None would run code when loaded."
    )
    words.append(
        f"{len(unpinned)} dependencies are not pinned: {', '.join(item.name for item in unpinned[:5])}."
        if unpinned
        else f"All {len(facts.dependencies)} dependencies are pinned."
    )
    return CheckResult(
        status=Status.DONE,
        sentence=" ".join(words),
        sections={
            "artifact": {
                "size_bytes": facts.size_bytes,
                "files": facts.files,
                "unsafe": [{"path": item.path, "why": item.why} for item in facts.unsafe],
                "dependencies": [
                    {"name": item.name, "spec": item.spec, "problem": item.problem} for item in facts.dependencies
                ],
            }
        },
        metrics={
            "artifact_mb": facts.size_bytes / _MEGABYTE,
            "unsafe_files": float(len(facts.unsafe)),
            "unpinned_dependencies": float(len(unpinned)),
        },
    )


def signature(material: Material) -> CheckResult:
    """The signature against the rows and against the logged example, by scoring both."""
    problems = _signature_problems(material)
    if material.loaded is not None:
        if material.files is not None and material.files.facts.has_input_example:
            problems += _refusal("Its own input example is not accepted", material.loaded.example)
        if material.holdout is not None:
            problems += _refusal("The held-out rows are not accepted", lambda: material.scores)
    if problems:
        sentence = f"{len(problems)} problems: {' '.join(problems[:3])}"
    else:
        sentence = "The signature, its input example and the held-out rows agree."
    return CheckResult(
        status=Status.DONE,
        sentence=sentence,
        sections={"signature_problems": problems},
        metrics={"signature_problems": float(len(problems))},
    )


def data(material: Material) -> CheckResult:
    """How many rows, which days, how old."""
    held = material.rows
    words = [f"{held.n:,} rows of {held.name} ({held.digest})"]
    if held.window:
        words.append(f"from {held.window}")
    metrics: dict[str, float] = {}
    until = newest_day(held.times)
    if until and material.created_day:
        age = (date.fromisoformat(material.created_day) - date.fromisoformat(until)).days
        metrics["holdout_age_days"] = float(age)
        words.append(f"the newest {age} days older than the version")
    elif not until:
        words.append("without a time, so their age is not known")
    return CheckResult(
        status=Status.DONE if until else Status.INCONCLUSIVE,
        sentence=f"{', '.join(words)}.",
        sections={
            "holdout": {
                "name": held.name,
                "digest": held.digest,
                "n": held.n,
                "window": held.window,
                "until": until,
            }
        },
        metrics=metrics,
    )


def newest_day(times: Array | None) -> str:
    """ISO day of the newest row; empty when no row has a time."""
    if times is None:
        return ""
    known = times[~tables.missing(times)]
    return str(known.max().astype("datetime64[D]")) if len(known) else ""


def _signature_problems(material: Material) -> list[str]:
    if material.files is None or not material.files.facts.has_signature:
        return ["The version has no signature, so nobody can tell what it accepts."]
    facts = material.files.facts
    problems = [] if facts.has_input_example else ["The version has no input example."]
    if material.holdout is not None:
        columns = material.holdout.rows
        for item in facts.inputs:
            if item.name not in columns:
                if item.required:
                    problems.append(f"The input {item.name} is not in the held-out rows.")
                continue
            problems += _column_problems(item, columns[item.name])
    return problems


def _column_problems(item: SignatureColumn, values: Array) -> list[str]:
    found = []
    gone = int(tables.missing(values).sum())
    if item.required and gone:
        found.append(f"The input {item.name} is declared as required and is missing in {gone} rows.")
    fits = {
        **dict.fromkeys(_NUMBERS | _WHOLE | {"boolean"}, tables.is_number(values)),
        **dict.fromkeys(_TEXT, values.dtype.kind in "OU"),
        **dict.fromkeys(_TIME, values.dtype.kind == "M"),
    }.get(item.type, True)
    if not fits:
        found.append(f"The input {item.name} is declared as {item.type} and the rows hold {_kind(values)}.")
    elif item.type in _WHOLE and values.dtype.kind == "f" and _has_fractions(values):
        found.append(f"The input {item.name} is declared as whole numbers and the rows hold fractions.")
    return found


def _has_fractions(values: Array) -> bool:
    known = values[~tables.missing(values)]
    return bool((known != known.round()).any())


def _kind(values: Array) -> str:
    if tables.is_number(values):
        return "numbers"
    return "times" if values.dtype.kind == "M" else "text"


def _refusal(what: str, score: Any) -> list[str]:
    try:
        score()
    except ScoringFailed as failed:
        return [f"{what}. {failed}"]
    return []


def describe_mode(mode: Mode, reason: str) -> str:
    """With what a version was measured, for the first line of a report."""
    how = {
        Mode.MODEL: "The model was loaded and scored the held-out rows.",
        Mode.PREDICTIONS: "Predictions that the run logged were measured; the model was not asked.",
        Mode.METRICS: "Nothing could be measured; only figures that the run logged are known.",
    }[mode]
    return f"{how} {reason}".strip()
