"""The `Allow` header of a 405 (RFC 9110, 15.5.6): every method of the address, not only those of one route of it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match, Route


def allow(request: Request) -> str:
    """The methods that the request's address takes, as `Allow` lists them."""
    matching = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    # `/jobs/{job_id}` also matches the address of a verb, `/jobs/x:cancel`, but nothing can be read there.
    verbs = [route for route in matching if ":" in route.path_format.rpartition("/")[2]]
    return ", ".join(sorted({method for route in verbs or matching for method in route.methods or ()}))
