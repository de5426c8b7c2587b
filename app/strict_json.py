"""JSON as RFC 8259 means it, minus what breaks databases and clients.

The standard parser lets through duplicate keys, NaN, 1e400 (as infinity) and lone surrogates; each of them would be
stored and then break somebody else's parser.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.problems import Fault, Problem, pointer

MAX_DEPTH = 32
MAX_BYTES = 256 * 1024


def parse(text: bytes | str, where: str = "the body") -> Any:
    """The value of a JSON text.

    Raises:
        Problem: `malformed_json`, naming the place.
    """
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(
            decoded, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer
        )
    except UnicodeDecodeError as error:
        raise _malformed(where, f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _malformed(where, f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise _malformed(where, f"nested deeper than {MAX_DEPTH} levels") from None
    except _Refused as error:
        raise _malformed(where, str(error)) from None
    _check(value, where)
    return value


class StrictJsonRoute(APIRoute):
    """A route whose JSON body is read by `parse` and never larger than `MAX_BYTES`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def strict(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict


class _StrictRequest(Request):
    """Reads the body within the limit; the value is parsed strictly, once."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await limited_body(self)
        if self._body and not is_json(self):
            raise Problem("unsupported_media_type", "The body must be sent as Content-Type: application/json.")
        return self._body

    async def json(self) -> Any:
        return parse(await self.body())


def is_json(request: Request) -> bool:
    """Whether the body is said to be JSON, or something made of it such as a merge patch."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


async def limited_body(request: Request) -> bytes:
    """The whole body, also where it was read before.

    Raises:
        Problem: `payload_too_large`.
    """
    if hasattr(request, "_body"):
        return await request.body()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Problem("payload_too_large", f"A JSON body may have at most {MAX_BYTES} bytes.")
    return bytes(body)


class _Refused(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"duplicate key {key[:80]!r}")
            seen.add(key)
    return value


def _no_constant(name: str) -> Any:
    raise _Refused(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused(f"the number {text[:40]} is out of range")
    return value


def _integer(text: str) -> int:
    # Databases and other languages hold 64 bits; a longer integer would change silently on its way.
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**63:
        raise _Refused(f"the integer {text[:40]} is out of range")
    return value


def _check(root: Any, where: str) -> None:
    stack: list[tuple[Any, tuple[object, ...]]] = [(root, ())]
    while stack:
        value, path = stack.pop()
        if isinstance(value, str):
            _check_text(value, path, where)
        elif isinstance(value, dict | list):
            if len(path) >= MAX_DEPTH:
                raise _malformed(where, f"nested deeper than {MAX_DEPTH} levels", path)
            if isinstance(value, dict):
                for key in value:
                    _check_text(key, path, where)
            children = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend((child, (*path, key)) for key, child in children if isinstance(child, str | dict | list))


def _check_text(text: str, path: tuple[object, ...], where: str) -> None:
    if text.isascii():
        if "\0" in text:
            raise _malformed(where, "U+0000 is not accepted in text", path)
        return
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise _malformed(where, "lone surrogates and U+0000 are not accepted in text", path)


def _malformed(where: str, detail: str, path: tuple[object, ...] = ()) -> Problem:
    place = pointer(path).encode("utf-8", "replace").decode()
    return Problem("malformed_json", f"{where}: {detail}", errors=[Fault(place, "malformed_json", detail)])
