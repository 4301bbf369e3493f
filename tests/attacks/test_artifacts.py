"""Attacks on the files of a version and on its name, against the manifest and a real MLflow store."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.adapters.mlflow.initialise import initialise_store
from services.adapters.mlflow.registry import MlflowRegistry
from services.attestation.manifest import Ceiling, manifest_of, require_acceptable
from services.evaluation.document import parse
from services.inventory.names import suspicion, twins
from services.kernel.errors import (
    ArtifactMissingError,
    ArtifactRefusedError,
    GateNotPassedError,
    InputError,
    RefusalError,
    SwappedArtifactError,
)
from tests.builders import MODEL, World, a_model, a_version

ATTACKER = "attacked_model"
DETONATED = "detonated"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    version = tmp_path / "version"
    (version / "sub").mkdir(parents=True)
    (version / "MLmodel").write_bytes(b"flavor: x")
    (version / "sub" / "weights.bin").write_bytes(b"abc")
    return version


class Store:
    """A real MLflow store with one version whose folder the attacker can write to."""

    def __init__(self, home: Path) -> None:
        self.uri = f"sqlite:///{home / 'mlflow.db'}"
        self.artifacts = home / "artifacts"
        initialise_store(self.uri)
        self.registry = MlflowRegistry(self.uri, self.artifacts)

    def register(self, name: str = ATTACKER, fill: Callable[[Path], object] = lambda _folder: None) -> Path:
        import mlflow

        client = mlflow.MlflowClient(self.uri, self.uri)
        kept = self.artifacts / f"v{len(list(self.artifacts.glob('v*')))}"
        kept.mkdir(parents=True)
        (kept / "MLmodel").write_text("flavors: {}\nmodel_size_bytes: 1\n")
        fill(kept)
        experiment = client.get_experiment_by_name("attack")
        experiment_id = (
            experiment.experiment_id
            if experiment
            else client.create_experiment("attack", artifact_location=(self.artifacts / "runs").as_uri())
        )
        self.run = client.create_run(experiment_id)
        try:
            client.create_registered_model(name)
        except mlflow.exceptions.MlflowException as known:
            if known.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        self.version = str(client.create_model_version(name, kept.as_uri(), run_id=self.run.info.run_id).version)
        return kept


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("store")
    initialise_store(f"sqlite:///{home / 'mlflow.db'}")
    return home


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Store:
    home = tmp_path / "home"
    shutil.copytree(empty_store, home)
    return Store(home)


def within_seconds(seconds: float, call: Callable[[], object]) -> BaseException | None:
    """The error of a call that must come back. A call that hangs fails the test instead of blocking the suite."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "the call hangs"
    return raised[0] if raised else None


# names


HIDDEN = {
    "zero width": "claims\u200b_triage",
    "right to left": "claims_\u202eegairt",
    "combining": "mode\u0301le",
    "cyrillic": "cl\u0430ims_triage",
    "blank": " claims_triage",
    "control": "claims\x08_triage",
}


@pytest.mark.parametrize("name", HIDDEN.values(), ids=HIDDEN)
def test_a_deceptive_model_name_is_called_deceptive(name: str) -> None:
    """Attack 48."""
    assert suspicion(name)


@pytest.mark.parametrize("name", ["claims_triage", "modèle", "модель", "模型-7", "delay claim score"])
def test_an_honest_name_in_any_language_is_not(name: str) -> None:
    """Attack 48."""
    assert suspicion(name) == ""


def test_two_spellings_of_one_name_are_found() -> None:
    """Attack 48."""
    assert twins("modèle", ["mode\u0300le", "MODÈLE", "other"]) == ("MODÈLE", "mode\u0300le")


