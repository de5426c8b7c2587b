"""A log of any size in MovieLens-1M's layout, with the shape of a real one.

Popularity follows Zipf-Mandelbrot, the users' activity a log-normal; a user rates in sittings, several films within the
same second, and no film twice. The file is grouped by user, and within a user in no order of time, as GroupLens' is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

GENRES = (
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
MEAN_ACTIVITY = 165  # ratings a user in MovieLens-1M; about 160 in MovieLens-32M
_FIRST_SECOND = 956_703_932  # of MovieLens-1M
_ROWS_A_WRITE = 4_000_000


def write(folder: Path, interactions: int, seed: int = 0) -> Path:
    """ratings.dat, movies.dat and users.dat with this many ratings, in `folder`, which is returned."""
    random = np.random.default_rng([seed, interactions])
    folder.mkdir(parents=True, exist_ok=True)
    users = max(4, interactions // MEAN_ACTIVITY)
    films = max(400, round(3_700 * (interactions / 1e6) ** 0.9))
    film_ids = np.cumsum(random.integers(1, 3, films)).astype(np.int32)  # with gaps, as in MovieLens
    _write_ratings(folder / "ratings.dat", interactions, users, film_ids, random)
    _write_films(folder / "movies.dat", film_ids, random)
    _write_users(folder / "users.dat", users, random)
    return folder


def _write_ratings(path: Path, rows: int, users: int, film_ids: NDArray[np.int32], random: np.random.Generator) -> None:
    owners, films = _pairs(rows, users, len(film_ids), random)
    times = _times(owners, random)
    stars = random.choice(np.arange(1, 6, dtype=np.int8), rows, p=[0.06, 0.11, 0.26, 0.35, 0.22])
    with path.open("wb") as file:
        for begin in range(0, rows, _ROWS_A_WRITE):
            part = slice(begin, begin + _ROWS_A_WRITE)
            frame = pl.DataFrame(
                {"u": owners[part] + 1, "f": film_ids[films[part]], "s": stars[part], "t": times[part]}
            )
            _lines(frame).write_csv(file, include_header=False, quote_style="never")


def _pairs(
    rows: int, users: int, films: int, random: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """User and film of each rating, every pair once, by rising user; which of a user's comes first is chance."""
    activity = random.lognormal(0.0, 1.1, users)
    popularity = 1 / (np.arange(1, films + 1) + 60.0) ** 1.25
    by_rank = random.permutation(films).astype(np.int32)
    activity_ends, popularity_ends = np.cumsum(activity / activity.sum()), np.cumsum(popularity / popularity.sum())
    keys = np.empty(0, np.int64)
    while len(keys) < rows:
        # a draw with replacement repeats pairs of busy users and popular films; what is missing then is drawn anew
        wanted = int((rows - len(keys)) * 1.5) + 100
        owners = np.minimum(np.searchsorted(activity_ends, random.random(wanted)), users - 1)
        ranks = np.minimum(np.searchsorted(popularity_ends, random.random(wanted)), films - 1)
        keys = np.sort(np.concatenate([keys, owners * films + ranks]))
        keys = keys[np.append(True, keys[1:] != keys[:-1])]
    kept = np.ones(len(keys), bool)
    kept[random.choice(len(keys), len(keys) - rows, replace=False, shuffle=False)] = False
    owners, ranks = np.divmod(keys[kept], films)
    return owners.astype(np.int32), by_rank[ranks[_shuffled_within(owners, random)]]


def _shuffled_within(owners: NDArray[Any], random: np.random.Generator) -> NDArray[np.int64]:
    """Places such that `owners[places]` are the same as before, each owner's in no order."""
    return np.argsort(owners.astype(np.int64) << 32 | random.integers(0, 1 << 32, len(owners)))


def _times(owners: NDArray[np.int32], random: np.random.Generator) -> NDArray[np.int64]:
    """Seconds: a start for each user, then steps of 0 to a few minutes and, one time in fifty, of days."""
    rows = len(owners)
    steps = np.where(random.random(rows) < 0.4, 0, random.geometric(1 / 40, rows))
    steps += np.where(random.random(rows) < 0.02, random.integers(20_000, 900_000, rows), 0)
    passed = np.cumsum(steps)
    firsts = np.flatnonzero(np.diff(owners, prepend=-1))
    started = random.integers(0, 80_000_000, len(firsts)) - passed[firsts]
    times = _FIRST_SECOND + passed + np.repeat(started, np.diff(firsts, append=rows))
    return times[_shuffled_within(owners, random)]


def _write_films(path: Path, ids: NDArray[np.int32], random: np.random.Generator) -> None:
    years = 2000 - random.geometric(0.07, len(ids)).clip(1, 80)
    order = random.random((len(ids), len(GENRES))).argsort(axis=1)
    counts = random.integers(1, 5, len(ids))
    genres = ["|".join(GENRES[g] for g in sorted(row[:count])) for row, count in zip(order, counts, strict=True)]
    titles = [f"Film {film} ({year})" for film, year in zip(ids, years, strict=True)]
    frame = pl.DataFrame({"id": ids, "title": titles, "genres": genres})
    _lines(frame).write_csv(path, include_header=False, quote_style="never")


def _write_users(path: Path, users: int, random: np.random.Generator) -> None:
    frame = pl.DataFrame(
        {
            "id": np.arange(1, users + 1),
            "gender": np.where(random.random(users) < 0.28, "F", "M"),
            "age": random.choice([1, 18, 25, 35, 45, 50, 56], users),
            "occupation": random.integers(0, 21, users),
            "zip": random.integers(10_000, 99_999, users),
        }
    )
    _lines(frame).write_csv(path, include_header=False, quote_style="never")


def _lines(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.concat_str(pl.all(), separator="::"))
