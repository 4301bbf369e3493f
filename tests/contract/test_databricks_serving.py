"""What is sent to a Databricks workspace when, and what is left standing when it fails, is slow or changed by others.

The real SDK speaks to a workspace on localhost; nothing here was run against a real one.
"""

from __future__ import annotations

import json
import logging
import stat
import traceback
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.adapters.databricks.changes import InvocationFailed
from services.adapters.databricks.client import Workspace
from services.adapters.databricks.serving import DatabricksServing
from services.kernel.errors import (
    ArtifactMissingError,
    ConflictError,
    InputError,
    RefusalError,
    ServingUnavailableError,
    SettingsError,
    StorageUnavailableError,
    UpdateInProgressError,
)
from services.kernel.secret import Secret
from services.rollout.serving_ports import ConfigSnapshot
from tests.contract.databricks_server.server import CLIENT, TOKEN
from tests.fakes.databricks import NOON, SCHEMA, Scene, a_scene, targets

NAME = "score"
CONFIG = f"serving-endpoints/{NAME}/config"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with a_scene(tmp_path, NAME, versions="123456789ab") as made:
        made.platform.endpoints.slow_polls = 0
        yield made


@pytest.fixture
def canary(scene: Scene) -> Scene:
    """Version 1 answers everything, version 2 is loaded at 0 %."""
    scene.ready(NAME, "1", "2")
    return scene


def sent(scene: Scene) -> list[dict[str, Any]]:
    return scene.platform.endpoints.find(NAME).updates


def shares(body: dict[str, Any]) -> dict[str, int]:
    return {item["served_model_name"]: item["traffic_percentage"] for item in body["traffic_config"]["routes"]}


def switch(scene: Scene, *routes: tuple[str, int], op: str) -> None:
    generation = scene.serving.observe(NAME).generation
    scene.serving.set_routes(NAME, routes, expect_generation=generation, op=op)


# What is sent when


def test_a_candidate_is_added_at_zero_percent_before_it_answers_anybody(canary: Scene) -> None:
    assert [shares(body) for body in sent(canary)[1:]] == [{"v1": 100, "v2": 0}]
    assert canary.serving.observe(NAME).routes == (("1", 100),)
    assert canary.serving.observe(NAME).ready == ("1", "2")


def test_ready_means_that_the_version_itself_answered(scene: Scene) -> None:
    scene.ready(NAME, "1")
    scene.platform.endpoints.broken.add("v2")
    answers = [scene.serving.ensure_ready(NAME, "2", op="load") for _ in range(5)]
    scene.platform.endpoints.broken.clear()

    assert answers == [False] * 5
    assert scene.serving.ensure_ready(NAME, "2", op="load")
    assert scene.platform.endpoints.find(NAME).invoked[-1][:2] == ("v2", "direct")


def test_from_then_on_only_shares_change_and_the_old_version_stays_awake_at_zero(canary: Scene) -> None:
    canary.route(NAME, ("1", 90), ("2", 10), op="start")
    canary.route(NAME, ("2", 100), op="full")
    canary.route(NAME, ("1", 100), op="back")

    entities = [sorted(item["name"] for item in body["served_entities"]) for body in sent(canary)]
    assert entities == [["v1"], *[["v1", "v2"]] * 4]
    assert [shares(body) for body in sent(canary)[2:]] == [
        {"v1": 90, "v2": 10},
        {"v1": 0, "v2": 100},
        {"v1": 100, "v2": 0},
    ]
    assert all(not item["scale_to_zero_enabled"] for body in sent(canary) for item in body["served_entities"])
    assert canary.serving.observe(NAME).ready == ("1", "2")


