"""A job's log as a text of bytes: it only grows at its end, so a client may ask for the bytes that it lacks.

    2026-01-31T12:01:00.123Z attempt 1 on worker host:4711
    2026-01-31T12:01:00.871Z phase build_examples

Lengths are known without reading the lines, so that the last bytes of a long log cost what they weigh.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC
from itertools import accumulate

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from app import byte_ranges, conditional
from app.problems import Problem
from registry import jobs
from registry.database import Database
from registry.records import LogLine

MEDIA_TYPE = "text/plain; charset=utf-8"
_AROUND = len("2026-01-31T12:01:00.123Z ") + len("\n")
_LINES_AT_ONCE = 500
# Of the same length in UTF-8 as what they replace: terminals obey control characters, a log must not command them.
_CONTROLS = dict.fromkeys([*range(9), *range(10, 32), 127], " ") | dict.fromkeys(range(128, 160), "·")


def respond_with_text(
    request: Request, database: Database, job_id: str, lines: Sequence[tuple[int, int]], attempt: int | None
) -> Response:
    """The lines with these ids and lengths (see `jobs.measure_log`), or the range of their bytes that is asked for.

    Raises:
        Problem: `range_not_satisfiable`, also where the log hasn't grown beyond the range's start yet.
    """
    ends = list(accumulate(length + _AROUND for _, length in lines))
    size = ends[-1] if ends else 0
    identity = f"{job_id} {attempt} {lines[0][0] if lines else 0} {lines[-1][0] if lines else 0} {size}"
    etag = f'"{hashlib.sha256(identity.encode()).hexdigest()}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": conditional.PRIVATE, "Vary": "Accept"}
    known = conditional.header_list(request, "if-none-match")
    if known is not None and conditional.weak_match(known, etag):
        return Response(status_code=304, headers=headers)
    span = _wanted_range(request, size, headers)
    status = 200 if span is None else 206
    if span is None:
        span = byte_ranges.ByteRange(0, size)
    else:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    headers["Content-Length"] = str(span.length)
    body = _bytes(database, job_id, [line for line, _ in lines], ends, span, attempt)
    return StreamingResponse(body, status, headers, media_type=MEDIA_TYPE)


def as_text(line: LogLine) -> str:
    """One line of the text, with its end."""
    moment = line.created_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{moment} {line.line.translate(_CONTROLS)}\n"


def _wanted_range(request: Request, size: int, headers: dict[str, str]) -> byte_ranges.ByteRange | None:
    wanted = request.headers.getlist("range")
    if_range = request.headers.get("if-range")
    if len(wanted) != 1 or (if_range is not None and if_range.strip() != headers["ETag"]):
        return None
    try:
        return byte_ranges.parse(wanted[0], size)
    except byte_ranges.Unsatisfiable:
        raise Problem(
            "range_not_satisfiable",
            f"The log has {size} bytes so far.",
            headers={**headers, "Content-Range": f"bytes */{size}"},
        ) from None


def _bytes(
    database: Database,
    job_id: str,
    ids: Sequence[int],
    ends: Sequence[int],
    span: byte_ranges.ByteRange,
    attempt: int | None,
) -> Iterator[bytes]:
    """Bytes `span` of the text, some lines at a time. What a reader sends slowly holds no transaction open."""
    first = bisect_right(ends, span.start)
    last = bisect_left(ends, span.end)  # the line that holds the last byte
    for begin in range(first, min(last + 1, len(ids)), _LINES_AT_ONCE):
        end = min(begin + _LINES_AT_ONCE, last + 1)
        with database.read() as session:
            found = jobs.read_log(session, job_id, ids[begin], ids[end - 1], attempt=attempt)
        piece = "".join(map(as_text, found)).encode()
        at = ends[begin - 1] if begin else 0
        yield piece[max(0, span.start - at) : span.end - at]
