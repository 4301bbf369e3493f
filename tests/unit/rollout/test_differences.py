"""What is told, about whom, and what follows from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.rollout.differences import (
    Copies,
    Ordered,
    OrderedVersion,
    RegistrySeen,
    Seen,
    SeenVersion,
    Source,
    adoptable,
    compare,
    still_standing,
    why_not_put_back,
)
from services.rollout.models import UnsignedChange

MADE = "2030-01-02T00:00:00Z"
TWO = OrderedVersion(
    version="2", manifest_sha256="aa" * 32, tag="act-2", run_id="run2", created_at=MADE, source="models:/m-2"
)
ORDERED = Ordered(routes=(("2", 100),), champion="2", versions=(TWO,), outcome_seq=9)
AS_SIGNED = SeenVersion(run_id="run2", created_at=MADE, source="models:/m-2", tag="act-2")
ALL_WELL = Seen(
    routes=(("2", 100),), registry=RegistrySeen(alias="2", versions={"2": AS_SIGNED}), digests={"2": "aa" * 32}
)


def kinds(seen: Seen, *, batch: bool = False, alias_pending: bool = False) -> list[str]:
    return [change.kind for change in compare(ORDERED, seen, batch=batch, alias_pending=alias_pending)]


def registry(alias: str | None = "2", **changes: str | None) -> RegistrySeen:
    return RegistrySeen(alias=alias, versions={"2": replace(AS_SIGNED, **changes)})


def test_nothing_is_told_when_all_is_as_signed() -> None:
    assert kinds(ALL_WELL) == []


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (replace(ALL_WELL, routes=(("3", 100),)), ["traffic"]),
        (replace(ALL_WELL, routes=()), ["traffic"]),
        (replace(ALL_WELL, registry=registry(alias="3")), ["alias"]),
        (replace(ALL_WELL, registry=registry(alias=None)), ["alias"]),
        (replace(ALL_WELL, registry=registry(tag="act-forged")), ["tag"]),
        (replace(ALL_WELL, registry=registry(tag=None)), ["tag"]),
        (replace(ALL_WELL, registry=registry(run_id="other")), ["recreated"]),
        (replace(ALL_WELL, registry=registry(created_at="2030-01-09T00:00:00Z")), ["recreated"]),
        (replace(ALL_WELL, registry=registry(source="models:/m-9")), ["recreated"]),
        (replace(ALL_WELL, registry=RegistrySeen(alias=None, versions={})), ["deleted", "alias"]),
        (replace(ALL_WELL, digests={"2": "bb" * 32}), ["files"]),
        (replace(ALL_WELL, copies=Copies(ordered=("3", 100), there=None)), ["mirror"]),
        (replace(ALL_WELL, copies=Copies(ordered=None, there=("3", 100))), ["mirror"]),
        (replace(ALL_WELL, copies=Copies(ordered=("3", 100), there=("3", 40))), ["mirror"]),
        (replace(ALL_WELL, copies=Copies(ordered=("3", 100), there=("3", 100))), []),
        (replace(ALL_WELL, copies=Copies(ordered=None, there=None)), []),
    ],
)
def test_each_change_is_told_by_its_kind(there: Seen, told: list[str]) -> None:
    assert kinds(there) == told


def test_a_batch_job_has_a_pin() -> None:
    assert kinds(replace(ALL_WELL, routes=(("3", 100),)), batch=True) == ["pin"]


def test_what_could_not_be_read_accuses_nobody() -> None:
    assert kinds(Seen()) == []
    assert kinds(Seen(digests={"2": ""})) == []


def test_our_own_move_of_the_alias_that_waits_for_the_registry_accuses_nobody() -> None:
    away = replace(ALL_WELL, registry=registry(alias="1", tag=None))
    assert kinds(away, alias_pending=True) == []


def test_what_could_not_be_read_clears_nobody() -> None:
    before = compare(ORDERED, replace(ALL_WELL, registry=registry(alias="3")), batch=False, alias_pending=False)
    assert still_standing(before, (), read={Source.PLATFORM, Source.FILES}) == before
    assert still_standing(before, (), read={Source.REGISTRY}) == ()


def test_lost_bytes_cannot_be_put_back_but_pointers_can() -> None:
    def one(kind: str) -> tuple[UnsignedChange, ...]:
        return (UnsignedChange(kind=kind, signed="", there="", version="2"),)

    assert all(why_not_put_back(one(kind)) for kind in ("deleted", "recreated", "files", "record"))
    assert not any(why_not_put_back(one(kind)) for kind in ("traffic", "pin", "mirror", "alias", "tag"))


def test_only_what_alone_answers_everything_can_be_adopted() -> None:
    traffic = compare(ORDERED, replace(ALL_WELL, routes=(("3", 100),)), batch=False, alias_pending=False)
    alias = compare(ORDERED, replace(ALL_WELL, registry=registry(alias="3")), batch=False, alias_pending=False)
    gone = compare(ORDERED, Seen(registry=RegistrySeen(alias=None, versions={})), batch=False, alias_pending=False)
    assert adoptable(traffic, served=(("3", 100),)) == "3"
    assert adoptable(traffic, served=(("2", 50), ("3", 50))) is None
    assert adoptable(traffic, served=None) is None
    assert adoptable(alias, served=(("2", 100),)) is None
    assert adoptable(gone, served=(("2", 100),)) is None
