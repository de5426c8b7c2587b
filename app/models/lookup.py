"""Finding the asker's models and versions; whatever else is asked for gets the one answer for a missing object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path

from app.dependencies import Services
from app.problems import Problem, not_found
from app.security import Principal
from registry import models
from registry.errors import InvalidName, NotFound
from registry.names import check_model_name
from registry.records import Model, ModelVersion

VersionNumber = Annotated[int, Path(ge=1, lt=2**31, description="Version number.")]


def find(services: Services, principal: Principal, name: str) -> Model:
    """The asker's model of this name. Raises Problem `not_found`."""
    require_plausible(name)
    try:
        with services.database.read() as session:
            return models.get(session, name, project=principal.project)
    except NotFound:
        not_found("model")


def find_version(services: Services, principal: Principal, name: str, version: int) -> ModelVersion:
    """A version of the asker's model. Raises Problem `not_found`."""
    require_plausible(name)
    try:
        with services.database.read() as session:
            return models.get_version(session, name, version, project=principal.project)
    except NotFound:
        not_found("model version")


def find_versions(services: Services, principal: Principal, name: str, numbers: Sequence[int]) -> list[ModelVersion]:
    """Several versions of the asker's model, in this order. Raises Problem `not_found`, naming the first missing."""
    model = find(services, principal, name)
    found = []
    with services.database.read() as session:
        for number in numbers:
            try:
                found.append(models.get_version(session, model.name, number, project=principal.project))
            except NotFound:
                raise Problem("not_found", f"There is no version {number} of model {model.name}.") from None
    return found


def require_plausible(name: str) -> None:
    """Names that no model can have never reach the database. Raises Problem `not_found`."""
    try:
        check_model_name(name)
    except InvalidName:
        not_found("model")
