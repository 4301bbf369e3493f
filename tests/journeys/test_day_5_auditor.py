"""A day of an auditor who trusts nobody: any day, any decision, samples, tampering, and a pack checked elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Running
from tests.journeys.steps import Desk

MODEL = "delay_claim_score"


@pytest.fixture(scope="module")
def otto(desk: Callable[[str], Desk]) -> Desk:
    return desk("otto.auditor")


def test_01_auditor_is_told_that_access_is_read_only_ends_and_is_recorded(otto: Desk) -> None:
    otto.open("overview")
    otto.sees("Read-only")
    text = otto.page.locator("body").inner_text()
    assert "Access ends on" in text
    assert "recorded" in text
    for address in (f"model?name={MODEL}", f"rollouts?model={MODEL}", "approvals"):
        otto.open(address)
        for key in ("roll-back", "advance", "request-promotion", "tag-column", "revert", "break-the-glass"):
            assert otto.page.locator(f".st-key-{key}").count() == 0, f"{key} on {address}"
    otto.shot("d5-1-read-only")


def test_02_any_past_day_is_rebuilt_under_an_amber_banner(otto: Desk) -> None:
    otto.open(
        "audit?section=asof&asof=2026-09-30" if _recorded("2026-09-30") else f"audit?section=asof&asof={_days_ago(50)}"
    )
    otto.sees("Historical view")
    rows = otto.table()
    assert "damage_photo_vendor" in rows
    assert "v3 100 %" in rows
    otto.page.get_by_text("Segregation", exact=True).click()
    otto.idle()
    otto.sees("Historical view")
    otto.shot("d5-2-as-of")
    otto.open("audit?section=asof&asof=2020-01-01")
    otto.sees("the ledger begins on")


def test_03_a_moment_names_version_policy_thresholds_and_signers(otto: Desk) -> None:
    otto.open(f"audit?section=lookup&model={MODEL}&day={_days_ago(8)}&time=14:20")
    otto.sees("Traffic split")
    for words in ("v3 90 %, v4 10 %", "Vera Lindholm", "Ben Okafor", "Clara Whitfield", "tier-1 version"):
        otto.sees(words)
    otto.sees("Thresholds and values of")
    otto.shot("d5-3-look-up")


def test_04_the_same_seed_draws_the_same_sample(otto: Desk) -> None:
    drawn = []
    for _ in range(2):
        otto.open("audit?section=samples")
        otto.press("sample-go")
        otto.sees("Drawn again: the same list")
        drawn.append(otto.table())
    assert drawn[0] == drawn[1]
    assert drawn[0]
    otto.shot("d5-4-sample")


def test_05_each_item_says_how_complete_it_is_and_opens_its_parts(otto: Desk) -> None:
    assert "14 of 14" in otto.table()
    card = otto.page.locator('[class*="st-key-complete-"]').first
    assert card.get_by_role("link", name="Open").count() >= 10
    otto.shot("d5-5-completeness")


def test_06_verification_is_green_with_count_checkpoint_and_time(otto: Desk) -> None:
    _verify(otto)
    otto.sees("The ledger is intact", within=90)
    result = otto.page.locator(".st-key-verification")
    for words in ("entries", "Checkpoint used", "anchor"):
        expect(result).to_contain_text(words)
    otto.shot("d5-6-intact")


def test_07_one_tampered_row_is_named_and_undoing_it_turns_green(otto: Desk, tampered: int) -> None:
    _verify(otto)
    otto.sees("not intact", within=90)
    result = otto.page.locator(".st-key-verification").inner_text()
    assert str(tampered) in result
    otto.shot("d5-7-tampered")


def test_07_undone_it_is_green_again(otto: Desk) -> None:
    _verify(otto)
    otto.sees("The ledger is intact", within=90)


def test_08_segregation_shows_no_breach_and_every_refused_attempt(otto: Desk) -> None:
    otto.open("audit?section=segregation")
    otto.sees("0 breaches")
    refused = otto.page.locator(".st-key-refused canvas").first.text_content() or ""
    assert "Dana Petrov" in refused
    assert "Clara Whitfield" in refused
    otto.shot("d5-8-segregation")


def test_09_exceptions_and_break_glass_name_owner_end_control_and_late_reviews(otto: Desk) -> None:
    otto.open("audit?section=exceptions")
    for words in ("1 review late", "reviewed late", "Ben Okafor", "Planners see the figure of the rule"):
        otto.sees(words)
    otto.shot("d5-9-exceptions")


def test_10_retention_shows_classes_hold_and_no_way_to_delete(otto: Desk) -> None:
    otto.open("audit?section=retention")
    otto.sees("legal hold")
    otto.sees("claims_triage")
    assert otto.page.locator('[class*="st-key-dispose"], [class*="st-key-release-"]').count() == 0
    otto.shot("d5-10-retention")


def test_11_a_pack_verifies_outside_the_app_and_a_changed_byte_is_named(otto: Desk, tmp_path: Path) -> None:
    otto.open("audit?section=packs")
    otto.choose("pack-model", MODEL)
    otto.button("pack-go").click()
    otto.sees("built in", within=120)
    otto.shot("d5-11-pack")
    otto.open("audit?section=packs")
    box = otto.page.locator(".st-key-packs canvas").first.bounding_box()
    assert box is not None
    otto.page.mouse.click(box["x"] + 16, box["y"] + 50)
    otto.idle()
    with otto.page.expect_download(timeout=60_000) as downloading:
        otto.button("pack-download").click()
    pack = tmp_path / "pack.zip"
    downloading.value.save_as(pack)

    good = _outside(pack, tmp_path / "good")
    assert good.returncode == 0, good.stdout + good.stderr
    assert "OK" in good.stdout
    changed = tmp_path / "changed"
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(changed)
    victim = next(path for path in sorted(changed.rglob("*.json")) if path.name != "manifest.json")
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))
    bad = _run_verifier(changed / "verify.py", changed)
    assert bad.returncode != 0
    assert victim.name in bad.stdout + bad.stderr


def test_12_a_regulators_inventory_agrees_with_ours_and_names_the_vendor(otto: Desk) -> None:
    otto.open("audit?section=exports&profile=naic-ai-systems-evaluation")
    otto.sees("Exhibit A")
    with otto.page.expect_download() as downloading:
        otto.button("regulator-csv").click()
    text = Path(downloading.value.path()).read_text()
    assert "damage_photo_vendor" in text
    otto.shot("d5-12-export")


def test_13_both_sides_see_what_the_auditor_looked_at(otto: Desk, desk: Callable[[str], Desk]) -> None:
    otto.open("audit?section=access")
    assert "retention" in otto.table()
    clara = desk("clara.compliance")
    clara.open("audit?section=access")
    assert "Otto Brandt" in clara.table()
    clara.shot("d5-13-access")


@pytest.fixture
def tampered(running: Running) -> Iterator[int]:
    """Somebody who owns the database changes one byte of one entry, and puts it back."""
    ((seq, envelope),) = running.book("SELECT seq, envelope FROM log_entry ORDER BY seq DESC LIMIT 1 OFFSET 20")
    changed = bytearray(envelope)
    changed[len(changed) // 2] ^= 1
    running.overwrite(seq, bytes(changed))
    yield int(seq)
    running.overwrite(seq, envelope)


def _verify(person: Desk) -> None:
    person.open("audit?section=ledger")
    person.button("verify").click()


def _days_ago(days: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"


def _recorded(day: str) -> bool:
    asked = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return datetime.now(UTC) - timedelta(days=170) < asked < datetime.now(UTC)


def _outside(pack: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """As an auditor runs it: the file from the pack, in an empty folder, without this project on the path."""
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(folder)
    shutil.copy(pack, folder.parent / "theirs.zip")
    return _run_verifier(folder / "verify.py", folder.parent / "theirs.zip")


def _run_verifier(verifier: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(verifier), str(target)],
        cwd=verifier.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "Asia/Kathmandu"},
    )
