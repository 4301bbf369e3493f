"""MLflow is loaded as a whole, by one thread, before anybody takes a part of it.

Its modules import each other in circles. Two threads that begin at different ones find halves of modules, or wait for
each other; so whoever imports something of MLflow where it is used calls `load_mlflow` first.
"""

from __future__ import annotations

import os
import threading

_loading = threading.Lock()


def load_mlflow() -> None:
    """Half a second or two in the first call of a process, nothing in every other one."""
    with _loading:
        quiet_environment()
        import mlflow  # noqa: F401


def quiet_environment() -> None:
    """Settings every process that uses MLflow shares: no telemetry, no unpickling, short waits."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
