"""Which program wrote a statement: product, version and a digest of the running source."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

PRODUCT = "countersign"
VERSION = "0.1.0"


@lru_cache(maxsize=1)
def build_sha256() -> str:
    """Digest over path and content of every Python file of the services, read once per process."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def service_document() -> dict[str, object]:
    return {"id": PRODUCT, "version": VERSION, "build": {"sha256": build_sha256()}}
