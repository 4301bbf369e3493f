"""Keys of the deployment in a key service: they move there by a ceremony, and nothing is recorded while it is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Signature, Signer

from services.adapters.signing.desk import KeyDesk
from services.adapters.signing.files import create_key_files, read_key_files
from services.adapters.signing.machine_seal import MachineSeal
from services.doctor import machine
from services.doctor.models import State
from services.kernel.errors import InputError, KeyServiceError, TrustError
from services.people.ceremonies import CeremonyKind
from services.settings import Settings
from tests.builders import World, a_world
from tests.unit.people.test_ceremonies import assert_clean, propose

P256, ED25519 = "P-256", "Ed25519"


def a_private_key(kind: str) -> Any:
    return ec.generate_private_key(ec.SECP256R1()) if kind == P256 else Ed25519PrivateKey.generate()


class CloudSigner(Signer):
    """A key service: holds private keys by name, counts, and can be away or sign with another key."""

    keys: ClassVar[dict[str, Any]] = {}
    away: ClassVar[bool] = False
    signed: ClassVar[int] = 0

    def __init__(self, name: str, public_key: Any) -> None:
        self._name = name
        self._public = public_key

    @property
    def public_key(self) -> Any:
        return self._public

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Any, secrets_handler: Any = None) -> CloudSigner:
        return cls(priv_key_uri.partition(":")[2], public_key)

    def sign(self, payload: bytes) -> Signature:
        if CloudSigner.away:
            raise TimeoutError("the secret of the account is hunter2")
        CloudSigner.signed += 1
        return CryptoSigner(CloudSigner.keys[self._name]).sign(payload)


@pytest.fixture
def cloud() -> Iterator[type[CloudSigner]]:
    SIGNER_FOR_URI_SCHEME["testkms"] = CloudSigner
    CloudSigner.keys, CloudSigner.away, CloudSigner.signed = {}, False, 0
    yield CloudSigner
    del SIGNER_FOR_URI_SCHEME["testkms"]


def in_cloud(folder: Path, name: str, kind: str = ED25519) -> str:
    """Where a new key of the service is."""
    CloudSigner.keys[name] = a_private_key(kind)
    public = folder / f"{name}.pub.pem"
    public.write_bytes(
        CloudSigner.keys[name].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return f"testkms:{name}#{public}"


def in_file(folder: Path, kind: str) -> str:
    path = folder / "held.pem"
    path.write_bytes(a_private_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return f"file2:{path}"


def public_of(world: World, use: str) -> Any:
    return {"service": world.desk.service_key, "log": world.desk.log_key, "machine": world.desk.machine_key}[use]


@pytest.mark.parametrize(
    ("kind", "use", "algorithm"),
    [
        (CeremonyKind.ROTATE_MACHINE, "machine", ED25519),
        (CeremonyKind.ROTATE_MACHINE, "machine", P256),
        (CeremonyKind.ROTATE_SERVICE, "service", P256),
        (CeremonyKind.ROTATE_LOG, "log", ED25519),
    ],
)
def test_a_key_moves_into_a_key_service_by_a_ceremony_and_the_ledger_names_it(
    tmp_path: Path, cloud: type[CloudSigner], kind: CeremonyKind, use: str, algorithm: str
) -> None:
    world = a_world(tmp_path, key_places={use: in_cloud(tmp_path, "next", algorithm)})
    before = public_of(world, use)

    propose(world, kind, subject="")
    world.ledger.record_event(event="after", actor=None, detail={})

    assert public_of(world, use) != before
    kept = json.loads((tmp_path / "keys" / f"{use}.pem").read_bytes())
    assert kept == {"uri": "testkms:next", "public": public_of(world, use).document()}
    assert cloud.signed > 0
    assert_clean(world)
    world.database.dispose()


def test_the_machine_signs_with_the_key_of_the_service(tmp_path: Path, cloud: type[CloudSigner]) -> None:
    world = a_world(tmp_path, key_places={"machine": in_cloud(tmp_path, "robot")})
    propose(world, CeremonyKind.ROTATE_MACHINE, subject="")
    before = cloud.signed
    seal = MachineSeal(tmp_path / "keys")

    key_id, signature = seal.sign(b"targets")

    assert cloud.signed == before + 1
    assert world.desk.machine_key is not None
    assert key_id == world.desk.machine_key.key_id
    assert seal.verifies(b"targets", key_id, signature)
    world.database.dispose()


@pytest.mark.parametrize("fault", ["away", "other key"])
def test_while_the_service_gives_no_signature_nothing_is_recorded_and_no_secret_is_told(
    tmp_path: Path, cloud: type[CloudSigner], fault: str
) -> None:
    world = a_world(tmp_path, key_places={"service": in_cloud(tmp_path, "counter", P256)})
    propose(world, CeremonyKind.ROTATE_SERVICE, subject="")
    size = world.ledger.head().size
    if fault == "away":
        cloud.away = True
    else:
        cloud.keys["counter"] = a_private_key(P256)

    with pytest.raises(KeyServiceError, match="Nothing was") as refused:
        world.ledger.record_event(event="lost", actor=None, detail={})

    assert "hunter2" not in f"{refused.value} {refused.value.__cause__}"
    assert world.ledger.head().size == size
    world.database.dispose()


@pytest.mark.parametrize("algorithm", [ED25519, P256])
def test_a_file_or_a_variable_holds_a_key_as_well(
    tmp_path: Path, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = a_private_key(algorithm).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    monkeypatch.setenv("THE_SERVICE_KEY", key.decode())
    places = {"machine": in_file(tmp_path, algorithm), "service": "envvar:THE_SERVICE_KEY"}

    create_key_files(tmp_path / "keys", deployment="acme", places=places)

    files = read_key_files(tmp_path / "keys")
    assert files.machine_key is not None
    for held in (files.machine_key, files.service_key):
        assert held.public.verifies(b"bytes", held.sign(b"bytes"))
    assert not files.log_key.uri
    assert [file for file in (tmp_path / "keys").iterdir() if key in file.read_bytes()] == []


def test_checkpoints_need_an_ed25519_key(tmp_path: Path, cloud: type[CloudSigner]) -> None:
    with pytest.raises(TrustError, match="not an Ed25519 key"):
        create_key_files(tmp_path / "keys", deployment="acme", places={"log": in_cloud(tmp_path, "log", P256)})


def test_a_place_that_does_not_fit_is_refused_before_anything_is_signed(
    tmp_path: Path, cloud: type[CloudSigner]
) -> None:
    right = in_cloud(tmp_path, "right")
    in_cloud(tmp_path, "wrong")
    uri = right.partition("#")[0]
    for place, error in (
        (f"{uri}#{tmp_path / 'wrong.pub.pem'}", KeyServiceError),
        (uri, InputError),
        (f"{uri}#{tmp_path / 'missing.pem'}", InputError),
        (f"nosuch:key#{tmp_path / 'right.pub.pem'}", KeyServiceError),
        ("envvar:NOT_SET_ANYWHERE", KeyServiceError),
    ):
        world_keys = tmp_path / f"keys-{abs(hash(place))}"
        with pytest.raises(error):
            create_key_files(world_keys, deployment="acme", places={"machine": place})


def test_the_doctor_asks_the_service_and_says_when_a_setting_waits_for_its_ceremony(
    tmp_path: Path, cloud: type[CloudSigner]
) -> None:
    place = in_cloud(tmp_path, "robot")
    world = a_world(tmp_path, key_places={"machine": place})
    settings = Settings(home=tmp_path, key_machine=place)
    assert [item.state for item in machine.key_services(Settings(home=tmp_path))] == [State.UNUSED]
    assert [item.state for item in machine.key_services(settings)] == [State.WARNING]

    propose(world, CeremonyKind.ROTATE_MACHINE, subject="")
    assert [item.state for item in machine.key_services(settings)] == [State.OK]

    cloud.away = True
    with pytest.raises(KeyServiceError):
        list(machine.key_services(settings))
    world.database.dispose()


def test_a_second_process_uses_the_service_once_the_ledger_names_it(tmp_path: Path, cloud: type[CloudSigner]) -> None:
    world = a_world(tmp_path, key_places={"service": in_cloud(tmp_path, "counter")})
    other = a_world(tmp_path)
    propose(world, CeremonyKind.ROTATE_SERVICE, subject="")
    other.ledger.record_event(event="by-the-other", actor=None, detail={})
    assert isinstance(other.desk, KeyDesk)
    assert other.desk.service_key == world.desk.service_key
    assert_clean(other)
    world.database.dispose()
    other.database.dispose()
