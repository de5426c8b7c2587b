"""Configs of TensorFlow's on-device recommendation example, turned into ours.

It has two kinds: text protos of `InputConfig` with the flags of its launcher, and the older `sample_config.json`, whose
launcher takes the encoder as a flag. Each conversion says what it changed and why, and its document always loads.
"""

from reco_core.config.original.conversion import Change, Conversion
from reco_core.config.original.flags import FLAGS, Flag, is_switch
from reco_core.config.original.input_config import convert_input_config
from reco_core.config.original.sample_config import convert_sample_config

__all__ = ["FLAGS", "Change", "Conversion", "Flag", "convert_input_config", "convert_sample_config", "is_switch"]
