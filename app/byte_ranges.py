"""The Range header (RFC 9110, section 14) for one range of bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d*)[ \t]*-[ \t]*(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
_MANY_DIGITS = 18


@dataclass(frozen=True)
class ByteRange:
    """Bytes `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start


class Unsatisfiable(ValueError):
    """The range is well-formed and lies outside the file."""


def parse(header: str, size: int) -> ByteRange | None:
    """The range of a file of `size` bytes that `header` asks for, or None where the header is to be ignored.

    Ignored are other units, malformed ranges and several ranges at once: a server may always send the whole file.

    Raises:
        Unsatisfiable: no byte of the file lies in the range.
    """
    match = _ONE_RANGE.fullmatch(header.strip(" \t"))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:  # bytes=-N: the last N bytes
        length = min(_number(last), size)
        if length == 0:
            raise Unsatisfiable
        return ByteRange(size - length, size)
    start = _number(first)
    if last and _number(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, min(_number(last) + 1, size) if last else size)


def _number(digits: str) -> int:
    """Past 18 digits every number is beyond the end of any file, and Python refuses to parse thousands of them."""
    stripped = digits.lstrip("0")
    return 10**_MANY_DIGITS if len(stripped) > _MANY_DIGITS else int(stripped or "0")
