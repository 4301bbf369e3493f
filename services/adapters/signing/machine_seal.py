"""The machine's key for files outside the ledger. It needs the key folder only, never the database."""

from __future__ import annotations

from pathlib import Path

from services.adapters.signing.files import read_key_files
from services.adapters.signing.held import HeldKey
from services.kernel.errors import TrustError


class MachineSeal:
    """Implements rollout.offline_models.Seal. The key is read each time: a ceremony may have replaced it."""

    def __init__(self, keys_folder: Path) -> None:
        self._folder = keys_folder

    def sign(self, data: bytes) -> tuple[str, str]:
        key = self._key()
        return key.public.key_id, key.sign(data).hex()

    def verifies(self, data: bytes, key_id: str, signature: str) -> bool:
        public = self._key().public
        try:
            return key_id == public.key_id and public.verifies(data, bytes.fromhex(signature))
        except ValueError:
            return False

    def _key(self) -> HeldKey:
        key = read_key_files(self._folder).machine_key
        if key is None:
            raise TrustError(
                "The machine has no key of its own in this deployment.",
                hint="Start the worker once while the database answers: it makes and enrols one.",
            )
        return key
