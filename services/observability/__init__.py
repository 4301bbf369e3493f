"""What a monitoring system sees of a running app or worker: figures over HTTP, log lines on standard error.

Figures are in the text format of Prometheus, on localhost unless a setting says otherwise, and off until a port is
named. What is not known is left out: a gauge that is absent cannot be mistaken for zero, and `countersign_up` says why.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from prometheus_client import CollectorRegistry, start_http_server

from services.adapters.signing.anchors import Anchors
from services.adapters.sql.database import Database
from services.kernel import logs
from services.kernel.clock import Clock
from services.kernel.errors import ConflictError
from services.observability.collector import GovernanceCollector, LeadCollector
from services.observability.durations import DURATIONS
from services.settings import Settings, mask_of

__all__ = ["DURATIONS", "serve", "write_logs"]

_SERVED: dict[int, Callable[[], None]] = {}


def write_logs(settings: Settings, *, everything: bool) -> None:
    """`everything`: also the lines of libraries, where no framework writes them."""
    logs.configure(as_json=settings.log_format == "json", mask=mask_of(settings, os.environ), everything=everything)


def serve(
    settings: Settings, database: Database, clock: Clock, *, port: int, setting: str, leads: Callable[[], bool] | None
) -> Callable[[], None]:
    """Answers from now on; call what is returned to end it. Raises ConflictError where the port is taken.

    `leads`: whether this process is the worker that acts; None for an app.
    """
    registry = CollectorRegistry()  # of its own: nothing that libraries of this process register is shown by accident
    registry.register(GovernanceCollector(database, Anchors(settings.anchors_folder), clock))
    registry.register(DURATIONS)
    if leads is not None:
        registry.register(LeadCollector(leads))
    address = settings.metrics_address
    earlier = _SERVED.pop(port, None)
    if earlier is not None:
        earlier()  # the app was opened anew in this process, with a database of its own
    try:
        server, thread = start_http_server(port, addr=address, registry=registry)
    except OSError as taken:
        raise ConflictError(
            f"The metrics cannot be served on {address} port {port} ({taken.strerror or type(taken).__name__}).",
            hint=f"Choose another {setting}, or stop what listens there.",
        ) from taken

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)

    _SERVED[port] = stop
    return stop
