"""The flags of the original's two launchers and of its example generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal

from reco_core.config.original.conversion import Draft, Place, in_flags

Kind = Literal["whole number", "number", "true or false", "whole numbers with commas", "text"]
_LARGEST = 10**12  # no flag means more, and arithmetic stays within 64 bits


@dataclass(frozen=True)
class Flag:
    """A flag: the form of its value, its default (None: it has none), and where it went.

    Args:
        becomes: our field, or what to do instead where `in_config` is false.
        choices: the values allowed, if they are few.
    """

    kind: Kind
    default: object
    becomes: str
    in_config: bool = True
    choices: tuple[str, ...] = ()


def _elsewhere(becomes: str, default: object = None, choices: tuple[str, ...] = ()) -> Flag:
    return Flag("text", default, becomes, False, choices)


FLAGS: Mapping[str, Flag] = MappingProxyType(
    {
        # Of both launchers.
        "batch_size": Flag("whole number", 1, "training.batch_size"),
        "learning_rate": Flag("number", 0.1, "training.learning_rate"),
        "steps_per_epoch": Flag("whole number", 10, "training.steps_per_epoch"),
        "num_epochs": Flag("whole number", 10000, "training.max_epochs"),
        "num_eval_steps": Flag("whole number", 1000, "training.validation_steps"),
        "gradient_clip_norm": Flag("number", 1.0, "training.gradient_clip_norm"),
        "num_predictions": Flag("whole number", 5, "export.top_k"),  # 100 in the older one
        # Of the launcher that takes an InputConfig.
        "hidden_layer_dims": Flag("whole numbers with commas", None, "model.hidden_layers"),
        "eval_top_k": Flag("whole numbers with commas", None, "evaluation.k"),
        "conv_num_filter_ratios": Flag("whole numbers with commas", None, "encoder.num_filter_ratios"),
        "conv_kernel_size": Flag("whole number", 4, "encoder.kernel_size"),
        "lstm_num_units": Flag("whole number", 4, "encoder.num_units"),
        # Of the older launcher.
        "encoder_type": Flag("text", "bow", "encoder.type", choices=("bow", "cnn", "rnn")),
        "max_history_length": Flag("whole number", 10, "export.history_length"),
        # Of the example generator; its notebook has the older name build_movie_vocab.
        "min_timeline_length": Flag("whole number", 3, "examples.min_timeline_length"),
        "max_context_length": Flag("whole number", 10, "examples.max_history_length"),
        "max_context_movie_genre_length": Flag("whole number", 10, "examples.tfrecord.max_genre_length"),
        "min_rating": Flag("number", None, "examples.min_rating"),
        "train_data_fraction": Flag("number", 0.9, "examples.train_data_fraction"),
        "build_vocabs": Flag("true or false", True, "examples.tfrecord.build_vocabs"),
        "build_movie_vocab": Flag("true or false", True, "examples.tfrecord.build_vocabs"),
        # Files and modes: no part of a config.
        "training_data_filepattern": _elsewhere("`pocketrec train --data LOG` reads the log itself, no examples"),
        "testing_data_filepattern": _elsewhere("the split is made from the log: evaluation.protocol says which"),
        "model_dir": _elsewhere("`pocketrec train --out FOLDER`"),
        "export_dir": _elsewhere("`pocketrec train --out FOLDER`"),
        "vocab_dir": _elsewhere("vocabularies come from the data and stand in the bundle, under vocabulary/"),
        "input_config_file": _elsewhere("the file that is being converted"),
        "params_path": _elsewhere("the file that is being converted"),
        "checkpoint_path": _elsewhere("`pocketrec export --weights FILE` makes files without training"),
        "run_mode": _elsewhere(
            "`pocketrec train` trains, evaluates and exports; `pocketrec export` only exports",
            "train_and_eval",
            ("train_and_eval", "export", "export_tflite"),
        ),
        "data_dir": _elsewhere("`pocketrec train --data LOG`"),
        "output_dir": _elsewhere("`pocketrec examples --out FOLDER` writes TFRecords and vocabularies"),
    }
)


def is_switch(name: str) -> bool:
    """Whether a flag may stand without a value, as `--build_vocabs` and `--nobuild_vocabs`."""
    return name in FLAGS and FLAGS[name].kind == "true or false"


class Given:
    """The flags that were given, as values. What they don't say is for the one who asks to decide."""

    def __init__(self, flags: Mapping[str, str], draft: Draft) -> None:
        """Read `flags`, their names with or without dashes in front. Faults and file paths are noted in `draft`."""
        self._values: dict[str, Any] = {}
        self._written: dict[str, str] = {}
        for written, text in flags.items():
            name = written.lstrip("-")
            flag, place = FLAGS.get(name), in_flags(written)
            if flag is None:
                close = get_close_matches(name, FLAGS, n=1)
                hint = f"did you mean --{close[0]}?" if close else "neither launcher and no generator has it"
                draft.fault(place, "unknown_flag", f"unknown flag; {hint}")
                continue
            try:
                value = _READERS[flag.kind](text.strip())
            except ValueError:
                draft.fault(place, "flag_invalid", f"expected {flag.kind}, found {text[:80]!r}")
                continue
            if flag.choices and value not in flag.choices:
                draft.fault(place, "flag_invalid", f"expected one of {', '.join(flag.choices)}, found {text[:80]!r}")
            elif flag.in_config:
                self._values[name] = value
                self._written[name] = written
            else:
                draft.change(f"--{name}", text, None, f"not part of a config: {flag.becomes}")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str) -> Any:
        """The value of a flag, or None where it wasn't given."""
        return self._values.get(name)

    def place(self, name: str) -> Place:
        """Where a flag stands, or would stand."""
        return in_flags(self._written.get(name, name))


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _whole(text: str) -> int:
    value = int(text)
    if abs(value) > _LARGEST:
        raise ValueError(text)
    return value


def _switch(text: str) -> bool:
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise ValueError(text)


def _list(text: str) -> list[int]:
    # absl, whose flags these are, also takes an empty list
    return [_whole(part) for part in text.strip("[]").split(",")] if text.strip("[] ") else []


_READERS: Mapping[Kind, Callable[[str], Any]] = MappingProxyType(
    {
        "whole number": _whole,
        "number": _number,
        "true or false": _switch,
        "whole numbers with commas": _list,
        "text": str,
    }
)
