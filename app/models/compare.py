"""`GET /v1/models/{name}:compare?versions=3,5`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from app import conditional
from app.dependencies import Services, Wired
from app.models import comparison
from app.models.comparison import CompareView, ComparisonView, ReasonView
from app.models.examples import COMPARE_EXAMPLE
from app.models.files import MEASUREMENTS, RANKS
from app.models.lookup import find_versions
from app.models.pairs import NotComputed
from app.problems import Fault, Problem
from app.responses import ETAG, NOT_MODIFIED, ok, problems
from app.security import Asker
from registry.errors import RegistryError
from registry.records import FileEntry, ModelVersion

log = structlog.get_logger(__name__)

MOST_VERSIONS = 8
_MOST_BYTES = 1 << 20  # of measurements.json, which has about a thousand

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get(
    "/{name:word}:compare",
    response_model=CompareView,
    responses={
        **ok("The versions side by side.", COMPARE_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "validation_failed"),
    },
)
async def compare_model_versions(
    request: Request,
    services: Wired,
    principal: Asker,
    name: str,
    versions: Annotated[
        str,
        Query(
            max_length=100,
            description=f"2 to {MOST_VERSIONS} version numbers with commas between them; the first is the base that "
            "the others are compared with.",
            examples=["3,5"],
        ),
    ],
) -> Response:
    """Versions side by side: figures, sizes, latencies, configs, and whether a difference can be told from chance.

    `paired` rests on the same test examples ranked by both versions, in a paired bootstrap over users.
    """
    numbers = _numbers(versions)
    found = await run_in_threadpool(find_versions, services, principal, name, numbers)
    compared = await _compare(services, found[0], found[1:])
    view = CompareView(
        model=found[0].model,
        base=found[0].version,
        versions=[
            comparison.show_compared(version, await run_in_threadpool(_latencies, services, version))
            for version in found
        ],
        config_differences=comparison.config_differences(found),
        comparisons=compared,
    )
    return conditional.respond_with(request, view)


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    numbers = [int(part) if part.isascii() and part.isdigit() and len(part) < 10 else 0 for part in parts]
    detail = None
    if not all(numbers):
        detail = "expected version numbers with commas between them, such as 3,5"
    elif not 2 <= len(numbers) <= MOST_VERSIONS:
        detail = f"name 2 to {MOST_VERSIONS} versions, such as 3,5"
    elif len(set(numbers)) < len(numbers):
        detail = "name each version once"
    if detail is not None:
        fault = Fault("", "invalid_versions", detail, parameter="versions")
        raise Problem("validation_failed", f"versions: {detail}", errors=[fault])
    return numbers


async def _compare(services: Services, base: ModelVersion, others: Sequence[ModelVersion]) -> list[ComparisonView]:
    """Each of `others` against `base`, in this order."""
    reasons = {version.version: _hindrance(version, base) for version in others}
    able = [version for version in others if reasons[version.version] is None]
    shown: dict[int, ComparisonView] = {}
    if able:
        try:
            pairs = await services.pairs.compare(_ranks(base), [_ranks(version) for version in able])
        except NotComputed as error:
            reasons |= {version.version: ReasonView(code="not_computed", detail=str(error)) for version in able}
        else:
            for version, pair in zip(able, pairs, strict=True):
                if pair is None:
                    reasons[version.version] = comparison.different_split(version, base)
                else:
                    shown[version.version] = comparison.show_pair(version, base, pair)
    for version in others:
        reason = reasons[version.version]
        if reason is not None:
            shown[version.version] = comparison.show_unpaired(version, base, reason)
    return [shown[version.version] for version in others]


def _hindrance(version: ModelVersion, base: ModelVersion) -> ReasonView | None:
    """Why the two can't be paired, as far as the registry knows."""
    without = [str(one.version) for one in (base, version) if _find(one, RANKS) is None]
    if without:
        those = f"version {without[0]} was" if len(without) == 1 else f"versions {' and '.join(without)} were"
        detail = f"{those} published without the ranks of the test examples; train again to compare"
        return ReasonView(code="no_ranks", detail=detail)
    return comparison.different_data(version, base)


def _ranks(version: ModelVersion) -> FileEntry:
    entry = _find(version, RANKS)
    assert entry is not None  # noqa: S101 - versions without are never asked for it
    return entry


def _find(version: ModelVersion, path: str) -> FileEntry | None:
    return next((entry for entry in version.files if entry.path == path), None)


def _latencies(services: Services, version: ModelVersion) -> dict[str, float]:
    """Milliseconds by variant; empty where nothing was measured."""
    entry = _find(version, MEASUREMENTS)
    if entry is None or entry.bytes > _MOST_BYTES:
        return {}
    try:
        document: Any = json.loads(b"".join(services.blobs.open_range(entry.sha256)))
    except (RegistryError, ValueError) as error:
        log.warning("measurements_unreadable", model=version.model, version=version.version, error=repr(error)[:300])
        return {}
    variants = document.get("variants") if isinstance(document, dict) else None
    entries = variants.items() if isinstance(variants, Mapping) else ()
    found = {name: entry.get("latency_ms") for name, entry in entries if isinstance(entry, dict)}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
