"""fleet.

Revision: 0014
Follows: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


_ONE_ALERT = 'columns'


def upgrade() -> None:
    op.create_table('monitoring_head',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('part', sa.String(length=20), nullable=False),
    sa.Column('head', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'part', name=op.f('pk_monitoring_head'))
    )
    op.create_table('drift_judged',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('head', sa.Integer(), nullable=False),
    sa.Column('window_days', sa.Integer(), nullable=False),
    sa.Column('judged_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('model', name=op.f('pk_drift_judged'))
    )
    op.create_table('drift_verdict',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('moved', sa.Integer(), nullable=False),
    sa.Column('judged', sa.Integer(), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('feature', sa.String(length=200), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'day', name=op.f('pk_drift_verdict'))
    )
    with op.batch_alter_table('drift_verdict', schema=None) as batch_op:
        batch_op.create_index('ix_drift_verdict_day', ['day'], unique=False)
    op.create_table('monitor_proposal',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('model', name=op.f('pk_monitor_proposal'))
    )
    # Added in place and not by making the table anew: other tables point at these rows.
    op.add_column('table_check', sa.Column('standings', sa.Text(), nullable=False, server_default='[]'))
    op.add_column('table_check', sa.Column('last_day', sa.Date(), nullable=True))
    op.add_column('alert', sa.Column('at_risk', sa.Text(), nullable=False, server_default=''))
    op.add_column('alert', sa.Column('parts', sa.Text(), nullable=False, server_default='[]'))
    op.add_column('incident', sa.Column('cause', sa.String(length=200), nullable=True))
    op.create_index('ix_incident_cause', 'incident', ['cause'], unique=True)
    _gather()
    # Last words are stored by the next look; until then nothing is said about a table.
    op.execute(sa.text("DELETE FROM table_check"))


def _gather() -> None:
    """Drift was one alert per column and data health one per rule: the gravest goes on as the one of its cause.

    Whoever acknowledged or snoozed it still has it. The others end here, which is said in their title; the next look
    fills in the parts.
    """
    alert = sa.table('alert', *map(sa.column, (
        'alert_id', 'number', 'model', 'kind', 'subject', 'standing_key', 'severity', 'title', 'opened_at')),
        sa.column('closed_at', base.UtcDateTime()), sa.column('last_seen', base.UtcDateTime()))
    event = sa.table('alert_event', sa.column('alert_id'))
    connection = op.get_bind()
    standing = sa.select(alert).where(alert.c.closed_at.is_(None), alert.c.kind.in_(['drift', 'data']),
                                      alert.c.subject != 'measurement')
    order = (alert.c.opened_at.is_(None), alert.c.severity, alert.c.number)
    taken: dict[tuple[str, str, str], str] = {}
    for row in connection.execute(standing.order_by(*order)).all():
        subject = _ONE_ALERT if row.kind == 'drift' else row.subject.partition(': ')[0]
        cause = (row.model, row.kind, subject)
        this = alert.c.alert_id == row.alert_id
        if cause not in taken:
            taken[cause] = row.alert_id
            key = '\x1f'.join(cause)
            connection.execute(sa.update(alert).where(this).values(subject=subject, standing_key=key))
        elif row.opened_at is None:
            connection.execute(sa.delete(event).where(event.c.alert_id == row.alert_id))
            connection.execute(sa.delete(alert).where(this))
        else:
            title = f'{row.title} (goes on as {taken[cause]})'
            connection.execute(
                sa.update(alert).where(this).values(closed_at=row.last_seen, standing_key=None, title=title))


def downgrade() -> None:
    op.drop_index('ix_incident_cause', table_name='incident')
    for table, column in (('incident', 'cause'), ('alert', 'parts'), ('alert', 'at_risk'),
                          ('table_check', 'last_day'), ('table_check', 'standings')):
        op.drop_column(table, column)
    op.drop_table('monitor_proposal')
    op.drop_table('drift_verdict')
    op.drop_table('drift_judged')
    op.drop_table('monitoring_head')
