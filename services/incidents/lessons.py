"""What an incident teaches the evaluation of later versions: a code and a sentence, never what people wrote. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from services.incidents.models import Incident

_CODES = (
    ("LATENCY", ("latency", "p95", "slow")),
    ("ERRORS", ("error",)),
    ("DATA", ("data", "null", "drift", "row")),
    ("QUALITY", ("quality", "score", "harm")),
)
_ELSE = "OTHER"


def code_of(incident: Incident, reasons: Mapping[str, str]) -> str:
    """The reason code of its change of traffic, or what its rule measures; `reasons` by action."""
    given = [reasons[name] for name in incident.actions if reasons.get(name)]
    known = {code for code, _ in _CODES}
    for word in (*given, incident.rule):
        if word in known:
            return word
        for code, parts in _CODES:
            if any(part in word.casefold() for part in parts):
                return code
    return _ELSE


def words_of(incident: Incident, code: str) -> str:
    about = f" of version {incident.version}" if incident.version else ""
    return (
        f"{incident.incident_id}{about}, severity {incident.severity}, detected on "
        f"{incident.times.detected:%Y-%m-%d} ({code})."
    )
