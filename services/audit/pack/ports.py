"""What building a pack needs: facts beside the ledger, and a folder that keeps finished packs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.audit.pack.models import PackFile


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeText:
    """Text that a signed statement holds only the salted digest of, so that it can be erased."""

    text: str
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDocument:
    """A document as it was frozen; `sha256` is the digest that signed statements cite."""

    sha256: str
    media_type: str
    title: str
    data: bytes


class PackFacts(Protocol):
    """Raises StorageUnavailableError."""

    def texts(self, model: str) -> Mapping[int, FreeText]:
        """Comments by ledger entry; of every model when `model` is empty."""
        ...

    def frozen_requests(self, model: str) -> Mapping[str, str]:
        """JSON text of what each request froze for judgement, by request id and revision (`req-1/2`)."""
        ...

    def documents(self, model: str) -> tuple[KeptDocument, ...]:
        """Evaluation reports, manifests, policies and evidence kept under their digests."""
        ...

    def inventory(self, model: str) -> Mapping[str, str]:
        """Inventory entries as JSON text by model name: owners, tier, lineage, sensitive columns."""
        ...


class PackFolder(Protocol):
    """Where finished packs are kept. Raises StorageUnavailableError."""

    def drafting(self, pack_id: str) -> AbstractContextManager[Path]:
        """A file to write to; it becomes the pack when the block ends well and disappears otherwise."""
        ...

    def size(self, pack_id: str) -> int | None:
        """Bytes of the finished pack, or None when it is not here."""
        ...

    def read(self, pack_id: str) -> bytes | None: ...


class PolicyFiles(Protocol):
    """Policies in force now, as they lie on disk."""

    def files(self) -> tuple[PackFile, ...]: ...
