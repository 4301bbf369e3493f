"""A changed pack is found out, and the report names the file, the entry or the field that is wrong."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from services.attestation import statement
from services.attestation.canonical import to_bytes
from services.attestation.models import Kind, LogHead, Subject
from services.audit.offline import verify as offline
from services.audit.pack.archive import writing
from tests.contract.deployment import FOUNDED, Deployment
from tests.unit.pack.agreeing import LooseBook

Files = dict[str, bytes]


def files_of(pack: Path) -> Files:
    with zipfile.ZipFile(pack) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(files: Files, path: Path) -> Path:
    with writing(path) as archive:
        for name, data in files.items():
            archive.write(name, data)
    return path


def relisted(files: Files) -> Files:
    """The manifest brought in line with the files, as anybody could do; its signature as it was."""
    manifest = json.loads(files["manifest.json"])
    for item in manifest["files"]:
        data = files[item["path"]]
        item |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return files | {"manifest.json": to_bytes(manifest)}


def resigned(log: Deployment, files: Files) -> Files:
    """The same with a new signature: what a thief of the service key can do."""
    files = relisted(files)
    manifest = json.loads(files["manifest.json"])
    head = LogHead(origin=log.desk.origin, size=manifest["log"]["size"], root=manifest["log"]["root"])
    payload = statement.build(
        Kind.EVENT,
        subjects=(Subject(name="manifest.json", sha256=hashlib.sha256(files["manifest.json"]).hexdigest()),),
        predicate={"event": "audit-pack-manifest", "model": "", "detail": {}, "actor": None},
        at=log.clock.now(),
        head=head,
    )
    return files | {"manifest.dsse.json": log.desk.sign_as_service(payload)}


def sentences(report: offline.Verifier) -> str:
    return "\n".join(item.sentence for item in report.log.problems if item.severity == offline.INTEGRITY)


@pytest.mark.parametrize("seed", range(150))
def test_no_byte_of_a_pack_can_be_changed_unseen(promoted: tuple[Deployment, Path], tmp_path: Path, seed: int) -> None:
    """Any one bit: the verdict is not OK, unless every file still reads as it did (padding of compressed data)."""
    data = bytearray(promoted[1].read_bytes())
    dice = random.Random(seed)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path = tmp_path / "pack.zip"
    path.write_bytes(data)

    try:
        verdict = offline.verify(path).exit_code
    except offline.Wrong:
        return

    assert verdict == 2 or files_of(path) == files_of(promoted[1])


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "pack.json",
        "verify.py",
        "PIN.txt",
        "SHA256SUMS",
        "keys.json",
        "log/checkpoint",
        "policies/tier-1.yaml",
        "manifest.dsse.json",
        "manifest.json",
    ],
)
@pytest.mark.parametrize("how", ["edited", "emptied", "removed"])
def test_changed_file_is_named(promoted: tuple[Deployment, Path], tmp_path: Path, name: str, how: str) -> None:
    """Row 64: report, verifier, pin and every other file are held against a signed manifest."""
    files = files_of(promoted[1])
    if how == "edited":
        files[name] = files[name].replace(b"a", b"b", 1) if name != "log/checkpoint" else files[name] + b"\n"
    elif how == "emptied":
        files[name] = b""
    else:
        del files[name]

    report = offline.verify(packed(files, tmp_path / "pack.zip"))

    assert report.exit_code == 2
    assert name in sentences(report)


def test_file_that_nobody_listed_is_named(promoted: tuple[Deployment, Path], tmp_path: Path) -> None:
    report = offline.verify(packed(files_of(promoted[1]) | {"extra.html": b"<p>"}, tmp_path / "pack.zip"))

    assert "extra.html is not listed" in sentences(report)


def test_manifest_brought_in_line_is_not_the_signed_one(promoted: tuple[Deployment, Path], tmp_path: Path) -> None:
    files = files_of(promoted[1])
    files["index.html"] = files["index.html"].replace(b"Vera", b"Vira")

    report = offline.verify(packed(relisted(files), tmp_path / "pack.zip"))

    assert report.exit_code == 2
    assert "manifest.json is not the one that was signed" in sentences(report)


def test_page_that_says_something_else_than_the_entry_names_the_field(
    promoted: tuple[Deployment, Path], tmp_path: Path
) -> None:
    """Even with the service key stolen: the JSON of a decision is held against the signed entry, field by field."""
    log, pack = promoted
    files = files_of(pack)
    name = f"decisions/{FOUNDED + 1}.json"
    page = json.loads(files[name])
    page["statement"]["predicate"]["decision"] = "reject"
    files[name] = to_bytes(page)

    report = offline.verify(packed(resigned(log, files), tmp_path / "pack.zip"))

    assert sentences(report) == f"{name} says something else than entry {FOUNDED + 1}: statement.predicate.decision."


def _edit_payload(data: bytes) -> bytes:
    envelope = json.loads(data)
    payload = offline.unbase64(envelope["payload"]).replace(b"approve", b"abstain", 1)
    import base64

    return to_bytes(envelope | {"payload": base64.b64encode(payload).decode()})


def _edit_signature(data: bytes) -> bytes:
    envelope = json.loads(data)
    signature = envelope["signatures"][0]["sig"]
    envelope["signatures"][0]["sig"] = ("A" if signature[0] != "A" else "B") + signature[1:]
    return to_bytes(envelope)


def _swap_key(data: bytes) -> bytes:
    envelope = json.loads(data)
    first, second = envelope["signatures"]
    envelope["signatures"] = [first | {"keyid": second["keyid"]}, second | {"keyid": first["keyid"]}]
    return to_bytes(envelope)


@pytest.mark.parametrize("change", [_edit_payload, _edit_signature, _swap_key])
def test_changed_entry_is_named_although_the_manifest_was_signed_again(
    promoted: tuple[Deployment, Path], tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    log, pack = promoted
    seq, files = FOUNDED + 1, files_of(pack)
    report = offline.verify(_with_entries(log, files, tmp_path, lambda made: made | {seq: change(made[seq])}))

    assert report.exit_code == 2
    assert f"The bytes of entry {seq} are not the ones that were recorded." in sentences(report)
    assert any(item.severity == "void" and item.entry == seq for item in report.log.problems)


def test_reordered_and_shortened_logs_are_found_out(promoted: tuple[Deployment, Path], tmp_path: Path) -> None:
    log, pack = promoted
    one, two = FOUNDED + 1, FOUNDED + 2

    def reorder(made: dict[int, bytes]) -> dict[int, bytes]:
        return made | {one: made[two], two: made[one]}

    def shorten(made: dict[int, bytes]) -> dict[int, bytes]:
        return {seq: data for seq, data in made.items() if seq < two}

    swapped = offline.verify(_with_entries(log, files_of(pack), tmp_path, reorder))
    short = offline.verify(_with_entries(log, files_of(pack), tmp_path, shorten))

    assert f"The bytes of entry {one} are not the ones" in sentences(swapped)
    assert "Newer entries were removed" in sentences(short)


def _with_entries(
    log: Deployment, files: Files, folder: Path, change: Callable[[dict[int, bytes]], dict[int, bytes]]
) -> Path:
    """Other entries in the bundles and a manifest that fits them, signed again; hash tiles and proofs as they were."""
    size = json.loads(files["manifest.json"])["log"]["size"]
    entries = {entry.seq: entry.envelope for entry in log.book.entries() if entry.seq < size}
    made = change(entries)
    old, new = offline.tile_name("entries", 0, size), offline.tile_name("entries", 0, len(made))
    bundle = b"".join(len(data).to_bytes(2, "big") + data for _, data in sorted(made.items()))
    hashes = files.pop(offline.tile_name("0", 0, size))
    files.pop(old)
    files |= {new: bundle, offline.tile_name("0", 0, len(made)): hashes[: 32 * len(made)]}
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = [item for item in manifest["files"] if not item["path"].startswith("log/tile/")]
    manifest["files"] += [{"path": name, "title": ""} for name in files if name.startswith("log/tile/")]
    manifest["log"] = {"size": len(made), "root": LooseBook(log.desk.origin, made.values()).head().root}
    files["manifest.json"] = to_bytes(manifest)
    return packed(resigned(log, files), folder / f"{len(made)}-{random.random()}.zip")
