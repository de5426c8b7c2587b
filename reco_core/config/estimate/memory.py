"""Peak resident memory of the trainer process: TensorFlow itself, and what grows with the job.

Nothing is given back between phases as far as the system sees, so the parts are added up.
"""

from __future__ import annotations

from reco_core.config.encoders import Gru, Rnn
from reco_core.config.estimate.files import MOST_UNROLLED_STEPS
from reco_core.config.estimate.parameters import encoder_width, parameters
from reco_core.config.estimate.workload import Workload
from reco_core.config.job import JobConfig
from reco_core.config.training import packed_columns

_PROCESS = 900_000_000  # TensorFlow with a small model compiled, trained, exported and ranked
_UNROLLED_STEP = 13_000_000  # to compile one step of an unrolled LSTM
_FLOAT = 4
_SCORES = 4  # logits, their exponentials and the gradients of both, alive at once
_ACTIVATIONS = 6
_COPIES = 14  # weights, two moments, gradients, the best weights, the checkpoint, the tables in export
_TEACHER_COPIES = 4  # of each one's weights: the arrays, on the device, its table beside the others', the checkpoint
_TEACHERS_SCORES = 3  # theirs, their probabilities, and what the model's are apart from them
_ROW = 120  # columns of the log, sorted; timelines; positions of examples
_FOLLOWERS = 380  # of a row, for the baseline cooccurrence and the neighbour head: ten pairs, merged
_MOST_ENTRIES, _MOST_BLENDED = 1 << 20, 1024  # as in reco_core.training.neighbours
_ENTRY = 120  # bytes, of a follower in a history on validation: five decays, and what is compared
_FOLLOWER = 20  # bytes, of one in the table
_TRANSITIONS = 60  # of a row, for the baseline markov
_ITEM = 400  # ids, titles and dictionaries as Python objects
_EASE_TABLES = 6
_RANKED = 1 << 21  # scores ranked at once, or 16 rows
_RANK_COPIES = 12  # bytes: masks and sorted maxima beside the scores
_RANKING_THREADS = 2


def memory_bytes(config: JobConfig, work: Workload, batch: int) -> int:
    """Peak resident bytes of a training job."""
    dim, length, items = config.model.embedding_dim, config.examples.max_history_length, work.vocabulary
    size = _PROCESS + _log(config, work) + _ITEM * items + 2 * work.text_bytes
    size += (_COPIES + config.training.most_kept) * _FLOAT * parameters(config, work)
    widest = max(dim, encoder_width(config), *config.model.hidden_layers, 1)
    if isinstance(config.encoder, Rnn | Gru):
        widest = max(widest, 4 * config.encoder.num_units)
        if not config.trains_on_sequences and length <= MOST_UNROLLED_STEPS:
            size += _UNROLLED_STEP * length
    loss = config.training.loss_for(items)
    candidates = {"batch_softmax": batch, "sampled_softmax": config.training.negatives}.get(loss, items)
    if teachers := config.training.teachers_for(items):
        size += _TEACHER_COPIES * teachers * _FLOAT * parameters(config, work)
        size += _FLOAT * batch * _TEACHERS_SCORES * items
    # beside each position, of attention's scores too
    read = packed_columns(length) if config.trains_on_sequences else length
    size += _FLOAT * batch * (_SCORES * candidates + _ACTIVATIONS * read * widest)
    size += _FLOAT * 2 * work.attribute_entries * dim
    size += _RANKING_THREADS * (_FLOAT + _RANK_COPIES) * max(_RANKED, 16 * items)
    if config.model.neighbours:
        entries = min(_MOST_ENTRIES, _MOST_BLENDED * config.export_history_length * config.model.neighbours.followers)
        size += _ENTRY * entries + _FOLLOWER * items * config.model.neighbours.followers
    if "ease" in config.evaluation.baselines_for(items):
        size += _EASE_TABLES * 8 * (items + 1) ** 2
    return size


def _log(config: JobConfig, work: Workload) -> int:
    per_row, baselines = _ROW, config.evaluation.baselines_for(work.vocabulary)
    if "cooccurrence" in baselines or config.model.neighbours:
        per_row += _FOLLOWERS
    elif "markov" in baselines:
        per_row += _TRANSITIONS
    # the bootstrap's sums by user: about sixty columns of the model and of each baseline
    return per_row * work.rows + 60 * 8 * 3 * work.test