def test_what_others_configured_on_the_endpoint_is_sent_back_unchanged(canary: Scene) -> None:
    there = canary.platform.endpoints.find(NAME).active
    assert there
    for entity in there.served_entities or []:
        entity.environment_vars = {"KEY": "{{secrets/claims/key}}"}
        entity.min_provisioned_concurrency, entity.max_provisioned_concurrency = 4, 16
        entity.instance_profile_arn = "arn:aws:iam::1:instance-profile/x"

    canary.route(NAME, ("1", 90), ("2", 10), op="start")

    for entity in sent(canary)[-1]["served_entities"]:
        assert entity["environment_vars"] == {"KEY": "{{secrets/claims/key}}"}
        assert (entity["min_provisioned_concurrency"], entity["max_provisioned_concurrency"]) == (4, 16)
        assert entity["instance_profile_arn"] == "arn:aws:iam::1:instance-profile/x"


def test_shares_that_serve_already_need_no_update(canary: Scene) -> None:
    before = len(sent(canary))

    switch(canary, ("1", 100), op="again")

    assert len(sent(canary)) == before
    assert canary.serving.observe(NAME).op == "again"


def test_an_eleventh_version_is_refused_with_the_ones_that_could_go(scene: Scene) -> None:
    scene.ready(NAME, *"123456789a")

    with pytest.raises(RefusalError, match="holds 10 versions") as refused:
        scene.serving.ensure_ready(NAME, "b", op="load")

    assert "at 0 % are: 2, 3, 4, 5, 6, 7, 8, 9, a." in refused.value.hint
    assert len(sent(scene)) == 10


# One update at a time


def test_a_second_update_is_never_sent_while_one_runs(canary: Scene) -> None:
    canary.platform.endpoints.slow_polls = 1_000
    switch(canary, ("1", 90), ("2", 10), op="start")
    puts = canary.platform.sent("PUT", CONFIG)

    for attempt in (
        lambda: switch(canary, ("1", 100), op="back"),
        lambda: canary.serving.ensure_ready(NAME, "3", op="x"),
    ):
        with pytest.raises(UpdateInProgressError, match="one at a time"):
            attempt()

    assert canary.platform.sent("PUT", CONFIG) == puts
    observed = canary.serving.observe(NAME)
    assert (observed.update, observed.routes) == ("running", (("1", 100),))
    assert observed.pending == (("1", 90), ("2", 10))


def test_what_waited_is_sent_when_the_endpoint_is_free(canary: Scene) -> None:
    canary.platform.endpoints.slow_polls = 4
    switch(canary, ("1", 90), ("2", 10), op="start")
    with pytest.raises(UpdateInProgressError):
        switch(canary, ("1", 100), op="back")
    canary.platform.endpoints.settle(NAME)

    canary.route(NAME, ("1", 100), op="back")

    assert canary.serving.observe(NAME).routes == (("1", 100),)
    assert canary.serving.observe(NAME).op == "back"


def test_a_repeated_operation_is_recognised_while_its_update_still_runs(canary: Scene) -> None:
    canary.platform.endpoints.slow_polls = 5
    switch(canary, ("1", 90), ("2", 10), op="start")
    puts = canary.platform.sent("PUT", CONFIG)

    again = canary.serving.set_routes(NAME, (("1", 90), ("2", 10)), expect_generation=-1, op="start")

    assert again.update == "running"
    assert canary.platform.sent("PUT", CONFIG) == puts


def test_a_version_that_never_becomes_ready_is_waited_for_and_gets_no_traffic(scene: Scene) -> None:
    scene.ready(NAME, "1")
    scene.platform.endpoints.never_ready.add((f"{SCHEMA}.{NAME}", "2"))

    answers = [scene.serving.ensure_ready(NAME, "2", op="load") for _ in range(6)]

    assert answers == [False] * 6
    assert len(sent(scene)) == 2
    with pytest.raises(InputError, match="not loaded"):
        switch(scene, ("1", 90), ("2", 10), op="start")


# Failing


@pytest.mark.parametrize("keeps", [True, False], ids=["pending kept", "pending gone"])
def test_a_version_whose_deployment_fails_is_said_once_and_nothing_else_is_lost(scene: Scene, keeps: bool) -> None:
    scene.ready(NAME, "1")
    scene.platform.endpoints.keeps_failed_pending = keeps
    scene.platform.endpoints.failing.add((f"{SCHEMA}.{NAME}", "2"))

    assert not scene.serving.ensure_ready(NAME, "2", op="load")
    with pytest.raises(ArtifactMissingError, match="cannot be loaded"):
        scene.serving.ensure_ready(NAME, "2", op="load")

    observed = scene.serving.observe(NAME)
    assert (observed.update, observed.routes, observed.ready) == ("failed", (("1", 100),), ("1",))
    assert observed.pending == ()
    assert len(sent(scene)) == 2


