"""Answers kept under the key that a client chose, so that a request sent twice does its work once.

Reserve the key, do the work and keep the answer in ONE transaction. A process that dies in between leaves nothing, so
the key is free again; a second request with the same key waits for the first one's transaction and then finds its
answer, or the key free where the first one failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, select, text, tuple_, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from registry import tables
from registry.database import now
from registry.errors import IdempotencyInFlight, IdempotencyKeyReused
from registry.upsert import insert_if_absent

KEEP_SECONDS = 24 * 3600
WAIT_SECONDS = 5
SWEPT_AT_ONCE = 50
_keys = tables.idempotency_keys
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True)
class Asked:
    """A request with a key: `owner` sent it to `route` (method and path); `fingerprint` is the sha256 of its body."""

    owner: str
    route: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Answer:
    """The answer that the first request got."""

    status: int
    headers: Mapping[str, str]
    body: str


def find(session: Session, asked: Asked) -> Answer | None:
    """The answer that this request got before, if it did in the last KEEP_SECONDS.

    Raises:
        IdempotencyKeyReused: the key belongs to a request with another body.
        IdempotencyInFlight: there is no answer yet.
    """
    row = session.execute(select(_keys).where(_is(asked), _keys.c.expires_at > now(session))).mappings().one_or_none()
    if row is None:
        return None
    if row["fingerprint"] != asked.fingerprint:
        raise IdempotencyKeyReused(
            f"the key {asked.key[:80]!r} was used at this address for another body; take a new key for a new request"
        )
    if row["status"] is None:
        raise _in_flight(asked)
    return Answer(row["status"], row["headers"] or {}, row["body"] or "")


def reserve(session: Session, asked: Asked) -> Answer | None:
    """Take the key until this transaction ends, or return the answer kept under it. Call `keep` before the commit.

    Waits for a transaction that holds the key, on PostgreSQL at most WAIT_SECONDS. Some expired keys go by the way.

    Raises:
        IdempotencyKeyReused: the key belongs to a request with another body.
        IdempotencyInFlight: another transaction still holds the key.
    """
    moment = now(session)
    _sweep(session, moment)
    session.execute(delete(_keys).where(_is(asked), _keys.c.expires_at <= moment))
    if _insert(session, asked, moment):
        return None
    if (found := find(session, asked)) is not None:
        return found
    raise _in_flight(asked)  # it was there and is gone: expired in this very moment


def keep(session: Session, asked: Asked, answer: Answer) -> None:
    """Keep the answer under the key that this transaction has reserved."""
    values = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
    session.execute(update(_keys).where(_is(asked)).values(**values))


def _insert(session: Session, asked: Asked, moment: datetime) -> bool:
    values = {**vars(asked), "created_at": moment, "expires_at": moment + timedelta(seconds=KEEP_SECONDS)}
    if session.get_bind().dialect.name != "postgresql":
        return insert_if_absent(session, _keys, **values)  # it has one writer, and that is us
    session.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
    try:
        inserted = insert_if_absent(session, _keys, **values)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise _in_flight(asked) from None
        raise
    session.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
    return inserted


def _sweep(session: Session, moment: datetime) -> None:
    key = (_keys.c.owner, _keys.c.route, _keys.c.key)
    # SKIP LOCKED: two requests that sweep at the same time must not wait for each other.
    expired = select(*key).where(_keys.c.expires_at <= moment).order_by(_keys.c.expires_at).limit(SWEPT_AT_ONCE)
    session.execute(delete(_keys).where(tuple_(*key).in_(expired.with_for_update(skip_locked=True))))


def _is(asked: Asked) -> ColumnElement[bool]:
    return and_(_keys.c.owner == asked.owner, _keys.c.route == asked.route, _keys.c.key == asked.key)


def _in_flight(asked: Asked) -> IdempotencyInFlight:
    return IdempotencyInFlight(f"the first request with the key {asked.key[:80]!r} is still under way; try again soon")
