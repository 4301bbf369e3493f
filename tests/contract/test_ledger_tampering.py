"""Somebody with full rights on the database changes the log. Verification and start-up say so."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, select, text, update

from services.adapters.signing.desk import KeyDesk
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.schema.ledger import log_checkpoint, log_entry
from services.adapters.sql.schema.people import signing_key
from services.adapters.sql.setup import create_schema
from services.attestation import envelope
from services.attestation.models import Kind
from services.audit.models import Verification
from services.kernel.errors import BrokenChainError, TrustError
from services.ledger import merkle
from services.ledger.ports import StoredEntry
from services.ledger.verify import Trusted, verify_log
from tests.contract.deployment import FOUNDED, Deployment, found


def drop_triggers(deployment: Deployment) -> None:
    with deployment.database.write() as connection:
        if deployment.database.dialect == "sqlite":
            names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in names:
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in ("log_entry", "log_checkpoint", "log_anchor"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))


def integrity(result: Verification) -> str:
    return " ".join(finding.sentence for finding in result.findings if finding.severity == "integrity")


def void(result: Verification) -> str:
    return " ".join(finding.sentence for finding in result.findings if finding.severity == "void")


def test_edited_entry_is_named(deployment: Deployment) -> None:
    deployment.promote()
    drop_triggers(deployment)
    with deployment.database.write() as connection:
        data = connection.execute(select(log_entry.c.envelope).where(log_entry.c.seq == FOUNDED + 1)).scalar_one()
        other = b"A" if data[-9:-8] != b"A" else b"B"
        connection.execute(
            update(log_entry).where(log_entry.c.seq == FOUNDED + 1).values(envelope=data[:-9] + other + data[-8:])
        )

    result = deployment.audit.verify()

    assert not result.intact
    assert f"entry {FOUNDED + 1}" in integrity(result)
    assert any("Protections" in finding.sentence for finding in result.findings)
    create_schema(deployment.database)
    with pytest.raises(TrustError, match="Protections"):
        deployment.ledger.require_trustworthy()


def test_edited_entry_is_found_even_when_tree_and_checkpoints_are_rebuilt(deployment: Deployment) -> None:
    deployment.event("first")
    deployment.ledger.anchor()
    deployment.promote()
    other = deployment.sign(Kind.EVENT, {"event": "other", "model": "", "detail": {}, "actor": None})
    drop_triggers(deployment)
    _rebuild_with(deployment, {FOUNDED: other})

    result = deployment.audit.verify()

    assert not result.intact
    assert "saw another history" in integrity(result)
    assert "vouches for other entries" in integrity(result)
    with pytest.raises(BrokenChainError):
        deployment.ledger.require_trustworthy()


def test_removed_tail_is_found_with_an_anchor(deployment: Deployment) -> None:
    deployment.promote()
    deployment.ledger.anchor()
    drop_triggers(deployment)
    with deployment.database.write() as connection:
        connection.execute(delete(log_entry).where(log_entry.c.seq >= FOUNDED + 3))
        connection.execute(delete(log_checkpoint).where(log_checkpoint.c.size > FOUNDED + 3))

    result = deployment.audit.verify()

    assert not result.intact
    assert "Newer entries were removed" in integrity(result)
    with pytest.raises(BrokenChainError, match=f"{FOUNDED + 5} were anchored"):
        deployment.ledger.require_trustworthy()


def test_removed_tail_with_checkpoints_left_behind_is_found_without_an_anchor(deployment: Deployment) -> None:
    deployment.promote()
    drop_triggers(deployment)
    with deployment.database.write() as connection:
        connection.execute(delete(log_entry).where(log_entry.c.seq >= FOUNDED + 3))

    assert "Newer entries were removed" in integrity(deployment.audit.verify())


def test_removed_entry_in_the_middle_is_found(deployment: Deployment) -> None:
    deployment.promote()
    drop_triggers(deployment)
    with deployment.database.write() as connection:
        connection.execute(delete(log_entry).where(log_entry.c.seq == FOUNDED + 2))

    assert f"Entry {FOUNDED + 2} is missing" in integrity(deployment.audit.verify())


def test_another_history_cannot_be_anchored_over_the_first(deployment: Deployment) -> None:
    deployment.event("first")
    deployment.ledger.anchor()
    other = deployment.sign(Kind.EVENT, {"event": "other", "model": "", "detail": {}, "actor": None})
    drop_triggers(deployment)
    _rebuild_with(deployment, {FOUNDED: other})

    with pytest.raises(BrokenChainError, match="two histories"):
        deployment.ledger.anchor()


def test_swapped_key_of_a_person_signs_only_void_decisions(deployment: Deployment) -> None:
    # An administrator of the database gives Vera a key of his own; the log never enrolled it.
    clock = deployment.clock
    deployment.desk.enrol("vera.validator", "Vera Lindholm", _vera())
    _, cited = deployment.request()

    decision = deployment.decide(cited, by="vera")

    result = deployment.audit.verify()
    assert result.intact
    assert f"Entry {decision.seq} is void" in void(result)
    assert clock is deployment.clock


def test_replaced_log_is_not_the_one_with_the_pinned_genesis(deployment: Deployment, tmp_path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = found(f"sqlite:///{folder / 'governance.db'}", folder)

    report = verify_log(
        other.book.entries(),
        checkpoints=other.book.checkpoints(),
        trusted=Trusted(genesis=deployment.genesis, log_key=deployment.desk.log_key),
    )

    assert not report.intact
    assert sum(problem.severity == "integrity" for problem in report.problems) == 2
    other.database.dispose()


def test_lost_key_files_are_never_made_again(deployment: Deployment) -> None:
    store = SqlKeyStore(deployment.database)
    (deployment.home / "keys" / "log.pem").unlink()

    with pytest.raises(TrustError, match="missing"):
        KeyDesk(store, deployment.home / "keys", deployment.clock)
    with pytest.raises(TrustError, match="not made anew"):
        KeyDesk.create(store, deployment.home / "elsewhere", deployment.clock, deployment="tests")


def test_stolen_database_does_not_open_a_key_without_the_pepper(deployment: Deployment) -> None:
    from services.adapters.signing.sealing import unseal

    sealed = SqlKeyStore(deployment.database).key_of("countersign:demo", "vera.validator")
    assert sealed is not None

    assert unseal(sealed, passphrase=_vera(), pepper=bytes(32)) is None
    with deployment.database.read() as connection:
        row = connection.execute(select(signing_key).where(signing_key.c.key_id == sealed.key_id)).one()
    assert b"vera checks" not in row.pkcs8


def _vera():
    from services.kernel.secret import Secret

    return Secret("vera checks the numbers")


def _rebuild_with(deployment: Deployment, replaced: dict[int, bytes]) -> None:
    """What a thief of the log key can do: exchange entries, then make tree, roots and checkpoints fit again."""
    stored: list[StoredEntry] = list(deployment.book.entries())
    frontier = merkle.Frontier()
    with deployment.database.write() as connection:
        connection.execute(delete(log_checkpoint))
        for entry in stored:
            data = replaced.get(entry.seq, entry.envelope)
            envelope.read(data)
            frontier = frontier.push(merkle.leaf_hash(data))
            connection.execute(
                update(log_entry)
                .where(log_entry.c.seq == entry.seq)
                .values(
                    envelope=data,
                    leaf_hash=merkle.leaf_hash(data),
                    root=frontier.root,
                    frontier=frontier.to_bytes(),
                )
            )
            note = deployment.desk.sign_checkpoint(size=frontier.size, root=frontier.root)
            connection.execute(insert(log_checkpoint).values(size=frontier.size, note=note))