def test_a_version_unity_catalog_does_not_have_is_said_at_once(scene: Scene) -> None:
    scene.ready(NAME, "1")

    with pytest.raises(ArtifactMissingError, match=f"{SCHEMA}.{NAME}/99 does not exist"):
        scene.serving.ensure_ready(NAME, "99", op="load")

    assert scene.serving.observe(NAME).routes == (("1", 100),)


def test_a_failed_switch_leaves_what_served_and_can_be_sent_again(canary: Scene) -> None:
    canary.platform.endpoints.fail_updates = 1
    switch(canary, ("1", 90), ("2", 10), op="start")
    failed = canary.serving.observe(NAME)

    switch(canary, ("1", 90), ("2", 10), op="start")

    assert (failed.update, failed.routes, failed.ready) == ("failed", (("1", 100),), ("1", "2"))
    assert canary.serving.observe(NAME).routes == (("1", 90), ("2", 10))
    assert {item["name"] for item in sent(canary)[-1]["served_entities"]} == {"v1", "v2"}


def test_an_update_a_person_cancelled_is_not_sent_again(scene: Scene) -> None:
    scene.ready(NAME, "1")
    scene.platform.endpoints.cancel_updates = 1
    scene.serving.ensure_ready(NAME, "2", op="load")
    puts = scene.platform.sent("PUT", CONFIG)

    with pytest.raises(ConflictError, match="cancelled in the workspace"):
        scene.serving.ensure_ready(NAME, "2", op="load")

    assert scene.platform.sent("PUT", CONFIG) == puts
    assert scene.serving.observe(NAME).update == "cancelled"


def test_a_switch_a_person_cancelled_is_sent_again_because_it_may_be_a_rollback(canary: Scene) -> None:
    canary.platform.endpoints.cancel_updates = 1
    switch(canary, ("2", 100), op="back")
    cancelled = canary.serving.observe(NAME)

    switch(canary, ("2", 100), op="back")

    assert (cancelled.update, cancelled.routes) == ("cancelled", (("1", 100),))
    assert canary.serving.observe(NAME).routes == (("2", 100),)


def test_a_lost_answer_to_a_change_is_found_out_by_looking_and_not_sent_twice(canary: Scene) -> None:
    generation = canary.serving.observe(NAME).generation
    canary.platform.lose.add(("PUT", CONFIG))
    with pytest.raises(ServingUnavailableError):
        canary.serving.set_routes(NAME, (("1", 90), ("2", 10)), expect_generation=generation, op="start")
    puts = canary.platform.sent("PUT", CONFIG)

    after = canary.serving.set_routes(NAME, (("1", 90), ("2", 10)), expect_generation=generation, op="start")

    assert after.op == "start"
    assert canary.platform.sent("PUT", CONFIG) == puts == len(sent(canary)) - 1
    canary.platform.endpoints.settle(NAME)
    assert canary.serving.observe(NAME).routes == (("1", 90), ("2", 10))


def test_killed_between_claim_and_change_the_same_operation_goes_on(canary: Scene) -> None:
    generation = canary.serving.observe(NAME).generation
    canary.platform.broken.add(("PUT", CONFIG))
    with pytest.raises(ServingUnavailableError):
        canary.serving.set_routes(NAME, (("1", 90), ("2", 10)), expect_generation=generation, op="start")
    canary.platform.broken.clear()
    claimed = canary.serving.observe(NAME)
    assert (claimed.op, claimed.routes) == ("start", (("1", 100),))

    canary.route(NAME, ("1", 90), ("2", 10), op="start")

    assert canary.serving.observe(NAME).routes == (("1", 90), ("2", 10))


# Others


