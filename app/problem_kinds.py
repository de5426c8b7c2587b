"""The catalogue of problem kinds: what each code means and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Kind:
    """A kind of problem. `help` is what `/problems/<code>` answers."""

    code: str
    status: int
    title: str
    help: str


_ALL = (
    Kind("bad_request", 400, "Bad request", "The request isn't valid HTTP for this address."),
    Kind(
        "malformed_json",
        400,
        "Malformed JSON",
        "The JSON breaks RFC 8259 or its safe subset: UTF-8 without a byte order mark, at most 32 levels deep, no "
        "duplicate keys, only finite numbers, no lone surrogates and no U+0000 in text.",
    ),
    Kind("malformed_multipart", 400, "Malformed multipart body", "The body isn't well-formed multipart/form-data."),
    Kind("invalid_cursor", 400, "Invalid cursor", "Pass `next_cursor` of the page before, unchanged, as `after`."),
    Kind("unauthorized", 401, "No valid API key", "Send `Authorization: Bearer <key>`."),
    Kind(
        "cross_origin_refused",
        403,
        "Cross-origin request refused",
        "The service's setting POCKETREC_CORS_ORIGINS lists the origins whose pages may call it.",
    ),
    Kind("not_found", 404, "Not found", "Nothing is here, or it belongs to somebody else."),
    Kind("method_not_allowed", 405, "Method not allowed", "The `Allow` header lists the methods of this address."),
    Kind("request_timeout", 408, "Request timeout", "The request stopped coming. Send it again."),
    Kind(
        "dataset_not_ready",
        409,
        "The dataset is still being validated",
        "Poll `GET /v1/datasets/{id}` until its status is `ready`, then repeat the request.",
    ),
    Kind(
        "dataset_in_use",
        409,
        "The dataset is in use",
        "Jobs that need it are waiting or running; the detail names them. Cancel them, or wait until they have ended.",
    ),
    Kind(
        "job_finished",
        409,
        "The job has already finished",
        "A job that succeeded, failed or was cancelled never changes.",
    ),
    Kind(
        "job_not_finished",
        409,
        "The job has not finished",
        "Only a job that failed or was cancelled can be tried again. Wait for its end, or cancel it first.",
    ),
    Kind("job_succeeded", 409, "The job has succeeded", "It has its result. Post a new job to do it again."),
    Kind(
        "job_not_retryable",
        409,
        "A job of this type can't be tried again",
        "A dataset is validated once. Upload it again; its validation then is a new job.",
    ),
    Kind(
        "dataset_deleted",
        409,
        "The dataset was deleted",
        "What the job was to work on is gone. Upload it again and post a new job.",
    ),
    Kind(
        "idempotency_in_flight",
        409,
        "The first request with this key is still under way",
        "Send the request again after Retry-After seconds; it then gets the first one's answer.",
    ),
    Kind(
        "removed_by_policy",
        410,
        "Removed by policy",
        "The service keeps such things for a time that its operator sets; the detail says when this went, and by which "
        "setting. What it belonged to is still there.",
    ),
    Kind("precondition_failed", 412, "Precondition failed", "The object isn't the one that If-Match names."),
    Kind(
        "payload_too_large",
        413,
        "Payload too large",
        "The body is over the limit, which the detail names. The service's setting POCKETREC_MAX_UPLOAD_BYTES raises "
        "it for uploads.",
    ),
    Kind("unsupported_media_type", 415, "Unsupported media type", "Send the Content-Type that the operation takes."),
    Kind(
        "range_not_satisfiable",
        416,
        "Range not satisfiable",
        "The range lies outside the file; Content-Range gives its size.",
    ),
    Kind(
        "misdirected_request",
        421,
        "Misdirected request",
        "Without an API key the service answers only under a loopback name such as localhost or 127.0.0.1, so that a "
        "web page can't reach it through a name of its own.",
    ),
    Kind("validation_failed", 422, "Validation failed", "`errors` points at each fault and says how to mend it."),
    Kind(
        "idempotency_key_reused",
        422,
        "Idempotency-Key used for another request",
        "For 24 hours a key stands for one body at one address. Take a new key for a new request, or send the very "
        "same body to repeat one.",
    ),
    Kind("unknown_dataset", 422, "Unknown dataset", "`dataset_id` must name a dataset listed by `GET /v1/datasets`."),
    Kind(
        "unknown_model",
        422,
        "Unknown model version",
        "`base` or `base_version` must name a model of `GET /v1/models`, and one of the versions that its `/versions` "
        "lists.",
    ),
    Kind(
        "no_weights",
        422,
        "No weights kept",
        "Exporting a version again, or training from it, needs the weights that it keeps beside its bundle, which "
        "versions made by earlier releases don't. Train again.",
    ),
    Kind("dataset_invalid", 422, "Invalid dataset", "The dataset's report names lines and reasons. Upload it mended."),
    Kind("dataset_too_small", 422, "Dataset too small", "Too few users, items or rows to train on and to hold out."),
    Kind("dataset_too_large", 422, "Dataset too large", "A file has more data than the limits allow."),
    Kind("dataset_unreadable", 422, "Unreadable dataset", "The file can't be opened as the format it claims to be."),
    Kind(
        "url_not_allowed",
        422,
        "URL not allowed",
        "Datasets are fetched from public https addresses only, and only where the service's setting "
        "POCKETREC_ALLOW_URLS is true. Upload the file itself instead.",
    ),
    Kind(
        "resumable_uploads_unavailable",
        422,
        "No resumable uploads",
        "This service takes files as multipart/form-data in one request: `curl -F file=@ratings.csv`.",
    ),
    Kind("archive_rejected", 422, "Archive rejected", "The zip is unsafe to unpack."),
    Kind(
        "size_budget_impossible",
        422,
        "Size budget impossible",
        "No variant fits `export.max_bytes`. Raise it, lower `model.embedding_dim` or allow a smaller variant.",
    ),
    Kind(
        "resource_estimate_exceeded",
        422,
        "Resource estimate exceeded",
        "The job would need more memory or time than it may have, or make a file too large. `errors` names each field "
        "that would mend it and the value; `estimate` has the figures and `limits` what they are held against.",
    ),
    Kind("checksum_mismatch", 422, "Checksum mismatch", "The bytes received don't have the sha256 that was given."),
    Kind(
        "download_failed",
        502,
        "Download failed",
        "What the dataset was to be fetched from didn't answer, or not with the file. Send the same request again.",
    ),
    Kind("dataset_unavailable", 502, "Dataset unavailable", "A built-in dataset could not be downloaded or verified."),
    Kind("internal_error", 500, "Internal error", "A fault of the service. Its log has the `trace_id`."),
    Kind(
        "artifact_corrupt",
        500,
        "Artifact corrupt",
        "The stored file doesn't have the bytes that were published, so it isn't sent. Restore the blob store.",
    ),
    Kind("pipeline_failed", 500, "The pipeline failed", "A fault of the pipeline; the job's events say more."),
    Kind("deadline_exceeded", 504, "Deadline exceeded", "An attempt took longer than the service allows. Train less."),
    Kind(
        "out_of_memory",
        500,
        "Out of memory",
        "The trainer got no more memory. Make the model or its vocabulary smaller, or give the worker more.",
    ),
    Kind(
        "disk_limit_exceeded",
        507,
        "Disk limit exceeded",
        "An attempt wrote more than POCKETREC_ATTEMPT_DISK_BYTES. Keep fewer checkpoints, or make the model smaller.",
    ),
    Kind("trainer_died", 500, "The trainer died", "Its process ended without a result; another attempt follows."),
    Kind("blob_missing", 500, "A stored file is missing", "Restore the blob store, or upload the dataset again."),
    Kind("validation_cancelled", 409, "Validation cancelled", "Upload the dataset again to have it validated."),
    Kind(
        "lease_expired",
        500,
        "The lease ran out",
        "The attempt's worker fell silent: it was killed, frozen, or cut off from the database. Another one follows.",
    ),
    Kind("worker_lost", 500, "The worker was lost", "Several attempts in a row ended without progress."),
    Kind("not_a_bundle", 422, "Not a bundle", "The folder lacks model.tflite or items.json; unpack a bundle.zip."),
    Kind("ranks_unreadable", 422, "Ranks unreadable", "Give `ranks.npz` as the service or a run wrote it."),
    Kind("unknown_items", 422, "Unknown items", "The bundle's vocabulary/items.txt lists the ids that it knows."),
    Kind("items_exist", 422, "Items exist", "Leave out items that the version has already, or set `skip_existing`."),
    Kind("output_exists", 500, "Output exists", "The folder for the result holds something already; choose another."),
    Kind("parity_failed", 500, "Parity failed", "The exported file doesn't rank as the trained model does."),
    Kind("checkpoint_mismatch", 500, "Checkpoint mismatch", "A checkpoint belongs to another config or dataset."),
    Kind(
        "examples_unreadable",
        500,
        "Examples unreadable",
        "Examples that an earlier job had built are damaged, or of another release; they are built anew.",
    ),
    Kind("interrupted", 500, "Interrupted", "The run was stopped; its state is in its last checkpoint."),
    Kind("diverged", 422, "Training diverged", "The loss became NaN or infinite. Lower `training.learning_rate`."),
    Kind("insufficient_storage", 507, "Insufficient storage", "The disk is full. Free some space and try again."),
    Kind(
        "database_unavailable",
        503,
        "Database unavailable",
        "The database doesn't answer, or not in time. Send the request again after Retry-After seconds; /readyz tells "
        "the operator more.",
    ),
    Kind(
        "blob_store_unavailable",
        503,
        "Blob store unavailable",
        "The store of the files doesn't answer. Send the request again after Retry-After seconds; /readyz tells the "
        "operator more.",
    ),
    Kind("signing_key_invalid", 500, "Signing key invalid", "The operator must mend POCKETREC_SIGNING_KEY."),
    Kind("not_ready", 503, "Not ready", "A part that the service needs doesn't answer; `checks` says which and why."),
)
KINDS: Mapping[str, Kind] = MappingProxyType({kind.code: kind for kind in _ALL})
