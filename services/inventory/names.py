"""Names of models that look like other names: MLflow accepts them, but whoever signs must tell them apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Co", "Cs"}
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "HEBREW", "ARABIC", "CHEROKEE", "FULLWIDTH", "MATHEMATICAL")


def suspicion(name: str) -> str:
    """What is deceptive about the name, as a sentence; empty when nothing is."""
    hidden = [letter for letter in name if unicodedata.category(letter) in _INVISIBLE]
    if hidden:
        codes = ", ".join(dict.fromkeys(f"U+{ord(letter):04X}" for letter in hidden))
        return f"The name holds characters that cannot be seen ({codes})."
    if name != name.strip() or any(letter.isspace() and letter != " " for letter in name):
        return "The name begins or ends with a blank, or holds an unusual one."
    if unicodedata.normalize("NFC", name) != name:
        return "The name is spelled with combining marks and looks like another one that is not."
    scripts = _scripts(name)
    if len(scripts) > 1:
        return f"The name mixes letters of {' and '.join(word.capitalize() for word in sorted(scripts))}."
    return ""


def twins(name: str, others: Iterable[str]) -> tuple[str, ...]:
    """Other names that a reader or another system would take for the same."""
    mine = _folded(name)
    return tuple(sorted(other for other in others if other != name and _folded(other) == mine))


def _folded(name: str) -> str:
    plain = "".join(letter for letter in name if unicodedata.category(letter) not in _INVISIBLE)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", plain).casefold()).strip()


def _scripts(name: str) -> set[str]:
    found = set()
    for letter in name:
        if not letter.isalpha():
            continue
        title = unicodedata.name(letter, "")
        found |= {script for script in _SCRIPTS if title.startswith(script)}
    return found
