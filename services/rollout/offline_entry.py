"""While the database is there: keeps the targets for the time without it, and enters what was done in that time.

Each line of the journal becomes exactly one event, named by the digest of the line. A line that cannot be read, or
does not follow the one before, is an event of its own. Traffic is not touched: the comparison shows it as unsigned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from services.attestation.canonical import sha256_hex
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock, utc_text
from services.ledger import events
from services.rollout import intents, plan
from services.rollout.guards import raise_epoch
from services.rollout.models import ActionKind, DeploymentView, RollbackTarget
from services.rollout.offline_models import Line, LineState, OfflineTargets, TargetsFile, read_line
from services.rollout.ports import RolloutUnit, RolloutUnits

ENTERED = "offline-rollback"
BEGUN = "offline-rollback-begun"
BROKEN = "offline-journal-broken"
_BACKWARD = {ActionKind.ROLLBACK, ActionKind.ABORT}


class TargetsKeeper(Protocol):
    def write(self, file: TargetsFile) -> None:
        """Replaces the file as a whole. Raises StorageUnavailableError, TrustError without the machine's key."""
        ...


class JournalReader(Protocol):
    def lines(self) -> tuple[bytes, ...]:
        """Complete lines in order, without line breaks; nothing when none was ever written.

        Raises StorageUnavailableError.
        """
        ...


class Offline:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        desk: SigningDesk,
        keeper: TargetsKeeper,
        journal: JournalReader,
        deployments: Callable[[], tuple[DeploymentView, ...]],
        targets_of: Callable[[str], tuple[RollbackTarget, ...]],
        on_call: Callable[[str], str],
        clock: Clock,
    ) -> None:
        self._units = units
        self._desk = desk
        self._keeper = keeper
        self._journal = journal
        self._deployments = deployments
        self._targets_of = targets_of
        self._on_call = on_call
        self._clock = clock
        self._entered: tuple[bytes, ...] = ()

    def keep_targets(self) -> int:
        """Writes what a rollback would be offered now; the number of models."""
        rows = tuple(
            OfflineTargets(
                model=row.model,
                deployment=row.deployment,
                kind=row.kind,
                served=row.desired,
                versions=tuple(item.version for item in self._targets_of(row.model) if item.eligible),
                on_call=self._on_call(row.model),
            )
            for row in self._deployments()
            if row.desired
        )
        self._keeper.write(TargetsFile(written_at=self._clock.now(), models=rows))
        return len(rows)

    def enter(self) -> int:
        """Enters what is not in the ledger yet; the number of new entries. Cheap while the journal does not grow."""
        lines = self._journal.lines()
        if lines == self._entered:
            return 0
        previous, made = "", 0
        for number, data in enumerate(lines, start=1):
            digest = sha256_hex(data)
            line = read_line(data)
            problem = _problem(number, line, previous)
            if problem:
                made += self._enter_problem(number, data, previous, problem)
            if line is not None:
                made += self._enter_line(line, digest, problem)
            previous = digest
        self._entered = lines
        return made

    def _enter_line(self, line: Line, digest: str, problem: str) -> bool:
        detail = {
            "sentence": _sentence(line),
            "line": digest,
            "previous": line.previous,
            "state": line.state.value,
            "operation": line.op,
            "version": line.version,
            "done_at": utc_text(line.at),
            "account": line.account,
            "name": line.name,
            "reason": line.reason,
            "before": plan.words(line.before),
            "after": plan.words(line.after),
            "generation": str(line.generation),
            "targets_written_at": utc_text(line.targets_written_at),
            "database": line.why_away,
            "outcome": line.detail,
            "signed_by": "nobody",
            "chain": problem or "follows the line before",
        }
        event = BEGUN if line.state is LineState.BEGUN else ENTERED
        with self._units.write() as unit:
            idem = f"{ENTERED}:{digest}"
            if unit.ledger.find(idem) is not None:
                return False
            self._stop_what_moves_forward(unit, line)
            self._append(unit, event, line.model, detail, idem)
        return True

    def _enter_problem(self, number: int, data: bytes, previous: str, problem: str) -> bool:
        digest = sha256_hex(data)
        idem = f"{BROKEN}:{number}:{previous}:{digest}"
        detail = {"sentence": problem, "number": str(number), "line": digest, "expected_previous": previous}
        with self._units.write() as unit:
            if unit.ledger.find(idem) is not None:
                return False
            self._append(unit, BROKEN, "", detail, idem)
        return True

    def _append(self, unit: RolloutUnit, event: str, model: str, detail: dict[str, str], idem: str) -> None:
        payload = events.payload(
            event, actor=None, model=model, detail=detail, at=self._clock.now(), head=unit.ledger.head()
        )
        unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)

    def _stop_what_moves_forward(self, unit: RolloutUnit, line: Line) -> None:
        """An order that waited through the outage would undo the rollback; it is ended, as by a signed rollback."""
        at = self._clock.now()
        for action in unit.rollouts.open_actions(line.model):
            if action.kind not in _BACKWARD and action.created_at <= line.at:
                intents.supersede(unit, self._desk, action, why=f"offline rollback {line.op}", at=at)
        raise_epoch(unit.rollouts, line.model, at=at)


def _problem(number: int, line: Line | None, previous: str) -> str:
    if line is None:
        return (
            f"Line {number} of the journal of offline rollbacks cannot be read: what was done then is not known "
            "from it. Compare traffic in Rollouts."
        )
    if line.previous != previous:
        return (
            f"Line {number} of the journal of offline rollbacks does not follow the line before it: lines were "
            "changed, removed or put in between. Compare traffic in Rollouts."
        )
    return ""


def _sentence(line: Line) -> str:
    who = f"{line.name} (account {line.account})"
    when = f"At {utc_text(line.at)}, without the database,"
    unsigned = f"Nobody's signature stands behind it. Reason given: {line.reason}"
    if line.state is LineState.BEGUN:
        return f"{when} {who} ordered traffic of {line.model} back to version {line.version}. {unsigned}"
    if line.state is LineState.DONE:
        return (
            f"{when} {who} sent traffic of {line.model} back: {plan.words(line.before)} before, "
            f"{plan.words(line.after)} after (generation {line.generation}). {unsigned}"
        )
    how = "was refused" if line.state is LineState.FAILED else "was sent and could not be read back"
    return (
        f"{when} the order of {who} to send traffic of {line.model} back to version {line.version} {how}: "
        f"{line.detail} {unsigned}"
    )
