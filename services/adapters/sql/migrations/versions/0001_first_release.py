"""first release.

Revision: 0001
Follows: 
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql import protection
from services.adapters.sql.schema import base


revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Written from the metadata of the first release; later revisions change it, this one stays as it is.
    op.create_table('batch_run',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('job', sa.String(length=200), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('window_start', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('started_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('finished_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('ok', sa.Boolean(), nullable=False),
    sa.Column('on_time', sa.Boolean(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'day', 'position', name=op.f('pk_batch_run'))
    )
    with op.batch_alter_table('batch_run', schema=None) as batch_op:
        batch_op.create_index('ix_batch_run_model_window_start', ['model', 'window_start'], unique=False)

    op.create_table('correction',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('prediction_id', sa.String(length=200), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('corrected', sa.String(length=200), nullable=False),
    sa.Column('reason_code', sa.String(length=60), nullable=False),
    sa.Column('reviewer', sa.String(length=200), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('model', 'day', 'position', name=op.f('pk_correction'))
    )
    with op.batch_alter_table('correction', schema=None) as batch_op:
        batch_op.create_index('ix_correction_model_at', ['model', 'at'], unique=False)

    op.create_table('deployment',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('deployment', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('desired', sa.Text(), nullable=False),
    sa.Column('champion', sa.String(length=40), nullable=False),
    sa.Column('alias_pending', sa.Boolean(), nullable=False),
    sa.Column('candidate', sa.String(length=40), nullable=True),
    sa.Column('base', sa.String(length=40), nullable=True),
    sa.Column('plan', sa.Text(), nullable=False),
    sa.Column('release_action', sa.String(length=60), nullable=True),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('observed', sa.Text(), nullable=True),
    sa.Column('observed_ready', sa.Text(), nullable=False),
    sa.Column('observed_generation', sa.Integer(), nullable=True),
    sa.Column('observed_op', sa.String(length=80), nullable=False),
    sa.Column('observed_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('problem', sa.Text(), nullable=False),
    sa.Column('alias_champion', sa.String(length=40), nullable=True),
    sa.Column('alias_read_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('finding', sa.Text(), nullable=False),
    sa.Column('finding_digest', sa.String(length=64), nullable=False),
    sa.Column('live_since', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('updated_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('model', name=op.f('pk_deployment'))
    )
    op.create_table('facts_seen',
    sa.Column('consumer', sa.String(length=40), nullable=False),
    sa.Column('source', sa.String(length=40), nullable=False),
    sa.Column('owner', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('consumer', 'source', 'owner', 'day', name=op.f('pk_facts_seen'))
    )
    op.create_table('feature_day',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('feature', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('counts', sa.LargeBinary(), nullable=False),
    sa.Column('sums', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'feature', 'day', name=op.f('pk_feature_day'))
    )
    with op.batch_alter_table('feature_day', schema=None) as batch_op:
        batch_op.create_index('ix_feature_day_model_day', ['model', 'day'], unique=False)

    op.create_table('feature_reference',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('feature', sa.String(length=200), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('counts', sa.LargeBinary(), nullable=False),
    sa.Column('sums', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'feature', name=op.f('pk_feature_reference'))
    )
    op.create_table('governed_model',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('tier', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_governed_model'))
    )
    op.create_table('labelled_day',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('predicted', sa.Integer(), nullable=False),
    sa.Column('labelled', sa.Integer(), nullable=False),
    sa.Column('positives', sa.LargeBinary(), nullable=False),
    sa.Column('negatives', sa.LargeBinary(), nullable=False),
    sa.Column('sum_error', sa.Float(), nullable=False),
    sa.Column('sum_absolute', sa.Float(), nullable=False),
    sa.Column('sum_square', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'day', 'version', name=op.f('pk_labelled_day'))
    )
    op.create_table('ledger_index',
    sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('event', sa.String(length=80), nullable=False),
    sa.Column('actor', sa.String(length=200), nullable=False),
    sa.Column('actor_subject', sa.String(length=200), nullable=False),
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('searched', sa.Text(), nullable=False),
    sa.Column('leaf_hash', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_ledger_index'))
    )
    with op.batch_alter_table('ledger_index', schema=None) as batch_op:
        batch_op.create_index('ix_ledger_index_kind', ['kind', 'seq'], unique=False)
        batch_op.create_index('ix_ledger_index_model', ['model', 'seq'], unique=False)

    op.create_table('log_anchor',
    sa.Column('size', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('place', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('size', 'kind', name=op.f('pk_log_anchor'))
    )
    op.create_table('log_checkpoint',
    sa.Column('size', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('size', name=op.f('pk_log_checkpoint'))
    )
    op.create_table('log_entry',
    sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('envelope', sa.LargeBinary(), nullable=False),
    sa.Column('leaf_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('frontier', sa.LargeBinary(), nullable=False),
    sa.Column('root', sa.LargeBinary(length=32), nullable=False),
    sa.Column('idem', sa.String(length=200), nullable=False),
    sa.Column('appended_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_log_entry')),
    sa.UniqueConstraint('idem', name=op.f('uq_log_entry_idem')),
    sa.UniqueConstraint('leaf_hash', name=op.f('uq_log_entry_leaf_hash'))
    )
    op.create_table('model_summary',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('title', sa.String(length=300), nullable=False),
    sa.Column('search_text', sa.Text(), nullable=False),
    sa.Column('use_case', sa.String(length=300), nullable=False),
    sa.Column('tier', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('team', sa.String(length=200), nullable=False),
    sa.Column('owner', sa.String(length=200), nullable=False),
    sa.Column('severity', sa.Integer(), nullable=False),
    sa.Column('in_production', sa.Boolean(), nullable=False),
    sa.Column('live_as_of', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('versions', sa.Integer(), nullable=False),
    sa.Column('newest_version', sa.String(length=40), nullable=False),
    sa.Column('drift_value', sa.Float(), nullable=True),
    sa.Column('open_requests', sa.Integer(), nullable=False),
    sa.Column('findings', sa.Integer(), nullable=False),
    sa.Column('next_review', sa.Date(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_model_summary'))
    )
    with op.batch_alter_table('model_summary', schema=None) as batch_op:
        batch_op.create_index('ix_model_summary_drift_value', ['drift_value'], unique=False)
        batch_op.create_index('ix_model_summary_next_review_name', ['next_review', 'name'], unique=False)
        batch_op.create_index('ix_model_summary_owner_name', ['owner', 'name'], unique=False)
        batch_op.create_index('ix_model_summary_severity_name', ['severity', 'name'], unique=False)
        batch_op.create_index('ix_model_summary_tier_name', ['tier', 'name'], unique=False)

    op.create_table('monitoring_config',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', name=op.f('pk_monitoring_config'))
    )
    op.create_table('person',
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.Column('key_id', sa.String(length=64), nullable=True),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('issuer', 'subject', name=op.f('pk_person'))
    )
    op.create_table('person_role',
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('issuer', 'subject', 'role', name=op.f('pk_person_role'))
    )
    with op.batch_alter_table('person_role', schema=None) as batch_op:
        batch_op.create_index('ix_person_role_role', ['role'], unique=False)

    op.create_table('person_session',
    sa.Column('token_sha256', sa.String(length=64), nullable=False),
    sa.Column('session_id', sa.String(length=60), nullable=False),
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('method', sa.String(length=40), nullable=False),
    sa.Column('signed_in_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ended_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('token_sha256', name=op.f('pk_person_session'))
    )
    op.create_table('promotion_request',
    sa.Column('request_id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('title', sa.String(length=300), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('base', sa.String(length=40), nullable=True),
    sa.Column('tier', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=30), nullable=False),
    sa.Column('requester_subject', sa.String(length=200), nullable=False),
    sa.Column('requester_issuer', sa.String(length=300), nullable=False),
    sa.Column('requester', sa.String(length=200), nullable=False),
    sa.Column('created_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('due_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('approved_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('valid_until', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('signed', sa.Integer(), nullable=False),
    sa.Column('needed', sa.Integer(), nullable=False),
    sa.Column('evidence_sha256', sa.String(length=64), nullable=False),
    sa.Column('manifest_sha256', sa.String(length=64), nullable=False),
    sa.Column('policy_sha256', sa.String(length=64), nullable=False),
    sa.Column('run_id', sa.String(length=80), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('statement_sha256', sa.String(length=64), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('leaf_hash', sa.String(length=64), nullable=False),
    sa.Column('action_id', sa.String(length=60), nullable=True),
    sa.Column('updated_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('request_id', name=op.f('pk_promotion_request'))
    )
    with op.batch_alter_table('promotion_request', schema=None) as batch_op:
        batch_op.create_index('ix_promotion_request_model', ['model', 'version'], unique=False)
        batch_op.create_index('ix_promotion_request_queue', ['state', 'due_at'], unique=False)

    op.create_table('registry_version',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('created_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('first_seen_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('changed_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('deleted_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('model', 'version', name=op.f('pk_registry_version'))
    )
    with op.batch_alter_table('registry_version', schema=None) as batch_op:
        batch_op.create_index('ix_registry_version_model_number', ['model', 'number'], unique=False)

    op.create_table('request_slot',
    sa.Column('deployment', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('start', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('requests', sa.Integer(), nullable=False),
    sa.Column('errors', sa.Integer(), nullable=False),
    sa.Column('injected', sa.Integer(), nullable=False),
    sa.Column('buckets', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('deployment', 'day', 'start', 'version', name=op.f('pk_request_slot'))
    )
    with op.batch_alter_table('request_slot', schema=None) as batch_op:
        batch_op.create_index('ix_request_slot_deployment_start', ['deployment', 'start'], unique=False)

    op.create_table('review_day',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('reason_code', sa.String(length=60), nullable=False),
    sa.Column('reviewed', sa.Integer(), nullable=False),
    sa.Column('corrected', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'day', 'version', 'reason_code', name=op.f('pk_review_day'))
    )
    op.create_table('rollout_action',
    sa.Column('action_id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('deployment', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('from_version', sa.String(length=40), nullable=True),
    sa.Column('to_version', sa.String(length=40), nullable=False),
    sa.Column('routes', sa.Text(), nullable=False),
    sa.Column('champion', sa.String(length=40), nullable=False),
    sa.Column('plan', sa.Text(), nullable=False),
    sa.Column('request_id', sa.String(length=60), nullable=True),
    sa.Column('requested_by', sa.String(length=200), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('reason_code', sa.String(length=40), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('manifest_sha256', sa.String(length=64), nullable=False),
    sa.Column('decisions', sa.Text(), nullable=False),
    sa.Column('created_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('finished_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('switched_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('restored_seconds', sa.Float(), nullable=True),
    sa.Column('seq_intent', sa.Integer(), nullable=False),
    sa.Column('leaf_intent', sa.String(length=64), nullable=False),
    sa.Column('seq_outcome', sa.Integer(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_try_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('lease_owner', sa.String(length=120), nullable=False),
    sa.Column('lease_until', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('alias_done', sa.Boolean(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('action_id', name=op.f('pk_rollout_action'))
    )
    with op.batch_alter_table('rollout_action', schema=None) as batch_op:
        batch_op.create_index('ix_rollout_action_model', ['model', 'seq_intent'], unique=False)
        batch_op.create_index('ix_rollout_action_open', ['state', 'seq_intent'], unique=False)
        batch_op.create_index('uq_rollout_action_running', ['model'], unique=True, sqlite_where=sa.text("state = 'running'"), postgresql_where=sa.text("state = 'running'"))

    op.create_table('served_period',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('action_id', sa.String(length=60), nullable=False),
    sa.Column('share', sa.Integer(), nullable=False),
    sa.Column('from_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('to_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('model', 'version', 'action_id', name=op.f('pk_served_period'))
    )
    with op.batch_alter_table('served_period', schema=None) as batch_op:
        batch_op.create_index('ix_served_period_model', ['model', 'from_at'], unique=False)

    op.create_table('signing_challenge',
    sa.Column('nonce', sa.String(length=64), nullable=False),
    sa.Column('purpose', sa.String(length=20), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('about', sa.String(length=200), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('shown_sha256', sa.String(length=64), nullable=False),
    sa.Column('expires_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('used', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('nonce', name=op.f('pk_signing_challenge'))
    )
    op.create_table('signing_key',
    sa.Column('key_id', sa.String(length=64), nullable=False),
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('public', sa.Text(), nullable=False),
    sa.Column('pkcs8', sa.LargeBinary(), nullable=False),
    sa.Column('salt', sa.LargeBinary(), nullable=False),
    sa.Column('kdf', sa.Text(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('locked_until', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('retired', sa.Boolean(), nullable=False),
    sa.Column('created_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key_id', name=op.f('pk_signing_key'))
    )
    with op.batch_alter_table('signing_key', schema=None) as batch_op:
        batch_op.create_index('ix_signing_key_owner', ['issuer', 'subject'], unique=False)

    op.create_table('sync_state',
    sa.Column('source', sa.String(length=120), nullable=False),
    sa.Column('last_success', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('last_attempt', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('source', name=op.f('pk_sync_state'))
    )
    op.create_table('traffic_change',
    sa.Column('action_id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('routes', sa.Text(), nullable=False),
    sa.Column('champion', sa.String(length=40), nullable=False),
    sa.Column('actor', sa.String(length=200), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('action_id', name=op.f('pk_traffic_change'))
    )
    with op.batch_alter_table('traffic_change', schema=None) as batch_op:
        batch_op.create_index('ix_traffic_change_model', ['model', 'at'], unique=False)

    op.create_table('usage_day',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('component', sa.String(length=40), nullable=False),
    sa.Column('cpu_seconds', sa.Float(), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('wall_seconds', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'day', 'version', 'component', name=op.f('pk_usage_day'))
    )
    op.create_table('value_config',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', name=op.f('pk_value_config'))
    )
    op.create_table('version_evidence',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('manifest_sha256', sa.String(length=64), nullable=False),
    sa.Column('manifest', sa.Text(), nullable=False),
    sa.Column('evaluation_sha256', sa.String(length=64), nullable=False),
    sa.Column('evaluation', sa.Text(), nullable=False),
    sa.Column('read_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('problem', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'version', name=op.f('pk_version_evidence'))
    )
    op.create_table('worker_heartbeat',
    sa.Column('worker_id', sa.String(length=120), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('started_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('host', sa.String(length=200), nullable=False),
    sa.Column('pid', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('worker_id', name=op.f('pk_worker_heartbeat'))
    )
    op.create_table('worker_lease',
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('owner', sa.String(length=120), nullable=False),
    sa.Column('until', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_worker_lease'))
    )
    op.create_table('workspace_fact',
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_workspace_fact'))
    )
    op.create_table('action_step',
    sa.Column('action_id', sa.String(length=60), nullable=False),
    sa.Column('step', sa.String(length=40), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['action_id'], ['rollout_action.action_id'], name='fk_action_step_rollout_action'),
    sa.PrimaryKeyConstraint('action_id', 'step', name=op.f('pk_action_step'))
    )
    op.create_table('request_decision',
    sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('request_id', sa.String(length=60), nullable=False),
    sa.Column('decision', sa.String(length=30), nullable=False),
    sa.Column('meaning', sa.Text(), nullable=False),
    sa.Column('signer', sa.String(length=200), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('comment', sa.Text(), nullable=False),
    sa.Column('salt', sa.String(length=64), nullable=False),
    sa.Column('reason_code', sa.String(length=40), nullable=False),
    sa.Column('key_id', sa.String(length=64), nullable=False),
    sa.Column('leaf_hash', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('void_reason', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['promotion_request.request_id'], name=op.f('fk_request_decision_request_id_promotion_request')),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_request_decision'))
    )
    with op.batch_alter_table('request_decision', schema=None) as batch_op:
        batch_op.create_index('ix_request_decision_request', ['request_id', 'seq'], unique=False)

    op.create_table('request_event',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('request_id', sa.String(length=60), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['request_id'], ['promotion_request.request_id'], name=op.f('fk_request_event_request_id_promotion_request')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_request_event'))
    )
    with op.batch_alter_table('request_event', schema=None) as batch_op:
        batch_op.create_index('ix_request_event_request', ['request_id', 'id'], unique=False)

    op.create_table('request_waiting',
    sa.Column('request_id', sa.String(length=60), nullable=False),
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('missing', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['promotion_request.request_id'], name=op.f('fk_request_waiting_request_id_promotion_request')),
    sa.PrimaryKeyConstraint('request_id', 'role', name=op.f('pk_request_waiting'))
    )
    protection.install(op.get_bind())


def downgrade() -> None:
    raise NotImplementedError("The ledger is never taken back; restore a backup instead.")
