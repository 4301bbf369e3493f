"""What a pack holds verifies with tools that are not ours: securesystemslib, openssl, sha256sum, published vectors."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from services.audit.offline import verify as offline
from tests.contract.deployment import FOUNDED, Deployment

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
# Roots over the first 1 to 8 of these leaves, as the reference implementation of Certificate Transparency lists them.
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def unpacked(pack: Path, folder: Path) -> Path:
    with zipfile.ZipFile(pack) as file:
        file.extractall(folder)
    return folder


def test_tree_of_the_verifier_gives_the_published_roots() -> None:
    tree = offline.Tree()
    for leaf in LEAVES:
        tree.add(offline.leaf_hash(leaf))

    assert tuple(root.hex() for root in tree.roots[1:]) == ROOTS


def test_exported_envelopes_verify_with_securesystemslib(promoted: tuple[Deployment, Path], tmp_path: Path) -> None:
    folder = unpacked(promoted[1], tmp_path)
    keys = [
        SSlibKey(item["keyid"], item["key"]["keytype"], item["key"]["scheme"], item["key"]["keyval"])
        for item in json.loads((folder / "keys.json").read_text())["keys"]
    ]

    for file in sorted((folder / "envelopes").iterdir()):
        signed = Envelope.from_dict(json.loads(file.read_text()))
        threshold = len(signed.signatures)
        assert len(signed.verify(keys, threshold)) == threshold


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_signature_of_a_person_verifies_with_openssl(promoted: tuple[Deployment, Path], tmp_path: Path) -> None:
    folder = unpacked(promoted[1], tmp_path)
    envelope = json.loads((folder / "envelopes" / f"{FOUNDED + 1}.dsse.json").read_text())
    keys = {item["keyid"]: item for item in json.loads((folder / "keys.json").read_text())["keys"]}
    person = next(item for item in envelope["signatures"] if keys[item["keyid"]]["name"] == "Vera Lindholm")
    raw = bytes.fromhex(keys[person["keyid"]]["key"]["keyval"]["public"])
    pem = Ed25519PublicKey.from_public_bytes(raw).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    payload = offline.unbase64(envelope["payload"])
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "sig").write_bytes(offline.unbase64(person["sig"]))

    def openssl(message: bytes) -> int:
        (tmp_path / "message").write_bytes(message)
        command = [
            "openssl",
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            "key.pem",
            "-rawin",
            "-in",
            "message",
            "-sigfile",
            "sig",
        ]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode

    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    assert openssl(signed) == 0
    assert openssl(signed.replace(b"approve", b"abstain", 1)) != 0


def test_digests_fit_without_any_tool_of_ours(promoted: tuple[Deployment, Path], tmp_path: Path) -> None:
    folder = unpacked(promoted[1], tmp_path)

    for line in (folder / "SHA256SUMS").read_text().splitlines():
        sha256, _, name = line.partition("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
