"""Stage 4 of 7: dual encoder + examples -> trained model."""

from reco_core.training.checkpoint import Checkpoint, latest_checkpoint, read_checkpoint
from reco_core.training.kept import WeightsFolder
from reco_core.training.longer import added_facts, completed, lengthened, with_cold_items
from reco_core.training.neighbours import with_neighbours
from reco_core.training.runtime import Runtime, configure
from reco_core.training.summaries import Summaries
from reco_core.training.train import train
from reco_core.training.trained import FittedNeighbours, TrainedModel, model_scorer, restored
from reco_core.training.warm_start import Base, carry_over, find_weights, read_base, stated
from reco_core.training.weights import ModelWeights, WeightsInfo, assign_weights, read_weights, write_weights

__all__ = [
    "Base",
    "Checkpoint",
    "FittedNeighbours",
    "ModelWeights",
    "Runtime",
    "Summaries",
    "TrainedModel",
    "WeightsFolder",
    "WeightsInfo",
    "added_facts",
    "assign_weights",
    "carry_over",
    "completed",
    "configure",
    "find_weights",
    "latest_checkpoint",
    "lengthened",
    "model_scorer",
    "read_base",
    "read_checkpoint",
    "read_weights",
    "restored",
    "stated",
    "train",
    "with_cold_items",
    "with_neighbours",
    "write_weights",
]
