"""${message}.

Revision: ${up_revision}
Follows: ${down_revision | comma,n}
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql import protection
from services.adapters.sql.schema import base
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
    protection.install(op.get_bind())


def downgrade() -> None:
    raise NotImplementedError("The ledger is never taken back; restore a backup instead.")
