"""Tables of people. Persons and roles are read from the ledger's keyring entries; keys and sessions are secrets.

`signing_key.pkcs8` opens only with the person's passphrase and the pepper outside the database. Of a session token
only the digest is kept.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

person = Table(
    "person",
    metadata,
    Column("issuer", String(300), primary_key=True),
    Column("subject", String(200), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("key_id", String(64), nullable=True),
    Column("seq", Integer, nullable=False),  # the entry that introduced the person
)

person_role = Table(
    "person_role",
    metadata,
    Column("issuer", String(300), primary_key=True),
    Column("subject", String(200), primary_key=True),
    Column("role", String(40), primary_key=True),
    Column("seq", Integer, nullable=False),  # the entry that granted it
    Index("ix_person_role_role", "role"),
)

signing_key = Table(
    "signing_key",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("issuer", String(300), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("public", Text, nullable=False),
    Column("pkcs8", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("kdf", Text, nullable=False),
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_until", UtcDateTime, nullable=True),
    Column("retired", Boolean, nullable=False, default=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_signing_key_owner", "issuer", "subject"),
)

person_session = Table(
    "person_session",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("session_id", String(60), nullable=False),
    Column("issuer", String(300), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("role", String(40), nullable=False),
    Column("method", String(40), nullable=False),
    Column("signed_in_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=True),
)
