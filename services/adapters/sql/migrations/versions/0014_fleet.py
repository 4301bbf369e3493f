"""fleet.

Revision: 0014
Follows: 0013
"""

from __future__ import annotations


revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
