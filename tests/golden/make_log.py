"""Writes the stored log of format 1 once: `python -m tests.golden.make_log FOLDER`.

Never run it over released files.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.contract.deployment import found


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        log = found(f"sqlite:///{home}/governance.db", Path(home), deployment="golden")
        log.promote()
        log.act(None, [], id_="act-2", by="sam", rollback={"mode": "planned"})
        log.outcome(action="act-2")
        _, cited = log.request(id_="req-2")
        log.decide(cited, by="otto")
        log.event("checked", what="nightly")
        document = {
            "genesis": log.genesis,
            "entries": [
                {"seq": item.seq, "envelope": item.envelope.decode(), "leaf": item.leaf_hash, "root": item.root}
                for item in log.book.entries()
            ],
            "checkpoints": [list(pair) for pair in log.book.checkpoints()],
        }
        receipt = log.audit.entry(15).receipt
        log.database.dispose()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "receipt-15.txt").write_text(receipt, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
