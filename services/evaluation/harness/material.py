"""What the checks of one run look at. Scores are asked for once and kept; other versions are loaded when needed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from services.evaluation.harness import rows as tables
from services.evaluation.harness.models import FinishedStep, Mode, Plan
from services.evaluation.harness.planner import CLASSIFICATION
from services.evaluation.harness.ports import Holdout, LoadedModel, ModelFiles, ModelRunner, ScoringFailed
from services.evaluation.harness.rows import Array, Columns, Floats
from services.kernel.errors import ArtifactMissingError, UnknownVersionError

HALF = 0.5


@dataclass(slots=True, kw_only=True)
class Material:
    model: str
    version: str
    task: str
    unit: str
    threshold: float | None
    mode: Mode
    mode_reason: str
    holdout: Holdout | None
    files: ModelFiles | None
    files_problem: str
    runner: ModelRunner
    opened: ExitStack
    """Closes every process at the end of the run."""
    plan: Plan
    champion: str | None = None
    created_day: str = ""
    """ISO day on which the version was made."""
    logged: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, Array] = field(default_factory=dict)
    """Groups of the rows by attribute, those of tagged inputs included."""
    p95_ms: float | None = None
    others: tuple[str, ...] = ()
    """Earlier versions, newest first."""
    earlier: dict[str, Any] | None = None
    earlier_sha256: str = ""
    finished: dict[str, FinishedStep] = field(default_factory=dict)
    loaded: LoadedModel | None = None
    kept: dict[str, Floats] = field(default_factory=dict)
    """Scores of this and of other versions on all rows, by version."""
    other_models: dict[str, tuple[LoadedModel, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def classifies(self) -> bool:
        return self.task == CLASSIFICATION

    @property
    def limit(self) -> float | None:
        """Scores from here on are selected; None for a forecast."""
        return (HALF if self.threshold is None else self.threshold) if self.classifies else None

    @property
    def rows(self) -> Holdout:
        if self.holdout is None:
            raise ScoringFailed("There are no held-out rows.")
        return self.holdout

    @property
    def label(self) -> Floats:
        return self.rows.label

    @property
    def scores(self) -> Floats:
        """Of every held-out row. Raises ScoringFailed."""
        if self.version not in self.kept:
            logged = self.rows.scores
            self.kept[self.version] = logged if self.mode is Mode.PREDICTIONS and logged is not None else self._asked()
        return self.kept[self.version]

    @property
    def inputs(self) -> dict[str, Array]:
        """The columns the model is given: those of its signature, as far as the rows have them."""
        columns = self.rows.rows
        if self.files is None or not self.files.facts.inputs:
            return dict(columns)
        return {item.name: columns[item.name] for item in self.files.facts.inputs if item.name in columns}

    def ask(self, columns: Columns) -> Floats:
        """Scores of any rows. Raises ScoringFailed."""
        if self.loaded is None:
            raise ScoringFailed(self.mode_reason or "The model is not loaded.")
        return self.loaded.score(columns)

    def scores_of(self, version: str) -> Floats:
        """Scores of another version on the same rows. Raises ScoringFailed."""
        if version == self.version:
            return self.scores
        if version not in self.kept:
            self.kept[version] = self.ask_other(version, self.rows.rows)
        return self.kept[version]

    def ask_other(self, version: str, columns: Columns) -> Floats:
        model, needed = self._other(version)
        absent = [name for name in needed if name not in columns]
        if absent:
            raise ScoringFailed(f"Version {version} needs {', '.join(absent[:5])}, which the rows do not hold.")
        return model.score({name: columns[name] for name in needed} if needed else columns)

    def inputs_of(self, version: str) -> tuple[str, ...]:
        """Raises ScoringFailed."""
        return self._other(version)[1]

    def _other(self, version: str) -> tuple[LoadedModel, tuple[str, ...]]:
        if version not in self.other_models:
            try:
                files = self.opened.enter_context(self.runner.fetch(self.model, version))
            except (ArtifactMissingError, UnknownVersionError) as gone:
                raise ScoringFailed(f"Version {version} cannot be read. {gone.message}") from gone
            loaded = self.opened.enter_context(files.load())
            self.other_models[version] = loaded, tuple(item.name for item in files.facts.inputs)
        return self.other_models[version]

    def _asked(self) -> Floats:
        return self.ask(self.inputs)

    def sample(self, most: int) -> tuple[Array, dict[str, Array], Floats]:
        """Evenly spread rows: their places, inputs and labels."""
        places = tables.evenly(self.rows.n, most)
        return places, tables.taken(self.inputs, places), self.label[places]

    def metric(self, name: str) -> float | None:
        """What a finished check measured."""
        for step in self.finished.values():
            if name in step.result.metrics:
                return step.result.metrics[name]
        return None

    def section(self, name: str) -> Any:
        for step in self.finished.values():
            if name in step.result.sections:
                return step.result.sections[name]
        return None
