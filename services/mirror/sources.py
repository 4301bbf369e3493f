"""The system tables of Databricks that are copied, and how long the platform says it keeps them.

Retention as documented in 2026: audit, billing, lineage and served entities 365 days, usage of endpoints 90 days, list
prices for ever. Column tags have no past at all: what is taken off a column is known here only.
"""

from __future__ import annotations

from collections.abc import Collection

from services.mirror.models import Source

USAGE, PRICES = "usage", "price"
ENDPOINT_USAGE, SERVED_ENTITIES = "endpoint_usage", "served_entity"
TABLE_LINEAGE, COLUMN_LINEAGE, COLUMN_TAGS, AUDIT = "table_lineage", "column_lineage", "column_tag", "audit"

SOURCES = (
    # Followed by the day a row arrived, so that a correction of last month is found on the day it is written.
    Source(name=USAGE, table="billing.usage", groups=("billing",), kept_days=365, overlap_days=2),
    Source(name=PRICES, table="billing.list_prices", groups=("billing",), whole=True),
    # Which model an endpoint serves: the bill needs it, and so does its usage.
    Source(
        name=SERVED_ENTITIES, table="serving.served_entities", groups=("billing", "serving"), kept_days=365, whole=True
    ),
    Source(name=ENDPOINT_USAGE, table="serving.endpoint_usage", groups=("serving",), kept_days=90),
    Source(name=TABLE_LINEAGE, table="access.table_lineage", groups=("lineage",), kept_days=365, deep_days=30),
    Source(name=COLUMN_LINEAGE, table="access.column_lineage", groups=("lineage",), kept_days=365, deep_days=30),
    Source(name=COLUMN_TAGS, table="information_schema.column_tags", groups=("tags",), whole=True),
    Source(name=AUDIT, table="access.audit", groups=("audit",), kept_days=365, deep_days=30),
)


GROUPS = ("billing", "serving", "lineage", "tags", "audit")


def chosen(groups: Collection[str]) -> tuple[Source, ...]:
    """What these words switch on, in the order in which it is copied."""
    return tuple(source for source in SOURCES if not {*source.groups}.isdisjoint(groups))
