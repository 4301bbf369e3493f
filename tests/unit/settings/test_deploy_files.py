"""The files for operators name only what exists, ask for nothing unpinned, and let nobody in by a header."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from services.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
OTHERS = {"COUNTERSIGN_PASSPHRASE", "COUNTERSIGN_BACKUP_PASSPHRASE"}


def pinned() -> dict[str, tuple[Version, str]]:
    """Name to (version, its block with the hashes) of the lock; a marker splits some names in two, the first counts."""
    found: dict[str, tuple[Version, str]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text()):
        line = re.match(r"([A-Za-z0-9._-]+)==(\S+)", block)
        if line:
            found.setdefault(canonicalize_name(line.group(1)), (Version(line.group(2)), block))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_setting_named_in_a_file_for_operators_exists(file: Path) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OTHERS
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+[A-Z]\b", file.read_text()))
    assert named - known == set()


def test_the_lock_pins_what_the_ranges_allow_and_names_a_digest_for_every_file() -> None:
    lock = pinned()
    wanted = [
        Requirement(line.partition("#")[0].strip())
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.partition("#")[0].strip()
    ]
    held = [(item, lock.get(canonicalize_name(item.name))) for item in wanted]
    outside = [str(item) for item, found in held if found is None or not item.specifier.contains(found[0])]
    assert outside == []
    assert [name for name, (_, block) in lock.items() if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []
    assert len(lock) > len(wanted)


def test_the_bill_of_materials_names_every_package_that_ships_with_its_digests_and_no_other(tmp_path: Path) -> None:
    recipe = re.search(
        r"^sbom:.*\n(?:\t@.*\n)*\t\$\(BIN\)/cyclonedx-py (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert recipe is not None
    file = tmp_path / "sbom.cdx.json"
    words = recipe.group(1).replace(".artifacts/sbom.cdx.json", str(file)).split()
    subprocess.run([sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *words], cwd=ROOT, check=True)
    listed: dict[tuple[str, str], set[str]] = {}
    for item in json.loads(file.read_text())["components"]:
        digests = {digest["content"] for link in item["externalReferences"] for digest in link.get("hashes", [])}
        listed.setdefault((canonicalize_name(item["name"]), item["version"]), set()).update(digests)
    locked = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert set(listed) == {(canonicalize_name(name), version) for name, version in locked}
    for name, (version, block) in pinned().items():
        assert set(re.findall(r"sha256:([0-9a-f]{64})", block)) <= listed[name, str(version)], name


def test_the_image_installs_by_digest_and_runs_as_nobody_special() -> None:
    said = (DEPLOY / "Containerfile").read_text()
    assert "--require-hashes" in said
    assert re.search(r"^USER 10001:10001$", said, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", said, re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", said, re.MULTILINE)
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", ["Caddyfile", "nginx.conf"])
def test_a_proxy_takes_identity_headers_away_and_forbids_framing(name: str) -> None:
    said = (DEPLOY / name).read_text()
    for header in ("Email", "User", "Preferred-Username", "Access-Token"):
        assert f"X-Forwarded-{header}" in said
    for rule in ("frame-ancestors 'none'", "object-src 'none'", "max-age=31536000", "nosniff"):
        assert rule in said


@pytest.mark.parametrize("file", sorted((DEPLOY / "systemd").glob("*.service")), ids=lambda file: file.name)
def test_a_unit_runs_without_rights_and_from_folders_it_cannot_change(file: Path) -> None:
    said = file.read_text()
    for rule in ("User=countersign", "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "UMask=0077"):
        assert f"\n{rule}\n" in said


def test_every_setting_stands_in_the_table_of_the_manual() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text()
    named = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert sorted(name for name in named if name not in manual) == []
