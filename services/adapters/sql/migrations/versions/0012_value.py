"""value.

Revision: 0012
Follows: 0011
"""

from __future__ import annotations


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
