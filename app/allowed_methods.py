"""The `Allow` header of a 405 (RFC 9110, 15.5.6): every method of the address, not only those of one route of it."""

from __future__ import annotations

from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.routing import Match, Route


def allow(request: Request) -> str:
    """The methods that the request's address takes, as `Allow` lists them."""
    matching = [
        route
        for route in (context.original_route for context in iter_route_contexts(request.app.routes))
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    return ", ".join(sorted({method for route in matching for method in route.methods or ()}))
