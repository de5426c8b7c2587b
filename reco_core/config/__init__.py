"""The configuration of a run: frozen pydantic models, presets, JSON Schema.

`load(document)` is the one way from a JSON or YAML document to a `JobConfig`; `json_schema()` drives forms and the
command line.
"""

from reco_core.config.changes import EVALUATION_CHANGES, EXPORT_CHANGES, with_changes
from reco_core.config.dual_encoder import ModelConfig
from reco_core.config.encoders import Bow, Cnn, EncoderConfig, Gru, Rnn, Transformer
from reco_core.config.evaluation import EvaluationConfig
from reco_core.config.examples import ExamplesConfig, TfrecordConfig
from reco_core.config.export import ExportConfig, VariantName
from reco_core.config.features import (
    ActivityGroup,
    FeatureConfig,
    FeaturesConfig,
    FloatFeature,
    GlobalGroup,
    IntFeature,
    StringFeature,
    TimeGapFeature,
)
from reco_core.config.job import JobConfig
from reco_core.config.loading import json_schema, load, load_file, load_whole
from reco_core.config.neighbours import NeighboursConfig
from reco_core.config.presets import DEFAULT_PRESET, PRESETS, Preset
from reco_core.config.training import TrainingConfig

__all__ = [
    "DEFAULT_PRESET",
    "EVALUATION_CHANGES",
    "EXPORT_CHANGES",
    "PRESETS",
    "ActivityGroup",
    "Bow",
    "Cnn",
    "EncoderConfig",
    "EvaluationConfig",
    "ExamplesConfig",
    "ExportConfig",
    "FeatureConfig",
    "FeaturesConfig",
    "FloatFeature",
    "GlobalGroup",
    "Gru",
    "IntFeature",
    "JobConfig",
    "ModelConfig",
    "NeighboursConfig",
    "Preset",
    "Rnn",
    "StringFeature",
    "TfrecordConfig",
    "TimeGapFeature",
    "TrainingConfig",
    "Transformer",
    "VariantName",
    "json_schema",
    "load",
    "load_file",
    "load_whole",
    "with_changes",
]
