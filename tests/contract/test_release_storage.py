"""Releases, their events and their looks on SQLite and PostgreSQL: who was slower is refused, and looks stay few."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.adapters.sql.releases import SqlReleases
from services.kernel.errors import StaleRequestError
from services.policy.models import ShadowTerms
from services.rollout.release_models import (
    Analysis,
    ArmWindow,
    Hold,
    Release,
    ReleaseEvent,
    ReleaseState,
    Verdict,
)
from tests.contract.deployment import STARTED, Deployment
from tests.fakes.releases import a_look

LOOKS_EVERY = timedelta(seconds=5)


def a_release(number: int = 1, **changes: object) -> Release:
    release = Release(
        release_id=f"rel-{number}",
        model="delay_claim_score",
        deployment="delay_claim_score",
        kind="realtime",
        request_id=f"req-{number}",
        candidate=str(number + 1),
        candidate_sha256="c" * 64,
        base=str(number),
        base_sha256="b" * 64,
        state=ReleaseState.CANARY,
        share=5,
        plan=(5, 10, 20, 100),
        shadow=ShadowTerms(min_days=3, min_records=5000),
        stage_since=STARTED,
        created_at=STARTED - timedelta(days=4),
        updated_at=STARTED,
        shadow_since=STARTED - timedelta(days=3),
        shadow_closed=(41, "d" * 64),
    )
    return replace(release, **changes)  # type: ignore[arg-type]


def saved(deployment: Deployment, *releases: Release) -> None:
    with deployment.database.write() as connection:
        for release in releases:
            SqlReleases(connection).save_release(release)


def found(deployment: Deployment, release_id: str = "rel-1") -> Release:
    with deployment.database.read() as connection:
        release = SqlReleases(connection).release(release_id)
    assert release is not None
    return release


def looked(deployment: Deployment, seconds: float, **changes: object) -> Analysis:
    look = a_look(found(deployment), at=STARTED + timedelta(seconds=seconds), verdict=Verdict.UNDECIDED)
    look = replace(look, **changes)  # type: ignore[arg-type]
    with deployment.database.write() as connection:
        SqlReleases(connection).save_analysis(look)
    return look


def all_looks(deployment: Deployment, limit: int = 10_000) -> tuple[Analysis, ...]:
    with deployment.database.read() as connection:
        return SqlReleases(connection).looks("rel-1", limit)


def test_a_release_comes_back_as_it_was_saved(deployment: Deployment) -> None:
    held = a_release(
        state=ReleaseState.PAUSED,
        resumes_to=ReleaseState.CANARY,
        hold=Hold.NO_DATA,
        hold_reason="Silent.",
        latched=True,
    )
    bare = a_release(
        7, model="payout_forecast", state=ReleaseState.PLANNED, base=None, base_sha256="", shadow=None,
        shadow_since=None, shadow_closed=None, share=0,
    )  # fmt: skip
    saved(deployment, held, bare)

    assert found(deployment) == held
    assert found(deployment, "rel-7") == bare
    with deployment.database.read() as connection:
        assert SqlReleases(connection).release("rel-2") is None


def test_a_request_leads_to_its_one_release_and_never_to_a_second(deployment: Deployment) -> None:
    saved(deployment, a_release(state=ReleaseState.ABORTED))

    with deployment.database.read() as connection:
        store = SqlReleases(connection)
        assert store.release_of_request("req-1") == a_release(state=ReleaseState.ABORTED)
        assert store.release_of_request("req-2") is None
    with pytest.raises(StaleRequestError):
        saved(deployment, a_release(2, request_id="req-1"))


@pytest.mark.parametrize("state", [ReleaseState.PLANNED, ReleaseState.SHADOW, ReleaseState.CANARY, ReleaseState.PAUSED])
def test_two_releases_of_one_model_never_go_forward_at_once(deployment: Deployment, state: ReleaseState) -> None:
    saved(deployment, a_release(state=state), a_release(7, model="payout_forecast"))

    with pytest.raises(StaleRequestError, match="on its way already"):
        saved(deployment, a_release(2, state=ReleaseState.PLANNED))
    with deployment.database.read() as connection:
        assert [item.release_id for item in SqlReleases(connection).releases("delay_claim_score")] == ["rel-1"]


def test_the_release_before_stays_full_beside_the_next_one_until_it_is_retired(deployment: Deployment) -> None:
    saved(
        deployment, a_release(state=ReleaseState.FULL, share=100), a_release(2), a_release(7, model="payout_forecast")
    )

    with deployment.database.read() as connection:
        store = SqlReleases(connection)
        assert store.running_release("delay_claim_score") == a_release(2)
        assert [item.release_id for item in store.running_releases("delay_claim_score")] == ["rel-2", "rel-1"]
        assert [item.release_id for item in store.running_releases()] == ["rel-7", "rel-2", "rel-1"]
    saved(deployment, a_release(state=ReleaseState.RETIRED, share=100, revision=1))
    with deployment.database.read() as connection:
        store = SqlReleases(connection)
        assert [item.release_id for item in store.running_releases("delay_claim_score")] == ["rel-2"]
        assert [item.release_id for item in store.releases("delay_claim_score", limit=1)] == ["rel-2"]


def test_the_slower_of_two_changes_of_a_release_is_refused(deployment: Deployment) -> None:
    saved(deployment, a_release())
    saved(deployment, a_release(share=10, revision=1))

    with pytest.raises(StaleRequestError, match="at the same moment"):
        saved(deployment, a_release(state=ReleaseState.PAUSED, revision=1))
    assert (found(deployment).share, found(deployment).revision) == (10, 1)


def test_a_refused_insert_leaves_the_rest_of_its_transaction_usable(deployment: Deployment) -> None:
    saved(deployment, a_release())
    with deployment.database.write() as connection:
        store = SqlReleases(connection)
        with pytest.raises(StaleRequestError):
            store.save_release(a_release(2))
        store.save_release(a_release(7, model="payout_forecast"))

    assert found(deployment, "rel-7").model == "payout_forecast"


def test_what_the_watcher_remembers_makes_no_open_form_stale_and_no_change_forgets_it(deployment: Deployment) -> None:
    saved(deployment, a_release())
    with deployment.database.write() as connection:
        SqlReleases(connection).keep_watch("rel-1", '{"looks": 3}')

    assert (found(deployment).analysis, found(deployment).revision) == ('{"looks": 3}', 0)
    saved(deployment, a_release(share=10, revision=1, analysis="what the form knew"))
    assert (found(deployment).analysis, found(deployment).share) == ('{"looks": 3}', 10)


def test_events_are_kept_in_their_order(deployment: Deployment) -> None:
    saved(deployment, a_release(), a_release(7, model="payout_forecast"))
    events = tuple(
        ReleaseEvent(at=STARTED, state=state, sentence=f"It is {state.value}.", actor="Sam Lindqvist", seq=seq)
        for state, seq in ((ReleaseState.CANARY, 12), (ReleaseState.PAUSED, None), (ReleaseState.CANARY, 14))
    )
    with deployment.database.write() as connection:
        for event in events:
            SqlReleases(connection).add_release_event("rel-1", event)

    with deployment.database.read() as connection:
        assert SqlReleases(connection).release_events("rel-1") == events
        assert SqlReleases(connection).release_events("rel-7") == ()


def test_a_look_comes_back_as_it_was_saved(deployment: Deployment) -> None:
    saved(deployment, a_release())
    arm = ArmWindow(version="2", role="live", requests=40, errors=1, p95_ms=41.5)
    look = looked(deployment, 5, arms=(arm,), advice="hold", silent_minutes=1.5, impaired=True, watermark=None)

    with deployment.database.read() as connection:
        assert SqlReleases(connection).analysis("rel-1") == look
        assert SqlReleases(connection).analysis("rel-2") is None


def test_of_many_looks_the_newest_stays_and_one_every_half_minute(deployment: Deployment) -> None:
    saved(deployment, a_release())
    for number in range(26):
        looked(deployment, number * LOOKS_EVERY.total_seconds())

    seconds = [(look.at - STARTED).total_seconds() for look in all_looks(deployment)]
    assert seconds == [0, 30, 60, 90, 120, 125]
    assert [(look.at - STARTED).total_seconds() for look in all_looks(deployment, limit=2)] == [120, 125]


def test_a_long_stage_keeps_few_looks(deployment: Deployment) -> None:
    saved(deployment, a_release())
    day = timedelta(days=1).total_seconds()
    for seconds in (day, day + 60, day + 400, day + 440):
        looked(deployment, seconds)

    seconds = [(look.at - STARTED).total_seconds() - day for look in all_looks(deployment)]
    assert seconds == [0, 440], "a two-hundredth of a day is seven minutes"


def test_every_change_of_the_verdict_and_the_first_look_of_a_stage_are_kept(deployment: Deployment) -> None:
    saved(deployment, a_release())
    for second, verdict in enumerate((Verdict.UNDECIDED, Verdict.NO_DATA, Verdict.NO_DATA, Verdict.UNDECIDED)):
        looked(deployment, second, verdict=verdict)
    looked(deployment, 4, stage_since=STARTED + timedelta(seconds=4))
    looked(deployment, 5, stage_since=STARTED + timedelta(seconds=4))

    assert [(look.at - STARTED).total_seconds() for look in all_looks(deployment)] == [0, 1, 3, 4, 5]
