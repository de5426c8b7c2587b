"""What the app that the layout `reference` is for can pass: item ids, and the genres of the items, flat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reco_core.config.features import StringFeature
from reco_core.errors import ConfigInvalid, FieldError

if TYPE_CHECKING:
    from reco_core.config.job import JobConfig

_CODE = "not_in_reference_layout"
_REMEDY = "leave it out, or set export.layout to 'default'"


def genre_feature(config: JobConfig) -> StringFeature | None:
    """The one feature that the app passes beside ids, if the config has it.

    Raises:
        ConfigInvalid: the config has features that the app can't pass.
    """
    features = config.features
    faults = []
    if features.automatic:
        faults.append(_fault("/features", "the app that the layout `reference` is for passes ids and genres only"))
    for number, feature in enumerate(features.history):
        faults.append(_fault(f"/features/history/{number}", f"the app passes nothing like {feature.name!r}"))
    for number, _ in enumerate(features.global_groups):
        faults.append(_fault(f"/features/global_groups/{number}", "the app knows nothing about its user"))
    found: StringFeature | None = None
    for number, group in enumerate(features.activity_groups):
        for place, feature in enumerate(group.features):
            pointer = f"/features/activity_groups/{number}/features/{place}"
            if not isinstance(feature, StringFeature) or feature.layout != "flat":
                faults.append(_fault(pointer, "besides ids the app passes only a `flat` feature of type string"))
            elif found is not None:
                faults.append(_fault(pointer, f"the app passes one feature, and {found.name!r} is that"))
            else:
                found = feature
    if faults:
        raise ConfigInvalid("; ".join(fault.detail for fault in faults[:3]), faults)
    return found


def check(config: JobConfig) -> None:
    """Raise ConfigInvalid where the layout is `reference` and the config asks for what it can't have."""
    if config.export.layout == "reference":
        genre_feature(config)


def _fault(pointer: str, why: str) -> FieldError:
    return FieldError(pointer, _CODE, f"{why}; {_REMEDY}")
