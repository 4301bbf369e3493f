"""The promises of rollout.ports.ServingPlatform, kept by the local endpoint and by the fake that other tests use."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from services.adapters.local.serving import LocalServing
from services.kernel.errors import ArtifactMissingError, ConflictError, InputError, ServingUnavailableError
from services.rollout.ports import ServingPlatform
from tests.fakes.endpoint import an_endpoint
from tests.fakes.serving import FakeServing
from tests.fakes.tiny_models import register_versions, remove_files

NAMES = tuple(f"model{number}" for number in range(8))


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


@pytest.fixture(params=["fake", "local"])
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
    assert observed.generation == 1


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

    for serving in (away_locally, away_fake):
        for ask in (
            serving.deployments,
            lambda serving=serving: serving.observe("model"),
            lambda serving=serving: serving.ensure_ready("model", "1", op="o"),
            lambda serving=serving: serving.set_routes("model", (("1", 100),), expect_generation=0, op="o"),
            lambda serving=serving: serving.probe_routed("model", 1),
        ):
            with pytest.raises(ServingUnavailableError):
                ask()


def test_a_missing_key_of_the_endpoint_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    serving = LocalServing("http://127.0.0.1:1", token_file=tmp_path / "absent.token")

    with pytest.raises(ServingUnavailableError, match="cannot be read"):
        serving.ensure_ready("model", "1", op="o")
