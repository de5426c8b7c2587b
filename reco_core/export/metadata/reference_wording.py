"""What the signatures of the layout `reference` mean, in the words that a reader of the metadata sees."""

from __future__ import annotations

from reco_core.examples import Vocabulary
from reco_core.export.assets import GENRE_FILE, AppItems
from reco_core.export.metadata.texts import AssociatedFile, ModelText, SignatureText, TensorText
from reco_core.export.metadata.wording import AUTHOR, FORMAT_VERSION, NAME, items_file, model_description
from reco_core.export.reference import ReferenceShape
from reco_core.tensor_forms import GENRES, MOVIES, SERVING_DEFAULT, SERVING_SCORE_ALL, TOP_IDS, TOP_SCORES


def describe_reference(shape: ReferenceShape, vocabulary: Vocabulary, items: AppItems) -> ModelText:
    """The texts of a file in the layout `reference`."""
    inputs = {MOVIES: TensorText("Raw item ids, oldest first; 0 in unused places.", ("position",))}
    files = [items_file(vocabulary)]
    if items.genre_input is not None:
        lines = items.genre_input.lines
        inputs[GENRES] = TensorText(
            "Genres of these items, one after the other, as line numbers of the genre list; 0 in unused places.",
            ("value",),
            GENRE_FILE,
            bounds=(0, len(lines) - 1),
        )
        files.append(AssociatedFile(GENRE_FILE, "Line n, from 0, is the genre n; line 0 stands for unknown.", lines))
    left_out = "" if shape.repeats else " Items of the history are left out."
    return ModelText(
        name=NAME,
        description=model_description(shape),
        version=str(FORMAT_VERSION),
        author=AUTHOR,
        signatures={
            SERVING_DEFAULT: SignatureText(
                f"The best {shape.top_k} items for a history.{left_out}",
                inputs,
                {
                    TOP_IDS: TensorText("Raw item ids, best first; 0 in empty slots.", ("rank",)),
                    TOP_SCORES: TensorText("Sigmoids of the scores of these items; 0 in empty slots.", ("rank",)),
                },
            ),
            SERVING_SCORE_ALL: SignatureText(
                "The scores of all items, before the sigmoid; none is left out.",
                inputs,
                {"scores": TensorText("Scores in index order: position p is the item of index p + 1.", ("item",))},
            ),
        },
        files=tuple(files),
    )
