"""Traffic of the test panel: held-out rows as live requests, counted by what came back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from services.adapters.local.estate.placed import FEATURES
from services.adapters.local.gateway.client import Scored
from services.kernel.clock import FrozenClock
from services.kernel.errors import InputError, ServingUnavailableError
from services.workspace.panel_traffic import TrafficSent, require_sane, send, spread

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
MODEL = "delay_claim_score"


class ACaller:
    """Answers like an endpoint whose version 2 fails on every third request and is away on every fifth."""

    def __init__(self) -> None:
        self.asked: list[tuple[pd.DataFrame, pd.Series, datetime, str]] = []

    async def score(
        self, _model: str, rows: pd.DataFrame, entities: pd.Series, *, at: datetime, request_id: str
    ) -> Scored:
        self.asked.append((rows, entities, at, request_id))
        n = len(self.asked)
        if n % 5 == 0:
            raise ServingUnavailableError("gone")
        status = 503 if n % 3 == 0 else 200
        return Scored(status=status, version="2" if n % 3 == 0 else "1", rows=1, seconds=0.01, error="")


def sent(caller: Any, n: int, progress: list[tuple[int, int]] | None = None, *, rows_each: int = 1) -> TrafficSent:
    rows = pd.DataFrame({name: range(n) for name in FEATURES[MODEL]}).assign(entity=[f"N{k}" for k in range(n)])
    seen = progress if progress is not None else []
    return asyncio.run(
        send(
            caller,
            MODEL,
            rows,
            per_second=1000,
            clock=FrozenClock(NOON),
            progress=lambda done, of: seen.append((done, of)),
            rows_each=rows_each,
        )
    )


def test_every_row_is_one_request_with_an_id_of_its_own_at_the_time_of_the_clock() -> None:
    caller = ACaller()

    sent(caller, 8)

    assert len({request for *_, request in caller.asked}) == 8
    assert {at for _, _, at, _ in caller.asked} == {NOON}
    for rows, entities, _, request in caller.asked:
        assert list(rows.columns) == list(FEATURES[MODEL])
        assert list(rows.index) == [request]
        assert len(entities) == 1


def test_rows_of_one_request_keep_names_of_their_own() -> None:
    caller = ACaller()

    found = sent(caller, 7, rows_each=3)

    assert found.asked == 3
    asked = sorted(caller.asked, key=lambda item: item[1].iloc[0])
    assert [list(entities) for _, entities, _, _ in asked] == [["N0", "N1", "N2"], ["N3", "N4", "N5"], ["N6"]]
    names = [name for rows, *_ in asked for name in rows.index]
    assert len(set(names)) == 7
    assert all(str(name).startswith(request) for rows, _, _, request in asked for name in rows.index)


def test_what_came_back_is_counted_apart() -> None:
    found = sent(ACaller(), 15)

    assert (found.asked, found.answered, found.failed, found.unanswered) == (15, 8, 4, 3)
    assert dict(found.by_version) == {"1": 8, "2": 4}
    assert found.sentence == (
        "15 requests sent, 8 answered well, 4 failed, 3 without an answer (version 1: 8, version 2: 4)"
    )


@pytest.mark.parametrize("size", [1, 2, 10, 997, 1000])
def test_rows_come_from_everywhere_and_none_twice_in_a_round(size: int) -> None:
    assert sorted(spread(size, size)) == list(range(size))

    few = spread(50, 1000)

    assert sum(place < 500 for place in few) == pytest.approx(25, abs=2)


def test_progress_reaches_the_end() -> None:
    progress: list[tuple[int, int]] = []

    sent(ACaller(), 6, progress)

    assert progress == [(done, 6) for done in range(1, 7)]


@pytest.mark.parametrize(
    ("requests", "per_second"), [(0, 10), (10, 0), (10, 101), (100_000, 100), (1000, 1)],
    ids=["nothing", "no pace", "a flood", "too many", "too long"],
)  # fmt: skip
def test_absurd_traffic_is_refused(requests: int, per_second: float) -> None:
    with pytest.raises(InputError):
        require_sane(requests, per_second)


@pytest.mark.parametrize("rows_each", [0, 101])
def test_requests_without_rows_or_with_a_table_of_them_are_refused(rows_each: int) -> None:
    with pytest.raises(InputError):
        require_sane(10, 10, rows_each)
