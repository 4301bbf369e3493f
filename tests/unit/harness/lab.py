"""A real MLflow store, real policy and ledger, and the harness between them: versions are logged as a team would."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from services.adapters.local.estate.model_code import PIPELINE_MODEL
from services.adapters.mlflow.artifacts import RunFiles
from services.adapters.mlflow.holdouts import RunHoldouts
from services.adapters.mlflow.initialise import initialise_store
from services.adapters.mlflow.registry import MlflowRegistry
from services.adapters.mlflow.runner import Limits, ScoringModels
from services.adapters.mlflow.translate import CREATED_TAG
from services.adapters.sql.evaluation_facts import SqlFacts
from services.adapters.sql.harness import SqlHarness
from services.evaluation.harness.service import HarnessService
from services.evaluation.service import EvaluationService
from services.inventory.models import DeploymentKind, ServiceLevel
from services.inventory.service import InventoryService
from services.kernel.clock import FrozenClock
from services.policy.models import GateOutcome
from tests.builders import NOON, World, a_model, a_world
from tests.unit.harness.rows import ATTRIBUTE, INPUTS, rows

MODEL = "triage"
POLICIES = Path(__file__).with_name("policies")
_REQUIREMENTS = ["mlflow>=3.17,<3.18", "scikit-learn>=1.9,<1.10", "skops>=0.16,<0.17", "pandas>=3.1,<4"]


def fitted(training: pd.DataFrame, inputs: tuple[str, ...] = INPUTS, *, balanced: bool = False) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    weight = "balanced" if balanced else None
    pipeline = make_pipeline(SimpleImputer(), LogisticRegression(class_weight=weight, max_iter=500))
    return pipeline.fit(training[list(inputs)], training["label"])


@dataclass(slots=True, kw_only=True)
class Lab:
    home: Path
    world: World
    registry: MlflowRegistry
    runner: ScoringModels
    holdouts: RunHoldouts
    files: RunFiles
    store: SqlHarness
    evaluation: EvaluationService
    harness: HarnessService
    versions: dict[str, str] = field(default_factory=dict)
    """Version number by the name the test gave it."""

    def close(self) -> None:
        self.runner.close()
        self.world.database.dispose()

    def register(self, run_id: str, source: str, name: str) -> str:
        made = self.registry.client().create_model_version(
            MODEL, source=source, run_id=run_id, tags={CREATED_TAG: "2030-01-25T09:00:00Z"}
        )
        number = str(made.version)
        self.world.inventory.put_version(self.registry.get_version(MODEL, number))
        self.versions[name] = number
        self.evaluation.refresh()
        return number

    def log(
        self,
        name: str,
        model: Any,
        *,
        holdout: pd.DataFrame,
        inputs: tuple[str, ...] = INPUTS,
        claims: Mapping[str, float] | None = None,
        late: Mapping[str, str] | None = None,
        code: Path = PIPELINE_MODEL,
    ) -> str:
        """Logs and registers one version; the number it got."""
        import mlflow
        import skops.io

        with (
            mlflow.start_run(experiment_id=self._experiment()) as run,
            tempfile.TemporaryDirectory() as folder,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            mlflow.log_metrics(dict(claims or {}) | {"baseline_auc": 0.6})
            self.log_rows(holdout, late or {})
            self._log_datasets(holdout, inputs)
            file = Path(folder) / "pipeline.skops"
            skops.io.dump(model, file)
            example = holdout[list(inputs)].dropna().head(3)
            gaps = holdout[list(inputs)].head(50).reset_index(drop=True)
            gaps.loc[0, "visits"] = np.nan
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(code),
                artifacts={"pipeline": str(file)},
                signature=mlflow.models.infer_signature(gaps, model.predict_proba(example)[:, 1]),
                input_example=example,
                pip_requirements=_REQUIREMENTS,
            )
        return self.register(run.info.run_id, f"models:/{info.model_id}", name)

    def log_rows(self, holdout: pd.DataFrame, late: Mapping[str, str]) -> None:
        import mlflow

        described = {
            "attributes": [ATTRIBUTE], "time": "event_at", "label": "label", "late": dict(late),
            "task": "classification", "unit": "probability", "threshold": 0.5, "name": "triage-holdout",
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            holdout.to_parquet(Path(folder) / "holdout.parquet", index=False)
            (Path(folder) / "holdout.json").write_text(json.dumps(described))
            mlflow.log_artifacts(folder, "data")

    def _log_datasets(self, holdout: pd.DataFrame, inputs: tuple[str, ...]) -> None:
        import mlflow
        from mlflow.data.pandas_dataset import from_pandas

        for context in ("training", "holdout"):
            dataset = from_pandas(holdout[[*inputs, "label"]].head(50), targets="label", name=f"triage-{context}")
            mlflow.log_input(dataset, context=context)

    def _experiment(self) -> str:
        client = self.registry.client()
        found = client.get_experiment_by_name(MODEL)
        if found is not None:
            return str(found.experiment_id)
        client.create_registered_model(MODEL)
        folder = self.home / "artifacts" / MODEL
        folder.mkdir(parents=True)
        return str(client.create_experiment(MODEL, artifact_location=folder.as_uri()))

    def report(self, name: str) -> dict[str, Any]:
        data = self.files.newest(MODEL, self.versions[name])
        assert data is not None
        return cast("dict[str, Any]", json.loads(data))

    def metrics(self, name: str) -> dict[str, float]:
        return cast("dict[str, float]", self.report(name)["metrics"])

    def outcome(self, name: str, gate: str) -> GateOutcome:
        """The outcome of one gate; for groups, the one that blocks if any does."""
        found = [
            item
            for item in self.evaluation.gates(MODEL, self.versions[name]).outcomes
            if item.gate.partition(":")[0] == gate
        ]
        return next((item for item in found if item.verdict.blocks), found[0])

    def failing(self, name: str) -> set[str]:
        outcomes = self.evaluation.gates(MODEL, self.versions[name]).outcomes
        return {item.gate.partition(":")[0] for item in outcomes if item.verdict.blocks}


def a_lab(home: Path, *, limits: Limits | None = None) -> Lab:
    """An empty store with its harness. MLflow's addresses are global: one lab at a time."""
    uri = f"sqlite:///{home / 'mlflow.db'}"
    initialise_store(uri)
    (home / "gov").mkdir()
    world = a_world(home / "gov", clock=FrozenClock(NOON), versions=(), policies=POLICIES)
    world.inventory.put_model(
        a_model(
            name=MODEL,
            kind=DeploymentKind.BATCH,
            service_level=ServiceLevel(p95_ms=40.0, error_rate=0.01),
            sensitive=(),
        )
    )
    registry = MlflowRegistry(uri, home / "artifacts")
    files = RunFiles(registry, home / "artifacts")
    store = SqlHarness(world.database)
    inventory = cast(InventoryService, world.inventory)
    evaluation = EvaluationService(
        inventory=inventory,
        policy=world.policy,
        facts=SqlFacts(world.database),
        registry=registry,
        clock=world.clock,
        vouches=lambda model, version, sha256: sha256 == store.newest_report(model, version),
    )
    runner, holdouts = ScoringModels(registry, limits=limits), RunHoldouts(files)
    harness = HarnessService(
        inventory=inventory,
        evaluation=evaluation,
        policy=world.policy,
        people=world.people,
        ledger=world.ledger,
        store=store,
        runner=runner,
        holdouts=holdouts,
        reports=files,
        clock=world.clock,
    )
    return Lab(
        home=home, world=world, registry=registry, runner=runner, holdouts=holdouts, files=files, store=store,
        evaluation=evaluation, harness=harness,
    )  # fmt: skip


def good_rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and holdout of the good version."""
    return rows(7, 3_000, until="2029-12-20"), rows(8, 2_000)
