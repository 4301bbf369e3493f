"""Questions to a SQL warehouse: named parameters, every row as text by column, all chunks of an answer.

The answer is asked for inline, so cells are text; whoever reads them casts. A question takes at most a minute.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.kernel.errors import TelemetryUnavailableError

Row = Mapping[str, str | None]
_WAIT = "30s"
_LONGEST_SECONDS = 60.0
_POLL_SECONDS = 1.0
_OPEN = {"PENDING", "RUNNING"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Warehouse:
    """`client` gives a `databricks.sdk.WorkspaceClient`, or anything with its `statement_execution`."""

    client: Callable[[], Any]
    warehouse_id: str

    def rows(self, sql: str, **named: str) -> tuple[Row, ...]:
        """Raises TelemetryUnavailableError when the warehouse does not answer, refuses, or takes too long."""
        try:
            return tuple(self._rows(sql, named))
        except TelemetryUnavailableError:
            raise
        except Exception as fault:  # the client raises what its transport raises
            raise TelemetryUnavailableError(
                f"The SQL warehouse {self.warehouse_id} did not answer ({type(fault).__name__}).",
                hint="Check that it runs and that this app may use it.",
            ) from fault

    def _rows(self, sql: str, named: Mapping[str, str]) -> Iterator[Row]:
        from databricks.sdk.service.sql import StatementParameterListItem

        api = self.client().statement_execution
        parameters = [StatementParameterListItem(name=name, value=value) for name, value in named.items()]
        answer = api.execute_statement(sql, self.warehouse_id, parameters=parameters, wait_timeout=_WAIT)
        deadline = time.monotonic() + _LONGEST_SECONDS
        while _state(answer) in _OPEN:
            if time.monotonic() > deadline:
                api.cancel_execution(answer.statement_id)
                raise TelemetryUnavailableError(
                    f"The SQL warehouse {self.warehouse_id} took longer than {_LONGEST_SECONDS:.0f} seconds.",
                    hint="A larger warehouse, or one that is already running, answers sooner.",
                )
            time.sleep(_POLL_SECONDS)
            answer = api.get_statement(answer.statement_id)
        if _state(answer) != "SUCCEEDED":
            said = answer.status.error.message if answer.status and answer.status.error else _state(answer)
            raise TelemetryUnavailableError(
                f"The SQL warehouse {self.warehouse_id} refused a question: {str(said)[:200]}",
                hint="Grant this app USE SCHEMA and SELECT on system.access and system.information_schema.",
            )
        names = [column.name for column in answer.manifest.schema.columns or ()]
        part = answer.result
        while part is not None:
            for cells in part.data_array or ():
                yield dict(zip(names, cells, strict=True))
            following = part.next_chunk_index
            part = None if following is None else api.get_statement_result_chunk_n(answer.statement_id, following)


@functools.cache
def workspace() -> Any:
    """The workspace that the environment names, looked for when it is first asked."""
    from databricks.sdk import WorkspaceClient

    return WorkspaceClient()


def _state(answer: Any) -> str:
    return answer.status.state.value if answer.status and answer.status.state else ""
