"""`Idempotency-Key` on every POST: a request sent twice does its work once and gets the same answer twice.

A route takes part by one parameter and by doing its work through it:

    def create_thing(..., once: Once, body: ThingRequest) -> Response:
        def work(session: Session) -> Reply:
            thing = things.create(session, ...)
            return Reply(show_thing(thing), 201, {"Location": f"/v1/things/{thing.id}"}, then=lambda: tell(thing))

        return once.run(work)

The work, its answer and the key are committed together, so no crash can part them. Only successes are kept: after a
problem the transaction is rolled back and the key is free, so that a client may mend its request and use the key again.
A duplicate that comes while the first request commits waits for it, and then gets its answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.dependencies import Services, services
from app.observability import log_fields
from app.problems import Problem
from app.responses import problems
from app.security import Asker, Principal
from app.strict_json import limited_body
from registry import idempotency
from registry.errors import IdempotencyInFlight
from registry.idempotency import Answer, Asked

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_MAX_ROUTE = 500
_RETRY = {"Retry-After": "1"}

KeyHeader = Annotated[
    str | None,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=255,
        pattern=r"^[ -~]+$",
        description="Chosen by the client, such as a new UUID for each thing to be done. Sent again with the same body "
        "within 24 hours, the request isn't carried out again but answered as the first time.",
    ),
]


@dataclass(frozen=True)
class Reply:
    """What a route answers: a JSON body (or None), status and headers. `then` is called once all is committed."""

    body: BaseModel | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    then: Callable[[], object] | None = None


class Replayed(Exception):
    """The request has its answer already; no error, it only carries the answer past the route."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Idempotent:
    """A request whose work is done at most once if it came with a key, and simply done without one."""

    def __init__(self, wired: Services, asked: Asked | None) -> None:
        self._database = wired.database
        self._asked = asked

    def check(self) -> None:
        """Look whether there is an answer already.

        Raises:
            Replayed: there is; the app sends it.
            Problem: `idempotency_key_reused` or `idempotency_in_flight`.
        """
        asked = self._asked
        if asked is not None:
            with self._database.read() as session:
                _stop_at(lambda: idempotency.find(session, asked))

    def run(self, work: Callable[[Session], Reply]) -> Response:
        """Do `work` in a transaction that also keeps its answer; or don't, where another request has been faster.

        Raises:
            Replayed, Problem: see `check`; and what `work` raises, after which nothing of it remains.
        """
        with self._database.write() as session:
            asked = self._asked
            if asked is not None:
                _stop_at(lambda: idempotency.reserve(session, asked))
            reply = work(session)
            answer = Answer(reply.status, reply.headers, "" if reply.body is None else reply.body.model_dump_json())
            if asked is not None:
                idempotency.keep(session, asked, answer)
        if reply.then is not None:
            reply.then()
        return _respond(answer)


@dataclass(frozen=True)
class Unread:
    """A request whose body the route reads itself; give `of` its fingerprint as soon as it is known."""

    wired: Services
    owner: str
    route: str
    key: str | None

    async def of(self, fingerprint: str) -> Idempotent:
        """The request with its body known. Raises Replayed and Problem as `Idempotent.check` does."""
        asked = None if self.key is None else Asked(self.owner, self.route, self.key, fingerprint)
        found = Idempotent(self.wired, asked)
        if asked is not None:
            await run_in_threadpool(found.check)
        return found


async def once(request: Request, asker: Asker, key: KeyHeader = None) -> Idempotent:
    """The dependency of a POST with a JSON body or none. Raises Replayed before the body is looked at."""
    unread = _unread(request, asker, key)
    return await unread.of("" if key is None else fingerprint(await limited_body(request)))


async def once_unread(request: Request, asker: Asker, key: KeyHeader = None) -> AsyncIterator[Unread]:
    """The dependency of a POST that streams its body. One with the key of another that is being received gets 409."""
    unread = _unread(request, asker, key)
    if unread.key is None:
        yield unread
        return
    under_way: set[tuple[str, str, str]] = request.app.state.keys_under_way
    name = (unread.owner, unread.route, unread.key)
    if name in under_way:
        raise _in_flight(f"A request with the key {unread.key[:80]!r} is being received right now.")
    under_way.add(name)  # touched by the event loop alone, and gone with the process: nothing can stay reserved
    try:
        yield unread
    finally:
        under_way.discard(name)


Once = Annotated[Idempotent, Depends(once)]
OnceUnread = Annotated[Unread, Depends(once_unread)]


def fingerprint(body: bytes) -> str:
    """64 hex digits; the same for JSON texts of the same value, whatever their spaces and the order of keys."""
    with suppress(ValueError, RecursionError):  # whatever it is, its bytes tell it from others
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    return hashlib.sha256(body).hexdigest()


def form_fingerprint(fields: Mapping[str, str], files: Mapping[str, tuple[str, str]]) -> str:
    """The fingerprint of a form: its fields, and of each file its name and sha256. The random boundary is no part."""
    return hashlib.sha256(json.dumps([fields, files], sort_keys=True).encode()).hexdigest()


def install(app: FastAPI) -> None:
    """Make `app` answer a repeated request with the answer that was kept."""

    async def on_replayed(request: Request, error: Exception) -> Response:
        assert isinstance(error, Replayed)  # noqa: S101 - the handler is registered for nothing else
        log_fields(request, replayed=True)
        return _respond(error.answer, {REPLAYED: "true"})

    app.state.keys_under_way = set()
    app.add_exception_handler(Replayed, on_replayed)


def document(operation: dict[str, Any]) -> None:
    """Add to an operation of the OpenAPI document what its `Idempotency-Key` parameter entails."""
    if not any(parameter["name"] == HEADER for parameter in operation.get("parameters", ())):
        return
    responses = operation["responses"]
    for status, response in responses.items():
        if status.startswith("2"):
            about = "`true` where this is the answer to an earlier request with the same Idempotency-Key."
            response.setdefault("headers", {})[REPLAYED] = {"description": about, "schema": {"type": "string"}}
    for number, added in problems("idempotency_in_flight", "idempotency_key_reused", "validation_failed").items():
        response = responses.setdefault(str(number), added)
        for media_type, content in added["content"].items():
            examples = response["content"][media_type]["examples"]
            response["content"][media_type]["examples"] = {**content["examples"], **examples}


def _unread(request: Request, asker: Principal, key: str | None) -> Unread:
    owner = f"project:{asker.project}" if asker.key_id is None else f"key:{asker.key_id}"
    route = f"{request.method} {quote(request.url.path, safe='/:', errors='surrogatepass')}"
    if len(route) > _MAX_ROUTE:
        route = f"{request.method} {hashlib.sha256(route.encode()).hexdigest()}"
    if len(request.headers.getlist(HEADER)) > 1:
        raise Problem("validation_failed", f"Send one {HEADER} header, not several.")
    return Unread(services(request), owner, route, key)


def _stop_at(look: Callable[[], Answer | None]) -> None:
    try:
        found = look()
    except IdempotencyInFlight as error:
        raise _in_flight(error.message) from None
    if found is not None:
        raise Replayed(found)


def _in_flight(detail: str) -> Problem:
    return Problem("idempotency_in_flight", detail, headers=_RETRY)


def _respond(answer: Answer, more: Mapping[str, str] | None = None) -> Response:
    headers = {**answer.headers, **(more or {})}
    return Response(answer.body, answer.status, headers, media_type="application/json" if answer.body else None)
