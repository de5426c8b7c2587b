"""How routes document their answers in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from app.problem_kinds import KINDS
from app.problems import MEDIA_TYPE, document

Responses = dict[int | str, dict[str, Any]]
_EXAMPLE_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

LOCATION = {"Location": {"description": "Address of the new object.", "schema": {"type": "string"}}}
RETRY_AFTER = {"Retry-After": {"description": "Seconds after which to look again.", "schema": {"type": "string"}}}
ETAG = {"ETag": {"description": "Send it as If-None-Match to get 304 without a body.", "schema": {"type": "string"}}}
LINK = {"Link": {"description": '`rel="next"`: the next page, if there is one.', "schema": {"type": "string"}}}


def problems(*codes: str) -> Responses:
    """The responses of an operation that can answer with these problem kinds, besides those that any can."""
    found: Responses = {}
    for code in dict.fromkeys((*codes, "validation_failed", "unauthorized", "internal_error", "database_unavailable")):
        kind = KINDS[code]
        example = document(code, kind.help, instance="/v1/...", trace_id=_EXAMPLE_TRACE)
        entry = found.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        entry["content"][MEDIA_TYPE]["examples"][code] = {"summary": kind.title, "value": example}
        titles = [KINDS[name].title for name in entry["content"][MEDIA_TYPE]["examples"]]
        entry["description"] = "; ".join(titles)
    return found


def ok(description: str, example: Any, headers: dict[str, Any] | None = None, status: int = 200) -> Responses:
    """The successful JSON response of an operation."""
    content = {"application/json": {"example": example}}
    return {status: {"description": description, "content": content, "headers": headers or {}}}


NOT_MODIFIED: Responses = {304: {"description": "The object is the one that If-None-Match names.", "headers": ETAG}}


def page_example(item: Any) -> dict[str, Any]:
    """The last page of a list that holds `item`."""
    return {"data": [item], "has_more": False, "next_cursor": None}
