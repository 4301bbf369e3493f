"""The inventory's storage behaves the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.adapters.sql.database import Database
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.oversight import SqlOversight
from services.inventory.models import (
    DatasetRef,
    DeploymentKind,
    InventoryQuery,
    InventorySort,
    ModelVersion,
    RegistrySnapshot,
    SensitiveColumn,
    Tier,
)
from services.kernel.health import Health, Signal
from services.oversight.models import ModelSummary
from services.oversight.summaries import Watched, summary, unwatched
from tests.unit.monitoring.facts_on_disk import a_model, with_tables

AT = datetime(2031, 3, 31, 12, tzinfo=UTC)
TODAY = date(2031, 3, 31)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = with_tables(Database(database_url))
    yield made
    made.dispose()


@pytest.fixture
def store(database: Database) -> SqlInventory:
    return SqlInventory(database)


def a_version(number: int, model: str = "m", **changes: object) -> ModelVersion:
    facts: dict[str, object] = {
        "model": model,
        "version": str(number),
        "created_at": AT - timedelta(days=100 - number),
        "run_id": "run",
        "model_id": "id",
        "source": "models:/m",
        "status": "READY",
        "metrics": (("holdout_auc", 0.8),),
        "params": (("depth", "3"),),
        "tags": (("countersign.training_window", "2030"),),
        "datasets": (DatasetRef(name="train", digest="abc", context="training"),),
        "inputs": (("x", "double"),),
    }
    return ModelVersion(**{**facts, **changes})  # type: ignore[arg-type]


def a_snapshot(*versions: ModelVersion, champion: str = "") -> RegistrySnapshot:
    return RegistrySnapshot(versions=versions, aliases=(("m", "champion", champion),) if champion else ())


def a_summary(name: str, drift: float | None = None, state: Health = Health.HEALTHY, **changes: object) -> ModelSummary:
    signal = Signal(state=state, value=drift, unit="PSI", sentence="s", n=10, as_of=AT)
    watched = Watched(drift=signal, trend=(0.1, 0.2), sla=signal)
    return summary(
        a_model(name, **changes),
        served=None,
        watched=watched,
        versions=(2, "2"),
        open_requests=0,
        findings=0,
        today=TODAY,
    )


def test_a_model_comes_back_as_it_was_given(store: SqlInventory) -> None:
    model = a_model(
        sensitive=(SensitiveColumn(name="age", category="PII", basis="contract"),), lineage=(("raw", "feature"),)
    )
    store.put_catalog((model, a_model("other", service_level=None)))
    store.put_catalog((replace(model, team="New team"),))

    assert store.governed("m") == replace(model, team="New team")
    assert [found.name for found in store.catalog()] == ["m", "other"]
    assert store.governed("nobody") is None


def test_a_version_comes_back_as_it_was_read_with_its_alias(store: SqlInventory) -> None:
    store.apply(a_snapshot(a_version(1), a_version(2), champion="2"), AT)

    assert store.version("m", "1") == a_version(1)
    assert store.version("m", "2") == a_version(2, aliases=("champion",))
    assert store.first_version_at("m") == a_version(1).created_at


def test_versions_are_ordered_by_number_and_not_by_text(store: SqlInventory) -> None:
    store.apply(a_snapshot(*(a_version(number) for number in (2, 10, 9))), AT)

    assert [version.version for version in store.versions("m")] == ["10", "9", "2"]


def test_only_differences_are_written(store: SqlInventory) -> None:
    versions = [a_version(number) for number in range(1, 6)]

    assert store.apply(a_snapshot(*versions, champion="1"), AT) == 5
    assert store.apply(a_snapshot(*versions, champion="1"), AT) == 0
    assert store.apply(a_snapshot(*versions, champion="2"), AT) == 2
    assert store.apply(a_snapshot(replace(versions[0], tags=()), *versions[1:], champion="2"), AT) == 1


def test_a_deleted_version_is_marked_and_may_come_back(store: SqlInventory) -> None:
    store.apply(a_snapshot(a_version(1), a_version(2)), AT)
    store.apply(a_snapshot(a_version(1)), AT + timedelta(hours=1))

    assert store.version("m", "2") is None
    assert store.deleted_at("m", "2") == AT + timedelta(hours=1)
    assert store.apply(a_snapshot(a_version(1), a_version(2)), AT) == 1
    assert store.version("m", "2") == a_version(2)


def test_a_failed_attempt_keeps_the_last_success(store: SqlInventory) -> None:
    store.record_sync("registry", at=AT, error="")
    state = store.record_sync("registry", at=AT + timedelta(minutes=1), error="no answer")

    assert (state.last_success, state.last_attempt, state.error) == (AT, AT + timedelta(minutes=1), "no answer")
    assert store.sync_state("elsewhere").last_attempt is None


def test_search_filters_and_pages_with_totals(database: Database, store: SqlInventory) -> None:
    SqlOversight(database).put_summaries(
        (
            a_summary("alpha", 0.3, Health.BREACH, tier=Tier.ONE),
            a_summary("beta", 0.05, team="Pricing"),
            a_summary("gamma_100%", None, Health.UNKNOWN, kind=DeploymentKind.VENDOR),
        )
    )

    def names(**query: object) -> list[str]:
        return [row.name for row in store.search(InventoryQuery(**query), TODAY).items]  # type: ignore[arg-type]

    assert names() == ["alpha", "gamma_100%", "beta"]
    assert names(sort=InventorySort.NAME, descending=True) == ["gamma_100%", "beta", "alpha"]
    assert names(sort=InventorySort.DRIFT) == ["alpha", "beta", "gamma_100%"]
    assert names(text="100%") == ["gamma_100%"]
    assert names(text="OKAFOR pricing") == ["beta"]
    assert names(tiers=(1,)) == ["alpha"]
    assert names(health=(Health.UNKNOWN, Health.BREACH)) == ["alpha", "gamma_100%"]
    assert names(teams=("Pricing",), owners=("Ben Okafor",)) == ["beta"]
    assert names(text="'; DROP TABLE model_summary; --") == []
    page = store.search(InventoryQuery(limit=1, offset=1), TODAY)
    assert (page.total, [row.name for row in page.items]) == (3, ["gamma_100%"])


def test_a_line_comes_back_as_prepared(database: Database, store: SqlInventory) -> None:
    prepared = a_summary("alpha", 0.3, Health.WATCH)
    SqlOversight(database).put_summaries((prepared,))

    assert store.search(InventoryQuery(), TODAY).items == (prepared.row,)


def test_counts_are_those_of_all_lines(database: Database, store: SqlInventory) -> None:
    assert store.counts(TODAY).models == 0
    SqlOversight(database).put_summaries(
        (a_summary("alpha", 0.3, Health.BREACH), a_summary("beta", tier=Tier.ONE, last_review=date(2029, 1, 1)))
    )

    counts = store.counts(TODAY)

    assert (counts.models, counts.in_production, counts.reviews_overdue) == (2, 0, 1)
    assert counts.by_health == {Health.BREACH: 1, Health.HEALTHY: 1}
    assert counts.by_tier == {1: 1, 2: 1}
    assert (counts.owners, counts.teams) == (("Ben Okafor",), ("Claims",))


def test_only_changed_lines_are_written_and_gone_ones_removed(database: Database, store: SqlInventory) -> None:
    oversight = SqlOversight(database)

    assert oversight.put_summaries((a_summary("alpha"), a_summary("beta"))) == 2
    assert oversight.put_summaries((a_summary("alpha"), a_summary("beta"))) == 0
    assert oversight.put_summaries((a_summary("alpha", 0.2, Health.WATCH),)) == 2
    assert [row.name for row in store.search(InventoryQuery(), TODAY).items] == ["alpha"]


def test_a_vendor_model_is_unknown_and_never_green(database: Database, store: SqlInventory) -> None:
    vendor = summary(
        a_model(kind=DeploymentKind.VENDOR), served=None, watched=unwatched(DeploymentKind.VENDOR), versions=(0, ""),
        open_requests=0, findings=0, today=TODAY,
    )  # fmt: skip
    SqlOversight(database).put_summaries((vendor,))

    assert store.search(InventoryQuery(), TODAY).items[0].health is Health.UNKNOWN


def test_an_empty_database_answers_every_question_of_oversight(database: Database) -> None:
    oversight = SqlOversight(database)

    assert oversight.served() == oversight.open_actions(AT) == ()
    assert not oversight.open_requests()
    assert oversight.unsubmitted() == oversight.deleted_but_served() == oversight.syncs() == ()
    assert oversight.timeline("m", 10) == ()
    assert oversight.heartbeat() is None
    assert not oversight.version_facts()
    assert not oversight.watched_models()
    assert not oversight.workspace_facts()


def test_the_newest_version_without_request_is_unsubmitted(database: Database, store: SqlInventory) -> None:
    store.put_catalog((a_model(),))
    store.apply(a_snapshot(a_version(9), a_version(10)), AT)

    assert SqlOversight(database).unsubmitted() == (("m", "10", a_version(10).created_at),)
    assert SqlOversight(database).version_facts() == {"m": (2, "10")}
