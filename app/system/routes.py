"""`/healthz`, `/readyz`, `/v1/config_schema`, `/v1/presets`, `/problems/{code}`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app import conditional
from app.dependencies import Wired
from app.problem_kinds import KINDS
from app.problems import Problem, not_found
from app.responses import ETAG, NOT_MODIFIED, ok, problems
from app.security import Asker
from app.system.health import run_checks
from reco_core import config as job_config

router = APIRouter()


class Alive(BaseModel):
    """The process answers."""

    status: str


class CheckView(BaseModel):
    """What one part answered."""

    name: str
    ok: bool
    required: bool = Field(description="Whether the service needs it; if not, a fault is a warning.")
    detail: str
    remedy: str | None = Field(description="What to do about it; null where all is well.")
    milliseconds: float


class Ready(BaseModel):
    """Every part that the service needs is sound."""

    status: str
    checks: list[CheckView]


class PresetView(BaseModel):
    """A named starting point for a config."""

    name: str
    summary: str
    config: dict[str, Any]


class PresetList(BaseModel):
    """All presets."""

    data: list[PresetView]


class ProblemKindView(BaseModel):
    """What a problem code means and what to do about it."""

    type: str
    code: str
    status: int
    title: str
    help: str


_READY_EXAMPLE = {
    "status": "ready",
    "checks": [
        {
            "name": "database",
            "ok": True,
            "required": True,
            "detail": "answers",
            "remedy": None,
            "milliseconds": 1.2,
        },
        {
            "name": "workers",
            "ok": False,
            "required": False,
            "detail": "queue train: 3 wait, the first for 5 min 12 s, and no worker has taken any",
            "remedy": "Start a worker that takes these queues.",
            "milliseconds": 2.3,
        },
    ],
}


@router.get("/healthz", tags=["system"], responses={**ok("Alive.", {"status": "ok"}), 422: problems()[422]})
async def get_health() -> Alive:
    """Whether the process answers. Asks nothing else, so it stays fast when other parts are not."""
    return Alive(status="ok")


@router.get("/readyz", tags=["system"], responses={**ok("Ready.", _READY_EXAMPLE), **problems("not_ready")})
def get_readiness(services: Wired) -> Ready:
    """Whether the service can do its work: what each part says, and what to do about those that are not well."""
    checks = [CheckView(**vars(check)) for check in run_checks(services)]
    broken = [check for check in checks if check.required and not check.ok]
    if broken:
        raise Problem(
            "not_ready",
            "; ".join(f"{check.name}: {check.detail} - {check.remedy}" for check in broken),
            headers={"Retry-After": "5"},
            extra={"checks": [check.model_dump() for check in checks]},
        )
    return Ready(status="ready", checks=checks)


@router.get(
    "/v1/config_schema",
    tags=["config"],
    response_model=dict[str, Any],
    responses={**ok("JSON Schema (2020-12).", {"type": "object"}, ETAG), **NOT_MODIFIED, **problems()},
)
def get_config_schema(request: Request, _principal: Asker) -> Response:
    """The JSON Schema of a job's `config`."""
    return conditional.respond(request, json.dumps(job_config.json_schema()).encode())


@router.get(
    "/v1/presets",
    tags=["config"],
    response_model=PresetList,
    responses={
        **ok(
            "The presets.",
            {"data": [{"name": "bow", "summary": "Smallest.", "config": {"encoder": {"type": "bow"}}}]},
            ETAG,
        ),
        **NOT_MODIFIED,
        **problems(),
    },
)
def list_presets(request: Request, _principal: Asker) -> Response:
    """Named starting points for a config."""
    presets = [
        PresetView(name=name, summary=preset.summary, config=_plain(preset.overrides))
        for name, preset in job_config.PRESETS.items()
    ]
    return conditional.respond_with(request, PresetList(data=presets))


@router.get(
    "/problems/{code}",
    tags=["system"],
    responses={
        **ok(
            "The kind of problem.",
            {
                "type": "/problems/not_found",
                "code": "not_found",
                "status": 404,
                "title": KINDS["not_found"].title,
                "help": KINDS["not_found"].help,
            },
        ),
        **problems("not_found", "validation_failed"),
    },
)
async def get_problem_kind(code: str) -> ProblemKindView:
    """What a problem code means and what to do about it."""
    kind = KINDS.get(code)
    if kind is None:
        not_found("kind of problem")
    return ProblemKindView(type=f"/problems/{code}", code=code, status=kind.status, title=kind.title, help=kind.help)


def _plain(overrides: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dict(overrides)))
    return plain
