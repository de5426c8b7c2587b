"""Text protos of the original's `InputConfig`, read without its code and without TensorFlow.

The message type is put together at run time: names, numbers and types of the fields are the interface.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal

from reco_core.config.original.conversion import printable
from reco_core.errors import ConfigInvalid, FieldError

FeatureKind = Literal["string", "int", "float"]
EncoderKind = Literal["bow", "cnn", "rnn"]
MAX_CHARACTERS = 256 * 1024
# The first value of an enum is what an absent field means.
_FEATURE_TYPES: dict[str, FeatureKind] = {"STRING": "string", "INT": "int", "FLOAT": "float"}
_ENCODER_TYPES: dict[str, EncoderKind] = {"BOW": "bow", "CNN": "cnn", "LSTM": "rnn"}
_FIELDS: dict[str, tuple[tuple[str, str, bool], ...]] = {
    # message: (field, type, repeated), numbered from 1
    "Feature": (
        ("feature_name", "string", False),
        ("feature_type", "FeatureType", False),
        ("vocab_name", "string", False),
        ("vocab_size", "int64", False),
        ("embedding_dim", "int64", False),
        ("feature_length", "int64", False),
    ),
    "FeatureGroup": (("features", "Feature", True), ("encoder_type", "EncoderType", False)),
    "InputConfig": (
        ("global_feature_groups", "FeatureGroup", True),
        ("activity_feature_groups", "FeatureGroup", True),
        ("label_feature", "Feature", False),
    ),
}
_ENUMS: dict[str, tuple[str, ...]] = {"FeatureType": tuple(_FEATURE_TYPES), "EncoderType": tuple(_ENCODER_TYPES)}


@dataclass(frozen=True)
class OriginalFeature:
    """A feature as the text says it; None: it doesn't. `path` is where, such as `label_feature`."""

    path: str
    name: str
    kind: FeatureKind
    vocab_name: str | None
    vocab_size: int | None
    embedding_dim: int | None
    length: int | None

    @property
    def embedded(self) -> bool:
        """Whether its values have embeddings; quantities are used as they are."""
        return self.kind != "float"


@dataclass(frozen=True)
class OriginalGroup:
    """Features that are encoded together."""

    path: str
    features: tuple[OriginalFeature, ...]
    encoder: EncoderKind


@dataclass(frozen=True)
class InputConfig:
    """The original's input config, not yet checked for sense."""

    global_groups: tuple[OriginalGroup, ...]
    activity_groups: tuple[OriginalGroup, ...]
    label: OriginalFeature | None


def parse(text: str) -> InputConfig:
    """The input config in a text proto.

    Raises:
        ConfigInvalid: it isn't one; line and column, both from 1, stand in the message.
    """
    from google.protobuf import text_format

    if len(text) > MAX_CHARACTERS:
        raise _invalid(f"longer than {MAX_CHARACTERS:,} characters")
    surrogate = next((number for number, sign in enumerate(text) if "\ud800" <= sign <= "\udfff"), None)
    if surrogate is not None:
        line = text.count("\n", 0, surrogate) + 1
        raise _invalid(f"line {line} column {surrogate - text.rfind(chr(10), 0, surrogate)}: not Unicode text")
    try:
        message = text_format.Parse(text, _message_class()())
    except text_format.ParseError as error:
        raise _invalid(_explain(error)) from None
    except RecursionError:
        raise _invalid("nested too deeply") from None
    return InputConfig(
        _groups(message.global_feature_groups, "global_feature_groups"),
        _groups(message.activity_feature_groups, "activity_feature_groups"),
        _feature(message.label_feature, "label_feature") if message.HasField("label_feature") else None,
    )


def _groups(messages: Iterable[Any], path: str) -> tuple[OriginalGroup, ...]:
    encoders = list(_ENCODER_TYPES.values())
    return tuple(
        OriginalGroup(
            f"{path}[{number}]",
            tuple(_feature(one, f"{path}[{number}].features[{at}]") for at, one in enumerate(group.features)),
            encoders[group.encoder_type],
        )
        for number, group in enumerate(messages)
    )


def _feature(message: Any, path: str) -> OriginalFeature:
    def said(field: str) -> Any:
        return getattr(message, field) if message.HasField(field) else None

    return OriginalFeature(
        path,
        message.feature_name,
        list(_FEATURE_TYPES.values())[message.feature_type],
        said("vocab_name") or None,
        said("vocab_size"),
        said("embedding_dim"),
        said("feature_length"),
    )


@cache
def _message_class() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field_type = descriptor_pb2.FieldDescriptorProto
    # proto2: unlike proto3 it tells an absent field from a zero, and refuses numbers that no enum value has
    file = descriptor_pb2.FileDescriptorProto(name="input_config", syntax="proto2")
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    scalars = {"string": field_type.TYPE_STRING, "int64": field_type.TYPE_INT64}
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, repeated) in enumerate(fields, start=1):
            added = message.field.add(name=field, number=number)
            added.label = field_type.LABEL_REPEATED if repeated else field_type.LABEL_OPTIONAL
            if kind in scalars:
                added.type = scalars[kind]
            else:
                added.type = field_type.TYPE_ENUM if kind in _ENUMS else field_type.TYPE_MESSAGE
                added.type_name = f".{kind}"
    pool = descriptor_pool.DescriptorPool()  # of its own: TensorFlow's protos are registered in the default one
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("InputConfig"))


def _explain(error: Any) -> str:
    """The parser's words, with the names that it would have known."""
    said = re.sub(r"^\d+:\d+ : ", "", str(error))
    place = f"line {error.GetLine()} column {error.GetColumn()}: " if error.GetLine() is not None else ""
    if found := re.search(r'Message type "(\w+)" has no field named "([^"]*)"', said):
        known = [name for name, _, _ in _FIELDS[found[1]]]
        return f"{place}{found[1]} has no field {found[2][:80]!r}; {_hint(found[2], known)}"
    if found := re.search(r'Enum type "(\w+)" has no value (?:named|with number) (\w+)', said):
        known = list(_ENUMS[found[1]])
        what = "feature type" if found[1] == "FeatureType" else "encoder"
        return f"{place}unknown {what} {found[2][:80]}; choose one of: {', '.join(known)}"
    return place + (said if len(said) <= 300 else said[:299] + "…")


def _hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"


def _invalid(detail: str) -> ConfigInvalid:
    detail = printable(detail)
    return ConfigInvalid(
        f"the input config is no text proto of InputConfig: {detail}",
        [FieldError("/input_config", "text_proto_invalid", detail)],
    )