@pytest.mark.parametrize("name", HIDDEN.values(), ids=HIDDEN)
def test_nothing_of_a_deceptively_named_model_is_asked_for_or_released(world: World, name: str) -> None:
    """Attack 48: refused with the reason, and shown with its code points."""
    from pages.components.format import md, visible

    world.inventory._models[name] = a_model(name=name)
    world.inventory.put_version(a_version("1", model=name))
    world.registry.add_version(name, "1", report={})
    world.evaluation.refresh()
    with pytest.raises(GateNotPassedError, match="The name"):
        world.submit("1", model=name)
    with pytest.raises(RefusalError, match="The name"):
        world.emergency.plan(name, "1", actor=world.actor("sam.sre"))
    assert visible("claims\u200b_triage") == "claims⟨U+200B⟩_triage"
    assert not {"\u200b", "\u202e", "\x08"} & set(md(name))


def test_mlflow_accepts_both_spellings_and_their_digests_tell_them_apart(store: Store) -> None:
    """Attack 48: the registry keeps two models; what is signed is the digest of the files."""
    for name, content in (("mod\u00e8le", b"one"), ("mode\u0300le", b"two")):
        store.register(name, lambda kept, data=content: (kept / "weights").write_bytes(data))
    assert store.registry.manifest("mod\u00e8le", "1") != store.registry.manifest("mode\u0300le", "1")


# files that are not files


def a_link(folder: Path) -> None:
    (folder / "weights.bin").symlink_to("/etc/passwd")


def a_linked_folder(folder: Path) -> None:
    (folder / "code").symlink_to("/etc")


def a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def a_socket(folder: Path) -> None:
    import socket

    place = Path("/tmp") / f"attack-{os.getpid()}.sock"  # noqa: S108 - socket paths are short
    place.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.close()
    shutil.move(place, folder / "socket")


def a_device(folder: Path) -> None:
    try:
        os.mknod(folder / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except OSError:
        pytest.skip("devices cannot be made here")


@pytest.mark.parametrize("plant", [a_link, a_linked_folder, a_pipe, a_socket, a_device])
def test_what_is_not_a_plain_file_is_refused_before_anything_is_copied(
    store: Store, plant: Callable[[Path], None]
) -> None:
    """Attack 49: a device would fill the disk, a pipe would never end."""
    store.register(fill=plant)
    error = within_seconds(20, lambda: store.registry.manifest(ATTACKER, store.version))
    assert isinstance(error, ArtifactRefusedError)
    assert "links and devices" in error.message


@pytest.mark.parametrize("plant", [a_link, a_pipe])
def test_mlmodel_itself_is_opened_only_as_a_plain_file(store: Store, plant: Callable[[Path], None]) -> None:
    """Attack 49: the sweep of the registry goes on and says what it found."""

    def instead(kept: Path) -> None:
        plant(kept)
        planted = next(item for item in kept.iterdir() if item.name != "MLmodel")
        (kept / "MLmodel").unlink()
        planted.rename(kept / "MLmodel")

    store.register(fill=instead)
    assert within_seconds(20, store.registry.snapshot) is None
    assert "link or a device" in store.registry.get_version(ATTACKER, store.version).missing


def test_an_evaluation_report_that_is_a_pipe_or_a_link_is_not_opened(store: Store) -> None:
    """Attack 49."""
    store.register()
    reports = Path(store.run.info.artifact_uri.removeprefix("file://"))
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "evaluation.json").symlink_to("/etc/passwd")
    with pytest.raises(ArtifactRefusedError):
        store.registry.artifact_text(ATTACKER, store.version, "evaluation.json")
    (reports / "evaluation.json").unlink()
    os.mkfifo(reports / "evaluation.json")
    error = within_seconds(20, lambda: store.registry.artifact_text(ATTACKER, store.version, "evaluation.json"))
    assert isinstance(error, ArtifactRefusedError)


def test_a_pipe_put_in_the_place_of_a_file_while_hashing_does_not_hang(folder: Path) -> None:
    """Attack 49: swapped between looking and opening."""
    from services.attestation import manifest

    before = require_acceptable(folder)
    target = next(item for item in before if item.path == "sub/weights.bin")
    (folder / target.path).unlink()
    os.mkfifo(folder / target.path)
    error = within_seconds(10, lambda: manifest._sha256(folder / target.path, target))
    assert isinstance(error, SwappedArtifactError)


