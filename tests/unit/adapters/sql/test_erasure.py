"""Words of people that are kept outside the ledger can be erased, whichever table they stand in."""

from __future__ import annotations

from services.adapters.sql.retention import PLACES
from services.adapters.sql.schema.base import metadata

NOT_TEXT = {"signing_key"}
"""A salt of a passphrase."""
NO_MODEL = {"delegation"}
"""A lent role is of no model, and holds are of models; its reason is kept as long as the role's history."""


def test_every_table_that_keeps_salted_words_is_a_place_of_erasure() -> None:
    salted = {table.name for table in metadata.sorted_tables if any("salt" in column.name for column in table.columns)}

    assert len(salted) > 10
    assert salted - {place.table.name for place in PLACES.values()} == NOT_TEXT | NO_MODEL
