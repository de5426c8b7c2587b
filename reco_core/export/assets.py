"""The folder `assets` of the Android app of TensorFlow's on-device recommendation example, made for a file.

The app binds tensors by position, so positions are read from the file that was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from reco_core.config import JobConfig
from reco_core.config.reference_layout import genre_feature
from reco_core.errors import ConfigInvalid, FieldError
from reco_core.examples import FeatureTable, Vocabulary
from reco_core.examples.feature_tables import OOV, UNKNOWN
from reco_core.examples.tfrecord import vocabularies
from reco_core.examples.words import one_line
from reco_core.item_numbers import ItemNumbers
from reco_core.tensor_forms import GENRES, MOVIES, SERVING_DEFAULT, TOP_IDS, TOP_SCORES, ReferenceForm

CONFIG_FILE = "config.json"
MOVIE_FILE = vocabularies.SORTED_MOVIES
GENRE_FILE = vocabularies.GENRES
SHOWN = 10  # recommendations that the app shows

_FEATURE_NAMES = {MOVIES: "movieFeature", GENRES: "genreFeature"}  # of tensors in config.json


@dataclass(frozen=True)
class GenreInput:
    """The genres as the app passes them: numbers of lines of its genre list."""

    name: str  # of the model's input
    length: int
    lines: tuple[str, ...]  # line 0 stands for unknown and for padding
    indices: NDArray[np.int32]  # [lines] what the model knows each as; 0 for line 0


@dataclass(frozen=True)
class AppItems:
    """What the app shows and passes of each item, by item index; row 0 is padding."""

    numbers: ItemNumbers
    genres: tuple[tuple[str, ...], ...]
    genre_input: GenreInput | None

    @property
    def form(self) -> ReferenceForm:
        """How a file says it."""
        if self.genre_input is None:
            return ReferenceForm(self.numbers)
        return ReferenceForm(self.numbers, self.genre_input.name, self.genre_input.indices)


def app_items(config: JobConfig, vocabulary: Vocabulary, features: Mapping[str, FeatureTable]) -> AppItems:
    """What the layout `reference` needs to know of the data.

    Raises:
        ConfigInvalid: an item's id is no whole number, the genres belong to interactions rather than to items, or
            two of them would be the same line of the app's list.
    """
    numbers = ItemNumbers.of(vocabulary.item_ids, "/export/layout")
    feature = genre_feature(config)
    if feature is None:
        return AppItems(numbers, _attribute_values(vocabulary), None)
    table = features[feature.name]
    words = table.vocabulary
    pointer = "/features/activity_groups/0/features/0"
    if table.scope != "item" or words is None:
        detail = (
            f"the column {feature.source_column!r} isn't one of the item table, and the app that the layout "
            "`reference` is for knows items only; leave the feature out, or set export.layout to 'default'"
        )
        raise ConfigInvalid(detail, [FieldError(pointer, "not_of_items", detail)])
    attribute = vocabulary.attribute
    same = attribute is not None and attribute.name == feature.source_column
    genres = _genres(table, words, vocabulary, _attribute_values(vocabulary) if same else None)
    lines = tuple(vocabularies.genre_vocabulary(genres))
    known = {one_line(word): index for index, word in enumerate(words) if index > 1}
    indices = [0, *(known.get(line, table.oov) for line in lines[1:])]
    without = [word for index, word in enumerate(words) if index > 1 and index not in indices]
    if without or UNKNOWN in lines[1:]:
        detail = (
            f"the app's list of genres has no line of its own for {(without or [UNKNOWN])[0]!r} of the column "
            f"{feature.source_column!r}: its lines are values of items, with one blank between words, and not "
            f"{UNKNOWN!r}; rename it, or set export.layout to 'default'"
        )
        raise ConfigInvalid(detail, [FieldError(pointer, "genre_without_line", detail)])
    genre_input = GenreInput(feature.name, feature.flat_length, lines, np.array(indices, np.int32))
    return AppItems(numbers, genres, genre_input)


def model_file_name(config: JobConfig, inputs: Sequence[int], outputs: int) -> str:
    """Such as recommendation_rnn_i10i32o100.tflite: encoder, lengths of the inputs, number of predictions."""
    return f"recommendation_{config.encoder.type}_{''.join(f'i{length}' for length in inputs)}o{outputs}.tflite"


def write_assets(folder: Path, config: JobConfig, vocabulary: Vocabulary, items: AppItems, model: Path) -> None:
    """Write the app's files for `model`, a file in the layout `reference`, into `folder`, which is made."""
    folder.mkdir(parents=True)
    binding = _binding(model)
    lengths = {name: length for name, (_, length) in binding.inputs.items()}
    ids, outputs = binding.outputs[TOP_IDS]
    scores, _ = binding.outputs[TOP_SCORES]
    name = model_file_name(config, [lengths[tensor] for tensor in _FEATURE_NAMES if tensor in lengths], outputs)
    (folder / name).write_bytes(model.read_bytes())
    document = {
        "model": name,
        "inputs": [
            {"name": _FEATURE_NAMES[tensor], "index": position, "inputLength": length}
            for tensor, (position, length) in sorted(binding.inputs.items(), key=lambda entry: entry[1])
        ],
        "movieList": MOVIE_FILE,
        **({"genreList": GENRE_FILE} if items.genre_input else {}),
        "topK": min(SHOWN, outputs),
        "outputLength": outputs,
        "outputIdsIndex": ids,
        "outputScoresIndex": scores,
    }
    _write(folder / CONFIG_FILE, json.dumps(document, indent=2) + "\n")
    _write(folder / MOVIE_FILE, _movie_list(vocabulary, items))
    if items.genre_input:
        _write(folder / GENRE_FILE, "".join(f"{line}\n" for line in items.genre_input.lines))


