"""A bad batch output against a real endpoint: withheld, scored again by the version before, never read by consumers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.adapters.local.batch import run_window, write_runs
from services.adapters.local.batch_rerun import LocalBatchRunner
from services.adapters.local.estate.streams import stream_for
from services.adapters.local.gateway.client import Caller
from services.adapters.local.inference_log import compact
from services.adapters.warehouse.batch_jobs import DuckDbJobLog
from services.adapters.warehouse.batch_outputs import ParquetOutputs, read_published
from services.inventory.models import DeploymentKind, Task
from services.kernel.clock import FrozenClock
from services.rollout.batch_judging import BatchParts
from services.rollout.batch_models import BatchTerms, Rerun, RunState
from services.rollout.batch_release import BatchReleaseService
from services.rollout.models import Deployment, RollbackTarget
from tests.builders import World, a_model, a_world
from tests.contract.test_batch_storage import a_run
from tests.fakes.endpoint import TestEndpoint, an_endpoint, wait_until
from tests.fakes.tiny_models import register_good_and_broken

MODEL = "payout_forecast"
PREPARED = datetime(2030, 1, 31, 12, tzinfo=UTC)
FIRST = datetime(2030, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEndpoint]:
    folder = tmp_path_factory.mktemp("estate")
    uri = register_good_and_broken(folder, MODEL, stream_for(MODEL, PREPARED).cases.rows)
    with an_endpoint(folder / "home", uri) as running:
        running.serving.register(MODEL, "batch")
        _load(running, "1")
        running.route(MODEL, ("1", 100))
        yield running


def _load(endpoint: TestEndpoint, version: str) -> None:
    wait_until(lambda: endpoint.serving.ensure_ready(MODEL, version, op="load"), seconds=120)


class Estate:
    """The job of one model, and everything behind batch releases, on a real endpoint and real files."""

    def __init__(self, endpoint: TestEndpoint, folder: Path) -> None:
        self.endpoint = endpoint
        self.inference, self.folder = folder / "inference", folder / "outputs"
        self.world: World = a_world(folder)
        clock = self.world.clock
        assert isinstance(clock, FrozenClock)
        self.clock = clock
        self.world.inventory.put_model(
            a_model(name=MODEL, kind=DeploymentKind.BATCH, task=Task.REGRESSION, lineage=((MODEL, "treasury"),))
        )
        self.pin("1")
        self.runner = LocalBatchRunner(
            url=endpoint.endpoint.url,
            token_file=endpoint.endpoint.token_file,
            journal=endpoint.journal,
            inference=self.inference,
            prepared_at=lambda: PREPARED,
            clock=clock,
        )
        self.batch = BatchReleaseService(
            parts=BatchParts(
                units=self.world.units,
                inventory=self.world.inventory,  # type: ignore[arg-type]
                desk=self.world.desk,
                jobs=DuckDbJobLog(self.inference),
                outputs=ParquetOutputs(self.folder, self.inference, clock=clock),
                terms_of=lambda _model: BatchTerms(unattended_release=True),
                clock=clock,
                runner=self.runner,
                incidents=self.world.incident_desk,
            ),
            people=self.world.people,
            ledger=self.world.ledger,
            targets_of=lambda _model: (
                RollbackTarget(version="1", eligible=True, reason="approved, and served before", last_served=None),
            ),
        )

    def pin(self, version: str) -> None:
        if self.endpoint.serving.observe(MODEL).routes != ((version, 100),):
            _load(self.endpoint, version)
            self.endpoint.route(MODEL, (version, 100))
        row = Deployment(model=MODEL, deployment=MODEL, kind="batch", desired=((version, 100),), champion=version)
        with self.world.units.write() as unit:
            unit.rollouts.save_deployment(row, at=self.clock.now())

    def run_days(self, start: datetime, days: int) -> list[datetime]:
        """The job's windows of these days, scored through the endpoint by the pinned version."""

        async def send() -> list[datetime]:
            runs = []
            async with Caller(self.endpoint.endpoint.url, token_file=self.endpoint.endpoint.token_file) as caller:
                for slot in stream_for(MODEL, PREPARED).slots(start, start + timedelta(days=days)):
                    run = await run_window(
                        caller, MODEL, slot.rows, slot.entities, window_start=slot.at, started_at=slot.at
                    )
                    assert run is not None
                    runs.append(run)
            self.endpoint.serving.rotate_journal()
            compact(self.endpoint.journal, self.inference)
            write_runs(self.inference, runs, source=f"days {start}")
            return [run.window_start for run in runs]

        return asyncio.run(send())

    def consumers_read(self, window: datetime) -> set[str]:
        found = read_published(self.folder, MODEL, window)
        return set(found["version"].to_pylist()) if found.num_rows else set()


def test_a_bad_first_output_is_withheld_and_the_version_before_scores_the_same_rows(
    endpoint: TestEndpoint, tmp_path: Path
) -> None:
    estate = Estate(endpoint, tmp_path)
    estate.run_days(FIRST, 12)
    estate.batch.work()
    estate.pin("2")
    (window,) = estate.run_days(FIRST + timedelta(days=12), 1)
    ever_read = {frozenset(estate.consumers_read(window))}

    estate.batch.work()

    ever_read.add(frozenset(estate.consumers_read(window)))
    bad = next(run for run in estate.batch.runs(MODEL).runs if run.window_start == window)
    assert (bad.state, bad.first) == (RunState.QUARANTINED, True)
    assert [item.id for item in bad.crossed] == ["scores"]
    assert "the version before on the same rows" in bad.reason
    assert f"batch:{MODEL}:2" in estate.world.incident_desk.opened

    estate.batch.rerun(
        Rerun(
            command_id="again",
            run_id=bad.run_id,
            version="1",
            reason="Version 2 answers the same number for every row.",
            passphrase=estate.world.secret("sam.sre"),
        ),
        actor=estate.world.actor("sam.sre"),
    )
    estate.batch.work()

    ever_read.add(frozenset(estate.consumers_read(window)))
    assert ever_read == {frozenset(), frozenset({"1"})}
    published = read_published(estate.folder, MODEL, window)
    assert published.num_rows == bad.rows
    assert len(set(published["score"].to_pylist())) > 1
    assert estate.endpoint.serving.observe(MODEL).routes == (("2", 100),)
    estate.pin("1")


def test_a_window_is_scored_again_by_name_whatever_is_pinned_and_also_while_the_job_rests(
    endpoint: TestEndpoint, tmp_path: Path
) -> None:
    estate = Estate(endpoint, tmp_path)
    (window,) = estate.run_days(FIRST, 1)
    state = endpoint.serving.observe(MODEL)
    endpoint.serving.set_mode(MODEL, "off", expect_generation=state.generation, op="rest")

    fact = estate.runner.score(MODEL, "2", window_start=window, request_id="cmp-1")
    unknown = estate.runner.score(MODEL, "1", window_start=window + timedelta(hours=1), request_id="cmp-2")

    state = endpoint.serving.observe(MODEL)
    endpoint.serving.set_mode(MODEL, "live", expect_generation=state.generation, op="work")
    assert (fact.ok, fact.version) == (True, "2")
    assert not unknown.ok
    assert "not known any more" in unknown.error
    twin = a_run("cmp-1", model=MODEL, version="2", window_start=window, rerun_of="run-1")
    outputs = ParquetOutputs(tmp_path / "o", estate.inference, clock=estate.clock)
    found = outputs.set_aside(twin, None)
    assert found is not None
    assert found.rows == fact.rows
