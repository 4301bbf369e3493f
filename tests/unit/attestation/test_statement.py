"""Statements carry every field of their kind and no other."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.attestation import build, canonical, fields, statement
from services.attestation.models import Kind, Subject
from services.kernel.errors import ForeignStatementError, InputError
from tests.contract.deployment import BYTES, a_head

AT = datetime(2030, 1, 31, 9, 12, 44, 999, tzinfo=UTC)
SUBJECT = Subject(
    name="models:/claims_triage/4", sha256=BYTES, annotations=(("runId", "r1"), ("source", "models:/m-1"))
)
EVENT: dict[str, Any] = {"event": "checked", "model": "", "detail": {"why": "nightly"}, "actor": None}


def built(predicate: dict[str, Any] | None = None, subjects: tuple[Subject, ...] = (SUBJECT,), **more: Any) -> bytes:
    predicate = EVENT if predicate is None else predicate
    return statement.build(Kind.EVENT, subjects=subjects, predicate=predicate, at=AT, head=a_head(), **more)


def changed(**outer: Any) -> bytes:
    return canonical.to_bytes({**json.loads(built()), **outer})


def test_statement_is_read_as_it_was_built() -> None:
    read = statement.read(built(nonce="0" * 32))

    assert (read.kind, read.subjects, read.nonce, read.head) == (Kind.EVENT, (SUBJECT,), "0" * 32, a_head())
    assert read.at == AT.replace(microsecond=0)
    assert read.predicate["detail"] == {"why": "nightly"}
    assert read.predicate["service"]["build"]["sha256"] == build.build_sha256()


def test_nonces_differ_when_not_given() -> None:
    assert statement.read(built()).nonce != statement.read(built()).nonce


@pytest.mark.parametrize(
    "predicate",
    [
        {**EVENT, "extra": "x"},
        {key: value for key, value in EVENT.items() if key != "actor"},
        {**EVENT, "detail": {"n": 1}},
        {**EVENT, "actor": {"sub": "x"}},
        {**EVENT, "at": "2030-01-31T09:12:44Z"},
        {**EVENT, "event": ""},
        {**EVENT, "model": 0.5},
    ],
)
def test_wrong_fields_are_refused_before_signing(predicate: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        built(predicate)


@pytest.mark.parametrize(
    "subjects",
    [
        (),
        (Subject(name="", sha256=BYTES),),
        (Subject(name="x", sha256=BYTES.upper()),),
        (Subject(name="x", sha256="12"),),
    ],
)
def test_wrong_subjects_are_refused(subjects: tuple[Subject, ...]) -> None:
    with pytest.raises(InputError):
        built(subjects=subjects)


@pytest.mark.parametrize("nonce", ["short", "G" * 32, "0" * 33])
def test_wrong_nonces_are_refused(nonce: str) -> None:
    with pytest.raises(InputError):
        built(nonce=nonce)


@pytest.mark.parametrize(
    "outer",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"extra": "x"},
        {"predicateType": "urn:countersign:gossip:v1"},
        {"predicateType": 1},
        {"predicateType": "urn:countersign:decision:v1"},
        {"predicate": "x"},
        {"subject": []},
        {"subject": "x"},
        {"subject": ["x"]},
        {"subject": [{"name": "x", "digest": {"sha1": "x"}}]},
        {"subject": [{"name": "x", "digest": {"sha256": BYTES}, "annotations": {}}]},
        {"subject": [{"name": "x", "digest": {"sha256": BYTES}, "annotations": {"a": 1}}]},
        {"subject": [{"name": 1, "digest": {"sha256": BYTES}}]},
    ],
)
def test_foreign_statements_are_refused(outer: dict[str, Any]) -> None:
    with pytest.raises(ForeignStatementError):
        statement.read(changed(**outer))


@pytest.mark.parametrize("at", ["2030-01-31 09:12:44", "2030-01-31T09:12:44+00:00", "2030-01-31T09:12:44.1Z", "", 5])
def test_other_forms_of_time_are_refused(at: object) -> None:
    predicate = json.loads(built())["predicate"]
    with pytest.raises(ForeignStatementError):
        statement.read(changed(predicate={**predicate, "at": at}))


def test_every_kind_has_a_shape_and_its_own_name() -> None:
    assert set(fields.SHAPES) == set(Kind)
    assert len({kind.predicate_type for kind in Kind}) == len(Kind)


def test_decision_words_are_the_agreed_ones() -> None:
    from services.approvals.models import Decision

    assert set(fields.DECISION_WORDS) == {word.value for word in Decision}


def test_version_in_statements_is_the_version_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["version"] == build.VERSION
