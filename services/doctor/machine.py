"""The machine itself: variables nobody reads, libraries, disk, key files, the file of channels."""

from __future__ import annotations

import difflib
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from services import key_bundle
from services.adapters.signing.files import read_key_files
from services.adapters.signing.held import scheme_of
from services.doctor.models import Result, State
from services.settings import PREFIX, PULSE_FILE, Profile, Settings

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"
_OTHER_VARIABLES = {PULSE_FILE, "COUNTERSIGN_PASSPHRASE", "COUNTERSIGN_BACKUP_PASSPHRASE", "COUNTERSIGN_CLOCK_FILE"}
_OTHER_PREFIXES = ("COUNTERSIGN_TEST_NO", "COUNTERSIGN_BENCH_")
_OLDEST_PYTHON = (3, 11)
_NEWEST_TESTED = (3, 13)
_LITTLE, _TOO_LITTLE = 2 * 1024**3, 256 * 1024**2
_OTHERS = 0o077


def variables(environment: Mapping[str, str]) -> Iterator[Result]:
    """A misspelt name would be a setting that silently does nothing."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | _OTHER_VARIABLES
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known or name.startswith(_OTHER_PREFIXES):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"Did you mean {near[0]}?" if near else "Remove it, or look for its name in docs/operations.md."
        yield Result(name="settings", state=State.WARNING, found=f"{name} is no setting; nothing reads it.", fix=meant)


def libraries(requirements: Path = REQUIREMENTS) -> Iterator[Result]:
    """Installed versions against the ranges that were tested."""
    if not requirements.is_file():
        yield Result(
            name="libraries",
            state=State.UNKNOWN,
            found=f"{requirements.name} is not beside the program, so versions cannot be compared.",
            fix="Deploy requirements.txt together with the program.",
        )
        return
    wanted = [line.partition("#")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines()]
    wrong = [words for line in wanted if line and (words := _mismatch(line))]
    if wrong:
        yield Result(
            name="libraries",
            state=State.FAULT,
            found="; ".join(wrong) + ".",
            fix="Install what was tested: make setup, or uv pip install -r requirements.txt.",
        )
        return
    yield Result(name="libraries", state=State.OK, found=f"{len([x for x in wanted if x])} in the tested ranges.")


def _mismatch(line: str) -> str:
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return f"{line!r} is not a requirement"
    try:
        found = Version(version(wanted.name))
    except PackageNotFoundError:
        return f"{wanted.name} is not installed"
    if not wanted.specifier.contains(found, prereleases=True):
        return f"{wanted.name} is {found}, tested was {wanted.specifier}"
    return ""


def python() -> Iterator[Result]:
    found = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if sys.version_info[:2] < _OLDEST_PYTHON:
        yield Result(name="python", state=State.FAULT, found=f"{found} is too old.", fix="Install Python 3.11 to 3.13.")
    elif sys.version_info[:2] > _NEWEST_TESTED:
        yield Result(
            name="python", state=State.WARNING, found=f"{found} was not tested.", fix="Use Python 3.11 to 3.13."
        )
    else:
        yield Result(name="python", state=State.OK, found=f"{found}.")


def disk(home: Path) -> Iterator[Result]:
    """The home folder: there, ours to write, not open to others, and with room. Raises OSError."""
    if not home.is_dir():
        yield Result(
            name="home folder",
            state=State.FAULT,
            found=f"There is no folder {home}.",
            fix="Prepare one (python -m services prepare), or set COUNTERSIGN_HOME to where it is.",
        )
        return
    if not os.access(home, os.W_OK | os.X_OK):
        yield Result(
            name="home folder",
            state=State.FAULT,
            found=f"{home} cannot be written to by this account.",
            fix="Give the folder to the account that runs Countersign.",
        )
        return
    free = shutil.disk_usage(home).free
    room = f"{free / 1024**3:.1f} GiB free in {home}."
    if free < _TOO_LITTLE:
        yield Result(name="home folder", state=State.FAULT, found=room, fix="Make room; an append needs the disk.")
    elif free < _LITTLE:
        yield Result(name="home folder", state=State.WARNING, found=room, fix="Make room before it is full.")
    else:
        yield Result(name="home folder", state=State.OK, found=room)


def key_files(settings: Settings) -> Iterator[Result]:
    """Raises TrustError when one is missing, is no key, or can be read by others."""
    files = read_key_files(settings.keys_folder)
    owner = settings.keys_folder.stat().st_uid
    if owner != os.geteuid():
        yield Result(
            name="key files",
            state=State.WARNING,
            found=f"The key folder belongs to account {owner}, not to the one that asks.",
            fix="Run Countersign as the owner of the key folder.",
        )
        return
    machine = "" if files.machine_key else " The machine has no key yet; the worker makes one when it starts."
    yield Result(
        name="key files", state=State.OK, found=f"Service and log key of {files.origin}, for the owner only.{machine}"
    )


def bundle(settings: Settings) -> Iterator[Result]:
    """The secret that fills the key folder is complete and of this log. Raises KeyServiceError, TrustError."""
    if not settings.key_bundle:
        if settings.profile is Profile.DATABRICKS and not settings.genesis_file.is_file():
            yield Result(
                name="key bundle",
                state=State.FAULT,
                found="There is neither a key bundle nor a fingerprint of the first entry: nothing starts like this.",
                fix="python -m services keys put where it was founded, then set COUNTERSIGN_KEY_BUNDLE.",
            )
        return
    found = key_bundle.looked_at(settings)
    yield Result(name="key bundle", state=State.OK, found=f"{scheme_of(settings.key_bundle)} holds {', '.join(found)}.")


def key_services(settings: Settings) -> Iterator[Result]:
    """Keys that are held elsewhere answer, and what the settings name is what is in use. Raises KeyServiceError."""
    files = read_key_files(settings.keys_folder)
    held = {"service": files.service_key, "log": files.log_key, "machine": files.machine_key}
    elsewhere = {use: key for use, key in held.items() if key is not None and key.uri}
    for use, key in elsewhere.items():
        key.require_answer()
        found = f"The {use} key is held by {scheme_of(key.uri)} and signs."
        yield Result(name="key service", state=State.OK, found=found)
    for use, place in settings.key_places.items():
        if use not in elsewhere or elsewhere[use].uri != place.partition("#")[0]:
            yield Result(
                name="key service",
                state=State.WARNING,
                found=f"COUNTERSIGN_KEY_{use.upper()} names another place than the {use} key in use.",
                fix="Two administrators rotate it on People, Keys: the next key is then the one at that place.",
            )
    if not elsewhere and not settings.key_places:
        yield Result(name="key service", state=State.UNUSED, found="Keys of the deployment are files of this machine.")


def private_files(settings: Settings) -> Iterator[Result]:
    """Files with secrets or decisions in them that other accounts of this machine can read."""
    files = [settings.channels_file, settings.keys_folder / "gateway.token"]
    if settings.profile is not Profile.EMBEDDED:
        files.append(settings.home / "governance.db")
    opened = [file.name for file in files if file.is_file() and stat.S_IMODE(file.stat().st_mode) & _OTHERS]
    if opened:
        yield Result(
            name="private files",
            state=State.FAULT,
            found=f"Other accounts of this machine can read {', '.join(opened)}.",
            fix="Take that away: chmod 600.",
        )
