"""Stage 1 of 7: files -> interactions.

`load(source, spec) -> Interactions` reads a file, folder or zip in any of the formats of `DatasetSpec`; `store` and
`restore` keep them in one canonical form, and `content_hash` tells whether two datasets are the same.
`reco_core.datasets.builtin.fetch` obtains the dataset of the demo.

The spec is imported at once, the parsers at first use: the doors need only the spec, and the parsers' libraries would
triple their memory.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reco_core.datasets.spec import DatasetSpec, ItemsSpec, Mapping, UsersSpec

if TYPE_CHECKING:
    from reco_core.datasets.canonical import restore, store
    from reco_core.datasets.content import content_hash
    from reco_core.datasets.limits import Limits
    from reco_core.datasets.loading import load
    from reco_core.datasets.statistics import log_statistics
    from reco_core.datasets.types import Interactions, ItemTable, LoadReport

__all__ = [
    "DatasetSpec",
    "Interactions",
    "ItemTable",
    "ItemsSpec",
    "Limits",
    "LoadReport",
    "Mapping",
    "UsersSpec",
    "content_hash",
    "load",
    "log_statistics",
    "restore",
    "store",
]

_HOMES = {
    "Interactions": "types",
    "ItemTable": "types",
    "Limits": "limits",
    "LoadReport": "types",
    "content_hash": "content",
    "load": "loading",
    "log_statistics": "statistics",
    "restore": "canonical",
    "store": "canonical",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
