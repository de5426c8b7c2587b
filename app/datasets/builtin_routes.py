"""`/v1/builtin_datasets`: what can be had by name."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app import conditional
from app.responses import ETAG, NOT_MODIFIED, ok, problems
from app.security import Asker
from reco_core.datasets.builtin import DATASETS

router = APIRouter(prefix="/v1/builtin_datasets", tags=["datasets"])


class BuiltinView(BaseModel):
    """A dataset that the service fetches by name."""

    name: str
    title: str
    bytes: int | None = Field(description="Size of the download, where it is known beforehand.")
    users: int
    items: int
    interactions: int
    licence: str = Field(description="What its publisher allows, in short.")
    url: str = Field(description="Where it comes from.")


class BuiltinList(BaseModel):
    """All of them; the list is short."""

    data: list[BuiltinView]


_EXAMPLE: dict[str, Any] = {
    "data": [
        {
            "name": name,
            "bytes": entry.original.bytes,
            "url": entry.original.url,
            "title": entry.title,
            "users": entry.users,
            "items": entry.items,
            "interactions": entry.interactions,
            "licence": entry.licence,
        }
        for name, entry in DATASETS.items()
    ]
}


@router.get(
    "",
    response_model=BuiltinList,
    responses={**ok("The built-in datasets.", _EXAMPLE, ETAG), **NOT_MODIFIED, **problems()},
)
async def list_builtin_datasets(request: Request, _: Asker) -> Response:
    """Datasets that the service fetches by name: `POST /v1/datasets` with `{"builtin": name}`."""
    return conditional.respond_with(request, BuiltinList.model_validate(_EXAMPLE))
