"""Words and keys of changes to data rules, for the ledger and for telling whether rows must be counted again. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from services.data_health.rules import TableRules
from services.kernel.identity import Actor


def command_key(actor: Actor, command_id: str) -> str:
    text = f"{actor.issuer}\x1f{actor.subject}\x1f{command_id}"
    return f"data-rules:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def scanned_as(rules: TableRules | None) -> str:
    """Changes when a revision needs the rows counted again: bounds, key and time column, but not a limit on a share."""
    if rules is None:
        return "|"
    asked = (rules.time_column, rules.key, [(item.name, item.low, item.high) for item in rules.columns if item.bounded])
    return "|" + hashlib.sha256(repr(asked).encode()).hexdigest()[:12]


def sentence_of(rules: TableRules, said: Sequence[str]) -> str:
    if rules.revision == 1:
        return f"Data rules of {rules.table} were derived: {len(rules.kinds)} rules over {len(rules.columns)} columns."
    what = f": {'; '.join(said[:5])}" if said else ""
    more = f" and {len(said) - 5} more" if len(said) > 5 else ""
    why = rules.reason.rstrip(".")
    return f"{rules.changed_by} changed the data rules of {rules.table} (revision {rules.revision}){what}{more}. {why}."
