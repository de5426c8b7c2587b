"""Which blobs nothing refers to any more, what a policy has removed, and who is at which duty

Revision ID: 0004
Revises: 0003
"""
from alembic import op
import sqlalchemy as sa

import registry.tables

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('blobs', sa.Column('unused_since', registry.tables.UtcDateTime(), nullable=True))
    op.create_index('ix_blobs_unused_since', 'blobs', ['unused_since'], unique=False)
    op.create_index('ix_checkpoints_sha256', 'checkpoints', ['sha256'], unique=False)
    op.create_index('ix_jobs_finished_at', 'jobs', ['finished_at'], unique=False)
    op.create_table('removals',
    sa.Column('subject', sa.String(length=48), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('removed_at', registry.tables.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('subject', 'kind', name=op.f('pk_removals'))
    )
    op.create_table('duties',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('owner', sa.Text(), nullable=True),
    sa.Column('until', registry.tables.UtcDateTime(), nullable=True),
    sa.Column('done_at', registry.tables.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_duties'))
    )
