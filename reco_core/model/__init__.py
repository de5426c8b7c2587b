"""Stage 3 of 7: vocabulary -> dual encoder."""

from reco_core.model.dual_encoder import DualEncoder, build
from reco_core.model.lengths import config_for_export, for_export
from reco_core.model.neighbours import NeighbourHead, ages, coded
from reco_core.model.new_rows import new_bias, new_rows

__all__ = [
    "DualEncoder",
    "NeighbourHead",
    "ages",
    "build",
    "coded",
    "config_for_export",
    "for_export",
    "new_bias",
    "new_rows",
]
