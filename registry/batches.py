"""Rows in portions: a transaction that changes many of them keeps others waiting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """`items` in tuples of `size`, the last one shorter. As in itertools from Python 3.12 on."""
    left = iter(items)
    while some := tuple(islice(left, size)):
        yield some
