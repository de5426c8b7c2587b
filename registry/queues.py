"""Which queue a job waits in: one for each kind of work, so that workers may be set up for one kind."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TRAIN = "train"
VALIDATE = "validate"
ALL = (TRAIN, VALIDATE)
_OF_TYPE: Mapping[str, str] = MappingProxyType({"train": TRAIN, "validate_dataset": VALIDATE})


def of_type(job_type: str) -> str:
    """The queue of jobs of this type. Heavy ones, and all that are not known to be light, wait for `train`."""
    return _OF_TYPE.get(job_type, TRAIN)
