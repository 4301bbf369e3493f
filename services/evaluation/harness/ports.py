"""What the harness needs from outside: rows, a model that scores in its own process, a place for reports and runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.attestation.models import Receipt
from services.evaluation.harness.models import HarnessRun, RunState
from services.evaluation.harness.rows import Array, Columns, Floats
from services.kernel.identity import Actor, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """Held-out rows that the training run logged: inputs and label, and beside them groups and times.

    `digest` is taken over the bytes of the file. `late` names columns known only after the decision, with the reason.
    """

    rows: Columns
    label: Floats
    name: str
    digest: str
    window: str
    task: str
    unit: str
    threshold: float | None
    attributes: Mapping[str, Array]
    times: Array | None = None
    late: tuple[tuple[str, str], ...] | None = None
    """None when nobody wrote down when the columns are known."""
    scores: Floats | None = None
    """Logged predictions, where the run logged predictions and not only rows."""

    @property
    def n(self) -> int:
        return len(self.label)


class HoldoutSource(Protocol):
    """Slow: only the worker calls it. Both raise ArtifactRefusedError for a file that makes no sense."""

    def holdout(self, model: str, version: str) -> Holdout | None:
        """The rows logged as `data/holdout.parquet`, or None. Raises RegistryUnavailableError."""
        ...

    def predictions(self, model: str, version: str) -> Holdout | None:
        """The rows of `predictions.parquet` (label, score, groups), or None. Raises RegistryUnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureColumn:
    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsafeFile:
    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """`problem` is empty when the requirement can only resolve to releases somebody could have tried."""

    name: str
    spec: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFacts:
    """What the files say without being loaded."""

    manifest_sha256: str
    size_bytes: int
    files: int
    unsafe: tuple[UnsafeFile, ...]
    dependencies: tuple[Dependency, ...]
    inputs: tuple[SignatureColumn, ...]
    has_signature: bool
    has_input_example: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds of the requests of the quietest round, one row each; asked and failed count all rounds."""

    milliseconds: Floats
    asked: int
    failed: int
    how: str


class ScoringFailed(Exception):  # noqa: N818 - what happened, said to people by the check that asked
    """The model refused rows, raised, ran out of time or memory. The text is one sentence."""


class LoadedModel(Protocol):
    """A model in a process of its own."""

    def score(self, rows: Columns) -> Floats:
        """One score per row. Raises ScoringFailed."""
        ...

    def example(self) -> int:
        """Scores the logged input example; the number of its rows. Raises ScoringFailed."""
        ...

    def latency(self, rows: Columns, requests: int, enough_ms: float | None) -> Latency:
        """Asks for one row at a time, as a caller of the endpoint does; again while 95 of 100 take longer than enough.

        Raises ScoringFailed.
        """
        ...


class ModelFiles(Protocol):
    """A private copy of a version's files."""

    @property
    def facts(self) -> ArtifactFacts: ...

    def load(self) -> AbstractContextManager[LoadedModel]:
        """Raises ScoringFailed when the model cannot be loaded without unpickling, in time and in memory."""
        ...


class ModelRunner(Protocol):
    def fetch(self, model: str, version: str) -> AbstractContextManager[ModelFiles]:
        """Raises ArtifactMissingError, ArtifactRefusedError, UnknownVersionError, RegistryUnavailableError."""
        ...

    def cpu_seconds(self) -> float:
        """Processor time of all scoring processes so far, those that ended included. Never falls."""
        ...

    def rest(self) -> None:
        """Called when there is nothing to do: what was kept warm may go after a while."""
        ...


class ReportStore(Protocol):
    def newest(self, model: str, version: str) -> bytes | None:
        """The report logged last, or None. Raises RegistryUnavailableError."""
        ...

    def log(self, model: str, version: str, *, json: bytes, html: str) -> None:
        """Logs both to the version's run; an earlier report stays there under its digest.

        Raises RegistryUnavailableError; ArtifactMissingError for a version without a run.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStep:
    """A step as stored: `document` is the JSON of a finished step, empty before."""

    check: str
    state: str
    sentence: str = ""
    seconds: float = 0.0
    document: str = ""


class HarnessStore(Protocol):
    """Runs and their steps. Every method raises StorageUnavailableError."""

    def add(self, run: HarnessRun, *, command: str, owner: str = "") -> HarnessRun:
        """Queues a run, or begins it for `owner`; the run that exists for this command, or that is open for this
        version, instead of a second.
        """
        ...

    def run(self, run_id: str) -> HarnessRun | None: ...

    def latest(self, model: str, version: str) -> HarnessRun | None: ...

    def open_runs(self, *, silent_since: datetime) -> tuple[HarnessRun, ...]:
        """Queued runs, and running ones whose last heart-beat is older than `silent_since`; oldest first."""
        ...

    def take(self, run_id: str, *, owner: str, now: datetime, silent_since: datetime) -> bool:
        """Makes `owner` the one who works on the run; False when somebody else does."""
        ...

    def beat(self, run_id: str, *, owner: str, now: datetime) -> bool:
        """False when the run was cancelled or taken over: the owner has to stop."""
        ...

    def steps(self, run_id: str) -> tuple[KeptStep, ...]: ...

    def put_steps(self, run_id: str, steps: tuple[KeptStep, ...]) -> None:
        """Replaces the steps of a run: a new plan."""
        ...

    def put_step(self, run_id: str, step: KeptStep) -> None: ...

    def basis(self, run_id: str) -> str:
        """What the finished steps were measured on, as one digest; empty before the first."""
        ...

    def set_basis(self, run_id: str, basis: str) -> None: ...

    def vouch(self, run_id: str, report_sha256: str) -> None:
        """Notes the digest of the report before it is logged: from now on it counts as ours."""
        ...

    def finish(self, run_id: str, *, state: RunState, at: datetime, error: str = "", entry: int | None = None) -> bool:
        """Ends an open run; False when it had ended already. Only a run that is done vouches for its report."""
        ...

    def newest_report(self, model: str, version: str) -> str:
        """Digest of the newest report that was written here for a version; empty before the first.

        Older ones do not count: an earlier report put back into the run would hide what was found since.
        """
        ...


class Narrator(Protocol):
    """Puts findings into words. Gets aggregated figures only; its text is marked and decides nothing."""

    def tell(self, findings: Mapping[str, Any]) -> str:
        """Raises UnavailableError."""
        ...


class People(Protocol):
    def require(self, actor: Actor | None, permission: Permission) -> object: ...


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...
