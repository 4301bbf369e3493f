"""Building a pack: what is in it, who may, that it is found again, and that equal content gives equal bytes."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from services.audit.offline import verify as offline
from services.audit.pack.models import PackScope, PackState
from services.kernel.errors import BrokenChainError, ConflictError, InputError, RoleMissingError
from tests.contract.deployment import Deployment
from tests.unit.pack.packing import packer


def names(data: bytes) -> set[str]:
    return set(zipfile.ZipFile(BytesIO(data)).namelist())


def test_pack_of_a_promotion_verifies_and_holds_what_an_auditor_needs(promoted: tuple[Deployment, Path]) -> None:
    log, path = promoted

    result = offline.verify(path, pin=log.genesis)

    assert (result.verdict, result.exit_code) == ("OK", 0)
    found = names(path.read_bytes())
    assert {
        "index.html",
        "pack.json",
        "PIN.txt",
        "verify.py",
        "manifest.json",
        "manifest.dsse.json",
        "SHA256SUMS",
    } <= found
    assert {"log/checkpoint", "keys.json", "entries.html", "policies/tier-1.yaml"} <= found
    assert sum(name.startswith("decisions/") and name.endswith(".html") for name in found) == 7
    assert any(name.startswith("proofs/from-") for name in found)


def test_every_file_is_listed_with_its_size_and_digest(promoted: tuple[Deployment, Path]) -> None:
    _, path = promoted

    with zipfile.ZipFile(path) as pack:
        manifest = json.loads(pack.read("manifest.json"))
        listed = {item["path"]: (item["sha256"], item["size"]) for item in manifest["files"]}
        real = {name: pack.read(name) for name in pack.namelist() if not name.startswith("manifest.")}

    assert listed == {name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in real.items()}


def test_decision_page_prints_name_role_meaning_and_time_for_a_reader_without_software(
    promoted: tuple[Deployment, Path],
) -> None:
    _, path = promoted
    with zipfile.ZipFile(path) as pack:
        pages = [pack.read(name).decode() for name in pack.namelist() if name.endswith(".html")]

    page = next(page for page in pages if "Vera Lindholm" in page and "<h1>Entry" in page and "decision" in page)

    for words in (
        "Independent validator",
        "I reviewed the evidence shown.",
        "2030-01-31T09:00:00Z",
        "countersign:demo",
    ):
        assert words in page
    assert not any(remote in "".join(pages) for remote in ("<script", "<img", " src=", "@import", "url(", 'href="http'))


def test_same_content_makes_the_same_bytes(log: Deployment, tmp_path: Path) -> None:
    log.promote()
    packs = packer(log)
    drafts = []
    for name in ("one", "two"):
        packs.service._write(tmp_path / name, PackScope(), packs.actor("otto.auditor"), lambda _step, _share: None)
        drafts.append((tmp_path / name).read_bytes())

    assert drafts[0] == drafts[1]


def test_pack_is_recorded_and_found_again_with_its_bytes(log: Deployment) -> None:
    log.promote()
    packs = packer(log)

    info = packs.build_for("otto.auditor", PackScope(model="claims_triage"))

    otto = packs.actor("otto.auditor")
    assert packs.service.packs(otto).items == (info,)
    data = packs.service.read(info.pack_id, otto)
    assert hashlib.sha256(data).hexdigest() == info.sha256
    assert (info.available, info.built_by, info.verdict, len(data)) == (True, "Otto Brandt", "OK", info.bytes)
    assert "built the audit pack" in log.audit.entry(info.seq).row.sentence


def test_changed_or_missing_pack_file_is_not_handed_out(log: Deployment) -> None:
    log.promote()
    packs = packer(log)
    info, otto = packs.build_for(), packs.actor("otto.auditor")
    file = log.home / "packs" / f"{info.pack_id}.zip"
    data = file.read_bytes()

    file.write_bytes(data[:-30] + b"x" + data[-29:])
    with pytest.raises(BrokenChainError, match="not the one that was built"):
        packs.service.read(info.pack_id, otto)
    file.unlink()
    with pytest.raises(ConflictError):
        packs.service.read(info.pack_id, otto)
    assert not packs.service.packs(otto).items[0].available
    for name in ("../keys/log.pem", "pack-none", ""):
        with pytest.raises(InputError):
            packs.service.read(name, otto)


def test_only_auditors_compliance_and_administrators_build_packs(log: Deployment) -> None:
    packs = packer(log)

    with pytest.raises(RoleMissingError):
        packs.build_for("dana.datascience")

    assert not (log.home / "packs").exists()
    assert "event:permission-refused" in {row.event for row in log.audit.entries(_all()).items}


def test_scope_cuts_pages_by_model_and_day_but_never_the_log(log: Deployment) -> None:
    log.promote()
    entries = log.ledger.head().size
    log.clock.set(log.clock.now() + timedelta(days=2))
    packs = packer(log)

    other = packs.build_for(scope=PackScope(model="payout_forecast"))
    later = packs.build_for(scope=PackScope(since=log.clock.now() - timedelta(days=1)))

    assert (other.decisions, later.decisions) == (0, 0)
    assert other.entries == entries
    assert not any(
        name.startswith("decisions/") for name in names(packs.service.read(other.pack_id, packs.actor("otto.auditor")))
    )
    with pytest.raises(InputError):
        packs.build_for(scope=PackScope(since=log.clock.now(), until=log.clock.now() - timedelta(days=1)))


def test_leaving_the_page_does_not_stop_the_pack(log: Deployment) -> None:
    log.promote()
    packs = packer(log)
    otto = packs.actor("otto.auditor")

    started = packs.service.start(PackScope(), actor=otto)
    for _ in range(600):
        (job,) = packs.service.jobs(otto)
        if job.state is not PackState.RUNNING:
            break
        time.sleep(0.05)

    assert (job.job_id, job.state, job.share) == (started.job_id, PackState.DONE, 1.0)
    assert job.info in packs.service.packs(otto).items
    assert packs.service.jobs(packs.actor("clara.compliance")) == ()


def _all():
    from services.audit.models import LedgerQuery

    return LedgerQuery()
