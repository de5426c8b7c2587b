"""Configs of TensorFlow's on-device recommendation example in requests, in place of ours."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session

from app.problems import Fault, Problem, from_pocketrec
from reco_core.config.original import Change, Conversion, convert_input_config, convert_sample_config
from reco_core.errors import ConfigInvalid
from registry import events, jobs
from registry.records import Job

if TYPE_CHECKING:
    from app.jobs.schemas import JobRequest

EVENT = "job.config_converted"
"""The event with the changes, of jobs that were ordered with such a config."""
_TYPES = ("train", "examples")

Layout = Literal["original", "original_2020"]
FlagName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
FlagText = Annotated[str, StringConstraints(max_length=4096)]
FlagValue = FlagText | bool | int | float | list[int]


class OriginalConfig(BaseModel):
    """A config of TensorFlow's on-device recommendation example: `input_config` or `sample_config`, and its flags."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "input_config": "activity_feature_groups {\n"
                    '  features { feature_name: "context_movie_id" feature_type: INT\n'
                    "             vocab_size: 3953 embedding_dim: 32 feature_length: 10 }\n"
                    "  encoder_type: LSTM\n"
                    "}\n"
                    'label_feature { feature_name: "label_movie_id" feature_type: INT\n'
                    "                vocab_size: 3953 embedding_dim: 32 }\n",
                    "flags": {"lstm_num_units": 64, "hidden_layer_dims": [64], "num_epochs": 20},
                },
                {
                    "sample_config": {
                        "context_embedding_dim": 32,
                        "label_embedding_dim": 32,
                        "hidden_layer_dim_ratios": [2, 1],
                        "item_vocab_size": 3952,
                        "eval_top_k": [1, 5, 10],
                    },
                    "flags": {"encoder_type": "bow", "learning_rate": 0.01},
                },
            ]
        },
    )

    input_config: str | None = Field(None, description="The text proto in its input_config.pbtxt.")
    sample_config: dict[str, Any] | None = Field(None, description="The object in its older sample_config.json.")
    flags: dict[FlagName, FlagValue] = Field(
        {}, max_length=64, description="The flags of its launcher and example generator that went with it."
    )


class ChangeView(BaseModel):
    """Something that is not as it was in the original."""

    field: str = Field(description="As the original names it: a field, a flag, or a part of its model.")
    original: str
    ours: str | None = Field(description="What became of it; null where it has no part in a config.")
    why: str


class ConversionView(BaseModel):
    """What became of a config of the original."""

    changes: list[ChangeView]


class ConvertedView(ConversionView):
    """A config of ours, made of one of the original's."""

    config: dict[str, Any] = Field(description="What differs from our defaults; `config` of a job takes it.")


def convert(given: OriginalConfig, prefix: str = "") -> Conversion:
    """The conversion of `given`, which stands at `prefix` in the request.

    Raises:
        Problem: `validation_failed`, with pointers such as `/original/flags/batch_size`.
    """
    flags = {name: _text(value) for name, value in given.flags.items()}
    try:
        if given.input_config is not None and given.sample_config is None:
            return convert_input_config(given.input_config, flags)
        if given.sample_config is not None and given.input_config is None:
            return convert_sample_config(given.sample_config, flags)
    except ConfigInvalid as error:
        raise from_pocketrec(error, prefix) from None
    detail = "give one of `input_config` and `sample_config`"
    code = "missing" if given.input_config is None else "contradiction"
    raise Problem("validation_failed", detail, errors=[Fault(prefix, code, detail)])


def read(wanted: JobRequest) -> Conversion | None:
    """The conversion of the original's config in a request, or None where it has none.

    Raises:
        Problem: `validation_failed`: it can't be converted, or stands beside a config of ours.
    """
    if wanted.original is None:
        return None
    if wanted.type not in _TYPES:
        detail = f"a job of type {wanted.type} takes the config of its base; leave `original` out"
        raise Problem("validation_failed", detail, errors=[Fault("/original", "not_allowed", detail)])
    for name in ("config", "preset"):
        if getattr(wanted, name) is not None:
            detail = f"`original` is a whole config; give it or `{name}`, not both"
            raise Problem("validation_failed", detail, errors=[Fault(f"/{name}", "contradiction", detail)])
    return convert(wanted.original, "/original")


def tfrecord_layout(wanted: JobRequest) -> Layout:
    """The layout that the original of the request's config had: its older kind is of the example of 2020."""
    older = wanted.original is not None and wanted.original.sample_config is not None
    return "original_2020" if older else "original"


def place(pointer: str, conversion: Conversion | None) -> str:
    """`pointer` into a request as it was sent: where its config was converted, `/config/...` is what it came from."""
    if conversion is None or not pointer.startswith("/config"):
        return pointer
    return "/original" + conversion.origin(pointer.removeprefix("/config"))


def placed(problem: Problem, conversion: Conversion) -> Problem:
    """`problem` with its pointers into the request as it was sent."""
    faults = [Fault(place(one.pointer, conversion), one.code, one.detail, one.parameter) for one in problem.faults]
    return Problem(problem.code, problem.text, errors=faults, headers=problem.headers, extra=problem.extra)


def announce(session: Session, job: Job, conversion: Conversion) -> Job:
    """Keep the changes as an event of the job; the job as it is then."""
    events.append(session, job.id, EVENT, show_conversion(conversion.changes).model_dump())
    return jobs.get(session, job.id)


def show_conversion(changes: tuple[Change, ...]) -> ConversionView:
    """The changes as JSON."""
    return ConversionView(changes=[ChangeView(**asdict(change)) for change in changes])


def _text(value: str | bool | float | list[int]) -> str:
    """A value as it would stand on a command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
