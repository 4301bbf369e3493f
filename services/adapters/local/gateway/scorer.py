"""One model version in one process: MLflow's own scoring application behind uvicorn on a private socket.

Before it reports ready it answers its own input example once, so that no caller meets a cold model.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

FILES = ".files"
"""Beside the socket of a version: its model files, where a server hands them out."""
_REASON_LIMIT = 400


class Report(Protocol):
    def __call__(self, word: str, **facts: Any) -> None: ...


def serve(*, uri: str, socket_path: str, example_path: str, tracking_uri: str, life_fd: int, report: Report) -> int:
    """Loads, warms, serves until SIGTERM or until the gateway's side is gone. Returns the exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Model code lies in the approved folder; a compiled copy beside it would make it differ from what was approved.
    sys.dont_write_bytecode = True
    threading.Thread(target=_leave_with_parent, args=(life_fd,), daemon=True).start()
    started = time.perf_counter()
    try:
        model, folder = _load(uri, tracking_uri, Path(example_path).with_suffix(FILES))
        example = _example(model, folder)
        _warm(model, example)
        Path(example_path).write_text(example)
    except Exception as fault:  # noqa: BLE001 - model code may raise anything; the version is then `failed`
        report("failed", pid=os.getpid(), reason=_reason(fault))
        return 3
    _listen(model, socket_path, lambda: report("ready", bytes=_size(folder), load_ms=_ms(started), pid=os.getpid()))
    return 0


def _load(uri: str, tracking_uri: str, files: Path) -> tuple[Any, Path]:
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    folder = fetched(_storage(uri), files)
    if not (folder / "MLmodel").exists():
        raise FileNotFoundError(f"there is no MLmodel file in {folder}")
    return mlflow.pyfunc.load_model(str(folder)), folder


def fetched(place: str, files: Path) -> Path:
    """Where the model folder is on this machine: as it lies, or a copy below `files` of one that a server hands out.

    `files` is the gateway's to remove. Left to itself, MLflow puts a copy into a temporary folder that nobody removes.
    """
    from mlflow.artifacts import download_artifacts

    if urlsplit(place).scheme in {"", "file"}:
        return Path(download_artifacts(place))
    files.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(download_artifacts(place, dst_path=str(files)))


def _storage(uri: str) -> str:
    """Where the files are. Loading by registry name would write a file of its own into the approved folder."""
    from mlflow import MlflowClient

    name, _, version = uri.removeprefix("models:/").rpartition("/")
    client = MlflowClient()
    place = client.get_model_version_download_uri(name, version)
    if place.startswith("models:/"):
        place = client.get_logged_model(place.removeprefix("models:/")).artifact_location
    return str(place)


def _example(model: Any, folder: Path) -> str:
    """A scoring body that the model accepts: its logged input example, or one row made from its signature."""
    logged = folder / "serving_input_example.json"
    if logged.exists():
        return logged.read_text()
    schema = model.metadata.get_input_schema()
    if schema is None:
        raise ValueError("it has neither a signature nor an input example, so nobody can tell whether it answers")
    empty = {"string": "", "boolean": False, "datetime": "2000-01-01T00:00:00"}
    columns = [column.name for column in schema.inputs]
    row = [empty.get(str(column.type.name), 0) for column in schema.inputs]
    return json.dumps({"dataframe_split": {"columns": columns, "data": [row]}})


def _warm(model: Any, example: str) -> None:
    from mlflow.pyfunc import scoring_server

    ask: Any = scoring_server.invocations  # untyped in MLflow
    answer = ask(example, "application/json", model, model.metadata.get_input_schema())
    if answer.status != 200:
        raise RuntimeError(f"its own input example was answered with {answer.status}")


def _listen(model: Any, socket_path: str, ready: Callable[[], None]) -> None:
    import uvicorn
    from mlflow.pyfunc import scoring_server

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready()

    # Keep-alive longer than the gateway's own: the side that sends must be the side that closes idle connections.
    config = uvicorn.Config(
        scoring_server.init(model), uds=socket_path, log_level="warning", access_log=False, timeout_keep_alive=3600
    )
    Server(config).run()


def _leave_with_parent(life_fd: int) -> None:
    with suppress(OSError):
        os.read(life_fd, 1)
    os._exit(0)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _reason(fault: Exception) -> str:
    first = next((line.strip() for line in str(fault).splitlines() if line.strip()), "")
    return f"{first or type(fault).__name__}"[:_REASON_LIMIT]
