"""portfolio.

Revision: 0016
Follows: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


_COUNTED = ('usage_day', 'value_config', 'value_statement', 'value_period')


def upgrade() -> None:
    op.create_table('value_portfolio',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('head', sa.Integer(), nullable=False),
    sa.Column('basis', sa.String(length=64), nullable=False),
    sa.Column('computed_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('rank', sa.Integer(), nullable=False),
    sa.Column('cost', sa.BigInteger(), nullable=False),
    sa.Column('benefit', sa.BigInteger(), nullable=True),
    sa.Column('net', sa.BigInteger(), nullable=True),
    sa.Column('setup', sa.BigInteger(), nullable=True),
    sa.Column('monthly_net', sa.BigInteger(), nullable=True),
    sa.Column('attested', sa.BigInteger(), nullable=False),
    sa.Column('claimed', sa.BigInteger(), nullable=False),
    sa.Column('attested_months', sa.Integer(), nullable=False),
    sa.Column('waiting_months', sa.Integer(), nullable=False),
    sa.Column('multiple', sa.Float(), nullable=True),
    sa.Column('payback', sa.Float(), nullable=True),
    sa.Column('has_problem', sa.Integer(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', name=op.f('pk_value_portfolio'))
    )
    with op.batch_alter_table('value_portfolio', schema=None) as batch_op:
        batch_op.create_index('ix_value_portfolio_attention', ['kind', 'rank', 'net', 'model'], unique=False)
    # The worker computes a line for every name that has a head: what is there already counts as written once.
    counted = ' UNION '.join(f'SELECT model FROM {table}' for table in _COUNTED)
    op.execute(sa.text(
        f"INSERT INTO monitoring_head (model, part, head) SELECT model, 'value', 1 FROM ({counted}) AS counted"))  # noqa: S608 - names of our own tables


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM monitoring_head WHERE part IN ('value', 'portfolio')"))
    op.drop_table('value_portfolio')
