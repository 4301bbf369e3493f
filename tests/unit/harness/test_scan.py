"""Files that run code when loaded are flagged without being loaded, whatever they are called."""

from __future__ import annotations

import os
import pickle  # noqa: TID251 - written here, never read
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from services.adapters.mlflow.scan import dependencies, unsafe_because


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("echo run > was-run",)


def write(place: Path, data: bytes) -> Path:
    place.write_bytes(data)
    return place


# Old protocols are text without a mark: in a file called like a text, nothing would read them as a pickle.
@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        *((name, protocol) for name in ("model.pkl", "weights.dat", "noname") for protocol in range(6)),
        *(("readme.txt", protocol) for protocol in range(2, 6)),
    ],
)
def test_a_pickle_is_flagged_by_its_content_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / name, pickle.dumps(Evil(), protocol))
    assert "system" in unsafe_because(file)
    assert not (tmp_path / "was-run").exists()


def test_a_harmless_pickle_is_flagged_too(tmp_path: Path) -> None:
    assert unsafe_because(write(tmp_path / "model.pkl", pickle.dumps({"a": 1}))).startswith("A pickle runs code")


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3)])
def test_joblib_is_flagged_however_it_is_compressed(tmp_path: Path, compress: Any) -> None:
    file = tmp_path / "model.bin"
    joblib.dump({"a": np.arange(3)}, file, compress=compress)
    assert unsafe_because(file)


def test_a_torch_archive_is_flagged(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights.bin", "w") as packed:
        packed.writestr("archive/data.pkl", pickle.dumps(Evil()))
    assert "system" in unsafe_because(tmp_path / "weights.bin")


def test_arrays_of_numbers_pass_and_arrays_of_objects_do_not(tmp_path: Path) -> None:
    np.save(tmp_path / "numbers.npy", np.arange(5.0))
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}, 2], dtype=object), allow_pickle=True)
    assert unsafe_because(tmp_path / "numbers.npy") == ""
    assert unsafe_because(tmp_path / "objects.npy")


@pytest.mark.parametrize(
    ("name", "text"),
    [("MLmodel", "artifact_path: model\nflavors: {}\n"), ("rule.json", "{}"), ("conda.yaml", "a: 1"), ("empty", "")],
)
def test_text_passes(tmp_path: Path, name: str, text: str) -> None:
    assert unsafe_because(write(tmp_path / name, text.encode())) == ""


def test_a_skops_file_is_flagged_for_types_nobody_reviewed(tmp_path: Path) -> None:
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(LogisticRegression(), tmp_path / "good.skops")
    skops.io.dump(FunctionTransformer(os.path.join), tmp_path / "odd.skops")
    write(tmp_path / "broken.skops", b"PK not really")
    assert unsafe_because(tmp_path / "good.skops") == ""
    assert "nobody reviewed" in unsafe_because(tmp_path / "odd.skops")
    assert "cannot be read" in unsafe_because(tmp_path / "broken.skops")


def test_a_dependency_without_an_upper_end_is_not_pinned(tmp_path: Path) -> None:
    lines = ["a==1.0", "b>=1,<2", "c~=1.2", "d>=1", "e", "f @ https://example.org/f.whl", "-e .", "# comment", ""]
    (tmp_path / "requirements.txt").write_text("\n".join(lines))
    assert [item.name for item in dependencies(tmp_path) if item.problem] == ["d", "e", "f", "-e ."]
    assert dependencies(tmp_path / "nowhere")[0].problem
