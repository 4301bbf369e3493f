"""Tables of performance: what each day's labels changed, and how each day's predictions scored. Arrays are packed."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, LargeBinary, String, Table

from services.adapters.sql.schema.base import metadata

performance_definition = Table(
    "performance_definition",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("definition", String(64), nullable=False),
)

performance_arrival = Table(
    "performance_arrival",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("slice_key", String(300), primary_key=True),
    Column("day", Date, primary_key=True),  # of arrival
    Column("version", String(40), primary_key=True),  # empty: labels that found no prediction
    Column("first_day", Date, nullable=False),  # of the predictions spoken about
    Column("last_day", Date, nullable=False),
    Column("cells", LargeBinary, nullable=False),
    Column("days", LargeBinary, nullable=False),
    Column("sums", LargeBinary, nullable=False),
    Index("ix_performance_arrival_model_last_day", "model", "last_day"),
)

performance_score = Table(
    "performance_score",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("slice_key", String(300), primary_key=True),
    Column("day", Date, primary_key=True),  # of prediction
    Column("version", String(40), primary_key=True),
    Column("predicted", Integer, nullable=False),
    Column("unscored", Integer, nullable=False),
    Column("cells", LargeBinary, nullable=False),
    Column("sums", LargeBinary, nullable=False),
)
