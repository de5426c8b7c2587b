"""Stage 3 of 7: vocabulary -> dual encoder."""

from reco_core.model.dual_encoder import DualEncoder, build

__all__ = ["DualEncoder", "build"]
