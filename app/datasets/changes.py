"""`PATCH` and `DELETE` of a dataset. What was uploaded and read never changes; its name and labels do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app import conditional
from app.datasets.examples import DATASET_EXAMPLE
from app.datasets.labels import MAX_LABELS, Key, Value, merged
from app.datasets.schemas import DatasetView, show_dataset
from app.datasets.upload import checked_name
from app.dependencies import Wired, plausible_id
from app.observability import log_fields
from app.problems import Fault, Problem, not_found
from app.responses import ETAG, ok, problems
from app.security import Asker
from app.strict_json import StrictJsonRoute
from registry import datasets
from registry.errors import DatasetInUse, NotFound
from registry.records import Dataset

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictJsonRoute)

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="Only if the dataset still has this ETag; else 412.")
]


class DatasetPatch(BaseModel):
    """A JSON merge patch: fields that aren't there stay as they are, a label that is null goes."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Ratings of May", "labels": {"season": None}}]}
    )

    name: str | None = Field(None, description="Another name; a dataset can't be without one.")
    labels: (
        Annotated[
            dict[Key, Value | None],
            Field(max_length=2 * MAX_LABELS),
        ]
        | None
    ) = Field(None, description="Labels to set, or with null to remove; null instead of the object removes all.")


@router.patch(
    "/{dataset_id:word}",
    response_model=DatasetView,
    responses={
        **ok("The dataset as it is now.", DATASET_EXAMPLE, ETAG),
        **problems(
            "malformed_json",
            "not_found",
            "precondition_failed",
            "payload_too_large",
            "unsupported_media_type",
            "validation_failed",
            "insufficient_storage",
        ),
    },
)
def update_dataset(
    request: Request, services: Wired, principal: Asker, dataset_id: str, body: DatasetPatch, if_match: IfMatch = None
) -> Response:
    """Give a dataset another name or other labels, as a JSON merge patch (RFC 7396)."""
    log_fields(request, dataset_id=dataset_id)
    given = body.model_fields_set
    if "name" in given and body.name is None:
        fault = Fault("/name", "name_missing", "a dataset can't be without a name")
        raise Problem("validation_failed", "/name: null would remove the name; give another one.", errors=[fault])
    name = checked_name(body.name) if body.name is not None else None
    try:
        with services.database.write() as session:
            dataset = datasets.lock(session, _plausible(dataset_id), project=principal.project)
            _require(if_match, dataset)
            wanted = merged(dataset.labels, body.labels) if "labels" in given else None
            dataset = datasets.update_about(session, dataset.id, name=name, labels=wanted)
    except NotFound:
        not_found("dataset")
    content = show_dataset(dataset).model_dump_json().encode()
    headers = {"ETag": conditional.etag_of(content), "Cache-Control": conditional.PRIVATE}
    return Response(content, 200, headers, media_type="application/json")


@router.delete(
    "/{dataset_id:word}",
    status_code=204,
    response_class=Response,
    responses={
        204: {"description": "It is gone."},
        **problems("not_found", "dataset_in_use", "precondition_failed", "validation_failed", "insufficient_storage"),
    },
)
def delete_dataset(
    request: Request, services: Wired, principal: Asker, dataset_id: str, if_match: IfMatch = None
) -> Response:
    """Delete a dataset, its report and preview; a validation under way is cancelled. What was made from it stays."""
    log_fields(request, dataset_id=dataset_id)
    try:
        with services.database.write() as session:
            if if_match is not None:
                _require(if_match, datasets.get(session, _plausible(dataset_id), project=principal.project))
            datasets.delete(session, _plausible(dataset_id), project=principal.project)
    except NotFound:
        not_found("dataset")
    except DatasetInUse as error:
        raise Problem("dataset_in_use", error.message, extra={"job_ids": list(error.job_ids)}) from None
    return Response(status_code=204)


def _plausible(dataset_id: str) -> str:
    if not plausible_id(dataset_id):
        not_found("dataset")
    return dataset_id


def _require(wanted: str | None, dataset: Dataset) -> None:
    """Hold the request to its If-Match."""
    current = conditional.etag_of(show_dataset(dataset).model_dump_json().encode())
    if wanted is not None and not conditional.strong_match(wanted, current):
        raise Problem(
            "precondition_failed",
            f"{dataset.id} isn't as If-Match says any more; read it again, then decide.",
            headers={"ETag": current},
        )
