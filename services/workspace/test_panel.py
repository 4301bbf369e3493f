"""Switches for testers of the embedded demonstration: harm done from outside, the clock moved forward, a slow version.

They exist only in the embedded profile with COUNTERSIGN_TEST_PANEL=1; every action asks for both again, needs a person
who is active, and is recorded in the ledger where the harm itself does not forbid it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from services.adapters.local.gateway.client import Caller
from services.adapters.local.processes import ROOT, child_environment
from services.adapters.local.serving import LocalServing
from services.inventory.models import DeploymentKind
from services.kernel.clock import OffsetClock
from services.kernel.errors import InputError, PanelOffError, RegistryUnavailableError, ServingUnavailableError
from services.kernel.identity import Actor, Permission
from services.workspace.panel_traffic import CONNECTIONS, Progress, TrafficSent, held_out_rows, require_sane, send
from services.workspace.tampering import LedgerTampering, Tampered, remove_tag, restore_tag

if TYPE_CHECKING:
    import pandas as pd

    from services.container import ControlRoom

LONGEST_STEP = timedelta(days=35)
FARTHEST = timedelta(days=400)
_ALIAS_SECONDS = 90
_LABEL = "test-panel"


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelState:
    offset: timedelta
    tampered: Tampered | None
    tag_removed: bool
    entries: int


class TestPanel:
    __test__ = False

    def __init__(self, room: ControlRoom) -> None:
        """Raises PanelOffError where the switches do not exist."""
        self._room = room
        self._require_on()
        settings = room.settings
        self._clock_file = settings.clock_file
        self._tag_file = settings.run_folder / "removed-tag.json"
        self._serving = LocalServing(settings.endpoint_url, token_file=settings.keys_folder / "gateway.token")

    def state(self) -> PanelState:
        return PanelState(
            offset=OffsetClock(self._clock_file).offset(),
            tampered=self._tampering().state() if self._on_sqlite() else None,
            tag_removed=self._tag_file.exists(),
            entries=self._room.ledger.head().size,
        )

    # the ledger

    def tamper(self, seq: int, *, actor: Actor) -> Tampered:
        """Changes one field of one entry without signing it again. The attempt itself is recorded first."""
        self._require(actor)
        self._say(actor, f"changes entry {seq} of the ledger outside Countersign, to show that verification finds it")
        return self._tampering().change(seq)

    def undo_tamper(self, *, actor: Actor) -> int:
        self._require(actor)
        seq = self._tampering().undo()
        self._say(actor, f"put the bytes of entry {seq} of the ledger back as they were")
        return seq

    # the registry and facts

    def move_alias(self, model: str, version: str, *, actor: Actor) -> None:
        """Points the champion alias elsewhere, past Countersign. Raises RegistryUnavailableError."""
        self._require(actor)
        if version not in {item.version for item in self._room.inventory.versions(model)}:
            raise InputError(f"{model} has no version {version}.", hint="Choose one that is registered.")
        self._say(actor, f"moves the champion alias of {model} to version {version} outside Countersign", model)
        command = [sys.executable, "-m", "services.workspace.outside", "alias", model, "champion", version]
        environment = child_environment(COUNTERSIGN_HOME=str(self._room.settings.home.resolve()))
        try:
            subprocess.run(  # noqa: S603 - our own module; a model's name is one argument, not part of a command line
                command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=_ALIAS_SECONDS
            )
        except (subprocess.SubprocessError, OSError) as failed:
            raise RegistryUnavailableError(
                "The alias was not moved.", hint="Look whether MLflow's store answers."
            ) from (failed)

    def remove_tag(self, model: str, column: str, *, actor: Actor) -> None:
        """Takes the tag of a sensitive column away in the database, so that evidence changes under open signatures."""
        self._require(actor)
        self._say(actor, f"takes the tag of {column} of {model} away outside Countersign", model)
        remove_tag(self._sqlite_file(), self._tag_file, model=model, column=column)

    def restore_tag(self, *, actor: Actor) -> None:
        self._require(actor)
        model, column = restore_tag(self._sqlite_file(), self._tag_file)
        self._say(actor, f"put the tag of {column} of {model} back", model)

    # the clock

    def move_clock(self, by: timedelta, *, actor: Actor) -> timedelta:
        """The new offset of all processes. Only forward: a clock that goes back would sign times that are over."""
        self._require(actor)
        if not timedelta(minutes=1) <= by <= LONGEST_STEP:
            raise InputError(
                "The clock moves forward by a minute to 35 days at a time.", hint="Choose a step in between."
            )
        offset = OffsetClock(self._clock_file).offset() + by
        if offset > FARTHEST:
            raise InputError("The clock is too far ahead already.", hint="Set it back to the real time first.")
        self._say(actor, f"moves the demonstration's clock forward by {_words(by)}")
        self._write_offset(offset)
        return offset

    def reset_clock(self, *, actor: Actor) -> None:
        """Back to the real time. What was recorded meanwhile keeps its later times, and verification may say so."""
        self._require(actor)
        self._say(actor, "sets the demonstration's clock back to the real time")
        self._write_offset(timedelta())

    # the endpoint

    def inject_fault(self, model: str, version: str, *, latency_ms: float, error_rate: float, actor: Actor) -> None:
        """Slows a version down or makes it fail. Raises ServingUnavailableError."""
        self._require(actor)
        if not 0 <= latency_ms <= 10_000 or not 0 <= error_rate <= 1:
            raise InputError("A delay is 0 to 10,000 ms, a share of errors 0 to 1.", hint="Choose other values.")
        self._say(
            actor,
            f"lets version {version} of {model} answer {latency_ms:.0f} ms later with {error_rate:.0%} errors",
            model,
        )
        self._serving.inject_fault(model, version, label=_LABEL, latency_ms=latency_ms, error_rate=error_rate)

    def send_traffic(
        self,
        model: str,
        *,
        requests: int,
        per_second: float,
        actor: Actor,
        rows_each: int = 1,
        progress: Progress = lambda _done, _of: None,
    ) -> TrafficSent:
        """Sends held-out rows through the endpoint as live requests: answered, logged and judged like any caller's.

        `rows_each` rows go in one request and are answered by one version.
        Raises ServingUnavailableError, InputError for a model that callers cannot ask.
        """
        self._require(actor)
        require_sane(requests, per_second, rows_each)
        if self._room.inventory.model(model).kind is not DeploymentKind.REALTIME:
            raise InputError(f"{model} is scored by its job, not by calls.", hint="Choose a real-time model.")
        rows = held_out_rows(model, self._prepared(), requests * rows_each)
        self._say(actor, f"sends {requests:,} requests to {model}, {per_second:g} a second", model)
        sent = asyncio.run(self._send(model, rows, per_second, progress, rows_each))
        if sent.unanswered == sent.asked:
            raise ServingUnavailableError("The local endpoint answered none of them.", hint="Start it with `make run`.")
        return sent

    async def _send(
        self, model: str, rows: pd.DataFrame, per_second: float, progress: Progress, rows_each: int
    ) -> TrafficSent:
        settings = self._room.settings
        token = settings.keys_folder / "gateway.token"
        async with Caller(settings.endpoint_url, token_file=token, connections=CONNECTIONS) as caller:
            return await send(
                caller,
                model,
                rows,
                per_second=per_second,
                clock=self._room.clock,
                progress=progress,
                rows_each=rows_each,
            )

    def _prepared(self) -> datetime:
        from services.container import prepared_at

        found = prepared_at(self._room.settings)
        if found is None:
            raise InputError("The demonstration is not prepared yet.", hint="Run `make run` once.")
        return found

    def inject_and_send(
        self,
        model: str,
        version: str,
        *,
        latency_ms: float,
        error_rate: float,
        requests: int,
        per_second: float,
        actor: Actor,
        progress: Progress = lambda _done, _of: None,
    ) -> TrafficSent:
        """A breach with the traffic that shows it. The fault stays until it is ended."""
        require_sane(requests, per_second)
        self.inject_fault(model, version, latency_ms=latency_ms, error_rate=error_rate, actor=actor)
        return self.send_traffic(model, requests=requests, per_second=per_second, actor=actor, progress=progress)

    def clear_fault(self, model: str, version: str, *, actor: Actor) -> None:
        self._require(actor)
        self._serving.clear_fault(model, version)
        self._say(actor, f"ended the injected fault of version {version} of {model}", model)

    def _require_on(self) -> None:
        if not self._room.settings.has_test_panel:
            raise PanelOffError(
                "The test panel is switched off here.",
                hint="It exists in the embedded demonstration only, started with COUNTERSIGN_TEST_PANEL=1.",
            )

    def _require(self, actor: Actor) -> None:
        self._require_on()
        self._room.people.require(actor, Permission.VIEW)

    def _say(self, actor: Actor, what: str, model: str = "") -> None:
        self._room.ledger.record_event(
            event="test-panel", actor=actor, model=model, detail={"sentence": f"Test panel: {actor.name} {what}."}
        )

    def _write_offset(self, offset: timedelta) -> None:
        self._clock_file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._clock_file.with_suffix(".draft")
        draft.write_text(str(int(offset.total_seconds())), encoding="ascii")
        draft.replace(self._clock_file)

    def _on_sqlite(self) -> bool:
        return self._room.database.dialect == "sqlite"

    def _sqlite_file(self) -> Path:
        if not self._on_sqlite():
            raise InputError("This switch knows SQLite only.", hint="Use a workspace without COUNTERSIGN_DATABASE_URL.")
        return Path(self._room.database.url.database or "")

    def _tampering(self) -> LedgerTampering:
        return LedgerTampering(self._sqlite_file(), self._room.settings.run_folder / "tampered-row.json")


def _words(by: timedelta) -> str:
    hours = by.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"