def test_a_change_by_hand_makes_the_known_generation_stale(canary: Scene) -> None:
    known = canary.serving.observe(NAME).generation
    canary.platform.endpoints.move_by_hand(NAME, v1=50, v2=50)

    with pytest.raises(ConflictError, match="changed meanwhile"):
        canary.serving.set_routes(NAME, (("2", 100),), expect_generation=known, op="late")

    assert canary.serving.observe(NAME).routes == (("1", 50), ("2", 50))
    assert canary.platform.sent("PATCH") == 1  # the claim of the version that was loaded


def test_a_change_by_hand_in_the_moment_of_ours_is_noticed_before_ours_is_sent(canary: Scene) -> None:
    def by_hand(method: str, path: str) -> None:
        if method == "PATCH":
            canary.platform.before = lambda _method, _path: None
            canary.platform.endpoints.move_by_hand(NAME, v1=70, v2=30)

    puts = canary.platform.sent("PUT", CONFIG)
    canary.platform.before = by_hand

    with pytest.raises(ConflictError, match="nothing was sent"):
        switch(canary, ("2", 100), op="full")

    assert canary.platform.sent("PUT", CONFIG) == puts
    assert canary.serving.observe(NAME).routes == (("1", 70), ("2", 30))


def test_a_change_by_hand_right_after_ours_is_noticed_by_the_read_back(canary: Scene) -> None:
    """The gap that cannot be closed: both were sent, the second one serves, and the first one is told so."""

    def by_hand(method: str, path: str) -> None:
        if method == "GET" and canary.platform.sent("PUT", CONFIG) == 2:
            canary.platform.before = lambda _method, _path: None
            canary.platform.endpoints.settle(NAME)
            canary.platform.endpoints.move_by_hand(NAME, v1=70, v2=30)

    canary.platform.before = by_hand
    assert canary.platform.sent("PUT", CONFIG) == 1

    with pytest.raises(ConflictError, match="somebody changed it too"):
        switch(canary, ("2", 100), op="full")

    assert canary.serving.observe(NAME).routes == (("1", 70), ("2", 30))


def test_an_update_somebody_else_began_first_is_a_conflict_of_the_platform(canary: Scene) -> None:
    other = {
        "served_entities": sent(canary)[-1]["served_entities"],
        "traffic_config": {
            "routes": [
                {"served_model_name": "v1", "traffic_percentage": 60},
                {"served_model_name": "v2", "traffic_percentage": 40},
            ]
        },
    }

    def begins(method: str, path: str) -> None:
        if method == "PUT":
            canary.platform.before = lambda _method, _path: None
            canary.platform.endpoints.update_config(NAME, other)

    canary.platform.before = begins
    with pytest.raises(ConflictError, match="is being updated"):
        switch(canary, ("2", 100), op="full")

    assert shares(sent(canary)[-1]) == {"v1": 60, "v2": 40}


def test_two_controllers_that_saw_the_same_state_make_one_change(canary: Scene, tmp_path: Path) -> None:
    second = DatabricksServing(
        Workspace(canary.platform.connection()), targets(NAME), snapshots=canary.snapshots, now=lambda: NOON
    )
    known = canary.serving.observe(NAME).generation
    assert second.observe(NAME).generation == known

    second.set_routes(NAME, (("1", 80), ("2", 20)), expect_generation=known, op="second")
    with pytest.raises((ConflictError, UpdateInProgressError)):
        canary.serving.set_routes(NAME, (("2", 100),), expect_generation=known, op="first")

    canary.platform.endpoints.settle(NAME)
    assert canary.serving.observe(NAME).routes == (("1", 80), ("2", 20))
    assert shares(sent(canary)[-1]) == {"v1": 80, "v2": 20}


# Snapshots


def test_the_whole_configuration_is_kept_before_each_change(canary: Scene) -> None:
    canary.route(NAME, ("1", 90), ("2", 10), op="start")
    canary.route(NAME, ("2", 100), op="full")

    kept = canary.serving.snapshots(NAME)

    assert [item.op for item in kept] == ["full", "start", "load-2-load-2"]
    assert [shares(dict(item.restore)) for item in kept] == [{"v1": 90, "v2": 10}, {"v1": 100, "v2": 0}, {"v1": 100}]
    assert kept[0].document["config"]["config_version"] == kept[0].config_version == 3


