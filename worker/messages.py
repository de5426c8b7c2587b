"""What a trainer may say: the JSON lines of `reco_core.progress`, and `examples` of its own; checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from reco_core.progress import Phase


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class PhaseMessage(_Message):
    """A phase begins."""

    event: Literal["phase"]
    phase: Phase


class ProgressMessage(_Message):
    """`done` of `total` units of the phase."""

    event: Literal["progress"]
    done: int = Field(ge=0)
    total: int = Field(ge=0)
    unit: str = Field(max_length=40)
    eta_seconds: float | None = None


class EpochMessage(_Message):
    """Epoch `epoch`, from 1, is complete."""

    event: Literal["epoch"]
    epoch: int = Field(ge=1)
    metrics: dict[str, float]


class CheckpointMessage(_Message):
    """A complete checkpoint lies at `path`."""

    event: Literal["checkpoint"]
    path: str
    epoch: int = Field(ge=0)
    step: int = Field(ge=0)


class ExamplesMessage(_Message):
    """The examples that a later job could begin with lie in the folder `path`, and stay as they are."""

    event: Literal["examples"]
    path: str


class StartedOverMessage(_Message):
    """The checkpoint is no good to this trainer: it begins anew, and so must whoever comes after it."""

    event: Literal["started_over"]
    reason: str = Field(max_length=2000)


class LogMessage(_Message):
    """A line for people."""

    event: Literal["log"]
    message: str


class ResultMessage(_Message):
    """The outputs are complete."""

    event: Literal["result"]
    path: str


class ErrorMessage(_Message):
    """A typed error ended the run."""

    event: Literal["error"]
    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    message: str
    errors: list[dict[str, Any]] = []

    def as_dict(self) -> dict[str, Any]:
        """`{code, message, errors}`."""
        return {"code": self.code, "message": self.message, "errors": self.errors}


Message = (
    PhaseMessage
    | ProgressMessage
    | EpochMessage
    | CheckpointMessage
    | ExamplesMessage
    | StartedOverMessage
    | LogMessage
    | ResultMessage
    | ErrorMessage
)

_adapter: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="event")])


def parse(line: bytes) -> Message | None:
    """The message in a line, or None if the line is anything else."""
    try:
        return _adapter.validate_json(line)
    except ValidationError:
        return None
