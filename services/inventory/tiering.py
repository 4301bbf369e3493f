"""The published score sheet: how exposure and purpose of a model make its risk tier. Pure.

    exposure = 100 x sum(weight x level) / (4 x sum(weight))       over the factors of exposure, levels 1 to 4
    purpose  = the same over the factors of purpose
    score    = exposure x purpose / 100                             6.25 to 100
    tier 1 from a score of 50 on, tier 2 from 25 on, else tier 3

Materiality as the product of exposure and purpose follows the inter-agency guidance on model risk, SR 26-2 of
17 April 2026. A higher level of any factor never lowers the score and never gives a laxer tier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from services.inventory.governance import FactorLevel
from services.inventory.models import GovernedModel, Tier
from services.kernel.errors import InputError, MissingReasonError

SHEET = "1"
HIGHEST_LEVEL = 4
TIER_ONE_FROM, TIER_TWO_FROM = Fraction(50), Fraction(25)
EVIDENCE_MIN, EVIDENCE_MAX = 5, 500
CADENCE_DAYS: Mapping[int, int] = {1: 90, 2: 180, 3: 365}
"""Days from one regular review to the next, at most."""


class Axis(StrEnum):
    EXPOSURE = "exposure"
    PURPOSE = "purpose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One line of the sheet; `levels` are the words for 1 to 4."""

    id: str
    axis: Axis
    title: str
    weight: int
    question: str
    levels: tuple[str, str, str, str]


