"""What moved, how slices are mixed, what changed and which days stand out: pure answers from profiles in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from services.kernel.health import Health, Signal
from services.monitoring import changes, code_red, drift, events, fleet, mix, verdicts
from services.monitoring.definitions import Limits, Statistic, Versus
from services.monitoring.drift import Question
from services.monitoring.models import DriftPoint, FeatureDrift, MonitoringConfig, RedWindow
from services.monitoring.profile import (
    DayProfile,
    FeatureReference,
    LabelledDay,
    Reference,
    ReferenceSlice,
    slice_key,
)

LAST = date(2031, 3, 31)
CONFIG = MonitoringConfig(
    model="m",
    features=(("amount", "Amount", "numeric"), ("provider", "Provider", "categorical")),
    slices=("provider",),
)
EDGES = tuple(float(edge) for edge in range(1, 10))
ASKED = Question(days=60)


def amount(counts: list[int], *, missing: int = 0) -> tuple[np.ndarray, np.ndarray]:
    filled = np.array([*counts, 0, missing])
    return filled, filled * np.array([*np.arange(0.5, 10), 0.0, 0.0])


EVEN = [200] * 10


def a_reference() -> Reference:
    counts, sums = amount(EVEN)
    number = FeatureReference(
        feature="amount", column="amount", numeric=True, edges=EDGES, deciles=EDGES, values=(), counts=counts,
        sums=sums, spread=2.9,
    )  # fmt: skip
    providers = np.array([1000, 600, 400, 0, 0])
    category = FeatureReference(
        feature="provider", column="provider", numeric=False, edges=(), deciles=(), values=("A", "B", "C"),
        counts=providers, sums=np.zeros(5),
    )  # fmt: skip
    slices = tuple(
        ReferenceSlice(feature="amount", slice_key=slice_key("provider", value), counts=counts * n // 2000, sums=sums)
        for value, n in (("A", 1000), ("B", 600), ("C", 400))
    )
    return Reference(model="m", digest="d", rows=2000, features=(number, category), slices=slices)


def days(
    n: int = 60, *, counts: list[int] | None = None, missing: int = 0, until: int = 0, key: str = ""
) -> list[DayProfile]:
    """`n` days of amounts that end `until` days before the last one."""
    filled, sums = amount(counts or [30] * 10, missing=missing)
    return [
        DayProfile(day=LAST - timedelta(days=until + back), feature="amount", counts=filled, sums=sums, slice_key=key)
        for back in range(n - 1, -1, -1)
    ]


def of(profiles: list[DayProfile], asked: Question = ASKED, reference: Reference | None = None) -> drift.FeatureDrift:
    ordered = sorted(profiles, key=lambda profile: (profile.feature, profile.day))
    found = drift.features(reference or a_reference(), CONFIG, ordered, asked, LAST)
    return next(item for item in found if item.feature == "amount")


MOVED = [90, 60, 30, 30, 30, 20, 10, 10, 10, 10]


def test_a_column_that_stays_is_healthy_against_the_reference_and_against_the_week_before() -> None:
    for versus in Versus:
        found = of(days(), Question(days=30, versus=versus))

        assert found.state is Health.HEALTHY
        assert found.since is None


def test_a_moved_column_tells_since_when_and_from_what_to_what() -> None:
    found = of([*days(40, until=20), *days(20, counts=MOVED)])

    assert found.state is Health.BREACH
    assert found.sustained
    assert found.since is not None
    assert LAST - timedelta(days=20) < found.since < LAST - timedelta(days=13)
    assert (found.before, found.now) != (None, None)
    assert found.now is not None
    assert found.now.mean == pytest.approx(880 / 300)


def test_against_the_week_before_an_old_move_is_no_news() -> None:
    profiles = [*days(40, until=20), *days(20, counts=MOVED)]

    assert of(profiles, Question(days=30, versus=Versus.PREVIOUS)).state is Health.HEALTHY
    assert of(profiles, Question(days=30, versus=Versus.REFERENCE)).state is Health.BREACH


def test_one_red_window_is_a_remark_and_two_of_three_are_an_alarm() -> None:
    far = [300, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    once = drift.signal(
        [of([*days(59, until=1), *days(1, counts=[n * 9 for n in far])])], a_reference(), LAST, ASKED, LAST
    )
    twice = drift.signal(
        [of([*days(58, until=2), *days(2, counts=[n * 9 for n in far])])], a_reference(), LAST, ASKED, LAST
    )

    assert once.state is Health.WATCH
    assert "a second one of three makes it red" in once.sentence
    assert twice.state is Health.BREACH


def test_missing_values_are_judged_by_their_share_and_named() -> None:
    found = of(days(missing=60))
    reading = next(item for item in found.readings if item.statistic is Statistic.MISSING)

    assert reading.state is Health.BREACH
    assert reading.value == pytest.approx(60 / 360)
    assert found.now is not None
    assert "missing 16.7 %" in found.now.words


def test_a_few_rows_are_grey_whatever_they_show() -> None:
    found = of(days(3, counts=[4, 0, 0, 0, 0, 0, 0, 0, 0, 0]))

    assert found.state is Health.UNKNOWN
    assert "Too few" in found.sentence


def test_nothing_to_compare_with_is_said_and_not_green() -> None:
    found = of(days(4), Question(days=30, versus=Versus.PREVIOUS))

    assert found.state is Health.UNKNOWN
    assert "nothing to compare" in found.sentence


def test_one_absurd_value_does_not_blur_the_weeks_after_it() -> None:
    absurd = days(1, until=30)[0]
    absurd.sums[9] += 1e300
    profiles = [*days(30, until=31), absurd, *days(30)]

    found = of(profiles)
    reading = next(item for item in found.readings if item.statistic is Statistic.WASSERSTEIN)

    assert reading.value == pytest.approx(0.0, abs=1e-9)


def test_all_missing_and_infinite_values_give_states_and_no_crash() -> None:
    nothing = of(days(counts=[0] * 9 + [0], missing=300))
    counts, _ = amount([0] * 9 + [300])
    endless = of([
        DayProfile(day=LAST - timedelta(days=back), feature="amount", counts=counts, sums=np.full(12, np.inf))
        for back in range(20, -1, -1)
    ])  # fmt: skip

    assert nothing.state is Health.BREACH
    assert endless.state is Health.BREACH


def test_a_constant_reference_has_no_wasserstein_distance_and_says_why() -> None:
    constant = FeatureReference(
        feature="amount", column="amount", numeric=True, edges=(np.nextafter(5.0, 0), 5.0), deciles=(5.0,), values=(),
        counts=np.array([0, 2000, 0, 0, 0]), sums=np.array([0, 10_000.0, 0, 0, 0]), spread=0.0,
    )  # fmt: skip
    profiles = [
        DayProfile(day=LAST - timedelta(days=back), feature="amount", counts=np.array([0, 150, 150, 0, 0]),
                   sums=np.array([0, 750.0, 900.0, 0, 0]))
        for back in range(20, -1, -1)
    ]  # fmt: skip
    found = of(profiles, reference=Reference(model="m", digest="d", rows=2000, features=(constant,)))
    reading = next(item for item in found.readings if item.statistic is Statistic.WASSERSTEIN)

    assert reading.value is None
    assert "no spread" in reading.sentence
    assert found.ks == pytest.approx(0.5)


def slices(shares: dict[str, int], n: int = 20) -> list[DayProfile]:
    """Days on which each provider has so many rows, and the whole their sum."""
    made = []
    for back in range(n - 1, -1, -1):
        for key, rows in [("", sum(shares.values())), *((slice_key("provider", v), r) for v, r in shares.items())]:
            counts, sums = amount([rows // 10] * 10)
            day = LAST - timedelta(days=back)
            made.append(DayProfile(day=day, feature="amount", counts=counts, sums=sums, slice_key=key))
    return made


def shift(shares: dict[str, int]) -> mix.MixShift:
    found = mix.mix_shift("provider", CONFIG, a_reference(), slices(shares), asked=ASKED, last=LAST)
    assert found is not None
    return found


def test_a_mix_that_stays_is_healthy_and_one_that_moves_names_what_moved_most() -> None:
    assert shift({"A": 150, "B": 90, "C": 60}).state is Health.HEALTHY

    moved = shift({"A": 30, "B": 90, "C": 180})

    assert moved.state is Health.BREACH
    assert moved.shares[0].value in {"A", "C"}
    assert {share.value: share.now for share in moved.shares}["C"] == pytest.approx(0.6)
    assert {share.value: share.before for share in moved.shares}["C"] == pytest.approx(0.2)


def test_rows_of_no_known_slice_count_as_every_other_value() -> None:
    found = mix.mix_shift(
        "provider", CONFIG, a_reference(),
        [p for p in slices({"A": 150, "B": 90, "C": 60}) if not p.slice_key.endswith("C")], asked=ASKED, last=LAST,
    )  # fmt: skip

    assert found is not None
    assert {share.value: share.now for share in found.shares}[mix.REST] == pytest.approx(0.2)


def closely(*back: tuple[int, Health, float]) -> tuple[DriftPoint, ...]:
    """Windows that end so many days before the last one, with state and PSI."""
    return tuple(
        DriftPoint(day=LAST - timedelta(days=days), value=value, n=900, floor=0.01, state=state)
        for days, state, value in sorted(back, reverse=True)
    )


def said(
    *back: tuple[int, Health, float], config: MonitoringConfig = CONFIG, days: int = 7, last: date = LAST
) -> Signal | None:
    """Code red where nothing is watched but one mix with these windows."""
    mix_of_providers = replace(shift({"A": 30, "B": 90, "C": 180}), series=closely(*back))
    return code_red.code_red(config, [], [mix_of_providers], last, window_days=days)


RED, AMBER, QUIET = (Health.BREACH, 0.3), (Health.WATCH, 0.15), (Health.HEALTHY, 0.02)


@pytest.mark.parametrize(
    ("windows", "state"),
    [
        ([(0, *RED), (7, *RED)], Health.BREACH),
        ([(0, *RED), (9, *RED)], Health.BREACH),  # nothing ended 7 or 8 days ago; this one shares no day either
        ([(0, *RED), (1, *RED), (2, *RED), (6, *RED)], Health.WATCH),  # all share days with the newest one
        ([(0, *RED), (1, *RED), (7, *QUIET)], Health.WATCH),
        ([(0, *RED), (14, *RED)], Health.WATCH),  # the window between them is not known
        ([(0, *AMBER), (7, *RED)], Health.WATCH),
        ([(0, *QUIET), (7, *RED)], Health.HEALTHY),
        ([(0, Health.UNKNOWN, 0.3), (7, *RED)], Health.UNKNOWN),
        ([(1, *RED), (8, *RED)], Health.UNKNOWN),  # not recorded up to the last day
    ],
)
def test_code_red_needs_two_windows_in_a_row_that_share_no_day(
    windows: list[tuple[int, Health, float]], state: Health
) -> None:
    found = said(*windows)

    assert found is not None
    assert found.state is state


def test_levels_and_windows_of_code_red_are_those_of_the_monitor() -> None:
    strict = replace(CONFIG, code_red_windows=3)
    loose = replace(CONFIG, code_red_limits=(2.0, 5.0))
    providers = {"A": 30, "B": 90, "C": 180}
    seen = mix.mix_shift("provider", loose, a_reference(), slices(providers), asked=ASKED, last=LAST)

    two, three = (
        said(*windows, config=strict) for windows in ([(0, *RED), (7, *RED)], [(n, *RED) for n in (0, 7, 14)])
    )

    assert [one.state for one in (two, three) if one] == [Health.WATCH, Health.BREACH]
    assert three is not None
    assert "in 3 windows in a row" in three.sentence
    assert shift(providers).state is Health.BREACH
    assert seen is not None
    assert seen.state is Health.HEALTHY
    assert "PSI 5 or more in a mix" in code_red.watches(loose)


def columns(*values: float) -> list[FeatureDrift]:
    """Columns c0, c1, ... at this PSI, now and a window ago."""
    plain = of(days())
    return [
        replace(
            plain, feature=f"c{number}", title=f"Column {number}",
            closely=closely(*((back, Health.BREACH if value >= 0.25 else Health.HEALTHY, value) for back in (0, 7))),
        )
        for number, value in enumerate(values)
    ]  # fmt: skip


def test_the_columns_a_monitor_names_are_watched_and_without_any_the_five_that_moved_most() -> None:
    """The order of the columns says nothing about what matters."""
    moved = columns(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.4)
    named = replace(CONFIG, code_red_columns=("c0", "c1"))

    def state(config: MonitoringConfig, found: list[FeatureDrift]) -> Signal:
        answer = code_red.code_red(config, found, [], LAST, window_days=7)
        assert answer is not None
        return answer

    assert state(CONFIG, moved).state is Health.BREACH
    assert "Column 6" in state(CONFIG, moved).sentence
    assert state(named, moved).state is Health.HEALTHY
    assert "No code red: 2 watched" in state(named, moved).sentence
    assert state(named, columns(0.0, 0.5)).state is Health.BREACH
    assert "No code red: 5 watched" in state(CONFIG, columns(*[0.0] * 9)).sentence
    assert code_red.code_red(replace(CONFIG, code_red_columns=("gone",)), moved, [], LAST, window_days=7) is None
    assert code_red.code_red(CONFIG, [], [], LAST, window_days=7) is None


def test_every_window_of_the_course_is_judged_as_on_its_last_day() -> None:
    [column] = columns(0.4)
    rising = replace(column, closely=closely((21, *QUIET), (14, *RED), (7, *RED), (0, *QUIET)))

    found = code_red.course(CONFIG, [rising], [], window_days=7)

    assert [(LAST - window.day).days for window in found] == [21, 14, 7, 0]
    assert [window.state for window in found] == [Health.HEALTHY, Health.WATCH, Health.BREACH, Health.HEALTHY]
    assert (found[2].feature, found[2].titles) == ("c0", ("Column 0",))


def test_a_model_whose_columns_are_quiet_is_red_where_code_red_is() -> None:
    """Its own state and its line among all models say what the tile of code red says."""
    column = of(days())
    quiet = drift.view(CONFIG, a_reference(), LAST, (column,), ASKED, today=LAST, red=None)
    red = said((0, *RED), (7, *RED))
    assert red is not None

    view = drift.view(CONFIG, a_reference(), LAST, (column,), ASKED, today=LAST, red=red)
    window = RedWindow(day=LAST, state=Health.BREACH, titles=("the mix of provider",))
    verdicts = fleet.verdicts_of("m", (column,), [window])

    assert quiet.signal.state is Health.HEALTHY
    assert view.signal.state is Health.BREACH
    assert view.signal.sentence.startswith("Code red: the mix of provider")
    assert (verdicts[-1].state, verdicts[-1].title) == (Health.BREACH, "the mix of provider")
    assert verdicts[-2].state is Health.HEALTHY


def test_old_figures_say_nothing_about_code_red_now() -> None:
    column = of(days())
    steady = shift({"A": 150, "B": 90, "C": 60})
    now = code_red.code_red(CONFIG, [column], [steady], LAST, window_days=7)
    assert now is not None
    assert now.state is Health.HEALTHY

    seen = [
        drift.view(CONFIG, a_reference(), LAST, (column,), ASKED, today=LAST + timedelta(days=after), red=now)
        for after in (0, 40)
    ]

    assert [one.code_red.state for one in seen if one.code_red] == [Health.HEALTHY, Health.UNKNOWN]
    assert "40 days ago" in (seen[1].code_red.sentence if seen[1].code_red else "")


def test_what_judges_is_said_as_the_monitor_has_it_with_its_own_levels() -> None:
    config = replace(CONFIG, statistics=("ks",), limits=(("ks", 0.07, 0.15),))
    profiles = days(counts=[21, 23, 25, 27, 29, 31, 33, 35, 37, 39])

    usual = of(profiles)
    [own] = [item for item in drift.features(a_reference(), config, profiles, ASKED, LAST) if item.feature == "amount"]
    readings = {item.statistic: item for item in own.readings}
    told = [
        drift.view(one, a_reference(), LAST, (own,), ASKED, today=LAST, red=None).explanation.note
        for one in (CONFIG, config)
    ]

    assert usual.state is Health.HEALTHY
    assert own.state is Health.WATCH
    assert [item.statistic for item in own.readings if item.judges] == [Statistic.KS]
    assert readings[Statistic.KS].limits == Limits(watch=0.07, breach=0.15)
    assert readings[Statistic.PSI].limits == Limits(watch=0.10, breach=0.25)
    assert "judged by PSI, the missing share, unseen values and the alert rate, each where it applies" in told[0]
    assert "judged by the Kolmogorov-Smirnov statistic, each" in told[1]


def test_what_changed_lists_what_the_verdict_rests_on_once_for_each_shift() -> None:
    config = replace(CONFIG, statistics=("psi", "ks", "w1"))
    profiles = days(counts=[0] * 5 + [60] * 5)

    def kinds(one: MonitoringConfig) -> list[str]:
        found = drift.features(a_reference(), one, profiles, ASKED, LAST)
        rows = changes.what_changed(found, (), (), (), asked=ASKED, last=LAST)
        return [change.kind for change in rows if change.subject == "Amount"]

    assert kinds(config) == ["column"]
    assert kinds(replace(CONFIG, statistics=("ks",))) == ["column"]
    assert kinds(replace(CONFIG, statistics=("missing",))) == []


def test_slices_share_one_level_and_small_ones_are_grey() -> None:
    profiles = sorted(slices({"A": 300, "B": 300, "C": 10}), key=lambda item: (item.slice_key, item.feature, item.day))
    found = {item.slice_key: item for item in drift.by_slice(a_reference(), CONFIG, profiles, Question(days=3), LAST)}

    assert found["provider=A"].state is Health.HEALTHY
    assert found["provider=C"].state is Health.UNKNOWN


def labelled(version: str, first: int, last: int) -> list[LabelledDay]:
    nothing = np.zeros(0, dtype=np.int64)
    return [
        LabelledDay(
            day=LAST - timedelta(days=back), version=version, predicted=100, labelled=0, positives=nothing,
            negatives=nothing, sum_error=0.0, sum_absolute=0.0, sum_square=0.0,
        )
        for back in range(first, last - 1, -1)
    ]  # fmt: skip


def test_the_table_of_changes_names_columns_mix_volume_and_versions() -> None:
    profiles = [*days(40, until=20), *days(20, counts=[n * 4 for n in MOVED])]
    columns = drift.features(a_reference(), CONFIG, profiles, ASKED, LAST)
    volume = [(LAST - timedelta(days=back), 900 if back < 7 else 300) for back in range(40, -1, -1)]
    versions = [*labelled("3", 40, 3), *labelled("4", 2, 0)]

    found = changes.what_changed(
        columns, [shift({"A": 30, "B": 90, "C": 180})], volume, versions, asked=ASKED, last=LAST
    )
    kinds = {change.kind: change for change in found}

    assert set(kinds) == {"column", "mix", "volume", "version", "schema"}
    assert kinds["volume"].before == "300"
    assert kinds["version"].since == LAST - timedelta(days=2)
    assert (kinds["schema"].subject, kinds["schema"].now) == ("Provider", "not recorded")
    assert found[0].state is Health.BREACH


def test_nothing_changed_is_an_empty_table() -> None:
    columns = [item for item in drift.features(a_reference(), CONFIG, days(), ASKED, LAST) if item.feature == "amount"]
    volume = [(LAST - timedelta(days=back), 300) for back in range(40, -1, -1)]

    assert changes.what_changed(columns, [], volume, labelled("3", 40, 0), asked=ASKED, last=LAST) == ()


def changed(
    columns: Sequence[FeatureDrift], volume: Sequence[tuple[date, int]] = (), versions: Sequence[LabelledDay] = (),
) -> tuple[changes.Change, ...]:  # fmt: skip
    return changes.what_changed(columns, [], volume, versions, asked=ASKED, last=LAST)


def test_days_without_a_prediction_are_a_change_of_volume() -> None:
    steady = [(LAST - timedelta(days=back), 1000) for back in range(35)]

    assert changed([], steady) == ()
    [stopped] = changed([], [*steady[7:], (LAST, 1000)])

    assert (stopped.kind, stopped.before, stopped.now) == ("volume", "1,000", "143")
    assert [one.now for one in changed([], steady[7:])] == ["0"]
    assert changed([], [(LAST - timedelta(days=back), 1000) for back in range(3)]) == ()


def test_what_runs_once_in_ten_days_changes_no_volume_between_its_runs() -> None:
    for since in range(10):
        runs = [(LAST - timedelta(days=since + 10 * number), 300) for number in range(5)]
        assert changed([], runs) == ()


def wavering(storm: int | None) -> list[DayProfile]:
    """A column that differs every day, as weather does, and one day far beyond that."""
    random = np.random.default_rng(5)
    made = []
    for back in range(120, -1, -1):
        shares = np.full(10, 0.1) + random.normal(0, 0.01, 10)
        if back == storm:
            shares = np.array([0.01] * 9 + [0.91])
        counts, sums = amount([int(n) for n in np.round(np.abs(shares) * 900)])
        made.append(DayProfile(day=LAST - timedelta(days=back), feature="amount", counts=counts, sums=sums))
    return made


def test_a_day_beyond_what_is_usual_is_an_event_and_its_words_say_what_was_different() -> None:
    asked = Question(window_days=1, days=60)
    found = events.events(a_reference(), CONFIG, wavering(10), asked, LAST)

    assert [event.peak for event in found] == [LAST - timedelta(days=10)]
    assert found[0].value > found[0].usual
    assert not found[0].hindsight
    assert "mean 5 before, mean 9.0" in found[0].sentence


def test_days_that_only_waver_are_no_events() -> None:
    asked = Question(window_days=1, days=60)

    assert len(events.events(a_reference(), CONFIG, wavering(None), asked, LAST)) <= 1


def test_a_storm_in_the_first_weeks_of_the_record_is_found_in_hindsight_and_says_so() -> None:
    asked = Question(window_days=1, days=121)
    found = [item for item in events.events(a_reference(), CONFIG, wavering(115), asked, LAST) if item.value > 1]

    assert [(event.peak, event.hindsight) for event in found] == [(LAST - timedelta(days=115), True)]
    assert "in the weeks after it (none are recorded before)" in found[0].sentence

    early = [item for item in wavering(115) if item.day <= LAST - timedelta(days=95)]
    asked = Question(window_days=1, days=26)
    assert events.events(a_reference(), CONFIG, early, asked, early[-1].day) == (), "too early to know"


def test_without_four_weeks_of_past_nothing_is_called_unusual() -> None:
    values = np.array([0.1] * 27 + [5.0])
    before = [LAST - timedelta(days=27 - place) for place in range(28)]

    assert np.isnan(events.usual(before, values, 1)).all()


def test_a_run_is_dated_by_its_first_window() -> None:
    states = [Health.BREACH, Health.HEALTHY, Health.WATCH, Health.BREACH]

    assert verdicts.running_since(states) == 2
    assert verdicts.running_since([Health.BREACH, Health.UNKNOWN]) is None
    assert not verdicts.sustained([Health.BREACH, Health.BREACH, Health.WATCH])
