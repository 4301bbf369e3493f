"""The value statement of a model: what it cost to build, what runs on top, what a benefit is counted from. Pure.

It is agreed and signed before the model goes live; a change is a new signed version with a reason, so that nobody can
move the baseline after the fact. Figures are judged with the newest version and with nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.attestation.documents import Change, DocumentKind, changes
from services.kernel.secret import Secret
from services.value.models import Baseline, BenefitRule, Quantity, ValueConfig

FORMAT = "countersign.value-statement/1"
LARGEST = Decimal(10**12)
"""Amounts beyond this are typing errors."""
LONGEST = 500
_BUDGET_SHARES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementVersion:
    """One version, immutable, signed by a person."""

    model: str
    version: int
    sha256: str
    text: str
    at: datetime
    reason: str
    salt: str
    live: str
    """The version of the model that was live when it was signed; empty when none was: before go-live."""
    seq: int
    leaf_hash: str
    by_issuer: str
    by_subject: str
    by_name: str

    @property
    def config(self) -> ValueConfig:
        return read(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignStatement:
    """Command: this becomes the statement in force. `based_on` is the version that was looked at, 0 for none."""

    command_id: str
    config: ValueConfig
    based_on: int
    reason: str
    passphrase: Secret


def document(config: ValueConfig) -> str:
    """Canonical text: equal statements have equal bytes. Raises InputError for text that cannot be signed."""
    return _KIND.write(config)


def read(text: str) -> ValueConfig:
    """What `document` wrote. Raises InputError for anything else."""
    return _KIND.read(text)


def problems(config: ValueConfig) -> tuple[str, ...]:
    """Every fault of a statement that could be signed, each with what to do; empty when there is none."""
    found = [
        *_amount("The setup cost", config.setup_cost),
        *_amount("The fixed cost per month", config.monthly_cost_fixed),
        *(_amount("The monthly budget", config.monthly_budget) if config.monthly_budget is not None else ()),
    ]
    if config.monthly_budget == 0:
        found.append("A budget of zero forbids any use: leave it empty for no budget, or switch the model off.")
    shares = config.budget_alerts
    if len(shares) > _BUDGET_SHARES or any(not Decimal("0.1") <= share <= 2 for share in shares):
        found.append("Budget alerts are at most four shares between 10 % and 200 % of the budget.")
    if (config.setup_cost or config.monthly_cost_fixed) and not config.cost_source.strip():
        found.append("A stated cost names its source: a contract, an invoice, or who estimated it.")
    if not 0 <= config.decision_threshold <= 1:
        found.append("The decision threshold is a score between 0 and 1.")
    for rule in config.benefits:
        found += _of_benefit(rule)
    for baseline in config.baselines:
        found += _of_baseline(baseline)
    names = [rule.id for rule in config.benefits]
    found += [f"{name} is there twice; each benefit has a name of its own." for name in _twice(names)]
    found += [f"{name} is there twice." for name in _twice([baseline.id for baseline in config.baselines])]
    texts = [config.cost_source, config.note]
    texts += [part for rule in config.benefits for part in (rule.title, rule.assumed, rule.source)]
    texts += [part for baseline in config.baselines for part in (baseline.title, baseline.unit, baseline.source)]
    if any(len(text) > LONGEST for text in texts):
        found.append(f"A text is longer than {LONGEST} characters; shorten it.")
    return tuple(found)


def cautions(config: ValueConfig) -> tuple[str, ...]:
    """What may be meant and should be looked at before anybody signs."""
    paid = [rule for rule in config.benefits if rule.unit_high > 0]
    hours = [rule for rule in paid if rule.quantity == Quantity.LABOUR_HOURS]
    rework = [rule for rule in paid if rule.quantity == Quantity.AVOIDED_REWORK]
    if not hours or not rework:
        return ()
    words = (
        f"{hours[0].title} and {rework[0].title} may pay twice for the same minutes of work. State a worth of zero for "
        "one of them, or say in its source why these are other hours."
    )
    return (words,)


def _of_benefit(rule: BenefitRule) -> list[str]:
    name = rule.title or rule.id
    found = [part for amount in (rule.unit_low, rule.unit_value, rule.unit_high) for part in _amount(name, amount)]
    if not found and not rule.unit_low <= rule.unit_value <= rule.unit_high:
        found.append(f"{name}: the value of one unit lies between its low and its high end.")
    if not rule.source.strip():
        found.append(f"{name}: say where the value of one unit comes from.")
    return list(dict.fromkeys(found))


def _of_baseline(baseline: Baseline) -> list[str]:
    found = _amount(baseline.title or baseline.id, baseline.before)
    if not baseline.source.strip():
        found.append(f"{baseline.title or baseline.id}: say where the figure before the model comes from.")
    return found


def _amount(name: str, amount: Decimal) -> list[str]:
    if not amount.is_finite():
        return [f"{name} is not a number."]
    if amount < 0:
        return [f"{name} is negative; a cost or a value is at least zero."]
    return [f"{name} is larger than {LARGEST:,}; check the digits."] if amount > LARGEST else []


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def differences(before: ValueConfig | None, after: ValueConfig) -> tuple[Change, ...]:
    """Figure by figure; empty when nothing differs."""
    return changes(_words(before) if before else {}, _words(after))


def _words(config: ValueConfig) -> dict[str, str]:
    said = {
        "Setup cost": f"{config.setup_cost:,}",
        "Fixed cost per month": f"{config.monthly_cost_fixed:,}",
        "Source of the cost": config.cost_source,
        "Monthly budget": "none" if config.monthly_budget is None else f"{config.monthly_budget:,}",
        "Budget alerts": ", ".join(f"{share:.0%}" for share in config.budget_alerts),
        "Least net benefit per month": f"{config.gate_monthly_net:,}",
        "Decision threshold": f"{config.decision_threshold:g}",
        "Note": config.note,
    }
    for rule in config.benefits:
        said[f"Benefit {rule.title or rule.id}"] = (
            f"{rule.quantity}, {rule.unit_value} each ({rule.unit_low} to {rule.unit_high}); {rule.source}"
            + (f"; assumption: {rule.assumed}" if rule.assumed else "")
        )
    for baseline in config.baselines:
        said[f"Before: {baseline.title or baseline.id}"] = f"{baseline.before} {baseline.unit}; {baseline.source}" + (
            "; assumption" if baseline.assumed else ""
        )
    return said


def _config(found: dict[str, Any]) -> ValueConfig:
    return ValueConfig(
        model=found["model"],
        benefits=tuple(
            BenefitRule(**{**item, **{key: Decimal(item[key]) for key in ("unit_value", "unit_low", "unit_high")}})
            for item in found["benefits"]
        ),
        baselines=tuple(
            Baseline(
                **{
                    **item,
                    "before": Decimal(item["before"]),
                    "lower_is_better": item["lower_is_better"] == "yes",
                    "assumed": item["assumed"] == "yes",
                }
            )
            for item in found["baselines"]
        ),
        setup_cost=Decimal(found["setup_cost"]),
        monthly_cost_fixed=Decimal(found["monthly_cost_fixed"]),
        cost_source=found["cost_source"],
        decision_threshold=float(found["decision_threshold"]),
        note=found["note"],
        monthly_budget=Decimal(found["monthly_budget"]) if found["monthly_budget"] else None,
        budget_alerts=tuple(Decimal(share) for share in found["budget_alerts"]),
        gate_monthly_net=Decimal(found["gate_monthly_net"]),
    )


_KIND = DocumentKind(format=FORMAT, name="a value statement", hint="Start from the one in force.", build=_config)
