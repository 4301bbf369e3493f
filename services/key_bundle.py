"""The keys of a deployment whose processes have no lasting disk: one secret, put into the key folder at each start."""

from __future__ import annotations

from pathlib import Path

from services.adapters.signing import files, key_bundle
from services.settings import Settings


def bring_in(settings: Settings) -> None:
    """Key files and genesis pin of COUNTERSIGN_KEY_BUNDLE; nothing where none is named.

    Raises KeyServiceError when it cannot be read, TrustError when it is incomplete or of another log.
    """
    if settings.key_bundle:
        bundle = key_bundle.fetched(settings.key_bundle)
        key_bundle.put_in_place(bundle, settings.keys_folder, settings.genesis_file)


def looked_at(settings: Settings) -> tuple[str, ...]:
    """What the bundle holds, without putting anything anywhere. Raises KeyServiceError, TrustError."""
    bundle = key_bundle.fetched(settings.key_bundle)
    key_bundle.require_same_log(bundle, settings.keys_folder, settings.genesis_file)
    return tuple(sorted(bundle.files))


def send(settings: Settings, place: str) -> tuple[str, ...]:
    """Puts the keys of this machine into a secret scope; the names of what went along."""
    bundle = key_bundle.collected(settings.keys_folder, settings.genesis_file)
    key_bundle.sent(bundle, place)
    return tuple(bundle.files)


def export(settings: Settings, file: Path) -> tuple[str, ...]:
    bundle = key_bundle.collected(settings.keys_folder, settings.genesis_file)
    key_bundle.exported(bundle, file)
    return tuple(bundle.files)


def prepare_next(settings: Settings, use: str) -> str:
    """The key that will follow the one in use, waiting for its ceremony; its key id."""
    return files.waiting_key(settings.keys_folder, use, settings.key_places.get(use, "")).public.key_id
