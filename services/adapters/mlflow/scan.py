"""What the files of a version say without being loaded: size, dependencies, signature, and what would run code.

Every pickle is flagged, also one that looks harmless: reading it runs whatever it names. The opcode scan (picklescan)
only says what that is, so nobody passes by hiding from it. A skops file is flagged for types nobody reviewed.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import logging
import lzma
import pickletools
import zipfile
import zlib
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement

from services.attestation.manifest import manifest_of
from services.evaluation.harness.ports import ArtifactFacts, Dependency, SignatureColumn, UnsafeFile

REVIEWED_TYPES = frozenset(
    {"numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "sklearn.tree._tree.Tree"}
)
"""Types beyond skops' own list that were looked at: they hold arrays and no callable."""
_PICKLES = {".pkl", ".pickle", ".p", ".joblib", ".jbl", ".dill", ".cloudpickle", ".pt", ".pth", ".ckpt", ".mar"}
_ARRAYS = {".npy", ".npz"}
_PLAIN = {".json", ".yaml", ".yml", ".txt", ".md", ".py", ".csv", ".parquet", ".skops", ".onnx", ".ubj", ".safetensors"}
_PACKED: dict[bytes, Any] = {b"\x78": zlib, b"\x1f\x8b": gzip, b"BZh": bz2, b"\xfd7zXZ": lzma}
_LARGEST_SCAN = 2 * 1024**3
_NAMED = 4

# The scanner warns about every finding by itself; the report is where it is said.
logging.getLogger("picklescan").setLevel(logging.CRITICAL)


def artifact_facts(folder: Path) -> ArtifactFacts:
    """`folder` is a private copy. Raises InputError as the manifest does, ArtifactMissingError."""
    manifest = manifest_of(folder)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.is_symlink()]
    described = _mlmodel(folder)
    signature = described.get("signature")
    return ArtifactFacts(
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        size_bytes=sum(file.stat().st_size for file in files),
        files=len(files),
        unsafe=tuple(
            UnsafeFile(path=str(file.relative_to(folder)), why=why) for file in files if (why := unsafe_because(file))
        ),
        dependencies=dependencies(folder),
        inputs=_inputs(signature),
        has_signature=isinstance(signature, dict) and bool(signature.get("inputs")),
        has_input_example=bool(described.get("saved_input_example_info")),
    )


def unsafe_because(file: Path) -> str:
    """Why reading this file would run code, in one sentence; empty when it would not."""
    if file.suffix == ".skops":
        return _skops(file)
    with file.open("rb") as stream:
        head = stream.read(8)
    kind = file.suffix.lower()
    if kind in _ARRAYS or head.startswith(b"\x93NUMPY"):
        return (
            "" if not _named(file) else f"An array of Python objects is a pickle: loading it runs code{_names(file)}."
        )
    pickled = kind in _PICKLES or _starts_pickle(head) or _starts_pickle(_unpacked_head(file, head))
    if not pickled and zipfile.is_zipfile(file):
        pickled = _holds_pickle(file)
    if not pickled and kind not in _PLAIN:
        pickled = _reads_as_pickle(file)
    return f"A pickle runs code when it is loaded{_names(file)}." if pickled else ""


def dependencies(folder: Path) -> tuple[Dependency, ...]:
    """Requirements of `requirements.txt`. One without a version or without an upper end is not pinned."""
    try:
        lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return (
            Dependency(name="requirements.txt", spec="", problem="The file is missing: nobody knows what it needs."),
        )
    return tuple(_dependency(line.strip()) for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _dependency(line: str) -> Dependency:
    try:
        found = Requirement(line.partition(" #")[0])
    except InvalidRequirement:
        return Dependency(name=line[:80], spec="", problem="It is no package with a version.")
    problem = ""
    if found.url:
        problem = "It is fetched from an address, whatever lies there."
    elif not any(part.operator in {"==", "===", "~=", "<", "<="} for part in found.specifier):
        problem = "Any later release may be installed."
    return Dependency(name=found.name, spec=str(found.specifier) or (found.url or ""), problem=problem)


def _mlmodel(folder: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _inputs(signature: Any) -> tuple[SignatureColumn, ...]:
    try:
        columns = json.loads(signature["inputs"])
        return tuple(
            SignatureColumn(
                name=str(column.get("name") or f"input_{number}"),
                type=str(column.get("type") or ""),
                required=column.get("required", True) is not False,
            )
            for number, column in enumerate(columns)
        )
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError):
        return ()


def _skops(file: Path) -> str:
    import skops.io

    try:
        foreign = sorted(set(skops.io.get_untrusted_types(file=file)) - REVIEWED_TYPES)
    except Exception as odd:  # noqa: BLE001 - a file made to break its reader may raise anything
        return f"The skops file cannot be read ({type(odd).__name__}), so nobody knows what it builds."
    if not foreign:
        return ""
    more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
    return f"The skops file builds types nobody reviewed: {', '.join(foreign[:_NAMED])}{more}."


def _unpacked_head(file: Path, head: bytes) -> bytes:
    """The first bytes behind a compression that joblib uses; empty for anything else."""
    opened = next((reader for mark, reader in _PACKED.items() if head.startswith(mark)), None)
    if opened is None:
        return b""
    try:
        if opened is zlib:
            with file.open("rb") as stream:
                return zlib.decompressobj().decompress(stream.read(1 << 16), 8)
        with opened.open(file, "rb") as stream:
            return bytes(stream.read(8))
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return b""


def _starts_pickle(head: bytes) -> bool:
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def _reads_as_pickle(file: Path) -> bool:
    """The oldest protocols have no mark at their beginning; only their opcodes tell, up to the one that ends them."""
    if file.stat().st_size > _LARGEST_SCAN:
        return True
    ended = False
    try:
        with file.open("rb") as stream:
            for opcode, _, _ in pickletools.genops(stream):
                ended = opcode.name == "STOP"
    except Exception:  # noqa: BLE001 - text and other formats; what would run before the break is asked below
        return any(_scanned(file, dangerous=True))
    return ended


def _holds_pickle(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as packed:
            for entry in packed.infolist():
                if Path(entry.filename).suffix.lower() in _PICKLES:
                    return True
                with packed.open(entry) as stream:
                    if _starts_pickle(stream.read(8)):
                        return True
    except (zipfile.BadZipFile, RuntimeError, OSError, NotImplementedError):
        return True  # packed so that nobody can look inside
    return False


def _names(file: Path) -> str:
    found = _named(file)
    if not found:
        return ""
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"; it names {', '.join(found[:_NAMED])}{more}"


def _named(file: Path) -> list[str]:
    """What its opcodes would import, dangerous ones first; empty when it holds none or cannot be parsed."""
    dangerous = _scanned(file, dangerous=True)
    return [*dangerous, *(name for name in _scanned(file, dangerous=False) if name not in dangerous)]


def _scanned(file: Path, *, dangerous: bool) -> list[str]:
    from picklescan.scanner import SafetyLevel, scan_file_path

    if file.stat().st_size > _LARGEST_SCAN:
        return []
    try:
        found = scan_file_path(str(file)).globals
    except Exception:  # noqa: BLE001 - not a pickle, or one made to break the scanner; its kind is judged elsewhere
        return []
    return sorted(
        f"{item.module}.{item.name}" for item in found if not dangerous or item.safety is SafetyLevel.Dangerous
    )
