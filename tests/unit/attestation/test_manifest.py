"""The digest of a model version covers names, sizes and bytes of every file, and refuses what it cannot cover."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from services.attestation.canonical import sha256_hex
from services.attestation.manifest import Ceiling, manifest_of
from services.kernel.errors import ArtifactMissingError, InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    version = tmp_path / "version"
    (version / "sub").mkdir(parents=True)
    (version / "MLmodel").write_bytes(b"flavor: x")
    (version / "sub" / "x").write_bytes(b"")
    (version / "sub-1").write_bytes(b"abc")
    return version


def test_manifest_lists_files_by_the_bytes_of_their_paths(folder: Path) -> None:
    document = json.loads(manifest_of(folder))

    assert [file["path"] for file in document["files"]] == ["MLmodel", "sub-1", "sub/x"]
    assert document["files"][1] == {"path": "sub-1", "size": 3, "sha256": sha256_hex(b"abc")}
    assert (document["format"], document["hash"]) == ("governance.manifest/v1", "sha256")


def test_renaming_a_file_changes_the_digest(folder: Path) -> None:
    before = manifest_of(folder)

    (folder / "sub-1").rename(folder / "sub-2")

    assert manifest_of(folder) != before


def test_note_written_by_mlflow_on_download_is_left_out_only_in_its_known_form(folder: Path) -> None:
    before = manifest_of(folder)

    (folder / "registered_model_meta").write_text("model_name: a\nmodel_version: '3'\n")
    assert manifest_of(folder) == before
    (folder / "registered_model_meta").write_text("model_name: a\nmodel_version: '3'\npayload: x\n")
    assert manifest_of(folder) != before
    (folder / "registered_model_meta").write_text("{[broken")
    assert manifest_of(folder) != before
    (folder / "registered_model_meta").write_text("x" * 5000)
    assert manifest_of(folder) != before
    (folder / "registered_model_meta").unlink()
    (folder / "sub" / "registered_model_meta").write_text("model_name: a\nmodel_version: '3'\n")
    assert manifest_of(folder) != before


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "a\u202egpj.exe", "a\u200bb", "x\x7f"])
def test_deceptive_names_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")

    with pytest.raises(InputError):
        manifest_of(folder)


def test_name_that_is_not_unicode_is_refused(folder: Path) -> None:
    with open(os.fsencode(folder) + b"/\xff", "wb"):  # noqa: PTH123 - a path object would hide the bytes
        pass

    with pytest.raises(InputError, match="UTF-8"):
        manifest_of(folder)


@pytest.mark.parametrize("pair", [("Model", "model"), ("\u00e9", "e\u0301")])
def test_names_equal_on_other_file_systems_are_refused(folder: Path, pair: tuple[str, str]) -> None:
    for name in pair:
        (folder / name).write_bytes(b"")

    with pytest.raises(InputError, match="same on some"):
        manifest_of(folder)


def test_links_and_pipes_are_refused(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(InputError):
        manifest_of(folder)
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(InputError):
        manifest_of(folder)


def test_ceilings_and_long_paths_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="more than"):
        manifest_of(folder, ceiling=Ceiling(files=2))
    with pytest.raises(InputError, match="more than"):
        manifest_of(folder, ceiling=Ceiling(total_bytes=5))
    deep = folder / ("d" * 250) / ("e" * 250) / ("f" * 250) / ("g" * 250) / ("h" * 50)
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"")
    with pytest.raises(InputError, match="longer"):
        manifest_of(folder)


def test_absent_and_empty_folders_have_no_digest(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissingError):
        manifest_of(tmp_path / "nowhere")
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    with pytest.raises(ArtifactMissingError):
        manifest_of(tmp_path / "empty")
