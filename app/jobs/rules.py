"""Which fields of a request go with which type of job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.jobs.schemas import JobRequest
from app.problems import Fault, Problem


@dataclass(frozen=True)
class Rules:
    """`refuses` says of each field that doesn't go with the type why."""

    needs: tuple[str, ...]
    refuses: Mapping[str, str]


_NO_VERSION = "this type publishes no version: its files are the job's own; leave it out"
_BASES_CONFIG = "the config is the base version's; leave it out"
_ANEW = "this type begins with a dataset; leave it out, or take the type train, export or evaluate"

RULES: Mapping[str, Rules] = MappingProxyType(
    {
        "train": Rules(needs=("dataset_id",), refuses={}),
        "examples": Rules(needs=("dataset_id",), refuses={"base": _ANEW, "model": _NO_VERSION}),
        "export": Rules(
            needs=("base",),
            refuses={"dataset_id": "the dataset is the base version's; leave it out", "preset": _BASES_CONFIG},
        ),
        "evaluate": Rules(needs=("base",), refuses={"preset": _BASES_CONFIG, "model": _NO_VERSION}),
    }
)
_WHAT = {"dataset_id": "a dataset's id", "base": "a published version: `model` and `version`"}


def require_fields(wanted: JobRequest) -> None:
    """Refuse a request that lacks a field its type needs, or has one that its type can't use.

    Raises:
        Problem: `validation_failed`, pointing at each.
    """
    faults = list(_faults(wanted, RULES[wanted.type]))
    if faults:
        more = f" ({len(faults) - 1} more in `errors`)" if len(faults) > 1 else ""
        raise Problem("validation_failed", f"{faults[0].pointer}: {faults[0].detail}{more}", errors=faults)


def _faults(wanted: JobRequest, rules: Rules) -> Iterator[Fault]:
    for name in rules.needs:
        if getattr(wanted, name) is None:
            code = "string_type" if name == "dataset_id" and name in wanted.model_fields_set else "missing"
            yield Fault(f"/{name}", code, f"a job of type {wanted.type} needs {_WHAT[name]}")
    for name, why in rules.refuses.items():
        if getattr(wanted, name) is not None:
            yield Fault(f"/{name}", "not_allowed", why)
    if wanted.type != "export":
        for name in ("new_items", "skip_existing"):
            if getattr(wanted, name):
                yield Fault(f"/{name}", "not_allowed", "items are added by a job of type export; leave it out")
    elif wanted.skip_existing and wanted.new_items is None:
        yield Fault("/skip_existing", "not_allowed", "there are no new_items to skip any of; leave it out")
    ids = [item.id for item in wanted.new_items or ()]
    if len(set(ids)) < len(ids):
        repeated = next(index for index, one in enumerate(ids) if ids.index(one) < index)
        yield Fault(f"/new_items/{repeated}/id", "repeated", f"{ids[repeated]!r} stands further up; give each id once")
    if wanted.type == "evaluate" and wanted.base is not None and wanted.base.checkpoint is not None:
        yield Fault("/base/checkpoint", "not_allowed", "a version's files are what is evaluated; leave it out")
