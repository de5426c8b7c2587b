"""What there is to say of a model, in plain objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class FileKind(IntEnum):
    """How a file explains a tensor; the numbers are those of AssociatedFileType in the metadata schema."""

    AXIS_LABELS = 2  # line n names position n of the tensor
    VALUE_LABELS = 3  # line n names the value n, of an output
    VOCABULARY = 5  # line n is what the value n stands for, of an input


@dataclass(frozen=True)
class AssociatedFile:
    """A text file that travels inside the model."""

    name: str
    description: str
    lines: tuple[str, ...]

    def content(self) -> bytes:
        """Its bytes: UTF-8, each line ended by one line feed."""
        return "".join(f"{line}\n" for line in self.lines).encode()


@dataclass(frozen=True)
class TensorText:
    """An input or output."""

    description: str
    dimensions: tuple[str, ...]  # a name for each, that of the batch included
    file: str | None = None  # name of the associated file that explains the values
    kind: FileKind = FileKind.VOCABULARY
    bounds: tuple[float, float] | None = None  # least and largest value


@dataclass(frozen=True)
class SignatureText:
    """A signature with its tensors by name."""

    description: str
    inputs: Mapping[str, TensorText] = field(default_factory=dict)
    outputs: Mapping[str, TensorText] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelText:
    """The whole model."""

    name: str
    description: str
    version: str
    author: str
    signatures: Mapping[str, SignatureText]
    files: tuple[AssociatedFile, ...] = ()
