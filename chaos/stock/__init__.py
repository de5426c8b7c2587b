"""The same job as a plain Celery task, under the same fire: what the design of `worker/` buys."""
