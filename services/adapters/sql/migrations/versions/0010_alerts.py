"""alerts.

Revision: 0010
Follows: 0009
"""

from __future__ import annotations

import json
from datetime import date

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('alert',
    sa.Column('alert_id', sa.String(length=40), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('subject', sa.String(length=300), nullable=False),
    sa.Column('standing_key', sa.String(length=600), nullable=True),
    sa.Column('thread', sa.String(length=40), nullable=False),
    sa.Column('tier', sa.Integer(), nullable=False),
    sa.Column('impact', sa.String(length=10), nullable=False),
    sa.Column('severity', sa.Integer(), nullable=False),
    sa.Column('urgent', sa.Boolean(), nullable=False),
    sa.Column('state_seen', sa.String(length=20), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('target', sa.Text(), nullable=False),
    sa.Column('value', sa.Float(precision=53), nullable=True),
    sa.Column('unit', sa.String(length=80), nullable=False),
    sa.Column('window_name', sa.String(length=80), nullable=False),
    sa.Column('first_seen', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('last_seen', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('as_of', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('repeats', sa.Integer(), nullable=False),
    sa.Column('healthy', sa.Integer(), nullable=False),
    sa.Column('bad', sa.Integer(), nullable=False),
    sa.Column('unknown_since', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('opened_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('told_from', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('closed_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('reopened', sa.Integer(), nullable=False),
    sa.Column('owner_issuer', sa.String(length=300), nullable=False),
    sa.Column('owner_subject', sa.String(length=200), nullable=False),
    sa.Column('owner_name', sa.String(length=200), nullable=False),
    sa.Column('owner_role', sa.String(length=40), nullable=False),
    sa.Column('acknowledged_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('acknowledged_issuer', sa.String(length=300), nullable=False),
    sa.Column('acknowledged_subject', sa.String(length=200), nullable=False),
    sa.Column('acknowledged_name', sa.String(length=200), nullable=False),
    sa.Column('snoozed_until', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('snoozed_issuer', sa.String(length=300), nullable=False),
    sa.Column('snoozed_subject', sa.String(length=200), nullable=False),
    sa.Column('snoozed_name', sa.String(length=200), nullable=False),
    sa.Column('incident_id', sa.String(length=40), nullable=False),
    sa.Column('incident_key', sa.String(length=300), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('alert_id', name=op.f('pk_alert')),
    sa.UniqueConstraint('number', name=op.f('uq_alert_number')),
    sa.UniqueConstraint('standing_key', name=op.f('uq_alert_standing_key'))
    )
    with op.batch_alter_table('alert', schema=None) as batch_op:
        batch_op.create_index('ix_alert_closed', ['closed_at'], unique=False)
        batch_op.create_index('ix_alert_model', ['model', 'number'], unique=False)

    op.create_table('alert_event',
    sa.Column('alert_id', sa.String(length=40), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('happening', sa.String(length=20), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('by_issuer', sa.String(length=300), nullable=False),
    sa.Column('by_subject', sa.String(length=200), nullable=False),
    sa.Column('by_name', sa.String(length=200), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('salt', sa.String(length=64), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.Column('window_name', sa.String(length=80), nullable=False),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.alert_id'], name='fk_alert_event_alert'),
    sa.PrimaryKeyConstraint('alert_id', 'number', name=op.f('pk_alert_event'))
    )

    op.create_table('alert_look',
    sa.Column('source', sa.String(length=80), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('last_success', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('source', name=op.f('pk_alert_look'))
    )

    op.create_table('incident_owed',
    sa.Column('incident_id', sa.String(length=40), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('owner_subject', sa.String(length=200), nullable=False),
    sa.Column('due', sa.Date(), nullable=False),
    sa.ForeignKeyConstraint(['incident_id'], ['incident.incident_id'], name='fk_incident_owed_incident'),
    sa.PrimaryKeyConstraint('incident_id', 'number', name=op.f('pk_incident_owed'))
    )
    with op.batch_alter_table('incident_owed', schema=None) as batch_op:
        batch_op.create_index('ix_incident_owed_owner', ['owner_subject', 'due'], unique=False)
    _owe_what_was_signed()


def _owe_what_was_signed() -> None:
    """Follow-ups of incidents that were closed before anybody could call them done."""
    incident = sa.table(
        'incident', sa.column('incident_id'), sa.column('closed_at'), sa.column('post_mortem')
    )
    owed = sa.table(
        'incident_owed', sa.column('incident_id'), sa.column('number'), sa.column('owner_subject'),
        sa.column('due', sa.Date()),
    )
    connection = op.get_bind()
    closed = sa.select(incident.c.incident_id, incident.c.post_mortem).where(incident.c.closed_at.is_not(None))
    for incident_id, text in connection.execute(closed).all():
        if not text.startswith('{'):
            continue  # erased
        for number, item in enumerate(json.loads(text)['follow_ups'], start=1):
            if item['due']:
                row = {'incident_id': incident_id, 'number': number, 'owner_subject': item['owner_subject'],
                       'due': date.fromisoformat(item['due'])}
                connection.execute(sa.insert(owed).values(**row))


def downgrade() -> None:
    op.drop_table('incident_owed')
    op.drop_table('alert_look')
    op.drop_table('alert_event')
    op.drop_table('alert')
