"""`Client`: the verbs of the HTTP API, typed."""

from __future__ import annotations

from app.client.dataset_calls import DatasetCalls
from app.client.job_calls import JobCalls
from app.client.model_calls import ModelCalls


class Client(DatasetCalls, JobCalls, ModelCalls):
    """A connection to one PocketRec service; use it as a context manager.

    Every method raises `ApiError` where the service says no and `Unreachable` where it doesn't answer.
    """
