"""Finding the asker's datasets."""

from __future__ import annotations

from app.dependencies import Services, plausible_id
from app.problems import not_found
from app.security import Principal
from registry import datasets
from registry.errors import NotFound
from registry.records import Dataset


def find(services: Services, principal: Principal, dataset_id: str) -> Dataset:
    """The asker's dataset of this id.

    Raises:
        Problem: `not_found`, also where it belongs to somebody else or has been deleted.
    """
    if not plausible_id(dataset_id):
        not_found("dataset")
    try:
        with services.database.read() as session:
            return datasets.get(session, dataset_id, project=principal.project)
    except NotFound:
        not_found("dataset")
