"""Packs being built in the background of this process: whoever leaves the page finds them again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from services.audit.pack.models import PackInfo, PackJob, PackScope, PackState
from services.kernel.errors import ControlRoomError
from services.kernel.ids import new_id

Work = Callable[[Callable[[str, float], None]], PackInfo]
_KEPT = 20
_log = logging.getLogger("countersign.packs")


class Jobs:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._jobs: dict[str, tuple[str, PackJob]] = {}

    def start(self, scope: PackScope, *, owner: str, at: datetime, work: Work) -> PackJob:
        with self._lock:
            for whose, job in self._jobs.values():
                if whose == owner and job.scope == scope and job.state is PackState.RUNNING:
                    return job
            job = PackJob(
                job_id=new_id("job", at), scope=scope, state=PackState.RUNNING, step="Waiting", share=0.0, started_at=at
            )
            self._jobs[job.job_id] = (owner, job)
            finished = [key for key, (_, known) in self._jobs.items() if known.state is not PackState.RUNNING]
            for key in finished[: max(0, len(self._jobs) - _KEPT)]:
                del self._jobs[key]
        threading.Thread(target=self._run, args=(job.job_id, work), name=job.job_id, daemon=True).start()
        return job

    def of(self, owner: str) -> tuple[PackJob, ...]:
        with self._lock:
            return tuple(job for whose, job in reversed(self._jobs.values()) if whose == owner)

    def _run(self, job_id: str, work: Work) -> None:
        try:
            # One after the other: a pack reads the whole log, and the screens read the same database.
            with self._turn:
                info = work(lambda step, share: self._change(job_id, step=step, share=share))
        except ControlRoomError as known:
            self._change(job_id, state=PackState.FAILED, step=str(known))
        except Exception:  # noqa: BLE001 - a thread has nobody above it to tell; the reason is logged and shown
            _log.exception("an audit pack could not be built", extra={"job": job_id})
            words = "The pack could not be built; details are in the log of the app. Nothing was kept."
            self._change(job_id, state=PackState.FAILED, step=words)
        else:
            self._change(job_id, state=PackState.DONE, step="Done", share=1.0, info=info)

    def _change(self, job_id: str, **changes: object) -> None:
        with self._lock:
            if job_id in self._jobs:
                owner, job = self._jobs[job_id]
                self._jobs[job_id] = (owner, replace(job, **changes))  # type: ignore[arg-type]