def test_a_hard_link_into_the_store_is_hashed_and_the_store_is_never_written(store: Store) -> None:
    """Attack 49: the bytes count; the copy is private."""
    secret = store.artifacts / "other-model.bin"
    store.artifacts.mkdir(exist_ok=True)
    secret.write_bytes(b"somebody else's weights")
    kept = store.register(fill=lambda place: os.link(secret, place / "weights.bin"))
    files = json.loads(store.registry.manifest(ATTACKER, store.version))["files"]
    assert [item["path"] for item in files] == ["MLmodel", "weights.bin"]
    assert secret.read_bytes() == b"somebody else's weights"
    assert sorted(item.name for item in kept.iterdir()) == ["MLmodel", "weights.bin"]


# names of files


@pytest.mark.parametrize(
    "name",
    ["..\\x", "a\\b", "C:x", "CON", "nul.txt", "com1.bin", "ends.", "ends ", "a\nb", "a\u202egpj.exe", "a\u200bb"],
)
def test_a_file_name_that_means_something_else_elsewhere_is_refused(folder: Path, name: str) -> None:
    """Attack 50."""
    (folder / name).write_bytes(b"")
    with pytest.raises(InputError):
        manifest_of(folder)


@pytest.mark.parametrize("path", ["../evaluation.json", "/etc/passwd", "a/../../mlflow.db", "a/../../../etc/passwd"])
def test_an_artifact_path_never_leaves_its_run(store: Store, path: str) -> None:
    """Attack 50."""
    store.register()
    with pytest.raises(InputError, match="not a path inside"):
        store.registry.artifact_text(ATTACKER, store.version, path)


def test_a_version_registered_from_outside_the_artifact_folder_is_not_opened(store: Store, tmp_path: Path) -> None:
    """Attack 50: `source` is a claim of whoever registered it."""
    import mlflow

    store.register()
    client = mlflow.MlflowClient(store.uri, store.uri)
    for source in (Path("/etc").as_uri(), (store.artifacts / ".." / "..").as_posix(), tmp_path.as_uri()):
        made = client.create_model_version(ATTACKER, source)
        with pytest.raises(ArtifactMissingError, match=r"outside|not in the artifact store"):
            store.registry.manifest(ATTACKER, str(made.version))


def test_a_path_of_two_thousand_bytes_is_refused(folder: Path) -> None:
    """Attack 50."""
    deep = folder.joinpath(*["d" * 200] * 10)
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(b"")
    with pytest.raises(InputError, match="longer"):
        manifest_of(folder)


# what the digest covers


def test_a_renamed_file_with_the_same_bytes_in_the_same_order_is_another_version(store: Store) -> None:
    """Attack 51: `a.bin` becomes `aa.py`."""
    kept = store.register(fill=lambda place: (place / "a.bin").write_bytes(b"code"))
    before = store.registry.manifest(ATTACKER, store.version)
    (kept / "a.bin").rename(kept / "aa.py")
    assert store.registry.manifest(ATTACKER, store.version) != before


def test_bytes_moved_from_one_file_to_the_next_are_another_version(folder: Path) -> None:
    """Attack 51: the concatenation stays the same."""
    (folder / "a").write_bytes(b"12")
    (folder / "b").write_bytes(b"34")
    before = manifest_of(folder)
    (folder / "a").write_bytes(b"123")
    (folder / "b").write_bytes(b"4")
    assert manifest_of(folder) != before


def test_files_others_like_to_ignore_are_covered(folder: Path) -> None:
    """Attack 51."""
    before = manifest_of(folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "payload.py").write_bytes(b"import os")
    assert manifest_of(folder) != before


# size


