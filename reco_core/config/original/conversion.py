"""What a conversion gives, and the draft in which it is put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reco_core.config.job import JobConfig
from reco_core.config.loading import load
from reco_core.errors import ConfigInvalid, FieldError


@dataclass(frozen=True)
class Change:
    """Something that is not as it was. `field` is named as the original names it; `ours` None: it has no part here."""

    field: str
    original: str
    ours: str | None
    why: str


@dataclass(frozen=True)
class Place:
    """Where something stands in the original: a pointer into `{input_config | sample_config, flags}`, and its name.

    Text has no inside for a pointer, so within `/input_config` the name alone tells the field.
    """

    pointer: str
    name: str


@dataclass(frozen=True)
class Conversion:
    """A config document that `reco_core.config.load` takes, and what differs from the original in it."""

    config: Mapping[str, Any]
    changes: tuple[Change, ...]
    places: Mapping[str, Place] = field(default_factory=dict, repr=False, compare=False)

    def origin(self, pointer: str) -> str:
        """Where in `{input_config | sample_config, flags}` that comes from which `pointer` of the config names."""
        return _nearest(self.places, pointer).pointer

    def as_dict(self) -> dict[str, Any]:
        """JSON form: `{config, changes: [{field, original, ours, why}]}`."""
        return {"config": dict(self.config), "changes": [asdict(change) for change in self.changes]}


def in_flags(written: str) -> Place:
    """The place of a flag; `written` with or without dashes in front, as it was given."""
    return Place(f"/flags/{written.replace('~', '~0').replace('/', '~1')}", f"--{written.lstrip('-')}")


class Draft:
    """A document that grows, with the place in the original that each of its fields comes from."""

    def __init__(self, whole: Place) -> None:
        self.changes: list[Change] = []
        self._document: dict[str, Any] = {}
        self._faults: list[FieldError] = []
        self._places: dict[str, Place] = {"": whole}

    def put(self, path: str, value: Any, place: Place | None = None) -> None:
        """Set the field at `path`, such as `training.batch_size`; `place` is what gave the value."""
        section: dict[str, Any] = self._document
        *outer, last = path.split(".")
        for name in outer:
            section = section.setdefault(name, {})
        section[last] = value
        if place is not None:
            self.derive("/" + path.replace(".", "/"), place)

    def derive(self, pointer: str, place: Place) -> None:
        """Say that what stands at `pointer` of the document, and below it, comes from `place`."""
        self._places[pointer] = place

    def change(self, name: str, original: object, ours: str | None, why: str) -> None:
        """Note something that is not as it was; `name` is what the original calls it."""
        self.changes.append(Change(shown(name), shown(original), ours, why))

    def fault(self, place: Place, code: str, detail: str) -> None:
        """Note something that can't be converted."""
        said = f"{place.name}: {detail}" if place.name else detail
        self._faults.append(FieldError(place.pointer, code, printable(said)))

    def require_sound(self) -> None:
        """Raise ConfigInvalid if there are faults, with all of them."""
        if self._faults:
            summary = "; ".join(fault.detail for fault in self._faults[:3])
            more = f" ({len(self._faults) - 3} more)" if len(self._faults) > 3 else ""
            raise ConfigInvalid(f"the config can't be converted: {summary}{more}", self._faults)

    def finish(self) -> Conversion:
        """The conversion.

        Raises:
            ConfigInvalid: there are faults, or values that our config doesn't take; they are named as in the original.
        """
        self.require_sound()
        order = list(JobConfig.model_fields)
        document = {name: self._document[name] for name in sorted(self._document, key=order.index)}
        try:
            load(document)
        except ConfigInvalid as error:
            for fault in error.errors:
                self.fault(_nearest(self._places, fault.pointer), fault.code, fault.detail)
            self.require_sound()
            raise
        return Conversion(document, tuple(self.changes), dict(self._places))


def _nearest(places: Mapping[str, Place], pointer: str) -> Place:
    """The place of the innermost part around `pointer` that has one; the whole always has."""
    while pointer not in places:
        pointer = pointer.rpartition("/")[0]
    return places[pointer]


def printable(text: str) -> str:
    """`text` with control characters escaped: databases and terminals take it."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def shown(value: object) -> str:
    """A value in words: lists as the original's flags have them, at most 200 characters, all printable."""
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = printable(text[:201])
    return text if len(text) <= 200 else text[:199] + "…"
