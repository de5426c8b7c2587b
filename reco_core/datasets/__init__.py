"""Stage 1 of 7: files -> interactions.

`load(source, spec) -> Interactions` reads a file, folder or zip in any of the formats of `DatasetSpec`; `store` and
`restore` keep them in one canonical form, and `content_hash` tells whether two datasets are the same.
`reco_core.datasets.builtin.fetch` obtains the dataset of the demo.
"""

from reco_core.datasets.canonical import content_hash, restore, store
from reco_core.datasets.limits import Limits
from reco_core.datasets.loading import load
from reco_core.datasets.spec import DatasetSpec, ItemsSpec, Mapping
from reco_core.datasets.types import Interactions, ItemTable, LoadReport

__all__ = [
    "DatasetSpec",
    "Interactions",
    "ItemTable",
    "ItemsSpec",
    "Limits",
    "LoadReport",
    "Mapping",
    "content_hash",
    "load",
    "restore",
    "store",
]