def test_a_snapshot_put_back_by_hand_restores_what_served(canary: Scene) -> None:
    canary.route(NAME, ("1", 90), ("2", 10), op="start")
    canary.route(NAME, ("2", 100), op="full")
    before = next(item for item in canary.serving.snapshots(NAME) if item.op == "full")

    request = urllib.request.Request(
        f"{canary.platform.url}/api/2.0/{CONFIG}",
        data=json.dumps(dict(before.restore)).encode(),
        headers={"Authorization": f"Bearer {TOKEN}"},
        method="PUT",
    )
    urllib.request.urlopen(request).close()
    canary.platform.endpoints.settle(NAME)

    assert canary.serving.observe(NAME).routes == (("1", 90), ("2", 10))


def test_snapshots_are_readable_by_the_service_only(canary: Scene, tmp_path: Path) -> None:
    files = list((tmp_path / "snapshots").rglob("*.json"))

    assert files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert {stat.S_IMODE(file.parent.stat().st_mode) for file in files} == {0o700}


def test_without_a_snapshot_nothing_is_changed(scene: Scene) -> None:
    class FullDisk:
        def keep(self, snapshot: ConfigSnapshot) -> None:
            raise StorageUnavailableError("No space left.")

        def snapshots(self, deployment: str) -> tuple[ConfigSnapshot, ...]:
            return ()

    scene.ready(NAME, "1", "2")
    serving = DatabricksServing(
        Workspace(scene.platform.connection()), targets(NAME), snapshots=FullDisk(), now=lambda: NOON
    )
    puts = scene.platform.sent("PUT", CONFIG)

    with pytest.raises(StorageUnavailableError):
        serving.set_routes(NAME, (("2", 100),), expect_generation=serving.observe(NAME).generation, op="full")

    assert scene.platform.sent("PUT", CONFIG) == puts


# Probes


def test_where_answers_name_no_entity_one_version_alone_must_have_given_them(canary: Scene) -> None:
    canary.platform.endpoints.names_entity = False

    assert canary.serving.probe_routed(NAME, 3).answered == (("1", 3),)


def test_where_answers_name_no_entity_each_routed_version_is_asked_directly(canary: Scene) -> None:
    canary.route(NAME, ("1", 90), ("2", 10), op="start")
    canary.platform.endpoints.names_entity = False
    canary.platform.endpoints.broken.add("v2")

    probe = canary.serving.probe_routed(NAME, 5)

    assert probe.answered == (("1", 1),)


def test_answers_of_a_broken_version_are_counted_as_failed(canary: Scene) -> None:
    canary.route(NAME, ("1", 50), ("2", 50), op="start")
    canary.platform.endpoints.broken.add("v2")

    probe = canary.serving.probe_routed(NAME, 4)

    assert (probe.answered, probe.failed) == ((("1", 2),), 2)
    assert canary.serving.probe_version(NAME, "2").failed == 1


def test_probes_are_marked_so_that_telemetry_can_leave_them_out(canary: Scene) -> None:
    canary.serving.probe_routed(NAME, 1)

    _, _, body = canary.platform.endpoints.find(NAME).invoked[-1]
    assert body["client_request_id"].startswith("countersign-probe-")


# Access


def test_a_throttled_call_returns_at_once_and_names_the_wait(canary: Scene) -> None:
    canary.platform.throttle = 1
    calls = len(canary.platform.calls)

    with pytest.raises(ServingUnavailableError, match="30 s of patience"):
        canary.serving.observe(NAME)

    assert len(canary.platform.calls) == calls + 1
    assert canary.serving.observe(NAME).routes == (("1", 100),)


def test_without_the_right_to_change_the_refusal_says_so_and_reading_goes_on(canary: Scene) -> None:
    canary.platform.forbidden.add(("PATCH", "tags"))

    with pytest.raises(RefusalError, match="does not have permission CAN_MANAGE"):
        switch(canary, ("2", 100), op="full")

    assert canary.serving.observe(NAME).routes == (("1", 100),)


