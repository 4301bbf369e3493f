"""Lanes of the worker and people at screens may be the first to need MLflow, all at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_AT_ONCE = """
import sys, threading
from contextlib import nullcontext
from types import SimpleNamespace

from services.adapters.mlflow.translate import translated
from services.adapters.mlflow.unity_catalog import Catalog

sys.setswitchinterval(1e-4)  # as on a busy machine
client = SimpleNamespace(api_client=SimpleNamespace(do=lambda *words, **more: {}))
workspace = SimpleNamespace(client=client, registry=lambda what: nullcontext())
catalog = Catalog(workspace, workspace)

def judged():
    with translated("a model"):
        pass

asked = [lambda: catalog.model("a.b.c"), lambda: catalog.version("a.b.c", "1"), lambda: catalog.run("r"), judged] * 2
together = threading.Barrier(len(asked))
faults = []

def ask(question):
    together.wait()
    try:
        question()
    except BaseException as fault:
        faults.append(repr(fault)[:200])

threads = [threading.Thread(target=ask, args=(question,)) for question in asked]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit("\\n".join(faults) or None)
"""


def test_threads_that_need_it_first_at_the_same_time_all_find_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _AT_ONCE], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