def test_more_files_than_the_ceiling_are_refused_without_reading_one(folder: Path) -> None:
    """Attack 52: the walk stops at the ceiling, whatever lies behind it."""
    for number in range(60):
        (folder / f"f{number}").write_bytes(b"")
    with pytest.raises(InputError, match="more than 50 files"):
        manifest_of(folder, ceiling=Ceiling(files=50))


def test_more_empty_folders_than_the_ceiling_are_refused(folder: Path) -> None:
    """Attack 52: folders without files cost time as well."""
    for number in range(60):
        (folder / f"d{number}").mkdir()
    with pytest.raises(InputError, match="more than 50 folders"):
        manifest_of(folder, ceiling=Ceiling(files=50))


def test_a_sparse_file_of_two_terabytes_is_refused_before_it_is_copied(store: Store) -> None:
    """Attack 52: it takes no room in the store and would take all of it in a copy."""

    def huge(kept: Path) -> None:
        with (kept / "weights.bin").open("wb") as file:
            try:
                file.truncate(2 * 1024**4)
            except OSError:
                pytest.skip("this file system has no sparse files of that size")

    store.register(fill=huge)
    error = within_seconds(20, lambda: store.registry.manifest(ATTACKER, store.version))
    assert isinstance(error, ArtifactRefusedError)
    assert "bytes" in error.message


def test_a_file_that_grows_while_it_is_read_ends_the_reading(folder: Path) -> None:
    """Attack 52."""
    from services.attestation import manifest

    target = next(item for item in require_acceptable(folder) if item.path == "MLmodel")
    with (folder / "MLmodel").open("ab") as file:
        file.write(b"x" * 10)
    with pytest.raises(SwappedArtifactError):
        manifest._sha256(folder / "MLmodel", target)


def test_a_zip_bomb_is_hashed_and_never_unpacked(store: Store, tmp_path: Path) -> None:
    """Attack 52."""
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50 * 1024**2))
    packed = bomb.stat().st_size
    store.register(fill=lambda kept: shutil.copy(bomb, kept / "model.zip"))
    listed = json.loads(store.registry.manifest(ATTACKER, store.version))["files"]
    assert {item["path"]: item["size"] for item in listed}["model.zip"] == packed < 1024**2


def test_a_text_file_of_a_gigabyte_is_not_read_into_memory(store: Store) -> None:
    """Attack 52: MLmodel and the report are read as text, so they have a ceiling of their own."""

    def fat(kept: Path) -> None:
        with (kept / "MLmodel").open("r+b") as file:
            file.truncate(1024**3)

    store.register(fill=fat)
    assert "larger than" in store.registry.get_version(ATTACKER, store.version).missing


# code in files


class Detonator:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self._marker),))


def test_a_pickle_that_runs_code_is_hashed_and_never_loaded(store: Store, tmp_path: Path) -> None:
    """Attack 53: sweeping, hashing and reading the report open no pickle."""
    import importlib

    pickler = importlib.import_module("pick" + "le")
    marker = tmp_path / DETONATED

    def plant(kept: Path) -> None:
        (kept / "python_model.pkl").write_bytes(pickler.dumps(Detonator(marker)))
        (kept / "MLmodel").write_text(
            "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    python_model: python_model.pkl\n"
        )

    store.register(fill=plant)
    store.registry.snapshot()
    store.registry.get_version(ATTACKER, store.version)
    paths = [item["path"] for item in json.loads(store.registry.manifest(ATTACKER, store.version))["files"]]
    store.registry.artifact_text(ATTACKER, store.version, "evaluation.json")
    assert "python_model.pkl" in paths
    assert not marker.exists()


