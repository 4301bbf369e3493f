"""Composing a configuration: complete, with one thing changed, and nothing the SDK would drop in silence."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk.service.serving import ServedEntityInput, ServedEntityOutput, ServingEndpointDetailed
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.databricks import endpoint, marks
from services.adapters.databricks.endpoint import NOTHING, Config, Entity
from services.adapters.databricks.marks import Marks
from services.adapters.databricks.rules import require_possible
from services.kernel.errors import InputError

MODEL = "main.claims.score"


def an_endpoint(**changes: Any) -> ServingEndpointDetailed:
    document: dict[str, Any] = {
        "name": "score",
        "state": {"config_update": "NOT_UPDATING", "ready": "READY"},
        "config": {
            "config_version": 7,
            "served_entities": [
                {
                    "name": "champion",
                    "entity_name": MODEL,
                    "entity_version": "3",
                    "workload_size": "Medium",
                    "workload_type": "CPU",
                    "scale_to_zero_enabled": True,
                    "environment_vars": {"KEY": "{{secrets/claims/key}}"},
                    "instance_profile_arn": "arn:aws:iam::1:instance-profile/x",
                    "creator": "somebody@example.com",
                    "state": {"deployment": "DEPLOYMENT_READY"},
                },
                {
                    "name": "v2",
                    "entity_name": MODEL,
                    "entity_version": "2",
                    "workload_size": "Small",
                    "state": {"deployment": "DEPLOYMENT_READY"},
                },
            ],
            "traffic_config": {"routes": [{"served_model_name": "champion", "traffic_percentage": 100}]},
        },
    }
    return ServingEndpointDetailed.from_dict(document | changes)


def active(**changes: Any) -> Config:
    return endpoint.read(an_endpoint(**changes), model=MODEL).active


def test_whatever_the_sdk_takes_back_it_also_gives() -> None:
    assert set(ServedEntityInput.__dataclass_fields__) <= set(ServedEntityOutput.__dataclass_fields__)


def test_names_of_both_kinds_are_read_from_routes() -> None:
    by_entity = {"routes": [{"served_entity_name": "v2", "traffic_percentage": 100}]}
    config = an_endpoint().as_dict()["config"] | {"traffic_config": by_entity}

    assert active().routes == (("3", 100),)
    assert active(config=config).routes == (("2", 100),)


def test_an_added_version_gets_nothing_and_is_as_large_as_the_one_that_serves() -> None:
    changed = active().with_version("4", MODEL, {})

    added = changed.entity("4")
    assert added is not None
    assert (added.name, changed.shares["v4"], changed.routes) == ("v4", 0, (("3", 100),))
    assert added.settings["workload_size"] == "Medium"
    assert added.settings["environment_vars"] == {"KEY": "{{secrets/claims/key}}"}
    assert added.settings["scale_to_zero_enabled"] is False


def test_with_a_candidate_beside_it_the_serving_version_does_not_sleep_any_more() -> None:
    sent = {item["name"]: item for item in active().with_version("4", MODEL, {}).body()["served_entities"]}

    assert sent["champion"]["scale_to_zero_enabled"] is False
    assert sent["champion"]["instance_profile_arn"] == "arn:aws:iam::1:instance-profile/x"
    assert set(sent) == {"champion", "v2", "v4"}


def test_a_change_of_shares_names_every_entity_and_changes_none() -> None:
    before = active()

    body = before.routed((("2", 100),)).body()

    assert body["served_entities"] == before.body()["served_entities"]
    shares = {item["served_model_name"]: item["traffic_percentage"] for item in body["traffic_config"]["routes"]}
    assert shares == {"champion": 0, "v2": 100}


def test_a_name_that_is_taken_by_something_else_is_not_taken_away() -> None:
    config = an_endpoint().as_dict()["config"]
    config["served_entities"][1] |= {"name": "v4"}

    changed = active(config=config).with_version("4", MODEL, {})

    assert [item.name for item in changed.entities] == ["v4", "champion", "v4-countersign"]


def test_a_version_of_another_model_does_not_look_like_one_of_ours() -> None:
    config = an_endpoint().as_dict()["config"]
    config["served_entities"][0] |= {"entity_name": "main.other.score"}

    assert active(config=config).routes == (("main.other.score/3", 100),)


def test_an_empty_list_of_routes_is_never_composed() -> None:
    with pytest.raises(InputError):
        NOTHING.traffic()


def test_what_the_platform_fills_in_does_not_count_as_a_difference() -> None:
    sent = active().with_version("4", MODEL, {})
    back = Config(
        entities=tuple(
            Entity(name=item.name, version=item.version, settings={**item.settings, "burst_scaling_enabled": False})
            for item in sent.entities
        ),
        shares=sent.shares,
    )
    other = Config(
        entities=tuple(
            Entity(name=item.name, version=item.version, settings={**item.settings, "workload_size": "Large"})
            for item in sent.entities
        ),
        shares=sent.shares,
    )

    assert back.carries(sent)
    assert not other.carries(sent)
    assert not sent.routed(()).carries(sent)


def test_a_state_the_sdk_does_not_know_counts_as_an_update_that_runs() -> None:
    found = endpoint.read(an_endpoint(state={"config_update": "UPDATE_MEDITATING"}), model=MODEL)

    assert found.update == "running"


@pytest.mark.parametrize(
    "changes",
    [{"route_optimized": True}, {"config": {"served_models": [{"name": "v1", "model_name": MODEL}]}}],
    ids=["route-optimised", "retired form"],
)
def test_endpoints_that_work_in_another_way_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="score"):
        endpoint.read(an_endpoint(**changes), model=MODEL)


@pytest.mark.parametrize(
    "routes", [(), (("1", 99),), (("1", 101),), (("1", 110), ("2", -10)), (("1", 50), ("1", 50))], ids=str
)
def test_impossible_shares_are_refused(routes: tuple[tuple[str, int], ...]) -> None:
    with pytest.raises(InputError):
        require_possible(routes)


@given(
    st.builds(
        Marks,
        op=st.text("abc-123", max_size=20),
        accepted=st.integers(0, 10_000),
        wanted=st.text("abcdef0123", max_size=32),
        loading=st.text("v12 abc-", max_size=20),
        mirror=st.none() | st.tuples(st.text("0123456789", min_size=1, max_size=4), st.integers(0, 100)),
    )
)
def test_marks_survive_the_way_over_tags(known: Marks) -> None:
    tags = {key: value for key, value in known.as_tags().items() if value}

    assert marks.read(tags) == known


def test_tags_somebody_else_wrote_are_not_trusted() -> None:
    assert marks.read({"countersign_accepted": "many", "countersign_mirror": "12"}) == Marks()
