"""How old the copy of the registry is: of everything, and of one model. Grey or amber, never green."""

from __future__ import annotations

from datetime import datetime

from pages.components import notices, reads, session
from pages.components.format import age, count, md, plural
from services.inventory.copying import CopyState, ModelCopy
from services.inventory.models import SyncState
from services.inventory.sweeping import Coverage
from services.kernel.errors import ControlRoomError


def fleet() -> None:
    """The lines under the head of the inventory."""
    found = reads.copy()
    if found is None:
        notices.remark("How old the copy of the registry is cannot be read just now.", "help")
        return
    for amber, icon, words in lines(*found, session.now()):
        if amber:
            notices.amber(words, icon)
        else:
            notices.remark(words, icon)


def lines(sync: SyncState, coverage: Coverage | None, now: datetime) -> list[tuple[bool, str, str]]:
    """(amber, icon, Markdown) for each thing there is to say."""
    found = [_whole(sync, coverage, now)]
    if sync.error:
        tried = age(sync.last_attempt, now)
        found.append((True, "cloud_off", f"The last try to read the registry failed {tried}: {md(sync.error)}"))
    if coverage is None:
        return found
    if coverage.never_read:
        share = f"{count(coverage.never_read)} of {plural(coverage.models, 'model')}"
        words = f"Waiting to be read for the first time: {share}; what the registry says about them is not known here."
        found.append((True, "hourglass_top", words))
    if coverage.failing and not sync.error:  # the error names them already
        found.append((True, "sync_problem", f"Not readable at the last try: {_named(coverage)}; shown as read before."))
    if coverage.due:
        found.append((False, "schedule", f"Due to be read again: {plural(coverage.due, 'model')}."))
    return found


def _named(coverage: Coverage) -> str:
    more = coverage.failing - len(coverage.named)
    return md(", ".join(coverage.named)) + (f" and {count(more)} more" if more > 0 else "")


def _whole(sync: SyncState, coverage: Coverage | None, now: datetime) -> tuple[bool, str, str]:
    if sync.last_success is None:
        here = f" {count(coverage.read)} of {plural(coverage.models, 'model')} are here." if coverage else ""
        return True, "help", f"The registry was never copied completely.{here}"
    oldest = ""
    if coverage is not None and coverage.oldest_reading is not None:
        oldest = f"; the model not read for longest was read {age(coverage.oldest_reading, now)}"
    return False, "database", f"The copy of the registry was complete {age(sync.last_success, now)}{oldest}."


def of_model(name: str) -> str:
    """One model, as Markdown for a line of facts."""
    try:
        return words(session.control_room().inventory.copied(name), session.now())
    except ControlRoomError:
        return ":gray[:material/help: age of its registry facts not known]"


def words(copy: ModelCopy, now: datetime) -> str:
    why = f" ({md(copy.error)})" if copy.error else ""
    last = age(copy.read_at, now)
    return {
        CopyState.READ: f":gray[:material/database: registry read {last}]",
        CopyState.LATE: f":orange[:material/schedule: registry last read {last}; what changed since is not known]",
        CopyState.FAILED: f":orange[:material/sync_problem: not readable at the last try{why}; registry read {last}]",
        CopyState.NEVER: f":orange[:material/hourglass_top: never read from the registry{why}]",
        CopyState.ABSENT: f":orange[:material/help: not in the copy of the registry{why}]",
        CopyState.SUPPLIED: ":gray[:material/storefront: in no registry of ours]",
    }[copy.state]
