"""Stage 3 of 7: vocabulary -> dual encoder."""

from reco_core.model.dual_encoder import DualEncoder, build
from reco_core.model.lengths import config_for_export, for_export

__all__ = ["DualEncoder", "build", "config_for_export", "for_export"]
