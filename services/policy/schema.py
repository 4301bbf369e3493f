"""What a policy document may say: frozen, unknown keys refused, every fault named with its line.

A typing slip must not relax a rule, so nothing is optional that would switch a check off.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from services.kernel.errors import InvalidPolicyError
from services.kernel.identity import Role


def _exact(value: Any) -> Any:
    """YAML gives floats; `0.7` must become exactly 0.7. A truth value is never a limit."""
    if isinstance(value, bool):
        raise ValueError("a number is needed here")  # noqa: TRY004 - pydantic reports ValueError with the place
    return Decimal(repr(value)) if isinstance(value, float) else value


Limit = Annotated[Decimal, BeforeValidator(_exact), Field(allow_inf_nan=False)]
Share = Annotated[int, Field(ge=1, le=100, strict=True)]
Task = Literal["classification", "regression"]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Gate(_Closed):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
    title: Annotated[str, Field(min_length=3)]
    task: Task | None = None
    """Only for models of this task; None means for all."""


class _Bounded(_Gate):
    metric: Annotated[str, Field(min_length=1)]
    at_least: Limit | None = None
    at_most: Limit | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> _Bounded:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of at_least and at_most")
        return self


class MetricGate(_Bounded):
    """A metric of the run against a fixed limit."""

    kind: Literal["metric"]


class BaselineGate(_Gate):
    """At least as good as the simple rule on the same rows."""

    kind: Literal["baseline"]
    metric: Annotated[str, Field(min_length=1)]
    baseline: Annotated[str, Field(min_length=1)]
    better: Literal["higher", "lower"]


class DeltaGate(_Gate):
    """Not worse than the live version by more than `tolerance`."""

    kind: Literal["delta"]
    metric: Annotated[str, Field(min_length=1)]
    better: Literal["higher", "lower"]
    tolerance: Annotated[Limit, Field(ge=0)]


class CalibrationGate(_Bounded):
    """A calibration measure of the run against a fixed limit; the absolute value is judged."""

    kind: Literal["calibration"]


class FairnessGate(_Gate):
    """Groups of one attribute against the largest group of it."""

    kind: Literal["fairness"]
    measure: Literal["rate_ratio", "tpr_gap", "error_gap"]
    at_least: Limit | None = None
    at_most: Limit | None = None
    min_n: Annotated[int, Field(ge=1, strict=True)]
    too_few: Literal["skip", "block"]

    @model_validator(mode="after")
    def _one_bound(self) -> FairnessGate:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of at_least and at_most")
        return self


class LeakageGate(_Gate):
    kind: Literal["leakage"]
    at_most: Limit


class AvailabilityGate(_Gate):
    kind: Literal["availability"]


class SensitiveGate(_Gate):
    """Inputs whose name contains one of `words` must be tagged in the inventory."""

    kind: Literal["sensitive"]
    words: Annotated[tuple[str, ...], Field(min_length=1)]


class DocumentationGate(_Gate):
    kind: Literal["documentation"]
    fields: Annotated[tuple[str, ...], Field(min_length=1)]


class SignatureGate(_Gate):
    kind: Literal["signature"]


class DatasetGate(_Gate):
    kind: Literal["dataset"]
    contexts: Annotated[tuple[str, ...], Field(min_length=1)]


class ManifestGate(_Gate):
    kind: Literal["manifest"]


class LatencyGate(_Gate):
    """Latency of a probe logged with the run against the promise of the use case."""

    kind: Literal["latency"]
    metric: Annotated[str, Field(min_length=1)]


Gate = (
    MetricGate
    | BaselineGate
    | DeltaGate
    | CalibrationGate
    | FairnessGate
    | LeakageGate
    | AvailabilityGate
    | SensitiveGate
    | DocumentationGate
    | SignatureGate
    | DatasetGate
    | ManifestGate
    | LatencyGate
)


class QuorumLine(_Closed):
    role: Role
    needed: Annotated[int, Field(ge=1, le=5, strict=True)]
    decision: Literal["approve", "acknowledge"]


def _rising_to_everything(shares: tuple[int, ...]) -> tuple[int, ...]:
    if list(shares) != sorted(set(shares)) or shares[-1] != 100:
        raise ValueError("shares must rise and end with 100")
    return shares


Shares = Annotated[tuple[Share, ...], Field(min_length=1), AfterValidator(_rising_to_everything)]


class ReleaseShares(_Closed):
    realtime: Shares
    batch: Shares


class PolicyDocument(_Closed):
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{2,40}$")]
    version: Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]
    tier: Annotated[int, Field(ge=1, le=3, strict=True)]
    quorum: Annotated[tuple[QuorumLine, ...], Field(min_length=1)]
    release: ReleaseShares
    approval_days: Annotated[int, Field(ge=1, le=730, strict=True)]
    request_days: Annotated[int, Field(ge=1, le=90, strict=True)]
    gates: Annotated[tuple[Annotated[Gate, Field(discriminator="kind")], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _nothing_twice(self) -> PolicyDocument:
        roles = [line.role for line in self.quorum]
        names = [gate.id for gate in self.gates]
        if len(set(roles)) != len(roles) or len(set(names)) != len(names):
            raise ValueError("a role or a gate id is listed twice")
        return self


def parse(text: str, *, file: str) -> PolicyDocument:
    """Raises InvalidPolicyError: a sentence per fault, each with file and line."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise InvalidPolicyError(f"{file} line 1: the file is empty.", hint="Restore it from version control.")
        _refuse_repeated_keys(root, file)
        content = yaml.safe_load(text)
    except yaml.YAMLError as broken:
        mark = getattr(broken, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(broken, "problem", None) or "the text is not YAML"
        raise InvalidPolicyError(f"{file} line {line}: {problem}.", hint="Correct the line.") from broken
    try:
        return PolicyDocument.model_validate(content)
    except ValidationError as faults:
        lines = [
            f"{file} line {_line(root, fault['loc'])}: {_words(fault)}" for fault in faults.errors(include_url=False)
        ]
        raise InvalidPolicyError(" ".join(lines), hint="Correct these lines.") from faults


def _words(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"]) or "document"
    if fault["type"] == "extra_forbidden":
        return f"unknown key `{fault['loc'][-1]}`."
    return f"{where}: {fault['msg']}."


def _line(root: yaml.Node, loc: tuple[int | str, ...]) -> int:
    """The line of the deepest part of `loc` that exists in the text; pydantic adds the gate kind, which does not."""
    node, line = root, root.start_mark.line
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == part), None)
            if pair is not None:
                line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return int(line) + 1


def _refuse_repeated_keys(node: yaml.Node, file: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise InvalidPolicyError(
                    f"{file} line {key.start_mark.line + 1}: `{key.value}` is given twice.", hint="Keep one."
                )
            seen.add(key.value)
            _refuse_repeated_keys(value, file)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, file)
