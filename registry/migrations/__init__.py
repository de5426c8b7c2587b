"""Alembic migrations; `run.upgrade` applies them, without an alembic.ini."""