def test_without_the_right_to_read_nothing_is_known(canary: Scene) -> None:
    canary.platform.forbidden.add(("GET", NAME))

    with pytest.raises(ServingUnavailableError):
        canary.serving.observe(NAME)


def test_a_service_principal_signs_in_by_its_secret(canary: Scene) -> None:
    connection = canary.platform.connection(token=None, client_id=CLIENT[0], client_secret=Secret(CLIENT[1]))
    serving = DatabricksServing(Workspace(connection), targets(NAME), snapshots=canary.snapshots, now=lambda: NOON)

    assert serving.observe(NAME).routes == (("1", 100),)


@pytest.mark.parametrize(
    "who",
    [
        {"token": Secret("dapiffffffffffffffff")},
        {"token": None, "client_id": CLIENT[0], "client_secret": Secret("wrong")},
    ],
    ids=["token", "client secret"],
)
def test_wrong_credentials_are_unavailable_and_printed_nowhere(
    canary: Scene, who: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    connection = canary.platform.connection(**who)
    serving = DatabricksServing(Workspace(connection), targets(NAME), snapshots=canary.snapshots, now=lambda: NOON)

    with pytest.raises(ServingUnavailableError) as refused:
        serving.observe(NAME)

    printed = "".join(traceback.format_exception(refused.value)) + caplog.text + repr(connection)
    assert [leak for leak in ("dapiffffffffffffffff", "wrong") if leak in printed and leak in str(who)] == []


def test_an_answer_nobody_can_parse_does_not_print_what_was_sent(canary: Scene) -> None:
    there = canary.platform.endpoints.find(NAME).active
    assert there
    for entity in there.served_entities or []:
        entity.environment_vars = {"PASSWORD": "hunter2-in-the-clear"}
    canary.platform.broken |= {("PUT", CONFIG), ("POST", "invocations")}

    with pytest.raises(ServingUnavailableError) as broken:
        switch(canary, ("2", 100), op="full")
    with pytest.raises(InvocationFailed) as failed:
        canary.serving.line_to(NAME, "2")({"dataframe_records": [{"name": "a member"}]})

    printed = "".join(traceback.format_exception(broken.value)) + "".join(traceback.format_exception(failed.value))
    assert "hunter2" not in printed
    assert '"a member"' not in printed.replace('{"name": "a member"}', "")
    assert "Request log:" not in printed


def test_a_connection_without_credentials_is_refused_before_anything_is_asked() -> None:
    from services.adapters.databricks.client import Connection

    for connection in (Connection(host=""), Connection(host="https://x", client_id="only")):
        with pytest.raises(SettingsError):
            Workspace(connection)


def test_credentials_in_the_environment_are_neither_used_nor_in_the_way(
    canary: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "someone-else")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "not-ours")
    monkeypatch.setenv("DATABRICKS_HOST", "https://elsewhere.example.com")
    serving = DatabricksServing(
        Workspace(canary.platform.connection()), targets(NAME), snapshots=canary.snapshots, now=lambda: NOON
    )

    assert serving.observe(NAME).routes == (("1", 100),)


def test_the_container_builds_it_without_asking_the_workspace(scene: Scene, tmp_path: Path) -> None:
    from services.kernel.clock import FrozenClock
    from services.on_databricks import serving_of
    from services.settings import Settings

    scene.ready(NAME, "1")
    calls = len(scene.platform.calls)
    serving = serving_of(
        Settings(home=tmp_path / "home"),
        scene.platform.connection(),
        endpoints=targets(NAME),
        jobs={},
        clock=FrozenClock(NOON),
    )
    assert len(scene.platform.calls) == calls

    while not serving.ensure_ready(NAME, "2", op="load"):
        pass

    assert serving.observe(NAME).ready == ("1", "2")
    kept = [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*load*.json") if "home" in file.parts]
    assert kept == [f"home/serving/databricks/{NAME}/00000001-load-2-load.json"]
