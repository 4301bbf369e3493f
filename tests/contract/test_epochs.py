"""After a genuine loss a new log begins: its first entry says what of the old one is lost, and who states it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.__main__ import app
from services.adapters.signing.desk import KeyDesk
from services.adapters.sql.database import Database
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.registry_anchors import SqlRegistryAnchors
from services.adapters.sql.setup import create_schema, found_deployment
from services.attestation import envelope, statement
from services.audit.offline import verify as offline
from services.kernel.clock import FrozenClock
from services.kernel.errors import BrokenChainError, ConflictError, InputError, TrustError
from services.kernel.identity import Role
from services.ledger import epochs, note
from services.ledger.epochs import Loss
from services.ledger.ports import ReadTag, TagPlace
from services.ledger.registry_anchors import RegistryAnchors
from services.people.accounts import demo_people
from services.settings import Settings
from services.workspace import losing
from tests.contract.deployment import CHEAP, STARTED, Deployment, assemble, founded
from tests.unit.pack.agreeing import require_agreement
from tests.unit.pack.packing import packer

WHY = "The disk of the database failed, and the newest copy is a day old."
ADA, AMIR = [somebody for somebody in demo_people() if Role.ADMIN in somebody.roles]


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """A log restored from a copy that is older than its newest anchor."""

    settings: Settings
    pack: Path
    """Built before the loss, from entries that are lost now as well."""
    held: int
    anchored: int
    root: str

    def examine(self, reason: str = WHY) -> Loss:
        return losing.examine(self.settings, reason=reason, clock=FrozenClock(STARTED))


def lost(home: Path) -> Old:
    made = founded(f"sqlite:///{home / 'governance.db'}", home)
    made.promote()
    made.ledger.anchor()
    held = made.ledger.head().size
    made.database.dispose()
    shutil.copytree(home, home / "kept", ignore=lambda _folder, names: [n for n in names if "governance" not in n])
    made = assemble(Database(f"sqlite:///{home / 'governance.db'}"), home, desk=made.desk, clock=made.clock,
                    genesis=made.genesis)  # fmt: skip
    for _ in range(4):
        made.event("noted")
    packs = packer(made)
    info = packs.build_for("otto.auditor")
    pack = home / "before.zip"
    pack.write_bytes(packs.service.read(info.pack_id, packs.actor("otto.auditor")))
    made.ledger.anchor()
    head = made.ledger.head()
    made.database.dispose()
    for file in home.glob("governance.db*"):
        file.unlink()
    for file in (home / "kept").iterdir():
        shutil.copy2(file, home / file.name)
    return Old(settings=Settings(home=home), pack=pack, held=held, anchored=head.size, root=head.root)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Old:
    """Read only."""
    return lost(tmp_path_factory.mktemp("old"))


def begin(home: Path, loss: Loss) -> Deployment:
    home.mkdir(exist_ok=True)
    database, clock = Database(f"sqlite:///{home / 'governance.db'}"), FrozenClock(STARTED)
    create_schema(database)
    desk = KeyDesk.create(
        SqlKeyStore(database), home / "keys", clock, deployment="tests", cost=CHEAP,
        number=epochs.next_number(loss, "tests"),
    )  # fmt: skip
    genesis = found_deployment(database, desk, clock=clock, profile="mlflow", people=demo_people(), after=loss)
    return assemble(database, home, desk=desk, clock=clock, genesis=genesis)


@pytest.fixture(scope="module")
def new(old: Old, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Read only."""
    return begin(tmp_path_factory.mktemp("new"), old.examine())


@pytest.fixture
def fresh(new: Deployment, tmp_path: Path) -> Deployment:
    """A copy, for what changes it."""
    home, clock = tmp_path / "new", FrozenClock(STARTED)
    new.database.dispose()
    shutil.copytree(new.home, home)
    database = Database(f"sqlite:///{home / 'governance.db'}")
    desk = KeyDesk(SqlKeyStore(database), home / "keys", clock, cost=CHEAP)
    return assemble(database, home, desk=desk, clock=clock, genesis=new.genesis)


def test_what_is_lost_is_counted_from_the_anchor_and_the_copy_that_is_held(old: Old) -> None:
    loss = old.examine()
    assert (loss.held.size, loss.anchored.size, loss.anchored.root) == (old.held, old.anchored, old.root)
    assert loss.anchored.size > loss.held.size


