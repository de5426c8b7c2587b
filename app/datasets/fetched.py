"""Datasets that the service fetches itself: from a JSON request to a dataset whose validation job downloads it.

Nothing is fetched here. The API only looks at what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from app import strict_json
from app.datasets.labels import Labels
from app.datasets.multipart import safe_name
from app.datasets.upload import checked_name
from app.dependencies import Services
from app.observability import request_id
from app.problems import Fault, Problem, from_pydantic
from app.security import Principal
from reco_core.datasets import addresses
from reco_core.datasets.builtin import DATASETS
from reco_core.datasets.spec import DatasetSpec
from registry import datasets
from registry.records import Dataset

SOURCES = ("builtin", "url", "upload_id")


class DatasetRequest(DatasetSpec):
    """A dataset that the service fetches: `builtin` or `url`, and how to read it, as in the form."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"builtin": "movielens-100k"},
                {
                    "url": "https://example.com/ratings.csv",
                    "name": "Ratings of May",
                    "mapping": {"user": "uid", "item": "sku", "timestamp": "at", "rating": None},
                    "labels": {"season": "spring"},
                },
            ]
        },
    )

    builtin: str | None = Field(None, max_length=64, description="A name that `GET /v1/builtin_datasets` lists.")
    url: str | None = Field(
        None,
        max_length=addresses.MAX_URL,
        description="A public https address. Off unless the service's setting POCKETREC_ALLOW_URLS is true.",
    )
    upload_id: str | None = Field(None, max_length=64, description="Not available: send files as multipart/form-data.")
    name: str | None = Field(None, description="By default that of the built-in dataset, or of the URL's file.")
    labels: Labels = Field({}, description="Your own notes; lists can be filtered by them.")
    spec: dict[str, Any] | None = Field(
        None, description="How to read it, as one object; the fields beside it override it."
    )


def order(services: Services, principal: Principal, body: bytes) -> Callable[[Session], Dataset]:
    """What adds the dataset that a JSON body asks for.

    Raises:
        Problem: `malformed_json`, `validation_failed`, `url_not_allowed` or `resumable_uploads_unavailable`.
        UrlNotAllowed: the URL leads where the service doesn't go.
    """
    try:
        wanted = DatasetRequest.model_validate(strict_json.parse(body))
        own = {*SOURCES, "name", "labels", "spec"}
        fields = wanted.model_dump(mode="json", exclude=own, exclude_unset=True)
        spec = DatasetSpec.model_validate({**(wanted.spec or {}), **fields})
    except ValidationError as error:
        raise from_pydantic(error.errors(include_url=False)) from None
    source = _source(services, wanted)
    return partial(
        datasets.create,
        project=principal.project,
        name=checked_name(wanted.name or source.get("builtin") or source["filename"]),
        spec=spec.model_dump(mode="json"),
        source=source,
        labels=wanted.labels,
        request_id=request_id(),
    )


def _source(services: Services, wanted: DatasetRequest) -> dict[str, str]:
    given = [name for name in SOURCES if getattr(wanted, name) is not None]
    if len(given) != 1:
        found = f"it has {' and '.join(given)}" if given else "it has none"
        faults = [Fault(f"/{name}", "source_ambiguous", "give one source only") for name in given]
        faults = faults or [Fault("", "source_missing", 'such as {"builtin": "movielens-100k"}')]
        raise Problem("validation_failed", f"The body must name one source, builtin or url; {found}.", errors=faults)
    if wanted.upload_id is not None:
        fault = Fault("/upload_id", "resumable_uploads_unavailable", "send the file itself instead")
        raise Problem(
            "resumable_uploads_unavailable",
            "Resumable uploads aren't available in this version; send the file as multipart/form-data, as "
            "`curl -F file=@ratings.csv` does.",
            errors=[fault],
        )
    if wanted.builtin is not None:
        if wanted.builtin not in DATASETS:
            detail = f"there is no built-in dataset {wanted.builtin!r}; there is: {', '.join(DATASETS)}"
            fault = Fault("/builtin", "unknown_builtin", detail)
            raise Problem("validation_failed", f"/builtin: {detail}", errors=[fault])
        return {"builtin": wanted.builtin}
    settings = services.settings
    if not settings.allow_urls:
        fault = Fault("/url", "url_not_allowed", "switched off by the service's settings")
        raise Problem(
            "url_not_allowed",
            "Fetching from URLs is switched off; upload the file itself, or have the service started with "
            "POCKETREC_ALLOW_URLS=true.",
            errors=[fault],
        )
    url = wanted.url or ""
    address = addresses.checked(url, http=settings.allow_http_urls, ports=settings.url_ports)
    last = unquote(urlsplit(url).path.rpartition("/")[2])
    return {"url": url, "filename": safe_name(last, safe_name(address.host, "log"))}
