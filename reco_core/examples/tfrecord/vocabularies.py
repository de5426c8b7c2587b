"""The vocabularies beside TFRecords, byte for byte as the original writes them; its app reads the sorted one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reco_core.examples.tfrecord.tables import PAD_ID, UNKNOWN, ItemFacts, year_of
from reco_core.examples.words import one_line

MOVIES = "movie_vocab.json"
SORTED_MOVIES = "sorted_movie_vocab.json"
GENRES = "movie_genre_vocab.txt"
YEARS = "movie_year_vocab.txt"


def write_vocabularies(
    folder: Path, facts: ItemFacts, counts: NDArray[np.int64], layout: Literal["original", "original_2020"]
) -> dict[str, int]:
    """Write the layout's vocabularies; the number of entries of each file.

    Args:
        counts: [item codes] interactions, of all users, that may be context or label.
    """
    # a stable sort: movies with as many ratings stay in the order of the table
    order = facts.order[np.argsort(-counts[facts.order], kind="stable")]
    movies: list[Any] = []
    entries: list[Any] = []
    for code in order.tolist():
        item, title, genres, count = (
            int(facts.ids[code]),
            facts.titles[code] or "",
            facts.genres[code],
            int(counts[code]),
        )
        movies.append([item, title, "|".join(genres), count])
        entries.append({"id": item, "title": title, "genres": list(genres), "count": count})
    sizes = {MOVIES: _write_json(folder / MOVIES, movies), SORTED_MOVIES: _write_json(folder / SORTED_MOVIES, entries)}
    if layout == "original":
        sizes[GENRES] = _write_lines(
            folder / GENRES, genre_vocabulary(facts.genres[code] for code in facts.order.tolist())
        )
        sizes[YEARS] = _write_lines(folder / YEARS, year_vocabulary(facts))
    return sizes


def genre_vocabulary(genres: Iterable[Iterable[str]]) -> list[str]:
    """`UNK`, then by falling number of movies; of equal ones the one that comes up first.

    Args:
        genres: of each movie, in the order of the table.
    """
    found = Counter(genre for row in genres for genre in row)
    return [UNKNOWN, *(genre for genre, _ in found.most_common())]


def year_vocabulary(facts: ItemFacts) -> list[str]:
    """0, then by falling number of movies; 0 once more where titles name no year. Items without title don't count."""
    titles = (facts.titles[code] for code in facts.order.tolist())
    found = Counter(year_of(title) for title in titles if title is not None)
    return [str(PAD_ID), *(str(year) for year, _ in found.most_common())]


def _write_json(path: Path, entries: list[Any]) -> int:
    path.write_text(json.dumps(entries, indent=2), encoding="utf-8", newline="\n")
    return len(entries)


def _write_lines(path: Path, lines: Iterable[str]) -> int:
    # a line per entry, whatever a genre of a strange table holds
    entries = [one_line(line) for line in lines]
    path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8", newline="\n")
    return len(entries)
