"""The promises of rollout.ports.ServingPlatform, kept by the local endpoint, by Databricks Model Serving (the real SDK
against a workspace on localhost) and by the fake that other tests use.

What a platform cannot do is a promise too: it says so in its capabilities, and refuses it in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from services.adapters.databricks.client import Connection, Workspace
from services.adapters.databricks.serving import DatabricksServing
from services.adapters.databricks.snapshots import SnapshotFiles
from services.adapters.local.serving import LocalServing
from services.kernel.errors import ArtifactMissingError, ConflictError, InputError, ServingUnavailableError
from services.kernel.secret import Secret
from services.rollout.models import Observed, Probe
from services.rollout.ports import ServingPlatform
from tests.fakes.databricks import NOON, SCHEMA, a_scene, targets
from tests.fakes.endpoint import an_endpoint
from tests.fakes.serving import FakeServing
from tests.fakes.tiny_models import register_versions, remove_files

NAMES = tuple(f"model{number}" for number in range(13))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServing]:
    folder = tmp_path_factory.mktemp("serving")
    uri = ""
    for name in NAMES:
        uri = register_versions(folder, name, (0.0, 100.0, 200.0) if name == NAMES[6] else (0.0, 100.0))
    remove_files(folder, NAMES[6], "3")
    with an_endpoint(folder / "home", uri, *NAMES) as running:
        yield running.serving


@pytest.fixture(scope="module")
def fake() -> FakeServing:
    fake = FakeServing(*NAMES)
    fake.missing.add((NAMES[6], "3"))
    return fake


@pytest.fixture(scope="module")
def databricks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabricksServing]:
    with a_scene(tmp_path_factory.mktemp("databricks"), *NAMES) as scene:
        scene.platform.endpoints.failing.add((f"{SCHEMA}.{NAMES[6]}", "3"))
        yield scene.serving


@pytest.fixture(params=["fake", "local", "databricks"])
def serving(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


_ops = (f"op-{number}" for number in count())


def _ready(serving: ServingPlatform, deployment: str, *versions: str) -> None:
    for version in versions:
        while not serving.ensure_ready(deployment, version, op="load"):
            pass


def _route(serving: ServingPlatform, deployment: str, *routes: tuple[str, int]) -> None:
    generation = serving.observe(deployment).generation
    serving.set_routes(deployment, routes, expect_generation=generation, op=next(_ops))
    while serving.observe(deployment).update == "running":
        pass


def _mirror(serving: ServingPlatform, deployment: str, version: str | None, percent: int) -> Observed:
    generation = serving.observe(deployment).generation
    return serving.set_mirror(deployment, version, percent, expect_generation=generation, op=next(_ops))


def _mode(serving: ServingPlatform, deployment: str, mode: str) -> Observed:
    generation = serving.observe(deployment).generation
    return serving.set_mode(deployment, mode, expect_generation=generation, op=next(_ops))


def test_all_deployments_are_named(serving: ServingPlatform) -> None:
    assert set(serving.deployments()) == set(NAMES)


def test_a_new_deployment_serves_nothing(serving: ServingPlatform) -> None:
    observed = serving.observe(NAMES[0])

    assert (observed.routes, observed.generation, observed.op) == ((), 0, "")
    assert observed.at.tzinfo is not None


def test_a_version_becomes_ready_and_serves(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[1], "1")
    _route(serving, NAMES[1], ("1", 100))

    observed = serving.observe(NAMES[1])
    assert observed.routes == (("1", 100),)
    assert observed.ready == ("1",)
    assert observed.generation > 0


def test_each_share_is_answered_by_its_version(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[2], "1", "2")
    _route(serving, NAMES[2], ("1", 50), ("2", 50))

    probe = serving.probe_routed(NAMES[2], 40)

    assert probe.failed == 0
    assert set(dict(probe.answered)) == {"1", "2"}
    assert sum(dict(probe.answered).values()) == 40


def test_a_repeated_operation_has_no_effect(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[3], "1", "2")
    generation = serving.observe(NAMES[3]).generation

    first = serving.set_routes(NAMES[3], (("1", 100),), expect_generation=generation, op="same")
    second = serving.set_routes(NAMES[3], (("2", 100),), expect_generation=generation, op="same")

    assert first.routes == second.routes == (("1", 100),)
    assert first.generation == second.generation


def test_a_stale_generation_is_a_conflict(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[4], "1", "2")
    known = serving.observe(NAMES[4]).generation
    _route(serving, NAMES[4], ("1", 100))

    with pytest.raises(ConflictError):
        serving.set_routes(NAMES[4], (("2", 100),), expect_generation=known, op="late")
    assert serving.observe(NAMES[4]).routes == (("1", 100),)


@pytest.mark.parametrize(
    "routes", [(("1", 90), ("2", 11)), (("1", 99),), (("1", 110), ("2", -10)), ()], ids=["101", "99", "minus", "none"]
)
def test_impossible_routes_are_refused(serving: ServingPlatform, routes: tuple[tuple[str, int], ...]) -> None:
    _ready(serving, NAMES[5], "1", "2")
    before = serving.observe(NAMES[5])

    with pytest.raises(InputError):
        serving.set_routes(NAMES[5], routes, expect_generation=before.generation, op=next(_ops))
    assert serving.observe(NAMES[5]).generation == before.generation


def test_a_version_that_was_never_loaded_gets_no_traffic(serving: ServingPlatform) -> None:
    generation = serving.observe(NAMES[5]).generation

    with pytest.raises(InputError):
        serving.set_routes(NAMES[5], (("7", 100),), expect_generation=generation, op=next(_ops))


def test_missing_files_are_said_and_others_keep_serving(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[6], "1")
    _route(serving, NAMES[6], ("1", 100))

    with pytest.raises(ArtifactMissingError) as missing:
        _ready(serving, NAMES[6], "3")

    assert "cannot be loaded" in missing.value.message
    assert serving.probe_routed(NAMES[6], 3).answered == (("1", 3),)


def test_capabilities_are_said_before_anything_is_served(serving: ServingPlatform) -> None:
    can = serving.capabilities(NAMES[7])

    if isinstance(serving, DatabricksServing):
        assert (can.mirror, can.cas, can.sticky, can.modes) == ("replay", False, False, ("live",))
    else:
        assert (can.mirror, can.cas, can.sticky) == ("live", True, True)
        assert can.modes == ("live", "batch_only", "off")
    assert 100 % can.granularity == 0
    assert can.max_versions >= 3  # champion, candidate and the way back


def test_a_mirror_is_read_back_and_ends_when_told(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[8], "1", "2")
    _route(serving, NAMES[8], ("1", 100))

    begun = _mirror(serving, NAMES[8], "2", 50)
    ended = _mirror(serving, NAMES[8], None, 0)

    assert (begun.mirror, ended.mirror) == (("2", 50), None)
    assert begun.routes == ended.routes == (("1", 100),)
    assert ended.generation == begun.generation + 1


def test_a_mirror_stays_over_a_switch_and_ends_when_its_version_is_routed(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[9], "1", "2")
    _route(serving, NAMES[9], ("1", 100))
    _mirror(serving, NAMES[9], "2", 100)

    _route(serving, NAMES[9], ("1", 100))
    kept = serving.observe(NAMES[9])
    _route(serving, NAMES[9], ("1", 90), ("2", 10))
    ended = serving.observe(NAMES[9])

    assert (kept.mirror, ended.mirror) == (("2", 100), None)


def test_a_version_that_answers_callers_or_was_never_loaded_gets_no_copies(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[10], "1")
    _route(serving, NAMES[10], ("1", 100))

    for version in ("1", "7"):
        with pytest.raises(InputError):
            _mirror(serving, NAMES[10], version, 100)
    assert serving.observe(NAMES[10]).mirror is None


def test_mirror_and_mode_follow_the_same_protocol_as_routes(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[11], "1", "2")
    _route(serving, NAMES[11], ("1", 100))
    known = serving.observe(NAMES[11]).generation
    serving.set_mirror(NAMES[11], "2", 100, expect_generation=known, op="shadow")

    again = serving.set_mirror(NAMES[11], None, 0, expect_generation=known, op="shadow")
    with pytest.raises(ConflictError):
        serving.set_mirror(NAMES[11], None, 0, expect_generation=known, op="late-mirror")
    with pytest.raises(ConflictError):
        serving.set_mode(NAMES[11], "off", expect_generation=known, op="late-mode")

    assert (again.mirror, again.generation) == (("2", 100), known + 1)
    assert serving.observe(NAMES[11]).mode == "live"


def test_a_mode_is_read_back_and_leaves_the_routes(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[12], "1")
    _route(serving, NAMES[12], ("1", 100))

    can = serving.capabilities(NAMES[12]).modes
    seen = [_mode(serving, NAMES[12], mode) for mode in ("batch_only", "off", "live") if mode in can]

    assert sorted(observed.mode for observed in seen) == sorted(can)
    assert {observed.routes for observed in seen} == {(("1", 100),)}


def test_a_mode_the_platform_does_not_have_is_refused_and_nothing_changes(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[12], "1")
    _route(serving, NAMES[12], ("1", 100))
    before = serving.observe(NAMES[12])

    for mode in {"batch_only", "off", "sometimes"} - set(serving.capabilities(NAMES[12]).modes):
        with pytest.raises(InputError):
            _mode(serving, NAMES[12], mode)

    after = serving.observe(NAMES[12])
    assert (after.mode, after.generation, after.routes) == ("live", before.generation, before.routes)


def test_probes_follow_the_routes_whatever_the_mode(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[12], "1")
    _route(serving, NAMES[12], ("1", 100))
    probes = []
    for mode in serving.capabilities(NAMES[12]).modes:
        _mode(serving, NAMES[12], mode)
        probes.append(serving.probe_routed(NAMES[12], 2).answered)
    _mode(serving, NAMES[12], "live")

    assert set(probes) == {(("1", 2),)}


def test_a_mode_nobody_knows_is_refused(serving: ServingPlatform) -> None:
    with pytest.raises(InputError):
        _mode(serving, NAMES[12], "sometimes")


def test_a_version_is_probed_without_being_routed(serving: ServingPlatform) -> None:
    _ready(serving, NAMES[10], "1", "2")

    assert serving.probe_version(NAMES[10], "2").answered == (("2", 1),)
    assert serving.probe_version(NAMES[10], "7") == Probe(answered=(), failed=1)


def test_an_unknown_deployment_is_an_input_error(serving: ServingPlatform) -> None:
    for ask in (serving.observe, lambda name: serving.probe_routed(name, 1)):
        with pytest.raises(InputError):
            ask("nobody")


def test_probes_of_an_empty_deployment_fail(serving: ServingPlatform) -> None:
    assert serving.probe_routed(NAMES[7], 2).failed == 2


def test_an_endpoint_that_is_away_is_unavailable(tmp_path: Path) -> None:
    token = tmp_path / "gateway.token"
    token.write_text("x" * 40)
    away_locally = LocalServing("http://127.0.0.1:1", token_file=token)
    away_fake = FakeServing("model")
    away_fake.away = True

    nowhere = Connection(host="http://127.0.0.1:1", token=Secret("dapi00112233445566778899"), timeout_seconds=1)
    away_workspace = DatabricksServing(
        Workspace(nowhere), targets("model"), snapshots=SnapshotFiles(tmp_path), now=lambda: NOON
    )

    for serving in (away_locally, away_fake, away_workspace):
        for ask in (
            serving.deployments,
            lambda serving=serving: serving.observe("model"),
            lambda serving=serving: serving.ensure_ready("model", "1", op="o"),
            lambda serving=serving: serving.set_routes("model", (("1", 100),), expect_generation=0, op="o"),
            lambda serving=serving: serving.set_mirror("model", "1", 100, expect_generation=0, op="o"),
            lambda serving=serving: serving.set_mode("model", "off", expect_generation=0, op="o"),
            lambda serving=serving: serving.probe_routed("model", 1),
            lambda serving=serving: serving.probe_version("model", "1"),
        ):
            with pytest.raises(ServingUnavailableError):
                ask()


def test_a_missing_key_of_the_endpoint_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    serving = LocalServing("http://127.0.0.1:1", token_file=tmp_path / "absent.token")

    with pytest.raises(ServingUnavailableError, match="cannot be read"):
        serving.ensure_ready("model", "1", op="o")
