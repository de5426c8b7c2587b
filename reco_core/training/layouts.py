"""Which way the training examples are laid out."""

from __future__ import annotations

from reco_core.config import JobConfig
from reco_core.examples import ExampleSet
from reco_core.training.batches import TrainingExamples
from reco_core.training.sequences import SequenceExamples


def training_examples(config: JobConfig, example_set: ExampleSet) -> TrainingExamples | SequenceExamples:
    """Windows before each label, or whole sequences, as `JobConfig.trains_on_sequences` says."""
    layout = SequenceExamples if config.trains_on_sequences else TrainingExamples
    return layout(example_set, config.training.batch_size, config.examples.max_history_length)
