"""From the text fields of an upload form to a DatasetSpec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from app import strict_json
from app.problems import Fault, Problem, from_pydantic
from reco_core.datasets.spec import DatasetSpec

TEXT_FIELDS = frozenset({"format", "path", "separator", "encoding", "on_bad_rows"})
JSON_FIELDS = frozenset({"mapping", "items", "users", "header"})
OTHER_FIELDS = frozenset({"name", "labels", "spec"})


def read_spec(fields: Mapping[str, str]) -> DatasetSpec:
    """The spec that `fields` describe: `spec` (JSON) first, then single fields over it.

    Raises:
        Problem: `malformed_json`, or `validation_failed` with pointers such as `/mapping/user`.
    """
    known = TEXT_FIELDS | JSON_FIELDS | OTHER_FIELDS
    if unknown := sorted(set(fields) - known):
        raise Problem(
            "validation_failed",
            f"Unknown form field {unknown[0][:80]!r}; known are {', '.join(sorted(known | {'file'}))}.",
            errors=[Fault(f"/{name[:80]}", "unknown_field", "unknown form field") for name in unknown],
        )
    document: dict[str, Any] = {}
    if "spec" in fields:
        whole = strict_json.parse(fields["spec"], "the field spec")
        if not isinstance(whole, dict):
            fault = Fault("/spec", "object_expected", "expected a JSON object")
            raise Problem("validation_failed", "spec must be a JSON object such as {}.", errors=[fault])
        document.update(whole)
    for name in sorted(TEXT_FIELDS & fields.keys()):
        document[name] = None if fields[name] == "null" else fields[name]
    for name in sorted(JSON_FIELDS & fields.keys()):
        document[name] = strict_json.parse(fields[name], f"the field {name}")
    try:
        return DatasetSpec.model_validate(document)
    except ValidationError as error:
        raise from_pydantic(error.errors(include_url=False)) from None
