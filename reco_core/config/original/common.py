"""What both kinds of the original's configs have in common: the flags, and the model around the encoders."""

from __future__ import annotations

from reco_core.config.original.conversion import Draft
from reco_core.config.original.flags import FLAGS, Given

# Flags whose values go into the config as they are, and mean the same there.
_AS_THEY_ARE = ("min_timeline_length", "min_rating", "train_data_fraction")


def put_training(draft: Draft, given: Given) -> None:
    """Optimisation: what was said is kept; a default that was not said is ours where the original's does harm."""
    _put_or_leave(draft, given, "batch_size", "null (fitted to the data)", "one example a step takes most of its time")
    _put_or_leave(
        draft, given, "steps_per_epoch", "null (one pass)", "ten steps see too little for a validation to tell"
    )
    _put_or_leave(draft, given, "num_eval_steps", "null (all, at most 10,000 examples)", "the model is chosen by it")
    _put_or_leave(draft, given, "num_epochs", "10", "with an epoch of one pass, more overfit")
    if "learning_rate" in given:
        draft.put("training.optimizer", "adagrad", given.place("learning_rate"))
        draft.put("training.learning_rate", given.get("learning_rate"), given.place("learning_rate"))
        draft.put("training.warmup_steps", 0)
        draft.put("training.learning_rate_decay", "none")
    else:
        draft.change(
            "--learning_rate",
            "0.1 with Adagrad (default)",
            "training.optimizer: adamw, training.learning_rate: 0.004",
            "at 0.1 its models died within an epoch when measured; give --learning_rate to have Adagrad with it",
        )
    norm = given.get("gradient_clip_norm") if "gradient_clip_norm" in given else 1.0
    draft.put("training.gradient_clip_norm", norm if norm > 0 else None, given.place("gradient_clip_norm"))
    if norm > 0:
        draft.change(
            "--gradient_clip_norm",
            f"{norm:g} for each variable" + ("" if "gradient_clip_norm" in given else " (default)"),
            f"training.gradient_clip_norm: {norm:g} over all variables",
            "one norm keeps the direction of the step; clipping each variable by itself turns it",
        )
    draft.put("training.tensorboard", True)
    draft.change(
        "checkpoints",
        "all kept, the latest exported; no early stopping",
        "the best exported; training.patience: 5, training.keep_checkpoints: 0",
        "the latest is seldom the best; keep_checkpoints: null keeps all, to export from",
    )


def put_data(draft: Draft, given: Given) -> None:
    """What the example generator's flags say."""
    for name in _AS_THEY_ARE:
        if name in given:
            draft.put(FLAGS[name].becomes, given.get(name), given.place(name))
    if given.get("min_rating") is not None:
        draft.change(
            "--min_rating",
            given.get("min_rating"),
            f"examples.min_rating: {given.get('min_rating'):g}",
            "items rated lower still count as seen, so they are not recommended",
        )


def put_tfrecords(draft: Draft, given: Given, layout: str, genres: int | None = None) -> None:
    """TFRecord files, where a flag that only they have was given; `genres` is how many of them the model reads."""
    names = [name for name in ("build_movie_vocab", "build_vocabs", "max_context_movie_genre_length") if name in given]
    if not names:
        return
    draft.put("examples.tfrecord.layout", layout, given.place(names[-1]))
    if genres is not None:
        draft.put("examples.tfrecord.max_genre_length", genres)
    for name in names:
        draft.put(FLAGS[name].becomes, given.get(name), given.place(name))
    draft.change(
        ", ".join(f"--{name}" for name in names),
        ", ".join(str(given.get(name)).lower() for name in names),
        f"examples.tfrecord: layout {layout}",
        "training reads the log itself; the TFRecords come out beside it",
    )


def put_random_split(draft: Draft) -> None:
    """The protocol of the example generator that input configs are for."""
    draft.put("evaluation.protocol", "reference")
    draft.change(
        "evaluation",
        "pairs split at random, recall also of items that were seen",
        "evaluation.protocol: reference",
        "kept to compare with; a user's later pairs are in training, so it reads high: leave_one_out is honest",
    )


def put_last_items(draft: Draft, given: Given) -> None:
    """The protocol of the older example generator, which kept each user's last item for the test."""
    draft.put("evaluation.protocol", "leave_one_out")
    draft.change(
        "evaluation",
        "each user's last item is the test, all before it training; recall also of items that were seen",
        "evaluation.protocol: leave_one_out",
        "the same test items; the item before each is held out too, to choose the best epoch by, and items that were "
        "seen are not ranked",
    )
    if "train_data_fraction" in given:
        draft.change(
            "--train_data_fraction",
            f"{given.get('train_data_fraction'):g}",
            f"examples.train_data_fraction: {given.get('train_data_fraction'):g}",
            "without effect on this split, which is by time; the protocol `reference` splits pairs by it",
        )


def put_evaluation(draft: Draft, given: Given, top_k: list[int] | None, predictions: int | None) -> None:
    """Cut-offs, and how many predictions the file gives.

    Args:
        top_k: `eval_top_k` of the document, where no flag says it.
        predictions: `num_predictions` where no flag says it: the document's or the launcher's default.
    """
    cut_offs = given.get("eval_top_k") if "eval_top_k" in given else top_k
    if cut_offs:
        draft.put("evaluation.k", sorted(set(cut_offs)))
    if "eval_top_k" in given:
        draft.derive("/evaluation/k", given.place("eval_top_k"))
    if "num_predictions" in given:
        draft.put("export.top_k", given.get("num_predictions"), given.place("num_predictions"))
    else:
        draft.put("export.top_k", predictions)
    draft.put("export.saved_model", True)


def put_model(draft: Draft, encoders: set[str]) -> None:
    """The parts of the model that no field of the original names; `encoders` are those in use."""
    draft.put("model.item_bias", False)
    draft.put("model.item_attribute", None)
    draft.put("model.dropout", 0.0)
    draft.change(
        "last layer's activation",
        "ReLU",
        "linear",
        "a ReLU before the dot product kills the model: BOW and LSTM stopped learning within an epoch when measured",
    )
    draft.change(
        "id 0 and unused ids",
        "in the softmax and in the top k",
        "in neither",
        "padding and ids without an item can't be recommended",
    )
    draft.change(
        "items seen",
        "recommended",
        "repeats: false",
        "what was watched is seldom wanted next; the preset `reference` keeps the original's way, repeats: true",
    )
    if "cnn" in encoders:
        draft.change(
            "CNN stride",
            "as wide as the kernel, padding on both sides",
            "1, causal",
            "jumps of a kernel's width lose the order, and windows of padding took part in the maximum",
        )
    if "rnn" in encoders:
        draft.change(
            "LSTM",
            "reads the padding after the last item",
            "read out after the last item",
            "what padding does to it is noise",
        )
    draft.change(
        "exported file",
        "float32",
        "export.default_variant: float16",
        "half the size at the same ranking, which is checked; float32 is in the bundle as well",
    )


def _put_or_leave(draft: Draft, given: Given, name: str, ours: str, why: str) -> None:
    flag = FLAGS[name]
    if name in given:
        draft.put(flag.becomes, given.get(name), given.place(name))
    else:
        draft.change(f"--{name}", f"{flag.default} (default)", f"{flag.becomes}: {ours}", why)
