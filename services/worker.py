"""The loop that must not live in a page: act on the outbox, watch releases, copy the registry, refresh, anchor.

Every task is guarded: one that fails is recorded with its reason and tried again, the others go on. On a ledger that
was restored shorter than its anchors only what brings traffic back is carried out. Each lane has a thread of its own,
and so has the heartbeat: a task that hangs is seen by the age of its result, never by a silence.
`python -m services worker` runs it; SIGTERM ends it after the task at hand.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from services.adapters.signing import restored
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import BrokenChainError, ControlRoomError, RegistryUnavailableError, StorageUnavailableError
from services.kernel.logs import about
from services.ledger.footing import Footing
from services.settings import PULSE_FILE, Profile

if TYPE_CHECKING:
    from services.container import ControlRoom

LEASE = "worker"
LEASE_LASTING = timedelta(seconds=30)
BEAT_EVERY = timedelta(seconds=5)
_PAUSE_SECONDS = 0.5
_LAST_TASK_SECONDS = 20.0
_RECORD_SECONDS = 10.0

_log = logging.getLogger("countersign.worker")


class Lane(StrEnum):
    """Tasks of one lane wait for each other; lanes do not."""

    ACT = "act"
    """Carries out what was signed, and reads it back."""
    WATCH = "watch"
    """Looks at running releases."""
    REFRESH = "refresh"
    """Everything that may take its time."""
    TELL = "tell"
    """Works out what people are told and sends it: a call does not wait for figures."""
    COPY = "copy"
    """Asks a warehouse that may take minutes, a year of rows at first: nothing else waits for it."""


_SLOWEST = {
    Lane.ACT: timedelta(seconds=15),
    Lane.WATCH: timedelta(seconds=15),
    Lane.REFRESH: timedelta(minutes=5),
    Lane.TELL: timedelta(minutes=1),
    Lane.COPY: timedelta(minutes=5),
}
"""How rarely a task that keeps failing is tried; what brings traffic back never waits for minutes."""
_LANES = {
    "ledger-history": Lane.ACT,
    "offline-journal": Lane.ACT,
    "outbox": Lane.ACT,
    "deployments": Lane.ACT,
    "fallbacks": Lane.ACT,
    "deployment-jobs": Lane.ACT,
    "watch": Lane.WATCH,
    "notices": Lane.TELL,
    "delivery": Lane.TELL,
    "mirror": Lane.COPY,
    "shadow-replay": Lane.COPY,
}
_ALWAYS = {"ledger-history", "registry-anchors", "outbox", "trust"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A worker that led and went silent without saying goodbye."""

    worker_id: str
    last_beat: datetime


class Ops(Protocol):
    """Where the worker says that it lives and how its tasks went. Raises StorageUnavailableError."""

    def lost_leader(self, name: str, *, but: str, lasting: timedelta) -> tuple[str, datetime] | None:
        """(worker, last heartbeat) of a leader other than `but` whose lease was never given back; else None."""
        ...

    def beat(self, worker_id: str, *, at: datetime, started_at: datetime, host: str, pid: int) -> None: ...

    def take_lease(self, name: str, owner: str, *, now: datetime, lasting: timedelta) -> bool: ...

    def release_lease(self, name: str, owner: str, *, now: datetime) -> None: ...

    def record(self, source: str, *, at: datetime, error: str) -> None: ...


class Ground(Protocol):
    """Whether anything may be added to the ledger that stands here; see `services.ledger.footing`."""

    def begin(self) -> None: ...

    def require(self) -> None: ...


class Firm:
    """Nobody asks."""

    def begin(self) -> None:
        return

    def require(self) -> None:
        return


