"""The kinds of gate a policy may list: what each one measures and by which limit. Unknown keys are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.kernel.identity import Role
from services.policy.expressions.checking import RefusedExpressionError
from services.policy.expressions.language import LONGEST, compiled


def _exact(value: Any) -> Any:
    """YAML gives floats; `0.7` must become exactly 0.7. A truth value is never a limit."""
    if isinstance(value, bool):
        raise ValueError("a number is needed here")  # noqa: TRY004 - pydantic reports ValueError with the place
    return Decimal(repr(value)) if isinstance(value, float) else value


Limit = Annotated[Decimal, BeforeValidator(_exact), Field(allow_inf_nan=False)]
Task = Literal["classification", "regression"]


class Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Gate(Closed):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
    title: Annotated[str, Field(min_length=3)]
    task: Task | None = None
    """Only for models of this task; None means for all."""
    holds: tuple[Role, ...] = ()
    """Roles whose signature is withheld while the gate is red. Without any it blocks the request itself."""
    exceptable: bool = False
    """True when an exception with owner, end and compensating control may be granted."""


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
    measure: Literal["rate_ratio", "tpr_gap", "fpr_gap", "error_gap"]
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


def _sound(text: str) -> str:
    try:
        compiled(text)
    except RefusedExpressionError as refused:
        raise ValueError(str(refused)) from refused
    return text


class ExpressionGate(_Gate):
    """A condition in CEL over the names that `docs/policies.md` lists. False fails; not answerable is an error."""

    kind: Literal["expression"]
    group: Literal["performance", "calibration", "fairness", "latency", "data", "documentation", "artifact"]
    expression: Annotated[str, Field(min_length=3, max_length=LONGEST), AfterValidator(_sound)]
    fix: Annotated[str, Field(min_length=10, max_length=300)]
    """What to do when it is false, as a sentence."""


class HarnessGate(_Gate):
    """Countersign itself evaluated exactly these files, at least in this mode, and every planned check is done."""

    kind: Literal["harness"]
    mode: Literal["metrics", "predictions", "model"]
    checks: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Checks that may not be left out, whatever the planner decides."""


class IntervalGate(_Bounded):
    """The end of a 95 % interval against a limit: of the metric, or of its difference to the live version."""

    kind: Literal["interval"]
    of: Literal["value", "difference"]
    end: Literal["low", "high"]


class MonitorsGate(_Gate):
    """These monitors are set up for the model."""

    kind: Literal["monitors"]
    needed: Annotated[tuple[str, ...], Field(min_length=1)]


class OwnersGate(_Gate):
    """Each role names somebody, and that person is active."""

    kind: Literal["owners"]
    roles: Annotated[tuple[str, ...], Field(min_length=1)]


class CompletenessGate(_Gate):
    """Share of the required metadata that is filled in, in percent."""

    kind: Literal["completeness"]
    at_least: Annotated[Limit, Field(ge=0, le=100)]


class TablesGate(_Gate):
    """Every feature table has an owner and documentation and keeps its data-quality rules."""

    kind: Literal["tables"]


class JoinGuardGate(_Gate):
    """No combination of identifying columns is shared by fewer than `k` rows."""

    kind: Literal["join-guard"]
    k: Annotated[int, Field(ge=2, le=1000, strict=True)]


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
    | ExpressionGate
    | HarnessGate
    | IntervalGate
    | MonitorsGate
    | OwnersGate
    | CompletenessGate
    | TablesGate
    | JoinGuardGate
)
