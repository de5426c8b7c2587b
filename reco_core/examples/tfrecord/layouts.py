"""The two layouts: which features an example has, and which bytes of the pool their values are.

A user's interactions stand one after the other in the timelines, and so do their values in the pool: of every feature,
a context is one range, and its padding another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from reco_core.examples.tfrecord.fields import Field, Window
from reco_core.examples.tfrecord.pool import Piece, PoolBuilder, Stream, encoded_bytes, texts, varints
from reco_core.examples.tfrecord.tables import UNKNOWN, ItemFacts

_FLOAT = 4  # bytes
_INT = 10  # bytes of the longest int64


def original(
    pool: PoolBuilder,
    facts: ItemFacts,
    codes: NDArray[np.int32],
    ratings: NDArray[np.float32] | None,
    context: int,
    genres: int,
) -> list[Field]:
    """The features of movies: ids, ratings, genres, years, and the label's id; by name, so that bytes are settled.

    Args:
        codes: [interactions] item codes along the timelines.
        ratings: [interactions] likewise; None: the log has none, and all are 0.
        context: interactions of a context.
        genres: genres kept of a whole context.
    """
    zeros = pool.add(np.zeros(_FLOAT * context, np.uint8))
    ids = pool.add_stream(varints(facts.ids), codes)
    years = pool.add_stream(varints(facts.years), codes)
    stars = pool.add_floats(ratings if ratings is not None else np.zeros(len(codes), np.float32))
    return [
        Field("context_movie_genre", "bytes", *_genres(pool, facts, codes, genres)),
        Field("context_movie_id", "int64", _padded(ids, zeros, context, 1), _INT * context),
        Field("context_movie_rating", "float", _padded(stars, zeros, context, _FLOAT), _FLOAT * context),
        Field("context_movie_year", "int64", _padded(years, zeros, context, 1), _INT * context),
        Field("label_movie_id", "int64", lambda window: [ids.piece(window.ends, window.ends + 1)], _INT),
    ]


def original_2020(pool: PoolBuilder, facts: ItemFacts, codes: NDArray[np.int32], context: int) -> list[Field]:
    """Ids only: the context, padded at the end with 0, and the label."""
    zeros = pool.add(np.zeros(context, np.uint8))
    ids = pool.add_stream(varints(facts.ids), codes)
    return [
        Field("context", "int64", _padded(ids, zeros, context, 1), _INT * context),
        Field("label", "int64", lambda window: [ids.piece(window.ends, window.ends + 1)], _INT),
    ]


def _padded(values: Stream, zeros: int, context: int, width: int) -> Callable[[Window], Sequence[Piece]]:
    """The context's values, then zeros of `width` bytes up to its length."""

    def content(window: Window) -> Sequence[Piece]:
        missing = context - (window.ends - window.begins)
        padding = Piece(np.full(len(window), zeros, np.int64), width * missing)
        return [values.piece(window.begins, window.ends), padding]

    return content


def _genres(
    pool: PoolBuilder, facts: ItemFacts, codes: NDArray[np.int32], most: int
) -> tuple[Callable[[Window], Sequence[Piece]], int]:
    """All genres of the context one after the other, the first `most`, or as many `UNK` as are missing; most bytes."""
    names = sorted({genre for row in facts.genres for genre in row})
    entry = {name: encoded_bytes(name) for name in names}
    counts = np.fromiter(map(len, facts.genres), np.int64, len(facts.genres))
    sizes = np.fromiter((len(entry[genre]) for row in facts.genres for genre in row), np.int64, int(counts.sum()))
    values = pool.add_stream(texts([b"".join(entry[genre] for genre in row) for row in facts.genres]), codes)
    entries = pool.bounds(counts, sizes, codes)
    unknown = encoded_bytes(UNKNOWN)
    padding = pool.add(np.frombuffer(unknown * most, np.uint8))

    def content(window: Window) -> Sequence[Piece]:
        first = entries.at[window.begins].astype(np.int64)
        kept = np.minimum(entries.at[window.ends] - first, most)
        begins = entries.bounds[first].astype(np.int64)
        taken = Piece(values.base + begins, entries.bounds[first + kept] - begins)
        return [taken, Piece(np.full(len(window), padding, np.int64), (most - kept) * len(unknown))]

    return content, most * max([len(unknown), *map(len, entry.values())])
