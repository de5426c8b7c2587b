"""The OpenAPI document: FastAPI's, with problem documents and the config schema in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app import idempotency
from app.datasets.fetched import DatasetRequest
from app.problems import ProblemDocument
from reco_core.config import JobConfig

_REF = "#/components/schemas/{model}"


def operation_id(route: APIRoute) -> str:
    """The function's name: short, stable, good as a method name in generated clients."""
    return route.name


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Make `app.openapi()` give the finished document of `routers`, which are included in it."""

    def finished() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, routers)
        return app.openapi_schema

    app.openapi = finished  # type: ignore[method-assign]


def _document(app: FastAPI, routers: Sequence[APIRouter]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, summary=app.summary
    )
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for name, model in (("Problem", ProblemDocument), ("JobConfig", JobConfig), ("DatasetRequest", DatasetRequest)):
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
    config = schemas["JobRequest"]["properties"]["config"]
    config["anyOf"] = [{"$ref": _REF.format(model="JobConfig")}, {"type": "null"}]
    _restore_examples(document, routers)
    for operations in document["paths"].values():
        if "post" in operations:
            idempotency.document(operations["post"])
    return document


def _restore_examples(document: dict[str, Any], routers: Sequence[APIRouter]) -> None:
    """FastAPI drops every null in the document, those of examples included, which makes them invalid."""
    for router in routers:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                continue
            for method in route.methods or ():
                responses = document["paths"][route.path_format][method.lower()]["responses"]
                for status, response in route.responses.items():
                    for media_type, content in response.get("content", {}).items():
                        if "example" in content:
                            responses[str(status)]["content"][media_type]["example"] = content["example"]