@dataclass(frozen=True)
class _Binding:
    """Name of each tensor -> its position among the file's inputs or outputs, and its length."""

    inputs: Mapping[str, tuple[int, int]]
    outputs: Mapping[str, tuple[int, int]]


def _binding(path: Path) -> _Binding:
    interpreter = Interpreter(model_path=str(path))
    signature = _signature(path)
    inputs = {signature.Inputs(i).Name().decode(): signature.Inputs(i) for i in range(signature.InputsLength())}
    outputs = {signature.Outputs(i).Name().decode(): signature.Outputs(i) for i in range(signature.OutputsLength())}
    return _Binding(
        _positions(inputs, interpreter.get_input_details()), _positions(outputs, interpreter.get_output_details())
    )


def _signature(path: Path) -> Any:
    """The app's signature; what runs by position is the first graph, so it must be that graph's."""
    model = schema.Model.GetRootAs(path.read_bytes())
    signatures = [model.SignatureDefs(index) for index in range(model.SignatureDefsLength())]
    found = next(signature for signature in signatures if signature.SignatureKey() == SERVING_DEFAULT.encode())
    if found.SubgraphIndex() != 0:
        raise RuntimeError(f"{SERVING_DEFAULT} is not the first graph of {path.name}")
    return found


def _positions(tensors: Mapping[str, Any], details: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    found = {}
    for name, tensor in tensors.items():
        position = next(place for place, detail in enumerate(details) if detail["index"] == tensor.TensorIndex())
        (length,) = details[position]["shape"]
        found[name] = (position, int(length))
    if len(found) != len(details):
        raise RuntimeError(f"{len(details)} tensors where {sorted(found)} were expected")
    return found


def _movie_list(vocabulary: Vocabulary, items: AppItems) -> str:
    """One object an item, most frequent first, as the app's JSON reader takes them."""
    rows = [
        {
            "id": int(items.numbers.by_index[index]),
            "title": vocabulary.titles[index] or vocabulary.item_ids[index],
            "genres": list(items.genres[index]),
            "count": int(vocabulary.counts[index]),
        }
        for index in range(1, vocabulary.size + 1)
    ]
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def _attribute_values(vocabulary: Vocabulary) -> tuple[tuple[str, ...], ...]:
    attribute = vocabulary.attribute
    if attribute is None:
        return ((),) * (vocabulary.size + 1)
    return _rows([one_line(value) for value in attribute.values], attribute.indices, attribute.offsets)


def _genres(
    table: FeatureTable, words: Sequence[str], vocabulary: Vocabulary, attribute: Sequence[Sequence[str]] | None
) -> tuple[tuple[str, ...], ...]:
    """By item index, what the model reads as words; those out of its vocabulary are called as in `attribute`.

    Where that doesn't say, they are `<oov>`: the app must pass something for each, since the model was trained so.
    """
    offsets = np.arange(vocabulary.size + 2) if table.offsets is None else table.offsets
    rows = _rows([one_line(word) for word in words], table.values, offsets)
    known = {*map(one_line, words), UNKNOWN}
    found = []
    for index, row in enumerate(rows):
        others = iter(() if attribute is None else [genre for genre in attribute[index] if genre not in known])
        found.append(tuple(next(others, OOV) if word == OOV else word for word in row if word != words[0]))
    return tuple(found)


def _rows(words: Sequence[str], indices: NDArray[Any], offsets: NDArray[np.int64]) -> tuple[tuple[str, ...], ...]:
    bounds = offsets.tolist()
    flat = [words[index] for index in indices.tolist()]
    return tuple(tuple(flat[begin:end]) for begin, end in pairwise(bounds))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
