"""Which names are allowed."""

from __future__ import annotations

import re

from registry.errors import InvalidName

MODEL_NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*", re.ASCII)
MAX_MODEL_NAME = 64
MAX_DATASET_NAME = 200


def check_model_name(name: str) -> str:
    """The name, if it is a slug of at most 64 characters; it is part of URLs. Raises InvalidName."""
    if len(name) > MAX_MODEL_NAME or not MODEL_NAME.fullmatch(name):
        raise InvalidName(
            f"model name {name[:80]!r} is not allowed; use lower-case letters and digits, with single '-', '_' or '.' "
            f"between them, at most {MAX_MODEL_NAME} characters, such as 'shoes-eu'"
        )
    return name


def check_dataset_name(name: str) -> str:
    """The name, if it is one line of 1 to 200 printable characters. Raises InvalidName."""
    if not 1 <= len(name) <= MAX_DATASET_NAME or not name.isprintable() or not name.strip():
        raise InvalidName(
            f"dataset name {name[:80]!r} is not allowed; use 1 to {MAX_DATASET_NAME} printable characters on one line"
        )
    return name