@dataclass(slots=True, kw_only=True)
class Task:
    """Something to do every so often. After a failure it waits longer, up to the limit of its lane."""

    name: str
    every: timedelta
    run: Callable[[], object]
    lane: Lane = Lane.REFRESH
    always: bool = False
    """Also on a ledger that nothing may be added to: it compares, or judges by itself what it may do."""
    due: float = 0.0
    failures: int = 0

    def schedule(self, now: float, *, failed: bool) -> None:
        self.failures = self.failures + 1 if failed else 0
        wait = min(self.every * 2 ** min(self.failures, 8), max(_SLOWEST[self.lane], self.every))
        # Up to a tenth earlier or later, so that tasks of several workers do not march in step.
        jitter = 0.9 + secrets.randbelow(200) / 1000
        self.due = now + wait.total_seconds() * (jitter if failed else 1.0)


@dataclass(slots=True, kw_only=True)
class Worker:
    tasks: tuple[Task, ...]
    ops: Ops
    clock: Clock
    lease_lasting: timedelta = LEASE_LASTING
    beat_every: timedelta = BEAT_EVERY
    took_over: Callable[[Lost, datetime], None] = lambda _lost, _at: None
    """Told once when this worker follows one that went silent: somebody should hear that nobody watched."""
    ground: Ground = field(default_factory=Firm)
    pulse: Callable[[], None] = lambda: None
    measured: Callable[[str, float, bool], None] = lambda _task, _seconds, _failed: None
    """Told how long each task took and whether it failed."""
    stopping: threading.Event = field(default_factory=threading.Event)
    leading: threading.Event = field(default_factory=threading.Event)
    recorded: dict[str, tuple[str, float]] = field(default_factory=dict)
    leads_until: float = 0.0
    lost: list[Lost] = field(default_factory=list)
    worker_id: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}")

    def run_once(self) -> int:
        """Each task once, whatever its rhythm; the number of tasks that failed."""
        self._beat(self.clock.now())
        try:
            failed = sum(not self._guarded(task) for task in self.tasks)
            # After the round: what a registry knows of the ledger is known by now.
            self._tell_lost()
        finally:
            # Without a goodbye the next one would report that this one went silent.
            self._goodbye()
        return failed

    def run_forever(self) -> None:
        """Until `stop`. A second worker waits for the lease and takes over when the first one is gone."""
        started = self.clock.now()
        lanes = [
            threading.Thread(target=self._run_lane, args=(lane,), name=f"{lane}-lane", daemon=True) for lane in Lane
        ]
        for thread in lanes:
            thread.start()
        while not self.stopping.is_set():
            asked = time.monotonic()
            if self._beat(started):
                self.leads_until = asked + self.lease_lasting.total_seconds()
                self.leading.set()
            else:
                self.leading.clear()
            self.pulse()
            self.stopping.wait(self.beat_every.total_seconds())
        deadline = time.monotonic() + _LAST_TASK_SECONDS
        for thread in lanes:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
        self._goodbye()

    @property
    def leads(self) -> bool:
        """Also false in a process that was frozen for longer than its lease, before it noticed that it was."""
        return self.leading.is_set() and time.monotonic() < self.leads_until

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        self.stopping.set()

    def _run_lane(self, lane: Lane) -> None:
        while not self.stopping.wait(_PAUSE_SECONDS):
            if self.leads:
                if lane is Lane.REFRESH:
                    self._tell_lost()
                self._run_due(lane)

    def _run_due(self, lane: Lane) -> None:
        for task in self.tasks:
            if self.stopping.is_set() or not self.leads:
                return
            if task.lane is lane and time.monotonic() >= task.due:
                done = self._guarded(task)
                task.schedule(time.monotonic(), failed=not done)

    def _beat(self, started: datetime) -> bool:
        """Says "alive" and renews the lease; False when another worker leads or the database is away."""
        now = self.clock.now()
        try:
            for attempt in _patiently():
                with attempt:
                    return self._lead(now, started)
        except ControlRoomError as away:
            _log.warning("heartbeat not recorded", extra={"reason": str(away)})
        return False

    def _lead(self, now: datetime, started: datetime) -> bool:
        self.ops.beat(self.worker_id, at=now, started_at=started, host=socket.gethostname(), pid=os.getpid())
        lost = None
        if not self.leading.is_set():
            self.ground.begin()
            for task in self.tasks:
                # What was found out before counts no more: it is asked again now, not when its rhythm comes round.
                task.due = 0.0 if task.always else task.due
            lost = self.ops.lost_leader(LEASE, but=self.worker_id, lasting=self.lease_lasting)
        leads = self.ops.take_lease(LEASE, self.worker_id, now=now, lasting=self.lease_lasting)
        if leads and lost is not None:
            self.lost.append(Lost(worker_id=lost[0], last_beat=lost[1]))
            _log.warning("took over from a worker that went silent", extra={"worker": lost[0], "last": lost[1]})
        return leads

    def _tell_lost(self) -> None:
        while self.lost:
            try:
                self.ground.require()
                self.took_over(self.lost[0], self.clock.now())
            except ControlRoomError as away:
                _log.warning("silence of a worker not recorded yet", extra={"reason": str(away)})
                return
            self.lost.pop(0)

    def _guarded(self, task: Task) -> bool:
        with about(task=task.name, correlation=secrets.token_hex(6)):
            return self._tried(task)

    def _tried(self, task: Task) -> bool:
        began, error = time.monotonic(), ""
        try:
            if not task.always:
                self.ground.require()
            task.run()
        except ControlRoomError as known:
            error = str(known)
            _log.warning("task failed", extra={"code": known.code, "reason": error})
        except Exception as unknown:  # noqa: BLE001 - the one place where a task may fail in any way
            error = f"Unexpected fault ({type(unknown).__name__}); details are in the worker's log."
            _log.exception("task failed unexpectedly")
        seconds = time.monotonic() - began
        self.measured(task.name, seconds, bool(error))
        self._record(task.name, error)
        _log.debug("task done", extra={"seconds": round(seconds, 3)})
        return not error

    def _record(self, name: str, error: str) -> None:
        """At once when the result changed; otherwise every ten seconds, to spare the database a write a second."""
        before, at = self.recorded.get(name, (None, 0.0))
        if before == error and time.monotonic() - at < _RECORD_SECONDS:
            return
        self.recorded[name] = (error, time.monotonic())
        try:
            self.ops.record(f"worker:{name}", at=self.clock.now(), error=error)
        except StorageUnavailableError as away:
            _log.warning("task result not recorded", extra={"reason": str(away)})

    def _goodbye(self) -> None:
        try:
            self.ops.release_lease(LEASE, self.worker_id, now=self.clock.now())
        except ControlRoomError as away:
            _log.warning("lease not released", extra={"reason": str(away)})
        _log.info("worker stopped")


