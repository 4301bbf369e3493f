"""Logins at an identity provider, and passkeys.

Revision: 0019
Follows: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('person_login',
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('used_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('sha256', name=op.f('pk_person_login'))
    )
    op.create_table('person_account',
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('claimed', sa.String(length=300), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('bound_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('issuer', 'claimed', name=op.f('pk_person_account')),
    sa.UniqueConstraint('issuer', 'subject', name=op.f('uq_person_account_issuer_subject'))
    )
    op.create_table('passkey',
    sa.Column('key_id', sa.String(length=64), nullable=False),
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('credential_id', sa.String(length=1400), nullable=False),
    sa.Column('public', sa.Text(), nullable=False),
    sa.Column('rp_id', sa.String(length=253), nullable=False),
    sa.Column('origin', sa.String(length=300), nullable=False),
    sa.Column('label', sa.String(length=80), nullable=False),
    sa.Column('sign_count', sa.BigInteger(), nullable=False),
    sa.Column('created_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('last_used_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.Column('revoked_seq', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('key_id', name=op.f('pk_passkey')),
    sa.UniqueConstraint('credential_id', name=op.f('uq_passkey_credential_id'))
    )
    with op.batch_alter_table('passkey', schema=None) as batch_op:
        batch_op.create_index('ix_passkey_owner', ['issuer', 'subject'], unique=False)
    op.create_table('passkey_ceremony',
    sa.Column('nonce', sa.String(length=64), nullable=False),
    sa.Column('purpose', sa.String(length=20), nullable=False),
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('expires_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('used_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('nonce', name=op.f('pk_passkey_ceremony'))
    )
    with op.batch_alter_table('passkey_ceremony', schema=None) as batch_op:
        batch_op.create_index('ix_passkey_ceremony_expires_at', ['expires_at'], unique=False)
    with op.batch_alter_table('person_session', schema=None) as batch_op:
        batch_op.add_column(sa.Column('login', sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('person_session', schema=None) as batch_op:
        batch_op.drop_column('login')
    with op.batch_alter_table('passkey_ceremony', schema=None) as batch_op:
        batch_op.drop_index('ix_passkey_ceremony_expires_at')
    op.drop_table('passkey_ceremony')
    with op.batch_alter_table('passkey', schema=None) as batch_op:
        batch_op.drop_index('ix_passkey_owner')
    op.drop_table('passkey')
    op.drop_table('person_account')
    op.drop_table('person_login')
