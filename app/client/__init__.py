"""A small typed client of the HTTP API.

with Client("http://127.0.0.1:8765") as client:
    dataset = client.wait_for_dataset(client.upload_dataset(Path("log.csv")).id)
    job = client.submit_job(dataset.id, preset="bow", model="shop")
    for job in client.watch_job(job.id):
        print(job.status, job.phase)
    client.download_bundle(job.result.model, job.result.version, Path("bundle.zip"))
"""

from app.client.api import Client
from app.client.bundles import VerifiedBundle, install, unpack, verify
from app.client.errors import ApiError, BundleInvalid, ChecksumMismatch, ClientError, Unreachable
from app.client.models import (
    Artifact,
    Attempt,
    Base,
    Check,
    Dataset,
    Event,
    Job,
    JobResult,
    LogLine,
    Model,
    ModelVersion,
    QueueStatus,
    Readiness,
    Removed,
    ServiceStatus,
    Variant,
    Weights,
    WorkerStatus,
    Yanked,
)

__all__ = [
    "ApiError",
    "Artifact",
    "Attempt",
    "Base",
    "BundleInvalid",
    "Check",
    "ChecksumMismatch",
    "Client",
    "ClientError",
    "Dataset",
    "Event",
    "Job",
    "JobResult",
    "LogLine",
    "Model",
    "ModelVersion",
    "QueueStatus",
    "Readiness",
    "Removed",
    "ServiceStatus",
    "Unreachable",
    "Variant",
    "VerifiedBundle",
    "Weights",
    "WorkerStatus",
    "Yanked",
    "install",
    "unpack",
    "verify",
]
