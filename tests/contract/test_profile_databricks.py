"""The profile `databricks` as a whole: the workspace on localhost, PostgreSQL, a ceremony, the room, the doctor."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk.service.jobs import JobSettings
from databricks.sdk.service.serving import ServingEndpointDetailedPermissionLevel
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner, Result

from services.__main__ import app
from services.adapters.databricks.serving import DatabricksServing
from services.adapters.local.processes import ROOT
from services.adapters.mlflow.unity_registry import UnityRegistry
from services.container import ControlRoom, open_control_room
from services.kernel.errors import NotSignedInError
from services.kernel.identity import Role
from services.notices.models import NoticeKind, NoticeQuery
from services.on_databricks import registry, serving
from services.people.platform_headers import EMAIL, TOKEN, USER, Headers
from services.settings import read_settings
from services.workspace.offline import offline_rollback
from tests.contract.databricks_server.models import Model
from tests.contract.databricks_server.server import TOKEN as APP_TOKEN
from tests.contract.databricks_server.server import Platform, a_workspace
from tests.unit.monitoring.facts_on_disk import a_model

MODEL = "main.claims.score"
CLARA, WORDS = "token-of-clara", "twelve letters and more"
HEADERS: Headers = {TOKEN: (CLARA,), EMAIL: ("clara@acme.example",), USER: ("4711@99",)}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with a_workspace() as made:
        made.models.add(MODEL, 1, 2, files={"MLmodel": b"flavors: {}\nmodel_size_bytes: 7\n"})
        made.models.all[MODEL].aliases["champion"] = "1"
        made.endpoints.registered |= {(MODEL, "1"), (MODEL, "2")}
        made.people[CLARA] = {
            "id": "4711",
            "userName": "clara@acme.example",
            "displayName": "Clara Whitfield",
            "active": True,
            "emails": [{"value": "clara@acme.example", "primary": True}],
        }
        yield made


@pytest.fixture(scope="module")
def environment(
    postgres: str, platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    import psycopg

    name = f"profile_{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    home = tmp_path_factory.mktemp("profile-databricks") / "home"
    served = {MODEL: {"endpoint": "claims-score", "probe": {"dataframe_records": [{"x": 1.0}]}}}
    env = {
        "COUNTERSIGN_HOME": str(home),
        "COUNTERSIGN_PROFILE": "databricks",
        "COUNTERSIGN_DATABASE_URL": postgres.replace("/postgres?", f"/{name}?"),
        "COUNTERSIGN_DATABRICKS_SCHEMAS": "main.claims",
        "COUNTERSIGN_DATABRICKS_SERVING": json.dumps(served),
        "COUNTERSIGN_DATABRICKS_IDENTITY": "headers",
        "COUNTERSIGN_DATABRICKS_DEPLOYMENT_JOBS": "1",
        "DATABRICKS_HOST": platform.url,
        "DATABRICKS_TOKEN": APP_TOKEN,
        "DATABRICKS_APP_NAME": "countersign",
        "DATABRICKS_APP_PORT": "8000",
    }
    people = home.parent / "people.yaml"
    people.write_text(
        "deployment: acme-prod\npeople:\n"
        f'  - {{issuer: "{platform.url}", subject: "1", name: Ada Moreau, roles: [admin]}}\n'
        f'  - {{issuer: "{platform.url}", subject: "2", name: Amir Haddad, roles: [admin]}}\n'
        f'  - {{issuer: "{platform.url}", subject: "4711", name: Clara Whitfield, roles: [compliance_officer]}}\n'
    )
    done = run(env, "found", str(people), given=f"{WORDS}\n{WORDS}\n" * 3)
    assert done.exit_code == 0, done.output
    yield env
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def run(env: dict[str, str], *words: str, given: str = "") -> Result:
    return CliRunner().invoke(app, list(words), env=env, input=given)


@pytest.fixture(scope="module")
def room(environment: dict[str, str]) -> Iterator[ControlRoom]:
    before = dict(os.environ)
    os.environ.update(environment)
    opened = open_control_room(read_settings())
    opened.inventory.sync()
    yield opened
    opened.database.dispose()
    os.environ.clear()
    os.environ.update(before)


def test_the_profile_chooses_catalog_and_endpoints_and_asks_nobody_to_be_built(
    room: ControlRoom, platform: Platform
) -> None:
    calls = len(platform.calls)
    assert isinstance(registry(room.settings), UnityRegistry)
    assert isinstance(serving(room.settings, room.clock), DatabricksServing)
    assert len(platform.calls) == calls


def test_the_inventory_is_copied_from_the_catalog_with_its_age(room: ControlRoom) -> None:
    assert [version.version for version in room.inventory.versions(MODEL)] == ["2", "1"]
    assert "champion" in room.inventory.versions(MODEL)[1].aliases
    assert room.inventory.versions(MODEL)[0].size_bytes == 7
    assert room.inventory.sync_state().last_success is not None


def test_lineage_ends_where_the_model_is_served_also_on_an_endpoint_that_nobody_named_here(
    room: ControlRoom, platform: Platform
) -> None:
    entity = {"name": "v2", "entity_name": MODEL, "entity_version": "2", "workload_size": "Small"}
    routes = [{"served_model_name": "v2", "traffic_percentage": 100}]
    config = {"served_entities": [entity], "traffic_config": {"routes": routes}}
    platform.endpoints.create({"name": "somebodys-trial", "config": config})
    for _ in range(platform.endpoints.slow_polls + 1):
        platform.endpoints.get("somebodys-trial")  # until the platform's own update ends

    room.handling.refresh_lineage()
    del platform.endpoints.all["somebodys-trial"]

    own = ("endpoint:claims-score", "endpoint")
    for version, places in (("1", {own}), ("2", {own, ("endpoint:somebodys-trial", "endpoint")})):
        graph = room.handling.graph(MODEL, version)
        assert graph is not None
        assert {(node.id, node.kind) for node in graph.nodes if node.kind != "model"} == places
    assert room.inventory.model(MODEL).traced is False, "nobody says where its data come from"


def test_whoever_the_proxy_names_and_the_workspace_confirms_signs_in(room: ControlRoom) -> None:
    assert room.platform is not None
    token = room.platform.open(HEADERS, role=Role.COMPLIANCE)
    me = room.people.resume(token)
    assert me is not None
    assert (me.subject, me.method) == ("4711", "platform-proxy")
    assert room.platform.still(HEADERS, me)


def test_an_invented_token_opens_nothing(room: ControlRoom) -> None:
    assert room.platform is not None
    with pytest.raises(NotSignedInError):
        room.platform.look({**HEADERS, TOKEN: ("invented-token",)})


def test_a_token_of_the_app_is_not_clara(room: ControlRoom) -> None:
    assert room.platform is not None
    with pytest.raises(NotSignedInError, match="belongs to another account"):
        room.platform.look({**HEADERS, TOKEN: (APP_TOKEN,)})


def test_without_the_proxys_headers_the_first_screen_says_what_is_missing(room: ControlRoom) -> None:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    page.session_state["control_room"] = room
    page.run()
    assert not page.exception
    shown = " ".join(str(item.value) for item in (*page.markdown, *page.warning, *page.error, *page.info))
    assert "x-forwarded-access-token is missing" in shown.replace("\\", "")


def test_a_rollback_without_the_database_asks_the_workspace(room: ControlRoom, platform: Platform) -> None:
    platform.endpoints.create({
        "name": "claims-score",
        "config": {
            "served_entities": [{"name": "v1", "entity_name": MODEL, "entity_version": "1"}],
            "traffic_config": {"routes": [{"served_entity_name": "v1", "traffic_percentage": 100}]},
        },
    })  # fmt: skip
    platform.endpoints.settle("claims-score")

    assert offline_rollback(room.settings)._serving.observe(MODEL).routes == (("1", 100),)

    del platform.endpoints.all["claims-score"]


def test_no_job_waits_so_none_is_sent_on(room: ControlRoom) -> None:
    assert room.deployment_jobs is not None
    assert room.deployment_jobs.work() == 0


def test_a_version_approved_in_the_workspace_alone_is_a_finding_and_a_notice_until_the_tag_is_gone(
    room: ControlRoom, platform: Platform
) -> None:
    room.inventory.register_catalog((a_model(MODEL),))
    platform.models.version(MODEL, "2").tags["Approval_Check"] = "Approved"
    platform.models.touch(MODEL)
    room.inventory.sync()
    assert room.deployment_jobs is not None
    assert room.platform is not None

    room.deployment_jobs.work()
    room.notices.refresh()

    clara = room.people.resume(room.platform.open(HEADERS, role=Role.COMPLIANCE))
    assert clara is not None
    [finding] = [item for item in room.oversight.findings(MODEL) if "approved in the workspace" in item.title]
    assert "carries the tag Approval_Check" in finding.why
    assert finding in room.oversight.home(clara).todo
    told = [item for item in room.notices.mine(clara, NoticeQuery()).items if item.model == MODEL]
    assert [(item.kind, item.title) for item in told] == [
        (NoticeKind.UNSIGNED_CHANGE, f"Unsigned change: {MODEL} version 2")
    ]

    del platform.models.version(MODEL, "2").tags["Approval_Check"]
    platform.models.touch(MODEL)
    room.inventory.sync()
    room.deployment_jobs.work()
    room.notices.refresh()

    assert room.deployment_jobs.findings.standing() == ()
    assert [item for item in room.notices.mine(clara, NoticeQuery()).items if item.model == MODEL] == []


def rows(env: dict[str, str]) -> dict[str, Any]:
    done = run(env, "doctor", "--json")
    assert "Traceback" not in done.output
    assert APP_TOKEN not in done.output
    return {row["name"]: row for row in json.loads(done.stdout)["results"]}


def test_the_doctor_finds_workspace_catalog_and_what_is_missing(environment: dict[str, str], room: ControlRoom) -> None:
    found = rows(environment)
    assert found["workspace"]["state"] == "ok"
    assert found["registry"]["found"].startswith("Unity Catalog lists 1 models in main.claims")
    assert found["endpoint claims-score"]["state"] == "warning"
    assert "Not there, or not to be seen" in found["endpoint claims-score"]["found"]
    assert found["identity"]["state"] == "warning", "nobody has asked the proxy for a token"
    assert found["second factor"]["state"] == "warning"
    assert "passphrase alone" in found["second factor"]["found"]


@pytest.fixture
def untouched(platform: Platform) -> Iterator[Model]:
    model = platform.models.all[MODEL]
    owner, may = model.owner, platform.endpoints.may
    yield model
    model.owner, platform.endpoints.may = owner, may
    model.granted.clear()
    platform.forbidden.clear()
    platform.endpoints.all.pop("claims-score", None)


@pytest.mark.parametrize(
    ("owner", "granted", "tags", "aliases"),
    [
        ("owner@example.com", {}, "fault", "warning"),
        ("owner@example.com", {"somebody else": {"APPLY_TAG", "MANAGE"}}, "fault", "warning"),
        ("owner@example.com", {"somebody else": {"EXECUTE"}, "app": {"APPLY_TAG"}}, "ok", "warning"),
        ("owner@example.com", {"account users": {"ALL_PRIVILEGES"}}, "ok", "warning"),
        ("model owners", {}, "ok", "ok"),
    ],
)
def test_the_doctor_asks_for_the_rights_on_models(
    environment: dict[str, str],
    room: ControlRoom,
    platform: Platform,
    untouched: Model,
    owner: str,
    granted: dict[str, set[str]],
    tags: str,
    aliases: str,
) -> None:
    untouched.owner = owner
    untouched.granted.update(granted)
    platform.people[APP_TOKEN] = {
        "id": "1", "userName": "app", "displayName": "app", "active": True, "groups": [{"display": "model owners"}],
    }  # fmt: skip

    found = rows(environment)

    assert (found["tags"]["state"], found["aliases"]["state"]) == (tags, aliases)
    assert all(found[part]["fix"] for part, state in (("tags", tags), ("aliases", aliases)) if state != "ok")


def test_rights_that_nobody_tells_are_unknown(
    environment: dict[str, str], room: ControlRoom, platform: Platform, untouched: Model
) -> None:
    platform.forbidden.add(("GET", "effective-permissions"))

    found = rows(environment)

    assert (found["tags"]["state"], found["aliases"]["state"]) == ("unknown", "unknown")


def test_a_job_that_can_be_read_is_not_called_one_that_may_be_changed(
    environment: dict[str, str], room: ControlRoom, platform: Platform
) -> None:
    platform.jobs.all[77] = JobSettings(name="score")
    served = json.dumps({MODEL: {"job": 77}})

    found = rows({**environment, "COUNTERSIGN_DATABRICKS_SERVING": served})["job 77"]

    assert found["state"] == "warning"
    assert "CAN_MANAGE" in found["fix"]


@pytest.mark.parametrize(
    ("may", "state"),
    [
        (ServingEndpointDetailedPermissionLevel.CAN_MANAGE, "ok"),
        (ServingEndpointDetailedPermissionLevel.CAN_QUERY, "fault"),
        (None, "unknown"),
    ],
)
def test_the_doctor_says_whether_traffic_may_be_moved(
    environment: dict[str, str],
    room: ControlRoom,
    platform: Platform,
    untouched: Model,
    may: ServingEndpointDetailedPermissionLevel | None,
    state: str,
) -> None:
    entity = {"name": "v1", "entity_name": MODEL, "entity_version": "1", "workload_size": "Small"}
    traffic = {"routes": [{"served_model_name": "v1", "traffic_percentage": 100}]}
    config = {"served_entities": [entity | {"scale_to_zero_enabled": True}], "traffic_config": traffic}
    platform.endpoints.create({"name": "claims-score", "config": config})
    platform.endpoints.may = may

    assert rows(environment)["endpoint claims-score"]["state"] == state


def test_a_workspace_that_went_away_is_a_fault(environment: dict[str, str], room: ControlRoom) -> None:
    found = rows({**environment, "DATABRICKS_HOST": "http://127.0.0.1:1"})
    assert found["workspace"]["state"] == "fault"
    assert found["registry"]["state"] == "fault"
