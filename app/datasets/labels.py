"""Labels: a dataset's owner's own notes, by which lists can be filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from app import strict_json
from app.problems import from_pydantic

MAX_LABELS = 16
MAX_KEY = 64
MAX_VALUE = 512
Key = Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEY)]
Value = Annotated[str, StringConstraints(max_length=MAX_VALUE)]
Labels = Annotated[dict[Key, Value], Field(max_length=MAX_LABELS)]

_labels: TypeAdapter[dict[str, str]] = TypeAdapter(Labels)


def read(fields: Mapping[str, str]) -> dict[str, str]:
    """The labels in the field `labels` (JSON) of a form; none without it.

    Raises:
        Problem: `malformed_json`, or `validation_failed` with pointers such as `/labels/season`.
    """
    return checked(strict_json.parse(fields["labels"], "the field labels")) if "labels" in fields else {}


def checked(labels: object) -> dict[str, str]:
    """The labels, if they are a map of short texts.

    Raises:
        Problem: `validation_failed`.
    """
    try:
        return _labels.validate_python(labels, strict=True)
    except ValidationError as error:
        raise from_pydantic(error.errors(include_url=False), "/labels") from None


def merged(labels: Mapping[str, str], changes: Mapping[str, str | None] | None) -> dict[str, str]:
    """The labels after a JSON merge patch (RFC 7396): null removes a label, and null as a whole removes all.

    Raises:
        Problem: `validation_failed`: too many.
    """
    if changes is None:
        return {}
    after: dict[str, str | None] = {**labels, **changes}
    return checked({key: value for key, value in after.items() if value is not None})
