"""Answers as the Android app of TensorFlow's on-device recommendation example gets them.

    python benchmarks/android_client.py BUNDLE [--select 50,172,133]

Plays the app's client on the folder `assets` of a bundle in the layout `reference`: it reads nothing else, and binds
tensors by position as Java's `Interpreter.runForMultipleInputsOutputs` does, without signatures or names.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter


@dataclass(frozen=True, eq=False)
class Movie:
    """An entry of the movie list. Two are equal if they are the same object, as in the app."""

    id: int
    title: str
    genres: list[str]
    count: int


@dataclass(frozen=True)
class Result:
    """A movie that the app shows, and how sure it is."""

    id: int
    movie: Movie
    confidence: float


class AndroidClient:
    """The app's steps in the app's order."""

    def __init__(self, assets: Path) -> None:
        self.config: dict[str, Any] = json.loads((assets / "config.json").read_text(encoding="utf-8"))
        self._check()
        self.interpreter = Interpreter(model_path=str(assets / self.config["model"]))
        movies = json.loads((assets / self.config["movieList"]).read_text(encoding="utf-8"))
        self.movies = [Movie(row["id"], row["title"], row["genres"], row["count"]) for row in movies]
        self.candidates = {movie.id: movie for movie in self.movies}
        self.genres: dict[str, int] = {}
        if self.config.get("genreList"):
            for line in (assets / self.config["genreList"]).read_text(encoding="utf-8").splitlines():
                self.genres[line] = len(self.genres)

    def recommend(self, selected: list[Movie]) -> list[Result]:
        """What the app shows once these movies were chosen, in this order."""
        return self.postprocess(*self.run(self.preprocess(selected)), selected)

    def preprocess(self, selected: list[Movie]) -> list[np.ndarray]:
        """One int array an input, without a batch, in the order of the inputs' `index`."""
        arrays = []
        for feature in sorted(self.config["inputs"], key=lambda one: one["index"]):
            length = feature["inputLength"]
            if feature["name"] == "movieFeature":
                values = [movie.id for movie in selected]
            else:
                unknown = self.config.get("unknownGenre", 0)
                values = [self.genres.get(genre, unknown) for movie in selected for genre in movie.genres]
            array = np.full(length, self.config.get("pad", 0), np.int32)
            array[: len(values)] = values[:length]
            arrays.append(array)
        return arrays

    def run(self, arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and outputs by position; an array that is not of the tensor's shape is an error, as in Java."""
        self.interpreter.allocate_tensors()
        details = self.interpreter.get_input_details()
        if len(arrays) != len(details):
            raise ValueError(f"the app passes {len(arrays)} arrays, and the model has {len(details)} inputs")
        for array, detail in zip(arrays, details, strict=True):
            if detail["dtype"] is not np.int32 or tuple(detail["shape"]) != array.shape:
                raise ValueError(f"the app passes int{list(array.shape)}, and the model takes {detail}")
            self.interpreter.set_tensor(detail["index"], array)
        self.interpreter.invoke()
        outputs = self.interpreter.get_output_details()
        ids, scores = (
            self.interpreter.get_tensor(outputs[self.config[field]]["index"])
            for field in ("outputIdsIndex", "outputScoresIndex")
        )
        for found, dtype in ((ids, np.int32), (scores, np.float32)):
            if found.dtype != dtype or found.shape != (self.config["outputLength"],):
                raise ValueError(f"the app has room for [{self.config['outputLength']}], the model gives {found.shape}")
        return ids, scores

    def postprocess(self, ids: np.ndarray, scores: np.ndarray, selected: list[Movie]) -> list[Result]:
        """The first `topK` that are in the movie list and were not chosen."""
        results: list[Result] = []
        for number, confidence in zip(ids.tolist(), scores.tolist(), strict=True):
            if len(results) >= self.config["topK"]:
                break
            movie = self.candidates.get(number)
            if movie is not None and movie not in selected:
                results.append(Result(number, movie, confidence))
        return results

    def _check(self) -> None:
        names = [feature["name"] for feature in self.config["inputs"]]
        if not names or ("genreFeature" in names) != bool(self.config.get("genreList")):
            raise ValueError("the app refuses a config without inputs, or with one of genreFeature and genreList only")


def _line(movie: Movie) -> str:
    return f"{movie.id:>6}  {movie.title}  ({' | '.join(movie.genres) or 'no genres'})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the config, what was chosen, and what the app shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="folder of a bundle, or its folder assets")
    parser.add_argument("--select", help="raw ids, first chosen first; by default the three most frequent movies")
    options = parser.parse_args(arguments)
    assets = options.bundle / "assets" if (options.bundle / "assets").is_dir() else options.bundle
    try:
        client = AndroidClient(assets)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(
            f"{assets} doesn't hold an app's assets ({type(error).__name__}: {error}); give the folder of a bundle "
            "that was made with export.layout: reference, as the preset `reference` makes it"
        )
    chosen = client.movies[:3]
    if options.select:
        raw_ids = [number.strip() for number in options.select.split(",")]
        by_id = {str(number): movie for number, movie in client.candidates.items()}
        unknown = [number for number in raw_ids if number not in by_id]
        if unknown:
            sys.exit(f"--select: no movie has the id {unknown[0]!r}; {client.config['movieList']} lists them")
        chosen = [by_id[number] for number in raw_ids]
    print(f"config.json: {json.dumps(client.config)}")
    print("\nselected")
    for movie in chosen:
        print(_line(movie))
    for feature, array in zip(client.config["inputs"], client.preprocess(chosen), strict=True):
        print(f"\ninput {feature['index']}, {feature['name']}: int32{list(array.shape)} {array.tolist()}")
    print("\nrecommended")
    for place, result in enumerate(client.recommend(chosen), start=1):
        print(f"{place:>3}. {result.confidence:.3f} {_line(result.movie)}")


if __name__ == "__main__":
    main()
