"""Tables of people. Persons and roles are read from the ledger's keyring entries; keys and sessions are secrets.

`signing_key.pkcs8` opens only with the person's passphrase and the pepper outside the database. Of a session token
only the digest is kept. `access_view` only ever grows.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

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
    Column("disabled_reason", Text, nullable=True),
)

person_role = Table(
    "person_role",
    metadata,
    Column("issuer", String(300), primary_key=True),
    Column("subject", String(200), primary_key=True),
    Column("role", String(40), primary_key=True),
    Column("seq", Integer, nullable=False),  # the entry that granted it
    Column("until", UtcDateTime, nullable=True),  # when it ends, for access given for a time
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
    Column("suspect_from", Integer, nullable=True),  # from this entry on nothing it signed can be relied on
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
    Column("last_seen_at", UtcDateTime, nullable=True),
    Column("ended_because", String(40), nullable=True),
    Column("login", Text, nullable=True),  # JSON: what the identity provider said about the login
)

deployment_key = Table(
    "deployment_key",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("use", String(20), nullable=False),  # service, log or machine
    Column("public", Text, nullable=False),
    Column("seq", Integer, nullable=False),  # the entry that enrolled it
    Column("retired_seq", Integer, nullable=True),  # the entry that replaced it
)

delegation = Table(
    "delegation",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("role", String(40), nullable=False),
    Column("from_issuer", String(300), nullable=False),
    Column("from_subject", String(200), nullable=False),
    Column("from_name", String(200), nullable=False),
    Column("to_issuer", String(300), nullable=False),
    Column("to_subject", String(200), nullable=False),
    Column("to_name", String(200), nullable=False),
    Column("tier", Integer, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),  # free text; the ledger holds its salted digest
    Column("salt", String(64), nullable=False, server_default=""),
    Column("withdrawn_at", UtcDateTime, nullable=True),
    Column("withdrawn_by", String(200), nullable=True),
    Index("ix_delegation_to", "to_issuer", "to_subject"),
)

key_ceremony = Table(
    "key_ceremony",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("issuer", String(300), nullable=False),  # of the person concerned; empty for keys of the deployment
    Column("subject", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("detail", Text, nullable=False),
    Column("asked_by_issuer", String(300), nullable=False),
    Column("asked_by", String(200), nullable=False),
    Column("asked_by_name", String(200), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("envelopes", Text, nullable=False, server_default="[]"),  # signed so far, in the order to be recorded
    Column("signed_by", Text, nullable=False, server_default="[]"),
    Column("valid_until", UtcDateTime, nullable=True),
    Column("seq", Integer, nullable=True),  # the last entry it was recorded with
    Column("closed_at", UtcDateTime, nullable=True),
    Column("idem", String(200), nullable=False, unique=True),
    Index("ix_key_ceremony_state", "state", "asked_at"),
)

access_view = Table(
    "access_view",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("issuer", String(300), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("session_id", String(60), nullable=False),
    Column("screen", String(60), nullable=False),
    Column("about", String(300), nullable=False),
    Index("ix_access_view_person", "issuer", "subject", "id"),
)

person_login = Table(
    "person_login",
    metadata,
    Column("sha256", String(64), primary_key=True),  # of the claims; a login opens one session only
    Column("used_at", UtcDateTime, nullable=False),
)

person_account = Table(
    "person_account",
    metadata,
    Column("issuer", String(300), primary_key=True),
    Column("claimed", String(300), primary_key=True),  # the subject the provider names
    Column("subject", String(200), nullable=False),  # the person the ledger names
    Column("bound_at", UtcDateTime, nullable=False),
    UniqueConstraint("issuer", "subject"),
)

passkey = Table(
    "passkey",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("issuer", String(300), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("credential_id", String(1400), nullable=False),  # base64url; at most 1,023 bytes
    Column("public", Text, nullable=False),
    Column("rp_id", String(253), nullable=False),
    Column("origin", String(300), nullable=False),
    Column("label", String(80), nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=True),
    Column("seq", Integer, nullable=True),  # the entry that enrolled it; until then it counts for nothing
    Column("revoked_seq", Integer, nullable=True),
    UniqueConstraint("credential_id"),
    Index("ix_passkey_owner", "issuer", "subject"),
)

passkey_ceremony = Table(
    "passkey_ceremony",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("purpose", String(20), nullable=False),  # enrol or sign
    Column("issuer", String(300), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("document", Text, nullable=False),  # what was asked of the browser, and what it was asked for
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime, nullable=True),
    Index("ix_passkey_ceremony_expires_at", "expires_at"),
)