def install_signals(worker: Worker) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, worker.stop)


def _patiently() -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(StorageUnavailableError),
        stop=stop_after_attempt(3),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        reraise=True,
    )


def build_worker(room: ControlRoom, ops: Ops) -> Worker:
    """The tasks in order of urgency. Only the embedded workspace sends requests itself."""
    footing = Footing(
        history=room.ledger.require_anchored_history,
        ask_registry=room.registry_anchoring.run,
        refused=lambda: _keep_place(room),
        held=lambda: restored.forget_place(room.settings.home),
    )
    on_platform = room.settings.profile is Profile.DATABRICKS
    seconds = [
        ("ledger-history", 5, footing.require),
        # First of its lane, and of a single round: what the registry knows of the ledger, before anything is added.
        ("registry-anchors", 300, footing.compare),
        ("offline-journal", 5, room.offline.enter),
        ("outbox", 1, lambda: _act(room, footing)),
        ("registry", 60 if on_platform else 5, lambda: _copy_registry(room)),
        ("lineage", 15, room.handling.refresh_lineage),
        ("deployments", 5, room.rollout.reconcile),
        ("offline-targets", 30, room.offline.keep_targets),
        ("watch", 5, room.watcher.run),
        ("traffic", 2, _live_traffic(room)),
        ("incidents", 5, room.incidents.catch_up),
        ("batch", 5, room.batch.work),
        ("fallbacks", 2, room.fallbacks.work),
        ("last-scores", 600, room.last_good.refresh),
        ("releases", 60, room.releases.retire_due),
        ("expiry", 60, room.approvals.expire_due),
        ("evidence", 15, room.approvals.revalidate),
        ("evaluations", 2, room.harness.work),
        ("exceptions", 60, room.exceptions.expire_due),
        ("tiers", 60, room.classification.expire_due),
        ("monitoring", 30, room.monitoring.refresh),
        ("monitor-proposals", 600, room.monitors.propose_missing),
        ("performance", 30, room.performance_cubes.run),
        ("vendor-monitoring", 900, room.vendor.refresh),
        ("reliability", 10, room.reliability.refresh),
        ("burn-rates", 60, room.burning.run),
        # After everything that measures and after the rule that opens incidents, which alerts are linked to.
        ("alerts", 60, room.alerts.refresh),
        ("value", 60, room.value.refresh),
        ("value-reviews", 3600, room.reviews.refresh),
        ("retirements", 10, room.retirements.work),
        ("portfolio", 60, room.portfolio.refresh),
        ("corrections", 15, room.corrections.refresh),
        ("feedback", 30, room.feedback.refresh),
        ("retraining-sets", 15, room.training_sets.refresh),
        ("retraining", 60, room.retraining.refresh),
        ("programme", 300, room.programme.refresh),
        ("tables", 300, room.handling.refresh_tables),
        ("data-health", 300, room.data_health.refresh),
        ("pipelines", 900, room.data_health.refresh_pipelines),
        ("column-tags", 300, room.columns.take_over),
        ("small-cells", 30, room.handling.refresh_cells),
        ("notices", 10, room.notices.refresh),
        ("delivery", 15, room.notices.deliver),
        ("summaries", 10, room.oversight.refresh_summaries),
        ("reviews", 60, room.oversight.call_reviews),
        ("registrations", 3600, room.inventory.record_registrations),
        ("anchors", 60, lambda: _anchor(room)),
        ("outcome-anchors", 10, room.registry_anchoring.run_after_outcome),
        ("trust", 3600, lambda: _verify(room)),
    ]
    if room.mirror.sources:
        seconds.append(("mirror", 3600 * room.settings.databricks_mirror_hours, room.mirror.refresh))
    if room.replay is not None:
        seconds.append(("shadow-replay", 60, room.replay))
    if room.deployment_jobs is not None:
        seconds.append(("job-settings", 60, room.deployment_jobs.evidence.refresh))
        seconds.append(("deployment-jobs", 30, room.deployment_jobs.work))
    # A large registry is copied model by model: that may take its time, and nothing may wait for it.
    lanes = _LANES | ({"registry": Lane.COPY} if on_platform else {})
    tasks = tuple(
        Task(
            name=name,
            every=timedelta(seconds=every),
            run=run,
            lane=lanes.get(name, Lane.REFRESH),
            always=name in _ALWAYS,
        )
        for name, every, run in seconds
    )
    return Worker(
        tasks=tasks,
        ops=ops,
        clock=room.clock,
        took_over=lambda lost, at: _interrupted(room, lost, at),
        ground=footing,
        pulse=_pulse(os.environ.get(PULSE_FILE, "")),
    )


