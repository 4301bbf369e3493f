"""Signed bytes have exactly one spelling."""

from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.attestation import canonical
from services.kernel.errors import ForeignStatementError, InputError

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_WHOLE = st.integers(-canonical.LARGEST_INTEGER, canonical.LARGEST_INTEGER)
_VALUES = st.recursive(
    st.none() | st.booleans() | _WHOLE | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_DOCUMENTS = st.dictionaries(_TEXT, _VALUES, max_size=5)


@given(_DOCUMENTS)
def test_what_is_written_is_read_back(document: dict[str, object]) -> None:
    data = canonical.to_bytes(document)

    assert data == rfc8785.dumps(document)
    assert canonical.parse(data) == document


@given(st.dictionaries(st.text(st.characters(codec="ascii")), _VALUES, max_size=5))
def test_any_other_spelling_is_refused(document: dict[str, object]) -> None:
    data = canonical.to_bytes(document)
    for other in (json.dumps(document, indent=1).encode(), data + b"\n", b"\xef\xbb\xbf" + data):
        if other != data:
            with pytest.raises(ForeignStatementError):
                canonical.parse(other)


@given(st.binary())
def test_noise_is_refused_calmly(noise: bytes) -> None:
    try:
        document = canonical.parse(noise)
    except ForeignStatementError:
        return
    assert canonical.to_bytes(document) == noise


@pytest.mark.parametrize(
    "data",
    [
        b'{"decision":"reject","decision":"approve"}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":9007199254740993}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b'{"a":-0}',
        b"[]",
        b"{}{}",
        b"\xff",
        b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
        b"9" * 5000,
    ],
)
def test_known_traps_are_refused(data: bytes) -> None:
    with pytest.raises(ForeignStatementError):
        canonical.parse(data)


@pytest.mark.parametrize(
    "document", [{"a": 0.5}, {"a": 2**53}, {"a": "\ud800"}, {1: "a"}, {"a": b"x"}, {"a": {1, 2}}, {"a": [float("nan")]}]
)
def test_what_cannot_be_signed_is_refused_on_writing(document: dict[object, object]) -> None:
    with pytest.raises(InputError):
        canonical.to_bytes(document)