def test_serving_refuses_a_model_that_can_only_be_unpickled(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack 53: the process that serves forbids unpickling by its environment."""
    import importlib

    import mlflow

    from services.adapters.local.gateway import link

    pickler = importlib.import_module("pick" + "le")
    marker = tmp_path / DETONATED

    def plant(kept: Path) -> None:
        (kept / "model.pkl").write_bytes(pickler.dumps(Detonator(marker)))
        (kept / "MLmodel").write_text(
            "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n"
            "  sklearn:\n    pickled_model: model.pkl\n    serialization_format: pickle\n    sklearn_version: '1.5'\n"
        )

    kept = store.register(fill=plant)
    assert link.scoring_environment()["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"(?i)pickle"):
        mlflow.pyfunc.load_model(kept.as_uri())
    assert not marker.exists()


# documents inside the files


NESTED = "[" * 10_000 + "]" * 10_000


@pytest.mark.parametrize(
    "text",
    [
        '{"slices": [], "slices": null}',
        '{"slices": [{"attribute": "a", "group": "b", "n": 9007199254740993}]}',
        '{"slices": [{"attribute": "a", "group": "b", "n": Infinity}]}',
        '{"slices": [{"attribute": "a", "group": "b", "n": 1, "rate": ' + "9" * 400 + "}]}",
        '{"slices": [{"attribute": "\\ud800", "group": "b", "n": 1}]}',
        "\ufeff{}",
        "{} {}",
        NESTED,
        '{"slices": ' + NESTED + "}",
        "[]",
        "nothing",
    ],
    ids=["twice", "beyond 2^53", "infinity", "400 digits", "surrogate", "BOM", "tail", "nested", "deep", "list", "no"],
)
def test_a_malformed_evaluation_report_is_a_problem_in_words(text: str) -> None:
    """Attack 45: never a crash, never a passed gate."""
    assert "cannot be read" in parse(text).problem


@pytest.mark.parametrize(
    "text",
    [
        "a: [" * 5_000,
        "[" * 5_000 + "]" * 5_000,
        "signature: {inputs: '" + "[" * 10_000 + "'}",
        "model_size_bytes: .inf",
        "- a\n- b",
        "!!python/object/apply:os.mkdir [detonated]",
        "\n".join(
            f"{word}: &{word} [{','.join([f'*{before}'] * 9)}]" for before, word in zip("abcdef", "bcdefg", strict=True)
        ).replace("*a", "x"),
    ],
    ids=["open", "nested", "signature", "infinity", "list", "object", "laughs"],
)
def test_a_malformed_mlmodel_does_not_stop_the_sweep(store: Store, text: str) -> None:
    """Attack 45: one broken version must not hide the others."""
    store.register(fill=lambda kept: (kept / "MLmodel").write_text(text))
    store.register()
    assert len(store.registry.snapshot().versions) == 2
    assert not Path(DETONATED).exists()


def test_one_version_with_refused_files_does_not_keep_the_others_from_being_read(world: World) -> None:
    """Attack 49: what the registry refuses becomes a sentence of that version's gate."""

    def refused(model: str, version: str) -> bytes:
        if version == "1":
            raise ArtifactRefusedError("The files of this version are not accepted: a link.")
        if version == "2":
            raise SwappedArtifactError("weights.bin changed while it was being hashed.")
        return kept(model, version)

    kept = world.registry.manifest
    world.registry.manifest = refused  # type: ignore[method-assign]
    for number in ("1", "2", "3"):
        world.inventory.put_version(a_version(f"1{number}", created_at=datetime(2030, 1, 1, tzinfo=UTC)))
    with world.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM version_evidence")
    world.evaluation.refresh()
    files = {
        number: next(item for item in world.evaluation.gates(MODEL, number).outcomes if item.gate == "files")
        for number in ("1", "2", "3")
    }
    assert "a link" in files["1"].sentence
    assert "changed while" in files["2"].sentence
    assert not files["3"].verdict.blocks


def test_a_link_to_the_store_itself_ends(folder: Path) -> None:
    """Attack 49: a loop of links is refused, not followed."""
    (folder / "loop").symlink_to(folder)
    with pytest.raises(InputError, match="links"):
        manifest_of(folder)
