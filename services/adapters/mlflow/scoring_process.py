"""A nursery of scoring processes for the harness: `python -m services.adapters.mlflow.scoring_process SOCKET`.

Loads MLflow once, then forks a process per connection; each loads one model from a folder and scores what it is sent.
A model therefore never sees another one, and what it breaks ends with it. Pickles are refused by MLflow's own switch.
Nobody survives the harness: the end of our input ends the nursery, the end of a connection ends its process.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from services.adapters.mlflow import wire

_REASON_LIMIT = 300
_WARM_REQUESTS = 5
_ROUNDS = 3
_PRELOADED = (
    "mlflow.pyfunc",
    "mlflow.pyfunc.scoring_server",
    "mlflow.sklearn",
    "pyarrow",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "skops.io",
)
HOW = (
    "MLflow's scoring code in a process of its own, one row as JSON at a time, no network; "
    "the quietest of up to three rounds"
)


def main() -> None:
    place = sys.argv[1]
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    sys.dont_write_bytecode = True
    for name in _PRELOADED:
        importlib.import_module(name)
    _prepare_requirements_check()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the harness decides
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(place)
    listener.listen(8)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        readable, _, _ = select.select([0, listener], [], [])
        if 0 in readable and not os.read(0, 1):
            return
        if listener in readable:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a model may start processes and wait for them
                listener.close()
                _serve(connection)
            connection.close()


def _prepare_requirements_check() -> None:
    """MLflow compares a model's requirements with everything installed; the list of that is made once, not per fork.

    Not a documented function: without it a version takes 0.4 seconds longer to load, and nothing else changes.
    """
    from mlflow.utils import requirements_utils

    prepare = getattr(requirements_utils, "_init_modules_to_packages_map", None)
    if prepare is not None:
        prepare()


def _serve(connection: socket.socket) -> None:
    """Never returns."""
    model = folder = None
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)  # a model may print; only the connection speaks
        wire.send(connection, {"pid": os.getpid()})
        while True:
            order, body = wire.receive(connection)
            try:
                if order["do"] == "load":
                    _bound(order["memory"])
                    model, folder = _load(order["folder"]), Path(order["folder"])
                    answer: dict[str, Any] = {}
                    found = b""
                else:
                    answer, found = _answered(model, folder, order, body)
            except MemoryError:
                answer, found = {"failed": "it needs more memory than a scoring process may use"}, b""
            except Exception as fault:  # noqa: BLE001 - model code may raise anything; the check then says so
                answer, found = {"failed": _reason(fault)}, b""
            wire.send(connection, answer, found)
    except (EOFError, OSError):
        os._exit(0)
    finally:
        os._exit(1)


def _answered(model: Any, folder: Path | None, order: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    if model is None or folder is None:
        raise RuntimeError("no model was loaded")
    if order["do"] == "score":
        scores = score_of(model.predict(wire.unpacked(body)))
        return {}, np.ascontiguousarray(scores, dtype="<f8").tobytes()
    if order["do"] == "example":
        return {"rows": _example(model, folder)}, b""
    if order["do"] == "latency":
        return _latency(model, wire.unpacked(body), int(order["requests"]), order["enough_ms"])
    raise ValueError("an order nobody knows")


def _load(folder: str) -> Any:
    import mlflow

    return mlflow.pyfunc.load_model(folder)


def _example(model: Any, folder: Path) -> int:
    example = model.metadata.load_input_example(str(folder))
    if example is None:
        raise ValueError("no input example was logged")
    return len(score_of(model.predict(example)))


def _latency(model: Any, rows: Any, requests: int, enough_ms: float | None) -> tuple[dict[str, Any], bytes]:
    from mlflow.pyfunc import scoring_server

    ask: Any = scoring_server.invocations  # untyped in MLflow
    schema = model.metadata.get_input_schema()
    bodies = [_body(rows.iloc[[number % len(rows)]]) for number in range(requests)]
    for body in bodies[:_WARM_REQUESTS]:
        _asked(ask, body, model, schema)
    quietest: list[float] = []
    asked = failed = 0
    for _ in range(_ROUNDS):
        answers = [_asked(ask, body, model, schema) for body in bodies]
        took = [seconds for seconds, _ in answers]
        asked, failed = asked + requests, failed + sum(not good for _, good in answers)
        # Other work on this machine makes a round slower, never faster.
        quietest = took if not quietest else min(quietest, took, key=_p95)
        if enough_ms is None or _p95(quietest) <= enough_ms:
            break
    answer = {"failed_requests": failed, "asked": asked, "how": HOW}
    return answer, np.asarray(quietest, dtype="<f8").tobytes()


def _p95(took: list[float]) -> float:
    return float(np.quantile(took, 0.95))


def _asked(ask: Any, body: str, model: Any, schema: Any) -> tuple[float, bool]:
    begun = time.perf_counter()
    try:
        good = ask(body, "application/json", model, schema).status == 200
    except Exception:  # noqa: BLE001 - what a caller would get as an error
        good = False
    return (time.perf_counter() - begun) * 1000, good


def _body(row: Any) -> str:
    split = json.loads(row.to_json(orient="split", date_format="iso"))
    return json.dumps({"dataframe_split": {"columns": split["columns"], "data": split["data"]}})


def score_of(output: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The score of each row: the second of two class probabilities, or the only column."""
    values = np.asarray(output, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] in {1, 2}:
        return values[:, -1]
    if values.ndim != 1:
        raise ValueError(f"it answered in shape {values.shape}; one score or two probabilities a row are expected")
    return values


def _bound(memory: int) -> None:
    """Counted from what this process already maps: the libraries are shared with the nursery."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, mapped + memory))


def _reason(fault: Exception) -> str:
    first = next((line.strip() for line in str(fault).splitlines() if line.strip()), "")
    return f"{type(fault).__name__}: {first}"[:_REASON_LIMIT] if first else type(fault).__name__


if __name__ == "__main__":
    main()
