"""What an incident teaches the evaluation of later versions: codes and names, never what people wrote."""

from __future__ import annotations

from typing import Any

import pytest

from services.incidents.lessons import code_of, words_of
from services.incidents.models import Incident, Times
from tests.builders import MODEL, NOON


def an_incident(**changes: Any) -> Incident:
    values: dict[str, Any] = {
        "incident_id": "inc-4",
        "key": "",
        "model": MODEL,
        "version": "2",
        "severity": 2,
        "title": "Mrs Miller was refused",
        "text": "Mrs Miller called twice.",
        "rule": "",
        "measured": "",
        "times": Times(impact_start=None, detected=NOON),
        "opened_seq": 7,
    }
    return Incident(**(values | changes))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("p95_ms", "LATENCY"),
        ("latency_evidence", "LATENCY"),
        ("error-rate", "ERRORS"),
        ("null_rate", "DATA"),
        ("score_shift", "QUALITY"),
        ("", "OTHER"),
    ],
)
def test_the_code_follows_what_the_rule_measures(rule: str, code: str) -> None:
    assert code_of(an_incident(rule=rule), {}) == code


def test_the_reason_of_its_change_of_traffic_counts_more_than_the_rule() -> None:
    assert code_of(an_incident(rule="error-rate", actions=("a", "b")), {"b": "DATA"}) == "DATA"


def test_the_sentence_names_the_incident_and_no_word_of_what_was_typed() -> None:
    assert words_of(an_incident(), "DATA") == "inc-4 of version 2, severity 2, detected on 2030-01-31 (DATA)."
