"""The score sheet: monotone in every factor, exact at its edges, and never silent about what it rests on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inventory import tiering
from services.inventory.governance import FactorLevel, RiskStanding, TierOverride
from services.inventory.metadata import REQUIREMENTS
from services.inventory.models import SensitiveColumn, Tier
from services.inventory.owners import DUTIES
from services.inventory.proposals import LONGEST_OVERRIDE
from services.inventory.reviews import WITHIN_DAYS
from services.kernel.errors import InputError, MissingReasonError
from tests.builders import a_model

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
IDS = [factor.id for factor in tiering.FACTORS]
SHEETS = st.fixed_dictionaries({name: st.integers(1, 4) for name in IDS})


def sheet(chosen: dict[str, int]) -> tuple[FactorLevel, ...]:
    return tuple(FactorLevel(factor=name, level=level, evidence="Counted.") for name, level in chosen.items())


def all_at(level: int) -> tuple[FactorLevel, ...]:
    return sheet(dict.fromkeys(IDS, level))


@given(chosen=SHEETS, factor=st.sampled_from(IDS))
def test_a_higher_level_never_lowers_the_score_and_never_gives_a_laxer_tier(
    chosen: dict[str, int], factor: str
) -> None:
    before = tiering.assess(sheet(chosen))
    after = tiering.assess(sheet(chosen | {factor: min(4, chosen[factor] + 1)}))

    assert after.score >= before.score
    assert after.tier <= before.tier
    assert (after.score > before.score) is (chosen[factor] < 4)


@given(chosen=SHEETS)
def test_score_is_the_product_of_both_axes_and_the_tier_follows_its_published_edges(chosen: dict[str, int]) -> None:
    found = tiering.assess(sheet(chosen))
    weights = {factor.id: (factor.weight, factor.axis.value) for factor in tiering.FACTORS}
    axes = {
        axis: sum(chosen[name] * weight for name, (weight, of) in weights.items() if of == axis)
        / (4 * sum(weight for weight, of in weights.values() if of == axis))
        for axis in ("exposure", "purpose")
    }

    assert float(found.score) == pytest.approx(axes["exposure"] * axes["purpose"] * 100)
    assert found.tier == (1 if found.score >= 50 else 2 if found.score >= 25 else 3)
    # What is printed must not stand on the other side of an edge than the tier does.
    shown = float(tiering.tenths(found.score))
    assert found.tier == (1 if shown >= 50 else 2 if shown >= 25 else 3)


def test_the_lowest_and_the_highest_sheet_are_the_ends_of_the_scale() -> None:
    lowest, highest = tiering.assess(all_at(1)), tiering.assess(all_at(4))

    assert (lowest.score, lowest.tier) == (Fraction(25, 4), 3)
    assert (highest.score, highest.tier) == (Fraction(100), 1)
    assert tiering.assess(all_at(2)).tier == 2


def test_the_score_explains_itself_in_words_the_heaviest_factor_first() -> None:
    levels = sheet(dict.fromkeys(IDS, 1) | {"money": 2, "autonomy": 4})

    assert tiering.in_words(levels) == ("Autonomy: a machine alone.", "Money: 1,000 to 10,000.")
    assert tiering.assess(levels).sentence.startswith("Risk score ")


@pytest.mark.parametrize(
    "levels",
    [
        all_at(2)[:-1],
        (*all_at(2), all_at(2)[0]),
        (*all_at(2)[:-1], FactorLevel(factor="invented", level=2, evidence="Counted.")),
        all_at(0),
        all_at(5),
    ],
)
def test_a_sheet_with_gaps_doubles_or_foreign_levels_is_refused(levels: tuple[FactorLevel, ...]) -> None:
    with pytest.raises(InputError):
        tiering.assess(levels)


def test_a_level_without_evidence_is_refused() -> None:
    levels = (*all_at(2)[:-1], replace(all_at(2)[-1], evidence=" ? "))
    with pytest.raises(MissingReasonError, match="Reversal needs its evidence"):
        tiering.require_founded(levels, model=a_model(sensitive=()))


@pytest.mark.parametrize(("category", "least"), [("PHI", 4), ("PII", 3), ("quasi-identifier", 2), ("not personal", 1)])
def test_personal_data_cannot_be_stated_lower_than_the_tags_of_the_columns(category: str, least: int) -> None:
    model = a_model(sensitive=(SensitiveColumn(name="c", category=category, basis="contract"),))

    assert tiering.least_data_level(model) == least
    tiering.require_founded(all_at(least), model=model)
    if least > 1:
        with pytest.raises(InputError, match=f"at least level {least}"):
            tiering.require_founded(all_at(least - 1), model=model)


def test_an_override_stands_until_its_moment_and_not_at_it() -> None:
    override = TierOverride(tier=1, reason="Audit open", until=NOON, proposed_by="Dana", confirmed_by="Vera", seq=7)
    standing = RiskStanding(
        sheet="1", levels=all_at(2), computed=2, assessed_by="Dana", assessed_at=NOON, override=override
    )

    assert standing.tier_at(NOON - timedelta(seconds=1)) == 1
    assert standing.tier_at(NOON) == 2
    assert "stands instead until 31 Jan 2030: Audit open." in tiering.standing_words(
        a_model(tier=Tier.ONE, risk=standing)
    )
    assert "stands instead" not in tiering.standing_words(a_model(tier=Tier.TWO, risk=standing))


def test_the_published_page_states_the_sheet_the_fields_and_the_duties_as_they_are() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "risk.md").read_text()

    for factor in tiering.FACTORS:
        assert f"| {factor.title}: {factor.question} | {factor.weight} | {' | '.join(factor.levels)} |" in page
    for item in REQUIREMENTS:
        assert f"| {item.title} | tier {item.tier} |" in page
    for duty in DUTIES:
        assert f"| {duty.letter} | {duty.title} | {duty.answers_for} |" in page
    assert f"From {tiering.TIER_ONE_FROM} on a model is tier 1, from {tiering.TIER_TWO_FROM} on tier 2" in page
    days, soon = tiering.CADENCE_DAYS, WITHIN_DAYS
    assert f"Tier 1 every {days[1]} days, tier 2 every {days[2]}, tier 3 every {days[3]}." in page
    assert f"within {soon[1]}, {soon[2]} or {soon[3]} days" in page
    assert f"at most {LONGEST_OVERRIDE.days} days" in page
