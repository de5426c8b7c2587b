"""Seconds of each phase, on the machine that the constants were measured on: two cores of a server of 2024.

A training step is floating-point operations at the rates that XLA reaches plus passes over arrays at the speed of
memory; what comes before and after it is calls of a known number. Each constant was measured by itself
(benchmarks/estimates.py checks their sum); another machine is these seconds times a factor.
"""

from __future__ import annotations

import math

from reco_core.config.encoders import Cnn, Gru, Rnn, Transformer
from reco_core.config.estimate.files import MOST_UNROLLED_STEPS
from reco_core.config.estimate.parameters import dense_matrices, encoder_matrices, parameters
from reco_core.config.estimate.workload import Workload
from reco_core.config.job import JobConfig
from reco_core.config.training import packed_columns

PHASES = ("validate", "build_examples", "train", "export", "evaluate", "verify", "publish")

MOST_VALIDATION_EXAMPLES = 10_000  # ranked after each epoch, and by the parity gate
_CHECKED_HISTORIES = 1_000  # twice, and 200 calls more to time them

# floating-point operations per second
_MATRIX_RATE = 110e9
_CONVOLUTION_RATE = 120e9
_LSTM_RATE = 107e9
_LOOP_RATE = 50e9
_ATTENTION_RATE = 60e9
_CALL_RATE = 18e9  # a file called with one history on one thread
# seconds per number that a step passes over
_SCORE = 0.4e-9
_EMBEDDED = 2.4e-9
_PARAMETER = 3.4e-9
_ATTRIBUTE = 4e-9
_UNROLLED = 2e-9  # gradients of an unrolled LSTM are added up over the whole history at each of its steps
_CELL = 20e-9
_SPARSE_STEP = 3e-3  # to gather rows of the item table and to put them back
_STEP = 2e-4  # to start one
_PYTHON = 8e-5  # around a call of a file
_SCORER = 0.5  # to compile the scorer of the trained model


def epoch_steps(config: JobConfig, work: Workload, batch: int) -> int:
    """Steps between two validations: what the config says, or one pass over the training examples."""
    return config.training.steps_per_epoch or math.ceil(work.train / batch)


def epoch_seconds(config: JobConfig, work: Workload, batch: int) -> float:
    """One epoch, and the validation after it."""
    steps, ranked = epoch_steps(config, work, batch), config.training.validation_steps
    validation = min(work.validation, MOST_VALIDATION_EXAMPLES if ranked is None else ranked * batch)
    forward = 2 * _weights_used(config, work) / _MATRIX_RATE
    ranking = 5e-6 + 1e-9 * work.vocabulary
    return steps * step_seconds(config, work, batch) + validation * (forward + ranking)


def _teachers_seconds(config: JobConfig, work: Workload, batch: int, epochs: int) -> float:
    """All teachers' training for `epochs` epochs each, the n-th taught by the n - 1 before it."""
    training, seconds = config.training, 0.0
    for number in range(training.teachers_for(work.vocabulary)):
        one = config.model_copy(update={"training": training.model_copy(update={"teachers": number})})
        seconds += _compile_seconds(config) + _SCORER + epochs * epoch_seconds(one, work, batch)
    return seconds


def _asking_seconds(config: JobConfig, work: Workload, read: int, batch: int) -> float:
    """What a step asks the teachers: each one's scores of all items, and their probabilities."""
    teachers, items = config.training.teachers_for(work.vocabulary), work.vocabulary
    if not teachers:
        return 0.0
    scores = 2 * batch * items * config.model.embedding_dim / _MATRIX_RATE
    return teachers * (scores + _encoder_seconds(config, read, batch) / 3) + 2 * _SCORE * batch * items


def step_seconds(config: JobConfig, work: Workload, batch: int) -> float:
    """One training step: forward, backward (twice the forward's operations) and the update of all parameters."""
    dim = config.model.embedding_dim
    # positions that the encoder reads for the batch: windows overlap, sequences don't
    read = batch if config.trains_on_sequences else batch * config.examples.max_history_length
    dense = sum(matrix.weights for matrix in dense_matrices(config))
    loss = config.training.loss_for(work.vocabulary)
    items = {"batch_softmax": batch, "sampled_softmax": config.training.negatives}.get(loss, work.vocabulary)
    seconds = _STEP + 6 * batch * (items * dim + dense) / _MATRIX_RATE + _encoder_seconds(config, read, batch)
    seconds += _SCORE * batch * items + _EMBEDDED * read * dim + _asking_seconds(config, work, read, batch)
    if loss == "sampled_softmax":
        touched = min(work.vocabulary, read + batch + items)
        return seconds + _PARAMETER * (touched * dim + dense) + _SPARSE_STEP
    return seconds + _PARAMETER * parameters(config, work) + _ATTRIBUTE * work.attribute_entries * dim


def _encoder_seconds(config: JobConfig, read: int, batch: int) -> float:
    """The context encoder's share of a step in which it reads `read` positions."""
    encoder, dim, length = config.encoder, config.model.embedding_dim, config.examples.max_history_length
    operations = 6 * read * sum(matrix.weights for matrix in encoder_matrices(config))
    if isinstance(encoder, Cnn):
        return operations / _CONVOLUTION_RATE
    if isinstance(encoder, Transformer):
        looked_at = packed_columns(length) if config.trains_on_sequences else length
        attention = 12 * read * encoder.blocks * looked_at * dim
        return (operations + attention) / _ATTENTION_RATE
    if isinstance(encoder, Rnn | Gru) and config.trains_on_sequences:
        return operations / _LOOP_RATE + _CELL * read * encoder.num_units
    if isinstance(encoder, Rnn | Gru) and length <= MOST_UNROLLED_STEPS:
        return operations / _LSTM_RATE + _UNROLLED * batch * length**2 * dim
    if isinstance(encoder, Rnn | Gru):
        return operations / _LOOP_RATE + _CELL * read * encoder.num_units
    return 0.0


