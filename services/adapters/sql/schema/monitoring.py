"""Tables of monitoring: cells of the reference window, a profile per feature and day, labelled days, batch runs."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Float, Index, Integer, LargeBinary, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

monitoring_config = Table(
    "monitoring_config",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("document", Text, nullable=False),
)

feature_reference = Table(
    "feature_reference",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("feature", String(200), primary_key=True),
    Column("slice_key", String(250), primary_key=True),  # empty: the whole, which alone carries a document
    Column("position", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("document", Text, nullable=False),  # JSON: column, kind, edges, deciles, values
    Column("counts", LargeBinary, nullable=False),
    Column("sums", LargeBinary, nullable=False),
)

feature_day = Table(
    "feature_day",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("feature", String(200), primary_key=True),
    Column("slice_key", String(250), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("counts", LargeBinary, nullable=False),
    Column("sums", LargeBinary, nullable=False),
    Index("ix_feature_day_model_day", "model", "day"),
)

schema_set = Table(
    "schema_set",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("document", Text, nullable=False),  # JSON: [column, kind] pairs
)

schema_day = Table(
    "schema_day",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("digest", String(64), nullable=False),
)

schema_change = Table(
    "schema_change",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("column", String(200), primary_key=True),
    Column("change", String(20), nullable=False),  # added, removed, renamed, retyped
    Column("before", String(200), nullable=False),
    Column("after", String(200), nullable=False),
    Column("sentence", Text, nullable=False),
)

labelled_day = Table(
    "labelled_day",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("predicted", Integer, nullable=False),
    Column("labelled", Integer, nullable=False),
    Column("positives", LargeBinary, nullable=False),
    Column("negatives", LargeBinary, nullable=False),
    Column("sum_error", Float, nullable=False),
    Column("sum_absolute", Float, nullable=False),
    Column("sum_square", Float, nullable=False),
)

batch_run = Table(
    "batch_run",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("job", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("window_start", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("on_time", Boolean, nullable=False),
    Column("error", Text, nullable=False),
    Index("ix_batch_run_model_window_start", "model", "window_start"),
)

monitoring_head = Table(
    "monitoring_head",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("part", String(20), primary_key=True),  # drift, performance, value, portfolio
    Column("head", Integer, nullable=False),  # grows with every write that a verdict of this part may rest on
)

drift_judged = Table(
    "drift_judged",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("head", Integer, nullable=False),  # of monitoring_head, when the verdicts were made
    Column("window_days", Integer, nullable=False),
    Column("judged_at", UtcDateTime, nullable=False),
)

drift_verdict = Table(
    "drift_verdict",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),  # the last day of the window
    Column("state", String(20), nullable=False),
    Column("moved", Integer, nullable=False),
    Column("judged", Integer, nullable=False),
    Column("n", Integer, nullable=False),
    Column("feature", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Index("ix_drift_verdict_day", "day"),
)