def test_the_first_entry_of_the_new_log_names_what_is_lost_and_both_administrators_signed_it(
    old: Old, new: Deployment
) -> None:
    first = new.book.entry(0)
    assert first is not None
    read = envelope.read(first.envelope)
    previous = statement.read(read.payload).predicate["previous"]
    assert new.desk.origin == "tests/countersign/log-2"
    assert previous["origin"] == "tests/countersign/log-1"
    assert previous["anchored"] == {"size": old.anchored, "root": old.root}
    assert note.read(previous["checkpoint"]).size == old.anchored
    assert [item["name"] for item in previous["statedBy"]] == [ADA.name, AMIR.name]
    assert len(read.signatures) == 3, "two administrators and the service"


def test_the_new_log_goes_on_verifies_and_both_verifiers_say_what_is_lost(old: Old, fresh: Deployment) -> None:
    fresh.event("noted")
    report = fresh.audit.verify()
    assert report.intact
    told = next(item.sentence for item in report.findings if "goes on from" in item.sentence)
    assert f"of which entries {old.held} to {old.anchored - 1} are lost" in told
    assert told.endswith(f"Stated by {ADA.name} and {AMIR.name}: {WHY}")
    objections = require_agreement(entry.envelope for entry in fresh.book.entries())
    assert {severity for severity, _ in objections} == {"note"}


def test_a_pack_of_the_new_log_says_it_offline_and_a_pack_from_before_still_verifies(
    old: Old, fresh: Deployment
) -> None:
    packs = packer(fresh)
    info = packs.build_for("otto.auditor")
    pack = fresh.home / "new.zip"
    pack.write_bytes(packs.service.read(info.pack_id, packs.actor("otto.auditor")))

    said: list[bytes] = []
    assert offline.main([str(pack), "--pin", fresh.genesis], said.append) == 0
    text = b"".join(said).decode()
    assert "follows     tests/countersign/log-1 after a loss" in text
    assert f"entries {old.held} to {old.anchored - 1} are lost" in text
    assert f"Stated by {ADA.name} and {AMIR.name}" in text

    before = offline.verify(old.pack)
    assert before.intact
    assert before.document()["previous"] is None


def test_a_registry_tag_of_the_old_log_is_known_as_such_and_one_beyond_what_was_stated_is_grave(
    old: Old, fresh: Deployment
) -> None:
    desk = KeyDesk(SqlKeyStore(Database(old.settings.governance_url)), old.settings.keys_folder, FrozenClock(STARTED))
    store = SqlRegistryAnchors(fresh.database)
    sizes = {"a": old.anchored, "b": old.anchored + 1}
    tags = {
        model: note.compact(desk.sign_checkpoint(size=size, root=bytes(32)), origin=desk.origin)
        for model, size in sizes.items()
    }
    read = tuple(ReadTag(place=TagPlace(model=model, version=""), text=text) for model, text in tags.items())
    store.keep_copy(read, at=fresh.clock.now())

    standing = RegistryAnchors(store=store, book=fresh.book, keys=fresh.desk, clock=fresh.clock).standing()

    assert standing.notes == (), "they vouch for nothing here"
    stated, beyond = standing.problems
    before = "is of the log before, tests/countersign/log-1, and vouches for"
    assert (stated.grave, f"{before} {old.anchored} of its entries." in stated.sentence) == (False, True)
    assert (beyond.grave, beyond.sentence.endswith("were stated: more is lost.")) == (True, True)


def test_nothing_is_added_to_the_old_log(old: Old, new: Deployment) -> None:
    assert new.desk.origin != old.examine().origin
    assert old.examine().held.size == old.held


def test_a_log_that_holds_what_was_anchored_has_lost_nothing(tmp_path: Path) -> None:
    made = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    made.ledger.anchor()
    made.event("noted")
    made.database.dispose()
    with pytest.raises(InputError, match="Nothing is lost"):
        losing.examine(Settings(home=tmp_path), reason=WHY, clock=made.clock)


def test_another_history_is_not_a_loss(tmp_path: Path) -> None:
    """The part that is held does not agree with an anchor it reaches."""
    old = lost(tmp_path)
    desk = KeyDesk(SqlKeyStore(Database(old.settings.governance_url)), tmp_path / "keys", FrozenClock(STARTED))
    forged = desk.sign_checkpoint(size=old.held - 1, root=bytes(32))
    (old.settings.anchors_folder / f"{old.held - 1:012d}.note").write_text(forged)
    kept = sorted(old.settings.anchors_folder.iterdir())
    assert any(str(old.held - 1) in file.name for file in kept)
    with pytest.raises(BrokenChainError, match="another history"):
        old.examine()


def test_a_loss_without_a_reason_is_not_stated(old: Old) -> None:
    with pytest.raises(InputError, match="with its reason"):
        old.examine(reason="  ")


