"""Alembic's entry point. The connection comes from `registry.migrations.run`, already in a transaction."""

from __future__ import annotations

from alembic import context

from registry.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("run migrations with registry.database.Database(url).migrate()")
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
