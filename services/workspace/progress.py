"""How a preparation shows what it does: a moving bar on a terminal, plain lines everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Progress = Callable[[str, float], None]


@contextmanager
def shown(out: TextIO) -> Iterator[Progress]:
    """Gives the function to call with the step in words and the share done, between 0 and 1."""
    if not out.isatty():
        yield lambda words, share: print(f"{share:4.0%} {words}", file=out, flush=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(bar_width=28), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(file=out)) as bar:
        task = bar.add_task("Preparing the workspace", total=1.0)
        yield lambda words, share: bar.update(task, completed=share, description=words)
