"""What jobs on a published version begin with, and examples kept for later jobs

Revision ID: 0003
Revises: 0002
"""
from alembic import op
import sqlalchemy as sa

import registry.tables

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('jobs', sa.Column('base', sa.JSON(none_as_null=True), nullable=True))
    op.create_table('example_sets',
    sa.Column('id', sa.String(length=48), nullable=False),
    sa.Column('project_id', sa.String(length=48), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('data_hash', sa.String(length=64), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('created_at', registry.tables.UtcDateTime(), nullable=False),
    sa.Column('last_used_at', registry.tables.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_example_sets_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_example_sets')),
    sa.UniqueConstraint('project_id', 'key', name=op.f('uq_example_sets_project_id_key'))
    )
    op.create_index('ix_example_sets_last_used_at', 'example_sets', ['last_used_at'], unique=False)
    op.create_index('ix_example_sets_project_id_data_hash', 'example_sets', ['project_id', 'data_hash'], unique=False)
