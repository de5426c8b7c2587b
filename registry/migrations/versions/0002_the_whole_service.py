"""Idempotency keys, counters, job metadata as rows, estimates, previews, deletion, yanking, and an index for each filter

Revision ID: 0002
Revises: 0001
"""
import json

from alembic import op
import sqlalchemy as sa

import registry.tables

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('counters',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('labels', sa.String(length=255), nullable=False),
    sa.Column('value', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('name', 'labels', name=op.f('pk_counters'))
    )
    op.create_table('service_keys',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('created_at', registry.tables.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_service_keys'))
    )
    op.create_table('idempotency_keys',
    sa.Column('owner', sa.String(length=64), nullable=False),
    sa.Column('route', sa.String(length=512), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('headers', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('body', sa.Text(), nullable=True),
    sa.Column('created_at', registry.tables.UtcDateTime(), nullable=False),
    sa.Column('expires_at', registry.tables.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('owner', 'route', 'key', name=op.f('pk_idempotency_keys'))
    )
    op.create_index('ix_idempotency_keys_expires_at', 'idempotency_keys', ['expires_at'], unique=False)
    op.create_table('job_metadata',
    sa.Column('job_id', sa.String(length=48), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('value', sa.String(length=512), nullable=False),
    sa.Column('project_id', sa.String(length=48), nullable=False),
    sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_job_metadata_job_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_job_metadata_project_id')),
    sa.PrimaryKeyConstraint('job_id', 'key', name=op.f('pk_job_metadata'))
    )
    op.create_index('ix_job_metadata_project_id_key_value_job_id', 'job_metadata', ['project_id', 'key', 'value', 'job_id'], unique=False)

    # Plain ADD COLUMN everywhere, and no batch mode: SQLite then changes only the schema and copies no row.
    op.add_column('attempts', sa.Column('phases', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('datasets', sa.Column('preview', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('datasets', sa.Column('deleted_at', registry.tables.UtcDateTime(), nullable=True))
    op.add_column('jobs', sa.Column('phase_started_at', registry.tables.UtcDateTime(), nullable=True))
    op.add_column('jobs', sa.Column('estimate', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('jobs', sa.Column('request_id', sa.String(length=128), nullable=True))
    op.add_column('model_versions', sa.Column('yank_reason', sa.Text(), nullable=True))
    op.execute("UPDATE jobs SET queue = CASE type WHEN 'validate_dataset' THEN 'validate' ELSE 'train' END")
    op.create_index('ix_datasets_project_id_status_id', 'datasets', ['project_id', 'status', 'id'], unique=False)
    for column in ('status', 'type', 'dataset_id', 'model'):
        op.create_index(f'ix_jobs_project_id_{column}_id', 'jobs', ['project_id', column, 'id'], unique=False)

    _metadata_of_old_jobs()
    _count_old_jobs()


def _count_old_jobs() -> None:
    jobs = sa.table('jobs', sa.column('type', sa.String), sa.column('status', sa.String))
    counters = sa.table('counters', sa.column('name'), sa.column('labels'), sa.column('value'))
    ended = (
        sa.select(jobs.c.type, jobs.c.status, sa.func.count())
        .where(jobs.c.status.in_(['succeeded', 'failed', 'cancelled']))
        .group_by(jobs.c.type, jobs.c.status)
    )
    found = [
        {'name': 'jobs_finished', 'labels': json.dumps({'status': status, 'type': type_}, separators=(',', ':')), 'value': count}
        for type_, status, count in op.get_bind().execute(ended)
    ]
    if found:
        op.bulk_insert(counters, found)


def _metadata_of_old_jobs() -> None:
    jobs = sa.table('jobs', sa.column('id', sa.String), sa.column('project_id', sa.String), sa.column('metadata', sa.JSON))
    rows = sa.table('job_metadata', *(sa.column(name, sa.String) for name in ('job_id', 'key', 'value', 'project_id')))
    connection = op.get_bind()
    last = ''
    while page := connection.execute(sa.select(jobs).where(jobs.c.id > last).order_by(jobs.c.id).limit(1000)).all():
        last = page[-1].id
        found = [
            {'job_id': job.id, 'key': key, 'value': value, 'project_id': job.project_id}
            for job in page
            for key, value in (job.metadata or {}).items()
            if isinstance(value, str)
        ]
        if found:
            connection.execute(sa.insert(rows), found)
