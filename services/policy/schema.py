"""What a policy document may say: frozen, unknown keys refused, every fault named with its line.

A typing slip must not relax a rule, so nothing is optional that would switch a check off.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from services.kernel.errors import InvalidPolicyError
from services.kernel.identity import Role
from services.policy.gates import Closed, Gate, Limit

Share = Annotated[int, Field(ge=1, le=100, strict=True)]
LEAST_EVIDENCE = 100
"""An e-value of 100 is crossed by at most one good version in a hundred, however often it is looked at."""
Days = Annotated[int, Field(ge=1, le=90, strict=True)]


class QuorumLine(Closed):
    role: Role
    needed: Annotated[int, Field(ge=1, le=5, strict=True)]
    decision: Literal["approve", "acknowledge"]
    stage: Annotated[int, Field(ge=1, le=9, strict=True)]


class StageLine(Closed):
    """Opens when the stage before is complete; days count from then."""

    title: Annotated[str, Field(min_length=3, max_length=80)]
    due_days: Days
    escalate_to: Role
    escalate_days: Days

    @model_validator(mode="after")
    def _due_first(self) -> StageLine:
        if self.escalate_days < self.due_days:
            raise ValueError("escalate_days counts from the opening too and cannot be before due_days")
        return self


class RollbackLine(Closed):
    """When the machine may roll back by itself, once the quorum has signed the plan. Real-time deployments only."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
    measure: Literal["error_rate", "p95_ms", "error_evidence", "latency_evidence", "silence_minutes"]
    above: Annotated[Limit, Field(gt=0)]
    window_minutes: Annotated[int, Field(ge=1, le=1440, strict=True)]
    min_requests: Annotated[int, Field(ge=1, strict=True)]

    @model_validator(mode="after")
    def _can_be_reached(self) -> RollbackLine:
        if self.measure == "error_rate" and self.above >= 1:
            raise ValueError("an error rate is a share below 1")
        if self.measure in {"error_evidence", "latency_evidence"} and self.above < LEAST_EVIDENCE:
            raise ValueError(f"evidence below {LEAST_EVIDENCE} would roll good versions back by chance")
        return self


def _rising_to_everything(shares: tuple[int, ...]) -> tuple[int, ...]:
    if list(shares) != sorted(set(shares)) or shares[-1] != 100:
        raise ValueError("shares must rise and end with 100")
    return shares


Shares = Annotated[tuple[Share, ...], Field(min_length=1), AfterValidator(_rising_to_everything)]


class ShadowLine(Closed):
    """How long a version runs beside the live one, on real requests, before it answers any."""

    min_days: Annotated[int, Field(ge=0, le=90, strict=True)]
    min_records: Annotated[int, Field(ge=0, strict=True)]


class SigningLine(Closed):
    """What is asked of every counting signature beside the passphrase."""

    second_factor: Literal["passkey"] | None = None
    """`passkey`: a passkey enrolled by administrators, with its owner verified by the authenticator."""
    fresh_login_minutes: Annotated[int, Field(ge=1, le=60, strict=True)] | None = None
    """A login at the identity provider at most this old, by the provider's own account."""


class ReleaseShares(Closed):
    realtime: Shares
    batch: Shares
    shadow: ShadowLine | None = None
    """Of real-time deployments that replace a version. None: this tier asks for no shadow run."""


class MonthEnd(Closed):
    """The end of every month: its last days and the first ones of the next."""

    last_days: Annotated[int, Field(ge=1, le=15, strict=True)]
    first_days: Annotated[int, Field(ge=0, le=15, strict=True)] = 0


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin") from unknown
    return name


