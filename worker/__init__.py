"""Runs jobs: a thin Celery task that supervises one fresh trainer process per attempt."""
