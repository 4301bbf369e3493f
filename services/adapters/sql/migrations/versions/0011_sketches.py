"""sketches.

Revision: 0011
Follows: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

_KEYS = {'feature_day': ['model', 'feature', 'day'], 'feature_reference': ['model', 'feature']}


def upgrade() -> None:
    for table, key in _KEYS.items():
        place = key.index('feature') + 1
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column('slice_key', sa.String(length=250), nullable=False, server_default=''))
            batch_op.drop_constraint(f'pk_{table}', type_='primary')
            batch_op.create_primary_key(f'pk_{table}', [*key[:place], 'slice_key', *key[place:]])
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column('slice_key', server_default=None, existing_type=sa.String(length=250))
    op.create_table('schema_set',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_schema_set'))
    )
    op.create_table('schema_day',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('model', 'day', name=op.f('pk_schema_day'))
    )
    op.create_table('schema_change',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('column', sa.String(length=200), nullable=False),
    sa.Column('change', sa.String(length=20), nullable=False),
    sa.Column('before', sa.String(length=200), nullable=False),
    sa.Column('after', sa.String(length=200), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'day', 'column', name=op.f('pk_schema_change'))
    )


def downgrade() -> None:
    op.drop_table('schema_change')
    op.drop_table('schema_day')
    op.drop_table('schema_set')
    for table, key in _KEYS.items():
        # Sketches of slices have no place in the older shape; they are made again from the facts.
        op.execute(sa.text(f"DELETE FROM {table} WHERE slice_key <> ''"))
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_constraint(f'pk_{table}', type_='primary')
            batch_op.create_primary_key(f'pk_{table}', key)
            batch_op.drop_column('slice_key')