class FreezeLine(Closed):
    """A time in which nothing new is released: year-end closing, an audit, the end of every month.

    Days are whole days in `zone`; the first and the last one are part of it.
    """

    name: Annotated[str, Field(min_length=3, max_length=80)]
    since: Annotated[date | None, Field(alias="from")] = None
    until: Annotated[date | None, Field(alias="to")] = None
    month_end: MonthEnd | None = None
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    models: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Only these; empty together with `tags`: every model of the tier."""
    tags: tuple[Annotated[str, Field(min_length=1)], ...] = ()

    @model_validator(mode="after")
    def _one_time(self) -> FreezeLine:
        if (self.since is None) != (self.until is None) or (self.since is None) == (self.month_end is None):
            raise ValueError("give either `from` and `to`, or `month_end`")
        if self.since is not None and self.until is not None and self.until < self.since:
            raise ValueError("`to` lies before `from`")
        return self


class RetrainingLine(Closed):
    """How often a model of the tier gets a new version, and whether drift asks for one in between."""

    every_months: Annotated[int, Field(ge=1, le=12, strict=True)] = 1
    extra_on_drift: Annotated[bool, Field(strict=True)] = True
    extra_days: Annotated[int, Field(ge=1, le=90, strict=True)] = 14
    """Days that an extra run may take after drift called for it."""


class ReturnLine(Closed):
    """When a model that brings too little is looked at again, and how long nobody may be answered when it goes."""

    net_per_month_at_least: Annotated[Limit, Field(ge=0)] = Decimal(0)
    """In the currency of the deployment. The value statement of a model may ask for more, never for less."""
    missed_months: Annotated[int, Field(ge=2, le=12, strict=True)] = 2
    """Closed months in a row under the gate that open a review."""
    review_days: Annotated[int, Field(ge=1, le=90, strict=True)] = 30
    longest_keep_months: Annotated[int, Field(ge=1, le=12, strict=True)] = 6
    """So far ahead may the next month be that is judged after a model was kept."""
    quiet_days: Annotated[int, Field(ge=1, le=60, strict=True)] = 7
    """Days in which nobody may be answered before a retirement closes."""


class LimitLine(Closed):
    """Another limit of one gate for some models; the rest of the gate stays."""

    models: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    gate: str
    at_least: Limit | None = None
    at_most: Limit | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> LimitLine:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of at_least and at_most")
        return self


class PolicyDocument(Closed):
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{2,40}$")]
    version: Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]
    tier: Annotated[int, Field(ge=1, le=3, strict=True)]
    quorum: Annotated[tuple[QuorumLine, ...], Field(min_length=1)]
    stages: Annotated[tuple[StageLine, ...], Field(min_length=1)]
    release: ReleaseShares
    rollback: tuple[RollbackLine, ...]
    approval_days: Annotated[int, Field(ge=1, le=730, strict=True)]
    request_days: Days
    review_days: Annotated[int, Field(ge=1, le=30, strict=True)]
    """Within which two uninvolved people review an emergency release."""
    longest_exception_days: Annotated[int, Field(ge=1, le=365, strict=True)]
    gates: Annotated[tuple[Annotated[Gate, Field(discriminator="kind")], ...], Field(min_length=1)]
    use_cases: tuple[LimitLine, ...] = ()
    freeze: tuple[FreezeLine, ...] = ()
    retraining: RetrainingLine | None = None
    """None: every month, and within two weeks of drift. Leaving it out asks for more, not for less."""

    signing: SigningLine | None = None
    """None: the passphrase alone."""
    returns: ReturnLine | None = None
    """None: a month must not lose money, two missed months open a review. Leaving it out asks for no less."""

    def gates_for(self, model: str) -> tuple[Gate, ...]:
        """The gates with the limits that hold for this model."""
        own = {line.gate: line for line in self.use_cases if model in line.models}
        return tuple(_limited(gate, own[gate.id]) if gate.id in own else gate for gate in self.gates)

    @model_validator(mode="after")
    def _limits_fit(self) -> PolicyDocument:
        """A limit for a gate that is not there, or on its other side, would change nothing."""
        known = {gate.id: gate for gate in self.gates}
        seen: set[tuple[str, str]] = set()
        for line in self.use_cases:
            gate = known.get(line.gate)
            side = "at_least" if line.at_least is not None else "at_most"
            if gate is None or getattr(gate, side, None) is None:
                raise ValueError(f"use_cases: no gate {line.gate} has a limit {side}")
            if seen & {(line.gate, model) for model in line.models}:
                raise ValueError(f"use_cases: gate {line.gate} has two limits for one model")
            seen |= {(line.gate, model) for model in line.models}
        return self

    @model_validator(mode="after")
    def _nothing_twice(self) -> PolicyDocument:
        roles = [line.role for line in self.quorum]
        names = [gate.id for gate in self.gates]
        rules = [rule.id for rule in self.rollback]
        if any(len(set(ids)) != len(ids) for ids in (roles, names, rules)):
            raise ValueError("a role, a gate id or a rollback rule is listed twice")
        return self

    @model_validator(mode="after")
    def _stages_fit(self) -> PolicyDocument:
        if {line.stage for line in self.quorum} != set(range(1, len(self.stages) + 1)):
            raise ValueError("every stage needs a line of the quorum, and every line a stage that is listed")
        if sum(stage.due_days for stage in self.stages) > self.request_days:
            raise ValueError("the stages together last longer than request_days")
        return self

    @model_validator(mode="after")
    def _held_roles_sign(self) -> PolicyDocument:
        """A gate that holds a signature nobody needs would stop nothing."""
        signing = {line.role for line in self.quorum}
        for gate in self.gates:
            outside = [role.value for role in gate.holds if role not in signing]
            if outside:
                raise ValueError(f"gate {gate.id} holds {', '.join(outside)}, which is not in the quorum")
            if len(set(gate.holds)) != len(gate.holds):
                raise ValueError(f"gate {gate.id} holds a role twice")
        return self


def _limited(gate: Gate, line: LimitLine) -> Gate:
    side = {"at_least": line.at_least} if line.at_least is not None else {"at_most": line.at_most}
    return gate.model_copy(update=side)


_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it: the same safe rules and line numbers, in a tenth of the time."""


@lru_cache(maxsize=256)
def parse(text: str, *, file: str) -> PolicyDocument:
    """Raises InvalidPolicyError: a sentence per fault, each with file and line.

    Published documents never change and documents are frozen, so the same text is read once per process.
    """
    try:
        root = yaml.compose(text, Loader=_LOADER)
        if root is None:
            raise InvalidPolicyError(f"{file} line 1: the file is empty.", hint="Restore it from version control.")
        _refuse_repeated_keys(root, file)
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader either way
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
