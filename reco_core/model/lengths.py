"""A trained model that reads another number of interactions: none of its weights depends on that."""

from __future__ import annotations

from reco_core.config import JobConfig
from reco_core.examples import Vocabulary
from reco_core.model.dual_encoder import DualEncoder, build


def config_for_export(config: JobConfig) -> JobConfig:
    """The config of the model that is exported: it reads `export.history_length` interactions."""
    length = config.export_history_length
    if length == config.examples.max_history_length:
        return config
    return config.model_copy(update={"examples": config.examples.model_copy(update={"max_history_length": length})})


def for_export(config: JobConfig, trained: DualEncoder, vocabulary: Vocabulary) -> DualEncoder:
    """`trained` itself if it reads as much as the exported files are to read, else a copy that does."""
    wanted = config_for_export(config)
    if wanted.examples.max_history_length == trained.history_length:
        return trained
    copy = build(wanted, vocabulary, trained.features)
    for target, source in zip(copy.trainable_variables, trained.trainable_variables, strict=True):
        target.assign(source)
    return copy