def _keep_place(room: ControlRoom) -> None:
    head = room.ledger.head()
    restored.keep_place(room.settings.home, size=head.size, root=head.root)


def _act(room: ControlRoom, footing: Footing) -> None:
    """What was done without the database comes first: an order that waited meanwhile must not undo it.

    A journal that cannot be entered is told by the task of its own; it holds up nothing here. On a ledger that may be
    an older copy only what brings traffic back is carried out: any other order may have been overtaken since.
    """
    if not footing.firm:
        room.runner.run_pending(only_back=True)
        footing.require()
        return
    with suppress(ControlRoomError):
        room.offline.enter()
    room.runner.run_pending()
    room.runner.settle_aliases()


def _interrupted(room: ControlRoom, lost: Lost, at: datetime) -> None:
    """The time in which nobody watched is a fact of the ledger, and the people on call hear of it."""
    seconds = max(0, round((at - lost.last_beat).total_seconds()))
    room.ledger.record_event(
        event="watch-interrupted",
        actor=None,
        detail={
            "worker": lost.worker_id,
            "since": utc_text(lost.last_beat),
            "until": utc_text(at),
            "sentence": f"Worker {lost.worker_id} went silent; {seconds} seconds later another one took over. "
            "Nothing was watched or carried out in between.",
        },
        idem=f"watch-interrupted:{lost.worker_id}:{utc_text(lost.last_beat)}",
    )


