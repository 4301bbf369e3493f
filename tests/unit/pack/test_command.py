"""`python -m services verify PACK` and the verifier's own command line: same bytes anywhere, exit codes, options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.__main__ import app
from services.audit.offline import verify as offline
from tests.contract.deployment import Deployment


def run(pack: Path, *options: str, folder: Path, **environment: str) -> tuple[int, bytes]:
    """The verifier taken out of the pack, run alone in another folder."""
    script = folder / "verify.py"
    with zipfile.ZipFile(pack) as file:
        script.write_bytes(file.read("verify.py"))
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(pack), *options],
        capture_output=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_output_is_the_same_bytes_in_any_locale_zone_and_folder(
    promoted: tuple[Deployment, Path], tmp_path: Path
) -> None:
    """Row 65: another machine, without our code, without a network, with other settings of language and time."""
    log, pack = promoted
    here, there = tmp_path / "here", tmp_path / "täglich"
    here.mkdir()
    there.mkdir()
    copy = there / "renamed pack.zip"
    copy.write_bytes(pack.read_bytes())

    first = run(pack, "--pin", log.genesis, folder=here, LC_ALL="C", TZ="America/St_Johns")
    second = run(copy, "--pin", log.genesis, folder=there, LC_ALL="de_DE.UTF-8", TZ="Asia/Kathmandu", LANG="tr_TR")

    assert first == second
    assert first[0] == 0
    assert first[1].endswith(b"\nOK\n")


def test_unpacked_folder_says_the_same_as_the_zip(promoted: tuple[Deployment, Path], tmp_path: Path) -> None:
    _, pack = promoted
    with zipfile.ZipFile(pack) as file:
        file.extractall(tmp_path / "unpacked")

    assert offline.verify(tmp_path / "unpacked").document() == offline.verify(pack).document()


def test_installed_command_runs_the_same_verifier(promoted: tuple[Deployment, Path]) -> None:
    log, pack = promoted

    done = CliRunner().invoke(app, ["verify", str(pack), "--pin", log.genesis])
    wrong = CliRunner().invoke(app, ["verify", str(pack), "--pin", "0" * 64, "--json"])

    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "OK")
    assert (wrong.exit_code, json.loads(wrong.stdout)["verdict"]) == (2, "NOT OK: entry 0")


def test_anchor_held_outside_is_compared(promoted: tuple[Deployment, Path], tmp_path: Path) -> None:
    """Rows 32, 33: an anchor the auditor holds shows a log that was cut short or replaced by an older copy."""
    log, pack = promoted
    note = tmp_path / "held.note"
    note.write_text(log.book.checkpoint())
    receipt = tmp_path / "held.tlog-proof"
    receipt.write_text(log.audit.entry(20).receipt)

    report = offline.verify(pack, anchors=[note, receipt])

    # The ledger grew after the pack was made: what is held now vouches for more than the pack holds.
    assert report.exit_code == 2
    assert all("Newer entries were removed" in item.sentence for item in report.log.problems if item.entry is None)


def test_older_pack_of_the_same_log_is_a_part_of_the_newer_one(
    promoted: tuple[Deployment, Path], tmp_path: Path
) -> None:
    """Row 66: an old export against a newer one, and against one of another history."""
    from tests.contract.deployment import founded
    from tests.unit.pack.packing import packer

    folder = tmp_path / "log"
    folder.mkdir()
    made = founded(f"sqlite:///{folder / 'governance.db'}", folder)
    packs = packer(made)
    old, new = tmp_path / "old.zip", tmp_path / "new.zip"
    for path in (old, new):
        info = packs.build_for()
        path.write_bytes(packs.service.read(info.pack_id, packs.actor("otto.auditor")))
        made.promote() if path == old else None
    made.database.dispose()

    assert offline.verify(new, anchors=[old]).exit_code == 0
    assert offline.verify(old, anchors=[new]).exit_code == 2
    assert offline.verify(new, anchors=[promoted[1]]).exit_code == 2


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"not a zip at all"])
def test_what_is_no_pack_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(content)
    said: list[bytes] = []

    assert offline.main([str(path)], said.append) == 3
    assert said[0].startswith(b"This pack cannot be read")