def phase_seconds(
    config: JobConfig, work: Workload, batch: int, epochs: int, epochs_of_teachers: int = 0
) -> dict[str, float]:
    """Every phase of a job that trains for `epochs` epochs, and before that each teacher for as many as are given."""
    checks = 200 + 2 * min(work.validation, _CHECKED_HISTORIES)
    return {
        "validate": 3.2 + 1e-6 * work.rows,  # starting Python and TensorFlow, reading the log
        "build_examples": 0.1 + 4e-7 * work.rows + 2e-6 * work.vocabulary,
        "train": _teachers_seconds(config, work, batch, epochs_of_teachers)
        + _compile_seconds(config)
        + _SCORER
        + epochs * epoch_seconds(config, work, batch),
        "export": _export_seconds(config, work),
        "evaluate": _evaluate_seconds(config, work),
        "verify": 0.2 + _variants(config) * checks * (_call_seconds(config, work) + _PYTHON),
        "publish": 0.2 + 3e-6 * work.vocabulary,
    }


def _weights_used(config: JobConfig, work: Workload) -> int:
    """Weights that one history is multiplied with."""
    length = config.examples.max_history_length
    encoder = length * sum(matrix.weights for matrix in encoder_matrices(config))
    return (
        encoder
        + sum(matrix.weights for matrix in dense_matrices(config))
        + work.vocabulary * config.model.embedding_dim
    )


def _compile_seconds(config: JobConfig) -> float:
    length = config.examples.max_history_length
    if isinstance(config.encoder, Transformer):
        return 4.0 + 3.0 * config.encoder.blocks
    if isinstance(config.encoder, Rnn | Gru) and config.trains_on_sequences:
        return 6.0
    if isinstance(config.encoder, Rnn | Gru):
        return 2.2 + 0.24 * length + 0.007 * length**2 if length <= MOST_UNROLLED_STEPS else 3.6
    return 2.3


def _export_seconds(config: JobConfig, work: Workload) -> float:
    variants, length = _variants(config), config.examples.max_history_length
    unrolled = length if isinstance(config.encoder, Rnn | Gru) and length <= MOST_UNROLLED_STEPS else 0
    loop = 1.2 if isinstance(config.encoder, Rnn | Gru) and not unrolled else 0.0
    table = work.vocabulary * config.model.embedding_dim
    seconds = 1.0 + 0.25 * variants + unrolled * (0.06 + 0.04 * variants) + loop + variants * 2.2e-7 * table
    return seconds + _neighbours_seconds(config, work)


def _neighbours_seconds(config: JobConfig, work: Workload) -> float:
    """Counting followers, and every blend of them with the model's scores on validation."""
    if config.model.neighbours is None:
        return 0.0
    validation = min(work.validation, MOST_VALIDATION_EXAMPLES)
    dense = 2 * _weights_used(config, work) / _MATRIX_RATE
    entries = min(config.export_history_length, work.interactions / work.users) * config.model.neighbours.followers
    counted = 1.7e-7 * config.model.neighbours.steps * work.interactions
    return _SCORER + counted + validation * (dense + 1e-4 + 6e-9 * work.vocabulary + 1e-6 * entries)


def _evaluate_seconds(config: JobConfig, work: Workload) -> float:
    """Each file on validation and test, each baseline on test, with intervals."""
    items, variants = work.vocabulary, _variants(config)
    validation, test = min(work.validation, MOST_VALIDATION_EXAMPLES), work.test
    ranking = 2.2e-5 + 2.5e-9 * items
    users = min(work.users, test)
    intervals = 0.03 + 2e-8 * config.evaluation.bootstrap_samples * users
    calls = variants * (validation + test) * (_call_seconds(config, work) + ranking)
    names = config.evaluation.baselines_for(items)
    baselines = [test * ranking + intervals + _fit_seconds(name, work) for name in names]
    return _SCORER + validation * ranking + calls + variants * intervals + sum(baselines)


def _fit_seconds(baseline: str, work: Workload) -> float:
    """Fitting a baseline and choosing its setting on at most 2,000 validation examples, and what its scores cost."""
    items, rows = work.vocabulary, work.interactions
    chosen_on, test = min(work.validation, 2_000), work.test
    rank = 5e-6 + 1e-9 * items
    if baseline == "recent_popular":
        return 1e-7 * rows + 4 * chosen_on * rank
    if baseline == "markov":
        return 1e-7 * rows + test * 1.5e-9 * items
    if baseline == "cooccurrence":
        # of the last 30 items, the followers within ten steps: all items at most
        density = -math.expm1(-30.0 * rows / items**2)
        score = min(30.0, rows / max(1, work.users)) * items * density * 5e-9 + 2e-9 * items
        return 1.7e-6 * rows + (3 * chosen_on + test) * score + 3 * chosen_on * rank
    if baseline == "ease":
        score = 2e-11 * float(items) ** 2 + rank
        return 5e-10 * float(items) ** 3 + (9 * chosen_on + test) * score
    return 0.0


def _call_seconds(config: JobConfig, work: Workload) -> float:
    length = config.examples.max_history_length
    steps = length if isinstance(config.encoder, Rnn | Gru) else 0
    return 1.2e-5 + 2 * _weights_used(config, work) / _CALL_RATE + 2e-9 * work.vocabulary + 1e-6 * steps


def _variants(config: JobConfig) -> int:
    return len({"float32", *config.export.variants})
