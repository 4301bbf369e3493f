"""Rules of the route table and its file, without any process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.local.gateway.table import Deployment, RefusedError, TableFile

READY = frozenset({"1", "2", "3"})


def a_deployment(**given: object) -> Deployment:
    return replace(Deployment(name="score", kind="realtime", known=("1", "2", "3"), salt="salt"), **given)


@given(share=st.integers(0, 100))
def test_the_split_follows_the_share(share: int) -> None:
    deployment = a_deployment(routes=(("1", 100 - share), ("2", share)))

    picked = [deployment.pick(f"aircraft-{number}") for number in range(2_000)]

    assert picked.count("2") == pytest.approx(2_000 * share / 100, abs=120)


def test_a_growing_share_keeps_the_entities_it_had() -> None:
    keys = [f"aircraft-{number}" for number in range(3_000)]
    groups = [
        {key for key in keys if a_deployment(routes=(("3", 100 - share), ("4", share))).pick(key) == "4"}
        for share in (5, 10, 20, 100)
    ]

    assert groups[0] < groups[1] < groups[2] < groups[3] == set(keys)


def test_a_new_release_gets_a_new_salt_and_a_step_keeps_it() -> None:
    first = a_deployment(routes=(("1", 100),))

    canary = first.with_routes((("1", 95), ("2", 5)), expect_generation=0, op="a", ready=READY)
    step = canary.with_routes((("1", 80), ("2", 20)), expect_generation=1, op="b", ready=READY)

    assert canary.salt != first.salt
    assert step.salt == canary.salt


def test_the_version_that_left_is_kept_warm_for_the_way_back() -> None:
    full = a_deployment(routes=(("1", 95), ("2", 5))).with_routes(
        (("2", 100),), expect_generation=0, op="full", ready=READY
    )

    assert full.warm == ("1",)
    assert full.wanted == ("2", "1")


def test_an_old_operation_is_recognised_after_newer_ones() -> None:
    first = a_deployment().with_routes((("1", 100),), expect_generation=0, op="a", ready=READY)
    second = first.with_routes((("2", 100),), expect_generation=1, op="b", ready=READY)

    assert second.with_routes((("1", 100),), expect_generation=0, op="a", ready=READY) is second


def test_a_known_version_that_is_not_ready_is_asked_for_again_not_refused_for_good() -> None:
    with pytest.raises(RefusedError) as refused:
        a_deployment().with_routes((("3", 100),), expect_generation=0, op="a", ready=frozenset())
    assert refused.value.status == 503


def test_batch_versions_need_not_be_loaded_to_be_pinned() -> None:
    pinned = a_deployment(kind="batch").with_routes((("3", 100),), expect_generation=0, op="a", ready=frozenset())

    assert pinned.routes == (("3", 100),)
    assert pinned.wanted == ()


def test_the_file_gives_back_what_was_put(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    table = TableFile(file)
    put = table.put(a_deployment(routes=(("1", 90), ("2", 10)), mirror=("3", 50), ops=("a", "b"), generation=7))

    assert TableFile(file).get("score") == put
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_half_written_file_is_never_seen(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    TableFile(file).put(a_deployment(generation=1))
    file.with_suffix(".draft").write_text('{"format": 1, "depl')

    assert TableFile(file).get("score").generation == 1


def test_another_releases_file_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"format": 99, "deployments": {}}))

    with pytest.raises(RefusedError, match="another release"):
        TableFile(file)


def test_mode_mirror_and_base_survive_a_restart(tmp_path: Path) -> None:
    put = a_deployment(routes=(("1", 90), ("2", 10)), mirror=("3", 100), mode="batch_only", base="1")
    TableFile(tmp_path / "state.json").put(put)

    assert TableFile(tmp_path / "state.json").get("score") == put


def test_a_file_from_before_modes_and_bases_is_read(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    TableFile(file).put(a_deployment(routes=(("1", 90), ("2", 10))))
    document = json.loads(file.read_text())
    for name in ("mode", "base"):
        del document["deployments"]["score"][name]
    file.write_text(json.dumps(document))

    read = TableFile(file).get("score")

    assert (read.mode, read.base) == ("live", "1")


def test_the_version_that_was_there_before_stays_the_base_until_it_leaves() -> None:
    state = a_deployment()
    bases = []
    for number, routes in enumerate(((("1", 100),), (("1", 90), ("2", 10)), (("1", 40), ("2", 60)), (("2", 100),))):
        state = state.with_routes(routes, expect_generation=number, op=str(number), ready=READY)
        bases.append(state.base)

    assert bases == ["1", "1", "1", "2"]


def test_live_needs_every_routed_version_and_batch_only_needs_none() -> None:
    away = a_deployment(routes=(("1", 100),))

    dark = away.with_mode("batch_only", expect_generation=0, op="dark", ready=frozenset())
    with pytest.raises(RefusedError) as refused:
        dark.with_mode("live", expect_generation=1, op="light", ready=frozenset())

    assert dark.mode == "batch_only"
    assert refused.value.status == 503
    assert dark.with_mode("live", expect_generation=1, op="light", ready=READY).mode == "live"


def test_a_batch_model_has_no_batch_only_mode() -> None:
    with pytest.raises(RefusedError) as refused:
        a_deployment(kind="batch").with_mode("batch_only", expect_generation=0, op="x", ready=READY)
    assert refused.value.status == 422
