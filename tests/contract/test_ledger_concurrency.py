"""Several processes append at once, and some are killed: no gap, no fork, no acknowledged entry lost."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.adapters.sql.ledger import SqlLedgerReader
from tests.contract.deployment import FOUNDED, Deployment

ROOT = Path(__file__).resolve().parents[2]


def _start(deployment: Deployment, url: str, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.appender", url, str(deployment.home), name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _acknowledged(outputs: list[str]) -> set[tuple[int, str]]:
    lines = [line.split() for output in outputs for line in output.splitlines()]
    return {(int(parts[0]), parts[1]) for parts in lines if len(parts) == 3}


@pytest.mark.slow
def test_eight_processes_append_without_gap_or_fork(deployment: Deployment, database_url: str) -> None:
    """Row 37, in the size that fits a test run; `make bench` does it with 8 x 2,000."""
    running = [_start(deployment, database_url, f"p{number}", 250) for number in range(8)]

    outputs = [process.communicate(timeout=600) for process in running]

    assert [error for _, error in outputs if error] == []
    acknowledged = _acknowledged([output for output, _ in outputs])
    assert {seq for seq, _ in acknowledged} == set(range(FOUNDED, FOUNDED + 2000))
    assert deployment.audit.verify().intact


def test_killed_writers_lose_nothing_that_was_acknowledged(deployment: Deployment, database_url: str) -> None:
    running = [_start(deployment, database_url, f"k{number}", 5000) for number in range(3)]
    heard = ["".join(process.stdout.readline() for _ in range(3)) for process in running if process.stdout]
    time.sleep(0.5)
    for process in running:
        process.kill()
    outputs = [start + process.communicate(timeout=60)[0] for start, process in zip(heard, running, strict=True)]

    stored = {(entry.seq, entry.leaf_hash) for entry in SqlLedgerReader(deployment.database).entries()}
    acknowledged = _acknowledged(outputs)

    assert acknowledged
    assert acknowledged <= stored
    assert deployment.audit.verify().intact
    assert deployment.event().seq == len(stored)
    # A command repeated after the crash returns the entry that was committed but never acknowledged.
    done = max(int(line.split()[2]) for line in outputs[0].splitlines() if len(line.split()) == 3)
    again = deployment.ledger.record_event(event="load", actor=None, detail={"by": "k0"}, idem=f"k0:{done}")
    assert again.repeated
