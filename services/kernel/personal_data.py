"""Does a text tell who somebody is? Patterns only, and rather one refusal too many: a code always says it shorter.

    finding("called jane@example.com back")   -> "an e-mail address"
    finding("wrong diagnosis group")          -> ""

What is found is named, never repeated: a refusal must not carry the data it refuses. A text that passes is not proven
to be free of personal data; no pattern knows every name.
"""

from __future__ import annotations

import re

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("an e-mail address", re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}\.[^\s@.]{2,24}")),
    ("a web address", re.compile(r"\b(?:https?://|www\.)\S", re.IGNORECASE)),
    ("an account number (IBAN)", re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")),
    ("a social security number", re.compile(r"\b\d{3}-\d{2}-\d{4}\b")),
    ("a date, such as a day of birth", re.compile(r"\b(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2})\b")),
    ("a network address", re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")),
    ("a telephone number", re.compile(r"(?<![\w-])\+?\(?\d(?:[\s()./-]*\d){6,14}(?![\w-])")),
    ("a long number, such as a record or policy number", re.compile(r"\d{6,}")),
    (
        "a person's name",
        # The title may be written in any case; what follows is a name when it begins with a capital.
        re.compile(
            r"\b(?i:mr|mrs|ms|miss|dr|prof|herr|frau|patient|member|insured|claimant|customer|named?)\b[.:]?\s+"
            r"[^\W\d_a-z][^\W\d_]+"
        ),
    ),
)
_TWO_NAMES = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][a-z]{2,}\s+[A-Z][a-z]{2,}\b")


def finding(text: str) -> str:
    """What kind of personal data the text seems to hold, or empty."""
    for words, pattern in _PATTERNS:
        if pattern.search(text):
            return words
    # Two capitalised words in a row, not at the start of a sentence, are a name more often than anything else.
    return "a person's name" if _TWO_NAMES.search(text) else ""
