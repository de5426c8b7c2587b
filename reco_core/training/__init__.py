"""Stage 4 of 7: dual encoder + examples -> trained model."""

from reco_core.training.checkpoint import Checkpoint, latest_checkpoint, read_checkpoint
from reco_core.training.loop import TrainedModel, model_scorer, train
from reco_core.training.runtime import Runtime, available_cores, configure

__all__ = [
    "Checkpoint",
    "Runtime",
    "TrainedModel",
    "available_cores",
    "configure",
    "latest_checkpoint",
    "model_scorer",
    "read_checkpoint",
    "train",
]