def test_the_file_is_written_once_and_one_that_was_changed_is_refused(old: Old, tmp_path: Path) -> None:
    loss, file = old.examine(), tmp_path / "loss.json"
    losing.write(loss, file)
    assert losing.read(file) == loss
    with pytest.raises(ConflictError, match="exists already"):
        losing.write(loss, file)
    given = json.loads(file.read_text())
    given["anchored"]["size"] += 1
    file.write_text(json.dumps(given))
    with pytest.raises(TrustError, match="something else than what is claimed"):
        losing.read(file)
    file.write_text("{}")
    with pytest.raises(InputError, match="does not state a loss"):
        losing.read(file)


def test_another_deployment_does_not_go_on_from_this_one(old: Old) -> None:
    with pytest.raises(InputError, match="not of the deployment elsewhere"):
        epochs.next_number(old.examine(), "elsewhere")
    assert epochs.next_number(replace(old.examine(), origin="tests/countersign/log-9"), "tests") == 10


def forged_genesis(new: Deployment, **changes: object) -> set[tuple[str, int]]:
    """What both verifiers say when the statement of the loss is another one, signed again by the same people."""
    first = new.book.entry(0)
    assert first is not None
    said = statement.read(envelope.read(first.envelope).payload)
    predicate = {name: value for name, value in said.predicate.items() if name not in {"at", "nonce", "log", "service"}}
    predicate["previous"] = {**predicate["previous"], **changes}
    payload = statement.build(
        said.kind, subjects=said.subjects, predicate=predicate, at=said.at, head=said.head, nonce=said.nonce
    )
    data = new.desk.sign_as_person(payload, subject=ADA.subject, passphrase=ADA.passphrase)
    data = new.desk.countersign(data, issuer=AMIR.issuer, subject=AMIR.subject, passphrase=AMIR.passphrase)
    return require_agreement([data])


def test_the_same_statement_signed_again_holds(new: Deployment) -> None:
    assert {severity for severity, _ in forged_genesis(new)} == {"note"}


@pytest.mark.parametrize(
    "changes",
    [
        {"anchored": {"size": 9999, "root": "ab" * 32}},
        {"origin": "tests/countersign/log-2"},
        {"checkpoint": "made up\n"},
        {"statedBy": []},
    ],
)
def test_a_loss_that_the_old_log_does_not_vouch_for_breaks_the_new_one(
    new: Deployment, changes: dict[str, object]
) -> None:
    assert ("integrity", 0) in forged_genesis(new, **changes)


@pytest.mark.parametrize("changes", [{"held": {"size": 9999, "root": "ab" * 32}}, {"reason": ""}])
def test_a_loss_of_nothing_or_without_a_reason_cannot_be_signed(new: Deployment, changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="`previous` of a genesis has the wrong shape"):
        forged_genesis(new, **changes)


def test_one_administrator_alone_does_not_state_a_loss(new: Deployment) -> None:
    first = new.book.entry(0)
    assert first is not None
    document = json.loads(first.envelope)
    document["signatures"] = [document["signatures"][0], document["signatures"][2]]
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    assert ("integrity", 0) in require_agreement([data])


def test_the_ceremony_is_two_commands(postgres: str, tmp_path: Path) -> None:
    """Lose, state, found: on PostgreSQL, by the command line, with the passphrases of two administrators."""
    import secrets

    import psycopg

    (tmp_path / "old-home").mkdir()
    old = lost(tmp_path / "old-home")
    file, name = tmp_path / "loss.json", f"epoch_{secrets.token_hex(4)}"
    done = CliRunner().invoke(
        app, ["state-loss", str(file), "--reason", WHY], env={"COUNTERSIGN_HOME": str(old.settings.home)}
    )
    assert done.exit_code == 0, done.output
    people = tmp_path / "people.yaml"
    people.write_text(
        "deployment: tests\npeople:\n"
        '  - {issuer: "https://idp", subject: "1", name: Ada Moreau, roles: [admin]}\n'
        '  - {issuer: "https://idp", subject: "2", name: Amir Haddad, roles: [admin]}\n'
    )
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    env = {
        "COUNTERSIGN_HOME": str(tmp_path / "new-home"), "COUNTERSIGN_PROFILE": "mlflow",
        "COUNTERSIGN_DATABASE_URL": postgres.replace("/postgres?", f"/{name}?"),
        "COUNTERSIGN_MLFLOW_URI": "http://127.0.0.1:9",
    }  # fmt: skip
    words = "twelve letters and more\n"
    try:
        done = CliRunner().invoke(app, ["found", str(people), "--after", str(file)], env=env, input=words * 4)
        assert done.exit_code == 0, done.output
        assert f"entries {old.held} to {old.anchored - 1} are lost" in done.output
        shown = CliRunner().invoke(app, ["verify"], env=env)
        assert shown.exit_code == 0, shown.output
    finally:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
