"""Statistics from stored cells against scipy on raw rows: made-up columns of awkward shape, and recorded flights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from services.adapters.local.estate import data
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.monitoring.courses import Course, course
from services.monitoring.definitions import Statistic
from services.monitoring.windows import bins_of
from tests.unit.monitoring.facts_on_disk import TODAY, predictions, write, write_reference

TOLERANCE = 0.002


@dataclass(frozen=True)
class Compared:
    """Raw rows of two windows and what the product says about them."""

    before: pd.DataFrame
    after: pd.DataFrame
    courses: dict[str, Course]
    bins: dict[str, tuple[np.ndarray, np.ndarray]]
    cells: dict[str, tuple[np.ndarray, np.ndarray]]

    def value(self, column: str, statistic: Statistic) -> float:
        found = self.courses[column].values  # noqa: PD011 - a mapping of arrays, not a data frame
        return float(found[statistic][-1])


def compared(folder: Path, before: pd.DataFrame, after: pd.DataFrame, day: date = TODAY) -> Compared:
    write_reference(folder, "m", before.assign(score=0.5, label=0.0))
    write(folder, "predictions", "m", day, predictions(day, after, 0.5))
    facts = DuckDbMonitoringFacts(folder)
    reference = facts.fit_reference("m", "one")
    assert reference is not None
    profiles = {profile.feature: profile for profile in facts.profile(reference, (day,))}
    courses, bins, cells = {}, {}, {}
    for item in reference.features:
        if item.feature not in before:
            continue
        courses[item.feature] = course(item, [profiles[item.feature]], days=7, since=day, level=0.01)
        sorter = bins_of(item)
        bins[item.feature] = (sorter.fill(item.counts), sorter.fill(profiles[item.feature].counts))
        cells[item.feature] = (item.counts, profiles[item.feature].counts)
    return Compared(before, after, courses, bins, cells)


def awkward(n: int, seed: int, shift: float) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    nothing = random.random(n) < 0.8 - shift / 4
    return pd.DataFrame(
        {
            "normal": random.normal(shift, 1, n),
            "heavy": random.standard_t(3, n) * (1 + shift),
            "lognormal": random.lognormal(shift, 1, n),
            "zero_inflated": np.where(nothing, 0.0, random.exponential(40, n)),
            "money": np.round(random.lognormal(3 + shift, 1, n)),
            "spike": np.where(random.random(n) < 0.3 + shift / 2, 5.0, random.normal(5, 2, n)),
            "gaps": np.where(random.random(n) < 0.1 + shift / 5, np.nan, random.gamma(2, 1 + shift, n)),
            "constant": np.where(random.random(n) < shift / 10, 2.0, 1.0),
        }
    )


NUMBERS = ["normal", "heavy", "lognormal", "zero_inflated", "money", "spike", "gaps"]
FLOWN = ["dep_delay", "arr_delay", "distance", "scheduled_minutes"]


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    return compared(tmp_path_factory.mktemp("made-up"), awkward(100_000, 1, 0.0), awkward(80_000, 2, 0.2))


@pytest.fixture(scope="module")
def unmoved(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    return compared(tmp_path_factory.mktemp("unmoved"), awkward(100_000, 3, 0.0), awkward(80_000, 4, 0.0))


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """January against July of the recorded flights."""
    flights = data.flights()
    month = flights["departs"].dt.month
    chosen = flights[[*FLOWN, "carrier"]].assign(carrier=flights["carrier"].astype(str))
    return compared(tmp_path_factory.mktemp("flown"), chosen[month == 1], chosen[month == 7])


@pytest.fixture(params=["made_up", "unmoved"])
def rows(request: pytest.FixtureRequest) -> Compared:
    found: Compared = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("column", NUMBERS)
def test_ks_and_wasserstein_from_cells_are_those_of_scipy_on_the_raw_rows(rows: Compared, column: str) -> None:
    before, after = rows.before[column].dropna(), rows.after[column].dropna()
    gap = stats.ks_2samp(before, after).statistic
    area = stats.wasserstein_distance(before, after) / before.std(ddof=0)

    assert rows.value(column, Statistic.KS) == pytest.approx(gap, abs=TOLERANCE)
    assert rows.value(column, Statistic.WASSERSTEIN) == pytest.approx(area, abs=TOLERANCE)


@pytest.mark.parametrize("column", FLOWN)
def test_the_same_holds_on_recorded_flights(flown: Compared, column: str) -> None:
    before, after = flown.before[column].dropna(), flown.after[column].dropna()
    gap = stats.ks_2samp(before, after).statistic
    area = stats.wasserstein_distance(before, after) / before.std(ddof=0)

    assert flown.value(column, Statistic.KS) == pytest.approx(gap, abs=TOLERANCE)
    assert flown.value(column, Statistic.WASSERSTEIN) == pytest.approx(area, abs=TOLERANCE)


@pytest.mark.parametrize("column", NUMBERS)
def test_the_gap_on_raw_rows_lies_within_the_printed_error(rows: Compared, column: str) -> None:
    gap = stats.ks_2samp(rows.before[column].dropna(), rows.after[column].dropna()).statistic
    found, error = rows.value(column, Statistic.KS), rows.courses[column].error

    assert error is not None
    assert found - 1e-12 <= gap <= found + float(error[-1]) + 1e-12


@pytest.mark.parametrize("column", NUMBERS)
def test_psi_and_jensen_shannon_are_exact_on_deciles_of_the_raw_rows(rows: Compared, column: str) -> None:
    deciles = np.unique(np.quantile(rows.before[column].dropna(), np.arange(1, 10) / 10, method="inverted_cdf"))
    p, q = (_in_deciles(frame[column], deciles) for frame in (rows.before, rows.after))
    used = (p + q) > 0
    p, q = p[used], q[used]

    assert rows.value(column, Statistic.PSI) == pytest.approx(float(np.sum((q - p) * np.log(q / p))), abs=1e-9)
    assert rows.value(column, Statistic.JENSEN_SHANNON) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-9)


def _in_deciles(values: pd.Series, deciles: np.ndarray) -> np.ndarray:
    """Shares of (-inf, d1], (d1, d2], ... (d9, inf), missing; counted by pandas and not by our SQL."""
    places = pd.cut(values, [-np.inf, *deciles, np.inf], labels=False, right=True)
    return np.array([*(np.sum(places == place) for place in range(len(deciles) + 1)), values.isna().sum()]) / len(
        values
    )


def test_carriers_of_january_and_july_have_the_distance_and_the_chi_squared_of_scipy(flown: Compared) -> None:
    before, after = flown.bins["carrier"]
    used = before + after > 0
    table = np.array([before[used], after[used]])

    assert flown.value("carrier", Statistic.JENSEN_SHANNON) == pytest.approx(
        jensenshannon(before, after, base=2), abs=1e-9
    )
    assert flown.value("carrier", Statistic.CHI_SQUARED) == pytest.approx(
        stats.chi2_contingency(table, correction=False).statistic, rel=1e-9
    )
    assert before.sum() == len(flown.before)


def test_a_value_that_a_constant_reference_does_not_know_is_unseen(made_up: Compared) -> None:
    share = (made_up.after["constant"] == 2.0).mean()

    assert made_up.value("constant", Statistic.UNSEEN) == pytest.approx(share, abs=1e-12)
    assert made_up.value("constant", Statistic.PSI) > 0


def test_the_change_of_the_missing_share_is_exact(made_up: Compared) -> None:
    change = made_up.after["gaps"].isna().mean() - made_up.before["gaps"].isna().mean()

    assert made_up.value("gaps", Statistic.MISSING) == pytest.approx(change, abs=1e-12)