FACTORS = (
    Factor(
        id="volume", axis=Axis.EXPOSURE, title="Volume", weight=2, question="How many results are used in a day?",
        levels=("Fewer than 100", "100 to 1,000", "1,000 to 100,000", "More than 100,000"),
    ),
    Factor(
        id="money", axis=Axis.EXPOSURE, title="Money", weight=3, question="How much money follows them in a day?",
        levels=("Less than 1,000", "1,000 to 10,000", "10,000 to 100,000", "More than 100,000"),
    ),
    Factor(
        id="reach", axis=Axis.EXPOSURE, title="Reach", weight=2, question="Whom do the results touch?",
        levels=(
            "One team inside the firm", "Several teams, or the accounts",
            "Customers, members or patients, indirectly", "Customers, members or patients, directly",
        ),
    ),
    Factor(
        id="data", axis=Axis.EXPOSURE, title="Personal data", weight=2, question="What does it know about people?",
        levels=("Nothing about a person", "Quasi-identifiers only", "Personal data", "Health data"),
    ),
    Factor(
        id="consequence", axis=Axis.PURPOSE, title="Consequence", weight=3, question="What follows from a result?",
        levels=(
            "A plan or a report", "The order or the effort of work", "A price, a reserve or a service that is offered",
            "Whether a person gets care, cover or money",
        ),
    ),
    Factor(
        id="autonomy", axis=Axis.PURPOSE, title="Autonomy", weight=3, question="Who acts on a result?",
        levels=(
            "A person, with the result as one of several sources", "A person, who checks every result",
            "A machine; a person checks a part", "A machine alone",
        ),
    ),
    Factor(
        id="regulation", axis=Axis.PURPOSE, title="Regulation", weight=2, question="Which rules apply to this use?",
        levels=(
            "None beyond good practice", "The firm's own policies",
            "Supervision of conduct or of financial reports", "Named as high-risk by a law or a supervisor",
        ),
    ),
    Factor(
        id="reversal", axis=Axis.PURPOSE, title="Reversal", weight=2, question="How is a wrong result put right?",
        levels=(
            "The same day, before anybody is affected", "Within a week, at little cost",
            "Only after somebody complains or the books are closed", "It cannot be put right",
        ),
    ),
)  # fmt: skip
_BY_ID = {factor.id: factor for factor in FACTORS}
_DATA_LEVEL = {"quasi-identifier": 2, "PII": 3, "PHI": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What a filled-in sheet gives; exact, rounded only for showing."""

    exposure: Fraction
    purpose: Fraction
    score: Fraction
    tier: int

    @property
    def sentence(self) -> str:
        """`Risk score 33.0 of 100: exposure 53, purpose 63. From 25 on a model is tier 2.`"""
        edges = {1: f"From {TIER_ONE_FROM} on a model is tier 1.", 2: f"From {TIER_TWO_FROM} on a model is tier 2."}
        last = edges.get(self.tier, f"Below {TIER_TWO_FROM} a model is tier 3.")
        axes = f"exposure {whole(self.exposure)}, purpose {whole(self.purpose)}"
        return f"Risk score {tenths(self.score)} of 100: {axes}. {last}"


def assess(levels: Sequence[FactorLevel]) -> Assessment:
    """Raises InputError unless every factor of the sheet has exactly one level from 1 to 4."""
    chosen = {item.factor: item.level for item in levels}
    if len(levels) != len(FACTORS) or set(chosen) != set(_BY_ID):
        raise InputError("The score sheet is not complete.", hint="Choose a level for each factor, once.")
    for factor, level in chosen.items():
        if isinstance(level, bool) or level not in range(1, HIGHEST_LEVEL + 1):
            raise InputError(
                f"{_BY_ID[factor].title} has no level {level}.", hint=f"Choose a level from 1 to {HIGHEST_LEVEL}."
            )
    exposure, purpose = (_axis(axis, chosen) for axis in (Axis.EXPOSURE, Axis.PURPOSE))
    score = exposure * purpose / 100
    tier = 1 if score >= TIER_ONE_FROM else 2 if score >= TIER_TWO_FROM else 3
    return Assessment(exposure=exposure, purpose=purpose, score=score, tier=tier)


def require_founded(levels: Sequence[FactorLevel], *, model: GovernedModel) -> None:
    """Each level rests on something written down, and none contradicts the tags of the model's columns.

    Raises MissingReasonError, InputError.
    """
    for item in levels:
        title, words = _BY_ID[item.factor].title if item.factor in _BY_ID else item.factor, item.evidence.strip()
        if len(words) < EVIDENCE_MIN:
            raise MissingReasonError(f"{title} needs its evidence in words.", hint="Say what the level rests on.")
        if len(words) > EVIDENCE_MAX:
            raise InputError(f"The evidence for {title.lower()} is too long.", hint=f"At most {EVIDENCE_MAX} letters.")
    least = least_data_level(model)
    stated = next((item.level for item in levels if item.factor == "data"), HIGHEST_LEVEL)
    if stated < least:
        raise InputError(
            f"The columns of {model.name} are tagged as {_tagged(model)}, so personal data is at least level {least}.",
            hint="Raise the level, or correct the tags first.",
        )


def least_data_level(model: GovernedModel) -> int:
    """The lowest level of personal data that the tags of its columns allow."""
    return max((_DATA_LEVEL.get(column.category, 1) for column in model.sensitive), default=1)


def in_words(levels: Sequence[FactorLevel]) -> tuple[str, ...]:
    """What raises the score, the heaviest first: one sentence per factor above the lowest level."""
    known = [(item, _BY_ID[item.factor]) for item in levels if item.factor in _BY_ID and item.level > 1]
    known.sort(key=lambda pair: (-pair[0].level * pair[1].weight, FACTORS.index(pair[1])))
    return tuple(f"{factor.title}: {factor.levels[item.level - 1].lower()}." for item, factor in known)


def in_force(model: GovernedModel, now: datetime) -> GovernedModel:
    """The model with the tier that counts at this moment: an override ends by the clock, not by a task."""
    tier = model.risk.tier_at(now) if model.risk is not None else int(model.tier)
    if tier == int(model.tier):
        return model
    return replace(model, tier=Tier(tier), review_every_days=CADENCE_DAYS[tier])


def standing_words(model: GovernedModel) -> str:
    """The computed score and tier, and what stands beside it; empty where nobody filled in a score sheet."""
    standing = model.risk
    if standing is None:
        return ""
    words, override = assess(standing.levels).sentence, standing.override
    if override is None or int(model.tier) != override.tier:
        return words
    return (
        f"{words} Tier {override.tier} stands instead until {override.until:%d %b %Y}: {override.reason.rstrip('.')}. "
        f"Proposed by {override.proposed_by}, confirmed by {override.confirmed_by}, entry {override.seq}."
    )


def factor_of(name: str) -> Factor | None:
    return _BY_ID.get(name)


def tenths(value: Fraction) -> str:
    """One digit after the point, halves rounded up."""
    return f"{(value * 10 + Fraction(1, 2)).__floor__() / 10:.1f}"


def whole(value: Fraction) -> int:
    return (value + Fraction(1, 2)).__floor__()


def _axis(axis: Axis, chosen: Mapping[str, int]) -> Fraction:
    factors = [factor for factor in FACTORS if factor.axis is axis]
    reached = sum(factor.weight * chosen[factor.id] for factor in factors)
    return Fraction(100 * reached, HIGHEST_LEVEL * sum(factor.weight for factor in factors))


def _tagged(model: GovernedModel) -> str:
    found = {column.category for column in model.sensitive if column.category in _DATA_LEVEL}
    return " and ".join(sorted(found))
