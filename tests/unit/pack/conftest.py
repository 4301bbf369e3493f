"""A deployment with one whole promotion and a rollback, and the packs built from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.deployment import Deployment, founded
from tests.unit.pack.packing import packer


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Deployment]:
    made = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    yield made
    made.database.dispose()


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Path]]:
    """Read only: a log with a promotion, a planned rollback, a void decision, anchors; and its pack."""
    home = tmp_path_factory.mktemp("promoted")
    made = founded(f"sqlite:///{home / 'governance.db'}", home)
    made.promote()
    made.ledger.anchor()
    made.act(None, [], id_="act-2", by="sam", rollback={"mode": "planned"})
    made.outcome(action="act-2")
    made.ledger.anchor()
    made.event("checked", what="nightly")
    packs = packer(made)
    info = packs.build_for("otto.auditor")
    path = home / "pack.zip"
    path.write_bytes(packs.service.read(info.pack_id, packs.actor("otto.auditor")))
    yield made, path
    made.database.dispose()