def _pulse(file: str) -> Callable[[], None]:
    """Touches the file, so that whoever supervises this process sees it live without asking the database."""
    if not file:
        return lambda: None

    def touch() -> None:
        try:
            Path(file).write_text(str(time.time_ns()), encoding="ascii")
        except OSError as full:
            _log.warning("pulse not written", extra={"reason": type(full).__name__})

    return touch


def _copy_registry(room: ControlRoom) -> None:
    state = room.inventory.sync()
    if state.error:
        raise RegistryUnavailableError(state.error)
    room.evaluation.refresh()


def _anchor(room: ControlRoom) -> None:
    """A log that is shorter than its anchors is reported, never anchored again."""
    room.ledger.require_trustworthy()
    room.ledger.anchor()


def _verify(room: ControlRoom) -> None:
    """The whole ledger at start and every hour: an entry edited in place shows in its bytes alone."""
    result = room.audit.verify()
    if not result.intact:
        first = next(item.sentence for item in result.findings if item.severity == "integrity")
        raise BrokenChainError(
            f"The ledger is not intact. {first}", hint="Open Audit, press Verify, and compare with an audit pack."
        )


def _callers_traffic(room: ControlRoom) -> Callable[[], object]:
    """What an endpoint of ours answered becomes facts that screens are drawn from; nothing where none is connected."""
    settings = room.settings
    journal = settings.journal_folder
    if journal is None:
        return lambda: None
    keepers: list[Callable[[datetime], int]] = []

    def tick() -> int:
        if not keepers:
            from services.adapters.local.log_keeping import LogKeeper
            from services.adapters.local.serving import LocalServing

            endpoint = LocalServing(settings.endpoint_url, token_file=settings.keys_folder / "gateway.token")
            keeper = LogKeeper(endpoint, journal=journal, inference=settings.inference_folder)
            keepers.append(keeper.tick)
        return keepers[0](room.clock.now())

    return tick


def _live_traffic(room: ControlRoom) -> Callable[[], object]:
    """The replay of the embedded workspace; elsewhere what callers sent. Built at first use: it loads data."""
    settings = room.settings
    if settings.profile is not Profile.EMBEDDED:
        return _callers_traffic(room)
    replay: list[Callable[[datetime], int]] = []

    def tick() -> int:
        if not replay:
            from services.adapters.local.replay import LiveReplay
            from services.container import prepared_at

            end_of_history = prepared_at(settings)
            if end_of_history is None:
                return 0
            live = LiveReplay(
                url=settings.endpoint_url,
                token_file=settings.keys_folder / "gateway.token",
                journal=settings.serving_folder / "journal",
                inference=settings.inference_folder,
                state_file=settings.run_folder / "live-replay.json",
                prepared_at=end_of_history,
            )
            replay.append(live.tick)
        return replay[0](room.clock.now())

    return tick
