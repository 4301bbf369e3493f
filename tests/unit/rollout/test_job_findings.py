"""What stands against deployment jobs: told once, ended once, also by a worker that is killed between two writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.kernel.clock import FrozenClock
from services.rollout.job_findings import JobFindingKind, JobFindings, Sighting

NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)


class Killed(BaseException):
    pass


@dataclass
class Book:
    """Facts and entries; dies at the write that a test names, before it is done."""

    facts: dict[str, str] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: int = 0
    dies_at: int = 0

    def fact(self, name: str) -> str | None:
        return self.facts.get(name)

    def set_fact(self, name: str, value: str, *, at: datetime) -> None:
        self._write()
        self.facts[name] = value

    def record_event(self, *, idem: str | None = None, **entry: Any) -> Any:
        assert idem is not None
        self._write()
        self.entries.setdefault(idem, entry)

    def _write(self) -> None:
        self.writes += 1
        if self.writes == self.dies_at:
            raise Killed

    @property
    def events(self) -> list[str]:
        return [str(entry["event"]).removeprefix("deployment-job-") for entry in self.entries.values()]


SEEN = Sighting(
    key="tag:1",
    kind=JobFindingKind.UNSIGNED,
    model="main.claims.score",
    version="2",
    task="Approval_Check",
    sentence="Somebody approved version 2.",
    detail={"job": "55", "run": "", "settings": ""},
)


def look(findings: JobFindings, *seen: Sighting) -> None:
    for sighting in seen:
        findings.see(sighting)
    findings.end(but={sighting.key for sighting in seen}, unclear=set())


@pytest.mark.parametrize("dies_at", range(1, 7))
def test_a_worker_killed_at_any_write_tells_beginning_and_end_once(dies_at: int) -> None:
    book = Book(dies_at=dies_at)
    findings = JobFindings(memory=book, ledger=book, clock=FrozenClock(NOON))

    for seen in ((SEEN,), (SEEN,), ()):
        try:
            look(findings, *seen)
        except Killed:
            look(findings, *seen)

    assert book.events == ["unsigned", "over"]
    assert findings.standing() == ()


def test_the_same_matter_seen_again_later_begins_anew() -> None:
    book, clock = Book(), FrozenClock(NOON)
    findings = JobFindings(memory=book, ledger=book, clock=clock)
    look(findings, SEEN)
    look(findings)
    clock.set(NOON + timedelta(hours=1))

    look(findings, SEEN)

    assert book.events == ["unsigned", "over", "unsigned"]
    assert [item.since for item in findings.standing("main.claims.score")] == [NOON + timedelta(hours=1)]
    assert findings.standing("main.claims.other") == ()


def test_what_could_not_be_looked_at_stays() -> None:
    book = Book()
    findings = JobFindings(memory=book, ledger=book, clock=FrozenClock(NOON))
    look(findings, SEEN)

    assert findings.end(but=set(), unclear={("main.claims.score", "2")}) == 0
    assert findings.end(but=set(), unclear={("main.claims.score", "3")}) == 1


def test_the_entry_says_version_task_and_when_it_began() -> None:
    book = Book()
    findings = JobFindings(memory=book, ledger=book, clock=FrozenClock(NOON))
    look(findings, SEEN)
    look(findings)
    began, over = book.entries.values()
    assert began["detail"] == {
        "job": "55", "run": "", "settings": "", "version": "2", "task": "Approval_Check",
        "sentence": "Somebody approved version 2.",
    }  # fmt: skip
    assert (over["detail"]["since"], over["detail"]["kind"]) == ("2031-03-31T12:00:00Z", "unsigned")
