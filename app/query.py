"""Query parameters: none may be misspelt or given twice, and `name[key]=value` is a map.

A filter that nobody reads would be worse than an error: the list looks filtered and isn't.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant

from app.problems import Fault, Problem

MAX_PAIRS = 16
_DEEP = re.compile(r"([a-z_]+)\[(.*)\]", re.DOTALL)


async def strict_query(request: Request) -> None:
    """The dependency of every operation: its address takes what it declares, once each, and nothing else.

    Raises:
        Problem: `validation_failed`, naming the likely parameter.
    """
    if not request.scope["query_string"]:
        return
    route = request.scope["route"]
    known = sorted(set(_declared(route.dependant)))
    maps = sorted(_maps(route.openapi_extra))
    faults = []
    for name in dict.fromkeys(request.query_params.keys()):
        deep = _DEEP.fullmatch(name)
        if name not in known and not (deep and deep[1] in maps):
            shown = [*known, *(f"{each}[...]" for each in maps)]
            close = difflib.get_close_matches(name, shown, 1, 0.5)
            takes = f"this address takes {', '.join(shown) or 'none'}"
            hint = f"did you mean {close[0]}?" if close else takes
            faults.append(Fault("", "unknown_parameter", f"unknown parameter; {hint}", parameter=name[:80]))
        elif len(request.query_params.getlist(name)) > 1:
            faults.append(Fault("", "repeated_parameter", "give it once", parameter=name[:80]))
    if faults:
        first = faults[0]
        raise Problem("validation_failed", f"{first.parameter!r}: {first.detail}", errors=faults)


def pairs(name: str, max_key: int, max_value: int) -> Callable[[Request], Awaitable[dict[str, str]]]:
    """The dependency that reads `name[key]=value`, any number of them up to MAX_PAIRS.

    Raises:
        Problem: `validation_failed`.
    """

    async def read(request: Request) -> dict[str, str]:
        found: dict[str, str] = {}
        for parameter, value in request.query_params.multi_items():
            match = _DEEP.fullmatch(parameter)
            if match is None or match[1] != name:
                continue
            key = match[2]
            if not 1 <= len(key) <= max_key or len(value) > max_value or "\0" in key + value:
                detail = f"expected a key of 1 to {max_key} and a value of at most {max_value} characters, without NUL"
                fault = Fault("", "invalid_pair", detail, parameter=parameter[:80])
                raise Problem("validation_failed", f"{parameter[:80]!r}: {detail}", errors=[fault])
            found[key] = value
        if len(found) > MAX_PAIRS:
            fault = Fault("", "too_many_pairs", f"at most {MAX_PAIRS} {name}[...] filters", parameter=name)
            raise Problem("validation_failed", fault.detail, errors=[fault])
        return found

    return read


def describe_pairs(name: str, description: str) -> dict[str, Any]:
    """What `openapi_extra` of a route says about `name[key]=value`."""
    schema = {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": MAX_PAIRS}
    parameter = {"name": name, "in": "query", "style": "deepObject", "explode": True, "schema": schema}
    return {"parameters": [{**parameter, "description": description}]}


def _declared(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
        yield parameter.alias
    for dependency in dependant.dependencies:
        yield from _declared(dependency)


def _maps(extra: dict[str, Any] | None) -> Iterator[str]:
    """The names of the maps that `describe_pairs` declared for a route."""
    for parameter in (extra or {}).get("parameters", ()):
        if parameter.get("style") == "deepObject":
            yield parameter["name"]
